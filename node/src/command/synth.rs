//! `tgs synth`: the main job, here or on a server.

use std::path::Path;

use tgs_protocol::{gate::Gates, request::Goal};

use super::{
    elsewhere::{self, Wish},
    job, learning,
};
use crate::{
    command_line::{GatePolicy, SynthArguments, Voice},
    configuration::Settings,
    failure::Failure,
    leaving::ExitCode,
    terminal::event,
    voice::say,
};

pub async fn run(
    asked: SynthArguments,
    home: Option<&Path>,
    settings: &Settings,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let gates = match asked.gates {
        GatePolicy::Enforce => Gates::default(),
        GatePolicy::Warn => Gates::default().only_warning(),
    };
    let gates = learning::gates(gates, &asked.thresholds)?;
    let source = learning::source(&asked.learn)?;
    let output = learning::output(&asked.release, asked.report.as_deref())?;
    let request = learning::request(&asked.learn, Goal::Synthesize { source, output }, gates)?;
    if let Some(server) = &asked.server {
        let wish = Wish { regions: asked.regions.unwrap_or_default(), spot: !asked.no_spot };
        return elsewhere::run(server, request, wish, voice).await;
    }
    if asked.dry_run {
        let shown = match voice {
            Voice::Json => Ok(event("request", &request).to_string()),
            Voice::Words | Voice::Quiet => serde_json::to_string_pretty(&request),
        };
        say!("{}", shown.unwrap_or_default());
        return Ok(ExitCode::SUCCESS);
    }
    job::run(request, home, settings, asked.release.samplers, voice).await
}
