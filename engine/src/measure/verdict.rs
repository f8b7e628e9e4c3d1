//! What the gates say of the measures, and the verdict over all of them.
//!
//! A gate that could not be measured passes, and says why. But a table whose *privacy* was not
//! measured is not called safe: a privacy gate without a value makes the verdict a warning.
//! Membership inference blocks only where it beats chance beyond doubt (99 %), so that few holdout
//! rows do not withhold a table by accident.

use tgs_protocol::{
    figure,
    gate::{Gate, GateLevel, Gates, Side},
    report::{GateOutcome, Verdict},
};

use crate::measure::{measured::Measured, membership::Membership, utility::Utility};

/// Judges every gate that is not off; worst first. `personal` names the columns that look like
/// names or addresses of people and hold real ones.
pub fn judge(
    measured: &Measured,
    personal: &[String],
    gates: &Gates,
) -> (Verdict, Vec<GateOutcome>) {
    let mut outcomes: Vec<GateOutcome> = [
        ks_mean(measured.ks_mean, gates.ks_mean),
        correlation_difference(measured.correlation_difference, gates.correlation_difference),
        utility_ratio(measured.utility.as_ref(), gates.utility_ratio),
        membership(measured.membership.as_ref(), gates.membership_advantage),
        rare_copies(measured, gates.rare_copies),
        personal_data(personal, gates.personal_data),
    ]
    .into_iter()
    .filter(|outcome| outcome.level != GateLevel::Off)
    .collect();
    outcomes.sort_by_key(|outcome| (outcome.passes, std::cmp::Reverse(outcome.level)));
    (Verdict::over(&outcomes), outcomes)
}

fn ks_mean(value: Option<f64>, gate: Gate) -> GateOutcome {
    let meaning = match value {
        Some(value) => format!(
            "The distribution functions of numeric columns lie {} apart at their widest, on \
             average; {}.",
            figure::score(value),
            asked("ks_mean", gate, figure::compact)
        ),
        None => "Not measured: there is no numeric column to compare.".to_owned(),
    };
    outcome("ks_mean", gate, value, meaning)
}

fn correlation_difference(value: Option<f64>, gate: Gate) -> GateOutcome {
    let meaning = match value {
        Some(value) => format!(
            "Associations between columns differ by {} on average; {}.",
            figure::score(value),
            asked("correlation_difference", gate, figure::compact)
        ),
        None => "Not measured: there is no pair of columns whose association is defined in both \
                 tables."
            .to_owned(),
    };
    outcome("correlation_difference", gate, value, meaning)
}

fn utility_ratio(utility: Result<&Utility, &String>, gate: Gate) -> GateOutcome {
    let value = utility.ok().and_then(|utility| utility.ratio);
    let meaning = match (utility, value) {
        (Ok(utility), Some(ratio)) => format!(
            "A model of {} trained on synthetic rows reaches {} of what one trained on real rows \
             reaches; {}.",
            utility.target,
            figure::share(ratio),
            asked("utility_ratio", gate, percent)
        ),
        (Ok(utility), None) => format!(
            "Not measured: real rows themselves do not predict {} beyond doubt ({} {}).",
            utility.target,
            utility.score,
            figure::score(utility.real)
        ),
        (Err(why), _) => format!("Not measured: {why}."),
    };
    outcome("utility_ratio", gate, value, meaning)
}

fn membership(membership: Option<&Membership>, gate: Gate) -> GateOutcome {
    let name = "membership_advantage";
    let Some(membership) = membership else {
        let why = "Not measured: too few holdout rows to attack with; keep rows aside.".to_owned();
        return outcome(name, gate, None, why);
    };
    let advantage = membership.advantage().value;
    let better = match advantage > 0.0 {
        true => format!("{} better than guessing", figure::share(advantage)),
        false => "no better than guessing".to_owned(),
    };
    let mut outcome = outcome(name, gate, Some(advantage), String::new());
    let by_chance = !outcome.passes && !membership.is_significant();
    outcome.passes |= by_chance;
    let tail = if by_chance { ", but it is within what chance gives on so few rows" } else { "" };
    let asked = asked(name, gate, percent);
    outcome.meaning = format!(
        "The better of two attacks tells training rows from strangers {better}; {asked}{tail}."
    );
    outcome
}

