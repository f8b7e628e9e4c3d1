//! A variational auto-encoder of rows (TVAE: Xu et al., "Modeling tabular data using conditional
//! GAN", NeurIPS 2019, section 4.3).
//!
//! Numbers are told mode by mode, as for `ctgan`. Two layers encode a row as a normal distribution
//! of latents, two decode a latent as the row: where a number stands in its mode is normal with a
//! deviation that is learned by column, modes and levels have odds. It is here for comparison.
//!
//! Kept from the paper: nets, widths, optimiser, loss.
//! Changed: frequent numbers and *missing* are levels; parameters are averaged, and training ends
//! where validation rows no longer gain; modes and levels are drawn by their odds, numbers come
//! back by rank and levels by share.

mod config;
mod learner;
mod net;
mod sampler;

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

use self::{config::TvaeConfig, learner::TvaeLearner};
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
    constants::resolve(&TvaeConfig::default(), set, config::BOUNDS).map(|_| ())
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
    let mut config: TvaeConfig =
        constants::resolve(&TvaeConfig::default(), overrides, config::BOUNDS)?;
    let learned = train.rows() - config.validation().rows(train.rows());
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
        config.eval_every = wish.between_looks(steps, config.validation_looks, u64::MAX);
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
    let learner = TvaeLearner::new(train, config, seed, watch)?;
    let stopping = learner.stopping();
    Ok(Box::new(Run::new(learner, plan, stopping, (seed, threads), resume)?))
}

/// Opens a model for sampling.
///
/// # Errors
/// `ModelUnreadable` when the bytes are not what [`Trainer::finish`] gave.
pub fn generator(model: &[u8]) -> Result<Arc<dyn Generator>, EngineError> {
    Ok(Arc::new(sampler::TvaeSampler::open(model)?))
}

/// Loss by training step, from a model file.
///
/// # Errors
/// As [`generator`].
pub fn curves(model: &[u8]) -> Result<Vec<Curve>, EngineError> {
    sampler::curves(model)
}

fn measure(
    train: &Table,
    config: &TvaeConfig,
    (seed, threads): (u64, u32),
    watch: &dyn Watch,
) -> Result<f64, EngineError> {
    let learner = TvaeLearner::new(train, config.clone(), seed, watch)?;
    if !learner.has_columns() {
        return Ok(1.0);
    }
    pace::speed_of(learner, (seed, threads), watch)
}
