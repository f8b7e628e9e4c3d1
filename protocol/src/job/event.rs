//! What can happen to a job. Facts in the past tense; orders of people end in `Asked`.

use crate::{
    checkpoint::CheckpointFacts,
    chunk::SealedChunk,
    digest::Digest,
    engine::{DatasetFacts, NumericsClass, ReportFacts},
    job::outcome::Failure,
    model::TrainPlan,
    program::RunFacts,
    unit::{Epoch, Rows, Steps},
};

/// One thing that happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent {
    /// This node claimed the job, for the first time or again.
    Claimed {
        /// The epoch of the claim.
        epoch: Epoch,
        /// Chunks that were sealed before.
        sealed: Vec<SealedChunk>,
    },
    /// The dataset is durable.
    Ingested(DatasetFacts),
    /// The profile is durable.
    Profiled(Digest),
    /// Constants and number of steps are resolved.
    Planned(TrainPlan, NumericsClass),
    /// A checkpoint's bytes are durable. Comes before the end of the work that made it.
    CheckpointWritten(CheckpointFacts),
    /// The model is durable; with the steps that were made, if it was trained here.
    Trained(Digest, Option<Steps>),
    /// The model of an earlier job is durable as this one's; with the rows of the table that it
    /// completes, if it does.
    Adopted(Digest, Option<Rows>),
    /// A chunk is durable and stands in the manifest.
    ChunkSealed(SealedChunk),
    /// The program has ended, and what it left is durable.
    Ran(RunFacts),
    /// The report is durable.
    Judged(ReportFacts),
    /// Everything asked for stands where it was asked for.
    Delivered,
    /// Whoever goes on computes in this class; told before the first bit that may differ.
    ComputesIn(NumericsClass),
    /// Something came up that a user should know.
    Noticed(String),
    /// The running work of this stage failed, and nothing of it runs any more.
    StageFailed(Failure),
    /// The row could not be written, for another reason than a later epoch.
    SaveFailed(Failure),
    /// The back-off is over.
    RetryDue,
    /// A person wants it ended.
    CancelAsked,
    /// This node is leaving; someone else goes on.
    DrainAsked,
    /// The running work has stopped, as asked.
    WorkStopped,
    /// The store refused a write: a later epoch exists, or the lease may be lost.
    Overtaken,
}
