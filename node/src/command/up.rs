//! `tgs up`: a node that serves. Whatever it was told stands in the data folder before it answers,
//! so it may be killed at any moment: the next start goes on.

use std::path::Path;

use tgs_actors::Node;
use tgs_protocol::{
    job::{
        JobRow,
        listing::{Listing, StateClass},
    },
    queue::Turn,
};

use super::serving;
use crate::{
    command_line::{UpArguments, Voice},
    configuration::Settings,
    descriptors,
    failure::Failure,
    home,
    leaving::ExitCode,
    signals, wiring,
};

pub async fn run(
    asked: UpArguments,
    home: Option<&Path>,
    settings: &Settings,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let stop = signals::listen()?;
    descriptors::raise_limit();
    let home = home::folder(home, settings)?;
    let settings = Settings { listen: asked.listen.unwrap_or(settings.listen), ..settings.clone() };
    let premises = wiring::premises(&home)?;
    let token = serving::token(&home, &settings, asked.new_token, &premises)?;
    let node = wiring::serving_node(&premises, &settings).await?;
    // Before the door opens: whoever comes in now stands behind those who waited.
    go_on_with_all(&node).await?;
    serving::until_stopped(node, &premises, &settings, token, stop, voice).await?;
    Ok(ExitCode::SUCCESS)
}

/// Hands every job to the node that has not ended: those first that had begun, then in order of
/// their turns, so that a restart lets nobody pass.
async fn go_on_with_all(node: &Node) -> Result<(), Failure> {
    let desk = node.desk();
    for class in [StateClass::Running, StateClass::Waiting] {
        let mut rows = desk.list(&Listing::all(Some(class))).await?.rows;
        rows.sort_by_key(|row: &JobRow| (Turn::of(row).rank_ms(), row.id.clone()));
        for row in rows {
            if let Err(error) = desk.resume(&row.id).await {
                tracing::error!(job = %row.id, %error, "a job cannot be gone on with");
            }
        }
    }
    Ok(())
}
