//! Looks at every effect on the store and every word to the outside, and says which promise is
//! broken. It looks after every event, at what the event changed: nothing else can have broken.

mod line;
mod notices;
mod placement;
mod telling;

use std::collections::BTreeMap;

use tgs_protocol::{
    checkpoint::CheckpointFacts,
    code::Code,
    id::Incarnation,
    invariant::{Invariant, caught_with_facts},
    job::{
        JobRow, JobState, Outcome,
        audit::{self, audit},
    },
    limits::RETRY_BACK_OFF_MS,
    placement::{ClusterView, Placement},
    report::Verdict,
    submission::{Inserted, Submission},
    unit::{Epoch, Millis},
};

pub use self::{
    line::{Line, Wrong},
    notices::Hand,
};
use self::{notices::Notices, telling::Telling};
use super::{
    bytes,
    event::ShellNo,
    store::{Bytes, JobNo, Op, Standing, Store, Trace},
};

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// What was broken first.
    pub violation: Option<Violation>,
    overlooks: Option<Invariant>,
    /// Who waits and who computes, on each node.
    pub lines: Vec<Line>,
    now_ms: u64,
    jobs: Vec<Memory>,
    /// In which epoch of the lead each node was last told what to take up.
    led: BTreeMap<Incarnation, Epoch>,
    /// Events in all.
    told: u64,
    notices: Vec<Notices>,
}

/// What is remembered of one job.
#[derive(Debug, Default)]
struct Memory {
    claimed: Epoch,
    holder: Option<ShellNo>,
    /// When its end was first ordered.
    ordered_ms: Option<u64>,
    /// Somebody was told that a table was left.
    is_left_said: bool,
    told: Telling,
}

impl Watchman {
    /// Looks for every promise but one, on nodes with these lines.
    pub fn new(overlooks: Option<Invariant>, lines: Vec<Line>) -> Self {
        Self { overlooks, lines, ..Self::default() }
    }

    /// Remembers the time.
    pub fn wake(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// A promise is broken. Only the first one counts: what follows may follow from it.
    pub fn broken(&mut self, invariant: Invariant, facts: String) {
        if self.violation.is_none() && self.overlooks != Some(invariant) {
            self.violation = Some(Violation { at_ms: self.now_ms, invariant, facts });
        }
    }

    fn holds(&mut self, invariant: Invariant, holds: bool, facts: impl FnOnce() -> String) {
        if !holds {
            self.broken(invariant, facts());
        }
    }

    /// Runs something of `protocol` that watches itself.
    pub fn watching<T>(&mut self, run: impl FnOnce() -> T) -> T {
        let mut done = None;
        let broken = caught_with_facts(|| done = Some(run()));
        broken.into_iter().for_each(|it| self.broken(it.invariant, it.facts));
        done.expect("it was run")
    }

    /// Jobs were placed on a cluster that is like this.
    pub fn placed(&mut self, view: &ClusterView, placement: &Placement<'_>) {
        if let Some((invariant, facts)) = placement::wrong(view, placement) {
            self.broken(invariant, facts);
        }
    }

    /// Nodes were told what to take up: by whoever leads, and by nobody who was overtaken.
    pub fn assigned<'a>(&mut self, told: impl Iterator<Item = &'a Incarnation>, store: &Store) {
        for node in told {
            let Some(epoch) = store.told_in(node) else { continue };
            let newest = self.led.insert(node.clone(), epoch).unwrap_or(epoch);
            self.holds(Invariant::Lease2, epoch >= newest, || {
                format!("{node} is told in epoch {epoch} of the lead, and was in {newest}")
            });
        }
    }

    /// Whoever held this lease last, and did not give it back.
    pub fn holder(&self, job: JobNo) -> Option<ShellNo> {
        self.jobs.get(job.at())?.holder
    }

    /// A lease was claimed.
    pub fn claimed(&mut self, job: JobNo, epoch: Epoch, by: Option<ShellNo>) {
        let memory = &mut self.jobs[job.at()];
        memory.holder = by;
        let last = std::mem::replace(&mut memory.claimed, epoch);
        self.holds(Invariant::Lease1, epoch > last, || format!("epoch {epoch} after {last}"));
    }

