//! The actors of a node that serve all its jobs, and how each is replaced.

use std::sync::{Arc, Mutex};

use ractor::{Actor, ActorCell, ActorId, ActorRef, SpawnErr};
use tgs_protocol::unit::Millis;

use super::message::NodeSupervisorMessage;
use crate::{
    checkpoint_writer::{CheckpointWriter, message::CheckpointWriterMessage},
    chunk_sampler::{ChunkSampler, OpenModels, Seat, message::ChunkOrder},
    gpu_worker::{Device, GpuWorker, message::GpuWorkerMessage},
    job_supervisor::message::Lost,
    lease_keeper::{KeeperSeat, LeaseKeeper, message::LeaseKeeperMessage},
    node::NodeConfig,
    notifier::{Notifier, feed::Feeds, message::NotifierMessage},
    ports::Ports,
    restart_window::RestartWindow,
};

/// Who is there to be told something.
#[derive(Clone)]
pub(crate) struct Crew {
    pub(crate) lease_keeper: ActorRef<LeaseKeeperMessage>,
    pub(crate) gpu_worker: ActorRef<GpuWorkerMessage>,
    pub(crate) samplers: Vec<ActorRef<ChunkOrder>>,
    pub(crate) checkpoint_writer: ActorRef<CheckpointWriterMessage>,
    pub(crate) notifier: ActorRef<NotifierMessage>,
}

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    LeaseKeeper,
    GpuWorker,
    ChunkSampler { at: usize },
    CheckpointWriter,
    Notifier,
}

/// The crew, and what outlives each of its members.
pub(super) struct CrewKeeper {
    crew: Crew,
    permit: Arc<Mutex<()>>,
    models: OpenModels,
    feeds: Feeds,
    is_alone: bool,
    /// One per member: keeper, worker, writer, notifier, then the samplers.
    windows: Vec<RestartWindow>,
}

const SINGLE_MEMBERS: usize = 4;

impl CrewKeeper {
    pub(super) async fn start(
        ports: &Ports,
        config: &NodeConfig,
        parent: &ActorRef<NodeSupervisorMessage>,
    ) -> Result<Self, SpawnErr> {
        let (permit, models, feeds) = (Arc::default(), OpenModels::default(), Feeds::default());
        let cell = parent.get_cell();
        let mut samplers = Vec::new();
        for _ in 0..config.samplers.max(1) {
            samplers.push(sampler(ports, &models, &cell).await?);
        }
        let crew = Crew {
            lease_keeper: keeper(ports, config.holder_is_gone, &cell).await?,
            gpu_worker: worker(ports, &permit, &cell).await?,
            checkpoint_writer: spawn(CheckpointWriter, ports.clone(), &cell).await?,
            notifier: spawn(Notifier, feeds.clone(), &cell).await?,
            samplers,
        };
        let windows = vec![RestartWindow::default(); SINGLE_MEMBERS + crew.samplers.len()];
        Ok(Self { crew, permit, models, feeds, is_alone: config.holder_is_gone, windows })
    }

    pub(super) fn crew(&self) -> &Crew {
        &self.crew
    }

    /// Which member this is.
    pub(super) fn member(&self, who: ActorId) -> Option<Member> {
        let crew = &self.crew;
        let singles = [
            (crew.lease_keeper.get_id(), Member::LeaseKeeper),
            (crew.gpu_worker.get_id(), Member::GpuWorker),
            (crew.checkpoint_writer.get_id(), Member::CheckpointWriter),
            (crew.notifier.get_id(), Member::Notifier),
        ];
        let samplers = crew.samplers.iter().enumerate();
        let samplers = samplers.map(|(at, actor)| (actor.get_id(), Member::ChunkSampler { at }));
        singles.into_iter().chain(samplers).find(|(id, _)| *id == who).map(|(_, member)| member)
    }

    /// Puts a new actor in a member's place. If that happens too often, the jobs of a worker fail
    /// for good; without the others no job can be kept, so the node ends and its jobs are
    /// interrupted.
    ///
    /// # Errors
    /// When the node cannot go on, with the reason.
    pub(super) async fn replace(
        &mut self,
        member: Member,
        now: Millis,
        ports: &Ports,
        parent: &ActorRef<NodeSupervisorMessage>,
    ) -> Result<Lost, String> {
        let often = !self.windows[window_of(member)].permits(now);
        let serves_all = !matches!(member, Member::GpuWorker | Member::ChunkSampler { .. });
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
    ) -> Result<Lost, SpawnErr> {
        let cell = parent.get_cell();
        Ok(match member {
            Member::LeaseKeeper => {
                self.crew.lease_keeper = keeper(ports, self.is_alone, &cell).await?;
                Lost::LeaseKeeper
            }
            Member::GpuWorker => {
                self.crew.gpu_worker = worker(ports, &self.permit, &cell).await?;
                Lost::GpuWorker { often }
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
        })
    }
}

fn window_of(member: Member) -> usize {
    match member {
        Member::LeaseKeeper => 0,
        Member::GpuWorker => 1,
        Member::CheckpointWriter => 2,
        Member::Notifier => 3,
        Member::ChunkSampler { at } => SINGLE_MEMBERS + at,
    }
}

async fn keeper(
    ports: &Ports,
    is_alone: bool,
    cell: &ActorCell,
) -> Result<ActorRef<LeaseKeeperMessage>, SpawnErr> {
    spawn(LeaseKeeper, KeeperSeat { ports: ports.clone(), is_alone }, cell).await
}

async fn worker(
    ports: &Ports,
    permit: &Arc<Mutex<()>>,
    parent: &ActorCell,
) -> Result<ActorRef<GpuWorkerMessage>, SpawnErr> {
    let device = Device { ports: ports.clone(), permit: permit.clone() };
    spawn(GpuWorker, device, parent).await
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
