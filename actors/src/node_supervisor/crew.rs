//! The actors of a node that serve all its jobs, and how each is replaced.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use ractor::{Actor, ActorCell, ActorId, ActorRef, SpawnErr};
use tgs_protocol::{
    engine, limits::DISPATCHER_REST_MS, notification::patience::Patience, queue::DeviceClass,
    unit::Millis,
};
use tokio::sync::Notify;

use super::{
    lookers::{Door, Lookers},
    message::NodeSupervisorMessage,
};
use crate::{
    checkpoint_writer::{CheckpointWriter, message::CheckpointWriterMessage},
    chunk_sampler::{ChunkSampler, OpenModels, Seat, message::ChunkOrder},
    dispatcher::{Dispatcher, Office, message::DispatcherMessage},
    gpu_worker::{Device, DevicePost, GpuWorker, message::GpuWorkerMessage},
    job_supervisor::message::Lost,
    lease_keeper::{KeeperSeat, LeaseKeeper, message::LeaseKeeperMessage},
    mesh::{Mesh, MeshMessage, Site},
    node::NodeConfig,
    notifier::{Notifier, feed::Feeds, message::NotifierMessage},
    ports::Ports,
    restart_window::RestartWindow,
};

/// Who is there to be told something.
#[derive(Clone)]
pub(crate) struct Crew {
    pub(crate) lease_keeper: ActorRef<LeaseKeeperMessage>,
    /// One per device; a job's seat is its number here.
    pub(crate) gpu_workers: Vec<ActorRef<GpuWorkerMessage>>,
    pub(crate) samplers: Vec<ActorRef<ChunkOrder>>,
    pub(crate) checkpoint_writer: ActorRef<CheckpointWriterMessage>,
    pub(crate) notifier: ActorRef<NotifierMessage>,
}

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Member {
    LeaseKeeper,
    GpuWorker { at: usize },
    ChunkSampler { at: usize },
    CheckpointWriter,
    Notifier,
    Dispatcher,
    Mesh,
    Looker { at: usize },
}

/// The crew, and what outlives each of its members.
pub(super) struct CrewKeeper {
    crew: Crew,
    /// One per device.
    permits: Vec<Arc<Mutex<()>>>,
    posts: Vec<DevicePost>,
    models: OpenModels,
    feeds: Feeds,
    /// Sends notices, on a node that does; jobs do not know it.
    dispatcher: Option<(Office, ActorRef<DispatcherMessage>)>,
    /// Has links to other nodes; jobs do not know it either.
    mesh: Option<(Site, ActorRef<MeshMessage>)>,
    lookers: Lookers,
    is_alone: bool,
    windows: BTreeMap<Member, RestartWindow>,
}

impl CrewKeeper {
    pub(super) async fn start(
        ports: &Ports,
        config: &NodeConfig,
        bell: &Arc<Notify>,
        door: Door,
        parent: &ActorRef<NodeSupervisorMessage>,
    ) -> Result<Self, SpawnErr> {
        let (models, feeds) = (OpenModels::default(), Feeds::default());
        let permits: Vec<_> = config.devices.iter().map(|_| Arc::default()).collect();
        let cell = parent.get_cell();
        let mut gpu_workers = Vec::new();
        let posts = posts(config, parent);
        for (permit, post) in permits.iter().zip(&posts) {
            gpu_workers.push(worker(ports, permit, post.clone()).await?);
        }
        let mut samplers = Vec::new();
        for _ in 0..config.samplers.max(1) {
            samplers.push(sampler(ports, &models, &cell).await?);
        }
        let crew = Crew {
            lease_keeper: keeper(ports, config.holder_is_gone, &cell).await?,
            gpu_workers,
            checkpoint_writer: spawn(CheckpointWriter, ports.clone(), &cell).await?,
            notifier: spawn(Notifier, feeds.clone(), &cell).await?,
            samplers,
        };
        let dispatcher = match office(ports, config, bell) {
            Some(office) => Some((office.clone(), spawn(Dispatcher, office, &cell).await?)),
            None => None,
        };
        let mesh = match site(ports, config, parent) {
            Some(site) => Some((site.clone(), spawn(Mesh, site, &cell).await?)),
            None => None,
        };
        let lookers = Lookers::start(ports, config, door, &cell).await?;
        let (windows, is_alone) = (BTreeMap::new(), config.holder_is_gone);
        Ok(Self {
            crew,
            permits,
            posts,
            models,
            feeds,
            dispatcher,
            mesh,
            lookers,
            is_alone,
            windows,
        })
    }

