//! One job from its request to its result: what `synth`, `train` and `generate` have in common.

use std::{path::Path, process::ExitCode};

use tgs_actors::Node;
use tgs_protocol::{id::JobId, request::JobRequest};

use super::result;
use crate::{
    command_line::Voice,
    configuration::Settings,
    failure::Failure,
    following::{self, Begin},
    home, terminal, wiring,
};

/// Hands a request in, shows the job until it ends, and says how it ended.
pub async fn run(
    request: JobRequest,
    home: Option<&Path>,
    settings: &Settings,
    samplers: Option<usize>,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let node = wiring::node(&home::folder(home, settings)?, settings, samplers).await?;
    let job = node.desk().submit(request).await?;
    let status = follow(&node, &job, Begin::Fresh, voice).await?;
    node.stop().await;
    Ok(status)
}

/// Shows a job until it ends, and says how it ended.
pub async fn follow(
    node: &Node,
    job: &JobId,
    begin: Begin,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let mut display = terminal::display(voice);
    display.began(job);
    let outcome = following::to_its_end(node, job, begin, display.as_mut()).await?;
    let row = node.desk().show(job).await?;
    result::tell(&row, &outcome, voice)
}
