//! What the root of a node is told and asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ractor::{ActorRef, RpcReplyPort, rpc::CallResult};
use tgs_protocol::{
    desk::Watching,
    id::JobId,
    lease::rule::Sighting,
    limits::ORDER_TAKEN_MS,
    peer::{ChunkTask, PeerAnswer},
    presence::{NodeOrder, Standing},
    progress::Progress,
    queue::{DeviceClass, Turn, Waiting},
    stage::Stage,
    unit::{ByteCount, Millis},
};

/// What is in a node's hands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hands {
    /// Jobs whose turn has not come.
    pub(crate) waiting: BTreeSet<JobId>,
    /// Jobs with a supervisor.
    pub(crate) running: BTreeSet<JobId>,
    /// Devices on which a job could begin now, by class.
    pub(crate) free: BTreeMap<DeviceClass, usize>,
    /// The classes of its devices that are not set aside.
    pub(crate) classes: BTreeSet<DeviceClass>,
    /// Whether it takes up jobs.
    pub(crate) standing: Standing,
    /// Nothing begins: the disk is full.
    pub(crate) is_full: bool,
    /// Memory that jobs share, and what no job has of it.
    pub(crate) memory: ByteCount,
    pub(crate) free_memory: ByteCount,
}

impl Hands {
    /// As the supervisor says; none if it has no time to say it.
    pub(crate) async fn of(node: &ActorRef<NodeSupervisorMessage>) -> Option<Self> {
        let limit = Some(Duration::from_millis(ORDER_TAKEN_MS));
        let question = |reply| NodeSupervisorMessage::Hands { reply };
        match node.call(question, limit).await {
            Ok(CallResult::Success(hands)) => Some(hands),
            Ok(CallResult::Timeout | CallResult::SenderError) | Err(_) => None,
        }
    }
}

/// Who says what begins on a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Led {
    /// The node itself.
    #[default]
    ByNobody,
    /// A leader; what comes in may begin at once, if there is a device free.
    Loosely,
    /// A leader, and nobody else: what is free may be kept for somebody.
    Strictly,
}

/// Mailbox of a node's supervisor.
#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum NodeSupervisorMessage {
    /// Order: go on with this job when its turn comes, unless it is here already.
    StartJob { job: JobId, turn: Turn, reply: RpcReplyPort<Result<(), String>> },
    /// Order: work at this job that nobody works at; what was seen of its lease goes along.
    /// Or end it, where that was ordered.
    TakeUp { job: JobId, turn: Turn, sighting: Sighting, is_to_end: bool },
    /// Fact: this job, which waits here, runs on another node.
    GoneElsewhere { job: JobId },
    /// Fact: a leader says what is to be taken up, or nobody is heard any more.
    Led { is: Led },
    /// Order: end this job, if it runs here; another node was asked to.
    EndHere { job: JobId },
    /// Order: what operators want of this node; said again and again.
    Ordered { order: NodeOrder },
    /// Fact: why this machine will be taken away; none while it stays. Said again and again.
    Interrupted { why: Option<String> },
    /// Order: sample this chunk of another node's job, if there is time for it.
    Help { task: ChunkTask, answer: RpcReplyPort<PeerAnswer> },
    /// Question: what is in this node's hands, and how many more could begin.
    Hands { reply: RpcReplyPort<Hands> },
    /// Question: how far are the jobs that run here.
    Progress { reply: RpcReplyPort<Vec<(JobId, Progress)>> },
    /// Question: why does this job wait; none if it does not wait here.
    WhyWaiting { job: JobId, reply: RpcReplyPort<Option<Waiting>> },
    /// Question: how long will this job still wait; none if it does not wait or nobody knows.
    HowLongWaiting { job: JobId, reply: RpcReplyPort<Option<Millis>> },
    /// Order: end this job for good; the reply comes when it has left.
    CancelJob { job: JobId, reply: RpcReplyPort<()> },
    /// Question: let me watch this job; none if it is not and was not lately here.
    WatchJob { job: JobId, reply: RpcReplyPort<Option<Box<dyn Watching>>> },
    /// Order: look after the disk and the devices.
    LookAround,
    /// Fact: this device is done with a piece of a job's work, or failed at it.
    DeviceReported { at: usize, job: JobId, has_failed: bool },
    /// Fact: the thread of this device gives no sign of life.
    DeviceHangs { at: usize, stage: Stage },
    /// Fact: the thread of a device that hung is done with what it did.
    DeviceCameBack { at: usize },
    /// Order: save and stop everything, begin nothing more; the reply comes at standstill.
    Drain { reply: RpcReplyPort<()> },
}
