//! Does the synthetic table work like the real one?

use tgs_protocol::{
    figure,
    report::{Aspect, Metric},
};

use super::Named;
use crate::measure::measured::Measured;

/// The metrics of this part.
pub fn metrics(measured: &Measured) -> Vec<Metric> {
    let utility = match &measured.utility {
        Ok(utility) => utility,
        Err(why) => {
            let ratio = Named::up("utility_ratio", "TSTR over TRTR", Aspect::Utility);
            return vec![ratio.says(None, None, |_| String::new(), why)];
        }
    };
    let (key, name) = match utility.score {
        "AUC" => ("tstr_auc", "Train on synthetic, test on real (AUC)"),
        _ => ("tstr_r2", "Train on synthetic, test on real (R²)"),
    };
    let mut score = Named::up(key, name, Aspect::Utility).says(
        Some(utility.synthetic),
        Some(utility.real),
        |value| {
            format!(
                "Trees that learned {} from synthetic rows score {} on real rows they never saw; \
                 trees that learned from real rows score {}.",
                utility.target,
                figure::score(value),
                figure::score(utility.real)
            )
        },
        "",
    );
    score.interval = utility.interval;
    let ratio = Named::up("utility_ratio", "TSTR over TRTR", Aspect::Utility).says(
        utility.ratio,
        Some(1.0),
        |value| {
            format!(
                "What trees learn of {} from synthetic rows, beyond guessing, is {} of what they \
                 learn from real rows.",
                utility.target,
                figure::share(value)
            )
        },
        "real rows themselves hardly predict the target",
    );
    let error = utility.rmse.map(|(made, real)| {
        Named::down("tstr_rmse", "Train on synthetic, test on real (RMSE)", Aspect::Utility).says(
            Some(made),
            Some(real),
            |value| {
                format!(
                    "Trees that learned {} from synthetic rows miss it by {} on real rows; those \
                     that learned from real rows by {}.",
                    utility.target,
                    figure::score(value),
                    figure::score(real)
                )
            },
            "",
        )
    });
    [score, ratio].into_iter().chain(error).collect()
}
