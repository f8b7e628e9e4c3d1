//! Every constant of the flagship, with its default and the values it may take.

use serde::{Deserialize, Serialize};
use tgs_protocol::limits::SHARED_ROWS_MIN;

use crate::{
    constants::{Bound, bound},
    learn::validation::Validation,
};

/// Constants of the flagship. Resolved once, by the plan; the model file keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TabgraphConfig {
    /// Shape of the denoiser: `mlp` (residual blocks of one width) or `unet` (narrowing, then
    /// widening, with skips).
    pub denoiser: DenoiserShape,
    /// Width of the trunk; less for small tables.
    pub width: usize,
    /// Residual blocks (`mlp`), or levels down and up (`unet`).
    pub blocks: usize,
    /// Inner width of a block over its width.
    pub expansion: usize,
    /// Numbers in the embedding of a category.
    pub embedding: usize,
    /// Sine and cosine of the noisy numbers at so many octaves are given beside them.
    pub octaves: usize,
    /// The denoiser also sees its own last answer (Chen et al., "Analog bits", 2023).
    pub self_conditioning: bool,
    /// Share of inner activations set to zero in training.
    pub dropout: f64,
    /// How numbers become tokens.
    pub normalisation: Normalisation,
    /// Numbers below this quantile and above its mirror image are drawn in to it; 0: none.
    pub clip_quantile: f64,
    /// Numbers are brought back by rank within the chunk; else by the inverse of the normalisation.
    pub rank_map: bool,
    /// A number that holds more than this share of its column is a category as well.
    pub atom_share: f64,
    /// Columns with more such numbers have none.
    pub atoms_max: usize,
    /// Numeric columns with at most so many distinct values, all of them shared by enough rows, are
    /// categories only.
    pub category_values_max: usize,
    /// Values of a category that are learned apart; rarer ones are learned as one group and drawn
    /// from it by frequency.
    pub levels_max: usize,
    /// Distinct numbers that are kept as they are; beyond, runs of neighbours are kept as
    /// intervals.
    pub knots_max: usize,
    /// A number that fewer training rows hold is somebody's own: it is moved before it is learned,
    /// within the gaps to its neighbours.
    pub shared_rows_min: u64,
    /// Rows of a training step; fewer for small tables.
    pub batch: usize,
    /// Peak learning rate of AdamW.
    pub learning_rate: f64,
    /// Share of the peak that is left at the last step.
    pub learning_rate_floor: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Keeps AdamW's denominator from zero.
    pub epsilon: f64,
    /// Largest global norm of the gradient.
    pub clip_norm: f64,
    /// Decay of the moving average of parameters.
    pub average_decay: f64,
    /// Mean of ln σ in training.
    pub noise_mean: f64,
    /// Standard deviation of ln σ in training.
    pub noise_deviation: f64,
    /// Smallest σ in training.
    pub noise_min: f64,
    /// Largest σ in training.
    pub noise_max: f64,
    /// Share of the training rows that choose (the end of training, the parameters to keep) and do
    /// not learn; 0: none, and the last parameters are kept.
    pub validation_share: f64,
    /// At least so many of them, as far as a quarter of the rows allows.
    pub validation_rows_min: usize,
    /// At most so many of them.
    pub validation_rows_max: usize,
    /// A look is at so many pairs of a row and a noise, at least: fewer rows than that are looked
    /// at under several noises, up to eight, since the loss under one says little.
    pub validation_pairs: usize,
    /// Looks at the validation loss in a whole run; more for small tables.
    pub validation_looks: u64,
    /// Passes over the rows between two looks, a fraction if you like; 0: as `validation_looks`
    /// says. A plan holds what it came to.
    pub eval_every: f64,
    /// Looks without improvement before training ends; 0: never.
    pub patience: u32,
    /// Training comes to its end once validation rows gain less than this share of what training
    /// rows gain: the rest is learned by heart. More for small tables.
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
    /// Evaluations of the denoiser per row.
    pub evaluations: usize,
    /// A sampler of fewer evaluations than this has its noise levels fitted after training, so that
    /// it makes of the same noise what one of so many makes; 0: never.
    #[serde(default)]
    pub slow_evaluations: usize,
    /// First noise level of sampling.
    pub sigma_max: f64,
    /// Last noise level of sampling.
    pub sigma_min: f64,
    /// Curvature of the noise levels in between (Karras et al., 2022).
    pub rho: f64,
    /// Rounds in which the shares of categories are calibrated after training; 0: not at all.
    pub calibration_rounds: usize,
    /// A column is drawn once more by boosted trees where trees that learn it from training rows
    /// know more of it than trees that learn it from drawn rows, by this share of all there is to
    /// know; 1: never.
    #[serde(default = "never")]
    pub redraw_gain_min: f64,
    /// Trees of all such columns together; each makes rows slower to draw.
    #[serde(default)]
    pub redraw_trees_max: usize,
}

