//! The published constants.

use serde::{Deserialize, Serialize};

use crate::{
    constants::{Bound, bound},
    learn::{
        stopping::{Stopping, steps_apart},
        validation::Validation,
    },
};

/// Constants of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TvaeConfig {
    /// Modes of a numeric column, at most.
    pub modes_max: usize,
    /// A mode holds at least this share of the rows.
    pub mode_share_min: f64,
    /// Numbers of a row's latent.
    pub latent: usize,
    /// Width of the layers of encoder and decoder.
    pub width: usize,
    /// Layers of each before its answer.
    pub layers: usize,
    /// Weight of rebuilding a row, against the divergence of its latent.
    pub loss_factor: f64,
    /// Rows of a training step; fewer for small tables.
    pub batch: usize,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Keeps Adam's denominator from zero.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest global norm of the gradient.
    pub clip_norm: f64,
    /// Decay of the moving average of parameters.
    pub average_decay: f64,
    /// Share of the training rows that choose (the end of training, the parameters to keep) and do
    /// not learn; 0: none, and the last parameters are kept.
    pub validation_share: f64,
    /// At least so many of them, as far as a quarter of the rows allows.
    pub validation_rows_min: usize,
    /// At most so many of them.
    pub validation_rows_max: usize,
    /// Looks at the losses in a whole run.
    pub validation_looks: u64,
    /// Passes over the rows between two looks, a fraction if you like; 0: as `validation_looks`
    /// says. A plan holds what it came to.
    pub eval_every: f64,
    /// Looks without improvement before training ends; 0: never.
    pub patience: u32,
    /// Training comes to its end once validation rows gain less than this share of what training
    /// rows gain: the rest is learned by heart.
    pub shared_gain_min: f64,
    /// What is gained is counted from the last look before this share of the steps.
    pub compared_share: f64,
    /// Looks before the first that is judged so: at first every row gains.
    pub looks_min: usize,
    /// Looks in a row that must agree before the end begins.
    pub agreeing_looks: u32,
    /// Steps over which it then ends, as a share of those made.
    pub ending_share: f64,
    /// Passes over the data that no budget exceeds (explicit steps and epochs may).
    pub epochs_max: u64,
    /// Seconds that a default run takes at most, by measured speed: it has fewer steps on a slow
    /// machine.
    pub default_seconds_max: u64,
    /// Steps of a default run on a table that is large enough.
    pub default_steps: u64,
}

impl Default for TvaeConfig {
    fn default() -> Self {
        Self {
            modes_max: 10,
            mode_share_min: 0.005,
            latent: 128,
            width: 128,
            layers: 2,
            loss_factor: 2.0,
            batch: 500,
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 1e-5,
            clip_norm: 1e6,
            average_decay: 0.99,
            validation_share: 0.1,
            validation_rows_min: 100,
            validation_rows_max: 4_000,
            validation_looks: 40,
            eval_every: 0.0,
            patience: 10,
            shared_gain_min: 0.3,
            compared_share: 0.6,
            looks_min: 8,
            agreeing_looks: 3,
            ending_share: 0.2,
            epochs_max: 300,
            default_seconds_max: 600,
            default_steps: 20_000,
        }
    }
}

impl TvaeConfig {
    /// Which training rows choose.
    pub(super) fn validation(&self) -> Validation {
        Validation {
            share: self.validation_share,
            rows_min: self.validation_rows_min,
            rows_max: self.validation_rows_max,
        }
    }

    /// When to look at the validation loss, with so many batches to a pass.
    pub(super) fn stopping(&self, batches_per_epoch: u64) -> Stopping {
        Stopping {
            every: steps_apart(self.eval_every, batches_per_epoch),
            from: 0,
            patience: (self.patience > 0).then_some(self.patience),
            shared_gain_min: Some(self.shared_gain_min),
            compared_share: self.compared_share,
            looks_min: self.looks_min,
            agreeing_looks: self.agreeing_looks,
            ending_share: self.ending_share,
        }
    }
}

/// The values each constant may take.
pub(super) const BOUNDS: &[Bound] = &[
    bound("modes_max", 1.0, 100.0),
    bound("mode_share_min", 0.0, 0.5),
    bound("latent", 1.0, 4_096.0),
    bound("width", 8.0, 4_096.0),
    bound("layers", 1.0, 16.0),
    bound("loss_factor", 1e-3, 1e3),
    bound("batch", 1.0, 65_536.0),
    bound("learning_rate", 1e-7, 1.0),
    bound("beta1", 0.0, 0.999_999),
    bound("beta2", 0.0, 0.999_999),
    bound("epsilon", 1e-16, 1.0),
    bound("weight_decay", 0.0, 10.0),
    bound("clip_norm", 1e-6, 1e6),
    bound("average_decay", 0.0, 0.999_999),
    bound("validation_share", 0.0, 0.5),
    bound("validation_rows_min", 0.0, 1e6),
    bound("validation_rows_max", 0.0, 1e6),
    bound("validation_looks", 1.0, 10_000.0),
    bound("eval_every", 0.0, 1e9),
    bound("patience", 0.0, 10_000.0),
    bound("shared_gain_min", -1e9, 1.0),
    bound("compared_share", 0.0, 0.99),
    bound("looks_min", 1.0, 10_000.0),
    bound("agreeing_looks", 1.0, 10_000.0),
    bound("ending_share", 0.0, 1.0),
    bound("epochs_max", 1.0, 1e9),
    bound("default_seconds_max", 1.0, 1e9),
    bound("default_steps", 1.0, 1e9),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_is_bounded() {
        crate::constants::assert_bounded(&TvaeConfig::default(), BOUNDS);
    }
}
