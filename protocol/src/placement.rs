//! Which node of a cluster takes which waiting job.
//!
//! A rule of one entrance: what is there goes in, what each node should take up comes out. Nothing
//! is decided by it but what is done *sooner*: whether a job is a node's is decided by its claim.
//!
//! **Who is next.** Between tenants whoever has fewest devices for its weight; within a tenant by
//! turn, as in `queue.rs`. With one tenant it is the order of the queue.
//!
//! **Where it may be** (`view.rs`, `kind.rs`). Never outside its regions, on a spot machine if it
//! may not, beyond its tenant's quota, or parted: a gang has all its devices on one node. A node
//! without a device of its class serves with any, and one that needs more memory than any node has
//! takes all of the largest, as in the queue. A job that began in a numerics class waits for a node
//! of that class, for a bounded time.
//!
//! **Where it is better** (`kind.rs`). Among nodes that are equal to it, on the one that has least
//! memory left over: what is large stays whole for who needs it, and what is empty can be given
//! back. What runs on the same node does not disturb: it has devices and memory of its own.
//!
//! **Nobody starves** (`placer/keep.rs`), and **nothing sways**: what was assigned stays while it
//! may, so a second placement changes nothing. The same view gives the same answer, in whatever
//! order it names things.
//!
//! A node of the cluster leads (`leadership.rs`): it knows who waits (`leader.rs`), and tells the
//! others where jobs are to run (`board.rs`).
//!
//! Invariants kept here: PLACE-1, PLACE-2, PLACE-3.

pub mod board;
mod kind;
pub mod leader;
pub mod leadership;
mod line;
mod placer;
mod room;
pub mod shares;
mod view;

pub use self::view::{ClusterNode, ClusterView, Devices, Last, Share, Site, WaitingJob};
use crate::id::{Incarnation, JobId};

/// Says where waiting jobs are to run, and why the others wait.
pub fn place(view: &ClusterView) -> Placement<'_> {
    let mut placer = placer::Placer::of(view);
    placer.keep_assignments();
    placer.keep_kept();
    while placer.pass() {}
    placer.answer()
}

/// What becomes of every waiting job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement<'a> {
    /// Jobs that have a node: those that had it before, then the others by their turns.
    pub assignments: Vec<Assignment<'a>>,
    /// Those that have none, by their turns.
    pub unplaced: Vec<Waits<'a>>,
}

/// A job is to be taken up by a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment<'a> {
    /// Which job.
    pub job: &'a JobId,
    /// By whom.
    pub node: &'a Incarnation,
    /// The node was not told yet, or must be told again.
    pub is_new: bool,
    /// It would compute in another numerics class than it began in, or in one that nobody knows.
    pub leaves_class: bool,
}

/// A job that has no node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits<'a> {
    /// Which.
    pub job: &'a JobId,
    /// Why.
    pub why: Unplaced<'a>,
}

/// Why a job has no node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unplaced<'a> {
    /// No node works.
    NoNode,
    /// None of those that work stands where its data may be.
    Region,
    /// Those that do are spot machines, and it may not use them.
    OnlySpot,
    /// None of those that it may use has as many devices.
    Gang,
    /// It is left alone for a while after a failed try.
    Rests,
    /// Its tenant has as many devices as it may.
    Quota,
    /// Nodes of the numerics class that it began in have no room.
    Class,
    /// No node has room, and this one is kept for it.
    Kept {
        /// Which node.
        node: &'a Incarnation,
    },
    /// No node that it may use has room.
    Room,
}

#[cfg(test)]
mod tests;
