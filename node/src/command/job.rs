//! One job from its request to its result: what `synth`, `train` and `generate` have in common.

use std::path::Path;

use tgs_actors::Node;
use tgs_protocol::{
    desk::{Taken, Terms},
    id::JobId,
    request::JobRequest,
};

use super::result;
use crate::{
    command_line::Voice,
    configuration::Settings,
    failure::Failure,
    following::{self, Begin},
    home,
    leaving::ExitCode,
    screen::Screen,
    signals::{self, Stop},
    terminal, wiring,
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
    let ended = submit(&node, request, voice).await;
    // Also after a failure: what was broken off ends within a step.
    node.stop().await;
    ended
}

async fn submit(node: &Node, request: JobRequest, voice: Voice) -> Result<ExitCode, Failure> {
    let mut stop = signals::listen()?;
    let Taken { row, .. } = node.desk().submit(request, Terms::default()).await?;
    follow(node, &row.id, Begin::Fresh, voice, &mut stop).await
}

/// Shows a job until it ends, and says how it ended.
pub async fn follow(
    node: &Node,
    job: &JobId,
    begin: Begin,
    voice: Voice,
    stop: &mut Stop,
) -> Result<ExitCode, Failure> {
    let screen = Screen::open(terminal::display(voice))?;
    screen.began(job);
    let ended = following::to_its_end(node, job, begin, &screen, stop).await;
    screen.close().await;
    let outcome = ended?;
    let row = node.desk().show(job).await?;
    result::tell(&row, &outcome, voice)
}
