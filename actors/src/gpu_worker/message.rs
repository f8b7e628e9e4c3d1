//! What a device's worker is told, and what it hands out.

use std::sync::Arc;

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
pub(crate) enum GpuWorkerMessage {
    /// Order: do this, after what was ordered before.
    Run(Box<WorkOrder>),
    /// Order: do not begin this, if it has not begun. Begun work hears its watch.
    Withdraw { job: JobId, work_no: WorkNo },
    /// Fact: the thread finished an order.
    Freed,
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
    /// What the last checkpoint cost.
    pub(crate) saving_cost: Arc<SavingCost>,
    pub(crate) report_to: ActorRef<JobSupervisorMessage>,
}

/// What the last checkpoint cost, in milliseconds; written by the supervisor, read by the training.
#[derive(Debug, Default)]
pub(crate) struct SavingCost(std::sync::atomic::AtomicU64);

impl SavingCost {
    pub(crate) fn set(&self, cost: Millis) {
        self.0.store(cost.get(), std::sync::atomic::Ordering::Relaxed);
    }
    pub(crate) fn get(&self) -> Millis {
        Millis(self.0.load(std::sync::atomic::Ordering::Relaxed))
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
