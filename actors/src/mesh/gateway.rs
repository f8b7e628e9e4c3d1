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

/// Whom it tells what it hears.
#[derive(Clone)]
pub(super) struct Ears {
    pub(super) links: Arc<Links>,
    pub(super) node: ActorRef<NodeSupervisorMessage>,
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
        let answer = match decode(&said) {
            None => PeerAnswer::Unknown,
            Some(PeerRequest::Ping) => PeerAnswer::Heard,
            Some(PeerRequest::Look) => {
                ears.links.look_now();
                PeerAnswer::Heard
            }
            Some(PeerRequest::Sample(task)) => {
                tokio::spawn(sample(ears.node.clone(), task, reply));
                return Ok(());
            }
        };
        let _ = reply.send(encode(&answer));
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

/// Has a chunk sampled, if the node has the time for it; whoever asked hears when it is done.
async fn sample(
    node: ActorRef<NodeSupervisorMessage>,
    task: ChunkTask,
    reply: RpcReplyPort<Vec<u8>>,
) {
    let limit = reply.get_timeout().unwrap_or(Duration::from_millis(CHUNK_ELSEWHERE_MS));
    let help = |answer| NodeSupervisorMessage::Help { task, answer };
    let answer = match node.call(help, Some(limit)).await {
        Ok(CallResult::Success(answer)) => answer,
        Ok(CallResult::Timeout | CallResult::SenderError) | Err(_) => {
            PeerAnswer::NotDone { why: "it was not done in time".to_owned() }
        }
    };
    let _ = reply.send(encode(&answer));
}
