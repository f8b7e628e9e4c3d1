//! What a sampler is told, and how a chunk ends.

use std::sync::Arc;

use ractor::{ActorRef, RpcReplyPort};
use tgs_protocol::{
    chunk::{ChunkNo, SealedChunk},
    digest::Digest,
    engine::NumericsClass,
    lease::Lease,
    peer::PeerAnswer,
    unit::Rows,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    failure::Fault, gpu_worker::message::WorkNo, job_supervisor::message::JobSupervisorMessage,
    work_watch::WorkWatch,
};

/// Order, the only message of a sampler: sample this chunk and seal it.
#[derive(ractor_cluster::RactorMessage)]
pub(crate) struct ChunkOrder {
    pub(crate) lease: Lease,
    pub(crate) model: Digest,
    /// Threads of the job, by which its class of bits is measured.
    pub(crate) threads: u32,
    pub(crate) seed: u64,
    pub(crate) chunk: ChunkNo,
    pub(crate) rows: Rows,
    pub(crate) whose: Whose,
}

/// Whose job the chunk is of, and where it is told how the chunk ended.
pub(crate) enum Whose {
    /// One of this node.
    Ours {
        work_no: WorkNo,
        /// Place of the sampler in the pool: whose window has room again.
        sampler: usize,
        /// The class of bits that the job is in, if it trained its model, and on cores as it
        /// samples.
        class: Option<NumericsClass>,
        watch: Arc<WorkWatch>,
        report_to: ActorRef<JobSupervisorMessage>,
    },
    /// One of another node, which is in this class of bits.
    Anothers {
        class: NumericsClass,
        answer: RpcReplyPort<PeerAnswer>,
        /// Among the chunks of others that this node does at one time.
        place: OwnedSemaphorePermit,
    },
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
    /// Another node was asked, and did not do it.
    Returned(ChunkNo, Rows),
}
