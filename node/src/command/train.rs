//! `tgs train`: up to the model file.

use std::path::Path;

use tgs_protocol::{gate::Gates, request::Goal};

use super::{job, learning};
use crate::{
    command_line::{TrainArguments, Voice},
    configuration::Settings,
    failure::Failure,
    home,
    leaving::ExitCode,
};

pub async fn run(
    asked: TrainArguments,
    home: Option<&Path>,
    settings: &Settings,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let source = learning::source(&asked.learn)?;
    let model_file = home::whole(&asked.output)?;
    home::must_be_writable(&model_file)?;
    let goal = Goal::Train { source, model_file };
    let request = learning::request(&asked.learn, goal, Gates::default())?;
    job::run(request, home, settings, None, voice).await
}
