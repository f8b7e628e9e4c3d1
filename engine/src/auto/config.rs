//! The constants of the contest.

use serde::{Deserialize, Serialize};
use tgs_protocol::model::{ModelName, TrainingLength};

use crate::{
    constants::{Bound, bound},
    learn::validation::Validation,
};

/// Below so many seconds one net alone is tried beside the trees: two would both be cut short.
const SECONDS_OF_TWO: u64 = 60;

/// Every constant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AutoConfig {
    /// Share of the training rows that judge: they choose within nets, but do not teach them.
    pub judged_share: f64,
    /// At least so many of them, as far as a quarter of the rows allows.
    pub judged_rows_min: usize,
    /// At most so many of them.
    pub judged_rows_max: usize,
    /// Rows that each candidate draws to be judged, at most: as many as taught, if fewer did.
    pub drawn_rows_max: usize,
    /// A larger share of drawn rows than this nearer to rows that taught than to those that judge
    /// (.5 is ideal) counts against a candidate, ten times.
    pub dcr_share_max: f64,
    /// Share of the time that `autoregressive` gets; the rest, less a tenth to judge, `tabgraph`.
    pub autoregressive_share: f64,
    /// Seconds that a default run takes for all nets together.
    pub default_seconds: u64,
}

impl Default for AutoConfig {
    fn default() -> Self {
        Self {
            judged_share: 0.1,
            judged_rows_min: 100,
            judged_rows_max: 4_000,
            drawn_rows_max: 20_000,
            dcr_share_max: 0.515,
            autoregressive_share: 0.3,
            default_seconds: 600,
        }
    }
}

/// What is left of the time to judge.
const JUDGING_SHARE: f64 = 0.1;

impl AutoConfig {
    /// Which training rows judge.
    pub(super) fn judged(&self) -> Validation {
        Validation {
            share: self.judged_share,
            rows_min: self.judged_rows_min,
            rows_max: self.judged_rows_max,
        }
    }

    /// The candidates, and how long each may train.
    pub(super) fn lengths(&self, length: TrainingLength) -> Vec<(ModelName, TrainingLength)> {
        let mut all = vec![(ModelName::Seqtree, TrainingLength::Default)];
        let seconds = match length {
            TrainingLength::BudgetSeconds(seconds) => seconds,
            TrainingLength::Default => self.default_seconds,
            TrainingLength::Steps(_) | TrainingLength::Epochs(_) => {
                let nets = [ModelName::Autoregressive, ModelName::Tabgraph];
                all.extend(nets.map(|net| (net, length)));
                return all;
            }
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "≥ 0")]
        let part = |share: f64| TrainingLength::BudgetSeconds((seconds as f64 * share) as u64);
        let of_nets = 1.0 - JUDGING_SHARE;
        if seconds < SECONDS_OF_TWO {
            all.push((ModelName::Autoregressive, part(of_nets)));
            return all;
        }
        all.push((ModelName::Autoregressive, part(self.autoregressive_share)));
        all.push((ModelName::Tabgraph, part(of_nets - self.autoregressive_share)));
        all
    }
}

/// The values each constant may take.
pub(super) const BOUNDS: &[Bound] = &[
    bound("judged_share", 0.01, 0.5),
    bound("judged_rows_min", 0.0, 1e6),
    bound("judged_rows_max", 1.0, 1e6),
    bound("drawn_rows_max", 100.0, 1e6),
    bound("dcr_share_max", 0.5, 1.0),
    bound("autoregressive_share", 0.05, 0.85),
    bound("default_seconds", 1.0, 1e9),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_is_bounded() {
        crate::constants::assert_bounded(&AutoConfig::default(), BOUNDS);
    }

    #[test]
    fn time_is_shared_out_and_never_exceeded() {
        for seconds in [10, 59, 60, 600, 10_000] {
            let lengths = AutoConfig::default().lengths(TrainingLength::BudgetSeconds(seconds));
            assert_eq!(lengths.len(), if seconds < 60 { 2 } else { 3 });
            let given = lengths.iter().map(|(_, length)| match length {
                TrainingLength::BudgetSeconds(part) => *part,
                _ => 0,
            });
            let given: u64 = given.sum();
            assert!(given <= seconds && given * 10 >= seconds * 8, "{given} of {seconds}");
        }
    }
}