/// Shape of the denoiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DenoiserShape {
    /// Residual blocks of one width.
    Mlp,
    /// Narrowing, then widening, with skips.
    Unet,
}

/// How numbers become tokens of mean 0 and variance 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Normalisation {
    /// Dequantised rank, then the normal quantile.
    Quantile,
    /// Less the mean, over the standard deviation.
    Standard,
    /// Dequantised rank, uniform.
    Cdf,
}

impl TabgraphConfig {
    /// Which training rows choose.
    pub(crate) fn validation(&self) -> Validation {
        Validation {
            share: self.validation_share,
            rows_min: self.validation_rows_min,
            rows_max: self.validation_rows_max,
        }
    }
}

impl Default for TabgraphConfig {
    fn default() -> Self {
        Self {
            denoiser: DenoiserShape::Mlp,
            width: 256,
            blocks: 4,
            expansion: 2,
            embedding: 8,
            octaves: 3,
            self_conditioning: false,
            dropout: 0.0,
            normalisation: Normalisation::Quantile,
            clip_quantile: 0.0,
            rank_map: true,
            atom_share: 0.01,
            atoms_max: 60,
            category_values_max: 10,
            levels_max: 2_000,
            knots_max: 65_536,
            shared_rows_min: SHARED_ROWS_MIN,
            batch: 1_024,
            learning_rate: 2e-3,
            learning_rate_floor: 0.02,
            warmup_steps: 100,
            weight_decay: 1e-5,
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            clip_norm: 1.0,
            average_decay: 0.999,
            noise_mean: -0.4,
            noise_deviation: 1.4,
            noise_min: 2e-3,
            noise_max: 80.0,
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
            epochs_max: 1_000,
            default_seconds_max: 600,
            default_steps: 10_000,
            evaluations: 12,
            slow_evaluations: 12,
            sigma_max: 20.0,
            sigma_min: 0.05,
            rho: 7.0,
            calibration_rounds: 4,
            redraw_gain_min: 1.0,
            redraw_trees_max: 1_500,
        }
    }
}

/// What a model that was trained before there was any redrawing does.
fn never() -> f64 {
    1.0
}

/// The values each numeric constant may take.
pub(crate) const BOUNDS: &[Bound] = &[
    bound("width", 16.0, 4096.0),
    bound("blocks", 1.0, 32.0),
    bound("expansion", 1.0, 8.0),
    bound("embedding", 2.0, 64.0),
    bound("octaves", 0.0, 8.0),
    bound("dropout", 0.0, 0.9),
    bound("clip_quantile", 0.0, 0.25),
    bound("atom_share", 0.0, 1.0),
    bound("atoms_max", 0.0, 1_000.0),
    bound("category_values_max", 0.0, 1_000.0),
    bound("levels_max", 2.0, 20_000.0),
    bound("knots_max", 16.0, 1e7),
    bound("shared_rows_min", 0.0, 1e6),
    bound("batch", 1.0, 65_536.0),
    bound("learning_rate", 1e-7, 1.0),
    bound("learning_rate_floor", 0.0, 1.0),
    bound("warmup_steps", 0.0, 1e6),
    bound("weight_decay", 0.0, 10.0),
    bound("beta1", 0.0, 0.999_999),
    bound("beta2", 0.0, 0.999_999),
    bound("epsilon", 1e-16, 1.0),
    bound("clip_norm", 1e-6, 1e6),
    bound("average_decay", 0.0, 0.999_999),
    bound("noise_mean", -5.0, 5.0),
    bound("noise_deviation", 1e-3, 5.0),
    bound("noise_min", 1e-6, 1.0),
    bound("noise_max", 1.0, 1e4),
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
    bound("epochs_max", 1.0, 1e9),
    bound("default_seconds_max", 1.0, 1e9),
    bound("default_steps", 1.0, 1e9),
    bound("evaluations", 2.0, 1_000.0),
    bound("slow_evaluations", 0.0, 1_000.0),
    bound("sigma_max", 1.0, 1e4),
    bound("sigma_min", 1e-4, 0.99),
    bound("rho", 1.0, 20.0),
    bound("calibration_rounds", 0.0, 100.0),
    bound("redraw_gain_min", 0.0, 1.0),
    bound("redraw_trees_max", 0.0, 100_000.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_is_bounded() {
        crate::constants::assert_bounded(&TabgraphConfig::default(), BOUNDS);
    }
}
