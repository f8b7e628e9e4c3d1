//! What can happen in a world, and who waits for what.

use tgs_protocol::{
    job::{JobEvent, Work},
    unit::Millis,
};

use super::{
    fault::Fault,
    store::{Op, Reply},
    subscribers::Wish,
};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);
    };
}

number! {
    /// A job by the order in which it came into the store.
    JobNo
}
number! {
    /// One supervisor of a job, in one boot of one node; never given twice.
    ShellNo
}
number! {
    /// One call to the store that is under way.
    CallNo
}
number! {
    /// One letter that is under way.
    LetterNo
}
number! {
    /// One attempt at a notice that is under way.
    AttemptNo
}

impl JobNo {
    /// As a place in a list.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

impl ShellNo {
    /// As a place in a list.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// Something that happens.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// A call takes effect in the store.
    Reach(CallNo),
    /// Its answer is there, or its sender gives it up.
    Answer(CallNo),
    /// A letter reaches a supervisor.
    Letter(ShellNo, LetterNo),
    /// Work goes on.
    Toil(ShellNo, u32),
    /// A node looks at its leases.
    Tick { node: u32, boot: u32 },
    /// A node looks for jobs that nobody works at.
    Find { node: u32, boot: u32 },
    /// A node looks who leads, or places jobs.
    Lead { node: u32, boot: u32 },
    /// A node that stood still says what it had decided when it led.
    Speak { node: u32, boot: u32 },
    /// A node says that it is there.
    Say { node: u32, boot: u32 },
    /// A node asks what its operators want of it.
    Heed { node: u32, boot: u32 },
    /// A node hears that its machine will be taken away, or that it stays after all.
    Interrupt { node: u32, boot: u32, stays: bool },
    /// A process is asked to make place for a newer one.
    Upgrade(u32),
    /// A process is started.
    Boot(u32),
    /// A process is killed, if it still is the one that was told.
    Kill { node: u32, boot: u32 },
    /// Something goes wrong, as planned.
    Trouble(Fault),
    /// Somebody sends an order, unless it was answered since.
    Send { sender: u32 },
    /// Somebody cancels an order's job.
    Cancel { order: u32, times: u32 },
    /// Somebody removes an order's job, once it has ended.
    Forget { order: u32, times: u32 },
    /// A watcher asks for events.
    Poll { watcher: u32, connection: u32 },
    /// Whoever sends notices in a process is woken.
    Look { node: u32, boot: u32 },
    /// He looks without being woken.
    Alarm { node: u32, boot: u32, no: u32 },
    /// A notice reaches its receiver.
    Arrival(AttemptNo),
    /// Its sender knows what came of it, or gives it up.
    AttemptEnd(AttemptNo),
    /// A subscriber asks for something.
    Wish { subscriber: u32, wish: Wish },
}

/// What a supervisor is told.
#[derive(Debug, Clone)]
pub enum Letter {
    /// Claim the job, or look whether it may be claimed.
    Claim,
    /// End the job.
    Cancel,
    /// Stop and hand the job over.
    Drain,
    /// Leave the device, and wait for another one.
    Move,
    /// Work number so many says this.
    Fact { work_no: u32, event: JobEvent },
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
    /// What is asked.
    pub op: Op,
    /// About which job; that of an order that is sent comes with the answer.
    pub job: Option<JobNo>,
    /// Of which order or watcher, for chance.
    pub of: u32,
    /// From which node, in which boot of it.
    pub from: (u32, u32),
    /// Who goes on with the answer.
    pub asker: Asker,
    /// The answer, once there is one.
    pub reply: Option<Reply>,
    /// How often it still takes effect or is answered; then it is forgotten.
    pub left: u8,
}

/// Who waits for the answer of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Asker {
    /// The supervisor, which does nothing else meanwhile.
    Shell {
        /// Which.
        shell: ShellNo,
        /// When it was sent, on the node's own clock.
        sent: Millis,
    },
    /// The keeper of leases.
    Keeper {
        /// For whom.
        shell: ShellNo,
        /// When it was sent, on the node's own clock.
        sent: Millis,
    },
    /// The work.
    Work {
        /// Of which supervisor.
        shell: ShellNo,
        /// Which.
        work_no: u32,
    },
    /// The writer of checkpoints, which does one thing after the other.
    Writer {
        /// Of which supervisor.
        shell: ShellNo,
        /// For which work.
        work_no: u32,
    },
    /// The front of a node, for somebody who sends an order.
    Front {
        /// Who.
        sender: u32,
    },
    /// The front of a node, for somebody who follows events.
    Watcher {
        /// Who.
        watcher: u32,
        /// Answers of earlier connections are not heard.
        connection: u32,
    },
    /// Whoever sends notices there.
    Dispatcher,
    /// The front of a node, for a subscriber.
    Subscriber {
        /// Who.
        subscriber: u32,
        /// What he asked for.
        wish: Wish,
    },
    /// The desk of a node, which removes a job.
    Remover,
    /// The desk of a node, which was sent an order that it knows.
    Starter,
    /// The desk of a node, which ends a job for somebody.
    Ender,
    /// Whoever finds jobs there.
    Finder,
    /// Whoever leads, or would.
    Leader,
    /// Nobody.
    Nobody,
}

/// Work under way.
#[derive(Debug)]
pub struct Labour {
    /// Which.
    pub no: u32,
    /// What is to be done.
    pub work: Work,
    /// It was told to stop.
    pub is_stopping: bool,
    /// What it has reached is to be kept.
    pub is_to_keep: bool,
    /// Training: steps done. Sampling: chunks begun. Publishing: tables delivered.
    pub at: u64,
    /// It waits for the store.
    pub is_waiting: bool,
}

impl Labour {
    /// Every chunk is on its way: nothing is left that could be stopped.
    pub fn has_begun_all(&self) -> bool {
        matches!(&self.work, Work::Sample { chunks } if self.at >= chunks.len() as u64)
    }
}
