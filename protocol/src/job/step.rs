//! The job machine: facts in, actions out. The only place that decides what happens next to a job.
//!
//! Invariants kept here: JOB-1 (sealed chunks are a part of the exact partition), JOB-2 (states move
//! only as `state.rs` allows), JOB-3 (no action follows the end), CKPT-1 (the checkpoint never moves
//! back), GATE-1 (a blocked table is never published).

use std::collections::BTreeMap;

use crate::{
    chunk::{ChunkNo, SealedChunk, partition},
    code::Retry,
    invariant::{Invariant, holds},
    job::{
        action::{JobAction, Tidings, Work},
        event::JobEvent,
        outcome::{Failure, Outcome},
        row::{JobRow, TimelineEntry},
        state::JobState,
    },
    limits::RETRY_BACK_OFF_MS,
    report::Verdict,
    request::Goal,
    stage::Stage,
    unit::{Millis, Timestamp},
};

/// One job in the hands of one supervisor.
#[derive(Debug, Clone)]
pub struct Job {
    row: JobRow,
    sealed: BTreeMap<ChunkNo, SealedChunk>,
    leaving: Option<Leaving>,
    is_working: bool,
}

/// Why the work was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    Cancelled,
    Drained,
}

impl Job {
    /// Takes a row read from the store; the first event must be [`JobEvent::Claimed`].
    pub fn new(row: JobRow) -> Self {
        Self { row, sealed: BTreeMap::new(), leaving: None, is_working: false }
    }

    /// The row as of the last step.
    pub fn row(&self) -> &JobRow {
        &self.row
    }

    /// Takes in one event and says what must be done. Events after the end change nothing.
    pub fn step(&mut self, now: Timestamp, event: JobEvent) -> Vec<JobAction> {
        if self.row.state.is_final() {
            return match event {
                JobEvent::Claimed { .. } => vec![JobAction::Release, JobAction::Leave],
                _ => Vec::new(),
            };
        }
        match event {
            JobEvent::Claimed { epoch, sealed } => {
                self.sealed = sealed.into_iter().map(|chunk| (chunk.chunk, chunk)).collect();
                self.log(now, format!("claimed in epoch {epoch}"));
                self.go_on(now)
            }
            JobEvent::CancelAsked => self.leave(now, Leaving::Cancelled),
            JobEvent::DrainAsked => self.leave(now, Leaving::Drained),
            JobEvent::WorkStopped => self.work_ended(now),
            JobEvent::RetryDue => {
                if self.is_working || self.leaving.is_some() {
                    Vec::new()
                } else {
                    self.go_on(now)
                }
            }
            JobEvent::StageFailed(failure) => self.failed(now, failure),
            JobEvent::Overtaken => {
                self.is_working = false;
                vec![JobAction::StopWork, JobAction::Tell(Tidings::Interrupted), JobAction::Leave]
            }
            JobEvent::CheckpointWritten(facts) => {
                let newest = self.row.done.checkpoint;
                if newest.is_some_and(|newest| newest.step >= facts.step) {
                    return Vec::new();
                }
                self.row.done.checkpoint = Some(facts);
                vec![self.save()]
            }
            JobEvent::ChunkSealed(chunk) => self.chunk_sealed(now, chunk),
            JobEvent::Delivered => self.delivered(now),
            result => self.stage_done(now, result),
        }
    }

    /// Puts a stage's result into the row and goes on.
    fn stage_done(&mut self, now: Timestamp, result: JobEvent) -> Vec<JobAction> {
        let mut told = Vec::new();
        let done = &mut self.row.done;
        match result {
            JobEvent::Ingested(facts) => {
                let notices = facts.notices.iter().cloned();
                told.extend(notices.map(|notice| JobAction::Tell(Tidings::Notice(notice))));
                done.dataset = Some(facts);
            }
            JobEvent::Profiled(digest) => done.profile = Some(digest),
            JobEvent::Planned(plan, class) => {
                told.push(JobAction::Tell(Tidings::PlanMade(plan.because.clone())));
                // A job keeps its first plan: whoever planned again must not change its bytes.
                done.plan.get_or_insert(plan);
                done.numerics_class.get_or_insert(class);
            }
            JobEvent::Trained(digest) => done.model = Some(digest),
            JobEvent::Judged(facts) => done.report = Some(facts),
            _ => unreachable!("`step` sends only results of stages here"),
        }
        told.extend(self.work_ended(now));
        told
    }

    fn chunk_sealed(&mut self, now: Timestamp, chunk: SealedChunk) -> Vec<JobAction> {
        let rows = self.row.rows().unwrap_or_default();
        let is_ours = partition(rows).any(|part| part == (chunk.chunk, chunk.rows));
        holds!(Invariant::Job1, is_ours, "chunk {} of {} rows", chunk.chunk, chunk.rows);
        self.sealed.insert(chunk.chunk, chunk);
        let all = self.missing_chunks().is_empty();
        if all && self.row.state == (JobState::Running { stage: Stage::Sample }) {
            self.row.done.sampled = true;
            return self.work_ended(now);
        }
        Vec::new()
    }

    fn delivered(&mut self, now: Timestamp) -> Vec<JobAction> {
        let report = self.row.done.report.as_ref();
        let outcome = match report {
            Some(facts) if facts.verdict == Verdict::Block => {
                Outcome::Withheld { reasons: facts.reasons.clone() }
            }
            facts => Outcome::Published { verdict: facts.map(|facts| facts.verdict) },
        };
        self.end(now, outcome)
    }

