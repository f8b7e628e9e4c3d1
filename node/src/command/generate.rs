//! `tgs generate`: more rows from a model that was trained before.

use std::path::Path;

use tgs_protocol::{
    gate::Gates,
    model::{ModelName, TrainingLength},
    request::{Goal, JobRequest},
};

use super::{job, learning};
use crate::{
    command_line::{GenerateArguments, Voice},
    configuration::Settings,
    failure::Failure,
    leaving::ExitCode,
};

pub async fn run(
    asked: GenerateArguments,
    home: Option<&Path>,
    settings: &Settings,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    job::run(request(&asked)?, home, settings, asked.release.samplers, voice).await
}

fn request(asked: &GenerateArguments) -> Result<JobRequest, Failure> {
    let model_file = learning::existing(&asked.model_file)?;
    let output = learning::output(&asked.release, None)?;
    learning::checked(JobRequest {
        goal: Goal::Generate { model_file, output },
        // The model file knows its generator; nothing is trained.
        model: ModelName::Tabgraph,
        length: TrainingLength::Default,
        overrides: serde_json::Map::new(),
        seed: asked.seed,
        threads: 1,
        devices: 1,
        gates: Gates::default(),
        inputs: Vec::new(),
    })
}
