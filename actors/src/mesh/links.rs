//! How the rest of a node reaches others: over the mesh, whichever actor makes it just now, or over
//! the bus, where no link stands; and what the mesh has told it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use ractor::{ActorRef, rpc::CallResult};
use tgs_protocol::{
    bus::peers::PeerBus,
    id::Incarnation,
    lease::LeaseCell,
    peer::{
        Obituaries, PeerAnswer, PeerError, PeerLink, PeerRequest,
        table::{LinkNo, PeerEvent},
    },
    unit::Millis,
};
use tokio::sync::watch;

use super::MeshMessage;

/// One node's ways to others; none on a node without a mesh and without a bus.
#[derive(Default)]
pub struct Links {
    now: Mutex<Now>,
    /// Other nodes that are on the bus.
    on_bus: watch::Sender<BTreeSet<Incarnation>>,
    bells: Bells,
}

/// What is rung for those who look again and again: everyone hears each of them, also who is not
/// waiting just now.
#[derive(Default)]
struct Bells {
    /// There may be work.
    work: watch::Sender<()>,
    /// This node has more or fewer hands free.
    hands: watch::Sender<()>,
}

/// A bell as one looker hears it.
pub(crate) struct Bell(watch::Receiver<()>);

impl Bell {
    /// Returns once it has been rung since it was taken in hand.
    pub(crate) async fn rung(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await; // Nobody is left to ring it.
        }
    }
}

#[derive(Default)]
struct Now {
    mesh: Option<ActorRef<MeshMessage>>,
    linked: BTreeMap<Incarnation, LinkNo>,
    bus: Option<Arc<dyn PeerBus>>,
    obituaries: Obituaries,
}

impl Links {
    /// This actor makes them from now on.
    pub(super) fn are_made_by(&self, mesh: &ActorRef<MeshMessage>) {
        self.now().mesh = Some(mesh.clone());
    }

    /// These stand.
    pub(super) fn are(&self, linked: BTreeMap<Incarnation, LinkNo>) {
        self.now().linked = linked;
    }

    /// This actor is no more.
    pub(super) fn are_no_more(&self, mesh: &ActorRef<MeshMessage>) {
        let mut now = self.now();
        if now.mesh.as_ref().is_some_and(|it| it.get_id() == mesh.get_id()) {
            now.linked.clear();
        }
    }

    /// A run of another node has ended: nobody need wait until its leases have run out.
    pub(super) fn has_ended(&self, incarnation: &Incarnation, at: Millis) {
        self.now().obituaries.add(incarnation, at);
        tracing::warn!(node = %incarnation, "another node is gone; its jobs are looked for");
        self.look_now();
    }

    /// It has not.
    pub(super) fn lives(&self, incarnation: &Incarnation) {
        tracing::warn!(node = %incarnation, "another node that was taken to be gone is there");
        self.now().obituaries.take_back(incarnation);
    }

    /// There may be work: whoever looks for it does so now.
    pub(crate) fn look_now(&self) {
        self.bells.work.send_replace(());
    }

    /// There may be work: every node looks for it now, this one as well.
    pub(crate) fn all_look(&self) {
        self.tell_all(PeerRequest::Look);
        self.look_now();
    }

    /// What this node does is not what it was.
    pub(crate) fn hands_changed(&self) {
        self.bells.hands.send_replace(());
    }

    /// Rung when there may be work.
    pub(crate) fn bell_of_work(&self) -> Bell {
        Bell(self.bells.work.subscribe())
    }

    /// Rung when this node has more or fewer hands free.
    pub(crate) fn bell_of_hands(&self) -> Bell {
        Bell(self.bells.hands.subscribe())
    }

    /// Whether whoever holds this is known to be gone.
    pub(crate) fn is_orphan(&self, cell: &LeaseCell, at: Millis) -> bool {
        cell.owner.as_ref().is_some_and(|owner| self.now().obituaries.has(owner, at))
    }

    /// These nodes are there, and listen at these addresses.
    pub(crate) fn should_reach(&self, peers: BTreeMap<Incarnation, String>) {
        if let Some(mesh) = self.mesh() {
            let _ = mesh.cast(MeshMessage::Happened(PeerEvent::Peers(peers)));
        }
    }

    /// Whoever has no link is reached over this.
    pub(crate) fn are_also_over(&self, bus: &Arc<dyn PeerBus>) {
        self.now().bus = Some(bus.clone());
    }

    /// These other nodes are on the bus.
    pub(crate) fn are_on_bus(&self, peers: BTreeSet<Incarnation>) {
        self.on_bus.send_replace(peers);
    }

    /// To how many other nodes there is a link.
    pub(crate) fn count(&self) -> u64 {
        self.now().linked.len() as u64
    }

    fn mesh(&self) -> Option<ActorRef<MeshMessage>> {
        self.now().mesh.clone()
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl PeerLink for Links {
    async fn ask(
        &self,
        peer: &Incarnation,
        said: PeerRequest,
        within: Millis,
    ) -> Result<PeerAnswer, PeerError> {
        let (mesh, bus) = {
            let now = self.now();
            let mesh = now.mesh.clone().filter(|_| now.linked.contains_key(peer));
            (mesh, now.bus.clone())
        };
        let Some(mesh) = mesh else {
            let (bus, mut on_bus) = (bus.ok_or(PeerError::NoLink)?, self.on_bus.subscribe());
            // Nobody says over a bus that a node is gone.
            return tokio::select! {
                biased;
                _ = on_bus.wait_for(|on_bus| !on_bus.contains(peer)) => Err(PeerError::NoLink),
                answer = bus.ask(peer, &said, within) => answer,
            };
        };
        let (peer, limit) = (peer.clone(), Duration::from_millis(within.get()));
        let asked = mesh.call(|reply| MeshMessage::Ask { peer, said, reply }, Some(limit)).await;
        match asked {
            Ok(CallResult::Success(answer)) => answer,
            Ok(CallResult::Timeout | CallResult::SenderError) | Err(_) => Err(PeerError::Silent),
        }
    }

    /// Over both, since who has a link is not always on the bus, and the other way about.
    fn tell_all(&self, said: PeerRequest) {
        let (mesh, bus) = {
            let now = self.now();
            (now.mesh.clone(), now.bus.clone())
        };
        if let Some(bus) = bus {
            let said = said.clone();
            tokio::spawn(async move {
                if let Err(error) = bus.tell_all(&said).await {
                    tracing::debug!(%error, "other nodes are not told over the bus");
                }
            });
        }
        if let Some(mesh) = mesh {
            let _ = mesh.cast(MeshMessage::TellAll(said));
        }
    }

    fn reached(&self) -> Vec<Incarnation> {
        let mut reached = self.on_bus.borrow().clone();
        reached.extend(self.now().linked.keys().cloned());
        reached.into_iter().collect()
    }
}
