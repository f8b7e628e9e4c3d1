//! Gates: thresholds on the report. A blocking gate that fails keeps the table from being released.

use serde::{Deserialize, Serialize};

use crate::report::Verdict;

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

/// On which side of its threshold a measure passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Strictly below.
    Below,
    /// Below or equal.
    AtMost,
    /// Strictly above.
    Above,
}

impl Side {
    /// Whether a value passes. A value that is no number never does.
    pub fn passes(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Below => value < threshold,
            Self::AtMost => value <= threshold,
            Self::Above => value > threshold,
        }
    }
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

/// What was measured for each gate of [`Gates`], field by field; none if it could not be measured.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Measured {
    /// See [`Gates::ks_mean`].
    pub ks_mean: Option<f64>,
    /// See [`Gates::correlation_difference`].
    pub correlation_difference: Option<f64>,
    /// See [`Gates::utility_ratio`].
    pub utility_ratio: Option<f64>,
    /// See [`Gates::membership_advantage`].
    pub membership_advantage: Option<f64>,
    /// See [`Gates::rare_copies`].
    pub rare_copies: Option<f64>,
}

/// What one gate says of one measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// Field name in [`Gates`].
    pub gate: &'static str,
    /// Threshold and level.
    pub asked: Gate,
    /// What was measured.
    pub value: Option<f64>,
    /// Whether it holds. What could not be measured passes; the report says so.
    pub passes: bool,
}

impl Gates {
    /// Holds every gate against what was measured. The verdict is that of the worst gate that does
    /// not pass and is not off.
    pub fn judge(&self, measured: &Measured) -> (Verdict, [Judgement; 5]) {
        let sides = [Side::Below, Side::Below, Side::Above, Side::Below, Side::AtMost];
        let values = [
            measured.ks_mean,
            measured.correlation_difference,
            measured.utility_ratio,
            measured.membership_advantage,
            measured.rare_copies,
        ];
        let gates = self.each();
        let judgements = std::array::from_fn(|at| {
            let ((gate, asked), value) = (gates[at], values[at]);
            let passes = value.is_none_or(|value| sides[at].passes(value, asked.threshold));
            Judgement { gate, asked, value, passes }
        });
        let failed = judgements.iter().filter(|judgement| !judgement.passes);
        let worst = failed.map(|judgement| judgement.asked.level).max().unwrap_or(GateLevel::Off);
        let verdict = match worst {
            GateLevel::Off => Verdict::Pass,
            GateLevel::Warn => Verdict::Warn,
            GateLevel::Block => Verdict::Block,
        };
        (verdict, judgements)
    }

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: Measured = Measured {
        ks_mean: Some(0.1),
        correlation_difference: Some(0.1),
        utility_ratio: Some(0.9),
        membership_advantage: Some(0.0),
        rare_copies: Some(0.0),
    };

    #[test]
    fn the_defaults_judge_as_the_mission_says() {
        type Change = fn(&mut Measured);
        let cases: [(Change, Verdict, &[&str]); 10] = [
            (|_| {}, Verdict::Pass, &[]),
            (|m| m.ks_mean = Some(0.15), Verdict::Block, &["ks_mean"]),
            (|m| m.ks_mean = Some(0.149), Verdict::Pass, &[]),
            (|m| m.correlation_difference = Some(0.3), Verdict::Block, &["correlation_difference"]),
            (|m| m.utility_ratio = Some(0.8), Verdict::Warn, &["utility_ratio"]),
            (|m| m.membership_advantage = Some(0.1), Verdict::Block, &["membership_advantage"]),
            (|m| m.rare_copies = Some(1.0), Verdict::Block, &["rare_copies"]),
            (|m| m.rare_copies = Some(f64::NAN), Verdict::Block, &["rare_copies"]),
            (|m| *m = Measured::default(), Verdict::Pass, &[]),
            (
                |m| (m.utility_ratio, m.ks_mean) = (Some(0.1), Some(0.9)),
                Verdict::Block,
                &["ks_mean", "utility_ratio"],
            ),
        ];
        for (at, (change, verdict, failed)) in cases.into_iter().enumerate() {
            let mut measured = GOOD;
            change(&mut measured);
            let (said, judgements) = Gates::default().judge(&measured);
            let names: Vec<_> = judgements.iter().filter(|it| !it.passes).collect();
            let names: Vec<_> = names.iter().map(|judgement| judgement.gate).collect();
            assert_eq!((said, names.as_slice()), (verdict, failed), "case {at}");
        }
    }

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

    proptest! {
        #[test]
        fn only_warning_never_blocks_and_judges_the_same(values in any::<[Option<f64>; 5]>()) {
            let measured = Measured {
                ks_mean: values[0],
                correlation_difference: values[1],
                utility_ratio: values[2],
                membership_advantage: values[3],
                rare_copies: values[4],
            };
            let (strict, judged) = Gates::default().judge(&measured);
            let (mild, again) = Gates::default().only_warning().judge(&measured);
            prop_assert_eq!(mild, strict.min(Verdict::Warn));
            prop_assert!(judged.iter().zip(&again).all(|(a, b)| a.passes == b.passes));
        }
    }
}
