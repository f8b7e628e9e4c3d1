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
