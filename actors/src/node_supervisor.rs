//! The root of a node's actors: starts them, replaces those that fail, knows which jobs are here.
//!
//! An actor that fails is replaced, at most `RESTARTS_MAX` times a minute. Then its failure is
//! escalated: a job is ended with a reason, a worker's jobs fail for good. The node goes on.

pub(crate) mod crew;
mod jobs_here;
pub(crate) mod message;

use std::{collections::BTreeMap, sync::Arc};

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tgs_protocol::{
    id::JobId,
    queue::{Queue, Seats},
};
use tokio::sync::Notify;

use self::{
    crew::{Crew, CrewKeeper},
    jobs_here::JobHere,
    message::NodeSupervisorMessage,
};
use crate::{
    job_supervisor::message::{JobSupervisorMessage, Lost},
    node::NodeConfig,
    notifier::message::NotifierMessage,
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
}

/// The node's actors and jobs.
pub(crate) struct Floor {
    ports: Ports,
    config: Arc<NodeConfig>,
    myself: ActorRef<NodeSupervisorMessage>,
    keeper: CrewKeeper,
    /// Which jobs wait here, and on which device each of the others computes.
    queue: Queue,
    jobs: BTreeMap<JobId, JobHere>,
    /// Where each job, waiting or running, tells how far it is.
    progress: BTreeMap<JobId, ProgressSender>,
    /// Set by a drain: nothing is begun any more.
    is_draining: bool,
    awaiting_standstill: Vec<RpcReplyPort<()>>,
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
        let Premises { ports, config, bell } = premises;
        let keeper = CrewKeeper::start(&ports, &config, &bell, &myself).await?;
        let queue = Queue::new(Seats::new(config.devices.iter().copied(), config.memory));
        Ok(Floor {
            ports,
            config,
            myself,
            keeper,
            queue,
            jobs: BTreeMap::new(),
            progress: BTreeMap::new(),
            is_draining: false,
            awaiting_standstill: Vec::new(),
        })
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
            NodeSupervisorMessage::Progress { reply } => {
                let told = floor.progress.iter();
                let known =
                    told.filter_map(|(job, told)| Some((job.clone(), told.borrow().clone()?)));
                let _ = reply.send(known.collect());
            }
            NodeSupervisorMessage::WhyWaiting { job, reply } => {
                let _ = reply.send(floor.queue.why(&job));
            }
            NodeSupervisorMessage::CancelJob { job, reply } => floor.cancel(job, reply).await,
            NodeSupervisorMessage::WatchJob { job, reply } => {
                let watch = NotifierMessage::Watch { job, reply };
                let _ = floor.crew().notifier.cast(watch);
            }
            NodeSupervisorMessage::Drain { reply } => floor.drain(reply),
        }
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
                let failed = state.is_none().then(|| reason.unwrap_or_default());
                floor.gone(who.get_id(), failed).await;
            }
            SupervisionEvent::ActorFailed(who, error) => {
                tracing::error!(actor = %who.get_id(), %error, "an actor failed");
                floor.gone(who.get_id(), Some(error.to_string())).await;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Floor {
    pub(super) fn crew(&self) -> &Crew {
        self.keeper.crew()
    }

    fn drain(&mut self, reply: RpcReplyPort<()>) {
        self.is_draining = true;
        self.send_waiting_away();
        for job in self.jobs.values() {
            let _ = job.actor.cast(JobSupervisorMessage::Drain);
        }
        self.awaiting_standstill.push(reply);
        self.say_if_still();
    }

    /// A child is no more: a job that left, or an actor that must be replaced.
    async fn gone(&mut self, who: ActorId, failed: Option<String>) {
        let here = self.jobs.iter().find(|(_, job)| job.actor.get_id() == who);
        if let Some(job) = here.map(|(id, _)| id.clone()) {
            self.job_gone(job, failed).await;
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