fn rare_copies(measured: &Measured, gate: Gate) -> GateOutcome {
    let copies = &measured.copies;
    let value = copies.beyond_chance();
    let meaning = format!(
        "{} {} a training row that stands there once; chance explains up to {}; {} beyond \
         that.",
        figure::counted(copies.of_rare, "synthetic row"),
        figure::equal(copies.of_rare),
        copies.allowance.floor(),
        value
    );
    outcome("rare_copies", gate, Some(value), meaning)
}

fn personal_data(columns: &[String], gate: Gate) -> GateOutcome {
    let meaning = match columns {
        [] => "No column that looks like names or addresses of people holds real ones.".to_owned(),
        some => format!(
            "{} like names or addresses of people, and real ones stand in the synthetic table: \
             {}; leave it out, or declare it id or text.",
            match some.len() {
                1 => "One column looks".to_owned(),
                more => format!("{more} columns look"),
            },
            some.join(", ")
        ),
    };
    outcome("personal_data", gate, Some(columns.len() as f64), meaning)
}

/// A limit that is a share, as it was set: it is not measured, so nothing of it is rounded away.
fn percent(limit: f64) -> String {
    format!("{} %", figure::compact(100.0 * limit))
}

/// `below 0.15 is asked for`.
fn asked(name: &str, gate: Gate, written: impl Fn(f64) -> String) -> String {
    format!("{} {} is asked for", Side::of(name), written(gate.threshold))
}

fn outcome(name: &str, gate: Gate, value: Option<f64>, meaning: String) -> GateOutcome {
    GateOutcome {
        gate: name.to_owned(),
        value,
        threshold: gate.threshold,
        level: gate.level,
        passes: value.is_none_or(|value| Side::of(name).holds(value, gate.threshold)),
        meaning,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::score::Estimate;

    const GATE: Gate = Gate { threshold: 0.1, level: GateLevel::Block };

    #[test]
    fn chance_is_named_only_where_the_limit_is_reached() {
        let of = |area: f64, interval: f64| {
            let estimate = Estimate { value: area, interval: Some(interval) };
            membership(Some(&Membership { density_ratio: estimate, distance: estimate }), GATE)
        };
        for (area, interval, passes, says) in [
            (0.5, 0.2, true, "strangers no better than guessing; below 10 % is asked for."),
            (0.52, 0.2, true, "4 % better than guessing; below 10 % is asked for."),
            (
                0.6,
                0.2,
                true,
                "20 % better than guessing; below 10 % is asked for, but it is within",
            ),
            (0.6, 0.01, false, "20 % better than guessing; below 10 % is asked for."),
        ] {
            let outcome = of(area, interval);
            assert_eq!(outcome.passes, passes, "{area}: {}", outcome.meaning);
            assert!(outcome.meaning.contains(says), "{area}: {}", outcome.meaning);
        }
    }

    #[test]
    fn a_target_that_cannot_be_predicted_is_named_with_its_own_score() {
        let utility = |score| Utility {
            target: "sex".to_owned(),
            score,
            synthetic: 0.5,
            interval: None,
            real: 0.546,
            rmse: None,
            ratio: None,
        };
        for score in ["AUC", "R²"] {
            let outcome = utility_ratio(Ok(&utility(score)), GATE);
            assert!(outcome.meaning.contains(&format!("({score} 0.546)")), "{}", outcome.meaning);
            assert!(outcome.passes && outcome.value.is_none());
        }
    }

    #[test]
    fn columns_of_personal_data_are_named() {
        let gate = Gates::default().personal_data;
        assert!(personal_data(&[], gate).passes);
        let one = personal_data(&["surname".to_owned()], gate);
        assert!(!one.passes && one.meaning.starts_with("One column looks"), "{}", one.meaning);
        let two = personal_data(&["a".to_owned(), "b".to_owned()], gate);
        assert!(two.meaning.contains("2 columns look") && two.meaning.contains("a, b"));
    }

    #[test]
    fn a_limit_is_written_as_it_was_set() {
        for (limit, text) in [(0.1, "10 %"), (0.8, "80 %"), (0.125, "12.5 %"), (0.00005, "0.005 %")]
        {
            assert_eq!(percent(limit), text);
        }
        let gate = Gate { threshold: 0.15, level: GateLevel::Block };
        assert!(ks_mean(Some(0.021), gate).meaning.ends_with(
            "0.021 apart at their widest, on \
             average; below 0.15 is asked for."
        ));
        assert!(!ks_mean(Some(0.15), gate).passes);
    }
}
