//! `tgs generate` and `tgs complete`: rows from a model that was trained before.

use std::path::Path;

use tgs_protocol::{
    gate::Gates,
    given::Given,
    model::{ModelName, TrainingLength},
    request::{Goal, JobRequest},
};

use super::{job, learning};
use crate::{
    command_line::{CompleteArguments, GenerateArguments, ReleaseArguments, Voice},
    configuration::Settings,
    failure::Failure,
    leaving::ExitCode,
};

/// More rows.
pub async fn run(
    asked: GenerateArguments,
    home: Option<&Path>,
    settings: &Settings,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let model_file = learning::existing(&asked.model_file)?;
    let given = asked.given.given()?;
    let output = learning::output(&asked.release, None)?;
    let goal = Goal::Generate { model_file, output, given, complete: None };
    let samplers = asked.release.samplers;
    job::run(request(goal, asked.seed)?, home, settings, samplers, voice).await
}

/// The rows of a table, whole.
pub async fn complete(
    asked: CompleteArguments,
    home: Option<&Path>,
    settings: &Settings,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let CompleteArguments { model_file, table, output, seed, samplers } = asked;
    let model_file = learning::existing(&model_file)?;
    let complete = Some(learning::existing(&table)?);
    let output = learning::output(&ReleaseArguments { rows: None, output, samplers }, None)?;
    let goal = Goal::Generate { model_file, output, given: Given::default(), complete };
    job::run(request(goal, seed)?, home, settings, samplers, voice).await
}

fn request(goal: Goal, seed: u64) -> Result<JobRequest, Failure> {
    learning::checked(JobRequest {
        goal,
        // The model file knows its generator; nothing is trained.
        model: ModelName::Tabgraph,
        length: TrainingLength::Default,
        overrides: serde_json::Map::new(),
        seed,
        threads: 1,
        devices: 1,
        gates: Gates::default(),
        inputs: Vec::new(),
    })
}
