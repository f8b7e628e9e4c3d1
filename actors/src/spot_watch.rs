//! Hears that this machine will be taken away, and has its node hand over what it has begun.

use std::{sync::Arc, time::Duration};

use ractor::ActorRef;
use tgs_protocol::{
    interruption::{Interruption, InterruptionSource},
    limits::SPOT_LOOK_MS,
};

use crate::{
    looker::{Looks, Trouble},
    node_supervisor::message::NodeSupervisorMessage,
};

/// One node's watch.
pub(crate) struct SpotWatch {
    source: Arc<dyn InterruptionSource>,
    node: ActorRef<NodeSupervisorMessage>,
    trouble: Trouble,
}

impl SpotWatch {
    pub(crate) fn new(
        source: Arc<dyn InterruptionSource>,
        node: ActorRef<NodeSupervisorMessage>,
    ) -> Self {
        let trouble = Trouble::of("whether this machine will be taken away is not known");
        Self { source, node, trouble }
    }
}

impl Looks for SpotWatch {
    async fn look(&mut self) -> Option<Duration> {
        match self.source.look().await {
            // Said each time: an order may be lost, and a notice may be taken back.
            Ok(said) => {
                self.trouble.is_over();
                let why = said.map(|Interruption(why)| why);
                let _ = self.node.cast(NodeSupervisorMessage::Interrupted { why });
            }
            Err(error) => self.trouble.is_there(&error),
        }
        Some(Duration::from_millis(SPOT_LOOK_MS))
    }
}
