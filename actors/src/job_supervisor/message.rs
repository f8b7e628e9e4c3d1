//! What a job's supervisor is told.

use tgs_protocol::{checkpoint::CheckpointFacts, code::Code, job::JobEvent, unit::Millis};

use crate::{
    chunk_sampler::message::ChunkEnd,
    failure::Fault,
    gpu_worker::message::{Snapshot, WorkEnd, WorkNo},
    node_supervisor::crew::Crew,
};

/// Mailbox of a job's supervisor.
#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum JobSupervisorMessage {
    /// Order: claim the lease, or look whether it may be claimed now.
    Claim,
    /// Order: end the job for good.
    Cancel,
    /// Order: save what is reached and leave; someone goes on.
    Drain,
    /// Order: save what is reached, say why, and leave; it goes on here when it can.
    Move(String),
    /// Fact: whoever had the present work will not end it.
    WorkLost(Fault),
    /// Order: see whether samplers still give signs of life.
    Look,
    /// Fact: this happened, as the job machine puts it.
    Occurred(JobEvent),
    /// Order: try again to write the row that could not be written.
    SaveAgain,
    /// Fact: training stood like this after a step.
    SnapshotTaken { work_no: WorkNo, snapshot: Snapshot },
    /// Fact: a snapshot is durable, or could not be made so.
    SnapshotWritten { work_no: WorkNo, result: Result<CheckpointFacts, Fault>, cost: Millis },
    /// Fact: the device's thread is done with this job's work.
    WorkEnded { work_no: WorkNo, end: WorkEnd },
    /// Fact: a sampler is done with a chunk.
    ChunkEnded { work_no: WorkNo, sampler: usize, end: ChunkEnd },
    /// Fact: an actor of the node failed and was replaced.
    CrewChanged { crew: Crew, lost: Lost },
}

/// Which actor of the node failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// This device's worker; `often`: too often to try again.
    GpuWorker { at: usize, often: bool },
    /// The sampler in this place of the pool.
    ChunkSampler { at: usize, often: bool },
    /// The writer of checkpoints.
    CheckpointWriter,
    /// The keeper of leases.
    LeaseKeeper,
    /// The notifier.
    Notifier,
}

impl Lost {
    /// What a job says whose work was lost.
    pub(crate) fn fault(self) -> Fault {
        let is_often = matches!(
            self,
            Self::GpuWorker { often: true, .. } | Self::ChunkSampler { often: true, .. }
        );
        match is_often {
            true => Fault::new(Code::Internal, format!("{self:?} failed again and again")),
            false => Fault::new(Code::DeviceFailed, format!("{self:?} failed and was replaced")),
        }
    }
}
