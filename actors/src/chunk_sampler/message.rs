//! What a sampler is told, and how a chunk ends.

use std::sync::Arc;

use ractor::ActorRef;
use tgs_protocol::{
    chunk::{ChunkNo, SealedChunk},
    digest::Digest,
    engine::NumericsClass,
    lease::Lease,
    unit::Rows,
};

use crate::{
    failure::Fault, gpu_worker::message::WorkNo, job_supervisor::message::JobSupervisorMessage,
    work_watch::WorkWatch,
};

/// Order, the only message of a sampler: sample this chunk and seal it.
pub(crate) struct ChunkOrder {
    pub(crate) work_no: WorkNo,
    /// Place of the sampler in the pool: whose window has room again.
    pub(crate) sampler: usize,
    pub(crate) lease: Lease,
    pub(crate) model: Digest,
    /// Threads of the job, by which its class of bits is measured.
    pub(crate) threads: u32,
    /// The class of bits that the job is in, if it trained its model, and on cores as it samples.
    pub(crate) class: Option<NumericsClass>,
    pub(crate) seed: u64,
    pub(crate) chunk: ChunkNo,
    pub(crate) rows: Rows,
    pub(crate) watch: Arc<WorkWatch>,
    pub(crate) report_to: ActorRef<JobSupervisorMessage>,
}

/// How a chunk ended.
#[derive(Debug)]
pub(crate) enum ChunkEnd {
    /// It is durable and stands in the manifest.
    Sealed(SealedChunk),
    /// Nobody needs it any more.
    Dropped,
    /// A later epoch exists.
    Overtaken,
    /// It failed.
    Failed(Fault),
}
