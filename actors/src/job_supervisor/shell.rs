//! What a job's supervisor holds: the machine, the lease, the work under way.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use ractor::ActorRef;
use tgs_protocol::{
    id::JobId,
    job::{Job, JobAction, JobEvent, JobRow, action::Tidings},
    lease::{Lease, rule::Sighting},
    queue::{Demand, Seat},
    unit::Steps,
};

use super::{
    claim::Intent,
    message::{JobSupervisorMessage, Lost},
};
use crate::{
    experience::Learned,
    gpu_worker::message::{GpuWorkerMessage, Saving, WorkNo},
    node::NodeConfig,
    node_supervisor::crew::Crew,
    notifier::message::NotifierMessage,
    perform::sampling::Sampling,
    ports::Ports,
    work_watch::{ProgressSender, StopOnDrop},
};

/// What a supervisor is started with.
pub(crate) struct Post {
    pub(crate) job: JobId,
    pub(crate) ports: Ports,
    pub(crate) config: Arc<NodeConfig>,
    pub(crate) crew: Crew,
    pub(crate) learned: Learned,
    pub(crate) intent: Intent,
    /// The device that the job computes on; none where it is only to be ended.
    pub(crate) seat: Option<Seat>,
    /// How many devices share its training: that one, and others that nobody else computes on.
    pub(crate) devices: u32,
    pub(crate) progress: ProgressSender,
    /// What this node saw of its lease before.
    pub(crate) sighting: Option<Sighting>,
}

/// The supervisor's state.
pub(crate) struct Shell {
    pub(crate) id: JobId,
    pub(crate) ports: Ports,
    pub(crate) config: Arc<NodeConfig>,
    pub(crate) crew: Crew,
    pub(crate) learned: Learned,
    pub(crate) myself: ActorRef<JobSupervisorMessage>,
    pub(crate) intent: Intent,
    seat: Option<Seat>,
    pub(crate) devices: u32,
    pub(crate) sighting: Option<Sighting>,
    pub(crate) claim_tries: usize,
    /// Why it is to leave as soon as it is claimed or cannot be.
    pub(crate) moves: Option<String>,
    /// The machine; none before the claim.
    pub(crate) job: Option<Job>,
    pub(crate) lease: Option<Lease>,
    /// The row as it stands in the store.
    pub(crate) saved: Option<Arc<JobRow>>,
    /// Facts the machine has not taken in, actions that were not performed; both in order.
    pub(crate) events: VecDeque<JobEvent>,
    pub(crate) actions: VecDeque<JobAction>,
    /// How often the action at the head of `actions` could not be carried out.
    pub(crate) head_tries: usize,
    /// The action at the head of `actions` waits for its next try.
    pub(crate) is_blocked: bool,
    pub(crate) work: Option<WorkUnderWay>,
    pub(crate) last_work_no: WorkNo,
    /// The snapshot that must be durable before stopped work counts as stopped.
    pub(crate) last_snapshot: Option<(WorkNo, Steps)>,
    pub(crate) saving: Arc<Saving>,
    /// Samplers that kept chunks of this job for too long.
    pub(crate) silent_samplers: BTreeSet<usize>,
    pub(crate) progress: ProgressSender,
    pub(crate) left: bool,
}

/// Work that was begun and has not ended.
pub(crate) struct WorkUnderWay {
    pub(crate) no: WorkNo,
    pub(crate) watch: StopOnDrop,
    pub(crate) by: WorkBy,
}

/// Who does it.
pub(crate) enum WorkBy {
    Device,
    Samplers(Sampling),
}

impl Shell {
    pub(crate) fn new(post: Post, myself: ActorRef<JobSupervisorMessage>) -> Self {
        let Post { job: id, ports, config, crew, learned, intent, .. } = post;
        let Post { seat, devices, progress, sighting, .. } = post;
        Self {
            id,
            ports,
            config,
            crew,
            learned,
            myself,
            intent,
            seat,
            devices,
            sighting,
            claim_tries: 0,
            moves: None,
            job: None,
            lease: None,
            saved: None,
            events: VecDeque::new(),
            actions: VecDeque::new(),
            head_tries: 0,
            is_blocked: false,
            work: None,
            last_work_no: WorkNo(0),
            last_snapshot: None,
            saving: Arc::default(),
            silent_samplers: BTreeSet::new(),
            progress,
            left: false,
        }
    }

    pub(crate) fn is_claimed(&self) -> bool {
        self.job.is_some()
    }

    /// Whether something is left to do for the job, as far as this supervisor knows.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.saved.as_ref().is_none_or(|row| !row.state.is_final())
    }

    /// What the job needs, as it stands in the store.
    pub(crate) fn demand(&self) -> Option<Demand> {
        self.saved.as_deref().map(Demand::of)
    }

    pub(crate) fn has_left(&self) -> bool {
        self.left
    }

    pub(crate) fn is_at_work(&self, work_no: WorkNo) -> bool {
        self.work.as_ref().is_some_and(|work| work.no == work_no)
    }

    /// Whether the present work was in the hands of a lost actor.
    pub(crate) fn works_with(&self, lost: Lost) -> bool {
        match (self.work.as_ref().map(|work| &work.by), lost) {
            (Some(WorkBy::Device), Lost::GpuWorker { at, .. }) => at == self.device_no(),
            (Some(WorkBy::Samplers(sampling)), Lost::ChunkSampler { at, .. }) => {
                sampling.is_out_at(at)
            }
            _ => false,
        }
    }

    /// The worker of the job's device.
    pub(crate) fn device(&self) -> &ActorRef<GpuWorkerMessage> {
        &self.crew.gpu_workers[self.device_no()]
    }

    fn device_no(&self) -> usize {
        self.seat.map_or(0, |seat| seat.0)
    }

    pub(crate) fn tell(&self, tidings: Tidings) {
        let _ = self.crew.notifier.cast(NotifierMessage::Told { job: self.id.clone(), tidings });
    }

    /// Leaves without having touched the job.
    pub(crate) fn leave_unclaimed(&mut self) {
        self.tell(Tidings::Interrupted);
        self.leave();
    }

    /// The end of this actor; dropping the work tells it to stop.
    pub(crate) fn leave(&mut self) {
        self.left = true;
        self.events.clear();
        self.actions.clear();
        self.work = None;
        self.myself.stop(None);
    }
}
