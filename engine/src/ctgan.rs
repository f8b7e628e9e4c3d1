//! A conditional generator that learns against a critic (CTGAN: Xu et al., "Modeling tabular data
//! using conditional GAN", NeurIPS 2019).
//!
//! Numbers are told mode by mode; each row is made under a condition, one level of one column, in
//! training drawn by the logarithm of how frequent it is, so that rare levels are seen; a critic
//! looks at ten rows at once (PacGAN: Lin et al., 2018) and is kept Lipschitz by a penalty on its
//! gradient (Gulrajani et al., 2017). The critic and the generator learn in turns, a step each. It
//! is here for comparison: `tabgraph` is better after a tenth of its time.
//!
//! Kept from the paper: nets, widths, optimiser, conditions, penalty, Gumbel softmax.
//! Changed: frequent numbers and *missing* are levels; rows of a batch are normed in two halves,
//! so that two threads share a step; numbers come back by rank, levels by share; what rows are
//! normed by when the model draws is measured after training, on rows that it draws.

mod config;
mod learner;
mod nets;
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

use self::{config::CtganConfig, learner::CtganLearner};
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
    constants::resolve(&CtganConfig::default(), set, config::BOUNDS).map(|_| ())
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
    let mut config: CtganConfig =
        constants::resolve(&CtganConfig::default(), overrides, config::BOUNDS)?;
    config.batch = config.batch.clamp(1, train.rows().max(1));
    let wish = pace::Wish {
        per_epoch: config.turns() * (train.rows() / config.batch).max(1) as u64,
        epochs_max: config.epochs_max,
        default_steps: config.default_steps,
        default_seconds_max: config.default_seconds_max,
    };
    let (steps, how) =
        pace::steps_of(length, &wish, || measure(train, &config, (seed, threads), watch))?;
    if config.eval_every <= 0.0 {
        config.eval_every = wish.between_looks(steps, config.looks, u64::MAX);
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
    let learner = CtganLearner::new(train, config, seed, watch)?;
    let stopping = learner.stopping();
    Ok(Box::new(Run::new(learner, plan, stopping, (seed, threads), resume)?))
}

/// Opens a model for sampling.
///
/// # Errors
/// `ModelUnreadable` when the bytes are not what [`Trainer::finish`] gave.
pub fn generator(model: &[u8]) -> Result<Arc<dyn Generator>, EngineError> {
    Ok(Arc::new(sampler::CtganSampler::open(model)?))
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
    config: &CtganConfig,
    (seed, threads): (u64, u32),
    watch: &dyn Watch,
) -> Result<f64, EngineError> {
    let learner = CtganLearner::new(train, config.clone(), seed, watch)?;
    if !learner.has_columns() {
        return Ok(1.0);
    }
    pace::speed_of(learner, (seed, threads), watch)
}
