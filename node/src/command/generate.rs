//! `tgs generate`: more rows from a model that was trained before.

use std::{path::Path, process::ExitCode};

use tgs_protocol::{
    code::Code,
    gate::Gates,
    model::{ModelName, TrainingLength},
    request::{Goal, JobRequest, validate},
};

use super::{learning, result};
use crate::{
    command_line::{GenerateArguments, Voice},
    configuration::Settings,
    failure::Failure,
    following::{self, Begin},
    home, terminal, wiring,
};

pub async fn run(
    asked: GenerateArguments,
    home: Option<&Path>,
    settings: &Settings,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let mut display = terminal::display(voice);
    let request = request(&asked)?;
    let home = home::folder(home, settings)?;
    let node = wiring::node(&home, settings, asked.release.samplers).await?;
    let job = node.desk().submit(request).await?;
    display.began(&job);
    let outcome = following::to_its_end(&node, &job, Begin::Fresh, display.as_mut()).await?;
    let row = node.desk().show(&job).await?;
    node.stop().await;
    result::tell(&row, &outcome, voice)
}

fn request(asked: &GenerateArguments) -> Result<JobRequest, Failure> {
    if asked.release.rows.is_none() {
        let message = "generate rows: say how many with -n, a model file does not know";
        return Err(Failure::new(Code::RowsOutOfRange, message));
    }
    let model_file = learning::existing(&asked.model_file)?;
    let output = learning::output(&asked.release, None)?;
    let request = JobRequest {
        goal: Goal::Generate { model_file, output },
        // The model file knows its generator; nothing is trained.
        model: ModelName::Tabgraph,
        length: TrainingLength::Default,
        overrides: serde_json::Map::new(),
        seed: asked.seed,
        threads: 1,
        gates: Gates::default(),
    };
    validate(&request).map_err(|refusal| Failure::new(refusal.code, refusal.message))?;
    Ok(request)
}
