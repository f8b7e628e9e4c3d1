//! What can happen in a world, and who waits for what.

use tgs_protocol::{
    id::JobId,
    job::{JobEvent, Work},
    unit::{Millis, Steps},
};

use super::store::{Op, Reply};

/// One supervisor of a job, in one boot of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShellNo(pub u64);

/// One call to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallNo(pub u64);

/// Something that happens.
#[derive(Debug)]
pub enum Event {
    /// A call takes effect in the store.
    Reach(CallNo),
    /// Its answer is there.
    Answer(CallNo),
    /// A letter reaches a supervisor.
    Letter(ShellNo, Letter),
    /// Work goes on.
    Toil(ShellNo, u64),
    /// A node looks for jobs that nobody has, and at its leases.
    Tick { node: usize, boot: u64 },
    /// A process dies.
    Crash(usize),
    /// It is started again.
    Boot(usize),
    /// It stands still for a while, and knows nothing of it.
    Freeze(usize),
    /// Someone submits job number so many.
    Submit(u64),
    /// Someone cancels it.
    Cancel(JobId),
}

/// What a supervisor is told.
#[derive(Debug, Clone)]
pub enum Letter {
    /// Claim the job, or look whether it may be claimed.
    Claim,
    /// End the job.
    Cancel,
    /// Work number so many says this.
    Fact { work_no: u64, event: JobEvent },
    /// The machine's own timer.
    RetryDue,
    /// Write the row again.
    SaveAgain,
    /// The lease may be lost.
    StandDown,
}

/// A call under way.
#[derive(Debug)]
pub struct Call {
    /// Whose.
    pub shell: ShellNo,
    /// About which job.
    pub job: JobId,
    /// What is asked.
    pub op: Op,
    /// Who goes on with the answer.
    pub asker: Asker,
    /// The answer, once there is one.
    pub reply: Option<Reply>,
}

/// Who waits for the answer of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Asker {
    /// The supervisor, which does nothing else meanwhile.
    Shell {
        /// When it was sent, on the node's own clock.
        sent: Millis,
    },
    /// The keeper of leases.
    Keeper {
        /// When it was sent, on the node's own clock.
        sent: Millis,
    },
    /// The work.
    Work {
        /// Which.
        work_no: u64,
    },
}

/// Work under way.
#[derive(Debug)]
pub struct Labour {
    /// Which.
    pub no: u64,
    /// What is to be done.
    pub work: Work,
    /// It was told to stop.
    pub is_stopping: bool,
    /// Training: steps done. Sampling: chunks done.
    pub at: Steps,
    /// It waits for the store.
    pub is_waiting: bool,
}
