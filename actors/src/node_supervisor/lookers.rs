//! Those of a node's actors that look again and again: for jobs, for orders of programs, for events
//! to tell them, for what operators and the owner of the machine say. Jobs do not know them.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ractor::{Actor, ActorCell, ActorId, SpawnErr};
use tgs_protocol::desk::JobDesk;

use crate::{
    event_publisher::EventPublisher,
    job_finder::JobFinder,
    key_watch::KeyWatch,
    looker::{Looker, Looks},
    mesh::{Ears, LinkConfig},
    node::NodeConfig,
    order_taker::OrderTaker,
    peer_keeper::{Card, PeerKeeper},
    peer_listener::PeerListener,
    ports::Ports,
    scheduler::{Council, Scheduler},
    spot_watch::SpotWatch,
};

/// All of a node, in no order that matters.
pub(super) struct Lookers {
    all: Vec<Member>,
    /// Set once the node stops: other nodes take the orders that come then.
    is_closed: Arc<AtomicBool>,
}

struct Member {
    actor: ActorCell,
    begin: Begin,
}

/// Begins an actor, which rests first if it is tired.
type Begin = Box<dyn Fn(bool) -> Beginning + Send + Sync>;
type Beginning = Pin<Box<dyn Future<Output = Result<ActorCell, SpawnErr>> + Send>>;

/// What they need of the node itself.
pub(super) struct Door {
    pub(super) desk: Arc<dyn JobDesk>,
    pub(super) card: Card,
}

impl Lookers {
    pub(super) async fn start(
        ports: &Ports,
        config: &NodeConfig,
        door: Door,
        cell: &ActorCell,
    ) -> Result<Self, SpawnErr> {
        let Door { desk, card } = door;
        let is_closed = Arc::new(AtomicBool::new(false));
        let (own, node) = (config.incarnation.clone(), card.node.clone());
        let mut begins = Vec::new();
        if config.finds_jobs {
            let (ports, card) = (ports.clone(), card.clone());
            let make = move || JobFinder::new(ports.clone(), &card);
            begins.push(begin(make, cell));
        }
        if let Some(peers) = ports.bus.as_ref().and_then(|bus| bus.peers.clone()) {
            ports.links.are_also_over(&peers);
            let ears = Ears { links: ports.links.clone(), node: node.clone() };
            let make = move || PeerListener::new(peers.clone(), ears.clone());
            begins.push(begin(make, cell));
        }
        if config.finds_jobs
            && let Some((assignments, presence)) =
                ports.assignments.clone().zip(ports.board.clone())
        {
            let (ports, own, shares) = (ports.clone(), own.clone(), config.shares.clone());
            let node = node.clone();
            let council = Council { ports, assignments, presence, own, node, shares };
            begins.push(begin(move || Scheduler::new(council.clone()), cell));
        }
        if let Some(LinkConfig { keys, folder, .. }) = config.links.clone() {
            let (clock, name) = (ports.clock.clone(), config.about.node.clone());
            let make = move || KeyWatch::new(keys.clone(), folder.clone(), clock.clone(), &name);
            begins.push(begin(make, cell));
        }
        if let Some(source) = ports.interruptions.clone() {
            let make = move || SpotWatch::new(source.clone(), node.clone());
            begins.push(begin(make, cell));
        }
        if let Some(board) = ports.board.clone() {
            let make = move || PeerKeeper::new(card.clone(), board.clone());
            begins.push(begin(make, cell));
        }
        if let Some(queue) = ports.bus.as_ref().and_then(|bus| bus.orders.clone()) {
            let is_closed = is_closed.clone();
            let make = move || OrderTaker::new(queue.clone(), desk.clone(), is_closed.clone());
            begins.push(begin(make, cell));
        }
        if let Some(bus) = ports.bus.clone() {
            let ports = ports.clone();
            let make = move || EventPublisher::new(bus.clone(), &ports, own.clone());
            begins.push(begin(make, cell));
        }
        let mut all = Vec::new();
        for begin in begins {
            all.push(Member { actor: begin(false).await?, begin });
        }
        Ok(Self { all, is_closed })
    }

    /// The place of this one among them.
    pub(super) fn place(&self, who: ActorId) -> Option<usize> {
        self.all.iter().position(|it| it.actor.get_id() == who)
    }

    /// Takes no more orders.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Puts a new actor in the place of one that failed.
    pub(super) async fn replace(&mut self, at: usize, is_tired: bool) -> Result<(), SpawnErr> {
        let member = &mut self.all[at];
        member.actor = (member.begin)(is_tired).await?;
        Ok(())
    }
}

fn begin<L: Looks>(make: impl Fn() -> L + Send + Sync + 'static, cell: &ActorCell) -> Begin {
    let cell = cell.clone();
    Box::new(move |is_tired| {
        let (looks, cell) = (make(), cell.clone());
        Box::pin(async move {
            let began = Actor::spawn_linked(None, Looker::new(), (looks, is_tired), cell).await;
            began.map(|(actor, _)| actor.get_cell())
        })
    })
}
