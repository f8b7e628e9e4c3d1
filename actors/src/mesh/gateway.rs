//! What other nodes can reach of this one: the only actor that they see.

use std::{sync::Arc, time::Duration};

use ractor::{
    Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent, rpc::CallResult,
};
use ractor_cluster::RactorClusterMessage;
use tgs_protocol::{
    limits::CHUNK_ELSEWHERE_MS,
    peer::{ChunkTask, PeerAnswer, PeerRequest, decode, encode},
};

use super::links::Links;
use crate::node_supervisor::message::NodeSupervisorMessage;

/// The actor.
pub(super) struct Gateway;

/// Its mailbox, in bytes: what does not decode is answered, and stops nothing.
#[derive(RactorClusterMessage)]
pub(super) enum GatewayMessage {
    /// A [`PeerRequest`], answered by a [`PeerAnswer`], at once or when it is done.
    #[rpc]
    Ask(Vec<u8>, RpcReplyPort<Vec<u8>>),
}

/// Hears what other nodes say, over whichever way it came.
#[derive(Clone)]
pub(crate) struct Ears {
    pub(crate) links: Arc<Links>,
    pub(crate) node: ActorRef<NodeSupervisorMessage>,
}

impl Ears {
    /// Does what another node asks, if this version knows it and there is time.
    pub(crate) async fn hear(&self, said: Option<&PeerRequest>, within: Duration) -> PeerAnswer {
        match said {
            None => PeerAnswer::Unknown,
            Some(PeerRequest::Ping) => PeerAnswer::Heard,
            Some(PeerRequest::Look) => {
                self.links.look_now();
                PeerAnswer::Heard
            }
            Some(PeerRequest::Sample(task)) => self.sample(task.clone(), within).await,
        }
    }

    /// Has a chunk sampled, if the node has the time for it; whoever asked hears when it is done.
    async fn sample(&self, task: ChunkTask, within: Duration) -> PeerAnswer {
        let help = |answer| NodeSupervisorMessage::Help { task, answer };
        match self.node.call(help, Some(within)).await {
            Ok(CallResult::Success(answer)) => answer,
            Ok(CallResult::Timeout | CallResult::SenderError) | Err(_) => {
                PeerAnswer::NotDone { why: "it was not done in time".to_owned() }
            }
        }
    }
}

impl Actor for Gateway {
    type Msg = GatewayMessage;
    type State = Ears;
    type Arguments = Ears;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        ears: Ears,
    ) -> Result<Ears, ActorProcessingErr> {
        Ok(ears)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        GatewayMessage::Ask(said, reply): Self::Msg,
        ears: &mut Ears,
    ) -> Result<(), ActorProcessingErr> {
        let ears = ears.clone();
        // What takes its time holds up nobody who only asks whether somebody is there.
        tokio::spawn(async move {
            let within = reply.get_timeout().unwrap_or(Duration::from_millis(CHUNK_ELSEWHERE_MS));
            let _ = reply.send(encode(&ears.hear(decode(&said).as_ref(), within).await));
        });
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        _event: SupervisionEvent,
        _ears: &mut Ears,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // It has no children.
    }
}
