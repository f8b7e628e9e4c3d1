//! What the report says of a candidate, and who wins.

use std::fmt;

use serde::{Deserialize, Serialize};
use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    engine::EngineError,
    gate::Gates,
    limits::CHUNK_ROWS,
    model::ModelName,
    progress::Watch,
    report::{Report, Verdict},
};

use super::config::AutoConfig;
use crate::{
    measure::{self, Settings, Tables},
    model,
    table::{Table, stack::Stack},
};

/// How good the rows of a candidate are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Judged {
    pub model: ModelName,
    /// Whether a gate of the report would keep its rows back.
    pub is_blocked: bool,
    /// How well drawn rows are told from rows that did not teach: area under the curve.
    pub detected: Option<f64>,
    /// What models learn from them, over what they learn from real rows.
    pub utility: Option<f64>,
    /// How like the pairs of columns are.
    pub trends: Option<f64>,
    /// Share of drawn rows that are nearer to rows that taught than to those that judge.
    pub nearer: Option<f64>,
}

/// The tables that a candidate is judged on.
pub(super) struct Judges<'a> {
    pub learned: &'a Table,
    pub aside: &'a Table,
    pub config: &'a AutoConfig,
    /// Of what is drawn, and of the report.
    pub seed: u64,
    pub threads: u32,
}

impl Judges<'_> {
    /// What is drawn by a model, judged.
    ///
    /// # Errors
    /// `Stopped` once `watch` says so; those of the model.
    pub(super) fn judge(
        &self,
        (name, model): (ModelName, &[u8]),
        watch: &dyn Watch,
    ) -> Result<Judged, EngineError> {
        let generator = (model::of(name).generator)(model)?;
        let rows = self.learned.rows().min(self.config.drawn_rows_max).max(1);
        let mut drawn: Option<Stack> = None;
        for (number, from) in (0..rows).step_by(CHUNK_ROWS as usize).enumerate() {
            watch.go_on()?;
            let count = (rows - from).min(CHUNK_ROWS as usize);
            let number = ChunkNo(u32::try_from(number).unwrap_or(u32::MAX));
            let chunk = generator.chunk(self.seed, number, count)?;
            drawn.get_or_insert_with(|| Stack::like(&chunk, rows)).push(&chunk)?;
        }
        let none = || EngineError::new(Code::Internal, "judge a table without rows");
        let drawn = drawn.ok_or_else(none)?.table();
        let tables = Tables { train: self.learned, holdout: self.aside, synthetic: &drawn };
        let settings = Settings {
            target: None,
            gates: Gates::default(),
            seed: self.seed,
            threads: self.threads,
            model: None,
            curves: vec![],
        };
        Ok(Judged::of(name, &measure::measure(&tables, &settings, watch)?))
    }
}

impl Judged {
    fn of(model: ModelName, report: &Report) -> Self {
        let value = |key: &str| {
            report.metrics.iter().find(|metric| metric.key == key).and_then(|metric| metric.value)
        };
        Self {
            model,
            is_blocked: report.verdict == Verdict::Block,
            detected: value("c2st_auc_holdout"),
            utility: value("utility_ratio"),
            trends: value("column_pair_trends_real_edges"),
            nearer: value("dcr_share"),
        }
    }

    /// What is wrong with it, less is better: how much more than by chance its rows are told apart,
    /// twice what a model that learns from them lacks and what their pairs of columns lack, and
    /// ten times how much nearer they are to rows that taught than they may be.
    fn cost(&self, nearer_max: f64) -> f64 {
        let lack = |of: Option<f64>| of.map_or(0.0, |of| (1.0 - of).max(0.0));
        let detected = self.detected.map_or(0.0, |auc| 2.0 * (auc - 0.5).max(0.0));
        let nearer = self.nearer.map_or(0.0, |share| (share - nearer_max).max(0.0));
        let blocked = if self.is_blocked { 100.0 } else { 0.0 };
        blocked + detected + 2.0 * (lack(self.utility) + lack(self.trends)) + 10.0 * nearer
    }
}

/// The place of the best one; the first of equals.
pub(super) fn best(all: &[Judged], config: &AutoConfig) -> usize {
    let cost = |at: &usize| all[*at].cost(config.dcr_share_max);
    (0..all.len()).min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(0)
}

/// Why it is the best, for people.
pub(super) fn told(all: &[Judged], best: usize) -> String {
    let others = all.iter().enumerate().filter(|(at, _)| *at != best);
    let others: Vec<String> = others.map(|(_, other)| other.to_string()).collect();
    let winner = &all[best];
    match others.is_empty() {
        true => format!("The model is {winner}."),
        false => format!("Of {} models the best is {winner}; {}.", all.len(), others.join("; ")),
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.model)?;
        let mut said = vec![];
        let figure = |of: f64| format!("{of:.3}");
        said.extend(self.detected.map(|it| format!("detection {}", figure(it))));
        said.extend(self.utility.map(|it| format!("utility {}", figure(it))));
        said.extend(self.trends.map(|it| format!("pair trends {}", figure(it))));
        said.extend(self.nearer.map(|it| format!("DCR share {}", figure(it))));
        said.extend(self.is_blocked.then(|| "kept back by a gate".to_owned()));
        if said.is_empty() { Ok(()) } else { write!(f, " ({})", said.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(model: ModelName, detected: f64, nearer: f64) -> Judged {
        Judged {
            model,
            is_blocked: false,
            detected: Some(detected),
            utility: Some(0.99),
            trends: Some(0.99),
            nearer: Some(nearer),
        }
    }

    #[test]
    fn the_least_detected_wins_unless_it_copies_or_is_kept_back() {
        let config = AutoConfig::default();
        let net = found(ModelName::Tabgraph, 0.55, 0.50);
        let trees = found(ModelName::Seqtree, 0.52, 0.51);
        assert_eq!(best(&[net.clone(), trees.clone()], &config), 1);
        let copier = Judged { nearer: Some(0.54), ..trees.clone() };
        assert_eq!(best(&[net.clone(), copier], &config), 0);
        let blocked = Judged { is_blocked: true, ..trees.clone() };
        assert_eq!(best(&[net.clone(), blocked], &config), 0);
        let useless = Judged { utility: Some(0.9), ..trees.clone() };
        assert_eq!(best(&[net.clone(), useless], &config), 0);
        let why = told(&[net, trees], 1);
        assert!(why.starts_with("Of 2 models the best is seqtree (detection 0.520"), "{why}");
        assert!(why.contains("; tabgraph (detection 0.550"), "{why}");
    }
}
