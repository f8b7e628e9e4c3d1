//! `tgs up`: a node that serves. Whatever it was told stands in the data folder before it answers,
//! so it may be killed at any moment: the next start goes on.

use std::path::Path;

use serde_json::json;
use tgs_actors::Node;
use tgs_protocol::{
    code::Code,
    job::{
        JobRow,
        listing::{Listing, StateClass},
    },
    queue::Turn,
};
use tgs_web::{Server, TokenHash};

use crate::{
    command_line::{UpArguments, Voice},
    configuration::Settings,
    descriptors,
    failure::Failure,
    history, home,
    leaving::ExitCode,
    signals, token,
    voice::{say, say_aside},
    wiring,
};

pub async fn run(
    asked: UpArguments,
    home: Option<&Path>,
    settings: &Settings,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let mut stop = signals::listen()?;
    descriptors::raise_limit();
    let home = home::folder(home, settings)?;
    let settings = Settings { listen: asked.listen.unwrap_or(settings.listen), ..settings.clone() };
    let premises = wiring::premises(&home)?;
    let (hash, fresh) = token::of(&home, asked.new_token, &*premises.ids)?;
    let node = wiring::serving_node(&premises, &settings).await?;
    // Before the door opens: whoever comes in now stands behind those who waited.
    go_on_with_all(&node).await?;
    let server = match serve(&node, &premises, &settings, hash) {
        Ok(server) => server,
        Err(failure) => {
            node.stop().await;
            return Err(failure);
        }
    };
    say_where(&server, fresh.as_deref(), voice);
    let keeping = history::keep(node.desk(), premises.clock.clone(), settings.history);
    let keeper = tokio::spawn(keeping);
    stop.asked().await;
    if voice == Voice::Words {
        say_aside!("stopping: what runs is saved; start again and it goes on");
    }
    keeper.abort();
    server.stop().await;
    node.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn serve(
    node: &Node,
    premises: &wiring::Premises,
    settings: &Settings,
    token: TokenHash,
) -> Result<Server, Failure> {
    let house = wiring::house(node, premises, settings, token)?;
    tgs_web::serve(house).map_err(|error| Failure::new(Code::CannotListen, error.to_string()))
}

fn say_where(server: &Server, token: Option<&str>, voice: Voice) {
    let url = format!("http://{}", server.address());
    if voice == Voice::Json {
        say!("{}", json!({"event": "listening", "url": url, "token": token}));
        return;
    }
    say!("listening on {url}");
    if let Some(token) = token {
        say!("token     {token}");
        say!("          it is shown this once; give it to clients as TGS_TOKEN");
    }
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
