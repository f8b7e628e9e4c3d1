//! Gates: thresholds on the report. A blocking gate that fails keeps the table from being released.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{code::Code, refusal::Refusal};

/// What a failed gate does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gate {
    /// The measure passes on this side of the threshold (see [`Gates`] for which side).
    pub threshold: f64,
    /// What a failure does.
    pub level: GateLevel,
}

/// On which side of its threshold a measure passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Below; the threshold itself fails.
    Below,
    /// Above; the threshold itself fails.
    Above,
    /// Below, or just the threshold.
    AtMost,
}

impl Side {
    /// The side of a gate, by its name.
    pub fn of(gate: &str) -> Self {
        match gate {
            "utility_ratio" => Self::Above,
            "rare_copies" | "personal_data" => Self::AtMost,
            _ => Self::Below,
        }
    }

    /// Whether a value passes.
    pub fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Below => value < threshold,
            Self::Above => value > threshold,
            Self::AtMost => value <= threshold,
        }
    }
}

/// `below`.
impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Below => "below",
            Self::Above => "above",
            Self::AtMost => "at most",
        })
    }
}

/// The gates of a job.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// Columns that look like names or addresses of people and hold real ones: at most.
    pub personal_data: Gate,
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
            personal_data: Gate { threshold: 0.0, level: GateLevel::Warn },
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

    /// Sets one gate as people write it: `ks_mean=0.2`, `rare_copies=5:warn`, `utility_ratio=:off`.
    /// What is left out stays as it was.
    ///
    /// # Errors
    /// `USE-0001` for a gate, a threshold or a level that is none.
    pub fn set(&mut self, text: &str) -> Result<(), Refusal> {
        let names = Self::default().each().map(|(name, _)| name);
        let refuse = |why: String| {
            let form = "write it like ks_mean=0.2 or rare_copies=5:warn";
            let message = format!("cannot set the gate `{text}`: {why}; {form}");
            Err(Refusal::new(Code::BadRequest, message))
        };
        let Some((name, wanted)) = text.split_once('=') else {
            return refuse("it has no `=`".to_owned());
        };
        let Some(at) = names.iter().position(|known| *known == name) else {
            return refuse(format!("the gates are {}", names.join(", ")));
        };
        let (threshold, level) = wanted.split_once(':').unwrap_or((wanted, ""));
        let gates = self.each_mut();
        let Some(gate) = gates.into_iter().nth(at) else { return Ok(()) };
        if !threshold.is_empty() {
            match threshold.parse() {
                Ok(threshold) if (0.0..=f64::MAX).contains(&threshold) => {
                    gate.threshold = threshold
                }
                _ => return refuse(format!("`{threshold}` is not a number of 0 or more")),
            }
        }
        gate.level = match level {
            "" => gate.level,
            "off" => GateLevel::Off,
            "warn" => GateLevel::Warn,
            "block" => GateLevel::Block,
            other => return refuse(format!("the level `{other}` is not off, warn or block")),
        };
        Ok(())
    }

    /// Whether a gate guards people rather than usefulness.
    pub fn is_privacy(gate: &str) -> bool {
        matches!(gate, "membership_advantage" | "rare_copies")
    }

    /// Every gate with the name of its field, in the order of the fields.
    pub fn each(&self) -> [(&'static str, Gate); 6] {
        [
            ("ks_mean", self.ks_mean),
            ("correlation_difference", self.correlation_difference),
            ("utility_ratio", self.utility_ratio),
            ("membership_advantage", self.membership_advantage),
            ("rare_copies", self.rare_copies),
            ("personal_data", self.personal_data),
        ]
    }

    /// The same, to change them.
    pub fn each_mut(&mut self) -> [&mut Gate; 6] {
        [
            &mut self.ks_mean,
            &mut self.correlation_difference,
            &mut self.utility_ratio,
            &mut self.membership_advantage,
            &mut self.rare_copies,
            &mut self.personal_data,
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
    fn gates_are_set_as_people_write_them() {
        let mut gates = Gates::default();
        for text in ["ks_mean=0.2", "rare_copies=5:warn", "utility_ratio=:block"] {
            gates.set(text).expect(text);
        }
        assert_eq!(gates.ks_mean, Gate { threshold: 0.2, level: GateLevel::Block });
        assert_eq!(gates.rare_copies, Gate { threshold: 5.0, level: GateLevel::Warn });
        assert_eq!(gates.utility_ratio, Gate { threshold: 0.8, level: GateLevel::Block });
        for (text, why) in [
            ("ks_mean", "no `=`"),
            ("ks=0.2", "the gates are ks_mean, correlation_difference"),
            ("ks_mean=low", "`low` is not a number"),
            ("ks_mean=-1", "`-1` is not a number"),
            ("ks_mean=NaN", "`NaN` is not a number"),
            ("ks_mean=0.2:loud", "the level `loud`"),
        ] {
            let refusal = gates.set(text).expect_err(text);
            assert!(refusal.message.contains(why), "{refusal}");
            assert_eq!(refusal.code, Code::BadRequest);
        }
    }

    #[test]
    fn each_gate_passes_on_its_side() {
        for (gate, below, at, above) in [
            ("ks_mean", true, false, false),
            ("utility_ratio", false, false, true),
            ("rare_copies", true, true, false),
        ] {
            let side = Side::of(gate);
            let held = [0.5, 1.0, 1.5].map(|value| side.holds(value, 1.0));
            assert_eq!(held, [below, at, above], "{gate} {side}");
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
