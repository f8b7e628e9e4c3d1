//! `tgs train`: up to the model file.

use std::{path::Path, process::ExitCode};

use tgs_protocol::{gate::Gates, request::Goal};

use super::{learning, result};
use crate::{
    command_line::{TrainArguments, Voice},
    configuration::Settings,
    failure::Failure,
    following::{self, Begin},
    home, terminal, wiring,
};

pub async fn run(
    asked: TrainArguments,
    home: Option<&Path>,
    settings: &Settings,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let mut display = terminal::display(voice);
    let source = learning::source(&asked.learn)?;
    let model_file = home::whole(&asked.output)?;
    home::must_be_writable(&model_file)?;
    let goal = Goal::Train { source, model_file };
    let request = learning::request(&asked.learn, goal, Gates::default())?;
    let node = wiring::node(&home::folder(home, settings)?, settings, None).await?;
    let job = node.desk().submit(request).await?;
    display.began(&job);
    let outcome = following::to_its_end(&node, &job, Begin::Fresh, display.as_mut()).await?;
    let row = node.desk().show(&job).await?;
    node.stop().await;
    result::tell(&row, &outcome, voice)
}