    /// Takes no more orders that are published.
    pub(super) fn close(&self) {
        self.lookers.close();
    }

    pub(super) fn crew(&self) -> &Crew {
        &self.crew
    }

    /// Which member this is.
    pub(super) fn member(&self, who: ActorId) -> Option<Member> {
        let crew = &self.crew;
        let singles = [
            (crew.lease_keeper.get_id(), Member::LeaseKeeper),
            (crew.checkpoint_writer.get_id(), Member::CheckpointWriter),
            (crew.notifier.get_id(), Member::Notifier),
        ];
        let workers = crew.gpu_workers.iter().enumerate();
        let workers = workers.map(|(at, actor)| (actor.get_id(), Member::GpuWorker { at }));
        let samplers = crew.samplers.iter().enumerate();
        let samplers = samplers.map(|(at, actor)| (actor.get_id(), Member::ChunkSampler { at }));
        let dispatcher = self.dispatcher.iter();
        let dispatcher = dispatcher.map(|(_, actor)| (actor.get_id(), Member::Dispatcher));
        let mesh = self.mesh.iter().map(|(_, actor)| (actor.get_id(), Member::Mesh));
        let all = singles.into_iter().chain(workers).chain(samplers);
        let mut all = all.chain(dispatcher).chain(mesh);
        let member = all.find(|(id, _)| *id == who).map(|(_, member)| member);
        member.or_else(|| self.lookers.place(who).map(|at| Member::Looker { at }))
    }

    /// Puts a new actor in a member's place. If that happens too often, the jobs of a worker fail
    /// for good; those whom jobs do not know rest before they begin again; without the others no
    /// job can be kept, so the node ends and its jobs are interrupted. Gives what jobs must know.
    ///
    /// # Errors
    /// When the node cannot go on, with the reason.
    pub(super) async fn replace(
        &mut self,
        member: Member,
        now: Millis,
        ports: &Ports,
        parent: &ActorRef<NodeSupervisorMessage>,
    ) -> Result<Option<Lost>, String> {
        let often = !self.windows.entry(member).or_default().permits(now);
        let serves_all = !matches!(
            member,
            Member::GpuWorker { .. }
                | Member::ChunkSampler { .. }
                | Member::Dispatcher
                | Member::Mesh
                | Member::Looker { .. }
        );
        if often && serves_all {
            return Err(format!("{member:?} failed again and again"));
        }
        let replaced = self.put_in_place(member, often, ports, parent).await;
        replaced.map_err(|error| format!("{member:?} could not be replaced: {error}"))
    }

