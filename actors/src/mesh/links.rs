//! How the rest of a node reaches the mesh, whichever actor makes it just now, and what the mesh
//! has told it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use ractor::{ActorRef, rpc::CallResult};
use tgs_protocol::{
    id::Incarnation,
    lease::LeaseCell,
    peer::{
        Obituaries, PeerAnswer, PeerError, PeerLink, PeerRequest,
        table::{LinkNo, PeerEvent},
    },
    unit::Millis,
};
use tokio::sync::Notify;

use super::MeshMessage;

/// One node's links; none on a node without a mesh.
#[derive(Default)]
pub struct Links {
    now: Mutex<Now>,
    bell: Notify,
}

#[derive(Default)]
struct Now {
    mesh: Option<ActorRef<MeshMessage>>,
    linked: BTreeMap<Incarnation, LinkNo>,
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
    pub(super) fn look_now(&self) {
        self.bell.notify_one();
    }

    /// Returns once there may be work.
    pub(crate) async fn told_to_look(&self) {
        self.bell.notified().await;
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
        let mesh = self.mesh().ok_or(PeerError::NoLink)?;
        let (peer, limit) = (peer.clone(), Duration::from_millis(within.get()));
        let asked = mesh.call(|reply| MeshMessage::Ask { peer, said, reply }, Some(limit)).await;
        match asked {
            Ok(CallResult::Success(answer)) => answer,
            Ok(CallResult::Timeout | CallResult::SenderError) | Err(_) => Err(PeerError::Silent),
        }
    }

    fn tell_all(&self, said: PeerRequest) {
        if let Some(mesh) = self.mesh() {
            let _ = mesh.cast(MeshMessage::TellAll(said));
        }
    }

    fn linked(&self) -> Vec<Incarnation> {
        self.now().linked.keys().cloned().collect()
    }
}
