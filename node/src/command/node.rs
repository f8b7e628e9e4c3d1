//! `tgs node`: one node of a cluster. What it is told stands in the database of the cluster before
//! it answers, so any node may be killed at any moment: the others go on.

use std::path::Path;

use serde_json::json;
use tgs_protocol::code::Code;

use super::serving;
use crate::{
    command_line::{NodeArguments, Voice},
    configuration::Settings,
    descriptors,
    failure::Failure,
    home,
    leaving::ExitCode,
    signals,
    voice::{say, say_aside},
    wiring,
};

pub async fn run(
    asked: &NodeArguments,
    home: Option<&Path>,
    settings: &Settings,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let mut stop = signals::listen()?;
    descriptors::raise_limit();
    if settings.store.is_empty() {
        let message = "start a node of a cluster: the setting `store` names no database; write \
                       store = \"cql://host/keyspace\" into the file of --config, or use `tgs up`, \
                       which needs none";
        return Err(Failure::new(Code::BadRequest, message));
    }
    let home = home::folder(home, settings)?;
    let settings = Settings { listen: asked.listen.unwrap_or(settings.listen), ..settings.clone() };
    let premises = wiring::premises_of_cluster(&home, &settings).await?;
    if settings.answers() {
        let token = serving::token(&home, &settings, false, &premises)?;
        let node = wiring::serving_node(&premises, &settings).await?;
        serving::until_stopped(node, &premises, &settings, token, stop, voice).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let node = wiring::serving_node(&premises, &settings).await?;
    match voice {
        Voice::Json => say!("{}", json!({"event": "working"})),
        Voice::Words | Voice::Quiet => say!("working; this node has no role `web`"),
    }
    stop.asked().await;
    if voice == Voice::Words {
        say_aside!("stopping: what runs is saved, and other nodes go on with it");
    }
    node.stop().await;
    Ok(ExitCode::SUCCESS)
}
