//! Says that this node is there, and heeds what its operators order of it: shell of
//! `protocol/src/presence.rs`.

use std::{sync::Arc, time::Duration};

use ractor::ActorRef;
use tgs_protocol::{
    id::Incarnation,
    limits::PRESENCE_PERIOD_MS,
    peer::PeerLink,
    presence::{DeviceAt, Presence, PresenceBoard},
    store::StoreError,
};

use crate::{
    looker::{Looks, Trouble},
    node_supervisor::{
        care::NodeHealth,
        message::{Hands, NodeSupervisorMessage},
    },
    ports::Ports,
    store_call::answer,
};

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
        let hands = Hands::of(&self.node).await?;
        let health = self.health.now();
        let device = |(class, used)| DeviceAt { class, used };
        Some(Presence {
            said_at: self.ports.clock.now(),
            standing: hands.standing,
            devices: health.devices.into_iter().map(device).collect(),
            running: hands.running.into_iter().collect(),
            waiting: hands.waiting.len() as u64,
            disk_free: health.room.free,
            links: self.ports.links.linked().len() as u64,
            ..self.about.clone()
        })
    }

    pub(crate) fn own(&self) -> &Incarnation {
        &self.about.incarnation
    }
}

/// One node's keeper.
pub(crate) struct PeerKeeper {
    card: Card,
    board: Arc<dyn PresenceBoard>,
    trouble: Trouble,
}

impl Looks for PeerKeeper {
    async fn look(&mut self) -> Option<Duration> {
        match self.speak_and_hear().await {
            Ok(()) => self.trouble.is_over(),
            Err(error) => self.trouble.is_there(&error),
        }
        Some(Duration::from_millis(PRESENCE_PERIOD_MS))
    }
}

impl PeerKeeper {
    pub(crate) fn new(card: Card, board: Arc<dyn PresenceBoard>) -> Self {
        let trouble = Trouble::of("this node is not shown to others");
        Self { card, board, trouble }
    }

    async fn speak_and_hear(&self) -> Result<(), StoreError> {
        let Self { card, board, .. } = self;
        let ordered = board.order_of(&card.about.node);
        let order = answer("read what is ordered of this node", ordered).await?;
        let _ = card.node.cast(NodeSupervisorMessage::Ordered { order });
        let Some(presence) = card.presence().await else { return Ok(()) };
        answer("say that this node is there", board.say(&presence)).await?;
        if presence.links_at.is_some() {
            let all = answer("look who else is there", board.all()).await?.into_iter();
            let listens = |it: Presence| Some((it.incarnation, it.links_at?));
            card.ports.links.should_reach(all.filter_map(listens).collect());
        }
        Ok(())
    }
}
