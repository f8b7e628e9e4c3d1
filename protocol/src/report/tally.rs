//! The gates of a report by what they said: what page and command line tell of a verdict.

use super::GateOutcome;
use crate::gate::{GateLevel, Gates};

/// The gates that are looked at; each stands in one list.
#[derive(Debug, Default)]
pub struct Tally<'a> {
    /// Failed, and keep the table from being released.
    pub blocking: Vec<&'a GateOutcome>,
    /// Failed, and are only said.
    pub warning: Vec<&'a GateOutcome>,
    /// Could not be measured.
    pub open: Vec<&'a GateOutcome>,
    /// Measured, and hold.
    pub holding: Vec<&'a GateOutcome>,
}

impl<'a> Tally<'a> {
    /// Sorts gates; within a list they keep their order.
    pub fn of(gates: &'a [GateOutcome]) -> Self {
        let mut tally = Self::default();
        for gate in gates.iter().filter(|gate| gate.level != GateLevel::Off) {
            let list = match (gate.passes, gate.level) {
                _ if gate.is_open() => &mut tally.open,
                (true, _) => &mut tally.holding,
                (false, GateLevel::Block) => &mut tally.blocking,
                (false, _) => &mut tally.warning,
            };
            list.push(gate);
        }
        tally
    }

    /// How many gates are looked at.
    pub fn all(&self) -> usize {
        self.blocking.len() + self.warning.len() + self.open.len() + self.holding.len()
    }

    /// Failed gates that guard people and were set to warn only: nothing to be taken lightly.
    pub fn against_privacy(&self) -> Vec<&'a GateOutcome> {
        self.warning.iter().copied().filter(|gate| Gates::is_privacy(&gate.gate)).collect()
    }

    /// What decided a verdict other than pass, one line a gate that names it: failed gates, and
    /// privacy that could not be measured.
    pub fn reasons(&self) -> Vec<String> {
        let open = self.open.iter().filter(|gate| Gates::is_privacy(&gate.gate));
        let decided = self.blocking.iter().chain(&self.warning).chain(open);
        decided
            .map(|gate| format!("{}: {}", gate.gate, gate.meaning.trim_end_matches('.')))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use GateLevel::{Block, Off, Warn};

    #[test]
    fn every_gate_stands_in_one_list_and_reasons_name_those_that_decided() {
        let gate = |gate: &str, level, value, passes| GateOutcome {
            gate: gate.to_owned(),
            value,
            threshold: 0.1,
            level,
            passes,
            meaning: "Why.".to_owned(),
        };
        let gates = [
            gate("ks_mean", Block, Some(0.2), false),
            gate("rare_copies", Warn, Some(3.0), false),
            gate("utility_ratio", Warn, Some(0.2), false),
            gate("correlation_difference", Block, None, true),
            gate("membership_advantage", Warn, None, true),
        ];
        let tally = Tally::of(&gates);
        let names = |list: &[&GateOutcome]| -> Vec<String> {
            list.iter().map(|gate| gate.gate.clone()).collect()
        };
        assert_eq!(tally.all(), 5);
        assert_eq!(names(&tally.blocking), ["ks_mean"]);
        assert_eq!(names(&tally.open), ["correlation_difference", "membership_advantage"]);
        assert_eq!(names(&tally.against_privacy()), ["rare_copies"]);
        let said = ["ks_mean", "rare_copies", "utility_ratio", "membership_advantage"];
        assert_eq!(tally.reasons(), said.map(|name| format!("{name}: Why")));
        assert_eq!(Tally::of(&[gate("ks_mean", Off, Some(0.2), false)]).all(), 0);
    }
}
