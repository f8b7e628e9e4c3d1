//! The stores of one place, as ports.

use std::sync::Arc;

use tgs_protocol::{
    dataset::DatasetStore,
    notification::NotificationStore,
    placement::board::AssignmentBoard,
    presence::PresenceBoard,
    store::{
        ArtifactStore, CheckpointStore, ChunkStore, EndOrders, EventLog, JobStore, LeaseStore,
    },
};

/// All stores. Clones share them.
#[derive(Clone)]
pub struct Ports {
    /// Job rows.
    pub jobs: Arc<dyn JobStore>,
    /// Events of all jobs.
    pub events: Arc<dyn EventLog>,
    /// Subscriptions and deliveries.
    pub notifications: Arc<dyn NotificationStore>,
    /// Leases.
    pub leases: Arc<dyn LeaseStore>,
    /// Sealed chunks.
    pub chunks: Arc<dyn ChunkStore>,
    /// Checkpoints.
    pub checkpoints: Arc<dyn CheckpointStore>,
    /// Artifacts.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// Uploads and datasets.
    pub datasets: Arc<dyn DatasetStore>,
    /// Orders to end jobs of other nodes; none where there are no other nodes.
    pub end_orders: Option<Arc<dyn EndOrders>>,
    /// Who else is there; none where there are no other nodes.
    pub board: Option<Arc<dyn PresenceBoard>>,
    /// What a leader tells nodes; none where there are no other nodes.
    pub assignments: Option<Arc<dyn AssignmentBoard>>,
}

impl Ports {
    /// The ports of one value that is all stores.
    pub fn of<S>(store: S) -> Self
    where
        S: JobStore
            + EventLog
            + NotificationStore
            + LeaseStore
            + ChunkStore
            + CheckpointStore
            + ArtifactStore
            + DatasetStore
            + 'static,
    {
        let store = Arc::new(store);
        Self {
            jobs: store.clone(),
            events: store.clone(),
            notifications: store.clone(),
            leases: store.clone(),
            chunks: store.clone(),
            checkpoints: store.clone(),
            artifacts: store.clone(),
            datasets: store,
            end_orders: None,
            board: None,
            assignments: None,
        }
    }
}