    async fn put_in_place(
        &mut self,
        member: Member,
        often: bool,
        ports: &Ports,
        parent: &ActorRef<NodeSupervisorMessage>,
    ) -> Result<Option<Lost>, SpawnErr> {
        let cell = parent.get_cell();
        Ok(Some(match member {
            Member::Dispatcher => {
                if let Some((office, actor)) = &mut self.dispatcher {
                    let office = Office { is_tired: often, ..office.clone() };
                    *actor = spawn(Dispatcher, office, &cell).await?;
                }
                return Ok(None);
            }
            Member::Mesh => {
                if let Some((site, actor)) = &mut self.mesh {
                    let site = Site { is_tired: often, ..site.clone() };
                    *actor = spawn(Mesh, site, &cell).await?;
                }
                return Ok(None);
            }
            Member::Looker { at } => {
                self.lookers.replace(at, often).await?;
                return Ok(None);
            }
            Member::LeaseKeeper => {
                self.crew.lease_keeper = keeper(ports, self.is_alone, &cell).await?;
                Lost::LeaseKeeper
            }
            Member::GpuWorker { at } => {
                let post = self.posts[at].clone();
                self.crew.gpu_workers[at] = worker(ports, &self.permits[at], post).await?;
                Lost::GpuWorker { at, often }
            }
            Member::ChunkSampler { at } => {
                self.crew.samplers[at] = sampler(ports, &self.models, &cell).await?;
                Lost::ChunkSampler { at, often }
            }
            Member::CheckpointWriter => {
                self.crew.checkpoint_writer = spawn(CheckpointWriter, ports.clone(), &cell).await?;
                Lost::CheckpointWriter
            }
            Member::Notifier => {
                self.crew.notifier = spawn(Notifier, self.feeds.clone(), &cell).await?;
                Lost::Notifier
            }
        }))
    }
}

/// What a dispatcher needs, on a node that sends notices.
fn office(ports: &Ports, config: &NodeConfig, bell: &Arc<Notify>) -> Option<Office> {
    let (ports, bell, notices) = (ports.clone(), bell.clone(), ports.notices.clone()?);
    let patience = Patience::times(config.notice_pause_factor);
    let rest = config.back_off(Millis(DISPATCHER_REST_MS));
    let of_many = (!config.holder_is_gone).then(|| config.incarnation.clone());
    Some(Office { ports, notices, bell, patience, of_many, rest, is_tired: false })
}

/// Where the mesh of a node is, if it has one.
fn site(
    ports: &Ports,
    config: &NodeConfig,
    node: &ActorRef<NodeSupervisorMessage>,
) -> Option<Site> {
    let (own, clock, links) =
        (config.incarnation.clone(), ports.clock.clone(), ports.links.clone());
    let node = node.clone();
    config.links.clone().map(|config| Site { config, own, node, clock, links, is_tired: false })
}

async fn keeper(
    ports: &Ports,
    is_alone: bool,
    cell: &ActorCell,
) -> Result<ActorRef<LeaseKeeperMessage>, SpawnErr> {
    spawn(LeaseKeeper, KeeperSeat { ports: ports.clone(), is_alone }, cell).await
}

/// Graphics processors are counted by themselves.
fn posts(config: &NodeConfig, node: &ActorRef<NodeSupervisorMessage>) -> Vec<DevicePost> {
    let mut gpus = 0..;
    let post = |(at, class): (usize, &DeviceClass)| {
        let device = match class {
            DeviceClass::Cpu => engine::Device::Cpu,
            DeviceClass::Gpu => engine::Device::Gpu(gpus.next().unwrap_or(u32::MAX)),
        };
        DevicePost { at, device, node: node.clone(), silence: config.silence }
    };
    config.devices.iter().enumerate().map(post).collect()
}

async fn worker(
    ports: &Ports,
    permit: &Arc<Mutex<()>>,
    post: DevicePost,
) -> Result<ActorRef<GpuWorkerMessage>, SpawnErr> {
    let parent = post.node.get_cell();
    let device = Device { ports: ports.clone(), permit: permit.clone(), post };
    spawn(GpuWorker, device, &parent).await
}

async fn sampler(
    ports: &Ports,
    models: &OpenModels,
    parent: &ActorCell,
) -> Result<ActorRef<ChunkOrder>, SpawnErr> {
    let seat = Seat { ports: ports.clone(), models: models.clone() };
    spawn(ChunkSampler, seat, parent).await
}

/// Unnamed: names are global to a process, and a test runs several nodes in one.
async fn spawn<A: Actor>(
    actor: A,
    arguments: A::Arguments,
    parent: &ActorCell,
) -> Result<ActorRef<A::Msg>, SpawnErr> {
    let (actor, _) = Actor::spawn_linked(None, actor, arguments, parent.clone()).await?;
    Ok(actor)
}
