//! Says that this node is there, and heeds what its operators order of it: shell of
//! `protocol/src/presence.rs`.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent, rpc::CallResult};
use tgs_protocol::{
    id::Incarnation,
    limits::{LOOK_PERIOD_MS, ORDER_TAKEN_MS, PRESENCE_PERIOD_MS},
    presence::{DeviceAt, Presence, PresenceBoard},
    store::StoreError,
};

use crate::{
    node_supervisor::{care::NodeHealth, message::NodeSupervisorMessage},
    ports::Ports,
    store_call::answer,
};

/// The actor.
pub(crate) struct PeerKeeper;

/// Mailbox of a peer keeper.
pub(crate) enum PeerKeeperMessage {
    /// Order: say what is, and read what is ordered.
    Look,
}

/// What a node says of itself, and where it finds it.
#[derive(Clone)]
pub(crate) struct Card {
    pub(crate) ports: Ports,
    /// What does not change while it runs.
    pub(crate) about: Presence,
    pub(crate) health: NodeHealth,
    pub(crate) node: ActorRef<NodeSupervisorMessage>,
}

impl Card {
    /// What the node says now; none if it has no time to say anything.
    pub(crate) async fn presence(&self) -> Option<Presence> {
        let limit = Some(Duration::from_millis(ORDER_TAKEN_MS));
        let question = |reply| NodeSupervisorMessage::Hands { reply };
        let Ok(CallResult::Success(hands)) = self.node.call(question, limit).await else {
            return None;
        };
        let health = self.health.now();
        let device = |(class, used)| DeviceAt { class, used };
        Some(Presence {
            said_at: self.ports.clock.now(),
            standing: hands.standing,
            devices: health.devices.into_iter().map(device).collect(),
            running: hands.running.into_iter().collect(),
            waiting: hands.waiting.len() as u64,
            disk_free: health.room.free,
            ..self.about.clone()
        })
    }

    pub(crate) fn own(&self) -> &Incarnation {
        &self.about.incarnation
    }
}

/// What a peer keeper is started with.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) card: Card,
    pub(crate) board: Arc<dyn PresenceBoard>,
    /// It failed again and again: it rests before it begins.
    pub(crate) is_tired: bool,
}

/// A peer keeper's state.
pub(crate) struct Keeping {
    seat: Seat,
    /// What went wrong last was said.
    is_silent: bool,
}

impl Actor for PeerKeeper {
    type Msg = PeerKeeperMessage;
    type State = Keeping;
    type Arguments = Seat;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        seat: Seat,
    ) -> Result<Keeping, ActorProcessingErr> {
        let rest = if seat.is_tired { LOOK_PERIOD_MS } else { 0 };
        myself.send_after(Duration::from_millis(rest), || PeerKeeperMessage::Look);
        Ok(Keeping { seat, is_silent: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        PeerKeeperMessage::Look: Self::Msg,
        keeping: &mut Keeping,
    ) -> Result<(), ActorProcessingErr> {
        let looked = keeping.look().await;
        let was_silent = std::mem::replace(&mut keeping.is_silent, looked.is_err());
        if let (Err(error), false) = (looked, was_silent) {
            tracing::warn!(%error, "this node is not shown to others just now");
        }
        myself.send_after(Duration::from_millis(PRESENCE_PERIOD_MS), || PeerKeeperMessage::Look);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        _event: SupervisionEvent,
        _keeping: &mut Keeping,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // It has no children.
    }
}

impl Keeping {
    async fn look(&self) -> Result<(), StoreError> {
        let Seat { card, board, .. } = &self.seat;
        let ordered = board.order_of(&card.about.node);
        let order = answer("read what is ordered of this node", ordered).await?;
        let _ = card.node.cast(NodeSupervisorMessage::Ordered { order });
        let Some(presence) = card.presence().await else { return Ok(()) };
        answer("say that this node is there", board.say(&presence)).await
    }
}
