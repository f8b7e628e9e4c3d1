//! The flagship: a tokenizer and diffusion over tokens.
//!
//! Numbers become Gaussians by rank, categories become points on a sphere that are learned with
//! the denoiser; one residual net removes noise from all tokens of a row together (EDM, Karras et
//! al., 2022; categories by score interpolation, Mueller et al., CDTD, ICLR 2025). Sampling takes
//! a dozen evaluations of a multistep solver, then marginals are restored by rank and by
//! calibrated shares.
//!
//! | to find | open |
//! |---|---|
//! | every constant | `config` |
//! | cells to tokens and back | `tokenizer` |
//! | the nets | `denoiser` |
//! | noise and targets of a step | `batch` |
//! | loss of a step | `learner` |
//! | noise to rows | `sampler` |
//! | shares of frequent values | `calibrate` |
//! | columns that trees know better, drawn once more | `redraw` |
//! | noise levels of a quick sampler | `schedule` |
//! | how long to train | `plan` |
//! | the file of a trained model | `model_file` |
//! | what an opened model has ready | `opened` |

mod batch;
mod calibrate;
pub(crate) mod config;
mod denoiser;
mod learner;
mod model_file;
mod opened;
mod plan;
mod redraw;
pub(crate) mod sampler;
mod schedule;
pub(crate) mod tokenizer;

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

use crate::{constants, learn::run::Run, model::Generator, table::Table};

/// Checks constants that a user set.
///
/// # Errors
/// `UnknownConstant` for one that is none, or out of range.
pub fn check_constants(set: &Map<String, Value>) -> Result<(), EngineError> {
    constants::resolve(&config::TabgraphConfig::default(), set, config::BOUNDS).map(|_| ())
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
    plan::plan(train, length, overrides, (seed, threads), watch)
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
    let learner = learner::TabgraphLearner::new(train, config, (plan.steps, seed), watch)?;
    let stopping = learner.stopping();
    Ok(Box::new(Run::new(learner, plan, stopping, (seed, threads), resume)?))
}

/// Opens a model for sampling.
///
/// # Errors
/// `ModelUnreadable` when the bytes are not what [`Trainer::finish`] gave.
pub fn generator(model: &[u8]) -> Result<Arc<dyn Generator>, EngineError> {
    Ok(Arc::new(opened::Opened::new(model_file::open(model)?)))
}

/// Loss by training step, from a model file.
///
/// # Errors
/// As [`generator`].
pub fn curves(model: &[u8]) -> Result<Vec<Curve>, EngineError> {
    model_file::curves(model)
}
