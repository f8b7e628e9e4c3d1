//! What the gates say of the measures, and the verdict over all of them.
//!
//! A gate that could not be measured passes, and says why. But a table whose *privacy* was not
//! measured is not called safe: a blocking privacy gate without a value makes the verdict a
//! warning. Membership inference blocks only where it beats chance beyond doubt (99 %), so that few
//! holdout rows do not withhold a table by accident.

use tgs_protocol::{
    gate::{Gate, GateLevel, Gates},
    report::{GateOutcome, Verdict},
    unit::counted,
};

use crate::measure::{
    measured::Measured,
    words::{equal, number, percent},
};

/// Judges every gate that is not off; worst first.
pub fn judge(measured: &Measured, gates: &Gates) -> (Verdict, Vec<GateOutcome>) {
    let mut outcomes: Vec<GateOutcome> = [
        ks_mean(measured, gates.ks_mean),
        correlation_difference(measured, gates.correlation_difference),
        utility_ratio(measured, gates.utility_ratio),
        membership(measured, gates.membership_advantage),
        rare_copies(measured, gates.rare_copies),
    ]
    .into_iter()
    .filter(|outcome| outcome.level != GateLevel::Off)
    .collect();
    outcomes.sort_by_key(|outcome| (outcome.passes, std::cmp::Reverse(outcome.level)));
    (Verdict::over(&outcomes), outcomes)
}

fn ks_mean(measured: &Measured, gate: Gate) -> GateOutcome {
    let value = measured.ks_mean;
    let meaning = match value {
        Some(value) => format!(
            "The distribution functions of numeric columns lie {} apart at their widest, on \
             average; the limit is {}.",
            number(value),
            number(gate.threshold)
        ),
        None => "There is no numeric column to compare.".to_owned(),
    };
    outcome("ks_mean", gate, value, |value, limit| value < limit, meaning)
}

fn correlation_difference(measured: &Measured, gate: Gate) -> GateOutcome {
    let value = measured.correlation_difference;
    let meaning = match value {
        Some(value) => format!(
            "Associations between columns differ by {} on average; the limit is {}.",
            number(value),
            number(gate.threshold)
        ),
        None => {
            "There is no pair of columns whose association is defined in both tables.".to_owned()
        }
    };
    outcome("correlation_difference", gate, value, |value, limit| value < limit, meaning)
}

fn utility_ratio(measured: &Measured, gate: Gate) -> GateOutcome {
    let (value, meaning) = match &measured.utility {
        Ok(utility) => match utility.ratio {
            Some(ratio) => (
                Some(ratio),
                format!(
                    "A model of {} trained on synthetic rows reaches {} of what one trained on \
                     real rows reaches; at least {} is asked for.",
                    utility.target,
                    percent(ratio),
                    percent(gate.threshold)
                ),
            ),
            None => (
                None,
                format!(
                    "Not measured: real rows themselves do not predict {} beyond doubt ({} {}).",
                    utility.target,
                    utility.score,
                    number(utility.real)
                ),
            ),
        },
        Err(why) => (None, format!("Not measured: {why}.")),
    };
    outcome("utility_ratio", gate, value, |value, limit| value > limit, meaning)
}

fn membership(measured: &Measured, gate: Gate) -> GateOutcome {
    let Some(membership) = measured.membership else {
        let why = "Not measured: too few holdout rows to attack with; keep rows aside.".to_owned();
        return outcome("membership_advantage", gate, None, |_, _| true, why);
    };
    let advantage = membership.advantage();
    let by_chance = !membership.is_significant();
    let tail = if by_chance { "; that is within what chance gives on so few rows" } else { "" };
    let meaning = format!(
        "The better of two attacks tells training rows from strangers {} better than guessing; \
         the limit is {}{tail}.",
        percent(advantage.value),
        percent(gate.threshold)
    );
    let holds = |value: f64, limit: f64| value < limit || by_chance;
    outcome("membership_advantage", gate, Some(advantage.value), holds, meaning)
}

fn rare_copies(measured: &Measured, gate: Gate) -> GateOutcome {
    let copies = &measured.copies;
    let value = copies.beyond_chance();
    let meaning = format!(
        "{} {} a training row that stands there once; chance explains up to {}; {} beyond \
         that.",
        counted(copies.of_rare, "synthetic row"),
        equal(copies.of_rare),
        copies.allowance.floor(),
        value
    );
    outcome("rare_copies", gate, Some(value), |value, limit| value <= limit, meaning)
}

fn outcome(
    name: &str,
    gate: Gate,
    value: Option<f64>,
    holds: impl Fn(f64, f64) -> bool,
    meaning: String,
) -> GateOutcome {
    GateOutcome {
        gate: name.to_owned(),
        value,
        threshold: gate.threshold,
        level: gate.level,
        passes: value.is_none_or(|value| holds(value, gate.threshold)),
        meaning,
    }
}
