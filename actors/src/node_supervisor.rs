//! The root of a node's actors: starts them, replaces those that fail, knows which jobs are here.
//!
//! An actor that fails is replaced, at most `RESTARTS_MAX` times a minute. Then its failure is
//! escalated: a job is ended with a reason, a worker's jobs fail for good. The node goes on.

pub(crate) mod care;
pub(crate) mod crew;
mod help;
mod jobs_here;
mod lookers;
pub(crate) mod message;

use std::{collections::BTreeMap, sync::Arc};

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tgs_protocol::{
    id::JobId,
    lease::rule::Sighting,
    limits::CHUNKS_OFFERED_PER_SAMPLER,
    presence::{NodeOrder, Standing},
    queue::{Queue, Seats, trust::Trust},
    space::Room,
};
use tokio::sync::{Notify, Semaphore};

use self::{
    care::NodeHealth,
    crew::{Crew, CrewKeeper},
    jobs_here::{GoneBy, JobHere},
    lookers::Door,
    message::{Led, NodeSupervisorMessage},
};
use crate::{
    desk::Desk,
    experience::Learned,
    job_supervisor::{
        Shell,
        message::{JobSupervisorMessage, Lost},
    },
    node::NodeConfig,
    notifier::message::NotifierMessage,
    numerics::Classes,
    peer_keeper::Card,
    ports::Ports,
    work_watch::ProgressSender,
};

/// The actor.
pub(crate) struct NodeSupervisor;

/// What a node is started with.
pub(crate) struct Premises {
    pub(crate) ports: Ports,
    pub(crate) config: Arc<NodeConfig>,
    /// Rings for the dispatcher of notices.
    pub(crate) bell: Arc<Notify>,
    pub(crate) learned: Learned,
    pub(crate) health: NodeHealth,
    pub(crate) numerics: Classes,
}

/// The node's actors and jobs.
pub(crate) struct Floor {
    ports: Ports,
    config: Arc<NodeConfig>,
    learned: Learned,
    health: NodeHealth,
    myself: ActorRef<NodeSupervisorMessage>,
    keeper: CrewKeeper,
    /// Which jobs wait here, and on which device each of the others computes.
    queue: Queue,
    jobs: BTreeMap<JobId, JobHere>,
    /// Where each job, waiting or running, tells how far it is.
    progress: BTreeMap<JobId, ProgressSender>,
    /// What was seen of the leases of jobs that wait here and that others held.
    sightings: BTreeMap<JobId, Sighting>,
    /// Which devices have done well.
    trust: Trust,
    /// On the disk, as last seen.
    room: Room,
    /// Set by a drain: nothing is begun any more.
    is_draining: bool,
    /// Who says what begins here.
    led: Led,
    /// What operators want; none until that was read.
    ordered: Option<NodeOrder>,
    /// Why the machine will be taken away; none while it stays.
    interrupted: Option<String>,
    awaiting_standstill: Vec<RpcReplyPort<()>>,
    /// Places for chunks of other nodes' jobs: as many as samplers have of their own node's, one at
    /// work and one waiting, so that a node that is asked for the next in time never rests.
    places: Arc<Semaphore>,
    /// How many were taken in so far.
    helped: usize,
}

