//! Whichever model suits a table: a few are trained within the time that is given, each is judged
//! by the report on rows that did not teach it, and the best one is the model.
//!
//! Trees suit tables of many categories and of steps, nets those of smooth columns, and which is
//! which shows only in what they draw (on `adult` rows of trees are told from real ones less well
//! than those of nets, on `magic` the other way round). A rule on the profile would guess; this
//! asks. All of it is one training run: the candidates follow each other, and whatever interrupts
//! it changes no bit of who wins.
//!
//! | to find | open |
//! |---|---|
//! | constants | `config` |
//! | one candidate after the other, snapshots | `contest` |
//! | what the report says of each | `judged` |

mod config;
mod contest;
mod judged;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tgs_protocol::{
    code::Code,
    engine::{EngineError, Trainer},
    model::{ModelName, TrainPlan, TrainingLength},
    progress::Watch,
    unit::Steps,
};

use self::{
    config::{AutoConfig, BOUNDS},
    contest::Contest,
};
use crate::{
    constants,
    learn::{batches::check_rows, validation::Parts},
    model,
    random::{Purpose, Stream},
    table::Table,
};

/// A plan of all candidates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plans {
    constants: AutoConfig,
    candidates: Vec<Candidate>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Candidate {
    model: ModelName,
    plan: TrainPlan,
}

/// Checks constants that a user set.
///
/// # Errors
/// `UnknownConstant` for one that is none, or out of range.
pub fn check_constants(set: &Map<String, Value>) -> Result<(), EngineError> {
    constants::resolve(&AutoConfig::default(), set, BOUNDS).map(|_| ())
}

/// Plans every candidate: trees, which need no time, and nets that share it.
///
/// # Errors
/// `UnknownConstant` for an override that is not a constant or out of range; those of the models.
pub fn plan(
    train: &Table,
    length: TrainingLength,
    overrides: &Map<String, Value>,
    seed: u64,
    threads: u32,
    watch: &dyn Watch,
) -> Result<TrainPlan, EngineError> {
    let config: AutoConfig = constants::resolve(&AutoConfig::default(), overrides, BOUNDS)?;
    check_rows(train)?;
    let planned = |(model, length): (ModelName, TrainingLength)| {
        let set = match model {
            ModelName::Seqtree => json!({"dcr_share_max": config.dcr_share_max}),
            // Rows that choose within a net do not teach it: they judge what it draws as well.
            _ => json!({
                "validation_share": config.judged_share,
                "validation_rows_min": config.judged_rows_min,
                "validation_rows_max": config.judged_rows_max,
            }),
        };
        let set = set.as_object().cloned().unwrap_or_default();
        let plan = (model::of(model).plan)(train, length, &set, seed, threads, watch)?;
        Ok(Candidate { model, plan })
    };
    let candidates: Vec<Candidate> =
        config.lengths(length).into_iter().map(planned).collect::<Result<_, EngineError>>()?;
    let steps = candidates.iter().map(|candidate| candidate.plan.steps.get()).sum();
    let told = candidates.iter().map(|it| format!("{}: {}", it.model, it.plan.because));
    let told: Vec<String> = told.collect();
    let because = format!("the best of {}: {}", candidates.len(), told.join("; "));
    let config = serde_json::to_value(Plans { constants: config, candidates })
        .map_err(|error| EngineError::because(Code::Internal, "write the plan", error))?;
    Ok(TrainPlan { config, steps: Steps(steps), because })
}

/// Begins a training run, or goes on from a snapshot.
///
/// # Errors
/// `CheckpointCorrupt` when the snapshot is damaged or belongs to another run; `Stopped`.
pub fn trainer(
    train: &Table,
    plan: &TrainPlan,
    work: (u64, u32),
    resume: Option<&[u8]>,
    watch: &dyn Watch,
) -> Result<Box<dyn Trainer>, EngineError> {
    let plans: Plans = constants::read(&plan.config, &[])?;
    constants::check(&plans.constants, BOUNDS).map_err(|why| {
        EngineError::new(Code::UnknownConstant, format!("read the constants of the plan: {why}"))
    })?;
    Ok(Box::new(Contest::new(train, plans, work, resume, watch)?))
}

/// Which rows teach nets, and which judge who learned best.
fn parts(train: &Table, config: &AutoConfig, seed: u64) -> Parts {
    config.judged().parts(train.rows(), seed)
}

/// The seed of the rows that candidates draw to be judged: a job will draw others.
fn seed_of(seed: u64) -> u64 {
    Stream::new(seed, Purpose::Contest, 0).long_bits()
}
