//! The actors of a node that speak to others: to programs over a bus, to nodes of its cluster, to
//! whoever owns its machine.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use ractor::{Actor, ActorCell, ActorId, ActorRef, SpawnErr};
use tgs_protocol::desk::JobDesk;

use super::crew::Member;
use crate::{
    event_publisher::{EventPublisher, EventPublisherMessage, Press},
    node::NodeConfig,
    order_taker::{Counter, OrderTaker, OrderTakerMessage},
    peer_keeper::{Card, PeerKeeper, PeerKeeperMessage, Seat},
    ports::Ports,
    spot_watch::{Lookout, SpotWatch, SpotWatchMessage},
};

/// Those that a node has; jobs do not know them.
#[derive(Default)]
pub(super) struct Outside {
    orders: Option<(Counter, ActorRef<OrderTakerMessage>)>,
    events: Option<(Press, ActorRef<EventPublisherMessage>)>,
    peers: Option<(Seat, ActorRef<PeerKeeperMessage>)>,
    spot: Option<(Lookout, ActorRef<SpotWatchMessage>)>,
}

/// What they need of the node itself.
pub(super) struct Door {
    pub(super) desk: Arc<dyn JobDesk>,
    pub(super) card: Card,
}

impl Outside {
    pub(super) async fn start(
        ports: &Ports,
        config: &NodeConfig,
        door: Door,
        cell: &ActorCell,
    ) -> Result<Self, SpawnErr> {
        let Door { desk, card } = door;
        let spot = match ports.interruptions.clone() {
            Some(source) => {
                let lookout = Lookout { source, node: card.node.clone(), is_tired: false };
                Some((lookout.clone(), spawn(SpotWatch, lookout, cell).await?))
            }
            None => None,
        };
        let peers = match ports.board.clone() {
            Some(board) => {
                let seat = Seat { card, board, is_tired: false };
                Some((seat.clone(), spawn(PeerKeeper, seat, cell).await?))
            }
            None => None,
        };
        let Some(bus) = &ports.bus else { return Ok(Self { peers, spot, ..Self::default() }) };
        let orders = match &bus.orders {
            Some(queue) => {
                let (queue, is_closed) = (queue.clone(), Arc::new(AtomicBool::new(false)));
                let counter = Counter { queue, desk, is_closed, is_tired: false };
                Some((counter.clone(), spawn(OrderTaker, counter, cell).await?))
            }
            None => None,
        };
        let press = Press {
            outlet: bus.outlet.clone(),
            log: bus.events.clone(),
            ports: ports.clone(),
            own: config.incarnation.clone(),
            is_tired: false,
        };
        let events = Some((press.clone(), spawn(EventPublisher, press, cell).await?));
        Ok(Self { orders, events, peers, spot })
    }

    pub(super) fn member(&self, who: ActorId) -> Option<Member> {
        let orders = self.orders.iter().map(|(_, it)| (it.get_id(), Member::OrderTaker));
        let events = self.events.iter().map(|(_, it)| (it.get_id(), Member::EventPublisher));
        let peers = self.peers.iter().map(|(_, it)| (it.get_id(), Member::PeerKeeper));
        let spot = self.spot.iter().map(|(_, it)| (it.get_id(), Member::SpotWatch));
        orders
            .chain(events)
            .chain(peers)
            .chain(spot)
            .find(|(id, _)| *id == who)
            .map(|(_, member)| member)
    }

    /// Takes no more orders: other nodes do.
    pub(super) fn close(&self) {
        if let Some((counter, _)) = &self.orders {
            counter.is_closed.store(true, Ordering::Release);
        }
    }

    /// Puts a new actor in the place of one that failed; one that failed again and again rests
    /// before it begins.
    pub(super) async fn replace(
        &mut self,
        member: Member,
        is_tired: bool,
        cell: &ActorCell,
    ) -> Result<(), SpawnErr> {
        match member {
            Member::OrderTaker => {
                if let Some((counter, actor)) = &mut self.orders {
                    let counter = Counter { is_tired, ..counter.clone() };
                    *actor = spawn(OrderTaker, counter, cell).await?;
                }
            }
            Member::EventPublisher => {
                if let Some((press, actor)) = &mut self.events {
                    let press = Press { is_tired, ..press.clone() };
                    *actor = spawn(EventPublisher, press, cell).await?;
                }
            }
            Member::PeerKeeper => {
                if let Some((seat, actor)) = &mut self.peers {
                    let seat = Seat { is_tired, ..seat.clone() };
                    *actor = spawn(PeerKeeper, seat, cell).await?;
                }
            }
            Member::SpotWatch => {
                if let Some((lookout, actor)) = &mut self.spot {
                    let lookout = Lookout { is_tired, ..lookout.clone() };
                    *actor = spawn(SpotWatch, lookout, cell).await?;
                }
            }
            _ => {} // Those of the crew are replaced there.
        }
        Ok(())
    }
}

async fn spawn<A: Actor>(
    actor: A,
    arguments: A::Arguments,
    cell: &ActorCell,
) -> Result<ActorRef<A::Msg>, SpawnErr> {
    let (actor, _) = Actor::spawn_linked(None, actor, arguments, cell.clone()).await?;
    Ok(actor)
}
