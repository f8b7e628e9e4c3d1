//! How long to train and with which constants: decided once, before the first step.

use serde_json::{Map, Value};
use tgs_protocol::{
    engine::EngineError,
    model::{TrainPlan, TrainingLength},
    progress::Watch,
};

use super::{
    config::{BOUNDS, TabgraphConfig},
    learner::TabgraphLearner,
};
use crate::{
    constants,
    learn::{batches, pace},
    table::Table,
};

/// Widths of the trunk for tables of fewer rows than this: what a wide net learns of few rows
/// beyond a narrow one, it learns by heart.
const WIDTHS: [(usize, usize); 2] = [(1_000, 32), (12_000, 64)];
/// Tables of fewer rows end their training at the first sign of copying, and are held back from it
/// by dropout and weight decay (`docs/decisions/0004-stop-before-copying.md` has the measurements).
const CAREFUL_ROWS: usize = 5_000;
/// Their `shared_gain_min` and dropout.
const CARE: (f64, f64) = (0.7, 0.8);
/// The same below so many rows: a few hundred can be told apart long before copies are seen.
const TINY_ROWS: usize = 1_000;
const TINY_CARE: (f64, f64) = (0.9, 0.7);
/// From so many rows on dropout falls, to none at [`CAREFUL_ROWS`].
const FULL_CARE_ROWS: usize = 2_000;
/// Weight decay is 1 at so many rows and goes with one over their cube.
const UNIT_DECAY_ROWS: f64 = 700.0;
const DECAY_MAX: f64 = 5.0;
/// Passes over the rows between two looks, at most, unless `eval_every` is set: a small table may
/// be learned by heart within a small part of its steps.
const EPOCHS_PER_LOOK: u64 = 8;

/// See [`super::plan`].
pub(super) fn plan(
    train: &Table,
    length: TrainingLength,
    overrides: &Map<String, Value>,
    (seed, threads): (u64, u32),
    watch: &dyn Watch,
) -> Result<TrainPlan, EngineError> {
    let mut defaults = TabgraphConfig::default();
    let asked: TabgraphConfig = constants::resolve(&defaults, overrides, BOUNDS)?;
    // Rows that choose cannot be learned by heart: the others are the table that a net sees.
    let learned = train.rows() - asked.validation().rows(train.rows());
    defaults.batch = batches::fitting(learned, defaults.batch);
    defaults.width = fitting_width(learned, defaults.width);
    if learned < CAREFUL_ROWS {
        take_care(learned, &mut defaults);
    }
    let mut config: TabgraphConfig = constants::resolve(&defaults, overrides, BOUNDS)?;
    config.batch = config.batch.clamp(1, learned.max(1));
    let wish = pace::Wish {
        per_epoch: (learned / config.batch).max(1) as u64,
        epochs_max: config.epochs_max,
        default_steps: config.default_steps,
        default_seconds_max: config.default_seconds_max,
    };
    let speed = || measure(train, &config, (seed, threads), watch);
    let (steps, how) = pace::steps_of(length, &wish, speed)?;
    if config.eval_every <= 0.0 {
        config.eval_every = wish.between_looks(steps, config.validation_looks, EPOCHS_PER_LOOK);
    }
    pace::planned(&config, config.batch, (steps, how))
}

/// Width of the trunk for a table of so many rows.
fn fitting_width(rows: usize, most: usize) -> usize {
    WIDTHS.iter().find(|(below, _)| rows < *below).map_or(most, |(_, width)| most.min(*width))
}

/// What keeps a net from learning the rows of a small table by heart.
fn take_care(rows: usize, config: &mut TabgraphConfig) {
    let (shared_gain_min, dropout) = if rows < TINY_ROWS { TINY_CARE } else { CARE };
    config.shared_gain_min = shared_gain_min;
    let need = (CAREFUL_ROWS - rows) as f64 / (CAREFUL_ROWS - FULL_CARE_ROWS) as f64;
    config.dropout = dropout * need.min(1.0);
    let decay = libm::pow(UNIT_DECAY_ROWS / rows.max(1) as f64, 3.0);
    config.weight_decay = decay.clamp(config.weight_decay, DECAY_MAX);
}

fn measure(
    train: &Table,
    config: &TabgraphConfig,
    (seed, threads): (u64, u32),
    watch: &dyn Watch,
) -> Result<f64, EngineError> {
    let learner = TabgraphLearner::new(train, config.clone(), (pace::MANY, seed), watch)?;
    if !learner.has_tokens() {
        return Ok(1.0);
    }
    pace::speed_of(learner, (seed, threads), watch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewer_rows_the_more_a_net_is_held_back() {
        let fitted = |rows| {
            let mut config = TabgraphConfig::default();
            config.width = fitting_width(rows, config.width);
            if rows < CAREFUL_ROWS {
                take_care(rows, &mut config);
            }
            config
        };
        let of = |rows| {
            let TabgraphConfig { width, dropout, weight_decay, .. } = fitted(rows);
            (width, (100.0 * dropout).round(), (1e3 * weight_decay).round())
        };
        assert_eq!(of(1), (32, 70.0, 5_000.0));
        assert_eq!(of(700), (32, 70.0, 1_000.0));
        assert_eq!(of(1_400), (64, 80.0, 125.0));
        assert_eq!(of(3_500), (64, 40.0, 8.0));
        assert_eq!([999, 1_000, 5_000].map(|rows| fitted(rows).shared_gain_min), [0.9, 0.7, 0.5]);
        assert_eq!(fitted(5_000), TabgraphConfig { width: 64, ..TabgraphConfig::default() });
        assert_eq!(fitted(12_000), TabgraphConfig::default());
    }
}
