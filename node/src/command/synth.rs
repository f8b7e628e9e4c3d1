//! `tgs synth`: the main job.

use std::{path::Path, process::ExitCode};

use tgs_protocol::{gate::Gates, request::Goal};

use super::{learning, result};
use crate::{
    command_line::{GatePolicy, SynthArguments, Voice},
    configuration::Settings,
    failure::Failure,
    following::{self, Begin},
    home, terminal,
    voice::say,
    wiring,
};

pub async fn run(
    asked: SynthArguments,
    home: Option<&Path>,
    settings: &Settings,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let mut display = terminal::display(voice);
    let gates = match asked.gates {
        GatePolicy::Enforce => Gates::default(),
        GatePolicy::Warn => Gates::default().only_warning(),
    };
    let source = learning::source(&asked.learn)?;
    let output = learning::output(&asked.release, asked.report.as_deref())?;
    let request = learning::request(&asked.learn, Goal::Synthesize { source, output }, gates)?;
    let home = home::folder(home, settings)?;
    if asked.dry_run {
        say!("{}", serde_json::to_string_pretty(&request).unwrap_or_default());
        return Ok(ExitCode::SUCCESS);
    }
    let node = wiring::node(&home, settings, asked.release.samplers).await?;
    let job = node.desk().submit(request).await?;
    display.began(&job);
    let outcome = following::to_its_end(&node, &job, Begin::Fresh, display.as_mut()).await?;
    let row = node.desk().show(&job).await?;
    node.stop().await;
    result::tell(&row, &outcome, voice)
}
