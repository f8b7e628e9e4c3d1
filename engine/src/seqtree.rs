//! `seqtree`: a chain of histogram trees, one per column on the columns before it. Seconds on a
//! CPU.
//!
//! Sequential classification and regression trees (Reiter, "Using CART to generate partially
//! synthetic public use microdata", 2005) on at most 256 bins per column. A drawn value is that of
//! a training row in the same leaf; a number that few rows hold is moved towards its neighbours
//! there.
//!
//! | to find | open |
//! |---|---|
//! | constants | `config` |
//! | codes and bins of a column, of a table | `encode`, `encoded` |
//! | the question asked at a node | `split` |
//! | growing a tree, its arrays | `grow`, `tree` |
//! | steps, snapshots | `training` |
//! | drawing rows | `sampler` |
//! | the model and its file | `chain` |
//! | which leaves a table bears | `choice` |
//! | how near to training rows | `nearness` |

use std::sync::Arc;

use serde_json::{Map, Value};
use tgs_protocol::{
    code::Code,
    engine::{EngineError, Trainer},
    model::{TrainPlan, TrainingLength},
    progress::Watch,
    unit::Steps,
};

use crate::{constants, model::Generator, table::Table};

mod chain;
mod choice;
mod config;
mod encode;
mod encoded;
mod grow;
mod nearness;
mod sampler;
mod split;
#[cfg(test)]
mod tests;
mod training;
mod tree;

use chain::Chain;
use config::{BOUNDS, Config};
use encoded::Encoded;
use sampler::Sampler;
use training::Training;

/// Resolves the constants. Unless the user set `min_leaf`, [`choice`] finds leaves that do not copy
/// rows. One step is one tree; there are as many as columns to learn, whatever `length` says.
///
/// # Errors
/// [`Code::UnknownConstant`] for constants that do not exist or are out of range,
/// [`Code::TooFewRows`] for a table without rows, [`EngineError::Stopped`].
pub fn plan(
    train: &Table,
    length: TrainingLength,
    overrides: &Map<String, Value>,
    seed: u64,
    threads: u32,
    watch: &dyn Watch,
) -> Result<TrainPlan, EngineError> {
    let mut config: Config = constants::resolve(&Config::default(), overrides, BOUNDS)?;
    refuse_empty(train)?;
    let mut why = format!("leaves of {} rows as asked", config.min_leaf);
    if config.min_leaf == 0 {
        let keep_gain = overrides.contains_key("gain_min");
        let (chosen, found) = choice::choose(train, &config, keep_gain, (seed, threads), watch)?;
        let Config { min_leaf, gain_min, .. } = chosen;
        why = format!("leaves of {min_leaf} rows, gains over {gain_min} ({found})");
        config = chosen;
    }
    let steps = train.columns().iter().filter(|column| !is_made(column)).count();
    let config = serde_json::to_value(&config)
        .map_err(|why| EngineError::because(Code::Internal, "write the constants", why))?;
    let grown = match length {
        TrainingLength::Default => "one per column",
        _ => "one per column, grown once, so that a budget, epochs or steps change nothing",
    };
    let because = format!("{steps} trees, {grown}, {why}");
    Ok(TrainPlan { config, steps: Steps(steps as u64), because })
}

/// Checks constants that a user set.
///
/// # Errors
/// `UnknownConstant` for one that is none, or out of range.
pub fn check_constants(set: &Map<String, Value>) -> Result<(), EngineError> {
    constants::resolve(&Config::default(), set, BOUNDS).map(|_| ())
}

/// Begins a run, or goes on from a snapshot of the same run. The bits of the model depend neither
/// on the number of threads nor on interruptions.
///
/// # Errors
/// [`Code::UnknownConstant`] for a plan of another model, [`Code::CheckpointCorrupt`] for a
/// snapshot that is damaged or of another run, [`Code::TooFewRows`]; `Stopped`.
pub fn trainer(
    train: &Table,
    plan: &TrainPlan,
    (seed, threads): (u64, u32),
    resume: Option<&[u8]>,
    watch: &dyn Watch,
) -> Result<Box<dyn Trainer>, EngineError> {
    let config: Config = constants::read(&plan.config, BOUNDS)?;
    refuse_empty(train)?;
    let encoded = Encoded::new(train, &config, (seed, threads), watch)?;
    let mut training = Training::new(encoded, config, threads);
    if let Some(snapshot) = resume {
        training.restore(snapshot)?;
    }
    Ok(Box::new(training))
}

/// Opens a model file for sampling.
///
/// # Errors
/// [`Code::ModelUnreadable`] when it is damaged or not a model of `seqtree`.
pub fn generator(model: &[u8]) -> Result<Arc<dyn Generator>, EngineError> {
    Ok(Arc::new(Sampler::new(Chain::read(model)?)))
}

fn refuse_empty(train: &Table) -> Result<(), EngineError> {
    if train.rows() > 0 {
        return Ok(());
    }
    let message = "grow trees on a table without rows: give at least one";
    Err(EngineError::new(Code::TooFewRows, message))
}

fn is_made(column: &crate::table::Column) -> bool {
    matches!(column.cells, crate::table::Cells::Text(_))
}
