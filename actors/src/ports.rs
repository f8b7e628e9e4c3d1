//! Everything a node needs from outside, as ports; whoever starts it says what stands behind them.

use std::sync::Arc;

use tgs_protocol::{
    bus::{EventOutlet, OrderQueue, peers::PeerBus},
    clock::{Clock, IdSource},
    dataset::DatasetStore,
    engine::Engine,
    id::JobId,
    interruption::InterruptionSource,
    notification::{Channel, NotificationStore, Target},
    placement::board::AssignmentBoard,
    presence::PresenceBoard,
    program::Programs,
    space::Space,
    store::{
        ArtifactStore, CheckpointStore, ChunkStore, EndOrders, EventLog, JobStore, LeaseStore,
        StoreError,
    },
};

use crate::{mesh::Links, store_call::answer};

/// The ports of one node.
#[derive(Clone)]
pub struct Ports {
    /// Job rows.
    pub jobs: Arc<dyn JobStore>,
    /// Leases.
    pub leases: Arc<dyn LeaseStore>,
    /// Orders to end jobs of other nodes; none where there are no other nodes.
    pub end_orders: Option<Arc<dyn EndOrders>>,
    /// Who else is there; none where there are no other nodes.
    pub board: Option<Arc<dyn PresenceBoard>>,
    /// What a leader tells nodes; none where there are no other nodes.
    pub assignments: Option<Arc<dyn AssignmentBoard>>,
    /// Links to other nodes; there may be none.
    pub links: Arc<Links>,
    /// Sealed chunks.
    pub chunks: Arc<dyn ChunkStore>,
    /// Checkpoint bytes.
    pub checkpoints: Arc<dyn CheckpointStore>,
    /// Folders that stages leave.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// Tables that were handed in.
    pub datasets: Arc<dyn DatasetStore>,
    /// Tables and models.
    pub engine: Arc<dyn Engine>,
    /// What it takes to send notices; left out by a node that sends none.
    pub notices: Option<NoticePorts>,
    /// A message bus to programs outside and to other nodes; left out by a node that has none.
    pub bus: Option<BusPorts>,
    /// Who says that the machine will be taken away; none where nobody does.
    pub interruptions: Option<Arc<dyn InterruptionSource>>,
    /// Programs of the user's.
    pub programs: Arc<dyn Programs>,
    /// Room on the disk that all this lies on.
    pub space: Arc<dyn Space>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Fresh names.
    pub ids: Arc<dyn IdSource>,
}

impl Ports {
    /// Whether another node was asked to end this job; never where there is none.
    pub(crate) async fn is_end_ordered(&self, job: &JobId) -> Result<bool, StoreError> {
        let Some(orders) = &self.end_orders else { return Ok(false) };
        answer("look for an order to end", orders.is_end_ordered(job)).await
    }
}

/// The ports of a node that sends notices.
#[derive(Clone)]
pub struct NoticePorts {
    /// What happened to jobs.
    pub events: Arc<dyn EventLog>,
    /// Who wants to hear of it, and what was sent.
    pub notifications: Arc<dyn NotificationStore>,
    /// How it is sent.
    pub channels: Channels,
}

/// The ports of a node that is on a message bus.
#[derive(Clone)]
pub struct BusPorts {
    /// Orders that were published; left out by a node that takes none.
    pub orders: Option<Arc<dyn OrderQueue>>,
    /// Where events are told.
    pub outlet: Arc<dyn EventOutlet>,
    /// Where other nodes are reached; left out by a node that shares no secret with them.
    pub peers: Option<Arc<dyn PeerBus>>,
    /// What happened to jobs.
    pub events: Arc<dyn EventLog>,
}

/// The ways on which notices leave.
#[derive(Clone)]
pub struct Channels {
    /// Over HTTP.
    pub webhook: Arc<dyn Channel>,
    /// By mail; none where no server of mail is set.
    pub mail: Option<Arc<dyn Channel>>,
}

impl Channels {
    /// The one that leads to a target.
    pub fn of(&self, target: &Target) -> Option<Arc<dyn Channel>> {
        match target {
            Target::Webhook { .. } => Some(self.webhook.clone()),
            Target::Mail { .. } => self.mail.clone(),
        }
    }
}
