//! Everything a node needs from outside, as ports; whoever starts it says what stands behind them.

use std::sync::Arc;

use tgs_protocol::{
    clock::{Clock, IdSource},
    engine::Engine,
    space::Space,
    store::{ArtifactStore, CheckpointStore, ChunkStore, JobStore, LeaseStore},
};

/// The ports of one node.
#[derive(Clone)]
pub struct Ports {
    /// Job rows.
    pub jobs: Arc<dyn JobStore>,
    /// Leases.
    pub leases: Arc<dyn LeaseStore>,
    /// Sealed chunks.
    pub chunks: Arc<dyn ChunkStore>,
    /// Checkpoint bytes.
    pub checkpoints: Arc<dyn CheckpointStore>,
    /// Folders that stages leave.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// Tables and models.
    pub engine: Arc<dyn Engine>,
    /// Room on the disk that all this lies on.
    pub space: Arc<dyn Space>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Fresh names.
    pub ids: Arc<dyn IdSource>,
}
