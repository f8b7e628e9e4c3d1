//! What the made-up store is asked, and what it answers.

use std::rc::Rc;

use tgs_protocol::{
    checkpoint::CheckpointFacts,
    chunk::SealedChunk,
    code::Code,
    digest::Digest,
    id::Incarnation,
    job::JobRow,
    lease::{Lease, LeaseCell},
    submission::Inserted,
    unit::EventNo,
};

use super::{
    board::{BoardOp, BoardReply},
    fault::Kind,
    notifications::{NoticeOp, NoticeReply},
    store::JobNo,
};

/// A call to the store.
#[derive(Debug, Clone)]
pub enum Op {
    /// Add a job, unless its key is known.
    Insert(Rc<JobRow>),
    /// List all jobs that have not ended.
    Unfinished,
    /// Look at these leases, one after the other.
    Leases(Rc<[JobNo]>),
    /// Look whether these jobs were ordered to end, one after the other.
    Orders(Rc<[JobNo]>),
    /// Read a row, and whether the job was ordered to end.
    Glance,
    /// Order a job to end, wherever it is.
    End,
    /// Look at a lease.
    Look,
    /// Take a lease that looks like this.
    Claim(Rc<Incarnation>, LeaseCell),
    /// Say that the holder lives.
    Renew(Rc<Lease>),
    /// Give the lease back.
    Release(Rc<Lease>),
    /// Read row and manifest, and whether the job was ordered to end.
    Read,
    /// Replace the row, and tell what is new in it.
    Save(Rc<Lease>, Rc<JobRow>),
    /// Seal what a stage made.
    Seal(Rc<Lease>, Artifact, Digest),
    /// Make a checkpoint's bytes durable, or some of them.
    Put(Rc<Lease>, CheckpointFacts, Bytes),
    /// Remove all checkpoints but these.
    Prune(Rc<Lease>, Vec<CheckpointFacts>),
    /// Enter a chunk in the manifest.
    SealChunk(Rc<Lease>, SealedChunk),
    /// Write a file where it was asked for.
    Deliver(Rc<Lease>, Digest),
    /// Undo deliveries.
    TakeBack(Rc<Lease>),
    /// Remove everything private and half done.
    Sweep,
    /// Remove all files of a job that is to be removed: as `ArtifactStore::sweep` that keeps none.
    Empty,
    /// Remove what it delivered.
    DropResult,
    /// Remove the row of a job that ended, with its events and its key.
    Forget,
    /// Events after this one, of one job or of all; at most so many.
    Events(EventNo, Option<JobNo>, usize),
    /// Something about notices.
    Notice(NoticeOp),
    /// Something about the lead.
    Board(BoardOp),
}

impl Op {
    /// Whether it changes anything.
    pub fn is_write(&self) -> bool {
        match self {
            Self::Notice(op) => op.is_write(),
            Self::Board(op) => op.is_write(),
            Self::Unfinished | Self::Leases(_) | Self::Orders(_) | Self::Glance => false,
            op => !matches!(op, Self::Look | Self::Read | Self::Events(..)),
        }
    }

    /// Which kind of moment it is for a job that is in this phase.
    pub fn kind(&self, phase: u8) -> Kind {
        match self {
            Self::Notice(op) => Kind::notice(op.number()),
            Self::Board(op) => Kind::board(op.number()),
            Self::Forget => Kind::FORGET,
            Self::Empty => Kind::EMPTY,
            Self::DropResult => Kind::DROP_RESULT,
            Self::Unfinished => Kind::UNFINISHED,
            Self::Leases(_) => Kind::LEASES,
            Self::Orders(_) => Kind::ORDERS,
            Self::Glance => Kind::GLANCE,
            Self::End => Kind::END,
            op => Kind::call(op.number(), phase),
        }
    }

    /// A number for each kind of call about jobs, below 16; others have kinds of their own.
    fn number(&self) -> u8 {
        match self {
            Self::Insert(_) => 0,
            Self::Look => 1,
            Self::Claim(..) => 2,
            Self::Renew(_) => 3,
            Self::Release(_) => 4,
            Self::Read => 5,
            Self::Save(..) => 6,
            Self::Seal(..) => 7,
            Self::Put(..) => 8,
            Self::Prune(..) => 9,
            Self::SealChunk(..) => 10,
            Self::Deliver(..) => 11,
            Self::TakeBack(_) => 12,
            Self::Sweep => 13,
            Self::Events(..) => 14,
            _ => 15,
        }
    }

    /// How long it takes beside its way: leases are read one after the other, and each is a
    /// decision of the database (`docs/benchmarks.md`: 178 a second).
    pub fn takes_ms(&self) -> u64 {
        match self {
            Self::Leases(jobs) => 5 * jobs.len() as u64,
            Self::Orders(jobs) => jobs.len() as u64,
            Self::Board(BoardOp::Muster(jobs)) => 5 * jobs.len() as u64,
            _ => 0,
        }
    }

    /// Whether the network may bring it once more, or long after its sender gave it up: a single
    /// small write, unlike a list of things to remove or bytes that are sent.
    pub fn may_repeat(&self) -> bool {
        match self {
            Self::Notice(op) => op.is_write(),
            Self::Board(op) => op.is_write(),
            Self::Insert(_)
            | Self::End
            | Self::Claim(..)
            | Self::Renew(_)
            | Self::Release(_)
            | Self::Save(..)
            | Self::SealChunk(..) => true,
            _ => false,
        }
    }

    /// The pen that it is written with.
    pub fn lease(&self) -> Option<&Lease> {
        match self {
            Self::Save(lease, _)
            | Self::Seal(lease, ..)
            | Self::Put(lease, ..)
            | Self::Prune(lease, _)
            | Self::SealChunk(lease, _)
            | Self::Deliver(lease, _)
            | Self::TakeBack(lease) => Some(lease),
            _ => None,
        }
    }
}

/// Whether bytes are as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bytes {
    /// All of them.
    Whole,
    /// Some are missing or wrong.
    Torn,
}

/// What stages leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Artifact {
    /// The dataset.
    Dataset,
    /// The profile.
    Profile,
    /// The model.
    Model,
    /// The report.
    Report,
    /// What a program left.
    Files,
}

/// What a call came to.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The order is taken, or was before, or is refused.
    Inserted(Inserted),
    /// Jobs that have not ended, as they stand.
    Unfinished(Vec<(JobNo, Rc<JobRow>)>),
    /// Leases as they are; none of a job that is gone.
    Cells(Vec<Option<LeaseCell>>),
    /// Those of the jobs that were ordered to end.
    Ordered(Vec<JobNo>),
    /// A row, and whether the job was ordered to end.
    Glanced(Rc<JobRow>, bool),
    /// The lease as it is.
    Cell(LeaseCell),
    /// The lease is ours, or somebody else's.
    Claimed(Option<Lease>),
    /// Row and manifest, and whether the job was ordered to end.
    Row(Rc<JobRow>, Vec<SealedChunk>, bool),
    /// Numbers of events.
    Events(Vec<EventNo>),
    /// What a call about the lead came to.
    Board(BoardReply),
    /// What a call about notices came to.
    Notice(NoticeReply),
    /// Done.
    Done,
    /// A later epoch exists.
    Overtaken,
    /// Failed; what happened, if anything, is not known.
    Failed(Code),
}