    /// A lease was given back.
    pub fn released(&mut self, job: JobNo) {
        self.jobs[job.at()].holder = None;
    }

    /// A job was ordered to end.
    pub fn end_ordered(&mut self, job: JobNo) {
        self.jobs[job.at()].ordered_ms.get_or_insert(self.now_ms);
    }

    /// Work at a job begins, by whoever knows since then that he claimed it.
    pub fn begins(&mut self, job: JobNo, claimed_ms: u64) {
        let is_left = self.jobs[job.at()].ordered_ms.is_none_or(|at_ms| at_ms >= claimed_ms);
        self.holds(Invariant::Job5, is_left, || format!("{job:?} begins, whose end was ordered"));
    }

    /// A job came in.
    pub fn inserted(&mut self, job: JobNo, store: &Store) {
        self.jobs.push(Memory::default());
        self.told += 1;
        let row = &store.jobs[job.at()].row;
        self.jobs[job.at()].told.accepted();
        let is_same = |it: &&Standing| key(&it.row) == key(row) && !it.is_forgotten;
        let count = store.jobs.iter().filter(is_same).count();
        self.holds(Invariant::Effect1, count == 1, || format!("{count} jobs of {:?}", key(row)));
    }

    /// An order was answered.
    pub fn answered(&mut self, sent: Option<&Submission>, inserted: &Inserted, store: &Store) {
        let (Inserted::Known(name) | Inserted::KeyTaken(name)) = inserted else { return };
        let known = store.named(name).and_then(|job| store.jobs[job.at()].row.submission.as_ref());
        let is_right = match inserted {
            Inserted::Known(_) => known == sent,
            _ => known.zip(sent).is_some_and(|(a, b)| a.key == b.key && a.body != b.body),
        };
        self.holds(Invariant::Effect1, is_right, || format!("{inserted:?} answers {sent:?}"));
    }

    /// A guarded write took effect.
    pub fn wrote(&mut self, job: JobNo, op: &Op, trace: Trace, after: &Standing) {
        let newest = self.jobs[job.at()].claimed;
        if let Some(lease) = op.lease() {
            let epoch = lease.epoch;
            self.holds(Invariant::Lease2, epoch >= newest, || {
                format!("epoch {epoch} wrote after {newest}")
            });
        }
        match (op, trace) {
            (Op::Save(..), Trace::Saved(before, told)) => {
                self.saved(job, &before, after);
                let memory = &mut self.jobs[job.at()].told;
                let found = memory.heard(self.told, &told, &after.row);
                self.told += told.len() as u64;
                if let Err(facts) = found {
                    self.broken(Invariant::Event1, facts);
                }
            }
            (Op::SealChunk(_, chunk), Trace::Sealed(before)) => {
                let first = before.unwrap_or(*chunk);
                let is_first = after.chunks.get(&chunk.chunk) == Some(&first);
                let facts = || format!("chunk {} was replaced", chunk.chunk);
                self.holds(Invariant::Chunk1, is_first, facts);
            }
            (Op::Deliver(_, table), _) => self.delivered(*table, &after.row),
            (Op::Prune(..), _) => self.pruned(after),
            _ => {}
        }
    }

    fn saved(&mut self, job: JobNo, before: &JobRow, after: &Standing) {
        let row = &after.row;
        let standing = audit::Standing::of(before);
        let broken = caught_with_facts(|| audit(&standing, row, &after.chunks, &[]));
        broken.into_iter().for_each(|it| self.broken(it.invariant, it.facts));
        let (old, new) = (before.failed_tries, row.failed_tries);
        let is_right = new <= old + 1 && new <= TRIES;
        let tries = || format!("job {}: {new} tries failed after {old}", row.id);
        self.holds(Invariant::Retry1, is_right, tries);
        let leaves_nothing = match &row.state {
            JobState::Ended(Outcome::Failed(failure)) => failure.code != Code::ProgramFailed,
            state => *state == JobState::Ended(Outcome::Cancelled),
        };
        if leaves_nothing && !self.jobs[job.at()].is_left_said {
            let state = || format!("job {} is {}: a table stands there", row.id, row.state);
            self.holds(Invariant::Job5, after.delivered.is_none(), state);
        }
    }

