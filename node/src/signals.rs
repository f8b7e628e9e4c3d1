//! Ctrl-C and SIGTERM: the first asks everything to checkpoint and stop, the second ends at once.
//!
//! They are heard in a task of its own: a terminal that is stopped or a pipe that nobody reads must
//! not keep a process from stopping.

use std::time::Duration;

use tgs_protocol::code::Code;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    failure::Failure,
    leaving::{ExitCode, leave_at_once},
};

/// How long what is said last may take to be read, once all work stands still.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Whether someone asked this process to stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// Begins to listen. After the first signal a second one ends the process with status 130. Nothing
/// is lost either way: an ended process is resumed from its last checkpoint.
///
/// # Errors
/// `Internal` when the system lets nobody listen.
pub fn listen() -> Result<Stop, Failure> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Failure::new(Code::Internal, format!("listen for signals: {error}")))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let (ask, asked) = watch::channel(false);
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        next().await;
        ask.send_replace(true);
        next().await;
        leave_at_once(interrupted());
    });
    Ok(Stop(asked))
}

impl Stop {
    /// Returns once someone asked, at once if that was before.
    pub async fn asked(&mut self) {
        if self.0.wait_for(|asked| *asked).await.is_err() {
            // The listener is gone only with the runtime.
            std::future::pending::<()>().await;
        }
    }
}

/// Ends the process if it does not end by itself though all work stands still: nobody reads what it
/// has to say.
pub async fn leave_unless_heard() {
    tokio::time::sleep(LAST_WORDS).await;
    leave_at_once(interrupted());
}

fn interrupted() -> ExitCode {
    ExitCode::from(Code::Interrupted.exit_status())
}
