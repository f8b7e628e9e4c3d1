//! Direct links between the nodes of a cluster: ractor's, over mutual TLS. Shell of
//! `protocol/src/peer/table.rs`.
//!
//! They carry hints, and they tell at once what a lease tells after its time: that a node is gone.

mod door;
mod gateway;
mod keys;
mod links;

use std::{collections::BTreeMap, io::ErrorKind, net::TcpListener, sync::Arc, time::Duration};

use ractor::{
    Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent, pg,
    rpc::CallResult,
};
use ractor_cluster::{
    NodeEventSubscription, NodeServer, NodeServerMessage, RactorMessage,
    node::{NodeConnectionMode, NodeServerSessionInformation as Session},
};
use tgs_protocol::{
    clock::Clock,
    id::Incarnation,
    limits::{LINK_ANSWER_MS, LINK_FRAME_BYTES_MAX, LINK_TICK_MS, LOOK_PERIOD_MS},
    peer::{
        PeerAnswer, PeerError, PeerRequest, decode, encode,
        keys::KeyFolder,
        table::{LinkNo, PeerAction, PeerEvent, PeerTable},
    },
};
use tokio::task::{AbortHandle, JoinSet};

pub(crate) use self::gateway::Ears;
use self::gateway::{Gateway, GatewayMessage};
pub(crate) use self::{keys::Judged, links::Bell};
pub use self::{
    keys::{CERTIFIED_NAME, LinkKeys, LinkKeysError},
    links::Links,
};
use crate::node_supervisor::message::NodeSupervisorMessage;

/// The group that each node's gateway joins; other nodes find it there.
const SCOPE: &str = "tgs";
const GROUP: &str = "gateways";

/// Where and how a node has links to others.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// Where it listens: as long as its process lives, whatever becomes of its actors. That nobody
    /// listens there is what tells others that it is gone.
    pub listener: Arc<TcpListener>,
    /// What shows that it belongs to the cluster, as it is now.
    pub keys: LinkKeys,
    /// Where that lies, and is renewed while the node runs.
    pub folder: Arc<dyn KeyFolder>,
}

/// The actor.
pub(crate) struct Mesh;

/// What it is started with.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) config: LinkConfig,
    pub(crate) own: Incarnation,
    pub(crate) node: ActorRef<NodeSupervisorMessage>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where the rest of the node finds it.
    pub(crate) links: Arc<Links>,
    /// It failed again and again: it rests before it begins.
    pub(crate) is_tired: bool,
}

/// Mailbox of the mesh.
#[derive(RactorMessage)]
pub(crate) enum MeshMessage {
    /// Order: begin.
    Begin,
    /// Fact: something happened to nodes or links.
    Happened(PeerEvent),
    /// Fact: a connection was made.
    Opened(Session),
    /// Question of this node to another one.
    Ask { peer: Incarnation, said: PeerRequest, reply: RpcReplyPort<Asked> },
    /// Order: say this to all.
    TellAll(PeerRequest),
}

/// What became of a question.
pub(crate) type Asked = Result<PeerAnswer, PeerError>;

/// The links, and what they stand on.
pub(crate) struct Ties {
    site: Site,
    myself: ActorRef<MeshMessage>,
    server: ActorRef<NodeServerMessage>,
    table: PeerTable,
    sessions: BTreeMap<LinkNo, Session>,
    /// Accepts connections.
    doorkeeper: AbortHandle,
    /// Dial, ask and probe; they end with the actor.
    errands: JoinSet<()>,
}

