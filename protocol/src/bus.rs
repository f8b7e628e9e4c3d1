//! What a cluster and programs outside it say to each other over a message bus: orders that are
//! published, events that are told.
//!
//! Nothing is decided there. An order counts once its job is durable in the store and is taken off
//! the bus only then; an event stands in the log of the store before it is told.

pub mod order;
pub mod peers;

use async_trait::async_trait;

use self::order::Published;
use crate::{
    event::Event,
    unit::{EventNo, Millis},
    wire,
};

/// Orders that were published and that nobody has taken yet. Several nodes may share it: each order
/// is handed to one of them, and to another one when that node does not see it through.
#[async_trait]
pub trait OrderQueue: Send + Sync {
    /// The next orders, at most `limit`; waits a few seconds for the first; none if none came.
    async fn next(&self, limit: usize) -> Result<Vec<Box<dyn InHand>>, BusError>;
}

/// An order in this node's hands. Dropped, it is handed out once more after a while.
#[async_trait]
pub trait InHand: Send + Sync {
    /// As it came.
    fn published(&self) -> &Published;
    /// Keeps it in hand for longer; to be called more often than each
    /// [`ORDER_HELD_MS`](crate::limits::ORDER_HELD_MS).
    async fn hold(&self) -> Result<(), BusError>;
    /// Takes it off the queue: its job is durable. Whoever wanted an answer is told.
    async fn taken(&self, job: &wire::JobView) -> Result<(), BusError>;
    /// Takes it off the queue and puts it among the dead letters, with the reason.
    async fn refused(&self, why: &wire::Problem) -> Result<(), BusError>;
    /// Lets it be handed out once more, after a while.
    async fn put_back(&self, rest: Millis) -> Result<(), BusError>;
}

/// Events as programs outside hear them: in order, each once, whoever tells them.
#[async_trait]
pub trait EventOutlet: Send + Sync {
    /// The newest event that was told; zero if none was.
    async fn newest_told(&self) -> Result<EventNo, BusError>;
    /// Tells these, which follow the newest one that this outlet knows of; false, and nothing is
    /// told from the first on that was told by others meanwhile: ask for the newest again.
    async fn tell(&self, events: &[Event]) -> Result<bool, BusError>;
}

/// The bus does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BusError(pub String);
