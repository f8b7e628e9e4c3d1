//! The published two-stage model as a named configuration (TabSyn: Zhang et al., ICLR 2024).
//!
//! First a variational auto-encoder of small transformers learns one token of four numbers per
//! column; then a wide net learns to remove noise from the tokens (EDM). Both phases are one run
//! with one step count. It is here for comparison: the flagship needs a fraction of its time.
//!
//! Kept from the paper: tokens, transformers, widths, optimiser, noise levels, Heun's sampler.
//! Changed: β falls geometrically with the step, and the learning rate does not wait for flat
//! epochs (no decision may depend on how a run was cut); the encoders have no class token, which
//! the decoder never sees; Heun's method adds no noise on its way; parameters are averaged, numbers
//! come back by rank, categories are drawn.

mod config;
mod learner;
mod sampler;
#[cfg(test)]
mod tests;
mod vae;

use std::sync::Arc;

use serde_json::{Map, Value};
use tgs_protocol::{
    code::Code,
    engine::{EngineError, Trainer},
    model::{TrainPlan, TrainingLength},
    progress::Watch,
    report::Curve,
};

use self::{config::OriginalConfig, learner::OriginalLearner};
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
    constants::resolve(&OriginalConfig::default(), set, config::BOUNDS).map(|_| ())
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
    let mut config: OriginalConfig =
        constants::resolve(&OriginalConfig::default(), overrides, config::BOUNDS)?;
    let learned = train.rows() - config.validation().rows(train.rows());
    config.batch = config.batch.clamp(1, learned.max(1));
    let wish = pace::Wish {
        per_epoch: (learned / config.batch).max(1) as u64,
        epochs_max: u64::MAX,
        default_steps: config.default_steps,
        default_seconds_max: config.default_seconds_max,
    };
    let speed = || measure(train, &config, (seed, threads), watch);
    let (mut steps, how) = pace::steps_of(length, &wish, speed)?;
    if matches!(length, TrainingLength::Default | TrainingLength::BudgetSeconds(_)) {
        steps = steps.max(2);
    }
    if steps < 2 {
        let message = "plan the training: its two phases need at least two steps; ask for more";
        return Err(EngineError::new(Code::BadRequest, message));
    }
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
    let config: OriginalConfig = constants::read(&plan.config, config::BOUNDS)?;
    let learner = OriginalLearner::new(train, config, (plan.steps, seed), watch)?;
    let stopping = learner.stopping();
    Ok(Box::new(Run::new(learner, plan, stopping, (seed, threads), resume)?))
}

/// Opens a model for sampling.
///
/// # Errors
/// `ModelUnreadable` when the bytes are not what [`Trainer::finish`] gave.
pub fn generator(model: &[u8]) -> Result<Arc<dyn Generator>, EngineError> {
    Ok(Arc::new(sampler::OriginalSampler::open(model)?))
}

/// Loss by training step, from a model file.
///
/// # Errors
/// As [`generator`].
pub fn curves(model: &[u8]) -> Result<Vec<Curve>, EngineError> {
    sampler::curves(model)
}

/// Speed of the second phase, which takes most steps.
fn measure(
    train: &Table,
    config: &OriginalConfig,
    (seed, threads): (u64, u32),
    watch: &dyn Watch,
) -> Result<f64, EngineError> {
    let config = OriginalConfig { encoder_share: 0.0, ..config.clone() };
    let learner = OriginalLearner::new(train, config, (pace::MANY, seed), watch)?;
    pace::speed_of(learner, (seed, threads), watch)
}
