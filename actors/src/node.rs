//! A node: its actors started, handed out as a desk, and stopped again.

use std::{
    collections::BTreeMap, num::NonZeroUsize, path::PathBuf, pin::Pin, sync::Arc, time::Duration,
};

use ractor::{Actor, ActorRef};
use tgs_protocol::{
    desk::JobDesk,
    id::{Incarnation, TenantId},
    limits::{LOSS_EXPECTED_MS, STANDSTILL_MS, WATCHDOG_PERIOD_MS},
    model::desk::ModelDesk,
    notification::NoticeDesk,
    placement::Share,
    presence::{NodeDesk, Presence},
    queue::DeviceClass,
    unit::{ByteCount, Millis},
    watchdog::Silence,
};

use crate::{
    desk::Desk,
    experience::Learned,
    mesh::LinkConfig,
    model_desk::Models,
    node_desk::NodeCounter,
    node_supervisor::{NodeSupervisor, Premises, care::NodeHealth, message::NodeSupervisorMessage},
    notice_desk::NoticeCounter,
    numerics::Classes,
    peer_keeper::Card,
    ports::{NoticePorts, Ports},
    warnings::Warnings,
};

/// How a node works.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Who holds the leases: a fresh name for each boot.
    pub incarnation: Incarnation,
    /// The class of each device. Jobs on two of them run at the same time.
    pub devices: Vec<DeviceClass>,
    /// Memory that jobs share.
    pub memory: ByteCount,
    /// Compute threads of an order that does not say.
    pub threads: u32,
    /// Samplers, an OS thread each, at least one; the result does not depend on their number.
    pub samplers: usize,
    /// The caller holds proof that no earlier holder of a lease lives, such as the exclusive lock
    /// on the data folder: leases are claimed at once.
    pub holder_is_gone: bool,
    /// What it says of itself, as far as that does not change.
    pub about: Presence,
    /// What its process warned of lately.
    pub warnings: Arc<Warnings>,
    /// How it has links to other nodes; none where it has none.
    pub links: Option<LinkConfig>,
    /// Other nodes share the stores: jobs that nobody works at are looked for, and taken up.
    pub finds_jobs: bool,
    /// What tenants are entitled to, where this node places jobs; who is missing has the default.
    pub shares: BTreeMap<TenantId, Share>,
    /// The data folder, where those who read why a job failed are not to learn its place.
    pub untold_folder: Option<PathBuf>,
    /// Factor on the pauses between attempts at a notice; 1 but in tests.
    pub notice_pause_factor: f64,
    /// Room on the disk below which nothing new is begun and what runs is suspended; 0: none.
    pub disk_floor: ByteCount,
    /// Silence of work that is always allowed before it is taken to hang.
    pub silence: Silence,
    /// How often this process is thought to be lost, before anything is known.
    pub loss_expected: Millis,
    /// Factor on every back-off; 1 but in tests.
    pub back_off_factor: f64,
}

impl NodeConfig {
    /// A node that alone has its data folder: one device, a sampler for each core, and as much
    /// memory as its one job needs.
    pub fn embedded(incarnation: Incarnation) -> Self {
        let samplers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            about: Presence::of(incarnation.clone()),
            warnings: Arc::default(),
            incarnation,
            devices: vec![DeviceClass::Cpu],
            memory: ByteCount(u64::MAX),
            threads: 1,
            samplers,
            holder_is_gone: true,
            links: None,
            finds_jobs: false,
            shares: BTreeMap::new(),
            untold_folder: None,
            notice_pause_factor: 1.0,
            disk_floor: ByteCount(0),
            silence: Silence::default(),
            loss_expected: Millis(LOSS_EXPECTED_MS),
            back_off_factor: 1.0,
        }
    }

    pub(crate) fn back_off(&self, wait: Millis) -> Duration {
        Duration::from_millis(wait.get()).mul_f64(self.back_off_factor)
    }

    /// How often the node looks after itself.
    pub(crate) fn look_period(&self) -> Duration {
        Duration::from_millis(WATCHDOG_PERIOD_MS.min(self.silence.steps.get() / 10).max(1))
    }
}

/// A running node. Dropping it kills its actors as a crash would: jobs can be resumed.
pub struct Node {
    pub(crate) supervisor: ActorRef<NodeSupervisorMessage>,
    desk: Arc<Desk>,
    models: Arc<Models>,
    notices: Option<Arc<NoticeCounter>>,
    nodes: Arc<NodeCounter>,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[error("start the node's actors: {0}")]
pub struct StartError(#[from] ractor::SpawnErr);

/// A future in a box: whoever awaits a plain one compiles all that it awaits once more, actors and
/// all.
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Starts the actors of a node. Must be awaited inside a multi-threaded tokio runtime.
pub fn start(ports: Ports, config: NodeConfig) -> Boxed<Result<Node, StartError>> {
    Box::pin(started(ports, config))
}

async fn started(ports: Ports, config: NodeConfig) -> Result<Node, StartError> {
    let bell = Arc::default();
    let counter = |notices: &NoticePorts| {
        Arc::new(NoticeCounter::new(ports.clone(), notices.clone(), Arc::clone(&bell)))
    };
    let notices = ports.notices.as_ref().map(counter);
    let learned = Learned::from_store(&*ports.jobs).await;
    let (experience, health) = (learned.clone(), NodeHealth::default());
    let numerics = Classes::new(ports.engine.clone());
    let config = Arc::new(config);
    let premises = Premises {
        ports: ports.clone(),
        config: config.clone(),
        bell,
        learned,
        health: health.clone(),
        numerics: numerics.clone(),
    };
    let (supervisor, _) = NodeSupervisor::spawn(None, NodeSupervisor, premises).await?;
    let board = ports.board.clone();
    let card = Card {
        ports: ports.clone(),
        config: config.clone(),
        health: health.clone(),
        numerics,
        node: supervisor.clone(),
    };
    let nodes = Arc::new(NodeCounter { card, board });
    let desk = Desk::new(ports.clone(), supervisor.clone(), experience, health, &config);
    let models = Arc::new(Models::new(ports));
    Ok(Node { supervisor, desk: Arc::new(desk), models, notices, nodes })
}

impl Node {
    /// Hands in, cancels, watches.
    pub fn desk(&self) -> Arc<dyn JobDesk> {
        self.desk.clone()
    }

    /// Lists models and draws rows from them.
    pub fn models(&self) -> Arc<dyn ModelDesk> {
        self.models.clone()
    }

    /// Subscribes and shows what was sent; none if this node sends no notices.
    pub fn notice_desk(&self) -> Option<Arc<dyn NoticeDesk>> {
        self.notices.clone().map(|desk| desk as Arc<dyn NoticeDesk>)
    }

    /// Shows the nodes of the cluster.
    pub fn nodes(&self) -> Arc<dyn NodeDesk> {
        self.nodes.clone()
    }

    /// Drains, then ends all actors.
    pub fn stop(self) -> Boxed<()> {
        Box::pin(async move {
            self.desk.drain().await;
            let limit = Some(Duration::from_millis(STANDSTILL_MS));
            if let Err(error) = self.supervisor.stop_and_wait(None, limit).await {
                tracing::warn!(%error, "the node's actors did not end in time");
            }
            self.nodes.leave().await;
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.supervisor.kill();
    }
}