impl Actor for NodeSupervisor {
    type Msg = NodeSupervisorMessage;
    type State = Floor;
    type Arguments = Premises;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        premises: Premises,
    ) -> Result<Floor, ActorProcessingErr> {
        let Premises { ports, config, bell, learned, health, numerics } = premises;
        let desk =
            Desk::new(ports.clone(), myself.clone(), learned.clone(), health.clone(), &config);
        let card = Card {
            ports: ports.clone(),
            config: config.clone(),
            health: health.clone(),
            numerics,
            node: myself.clone(),
        };
        let door = Door { desk: Arc::new(desk), card };
        let keeper = CrewKeeper::start(&ports, &config, &bell, door, &myself).await?;
        let queue = Queue::new(Seats::new(config.devices.iter().copied(), config.memory));
        let (trust, room) = (Trust::default(), Room::above(config.disk_floor));
        let places = keeper.crew().samplers.len() * CHUNKS_OFFERED_PER_SAMPLER;
        let places = Arc::new(Semaphore::new(places));
        // Whoever was emptied takes up nothing in the moment after its start.
        let ordered = ports.board.is_none().then_some(NodeOrder::Work);
        let mut floor = Floor {
            ports,
            config,
            learned,
            health,
            trust,
            room,
            myself,
            keeper,
            queue,
            jobs: BTreeMap::new(),
            progress: BTreeMap::new(),
            sightings: BTreeMap::new(),
            is_draining: false,
            led: Led::default(),
            ordered,
            interrupted: None,
            awaiting_standstill: Vec::new(),
            places,
            helped: 0,
        };
        floor.look_around().await;
        floor
            .myself
            .send_interval(floor.config.look_period(), || NodeSupervisorMessage::LookAround);
        Ok(floor)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        floor: &mut Floor,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            NodeSupervisorMessage::StartJob { job, turn, reply } => {
                let started = floor.start_job(job, turn).await;
                let _ = reply.send(started);
            }
            NodeSupervisorMessage::TakeUp { job, turn, sighting, is_to_end } => {
                floor.take_up(job, turn, sighting, is_to_end).await;
            }
            NodeSupervisorMessage::GoneElsewhere { job } => floor.gone_elsewhere(&job).await,
            NodeSupervisorMessage::Led { is } => floor.led = is,
            NodeSupervisorMessage::EndHere { job } => floor.end_here(&job).await,
            NodeSupervisorMessage::Ordered { order } => floor.ordered(order),
            NodeSupervisorMessage::Interrupted { why } => floor.interrupted(why),
            NodeSupervisorMessage::Help { task, answer } => floor.help(task, answer),
            NodeSupervisorMessage::Hands { reply } => {
                let _ = reply.send(floor.hands());
            }
            NodeSupervisorMessage::Progress { reply } => {
                // Only of jobs that run: those who wait may be many, and tell nothing.
                let running = floor.jobs.keys();
                let told = running.filter_map(|job| {
                    Some((job.clone(), floor.progress.get(job)?.borrow().clone()?))
                });
                let _ = reply.send(told.collect());
            }
            NodeSupervisorMessage::WhyWaiting { job, reply } => {
                let _ = reply.send(floor.queue.why(&job));
            }
            NodeSupervisorMessage::HowLongWaiting { job, reply } => {
                let _ = reply.send(floor.wait_of(&job));
            }
            NodeSupervisorMessage::CancelJob { job, reply } => floor.cancel(job, reply).await,
            NodeSupervisorMessage::WatchJob { job, reply } => {
                let watch = NotifierMessage::Watch { job, reply };
                let _ = floor.crew().notifier.cast(watch);
            }
            NodeSupervisorMessage::LookAround => floor.look_around().await,
            NodeSupervisorMessage::DeviceReported { at, job, has_failed } => {
                floor.device_reported(at, &job, has_failed).await;
            }
            NodeSupervisorMessage::DeviceHangs { at, stage } => floor.device_hangs(at, stage).await,
            NodeSupervisorMessage::DeviceCameBack { at } => floor.device_came_back(at).await,
            NodeSupervisorMessage::Drain { reply } => floor.drain(reply),
        }
        floor.tell_health();
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        floor: &mut Floor,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            // Only jobs stop by themselves, and only when they leave.
            SupervisionEvent::ActorTerminated(who, state, reason) => {
                let end = match state.map(|mut state| state.take::<Shell>()) {
                    None => GoneBy::Failure(reason.unwrap_or_default()),
                    Some(Ok(shell)) if shell.is_unfinished() => {
                        GoneBy::Interruption(shell.demand())
                    }
                    Some(_) => GoneBy::End,
                };
                floor.gone(who.get_id(), end).await;
            }
            SupervisionEvent::ActorFailed(who, error) => {
                tracing::error!(actor = %who.get_id(), %error, "an actor failed");
                floor.gone(who.get_id(), GoneBy::Failure(error.to_string())).await;
            }
            _ => {}
        }
        floor.tell_health();
        Ok(())
    }
}