    fn delivered(&mut self, table: tgs_protocol::digest::Digest, row: &JobRow) {
        let report = row.done.report.as_ref().map(|it| it.verdict);
        let is_blocked = report == Some(Verdict::Block);
        self.holds(Invariant::Gate1, !is_blocked, || format!("job {}: delivered", row.id));
        let is_same = table == bytes::undisturbed(row);
        self.holds(Invariant::Same1, is_same, || format!("job {}: other bytes", row.id));
    }

    /// What the row points to is there.
    fn pruned(&mut self, after: &Standing) {
        let pointer = after.row.done.checkpoint.filter(|_| !after.row.state.is_final());
        let is_kept =
            pointer.is_none_or(|it| after.checkpoints.iter().any(|(kept, _)| *kept == it));
        let facts = || format!("job {}: committed checkpoint removed", after.row.id);
        self.holds(Invariant::Gc1, is_kept, facts);
    }

    /// Everything half done of a job was removed.
    pub fn swept(&mut self, after: &Standing) {
        let facts = || format!("job {} was swept in {}", after.row.id, after.row.state);
        self.holds(Invariant::Gc1, after.row.state.is_final(), facts);
    }

    /// Training goes on from a checkpoint, or from the start: from whole bytes, and nothing behind
    /// the committed one while that is whole.
    pub fn resumed(&mut self, from: Option<&CheckpointFacts>, epoch: Epoch, standing: &Standing) {
        let row = &standing.row;
        // Whoever was overtaken does not know what was committed since; nobody will take his work.
        let is_newest = epoch == standing.cell.epoch;
        let is_whole = |facts: &CheckpointFacts| {
            let is_same = facts.digest == bytes::state(&row.request, facts.step);
            is_same && standing.checkpoints.contains(&(*facts, Bytes::Whole))
        };
        let committed = row.done.checkpoint.filter(|it| is_newest && is_whole(it));
        let is_right = from.is_none_or(is_whole)
            && committed.is_none_or(|it| from.is_some_and(|from| from.step >= it.step));
        let facts = || format!("job {}: goes on from {from:?}", row.id);
        self.holds(Invariant::Ckpt1, is_right, facts);
    }

    /// A stage failed so often, and is to be tried again after so long.
    pub fn retries_after(&mut self, job: JobNo, tries: u32, after: Millis) {
        let due = (tries as usize).checked_sub(1).and_then(|at| RETRY_BACK_OFF_MS.get(at));
        let facts = || format!("{job:?}: {after} ms after try {tries}");
        self.holds(Invariant::Retry1, due == Some(&after.get()), facts);
    }

    /// A stage is tried again.
    pub fn retries(&mut self, job: JobNo, waited_ms: u64, after: Millis) {
        let facts = || format!("{job:?}: tried after {waited_ms} ms instead of {after}");
        self.holds(Invariant::Retry1, waited_ms >= after.get(), facts);
    }

    /// Somebody was told how a job ended.
    pub fn told(&mut self, outcome: &Outcome, standing: &Standing) {
        let state = &standing.row.state;
        let is_so = *state == JobState::Ended(outcome.clone());
        self.holds(Invariant::Job3, is_so, || {
            format!("job {}: told {outcome}, is {state}", standing.row.id)
        });
    }

    /// A watcher got these events after the one that it had.
    pub fn watched(&mut self, after: u64, got: &[u64], of: Option<JobNo>, store: &Store) {
        // What was forgotten while the answer was on its way may be in it, or not.
        let is_kept = |no: u64| {
            let told = no.checked_sub(1).and_then(|at| store.log.get(at as usize));
            told.is_some_and(|it| !it.is_forgotten && of.is_none_or(|of| it.job == of))
        };
        let between = |end: u64| {
            let numbers = after + 1..=end;
            numbers.filter(|no| is_kept(*no))
        };
        let last = got.last().copied().unwrap_or(after);
        let are_of = |no: &u64| store.log.get(*no as usize - 1).is_some_and(|it| it.is_forgotten);
        let is_exact = got.iter().copied().filter(|no| !are_of(no)).eq(between(last));
        self.holds(Invariant::Event2, is_exact, || format!("got {got:?} after {after}"));
    }

