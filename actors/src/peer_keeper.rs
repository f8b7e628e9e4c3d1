//! Says that this node is there, and heeds what its operators order of it: shell of
//! `protocol/src/presence.rs`.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use ractor::ActorRef;
use tgs_protocol::{
    code::Code,
    id::Incarnation,
    limits::PRESENCE_PERIOD_MS,
    metric_definitions::NODES_IN_TROUBLE,
    presence::{self, DeviceAt, NodeView, Presence, PresenceBoard},
    queue::Use,
    store::StoreError,
};

use crate::{
    looker::{Looks, Trouble},
    mesh::Bell,
    node::NodeConfig,
    node_supervisor::{
        care::NodeHealth,
        message::{Hands, NodeSupervisorMessage},
    },
    numerics::Classes,
    ports::Ports,
    store_call::answer,
};

/// What a node says of itself, and where it finds it.
#[derive(Clone)]
pub(crate) struct Card {
    pub(crate) ports: Ports,
    pub(crate) config: Arc<NodeConfig>,
    pub(crate) health: NodeHealth,
    pub(crate) numerics: Classes,
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
            links: self.ports.links.count(),
            warnings: self.config.warnings.lately(),
            is_full: hands.is_full,
            memory: hands.memory,
            free_memory: hands.free_memory,
            numerics: self.numerics.all(),
            ..self.config.about.clone()
        })
    }

    pub(crate) fn own(&self) -> &Incarnation {
        &self.config.about.incarnation
    }
}

/// One node's keeper.
pub(crate) struct PeerKeeper {
    card: Card,
    board: Arc<dyn PresenceBoard>,
    /// Hands that were free when it last said so.
    free: Option<usize>,
    trouble: Trouble,
    /// Of what is ordered, which a newer version may have said in words of its own.
    order: Trouble,
    in_trouble: BTreeSet<Incarnation>,
}

impl Looks for PeerKeeper {
    async fn look(&mut self) -> Option<Duration> {
        match self.speak_and_hear().await {
            Ok(()) => self.trouble.is_over(),
            Err(error) => self.trouble.is_there(&error),
        }
        Some(Duration::from_millis(PRESENCE_PERIOD_MS))
    }

    fn bell(&self) -> Option<Bell> {
        Some(self.card.ports.links.bell_of_hands())
    }
}

impl PeerKeeper {
    pub(crate) fn new(card: Card, board: Arc<dyn PresenceBoard>) -> Self {
        let trouble = Trouble::of("this node is not shown to others");
        let order = Trouble::of("what is ordered of this node is not done");
        Self { card, board, free: None, trouble, order, in_trouble: BTreeSet::new() }
    }

    /// What is wrong between nodes stands in the log of none of them otherwise; said once of each.
    fn tell_troubles(&mut self, all: Vec<Presence>) {
        let mut views = presence::views(all, self.card.own(), self.card.ports.clock.now());
        views.retain(|view| !view.troubles.is_empty());
        for NodeView { presence: Presence { node, incarnation, .. }, troubles, .. } in &views {
            if !self.in_trouble.contains(incarnation) {
                let troubles = troubles.join("; ");
                tracing::warn!(node, %incarnation, troubles, "something is wrong with a node");
            }
        }
        metrics::gauge!(NODES_IN_TROUBLE).set(views.len() as f64);
        self.in_trouble = views.into_iter().map(|view| view.presence.incarnation).collect();
    }

    async fn speak_and_hear(&mut self) -> Result<(), StoreError> {
        let Self { card, board, free, order: orders, .. } = self;
        let ordered = board.order_of(&card.config.about.node);
        match answer("read what is ordered of this node", ordered).await {
            Ok(order) => {
                orders.is_over();
                let _ = card.node.cast(NodeSupervisorMessage::Ordered { order });
            }
            // It goes on as it was told last, and is there for its operators to see.
            Err(error) if error.code == Code::StoreTooNew => orders.is_there(&error),
            Err(error) => return Err(error),
        }
        let Some(presence) = card.presence().await else { return Ok(()) };
        answer("say that this node is there", board.say(&presence)).await?;
        let is_free = |it: &&DeviceAt| it.used == Use::Free;
        let now_free = presence.devices.iter().filter(is_free).count();
        if free.replace(now_free).is_some_and(|before| before < now_free) {
            // Whoever places jobs reads it as it is now.
            card.ports.links.all_look();
        }
        let all = answer("look who else is there", board.all()).await?;
        let links = &card.ports.links;
        let others = || all.iter().filter(|it| it.incarnation != presence.incarnation);
        if presence.on_bus {
            let on_bus = others().filter(|it| it.on_bus).map(|it| it.incarnation.clone());
            links.are_on_bus(on_bus.collect());
        }
        if presence.links_at.is_some() {
            let listens = |it: &Presence| Some((it.incarnation.clone(), it.links_at.clone()?));
            links.should_reach(others().filter_map(listens).collect());
        }
        self.tell_troubles(all);
        Ok(())
    }
}
