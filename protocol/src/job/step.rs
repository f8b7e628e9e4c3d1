//! The job machine: facts in, actions out. The only place that decides what happens next to a job.
//!
//! A result counts only as the answer to the work that was begun for it, so an event that comes
//! twice or too late changes nothing. Every change of the row is saved before anything is built on
//! it. Invariants kept here, and checked after every step by `audit.rs`: JOB-1 (sealed chunks are
//! the exact partition), JOB-2 (states move only as `state.rs` allows), JOB-3 (nothing follows the
//! end), JOB-4 (results never change), CHUNK-1 (a chunk is sealed once), CKPT-1 (the checkpoint
//! never moves back), GATE-1 (a blocked table is never published).

mod ending;
mod tries;
mod work;

use std::collections::BTreeMap;

use self::ending::Leaving;
use crate::{
    chunk::{self, ChunkNo, SealedChunk},
    code::Code,
    engine::DatasetFacts,
    invariant::{Invariant, caught_with_facts, holds, violated},
    job::{
        action::{JobAction, Tidings, Work},
        audit::{Standing, audit},
        event::JobEvent,
        outcome::{Failure, Outcome},
        row::JobRow,
        state::JobState,
    },
    program::RunFacts,
    report::Verdict,
    stage::Stage,
    unit::{Millis, Timestamp},
};

/// One job in the hands of one supervisor.
#[derive(Debug, Clone)]
pub struct Job {
    row: JobRow,
    sealed: BTreeMap<ChunkNo, SealedChunk>,
    hold: Hold,
    leaving: Option<Leaving>,
    /// When it was claimed, and how long it had been in the hands of nodes before.
    claimed: Option<(Timestamp, Millis)>,
    claimant: Claimant,
    /// Back-offs that were begun and are not over.
    back_offs: u32,
}

/// By whom and from whom a job is claimed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimant {
    /// For the timeline; empty where there is one node only.
    pub words: String,
    /// How long nothing was written before, where whoever held it was lost.
    pub after: Option<Millis>,
}

/// How the supervisor holds the job.
#[derive(Debug, Clone, PartialEq)]
enum Hold {
    /// The lease is held, but what was done before is not taken up yet.
    New,
    /// Claimed, and nothing runs: a back-off is under way.
    Waiting,
    /// This was begun and has not ended.
    Working(Work),
    /// Told to leave after a last save, which may still be refused or fail.
    Left,
    /// Left for good: no event matters any more.
    Gone,
}

impl Job {
    /// Takes a row read from the store. Orders that come before [`JobEvent::Claimed`] are
    /// remembered.
    pub fn new(row: JobRow) -> Self {
        Self {
            row,
            sealed: BTreeMap::new(),
            hold: Hold::New,
            leaving: None,
            claimed: None,
            claimant: Claimant::default(),
            back_offs: 0,
        }
    }

    /// The same, with by whom it is claimed, and from whom.
    #[must_use]
    pub fn claimed_by(self, claimant: Claimant) -> Self {
        Self { claimant, ..self }
    }

    /// The row as of the last step.
    pub fn row(&self) -> &JobRow {
        &self.row
    }

    /// Takes in one event and says what must be done.
    pub fn step(&mut self, now: Timestamp, event: JobEvent) -> Vec<JobAction> {
        let (before, mut actions) = (Standing::of(&self.row), Vec::new());
        let broken = caught_with_facts(|| {
            self.row.changed_at = now;
            self.count_time(now);
            actions = self.react(now, event);
            audit(&before, &self.row, &self.sealed, &actions);
        });
        let Some(first) = broken.first() else { return actions };
        let failure = Failure::new(self.row.stage(), Code::Internal, first.to_string());
        broken.iter().for_each(|it| violated(it.invariant, format_args!("{}", it.facts)));
        // Nothing that was decided is carried out: the store holds the job as it last was right.
        self.save_failed(failure)
    }

