//! What the notifier is told and asked.

use ractor::RpcReplyPort;
use tgs_protocol::{desk::Watching, id::JobId, job::action::Tidings, progress::Progress};
use tokio::sync::watch;

/// Mailbox of the notifier.
#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum NotifierMessage {
    /// Order: a job came into this node's hands; its newest progress stands in this channel.
    Follow { job: JobId, progress: watch::Receiver<Option<Progress>> },
    /// Fact: this happened to a job.
    Told { job: JobId, tidings: Tidings },
    /// Fact: the job left this node; no more news of it.
    Left { job: JobId },
    /// Question: let me watch; none if the job is not and was not lately here.
    Watch { job: JobId, reply: RpcReplyPort<Option<Box<dyn Watching>>> },
}