    /// Files of a job were removed, since its owner asked.
    pub fn emptied(&mut self, job: JobNo, store: &Store) {
        let row = &store.jobs[job.at()].row;
        let facts = || format!("job {} is {}", row.id, row.state);
        self.holds(Invariant::Forget1, row.state.is_final(), facts);
    }

    /// The row of a job was removed: nothing else is left then.
    pub fn forgot(&mut self, job: JobNo, store: &Store) {
        let it = &store.jobs[job.at()];
        let name = &it.row.id;
        let has_ended = it.row.state.is_final();
        self.holds(Invariant::Forget1, has_ended, || format!("job {name} is {}", it.row.state));
        let events = store.log.iter().filter(|told| told.job == job && !told.is_forgotten);
        let kept = [it.chunks.len(), it.checkpoints.len(), it.artifacts.len(), events.count()];
        let is_gone = kept == [0; 4] && it.delivered.is_none() && store.named(name).is_none();
        self.holds(Invariant::Forget1, is_gone, || format!("job {name} leaves {kept:?}"));
    }

    /// A table of a job could not be removed; its owner is told so, once nothing more is tried.
    pub fn left_behind(&mut self, job: JobNo, is_given_up: bool) {
        self.jobs[job.at()].is_left_said = is_given_up;
    }

    /// The world has been calm for long enough: all has ended, and nothing is left of it.
    pub fn at_the_end(&mut self, store: &Store, labours: impl Iterator<Item = String>) {
        let kept = |(_, it): &(usize, &Standing)| !it.is_forgotten;
        for (at, it) in store.jobs.iter().enumerate().filter(kept) {
            let row = &it.row;
            let facts = || format!("job {} is removed in part", row.id);
            self.holds(Invariant::Forget1, !it.is_going, facts);
            let is_over = row.state.is_final();
            self.holds(Invariant::Live1, is_over, || format!("job {} is in {}", row.id, row.state));
            let (invariant, wanted) = match &row.state {
                JobState::Ended(Outcome::Published { .. }) => {
                    (Invariant::Same1, Some(bytes::undisturbed(row)))
                }
                // The log of a program that failed is what it delivers.
                JobState::Ended(Outcome::Failed(failure))
                    if failure.code == Code::ProgramFailed =>
                {
                    (Invariant::Same1, Some(bytes::undisturbed(row)))
                }
                JobState::Ended(Outcome::Withheld { .. }) => (Invariant::Gate1, None),
                _ => (Invariant::Job5, None),
            };
            let is_said = self.jobs[at].is_left_said && invariant == Invariant::Job5;
            let facts = || format!("job {}: {} with {:?}", row.id, row.state, it.delivered);
            self.holds(invariant, it.delivered == wanted || is_said, facts);
            let is_kept = |artifact| it.is_kept(artifact);
            let is_clean = it.chunks.is_empty()
                && it.checkpoints.is_empty()
                && it.artifacts.iter().all(|(artifact, _)| is_kept(*artifact));
            self.holds(Invariant::Gc1, is_clean, || format!("job {}: bytes are left", row.id));
        }
        for held in store.notices.all.iter().filter(|held| !held.is_settled()) {
            let open = held.deliveries.values().filter(|it| it.is_open()).count();
            let facts = format!("subscription {}: {open} notices are open", held.row.id);
            self.broken(Invariant::Live1, facts);
        }
        for labour in labours {
            self.broken(Invariant::Job5, labour);
        }
    }
}

fn key(row: &JobRow) -> Option<&str> {
    row.submission.as_ref().map(|it| it.key.as_str())
}

/// How often a stage is tried again.
const TRIES: u32 = RETRY_BACK_OFF_MS.len() as u32;
