//! Column after column, each drawn from what is known of its row: any columns may be known.
//!
//! A number is a coarse bin of its rank and a fine bin within, a frequent number and every category
//! a level; what a net answers for a column are the odds of each. All columns share a first layer
//! over the embeddings of what is known (the unknown adds nothing to it, as in MADE, Germain et
//! al., 2015); half of the training batches know columns in the order in which rows are drawn,
//! half in a random one, so that rows can be drawn given any columns (Uria et al., "A deep and
//! tractable density estimator", 2014).
//!
//! | to find | open |
//! |---|---|
//! | every constant | `config` |
//! | columns as coarse and fine bins and levels | `chain` |
//! | the net | `net` |
//! | loss of a step | `learner` |
//! | where bins lie, and densities over them | `scale` |
//! | rows, column after column | `sampler`, `drawing` |
//! | rows under conditions | `within`, `limit` |
//! | rows of which some cells are known | `completing` |
//! | the file of a trained model | `model_file` |

mod chain;
mod completing;
mod config;
mod drawing;
mod learner;
mod limit;
mod model_file;
mod net;
mod sampler;
mod scale;
mod within;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Map, Value};
use tgs_protocol::{
    engine::{EngineError, Trainer},
    model::{TrainPlan, TrainingLength},
    progress::Watch,
    report::Curve,
};

use self::{config::AutoregressiveConfig, learner::AutoregressiveLearner};
use crate::{
    constants,
    learn::{pace, run::Run},
    model::Generator,
    table::Table,
};

/// Checks constants that a user set.
///
/// # Errors
/// `UnknownConstant` for one that is none, or out of range.
pub fn check_constants(set: &Map<String, Value>) -> Result<(), EngineError> {
    constants::resolve(&AutoregressiveConfig::default(), set, config::BOUNDS).map(|_| ())
}

/// Resolves every constant and the number of steps; measures speed when a budget is given.
///
/// # Errors
/// `UnknownConstant` for an override that is not a constant or out of range; `TooFewRows`.
pub fn plan(
    train: &Table,
    length: TrainingLength,
    overrides: &Map<String, Value>,
    seed: u64,
    threads: u32,
    watch: &dyn Watch,
) -> Result<TrainPlan, EngineError> {
    let defaults = AutoregressiveConfig::default();
    let asked: AutoregressiveConfig = constants::resolve(&defaults, overrides, config::BOUNDS)?;
    // Rows that choose cannot be learned by heart: the others are the table that a net sees.
    let learned = train.rows() - asked.validation().rows(train.rows());
    let defaults = defaults.fitted(learned);
    let mut config: AutoregressiveConfig =
        constants::resolve(&defaults, overrides, config::BOUNDS)?;
    config.batch = config.batch.clamp(1, learned.max(1));
    let wish = pace::Wish {
        per_epoch: (learned / config.batch).max(1) as u64,
        epochs_max: config.epochs_max,
        default_steps: config.default_steps,
        default_seconds_max: config.default_seconds_max,
    };
    let (steps, how) =
        pace::steps_of(length, &wish, || measure(train, &config, (seed, threads), watch))?;
    if config.eval_every <= 0.0 {
        config.eval_every =
            wish.between_looks(steps, config.validation_looks, config::EPOCHS_PER_LOOK);
    }
    pace::planned(&config, config.batch, (steps, how))
}

/// Begins a training run, or goes on from a snapshot.
///
/// # Errors
/// `CheckpointCorrupt` when the snapshot is damaged or belongs to another run; `Stopped`.
pub fn trainer(
    train: &Table,
    plan: &TrainPlan,
    (seed, threads): (u64, u32),
    resume: Option<&[u8]>,
    watch: &dyn Watch,
) -> Result<Box<dyn Trainer>, EngineError> {
    let config = constants::read(&plan.config, config::BOUNDS)?;
    let learner = AutoregressiveLearner::new(train, config, (plan.steps, seed), watch)?;
    let stopping = learner.stopping();
    Ok(Box::new(Run::new(learner, plan, stopping, (seed, threads), resume)?))
}

/// Opens a model for sampling.
///
/// # Errors
/// `ModelUnreadable` when the bytes are not what [`Trainer::finish`] gave.
pub fn generator(model: &[u8]) -> Result<Arc<dyn Generator>, EngineError> {
    Ok(Arc::new(sampler::Opened::new(model_file::open(model)?)))
}

/// Loss by training step, from a model file.
///
/// # Errors
/// As [`generator`].
pub fn curves(model: &[u8]) -> Result<Vec<Curve>, EngineError> {
    model_file::curves(model)
}

fn measure(
    train: &Table,
    config: &AutoregressiveConfig,
    (seed, threads): (u64, u32),
    watch: &dyn Watch,
) -> Result<f64, EngineError> {
    let learner = AutoregressiveLearner::new(train, config.clone(), (pace::MANY, seed), watch)?;
    if !learner.has_columns() {
        return Ok(1.0);
    }
    pace::speed_of(learner, (seed, threads), watch)
}
