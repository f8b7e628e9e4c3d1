//! What the checkpoint writer is told.

use ractor::ActorRef;
use tgs_protocol::{checkpoint::CheckpointFacts, id::JobId, lease::Lease};

use crate::{
    gpu_worker::message::{Snapshot, WorkNo},
    job_supervisor::message::JobSupervisorMessage,
};

/// Mailbox of the checkpoint writer.
#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum CheckpointWriterMessage {
    /// Order: make this durable, in place of an older one that still waits.
    Write(WriteOrder),
    /// Fact: the row points at this checkpoint, and pointed at another before; older ones are not
    /// needed.
    Committed { lease: Lease, facts: CheckpointFacts, before: Option<CheckpointFacts> },
    /// Fact: what was under way for this job is over.
    Idle { job: JobId, written: Option<CheckpointFacts> },
    /// Order: nothing that waits for this job is needed any more.
    Forget { job: JobId },
}

/// One snapshot to write.
pub(crate) struct WriteOrder {
    pub(crate) lease: Lease,
    pub(crate) work_no: WorkNo,
    pub(crate) snapshot: Snapshot,
    pub(crate) report_to: ActorRef<JobSupervisorMessage>,
}
