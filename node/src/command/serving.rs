//! A node that serves until it is told to stop: the same on one machine and in a cluster.

use std::path::Path;

use serde_json::json;
use tgs_actors::Node;
use tgs_protocol::code::Code;
use tgs_web::{Server, TokenHash};

use crate::{
    command_line::Voice,
    configuration::Settings,
    failure::Failure,
    history,
    signals::Stop,
    token,
    voice::{say, say_aside},
    wiring::{self, Premises},
};

/// The token's hash, and the token itself where it was made just now.
pub fn token(
    home: &Path,
    settings: &Settings,
    wants_new: bool,
    premises: &Premises,
) -> Result<(TokenHash, Option<String>), Failure> {
    match settings.token_file.as_str() {
        "" => token::of(home, wants_new, &*premises.ids),
        file if wants_new => {
            let message = format!(
                "make a new token: the setting `token_file` names the token, in {file}; write \
                 another one into that file and start again without --new-token"
            );
            Err(Failure::new(Code::BadRequest, message))
        }
        file => Ok((token::in_file(Path::new(file))?, None)),
    }
}

/// Answers over HTTP until the process is told to stop; then everything that runs is saved.
pub async fn until_stopped(
    node: Node,
    premises: &Premises,
    settings: &Settings,
    (hash, fresh): (TokenHash, Option<String>),
    mut stop: Stop,
    voice: Voice,
) -> Result<(), Failure> {
    let server = match serve(&node, premises, settings, hash) {
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
    Ok(())
}

fn serve(
    node: &Node,
    premises: &Premises,
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
