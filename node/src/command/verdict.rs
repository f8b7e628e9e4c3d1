//! The verdict of a report in words and for programs, the same for every command that judges.

use std::{fs, path::Path};

use serde::Deserialize;
use tgs_protocol::{
    engine::ReportFacts,
    gate::Gates,
    report::{GateOutcome, Tally, Verdict},
};

use crate::{terminal::paragraph, voice::say};

/// What a report says, as it stands in its folder.
pub struct Judged {
    pub verdict: Verdict,
    /// Why it is no plain pass.
    pub reasons: Vec<String>,
    gates: Vec<GateOutcome>,
}

/// What of `report.json` is needed here.
#[derive(Deserialize)]
struct GatesOfReport {
    gates: Vec<GateOutcome>,
}

impl Judged {
    /// The facts, with the gates of the report that was just written. A report that is gone again
    /// costs details, not the verdict.
    pub fn of(facts: &ReportFacts, folder: &Path) -> Self {
        let text = fs::read(folder.join("report.json")).unwrap_or_default();
        let report = serde_json::from_slice(&text).unwrap_or(GatesOfReport { gates: Vec::new() });
        let ReportFacts { verdict, reasons } = facts.clone();
        Self { verdict, reasons, gates: report.gates }
    }

    /// Names of the gates that could not be measured.
    pub fn open_gates(&self) -> Vec<&str> {
        Tally::of(&self.gates).open.iter().map(|gate| gate.gate.as_str()).collect()
    }

    /// Whether a failed gate that guards people keeps the table from being released.
    pub fn privacy_blocks(&self) -> bool {
        Tally::of(&self.gates).blocking.iter().any(|gate| Gates::is_privacy(&gate.gate))
    }

    /// Says the verdict, and below it every gate that is not simply held.
    pub fn say(&self, is_released: bool) {
        say!("{}", paragraph("verdict", &self.words(is_released)));
        self.reasons.iter().for_each(|reason| say!("{}", paragraph("", reason)));
        let is_privacy = |gate: &&&GateOutcome| Gates::is_privacy(&gate.gate);
        for gate in Tally::of(&self.gates).open.iter().filter(|gate| !is_privacy(gate)) {
            let meaning = gate.meaning.trim_end_matches('.');
            say!("{}", paragraph("", &format!("{}: {meaning}", gate.gate)));
        }
    }

    /// The verdict as one reads it aloud.
    fn words(&self, is_released: bool) -> String {
        let tally = Tally::of(&self.gates);
        let (all, holding) = (tally.all(), tally.holding.len());
        let against: Vec<&str> = names(&tally.against_privacy());
        let open = match names(&tally.open)[..] {
            [] => String::new(),
            [one] => format!("one could not be measured: {one}"),
            ref some => format!("{} could not be measured: {}", some.len(), some.join(", ")),
        };
        let held = format!("{holding} of {all} gates hold");
        match self.verdict {
            Verdict::Block => "blocked: do not share".to_owned(),
            Verdict::Pass if self.gates.is_empty() => "pass".to_owned(),
            Verdict::Pass if open.is_empty() => "pass: every gate holds".to_owned(),
            Verdict::Pass => format!("pass: {held}, {open}"),
            Verdict::Warn if !against.is_empty() && is_released => {
                format!("released against a failed privacy gate: {}", against.join(", "))
            }
            Verdict::Warn if !against.is_empty() => {
                format!("a privacy gate failed: {}", against.join(", "))
            }
            Verdict::Warn if self.gates.is_empty() => "pass with warnings".to_owned(),
            Verdict::Warn if open.is_empty() => format!("pass with warnings: {held}"),
            Verdict::Warn => format!("pass with warnings: {held}, {open}"),
        }
    }
}

fn names<'a>(gates: &[&'a GateOutcome]) -> Vec<&'a str> {
    gates.iter().map(|gate| gate.gate.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use tgs_protocol::gate::GateLevel::{self, Block, Warn};

    use super::*;

    fn judged(gates: &[(&str, GateLevel, Option<f64>, bool)]) -> Judged {
        let gate = |(gate, level, value, passes): &(&str, GateLevel, Option<f64>, bool)| {
            let (gate, meaning) = ((*gate).to_owned(), "Why.".to_owned());
            GateOutcome {
                gate,
                value: *value,
                threshold: 0.1,
                level: *level,
                passes: *passes,
                meaning,
            }
        };
        let gates: Vec<GateOutcome> = gates.iter().map(gate).collect();
        let reasons = Tally::of(&gates).reasons();
        Judged { verdict: Verdict::over(&gates), reasons, gates }
    }

    #[test]
    fn not_every_gate_holds_while_one_is_open() {
        let (some, none) = (Some(0.01), None);
        for (gates, words) in [
            (vec![("ks_mean", Block, some, true)], "pass: every gate holds"),
            (
                vec![("ks_mean", Block, some, true), ("utility_ratio", Warn, none, true)],
                "pass: 1 of 2 gates hold, one could not be measured: utility_ratio",
            ),
            (
                vec![("ks_mean", Block, some, true), ("membership_advantage", Warn, none, true)],
                "pass with warnings: 1 of 2 gates hold, one could not be measured: \
                 membership_advantage",
            ),
            (vec![("utility_ratio", Warn, some, false)], "pass with warnings: 0 of 1 gates hold"),
            (
                vec![("rare_copies", Warn, some, false), ("ks_mean", Block, some, true)],
                "released against a failed privacy gate: rare_copies",
            ),
            (vec![("ks_mean", Block, some, false)], "blocked: do not share"),
        ] {
            let judged = judged(&gates);
            assert_eq!(judged.words(true), words);
            let is_plain = words == "pass: every gate holds" || judged.verdict == Verdict::Pass;
            assert_eq!(judged.reasons.is_empty(), is_plain, "a warning has its reason: {words}");
        }
        let alone = judged(&[("rare_copies", Warn, some, false)]);
        assert_eq!(alone.words(false), "a privacy gate failed: rare_copies");
    }
}
