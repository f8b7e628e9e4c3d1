//! Does the synthetic table give anybody away?

use tgs_protocol::{
    figure,
    report::{Aspect::Privacy, Metric},
};

use super::{Named, with_interval};
use crate::measure::{attacks::Risk, measured::Measured, score::Estimate};

const NO_HOLDOUT: &str = "no holdout rows were kept aside";
const FEW_HOLDOUT: &str = "too few holdout rows were kept aside";
const NO_ATTACK: &str = "there are too few rows kept aside, or too few columns, to attack";

/// The metrics of this part.
pub fn metrics(measured: &Measured) -> Vec<Metric> {
    let mut metrics = closest(measured);
    metrics.extend(copies(measured));
    metrics.extend(membership(measured));
    metrics.extend(attacks(measured));
    metrics
}

fn closest(measured: &Measured) -> Vec<Metric> {
    let closest = &measured.closest;
    vec![
        with_interval(
            Named::near("dcr_share", "DCR share (nearer to train than to holdout)", Privacy, 0.5)
                .says(
                    closest.share.map(|share| share.value),
                    Some(0.5).filter(|_| closest.share.is_some()),
                    |value| {
                        format!(
                            "{} of synthetic rows lie nearer to a training row than to a stranger; \
                             50 % is fair, more means that rows were memorised.",
                            figure::share(value)
                        )
                    },
                    NO_HOLDOUT,
                ),
            closest.share,
        ),
        Named::near("dcr_median", "Median distance to the closest record", Privacy, {
            closest.holdout_median.unwrap_or(0.0)
        })
        .says(
            closest.median,
            closest.holdout_median,
            |value| {
                format!(
                    "Half of the synthetic rows lie farther than {} from the nearest training \
                     row; strangers' value stands beside it.",
                    figure::score(value)
                )
            },
            "there is no row to compare",
        ),
        Named::near("nndr_median", "Nearest-neighbour distance ratio (median)", Privacy, {
            closest.holdout_nndr.unwrap_or(1.0)
        })
        .says(
            closest.nndr,
            closest.holdout_nndr,
            |value| {
                format!(
                    "The nearest training row is typically {} times as far as the second nearest; \
                     near 0 a row is tied to one person.",
                    figure::score(value)
                )
            },
            "there are fewer than two training rows",
        ),
    ]
}

fn copies(measured: &Measured) -> Vec<Metric> {
    let copies = &measured.copies;
    vec![
        Named::near("exact_match_rate", "Exact matches with training rows", Privacy, {
            copies.holdout_share.unwrap_or(0.0)
        })
        .says(
            Some(copies.share),
            copies.holdout_share,
            |value| {
                let strangers = copies.holdout_share.map_or_else(String::new, |share| {
                    format!("; of real rows kept aside {} do", figure::share(share))
                });
                format!(
                    "{} ({}) {} a training row in every cell{strangers}.",
                    figure::counted(copies.count, "synthetic row"),
                    figure::share(value),
                    figure::equal(copies.count)
                )
            },
            "",
        ),
        Named::down("rare_copies", "Copies of rare rows beyond chance", Privacy).says(
            Some(copies.beyond_chance()),
            None,
            |value| {
                format!(
                    "{} {} a training row that stands there only once; chance explains up \
                     to {}; {value} beyond that.",
                    figure::counted(copies.of_rare, "synthetic row"),
                    figure::equal(copies.of_rare),
                    copies.allowance.floor()
                )
            },
            "",
        ),
        Named::down("repeated_rows", "Repeated synthetic rows", Privacy).says(
            Some(copies.repeated),
            None,
            |value| {
                format!("{} of synthetic rows repeat another synthetic row.", figure::share(value))
            },
            "",
        ),
    ]
}

fn membership(measured: &Measured) -> Vec<Metric> {
    let membership = measured.membership;
    let attack = |key, name, how: &'static str, area: Option<Estimate>| {
        let says = |value: f64| {
            format!(
                "An attacker who goes by {how} picks the training row out of a pair with a \
                 stranger {}; 50 is guessing.",
                figure::times_of_hundred(value)
            )
        };
        let metric = Named::near(key, name, Privacy, 0.5).says(
            area.map(|area| area.value),
            Some(0.5).filter(|_| area.is_some()),
            says,
            FEW_HOLDOUT,
        );
        with_interval(metric, area)
    };
    let advantage = membership.map(|membership| membership.advantage());
    vec![
        attack(
            "membership_domias_auc",
            "Membership inference, density ratio (AUC)",
            "where synthetic rows are denser than real ones",
            membership.map(|membership| membership.density_ratio),
        ),
        attack(
            "membership_distance_auc",
            "Membership inference, distance (AUC)",
            "the distance to the nearest synthetic row",
            membership.map(|membership| membership.distance),
        ),
        with_interval(
            Named::down(
                "membership_advantage",
                "Membership inference, success over chance",
                Privacy,
            )
            .says(
                advantage.map(|advantage| advantage.value),
                Some(0.0).filter(|_| advantage.is_some()),
                |value| {
                    format!(
                        "The better attack is {} of the way from guessing to certainty.",
                        figure::share(value)
                    )
                },
                FEW_HOLDOUT,
            ),
            advantage,
        ),
    ]
}

fn attacks(measured: &Measured) -> Vec<Metric> {
    let attacks = &measured.attacks;
    let one = |risk: &Option<Risk>| risk.map(|risk| (risk, risk.beyond_strangers()));
    let inference = attacks.inference.as_ref();
    let worst = inference.map(|worst| (worst.risk, worst.beyond_strangers()));
    let column = inference.map_or("", |worst| &worst.column);
    vec![
        attack(
            ("singling_out_risk", "Singling-out risk"),
            one(&attacks.singling_out),
            |members, strangers| {
                format!(
                    "Of descriptions that fit one synthetic row alone, {members} fit one training \
                     row alone and {strangers} one stranger; only what members have more is a risk."
                )
            },
        ),
        attack(
            ("linkability_risk", "Linkability risk"),
            one(&attacks.linkability),
            |members, strangers| {
                format!(
                    "Two halves of a record lead to the same synthetic row for {members} of \
                     training rows and {strangers} of strangers."
                )
            },
        ),
        attack(("inference_risk", "Inference risk (worst column)"), worst, |members, strangers| {
            format!(
                "Someone who knows all else guesses {column} right for {members} of training \
                     rows and {strangers} of strangers; no column gains more."
            )
        }),
    ]
}

/// One attack on persons; `says` gets its success on training rows and on strangers.
fn attack(
    (key, name): (&'static str, &'static str),
    risk: Option<(Risk, Estimate)>,
    says: impl Fn(&str, &str) -> String,
) -> Metric {
    let estimate = risk.map(|(_, beyond)| beyond);
    let sentence = |_| {
        risk.map_or_else(String::new, |(risk, _)| {
            says(&figure::share(risk.members.value), &figure::share(risk.strangers.value))
        })
    };
    let value = estimate.map(|beyond| beyond.value);
    let metric = Named::down(key, name, Privacy);
    with_interval(metric.says(value, value.map(|_| 0.0), sentence, NO_ATTACK), estimate)
}
