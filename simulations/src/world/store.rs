//! The made-up truth: rows, leases, manifests, checkpoints and deliveries, each call one act.
//!
//! Who may write is decided by the very functions that real stores call (`lease/fence.rs`). What a
//! rule-breaking store would do is a [`Flaw`]: tests switch one on and see it caught.

use std::{collections::BTreeMap, rc::Rc};

use tgs_protocol::{
    checkpoint::CheckpointFacts,
    chunk::{ChunkNo, SealedChunk},
    digest::Digest,
    id::{Incarnation, JobId},
    job::JobRow,
    lease::{
        Lease, LeaseCell,
        fence::{Fenced, admit, claim, release, renew, unclaimed},
    },
    unit::Epoch,
};

/// A call to the store.
#[derive(Debug, Clone)]
pub enum Op {
    /// Look at a lease.
    Look,
    /// Take a lease that looks like this.
    Claim(Incarnation, LeaseCell),
    /// Say that the holder lives.
    Renew(Lease),
    /// Give the lease back.
    Release(Lease),
    /// Read row and manifest.
    Read,
    /// Replace the row.
    Save(Lease, Rc<JobRow>),
    /// Seal what a stage made.
    Seal(Lease, Artifact, Digest),
    /// Make a checkpoint's bytes durable.
    Put(Lease, CheckpointFacts),
    /// Enter a chunk in the manifest.
    SealChunk(Lease, SealedChunk),
    /// Write a file where it was asked for.
    Deliver(Lease, Digest),
    /// Undo deliveries.
    TakeBack(Lease),
    /// Remove everything private and half done.
    Sweep,
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
}

/// What a call came to.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The lease as it is.
    Cell(LeaseCell),
    /// The lease is ours, or somebody else's.
    Claimed(Option<Lease>),
    /// Row and manifest.
    Row(Rc<JobRow>, Vec<SealedChunk>),
    /// Done.
    Done,
    /// A later epoch exists.
    Overtaken,
    /// Failed; what happened, if anything, is not known.
    Failed(tgs_protocol::code::Code),
}

/// A rule that the store breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Writes of any epoch are let through.
    ForgetsEpochs,
    /// A claim does not grow the epoch.
    KeepsEpoch,
    /// A chunk that is sealed already is replaced.
    SealsChunksAgain,
    /// An acknowledged row is lost now and then.
    LosesRows,
}

/// One job as it stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Its row.
    pub row: Rc<JobRow>,
    /// Its lease.
    pub cell: LeaseCell,
    /// Its manifest.
    pub chunks: BTreeMap<ChunkNo, SealedChunk>,
    /// Its checkpoints.
    pub checkpoints: Vec<CheckpointFacts>,
    /// What its stages left.
    pub artifacts: BTreeMap<Artifact, Digest>,
    /// What stands where it was asked for.
    pub delivered: Option<Digest>,
}

/// All jobs.
#[derive(Debug, Default)]
pub struct Store {
    /// By name.
    pub jobs: BTreeMap<JobId, Standing>,
    flaw: Option<Flaw>,
    saves: u64,
}

impl Store {
    /// An empty store, with a rule that it breaks, if any.
    pub fn new(flaw: Option<Flaw>) -> Self {
        Self { flaw, ..Self::default() }
    }

    /// Adds a job; false if it is there already.
    pub fn insert(&mut self, row: JobRow) -> bool {
        if self.jobs.contains_key(&row.id) {
            return false;
        }
        let standing = Standing {
            cell: unclaimed(),
            chunks: BTreeMap::new(),
            checkpoints: Vec::new(),
            artifacts: BTreeMap::new(),
            delivered: None,
            row: Rc::new(row),
        };
        self.jobs.insert(standing.row.id.clone(), standing);
        true
    }

    /// Carries a call out.
    pub fn perform(&mut self, job: &JobId, op: &Op) -> Reply {
        let flaw = self.flaw;
        let Some(standing) = self.jobs.get_mut(job) else { return Reply::Overtaken };
        match op {
            Op::Look => Reply::Cell(standing.cell.clone()),
            Op::Read => {
                let chunks = standing.chunks.values().copied().collect();
                Reply::Row(standing.row.clone(), chunks)
            }
            Op::Claim(owner, seen) => {
                let Some(mut cell) = claim(&standing.cell, seen, owner) else {
                    return Reply::Claimed(None);
                };
                if flaw == Some(Flaw::KeepsEpoch) {
                    cell.epoch = standing.cell.epoch.max(Epoch(1));
                }
                let lease = Lease { job: job.clone(), owner: owner.clone(), epoch: cell.epoch };
                standing.cell = cell;
                Reply::Claimed(Some(lease))
            }
            Op::Release(lease) => match release(&standing.cell, lease) {
                Fenced::Held(cell) => {
                    standing.cell = cell;
                    Reply::Done
                }
                Fenced::Overtaken(_) => Reply::Overtaken,
            },
            Op::Sweep => {
                standing.chunks.clear();
                standing.checkpoints.clear();
                standing.artifacts.remove(&Artifact::Dataset);
                standing.artifacts.remove(&Artifact::Profile);
                Reply::Done
            }
            Op::Renew(lease)
            | Op::Save(lease, _)
            | Op::Seal(lease, ..)
            | Op::Put(lease, _)
            | Op::SealChunk(lease, _)
            | Op::Deliver(lease, _)
            | Op::TakeBack(lease) => {
                let is_newest = admit(&standing.cell, lease) == Fenced::Held(());
                if !is_newest && flaw != Some(Flaw::ForgetsEpochs) {
                    return Reply::Overtaken;
                }
                if matches!(op, Op::Save(..)) {
                    self.saves += 1;
                    if flaw == Some(Flaw::LosesRows) && self.saves.is_multiple_of(7) {
                        return Reply::Done;
                    }
                }
                standing.write(op, flaw)
            }
        }
    }
}

impl Standing {
    fn write(&mut self, op: &Op, flaw: Option<Flaw>) -> Reply {
        match op {
            Op::Renew(_) => self.cell = renew(self.cell.clone()),
            Op::Save(_, row) => self.row = row.clone(),
            Op::Seal(_, artifact, digest) => {
                self.artifacts.insert(*artifact, *digest);
            }
            Op::Put(_, facts) => {
                self.checkpoints.retain(|known| known != facts);
                self.checkpoints.push(*facts);
            }
            Op::SealChunk(_, chunk) => {
                let known = self.chunks.entry(chunk.chunk).or_insert(*chunk);
                if flaw == Some(Flaw::SealsChunksAgain) {
                    let torn = Digest::of(&chunk.digest.as_bytes()[..]);
                    *known = SealedChunk { digest: torn, ..*chunk };
                }
            }
            Op::Deliver(_, digest) => self.delivered = Some(*digest),
            Op::TakeBack(_) => self.delivered = None,
            _ => {}
        }
        Reply::Done
    }
}