    /// The running work is over, by its result or because it was told to stop.
    fn work_ended(&mut self, now: Timestamp) -> Vec<JobAction> {
        self.is_working = false;
        match self.leaving {
            None => {
                self.row.failed_tries = 0;
                self.go_on(now)
            }
            Some(Leaving::Cancelled) => self.end(now, Outcome::Cancelled),
            Some(Leaving::Drained) => self.hand_over(now, "interrupted; resume goes on"),
        }
    }

    fn go_on(&mut self, now: Timestamp) -> Vec<JobAction> {
        while let Some(stage) = self.row.next_stage() {
            let next = JobState::Running { stage };
            let again = self.row.state == next;
            if !again {
                let is_legal = self.row.state.may_become(&next);
                holds!(Invariant::Job2, is_legal, "{:?} to {next:?}", self.row.state);
                self.row.state = next;
                self.log(now, format!("{stage} begins"));
            }
            let Some(work) = self.work_of(stage) else {
                self.row.done.sampled = true;
                continue;
            };
            self.is_working = true;
            let began = JobAction::Tell(Tidings::StageBegan { stage, again });
            return vec![self.save(), began, JobAction::Begin(work)];
        }
        unreachable!("publish has a result only when the job has ended")
    }

    /// The work of a stage; none if all its chunks are sealed already.
    fn work_of(&self, stage: Stage) -> Option<Work> {
        Some(match stage {
            Stage::Ingest => Work::Ingest,
            Stage::Profile => Work::Profile,
            Stage::Train if matches!(self.row.request.goal, Goal::Generate { .. }) => {
                Work::AdoptModel
            }
            Stage::Train => match &self.row.done.plan {
                None => Work::Plan,
                Some(plan) => Work::Train { plan: plan.clone(), from: self.row.done.checkpoint },
            },
            Stage::Sample => {
                let chunks = self.missing_chunks();
                if chunks.is_empty() {
                    return None;
                }
                Work::Sample { chunks }
            }
            Stage::Evaluate => Work::Evaluate,
            Stage::Publish => Work::Publish { withhold: self.is_blocked() },
        })
    }

    fn missing_chunks(&self) -> Vec<(ChunkNo, crate::unit::Rows)> {
        let rows = self.row.rows().unwrap_or_default();
        partition(rows).filter(|(chunk, _)| !self.sealed.contains_key(chunk)).collect()
    }

    fn is_blocked(&self) -> bool {
        self.row.done.report.as_ref().is_some_and(|facts| facts.verdict == Verdict::Block)
    }

    fn failed(&mut self, now: Timestamp, failure: Failure) -> Vec<JobAction> {
        self.is_working = false;
        self.log(now, format!("{} failed: {} {}", failure.stage, failure.code, failure.message));
        if self.leaving.is_some() {
            return self.work_ended(now);
        }
        let tries = usize::try_from(self.row.failed_tries).unwrap_or(usize::MAX);
        match (failure.code.retry(), RETRY_BACK_OFF_MS.get(tries)) {
            (Retry::Later, Some(back_off)) => {
                self.row.failed_tries += 1;
                let after = Millis(*back_off);
                let tidings = Tidings::TryingAgain { message: failure.message, after };
                vec![self.save(), JobAction::Tell(tidings), JobAction::RetryAfter(after)]
            }
            (Retry::Mended, _) => {
                let mut actions = vec![JobAction::Tell(Tidings::Suspended(failure))];
                actions.extend(self.hand_over(now, "suspended; resume goes on"));
                actions
            }
            (Retry::Later | Retry::Never, _) => self.end(now, Outcome::Failed(failure)),
        }
    }

    fn leave(&mut self, now: Timestamp, why: Leaving) -> Vec<JobAction> {
        // A cancel outranks a drain; a drain never takes a cancel back.
        if self.leaving != Some(Leaving::Cancelled) {
            self.leaving = Some(why);
        }
        if self.is_working { vec![JobAction::StopWork] } else { self.work_ended(now) }
    }

    fn hand_over(&mut self, now: Timestamp, why: &str) -> Vec<JobAction> {
        self.row.failed_tries = 0;
        self.log(now, why.to_owned());
        let tell = JobAction::Tell(Tidings::Interrupted);
        vec![self.save(), tell, JobAction::Release, JobAction::Leave]
    }

    fn end(&mut self, now: Timestamp, outcome: Outcome) -> Vec<JobAction> {
        let is_released = matches!(outcome, Outcome::Published { .. });
        holds!(Invariant::Gate1, !(is_released && self.is_blocked()), "job {}", self.row.id);
        self.log(now, format!("ended: {outcome:?}"));
        self.row.state = JobState::Ended(outcome.clone());
        let tell = JobAction::Tell(Tidings::Ended(outcome));
        vec![self.save(), JobAction::Sweep, tell, JobAction::Release, JobAction::Leave]
    }

    fn save(&self) -> JobAction {
        JobAction::Save(Box::new(self.row.clone()))
    }

    fn log(&mut self, now: Timestamp, what: String) {
        self.row.timeline.push(TimelineEntry { at: now, what });
    }
}
