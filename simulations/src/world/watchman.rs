//! Looks at every effect on the store and every word to the outside, and says which promise is
//! broken.

use std::collections::BTreeMap;

use tgs_protocol::{
    checkpoint::CheckpointFacts,
    id::JobId,
    invariant::{Invariant, caught},
    job::{
        JobRow, JobState, Outcome,
        audit::{self, audit},
    },
    lease::Lease,
    unit::Epoch,
};

use super::{
    bytes,
    store::{Op, Reply, Standing, Store},
};

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// When.
    pub at_ms: u64,
    /// Which.
    pub invariant: Invariant,
    /// How.
    pub facts: String,
}

/// What is remembered of the past.
#[derive(Debug, Default)]
pub struct Watchman {
    claimed: BTreeMap<JobId, Epoch>,
    /// What was broken, first things first.
    pub violations: Vec<Violation>,
}

impl Watchman {
    fn broken(&mut self, at_ms: u64, invariant: Invariant, facts: String) {
        self.violations.push(Violation { at_ms, invariant, facts });
    }

    /// A call took effect, or was refused.
    pub fn saw(&mut self, at_ms: u64, before: &Standing, op: &Op, reply: &Reply, after: &Standing) {
        let job = &before.row.id;
        match (op, reply) {
            (Op::Claim(..), Reply::Claimed(Some(lease))) => {
                let last = self.claimed.insert(job.clone(), lease.epoch).unwrap_or(Epoch(0));
                if lease.epoch <= last {
                    let facts = format!("job {job}: epoch {} after {last}", lease.epoch);
                    self.broken(at_ms, Invariant::Lease1, facts);
                }
            }
            (Op::Save(lease, _), Reply::Done) => {
                self.wrote(at_ms, lease);
                let standing = audit::Standing::of(&before.row);
                let row = &after.row;
                let broken = caught(|| audit(&standing, row, &before.chunks, &[]));
                for invariant in broken {
                    let facts = format!("job {job}: {} to {}", before.row.state, row.state);
                    self.broken(at_ms, invariant, facts);
                }
            }
            (Op::SealChunk(lease, chunk), Reply::Done) => {
                self.wrote(at_ms, lease);
                let first = before.chunks.get(&chunk.chunk).unwrap_or(chunk);
                if after.chunks.get(&chunk.chunk) != Some(first) {
                    let facts = format!("job {job}: chunk {} was replaced", chunk.chunk);
                    self.broken(at_ms, Invariant::Chunk1, facts);
                }
            }
            (Op::Deliver(lease, table), Reply::Done) => {
                self.wrote(at_ms, lease);
                if *table != bytes::undisturbed(&before.row) {
                    let facts = format!("job {job}: other bytes than undisturbed");
                    self.broken(at_ms, Invariant::Job1, facts);
                }
            }
            (Op::Seal(lease, ..) | Op::Put(lease, _) | Op::TakeBack(lease), Reply::Done) => {
                self.wrote(at_ms, lease);
            }
            _ => {}
        }
    }

    fn wrote(&mut self, at_ms: u64, lease: &Lease) {
        let newest = self.claimed.get(&lease.job).copied().unwrap_or(lease.epoch);
        if lease.epoch < newest {
            let facts = format!("job {}: epoch {} wrote after {newest}", lease.job, lease.epoch);
            self.broken(at_ms, Invariant::Lease2, facts);
        }
    }

    /// Training goes on from a checkpoint.
    pub fn resumed(&mut self, at_ms: u64, row: &JobRow, facts: &CheckpointFacts) {
        if facts.digest != bytes::state(&row.request, facts.step) {
            let facts = format!("job {}: step {} of another training", row.id, facts.step);
            self.broken(at_ms, Invariant::Ckpt1, facts);
        }
    }

    /// Somebody was told how a job ended.
    pub fn told(&mut self, at_ms: u64, job: &JobId, outcome: &Outcome, store: &Store) {
        let state = store.jobs.get(job).map(|standing| &standing.row.state);
        if state != Some(&JobState::Ended(outcome.clone())) {
            self.broken(at_ms, Invariant::Job3, format!("job {job}: told {outcome}, is {state:?}"));
        }
    }

    /// The world is calm and has had its time: all must have ended, and as they should.
    pub fn at_the_end(&mut self, at_ms: u64, store: &Store) {
        for standing in store.jobs.values() {
            let row = &standing.row;
            let wanted = match &row.state {
                JobState::Ended(Outcome::Published { .. }) => Some(bytes::undisturbed(row)),
                JobState::Ended(_) => None,
                state => {
                    let facts = format!("job {}: never ended, is in {state}", row.id);
                    self.broken(at_ms, Invariant::Job2, facts);
                    continue;
                }
            };
            if standing.delivered != wanted {
                let facts = format!("job {}: {} with {:?}", row.id, row.state, standing.delivered);
                self.broken(at_ms, Invariant::Gate1, facts);
            }
        }
    }
}
