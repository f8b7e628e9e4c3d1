//! Makes the dispatcher look when an event was written or somebody rang.

use std::time::Duration;

use ractor::ActorRef;
use tgs_protocol::unit::EventNo;
use tokio::task::JoinHandle;

use super::{Office, message::DispatcherMessage};

/// Events come in bursts, a handful for each stage of a job; one look serves them all.
const GATHERING: Duration = Duration::from_millis(20);

/// Ends when it is dropped.
pub(super) struct Waker(JoinHandle<()>);

impl Waker {
    /// Begins at once, or after a rest if the dispatcher is tired.
    pub(super) fn start(office: &Office, dispatcher: ActorRef<DispatcherMessage>) -> Self {
        let (events, bell) = (office.notices.events.clone(), office.bell.clone());
        let (rest, is_tired) = (office.rest, office.is_tired);
        Self(tokio::spawn(async move {
            if is_tired {
                tokio::time::sleep(rest).await;
            }
            let mut seen = EventNo(0);
            while dispatcher.cast(DispatcherMessage::Look).is_ok() {
                tokio::select! {
                    () = events.wait_for_event(seen) => {}
                    () = bell.notified() => {}
                }
                tokio::time::sleep(GATHERING).await;
                // Read before the look: what comes after this number wakes it again.
                match events.newest_event().await {
                    Ok(newest) => seen = newest,
                    Err(_) => tokio::time::sleep(rest).await,
                }
            }
        }))
    }
}

impl Waker {
    /// Whether it wakes nobody any more: a log that panics ends it.
    pub(super) fn is_gone(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.0.abort();
    }
}