impl Floor {
    pub(super) fn crew(&self) -> &Crew {
        self.keeper.crew()
    }

    /// What a node does not take up, others do.
    fn ordered(&mut self, order: NodeOrder) {
        let before = self.ordered.replace(order);
        if before == Some(order) {
            return;
        }
        if before.is_some() || order != NodeOrder::Work {
            tracing::warn!(?order, "this node was ordered by its operators");
        }
        match order {
            NodeOrder::Work => {}
            NodeOrder::Cordon => self.send_waiting_away(),
            NodeOrder::Drain => self.hand_over("the node is emptied by its operators"),
        }
    }

    /// The machine will be taken away, or stays after all.
    fn interrupted(&mut self, why: Option<String>) {
        if self.interrupted.is_some() == why.is_some() {
            return;
        }
        self.interrupted.clone_from(&why);
        match why {
            Some(why) => {
                tracing::warn!(why, "this node hands over what it has begun");
                self.hand_over(&why);
            }
            None => tracing::warn!("this machine stays after all"),
        }
    }

    /// What is here goes on elsewhere.
    fn hand_over(&mut self, why: &str) {
        self.send_waiting_away();
        let all: Vec<_> = self.jobs.keys().cloned().collect();
        for job in all {
            self.move_away(&job, why);
        }
    }

    /// Whether it takes up jobs.
    fn standing(&self) -> Standing {
        match (self.is_draining || self.interrupted.is_some(), self.ordered) {
            (true, _) => Standing::Leaving,
            (false, Some(NodeOrder::Work)) => Standing::Working,
            (false, Some(NodeOrder::Cordon) | None) => Standing::Cordoned,
            (false, Some(NodeOrder::Drain)) => Standing::Draining,
        }
    }

    fn is_closed(&self) -> bool {
        self.standing() != Standing::Working
    }

    fn drain(&mut self, reply: RpcReplyPort<()>) {
        self.is_draining = true;
        self.keeper.close();
        self.send_waiting_away();
        for job in self.jobs.values() {
            let _ = job.actor.cast(JobSupervisorMessage::Drain);
        }
        self.awaiting_standstill.push(reply);
        self.say_if_still();
    }

    /// A child is no more: a job that left, or an actor that must be replaced.
    async fn gone(&mut self, who: ActorId, end: GoneBy) {
        let here = self.jobs.iter().find(|(_, job)| job.actor.get_id() == who);
        if let Some(job) = here.map(|(id, _)| id.clone()) {
            self.job_gone(job, end).await;
            self.say_if_still();
        } else if let Some(member) = self.keeper.member(who) {
            let now = self.ports.clock.monotonic();
            match self.keeper.replace(member, now, &self.ports, &self.myself).await {
                Ok(Some(lost)) => self.crew_changed(lost),
                Ok(None) => {} // No job works with it.
                Err(why) => {
                    tracing::error!(why, "the node stops; its jobs can be resumed");
                    self.myself.stop(Some(why));
                }
            }
        }
    }

    fn crew_changed(&self, lost: Lost) {
        for job in self.jobs.values() {
            let crew = self.crew().clone();
            let _ = job.actor.cast(JobSupervisorMessage::CrewChanged { crew, lost });
        }
    }

    fn say_if_still(&mut self) {
        if self.jobs.is_empty() {
            for reply in self.awaiting_standstill.drain(..) {
                let _ = reply.send(());
            }
        }
    }
}
