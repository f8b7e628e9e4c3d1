//! Gates: thresholds on the report. A blocking gate that fails keeps the table from being released.

use serde::{Deserialize, Serialize};

/// What a failed gate does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateLevel {
    /// Not looked at.
    Off,
    /// Said in the report.
    Warn,
    /// The table is withheld.
    Block,
}

/// The threshold of one measure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The measure passes on this side of the threshold (see [`Gates`] for which side).
    pub threshold: f64,
    /// What a failure does.
    pub level: GateLevel,
}

/// The gates of a job.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    /// Mean Kolmogorov–Smirnov distance over numeric columns: below.
    pub ks_mean: Gate,
    /// Mean absolute difference of the two association matrices: below.
    pub correlation_difference: Gate,
    /// Score of a model trained on synthetic over one trained on real rows: above.
    pub utility_ratio: Gate,
    /// Success of membership inference over chance: below.
    pub membership_advantage: Gate,
    /// Exact copies of rare training rows beyond what holdout rows show: at most.
    pub rare_copies: Gate,
}

impl Default for Gates {
    fn default() -> Self {
        let block = |threshold| Gate { threshold, level: GateLevel::Block };
        Self {
            ks_mean: block(0.15),
            correlation_difference: block(0.2),
            utility_ratio: Gate { threshold: 0.8, level: GateLevel::Warn },
            membership_advantage: block(0.1),
            rare_copies: block(0.0),
        }
    }
}

impl Gates {
    /// The same thresholds, but nothing is withheld.
    #[must_use]
    pub fn only_warning(mut self) -> Self {
        for gate in self.each_mut() {
            gate.level = gate.level.min(GateLevel::Warn);
        }
        self
    }

    /// Whether a gate guards people rather than usefulness.
    pub fn is_privacy(gate: &str) -> bool {
        matches!(gate, "membership_advantage" | "rare_copies")
    }

    /// Every gate with the name of its field, in the order of the fields.
    pub fn each(&self) -> [(&'static str, Gate); 5] {
        [
            ("ks_mean", self.ks_mean),
            ("correlation_difference", self.correlation_difference),
            ("utility_ratio", self.utility_ratio),
            ("membership_advantage", self.membership_advantage),
            ("rare_copies", self.rare_copies),
        ]
    }

    /// The same, to change them.
    pub fn each_mut(&mut self) -> [&mut Gate; 5] {
        [
            &mut self.ks_mean,
            &mut self.correlation_difference,
            &mut self.utility_ratio,
            &mut self.membership_advantage,
            &mut self.rare_copies,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gate's name in `each` is the name of its field, as reports and configuration write it.
    #[test]
    fn names_are_those_of_the_fields() {
        let written = serde_json::to_value(Gates::default()).expect("gates are written");
        let fields = written.as_object().expect("an object");
        let each = Gates::default().each();
        assert_eq!(each.map(|(name, _)| name).as_slice(), fields.keys().collect::<Vec<_>>());
        for (name, gate) in each {
            assert_eq!(fields[name], serde_json::to_value(gate).expect("a gate is written"));
        }
    }

    #[test]
    fn unknown_and_left_out_fields() {
        let some = r#"{"ks_mean": {"threshold": 0.5, "level": "warn"}}"#;
        let gates: Gates = serde_json::from_str(some).expect("other gates keep their defaults");
        assert_eq!(gates.ks_mean, Gate { threshold: 0.5, level: GateLevel::Warn });
        assert_eq!(gates.rare_copies, Gates::default().rare_copies);
        assert!(serde_json::from_str::<Gates>(r#"{"ks": {}}"#).is_err());
    }

    #[test]
    fn only_warning_keeps_thresholds_and_blocks_nothing() {
        let strict = Gates {
            rare_copies: Gate { threshold: 1.0, level: GateLevel::Off },
            ..Gates::default()
        };
        let mild = strict.only_warning();
        for ((name, was), (_, is)) in strict.each().into_iter().zip(mild.each()) {
            assert_eq!(is.threshold, was.threshold, "{name}");
            assert_eq!(is.level, was.level.min(GateLevel::Warn), "{name}");
        }
    }
}