    fn react(&mut self, now: Timestamp, event: JobEvent) -> Vec<JobAction> {
        match (&self.hold, event) {
            (Hold::Gone, _) => Vec::new(),
            (_, JobEvent::SaveFailed(failure)) => self.save_failed(failure),
            (_, JobEvent::Overtaken) => self.overtaken(),
            (Hold::Left, _) => Vec::new(),
            (Hold::New, JobEvent::Claimed { epoch, sealed }) => {
                let Claimant { words, after } = std::mem::take(&mut self.claimant);
                self.row.log(now, format!("claimed in epoch {epoch}{words}"));
                after.into_iter().for_each(|silence| self.row.losses.add(silence));
                self.claimed = Some((now, self.row.ran));
                self.claimed(now, sealed)
            }
            (Hold::New, _) if self.row.state.is_final() => Vec::new(),
            (_, JobEvent::CancelAsked) => self.leave(now, Leaving::Cancelled),
            (_, JobEvent::DrainAsked) => self.leave(now, Leaving::Drained),
            (Hold::New, JobEvent::StageFailed(failure)) => self.end(now, Outcome::Failed(failure)),
            (Hold::New, _) | (_, JobEvent::Claimed { .. }) => Vec::new(),
            (_, JobEvent::RetryDue) => self.retry_due(now),
            (Hold::Working(_), JobEvent::WorkStopped) => self.work_ended(now),
            (Hold::Working(_), JobEvent::StageFailed(failure)) => self.failed(now, failure),
            (_, JobEvent::CheckpointWritten(facts)) => {
                let is_training = self.row.state == (JobState::Running { stage: Stage::Train });
                let newest = self.row.done.checkpoint;
                let is_newer =
                    newest.is_none_or(|old| (old.step, old.epoch) < (facts.step, facts.epoch));
                if !(is_training && is_newer) {
                    return Vec::new();
                }
                (self.row.done.checkpoint, self.row.failed_tries) = (Some(facts), 0);
                vec![self.save()]
            }
            (_, JobEvent::ChunkSealed(chunk)) => self.chunk_sealed(now, chunk),
            (_, JobEvent::Noticed(what)) => self.notice(now, what),
            (_, JobEvent::ComputesIn(class)) => {
                self.row.done.goes_on_in(class).map_or_else(Vec::new, |said| self.notice(now, said))
            }
            (Hold::Working(work), result) if work.is_answered_by(&result) => {
                self.stage_done(now, result)
            }
            (Hold::Waiting | Hold::Working(_), _) => Vec::new(),
        }
    }

    /// Clocks of people may be set back; what was counted stays counted.
    fn count_time(&mut self, now: Timestamp) {
        if let Some((since, before)) = self.claimed {
            let held = now.get().saturating_sub(since.get());
            self.row.ran = Millis(before.get().saturating_add(held)).max(self.row.ran);
        }
    }

    fn notice(&mut self, now: Timestamp, what: String) -> Vec<JobAction> {
        self.row.log(now, what.clone());
        vec![self.save(), JobAction::Tell(Tidings::Notice(what))]
    }

    fn claimed(&mut self, now: Timestamp, sealed: Vec<SealedChunk>) -> Vec<JobAction> {
        if self.row.state.is_final() {
            // Whoever ended it may have been killed before it swept.
            self.hold = Hold::Gone;
            return vec![JobAction::Release, JobAction::Sweep, JobAction::Leave];
        }
        sealed.into_iter().for_each(|chunk| self.take_chunk(chunk));
        self.row.suspended = false;
        self.go_on(now)
    }

    /// Puts a stage's result into the row and goes on.
    fn stage_done(&mut self, now: Timestamp, result: JobEvent) -> Vec<JobAction> {
        let mut told = Vec::new();
        let done = &mut self.row.done;
        match result {
            JobEvent::Ingested(facts) => {
                // They are told, not kept: some quote a cell, and the row outlives the dataset.
                let DatasetFacts { notices, .. } = &facts;
                told.extend(notices.iter().cloned().map(Tidings::Notice));
                done.dataset = Some(DatasetFacts { notices: Vec::new(), ..facts });
            }
            JobEvent::Profiled(digest) => done.profile = Some(digest),
            JobEvent::Planned(plan, class) => {
                told.push(Tidings::PlanMade(plan.because.clone()));
                done.plan = Some(plan);
                done.numerics_class = Some(class);
            }
            JobEvent::Trained(digest, steps) => {
                done.model = Some(digest);
                done.trained_steps = steps;
                let planned = done.plan.as_ref().map(|plan| plan.steps);
                if let (Some(made), Some(planned)) = (steps, planned)
                    && made < planned
                {
                    let why = "validation rows gain nothing more";
                    let said = format!("training ended after {made} of {planned} steps: {why}");
                    told.push(Tidings::Notice(said));
                }
            }
            JobEvent::Adopted(digest, rows) => {
                done.model = Some(digest);
                done.rows = rows;
            }
            JobEvent::Ran(facts) => done.run = Some(facts),
            JobEvent::Judged(facts) => done.report = Some(facts),
            JobEvent::Delivered => return self.delivered(now),
            _ => unreachable!("`is_answered_by` lets only results of stages through"),
        }
        self.row.failed_tries = 0;
        let mut actions = self.work_ended(now);
        // What is told is true only once the row is written, and that is the first action.
        actions.splice(1..1, told.into_iter().map(JobAction::Tell));
        actions
    }

