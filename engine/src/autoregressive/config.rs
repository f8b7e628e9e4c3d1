//! Every constant of the model, with its default and the values it may take.

use serde::{Deserialize, Serialize};
use tgs_protocol::limits::SHARED_ROWS_MIN;

use crate::{
    constants::{Bound, bound},
    learn::{
        batches,
        stopping::{Stopping, steps_apart},
        validation::Validation,
    },
    tabgraph::config::{Normalisation, TabgraphConfig},
};

/// Passes over the rows between two looks, at most, unless `eval_every` is set.
pub(super) const EPOCHS_PER_LOOK: u64 = 2;
/// Tables of fewer rows than these have narrower nets.
const WIDE_ROWS: usize = 12_000;
const NARROW: (usize, usize) = (64, 64);
/// Tables of fewer rows are held back from learning rows by heart by dropout.
const CAREFUL_ROWS: usize = 5_000;
const CARE_DROPOUT: f64 = 0.25;

/// Constants of the model. Resolved once, by the plan; the model file keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AutoregressiveConfig {
    /// Width of the layer that all columns share; less for small tables.
    pub width: usize,
    /// Width of the layers that each column has for itself; less for small tables.
    pub column_width: usize,
    /// Numbers in the embedding of a value: so many times the fourth root of how many values there
    /// are, …
    pub embedding_factor: f64,
    /// … but at least so many, and never more than there are values.
    pub embedding_min: usize,
    /// Coarse bins of a numeric column, of equally many rows each.
    pub coarse_bins: usize,
    /// Fine bins in each of them.
    pub fine_bins: usize,
    /// Logistic components of the density of a number; bins are corrections to it.
    pub components: usize,
    /// Share of the training batches that know columns in a random order; the others know them in
    /// the order in which rows are drawn.
    pub any_order_share: f64,
    /// Share of the shared layer's numbers set to zero in training; more for small tables.
    pub dropout: f64,
    /// A number that holds more than this share of its column is a level.
    pub atom_share: f64,
    /// Columns with more such numbers have none.
    pub atoms_max: usize,
    /// Numeric columns with at most so many distinct values, all of them shared by enough rows, are
    /// levels only.
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
    /// Numbers are brought to the ranks, levels to the shares of the training table within the
    /// chunk; else they are as the net says.
    pub rank_map: bool,
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
    /// Share of the training rows that choose (the end of training, the parameters to keep) and do
    /// not learn; 0: none, and the last parameters are kept.
    pub validation_share: f64,
    /// At least so many of them, as far as a quarter of the rows allows.
    pub validation_rows_min: usize,
    /// At most so many of them.
    pub validation_rows_max: usize,
    /// Looks at the validation loss in a whole run; more for small tables.
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

impl Default for AutoregressiveConfig {
    fn default() -> Self {
        Self {
            width: 256,
            column_width: 128,
            embedding_factor: 3.0,
            embedding_min: 10,
            coarse_bins: 64,
            fine_bins: 32,
            components: 8,
            any_order_share: 0.5,
            dropout: 0.0,
            atom_share: 0.01,
            atoms_max: 60,
            category_values_max: 10,
            levels_max: 2_000,
            knots_max: 65_536,
            shared_rows_min: SHARED_ROWS_MIN,
            rank_map: true,
            batch: 1_024,
            learning_rate: 2e-3,
            learning_rate_floor: 0.02,
            warmup_steps: 50,
            weight_decay: 1.0,
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            clip_norm: 1.0,
            average_decay: 0.997,
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
            epochs_max: 60,
            default_seconds_max: 600,
            default_steps: 5_000,
        }
    }
}

impl AutoregressiveConfig {
    /// These constants for a table of so many rows that learn.
    pub(super) fn fitted(mut self, rows: usize) -> Self {
        self.batch = batches::fitting(rows, self.batch);
        if rows < WIDE_ROWS {
            (self.width, self.column_width) = NARROW;
        }
        if rows < CAREFUL_ROWS {
            self.dropout = CARE_DROPOUT;
        }
        self
    }

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
            from: self.judged_from(),
            patience: (self.patience > 0).then_some(self.patience),
            shared_gain_min: Some(self.shared_gain_min),
            compared_share: self.compared_share,
            looks_min: self.looks_min,
            agreeing_looks: self.agreeing_looks,
            ending_share: self.ending_share,
        }
    }

    /// The step before which nothing is judged: a net begins with the shares of every column, and
    /// what it first learns of two together is less than what chance takes away.
    pub(super) fn judged_from(&self) -> u64 {
        self.warmup_steps.saturating_mul(4)
    }

    /// How cells become levels and ranks.
    pub(super) fn cells(&self) -> TabgraphConfig {
        TabgraphConfig {
            normalisation: Normalisation::Quantile,
            atom_share: self.atom_share,
            atoms_max: self.atoms_max,
            category_values_max: self.category_values_max,
            levels_max: self.levels_max,
            knots_max: self.knots_max,
            shared_rows_min: self.shared_rows_min,
            ..TabgraphConfig::default()
        }
    }
}

/// The values each numeric constant may take.
pub(super) const BOUNDS: &[Bound] = &[
    bound("width", 8.0, 4_096.0),
    bound("column_width", 8.0, 4_096.0),
    bound("embedding_factor", 0.1, 100.0),
    bound("embedding_min", 1.0, 1_024.0),
    bound("coarse_bins", 2.0, 1_024.0),
    bound("fine_bins", 1.0, 1_024.0),
    bound("components", 1.0, 256.0),
    bound("any_order_share", 0.0, 1.0),
    bound("dropout", 0.0, 0.9),
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
        crate::constants::assert_bounded(&AutoregressiveConfig::default(), BOUNDS);
    }
}
