//! Hears that this machine will be taken away, and has its node hand over what it has begun.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tgs_protocol::{
    interruption::{Interruption, InterruptionSource},
    limits::{LOOK_PERIOD_MS, SPOT_LOOK_MS},
};

use crate::node_supervisor::message::NodeSupervisorMessage;

/// The actor.
pub(crate) struct SpotWatch;

/// Mailbox of a spot watch.
pub(crate) enum SpotWatchMessage {
    /// Order: ask whether the machine stays.
    Look,
}

/// What a spot watch is started with.
#[derive(Clone)]
pub(crate) struct Lookout {
    pub(crate) source: Arc<dyn InterruptionSource>,
    pub(crate) node: ActorRef<NodeSupervisorMessage>,
    /// It failed again and again: it rests before it begins.
    pub(crate) is_tired: bool,
}

/// A spot watch's state.
pub(crate) struct Watching {
    lookout: Lookout,
    /// That nobody answers was said.
    is_unanswered: bool,
}

impl Actor for SpotWatch {
    type Msg = SpotWatchMessage;
    type State = Watching;
    type Arguments = Lookout;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        lookout: Lookout,
    ) -> Result<Watching, ActorProcessingErr> {
        let rest = if lookout.is_tired { LOOK_PERIOD_MS } else { 0 };
        myself.send_after(Duration::from_millis(rest), || SpotWatchMessage::Look);
        Ok(Watching { lookout, is_unanswered: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        SpotWatchMessage::Look: Self::Msg,
        watching: &mut Watching,
    ) -> Result<(), ActorProcessingErr> {
        let looked = watching.lookout.source.look().await;
        let was_unanswered = std::mem::replace(&mut watching.is_unanswered, looked.is_err());
        match looked {
            // Said each time: an order may be lost, and a notice may be taken back.
            Ok(said) => {
                let why = said.map(|Interruption(why)| why);
                let _ = watching.lookout.node.cast(NodeSupervisorMessage::Interrupted { why });
            }
            Err(error) if !was_unanswered => {
                tracing::warn!(error, "whether this machine will be taken away is not known");
            }
            Err(_) => {}
        }
        myself.send_after(Duration::from_millis(SPOT_LOOK_MS), || SpotWatchMessage::Look);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        _event: SupervisionEvent,
        _watching: &mut Watching,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // It has no children.
    }
}
