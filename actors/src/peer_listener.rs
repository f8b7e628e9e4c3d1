//! Hears what other nodes say over the bus: the gateway for those that have no link to this one.

use std::{sync::Arc, time::Duration};

use tgs_protocol::{
    bus::{BusError, peers::PeerBus},
    limits::{BUS_REST_MS, CHUNK_ELSEWHERE_MS, PEER_QUESTIONS_IN_HAND},
};
use tokio::task::JoinSet;

use crate::{
    looker::{Looks, Trouble},
    mesh::Ears,
};

/// One node's listener.
pub(crate) struct PeerListener {
    peers: Arc<dyn PeerBus>,
    ears: Ears,
    /// They end with it.
    at_work: JoinSet<()>,
    trouble: Trouble,
}

impl Looks for PeerListener {
    async fn look(&mut self) -> Option<Duration> {
        match self.hear_next().await {
            Ok(()) => {
                self.trouble.is_over();
                Some(Duration::ZERO)
            }
            Err(error) => {
                self.trouble.is_there(&error);
                Some(Duration::from_millis(BUS_REST_MS))
            }
        }
    }
}

impl PeerListener {
    pub(crate) fn new(peers: Arc<dyn PeerBus>, ears: Ears) -> Self {
        let trouble = Trouble::of("other nodes are not heard over the bus");
        Self { peers, ears, at_work: JoinSet::new(), trouble }
    }

    async fn hear_next(&mut self) -> Result<(), BusError> {
        while self.at_work.try_join_next().is_some() {} // They have answered.
        if self.at_work.len() >= PEER_QUESTIONS_IN_HAND {
            self.at_work.join_next().await;
        }
        let said = self.peers.next().await?;
        let ears = self.ears.clone();
        self.at_work.spawn(async move {
            let within = Duration::from_millis(CHUNK_ELSEWHERE_MS);
            let answer = ears.hear(said.request(), within).await;
            said.answer(&answer).await;
        });
        Ok(())
    }
}
