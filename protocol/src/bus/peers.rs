//! Nodes that speak to each other over the bus, where no link stands between them: other regions,
//! networks that let nobody in.
//!
//! What is said there is what is said over links, and changes no outcome either. Who else is on the
//! bus is not among those who may say it: whoever implements this believes only what bears the seal
//! of the cluster.

use async_trait::async_trait;

use super::BusError;
use crate::{
    id::Incarnation,
    peer::{PeerAnswer, PeerError, PeerRequest},
    unit::Millis,
};

/// One node's place on the bus, where other nodes reach it.
#[async_trait]
pub trait PeerBus: Send + Sync {
    /// Asks one node, and waits at most so long.
    async fn ask(
        &self,
        peer: &Incarnation,
        request: &PeerRequest,
        within: Millis,
    ) -> Result<PeerAnswer, PeerError>;
    /// Says something to every node on the bus; nobody answers.
    async fn tell_all(&self, request: &PeerRequest) -> Result<(), BusError>;
    /// The next that another node says to this one, or to all; waits for it.
    async fn next(&self) -> Result<Box<dyn Said>, BusError>;
}

/// What another node said.
#[async_trait]
pub trait Said: Send + Sync {
    /// What; none if this version does not know it.
    fn request(&self) -> Option<&PeerRequest>;
    /// Answers, if whoever said it waits for that. Best effort: who hears nothing goes on without.
    async fn answer(&self, answer: &PeerAnswer);
}
