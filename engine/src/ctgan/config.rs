//! The published constants.

use serde::{Deserialize, Serialize};

use crate::{
    constants::{Bound, bound},
    learn::stopping::{Stopping, steps_apart},
};

/// Constants of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CtganConfig {
    /// Modes of a numeric column, at most.
    pub modes_max: usize,
    /// A mode holds at least this share of the rows.
    pub mode_share_min: f64,
    /// Normal numbers that a row is made from.
    pub latent: usize,
    /// Width of the generator's layers.
    pub width: usize,
    /// Layers of the generator before its answer; each passes on what it was given.
    pub layers: usize,
    /// Width of the critic's layers.
    pub critic_width: usize,
    /// Layers of the critic before its answer.
    pub critic_layers: usize,
    /// Share of the critic's numbers set to zero in training.
    pub dropout: f64,
    /// Rows that the critic looks at together.
    pub pack: usize,
    /// Weight of the penalty on the length of the critic's gradient.
    pub penalty: f64,
    /// Temperature of the Gumbel softmax: how sharp the levels of a row are in training.
    pub temperature: f64,
    /// Steps of the critic for each of the generator.
    pub critic_steps: u64,
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
    /// Decay of the moving average of parameters; 0: the last ones are kept.
    pub average_decay: f64,
    /// Points of the loss curve.
    pub looks: u64,
    /// Passes over the rows between two points, a fraction if you like; 0: as `looks` says. A plan
    /// holds what it came to.
    pub eval_every: f64,
    /// Passes over the data that no budget exceeds (explicit steps and epochs may).
    pub epochs_max: u64,
    /// Seconds that a default run takes at most, by measured speed: it has fewer steps on a slow
    /// machine.
    pub default_seconds_max: u64,
    /// Steps of a default run on a table that is large enough, those of the critic among them.
    pub default_steps: u64,
}

impl Default for CtganConfig {
    fn default() -> Self {
        Self {
            modes_max: 10,
            mode_share_min: 0.005,
            latent: 128,
            width: 256,
            layers: 2,
            critic_width: 256,
            critic_layers: 2,
            dropout: 0.5,
            pack: 10,
            penalty: 10.0,
            temperature: 0.2,
            critic_steps: 1,
            batch: 500,
            learning_rate: 2e-4,
            beta1: 0.5,
            beta2: 0.9,
            epsilon: 1e-8,
            weight_decay: 1e-6,
            clip_norm: 1e6,
            average_decay: 0.0,
            looks: 40,
            eval_every: 0.0,
            epochs_max: 300,
            default_seconds_max: 600,
            default_steps: 40_000,
        }
    }
}

impl CtganConfig {
    /// Steps until the critic begins anew.
    pub(super) fn turns(&self) -> u64 {
        self.critic_steps + 1
    }

    /// When to note the loss, with so many steps to a pass; nothing is judged.
    pub(super) fn stopping(&self, per_epoch: u64) -> Stopping {
        Stopping { every: steps_apart(self.eval_every, per_epoch), ..Stopping::NEVER }
    }
}

/// The values each constant may take.
pub(super) const BOUNDS: &[Bound] = &[
    bound("modes_max", 1.0, 100.0),
    bound("mode_share_min", 0.0, 0.5),
    bound("latent", 1.0, 4_096.0),
    bound("width", 8.0, 4_096.0),
    bound("layers", 1.0, 16.0),
    bound("critic_width", 8.0, 4_096.0),
    bound("critic_layers", 1.0, 16.0),
    bound("dropout", 0.0, 0.9),
    bound("pack", 1.0, 100.0),
    bound("penalty", 0.0, 1e4),
    bound("temperature", 1e-2, 10.0),
    bound("critic_steps", 1.0, 100.0),
    bound("batch", 1.0, 65_536.0),
    bound("learning_rate", 1e-7, 1.0),
    bound("beta1", 0.0, 0.999_999),
    bound("beta2", 0.0, 0.999_999),
    bound("epsilon", 1e-16, 1.0),
    bound("weight_decay", 0.0, 10.0),
    bound("clip_norm", 1e-6, 1e6),
    bound("average_decay", 0.0, 0.999_999),
    bound("looks", 1.0, 10_000.0),
    bound("eval_every", 0.0, 1e9),
    bound("epochs_max", 1.0, 1e9),
    bound("default_seconds_max", 1.0, 1e9),
    bound("default_steps", 1.0, 1e9),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_is_bounded() {
        crate::constants::assert_bounded(&CtganConfig::default(), BOUNDS);
    }
}
