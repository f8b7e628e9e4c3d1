//! The published constants.

use serde::{Deserialize, Serialize};

use crate::{
    constants::{Bound, bound},
    learn::validation::Validation,
    tabgraph::config::{Normalisation, TabgraphConfig},
};

/// Constants of the published model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OriginalConfig {
    /// Numbers in the token of a column.
    pub token: usize,
    /// Transformer layers in encoder and decoder.
    pub layers: usize,
    /// Inner width of the transformers' feed-forward part.
    pub feed_forward: usize,
    /// Weight of the divergence at the first step of the auto-encoder.
    pub beta_first: f64,
    /// Weight of the divergence at its last step.
    pub beta_last: f64,
    /// Share of the steps that train the auto-encoder.
    pub encoder_share: f64,
    /// Width of the denoiser.
    pub width: usize,
    /// Rows of a training step.
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
    /// Mean of ln σ in training.
    pub noise_mean: f64,
    /// Standard deviation of ln σ in training.
    pub noise_deviation: f64,
    /// Standard deviation of a clean token.
    pub sigma_data: f64,
    /// First noise level of sampling.
    pub sigma_max: f64,
    /// Last noise level of sampling.
    pub sigma_min: f64,
    /// Curvature of the noise levels in between.
    pub rho: f64,
    /// Steps of Heun's method, of two evaluations each but the last.
    pub solver_steps: usize,
    /// Share of the training rows that choose the parameters to keep and do not learn; 0: none.
    pub validation_share: f64,
    /// At least so many of them, as far as a quarter of the rows allows.
    pub validation_rows_min: usize,
    /// At most so many of them.
    pub validation_rows_max: usize,
    /// A look is at so many pairs of a row and a noise, at least: fewer rows than that are looked
    /// at under several noises, up to eight, since the loss under one says little.
    pub validation_pairs: usize,
    /// Looks at the losses in a whole run.
    pub validation_looks: u64,
    /// Passes over the rows between two looks, a fraction if you like; 0: as `validation_looks`
    /// says. A plan holds what it came to.
    pub eval_every: f64,
    /// Looks without improvement before the second phase ends; 0: never.
    pub patience: u32,
    /// The second phase comes to its end once validation rows gain less than this share of what
    /// training rows gain: the rest is learned by heart.
    pub shared_gain_min: f64,
    /// What is gained is counted from the last look before this share of the phase's steps.
    pub compared_share: f64,
    /// Looks before the first that is judged so: at first every row gains.
    pub looks_min: usize,
    /// Looks in a row that must agree before the end begins.
    pub agreeing_looks: u32,
    /// Steps over which the phase then ends, as a share of those it has made.
    pub ending_share: f64,
    /// Seconds that a default run takes at most, by measured speed: it has fewer steps on a slow
    /// machine.
    pub default_seconds_max: u64,
    /// Steps of a default run.
    pub default_steps: u64,
}

impl Default for OriginalConfig {
    fn default() -> Self {
        Self {
            token: 4,
            layers: 2,
            feed_forward: 128,
            beta_first: 1e-2,
            beta_last: 1e-5,
            encoder_share: 0.4,
            width: 1_024,
            batch: 4_096,
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip_norm: 1e6,
            average_decay: 0.997,
            noise_mean: -1.2,
            noise_deviation: 1.2,
            sigma_data: 0.5,
            sigma_max: 80.0,
            sigma_min: 0.002,
            rho: 7.0,
            solver_steps: 11,
            validation_share: 0.1,
            validation_rows_min: 100,
            validation_rows_max: 4_000,
            validation_pairs: 6_000,
            validation_looks: 40,
            eval_every: 0.0,
            patience: 10,
            shared_gain_min: 0.5,
            compared_share: 0.6,
            looks_min: 8,
            agreeing_looks: 3,
            ending_share: 0.2,
            default_seconds_max: 600,
            default_steps: 5_000,
        }
    }
}

impl OriginalConfig {
    /// Which training rows choose.
    pub(super) fn validation(&self) -> Validation {
        Validation {
            share: self.validation_share,
            rows_min: self.validation_rows_min,
            rows_max: self.validation_rows_max,
        }
    }

    /// How cells become numbers: quantile-normal, no frequent values apart.
    pub(super) fn cells(&self) -> TabgraphConfig {
        TabgraphConfig {
            atom_share: 1.0,
            normalisation: Normalisation::Quantile,
            ..TabgraphConfig::default()
        }
    }
}

/// The values each constant may take.
pub(super) const BOUNDS: &[Bound] = &[
    bound("token", 1.0, 64.0),
    bound("layers", 1.0, 16.0),
    bound("feed_forward", 1.0, 4_096.0),
    bound("beta_first", 1e-8, 10.0),
    bound("beta_last", 1e-8, 10.0),
    bound("encoder_share", 0.05, 0.95),
    bound("width", 8.0, 4_096.0),
    bound("batch", 1.0, 65_536.0),
    bound("learning_rate", 1e-7, 1.0),
    bound("beta1", 0.0, 0.999_999),
    bound("beta2", 0.0, 0.999_999),
    bound("epsilon", 1e-16, 1.0),
    bound("weight_decay", 0.0, 10.0),
    bound("clip_norm", 1e-6, 1e6),
    bound("average_decay", 0.0, 0.999_999),
    bound("noise_mean", -5.0, 5.0),
    bound("noise_deviation", 1e-3, 5.0),
    bound("sigma_data", 1e-3, 10.0),
    bound("sigma_max", 1.0, 1e4),
    bound("sigma_min", 1e-4, 0.99),
    bound("rho", 1.0, 20.0),
    bound("solver_steps", 2.0, 1_000.0),
    bound("validation_share", 0.0, 0.5),
    bound("validation_rows_min", 0.0, 1e6),
    bound("validation_rows_max", 0.0, 1e6),
    bound("validation_pairs", 1.0, 1e7),
    bound("validation_looks", 1.0, 10_000.0),
    bound("eval_every", 0.0, 1e9),
    bound("patience", 0.0, 10_000.0),
    bound("shared_gain_min", -1e9, 1.0),
    bound("compared_share", 0.0, 0.99),
    bound("looks_min", 1.0, 10_000.0),
    bound("agreeing_looks", 1.0, 10_000.0),
    bound("ending_share", 0.0, 1.0),
    bound("default_seconds_max", 1.0, 1e9),
    bound("default_steps", 2.0, 1e9),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_is_bounded() {
        crate::constants::assert_bounded(&OriginalConfig::default(), BOUNDS);
    }
}
