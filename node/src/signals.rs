//! Ctrl-C and SIGTERM: the first asks everything to checkpoint and stop, the second ends at once.

use std::process;

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;
use tgs_protocol::code::Code;

/// Returns at the first signal; a second one ends the process with status 130 from then on.
/// Nothing is lost either way: an ended process is resumed from its last checkpoint.
pub async fn asked_to_stop() -> Result<(), Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            Failure::new(Code::Internal, format!("listen for signals: {error}"))
        })
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        process::exit(i32::from(Code::JobCancelled.exit_status()));
    });
    Ok(())
}