    fn chunk_sealed(&mut self, now: Timestamp, chunk: SealedChunk) -> Vec<JobAction> {
        if self.row.state != (JobState::Running { stage: Stage::Sample }) {
            return Vec::new();
        }
        let before = self.sealed.len();
        self.take_chunk(chunk);
        if self.sealed.len() > before {
            self.row.failed_tries = 0;
        }
        if !self.has_all_chunks() {
            return Vec::new();
        }
        self.row.done.sampled = true;
        self.work_ended(now)
    }

    /// Enters a chunk into our copy of the manifest, unless it is none of this job's.
    fn take_chunk(&mut self, sealed: SealedChunk) {
        let (no, held) = (sealed.chunk, sealed.rows);
        let is_ours = self.row.rows().is_some_and(|rows| chunk::held(rows, no) == Some(held));
        holds!(Invariant::Job1, is_ours, "job {}: chunk {no} of {held} rows", self.row.id);
        if is_ours {
            let first = *self.sealed.entry(no).or_insert(sealed);
            holds!(Invariant::Chunk1, first == sealed, "job {}: chunk {no}", self.row.id);
        }
    }

    fn delivered(&mut self, now: Timestamp) -> Vec<JobAction> {
        // The log of a program that failed is what it delivers: it stays.
        if let Some(failure) = self.row.done.run.as_ref().and_then(RunFacts::failure) {
            return self.finish(now, Outcome::Failed(failure));
        }
        let outcome = match &self.row.done.report {
            Some(facts) if facts.verdict == Verdict::Block => {
                Outcome::Withheld { reasons: facts.reasons.clone() }
            }
            facts => Outcome::Published { verdict: facts.as_ref().map(|facts| facts.verdict) },
        };
        self.end(now, outcome)
    }

    /// The running work is over, by its result or because it was told to stop.
    fn work_ended(&mut self, now: Timestamp) -> Vec<JobAction> {
        match self.leaving {
            None => self.go_on(now),
            Some(Leaving::Cancelled) => self.end(now, Outcome::Cancelled),
            Some(Leaving::Drained) => self.hand_over(now, "interrupted; resume goes on"),
        }
    }

    fn go_on(&mut self, now: Timestamp) -> Vec<JobAction> {
        if let Some(failure) = self.impossible_rows() {
            return self.end(now, Outcome::Failed(failure));
        }
        if self.row.next_stage() == Some(Stage::Sample) && self.has_all_chunks() {
            self.row.done.sampled = true;
        }
        let stage = self.row.next_stage().expect("publish has a result only once the job ended");
        let again = self.row.state == (JobState::Running { stage });
        let is_planned = matches!(self.hold, Hold::Working(Work::Plan));
        if !again {
            self.row.state = JobState::Running { stage };
            self.row.log(now, format!("{stage} begins"));
        }
        if stage == Stage::Run {
            self.row.runs += 1; // Saved before it begins, so no two runs have the same number.
        }
        let work = self.work_of(stage);
        self.hold = Hold::Working(work.clone());
        let mut actions = vec![self.save()];
        // Planning and training are one stage: it began with the plan.
        if !(again && is_planned) {
            actions.push(JobAction::Tell(Tidings::StageBegan { stage, again }));
        }
        actions.push(JobAction::Begin(work));
        actions
    }

    fn save(&mut self) -> JobAction {
        self.row.writes += 1;
        JobAction::Save(Box::new(self.row.clone()))
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod weather;