impl Actor for Mesh {
    type Msg = MeshMessage;
    /// None until it has begun.
    type State = (Site, Option<Ties>);
    type Arguments = Site;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        site: Site,
    ) -> Result<Self::State, ActorProcessingErr> {
        let rest = if site.is_tired { LOOK_PERIOD_MS } else { 0 };
        myself.send_after(Duration::from_millis(rest), || MeshMessage::Begin);
        Ok((site, None))
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        (site, ties): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match (message, ties) {
            (MeshMessage::Begin, ties) => *ties = Some(Ties::new(site.clone(), myself).await?),
            (message, Some(ties)) => ties.hear(message),
            (_, None) => {} // Whoever says it says it again.
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        _state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            // Without one of its two children nobody is reached: all is begun anew.
            SupervisionEvent::ActorFailed(who, _) | SupervisionEvent::ActorTerminated(who, ..) => {
                Err(format!("a part of the mesh is no more: {}", who.get_id()).into())
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Ties {
    fn drop(&mut self) {
        self.doorkeeper.abort();
        self.site.links.are_no_more(&self.myself);
    }
}

impl Ties {
    async fn new(site: Site, myself: ActorRef<MeshMessage>) -> Result<Self, ActorProcessingErr> {
        let listener = door::listen(&site.config.listener)?;
        // It wants a listener of its own, which nobody is to use.
        let server = NodeServer::new(
            0,
            site.config.keys.secret.clone(),
            site.own.as_str().to_owned(),
            // Part of what tells nodes apart: with one for all, two could take each other for
            // themselves.
            site.own.as_str().to_owned(),
            None,
            Some(NodeConnectionMode::Isolated),
        );
        let server = server
            .with_listen_addr(std::net::Ipv4Addr::LOCALHOST.into())
            .with_max_inbound_frame_size(LINK_FRAME_BYTES_MAX);
        let (server, _) = Actor::spawn_linked(None, server, (), myself.get_cell()).await?;
        let subscription = Box::new(Sessions(myself.clone()));
        let id = "mesh".to_owned();
        server.cast(NodeServerMessage::SubscribeToEvents { id, subscription })?;
        // Unnamed: a name is taken away by the death of another node's actor of that name.
        let ears = Ears { links: site.links.clone(), node: site.node.clone() };
        let (gateway, _) = Actor::spawn_linked(None, Gateway, ears, myself.get_cell()).await?;
        pg::join_scoped(SCOPE.to_owned(), GROUP.to_owned(), vec![gateway.get_cell()]);
        let accepting = door::accept(listener, site.config.keys.clone(), server.clone());
        let doorkeeper = tokio::spawn(accepting).abort_handle();
        let tick = || MeshMessage::Happened(PeerEvent::Tick);
        myself.send_interval(Duration::from_millis(LINK_TICK_MS), tick);
        site.links.are_made_by(&myself);
        let table = PeerTable::new(site.own.clone());
        let (sessions, errands) = (BTreeMap::new(), JoinSet::new());
        Ok(Self { site, myself, server, table, sessions, doorkeeper, errands })
    }

    fn hear(&mut self, message: MeshMessage) {
        while self.errands.try_join_next().is_some() {} // They have told what came of them.
        match message {
            MeshMessage::Begin => {}
            MeshMessage::Opened(session) => {
                let no = number(&session);
                self.sessions.insert(no, session);
                self.happened(PeerEvent::Opened(no));
            }
            MeshMessage::Happened(event) => {
                if let PeerEvent::Closed(no) = &event
                    && let Some(session) = self.sessions.remove(no)
                    && !self.table.linked().values().any(|linked| linked == no)
                {
                    let peer = session.peer_addr;
                    let why = "a connection ended before it was a link; has the node there the \
                               secret of this cluster?";
                    tracing::warn!(peer, "{why}");
                }
                self.happened(event);
            }
            MeshMessage::Ask { peer, said, reply } => self.ask(&peer, &said, reply),
            MeshMessage::TellAll(said) => self.tell_all(&said),
        }
    }

    fn happened(&mut self, event: PeerEvent) {
        let now = self.site.clock.monotonic();
        let actions = self.table.step(now, event);
        let linked = self.table.linked();
        self.site.links.are(linked);
        for action in actions {
            self.act(action);
        }
    }

    fn act(&mut self, action: PeerAction) {
        match action {
            PeerAction::Dial(peer, address) => {
                let (keys, server) = (self.site.config.keys.clone(), self.server.clone());
                self.errand(async move {
                    let dialled = door::dial(&address, &keys, &server).await;
                    match &dialled {
                        // It is there, and one of the two shows what the other does not know.
                        Err(error) if error.kind() == ErrorKind::InvalidData => {
                            let why = "another node and this one do not accept each other's \
                                       certificates; are both of one authority, and has none \
                                       run out?";
                            tracing::warn!(%peer, address, %error, "{why}");
                        }
                        Err(error) => {
                            tracing::info!(%peer, address, %error, "another node is not reached");
                        }
                        Ok(()) => {}
                    }
                    PeerEvent::Dialled(peer, dialled.is_ok())
                });
            }
            PeerAction::Probe(peer, address) => self.errand(async move {
                let is_gone = door::is_nobody_there(&address).await;
                PeerEvent::Probed(peer, is_gone)
            }),
            PeerAction::Ask(no) => {
                let gateway = self.gateway(no);
                self.errand(async move {
                    let limit = Duration::from_millis(LINK_ANSWER_MS);
                    let answer = ask(gateway, &PeerRequest::Ping, limit).await;
                    PeerEvent::Asked(no, answer.is_ok())
                });
            }
            PeerAction::End(no, why) => {
                if let Some(session) = self.sessions.get(&no) {
                    tracing::info!(peer = session.peer_addr, why, "a link is ended");
                    session.actor.stop(Some(why.to_owned()));
                }
            }
            PeerAction::Try(peer, address) => self.errand(async move {
                let is_reached = door::is_somebody_there(&address).await;
                PeerEvent::Tried(peer, is_reached)
            }),
            PeerAction::Bury(peer) => {
                self.site.links.has_ended(&peer, self.site.clock.monotonic());
            }
            PeerAction::Unbury(peer) => self.site.links.lives(&peer),
        }
    }

    fn errand(&mut self, errand: impl Future<Output = PeerEvent> + Send + 'static) {
        let myself = self.myself.clone();
        self.errands.spawn(async move {
            let _ = myself.cast(MeshMessage::Happened(errand.await));
        });
    }

    fn ask(&mut self, peer: &Incarnation, said: &PeerRequest, reply: RpcReplyPort<Asked>) {
        let gateway = self.table.linked().get(peer).and_then(|no| self.gateway(*no));
        let limit = reply.get_timeout().unwrap_or(Duration::from_millis(LINK_ANSWER_MS));
        let said = said.clone();
        self.errands.spawn(async move {
            let _ = reply.send(ask(gateway, &said, limit).await);
        });
    }

    fn tell_all(&mut self, said: &PeerRequest) {
        for no in self.table.linked().into_values() {
            let (gateway, said) = (self.gateway(no), said.clone());
            self.errands.spawn(async move {
                let _ = ask(gateway, &said, Duration::from_millis(LINK_ANSWER_MS)).await;
            });
        }
    }

    /// The gateway at the other end of a link; none until that node has told of it.
    fn gateway(&self, no: LinkNo) -> Option<ActorRef<GatewayMessage>> {
        let node = self.sessions.get(&no)?.node_id;
        let all = pg::get_scoped_members(&SCOPE.to_owned(), &GROUP.to_owned());
        let is_there =
            |id: ActorId| matches!(id, ActorId::Remote { node_id, .. } if node_id == node);
        all.into_iter().find(|cell| is_there(cell.get_id())).map(Into::into)
    }
}

async fn ask(
    gateway: Option<ActorRef<GatewayMessage>>,
    said: &PeerRequest,
    limit: Duration,
) -> Asked {
    let gateway = gateway.ok_or(PeerError::NoLink)?;
    let said = encode(said);
    match gateway.call(|reply| GatewayMessage::Ask(said, reply), Some(limit)).await {
        Ok(CallResult::Success(answer)) => Ok(decode(&answer).unwrap_or(PeerAnswer::Unknown)),
        Ok(CallResult::Timeout | CallResult::SenderError) | Err(_) => Err(PeerError::Silent),
    }
}

fn number(session: &Session) -> LinkNo {
    LinkNo(session.actor.get_id().pid())
}

/// Hears what becomes of sessions.
struct Sessions(ActorRef<MeshMessage>);

impl NodeEventSubscription for Sessions {
    fn node_session_opened(&self, session: Session) {
        let _ = self.0.cast(MeshMessage::Opened(session));
    }

    fn node_session_disconnected(&self, session: Session) {
        let _ = self.0.cast(MeshMessage::Happened(PeerEvent::Closed(number(&session))));
    }

    /// Not yet: it cannot be used before it is ready.
    fn node_session_authenticated(&self, _session: Session) {}

    fn node_session_ready(&self, session: Session) {
        let name = session.peer_name.as_ref().and_then(|it| it.name.split_once('@'));
        if let Some((name, _)) = name {
            let event = PeerEvent::Ready(number(&session), Incarnation::new(name));
            let _ = self.0.cast(MeshMessage::Happened(event));
        }
    }
}
