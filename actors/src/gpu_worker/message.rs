//! What a device's worker is told, and what it hands out.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use ractor::ActorRef;
use tgs_protocol::{
    id::JobId,
    job::{JobEvent, JobRow, Work},
    lease::Lease,
    stage::Stage,
    unit::{Millis, Steps},
};

use crate::{job_supervisor::message::JobSupervisorMessage, work_watch::WorkWatch};

/// Mailbox of a device's worker.
#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum GpuWorkerMessage {
    /// Order: do this, after what was ordered before.
    Run(Box<WorkOrder>),
    /// Order: do not begin this, if it has not begun. Begun work hears its watch.
    Withdraw { job: JobId, work_no: WorkNo },
    /// Fact: the thread finished an order.
    Freed,
    /// Order: see whether the thread still lives.
    Look,
}

/// Which piece of work of a supervisor: what an earlier one still says is told from news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct WorkNo(pub(crate) u64);

/// One piece of work for the device.
pub(crate) struct WorkOrder {
    pub(crate) work_no: WorkNo,
    pub(crate) lease: Lease,
    /// The row as it was saved before this work began.
    pub(crate) row: Arc<JobRow>,
    pub(crate) stage: Stage,
    pub(crate) work: Work,
    pub(crate) watch: Arc<WorkWatch>,
    /// What became of the last checkpoint.
    pub(crate) saving: Arc<Saving>,
    /// How many devices are the job's now: this one, and others that wait for it.
    pub(crate) devices: u32,
    /// Mean time from one loss of whoever holds the job to the next, as far as is known.
    pub(crate) loss_every: Millis,
    pub(crate) report_to: ActorRef<JobSupervisorMessage>,
}

/// What became of the last checkpoint; written by the supervisor, read by the training.
#[derive(Debug, Default)]
pub(crate) struct Saving {
    cost_ms: AtomicU64,
    /// The step that the durable pointer names; 0 before the first.
    step: AtomicU64,
}

impl Saving {
    /// How long the last one took, written or not.
    pub(crate) fn took(&self, cost: Millis) {
        self.cost_ms.store(cost.get(), Ordering::Relaxed);
    }
    /// The row that names it is durable.
    pub(crate) fn committed(&self, step: Steps) {
        self.step.fetch_max(step.get(), Ordering::Relaxed);
    }
    pub(crate) fn cost(&self) -> Millis {
        Millis(self.cost_ms.load(Ordering::Relaxed))
    }
    pub(crate) fn step(&self) -> Steps {
        Steps(self.step.load(Ordering::Relaxed))
    }
}

/// How a piece of work ended.
#[derive(Debug)]
pub(crate) enum WorkEnd {
    /// With this result or failure.
    Event(JobEvent),
    /// As asked; a snapshot is there if training was to be kept and got further.
    Stopped(Option<Snapshot>),
}

/// Training as it stood after a step, not yet durable.
pub(crate) struct Snapshot {
    pub(crate) step: Steps,
    pub(crate) bytes: Vec<u8>,
    /// How long taking it kept training waiting.
    pub(crate) cost: Millis,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "snapshot of step {} ({} bytes)", self.step, self.bytes.len())
    }
}
