//! Checks what a step of a job did against the promises by name, whatever code did it.
//!
//! The machine calls it after every event; the simulator may call it on rows that it finds in a
//! store. It compares the row before and after, the sealed chunks, and the actions.

use std::collections::BTreeMap;

use crate::{
    chunk::{self, ChunkNo, SealedChunk},
    invariant::{Invariant, holds},
    job::{
        action::{JobAction, Work},
        outcome::Outcome,
        row::{Done, JobRow},
        state::JobState,
    },
    report::Verdict,
    unit::{Epoch, Steps},
};

/// What is remembered of a row, to compare it with a later one.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    state: JobState,
    done: Done,
}

impl Standing {
    /// Remembers where this row stands.
    pub fn of(row: &JobRow) -> Self {
        Self { state: row.state.clone(), done: row.done.clone() }
    }
}

/// Holds JOB-1 to JOB-4, CKPT-1 and GATE-1 against one step.
pub fn audit(
    before: &Standing,
    row: &JobRow,
    sealed: &BTreeMap<ChunkNo, SealedChunk>,
    actions: &[JobAction],
) {
    let job = &row.id;
    let (from, to) = (&before.state, &row.state);
    holds!(Invariant::Job2, from == to || from.may_become(to), "job {job}: {from} to {to}");
    if before.state.is_final() {
        let stray = actions.iter().find(|action| !is_allowed_after_the_end(action));
        holds!(Invariant::Job3, stray.is_none(), "job {job}: {stray:?} after {from}");
    }
    if row.done.sampled && !before.done.sampled {
        let rows = row.rows().unwrap_or_default();
        let is_exact = sealed.values().map(|chunk| (chunk.chunk, chunk.rows));
        let is_exact = is_exact.eq(chunk::partition(rows));
        holds!(Invariant::Job1, is_exact, "job {job}: {} chunks, {rows} rows", sealed.len());
    }
    let changed = changed_result(&before.done, &row.done);
    holds!(Invariant::Job4, changed.is_none(), "job {job}: {}", changed.unwrap_or_default());
    let (old, new) = (pointer(&before.done), pointer(&row.done));
    holds!(Invariant::Ckpt1, old <= new, "job {job}: from {old:?} to {new:?}");
    let is_blocked = row.done.report.as_ref().is_some_and(|it| it.verdict == Verdict::Block);
    let is_released = matches!(row.state, JobState::Ended(Outcome::Published { .. }))
        || actions.contains(&JobAction::Begin(Work::Publish { withhold: false }));
    holds!(Invariant::Gate1, !(is_blocked && is_released), "job {job}");
}

/// Cleaning up and going away is all that is left to do for a job that ended.
fn is_allowed_after_the_end(action: &JobAction) -> bool {
    match action {
        JobAction::Sweep | JobAction::Release | JobAction::Leave | JobAction::Tell(_) => true,
        JobAction::Save(_)
        | JobAction::TakeBack
        | JobAction::Begin(_)
        | JobAction::StopWork
        | JobAction::RetryAfter(_) => false,
    }
}

fn pointer(done: &Done) -> Option<(Steps, Epoch)> {
    done.checkpoint.map(|facts| (facts.step, facts.epoch))
}

/// Names a result that was there and is not the same any more.
fn changed_result(before: &Done, after: &Done) -> Option<&'static str> {
    fn differs<T: PartialEq>(before: &Option<T>, after: &Option<T>) -> bool {
        before.is_some() && before != after
    }
    [
        ("dataset", differs(&before.dataset, &after.dataset)),
        ("profile", differs(&before.profile, &after.profile)),
        ("plan", differs(&before.plan, &after.plan)),
        ("numerics class", differs(&before.numerics_class, &after.numerics_class)),
        ("later classes", !after.went_on_in.starts_with(&before.went_on_in)),
        ("model", differs(&before.model, &after.model)),
        ("sampled", before.sampled && !after.sampled),
        ("report", differs(&before.report, &after.report)),
        ("run", differs(&before.run, &after.run)),
    ]
    .into_iter()
    .find_map(|(name, is_changed)| is_changed.then_some(name))
}

#[cfg(test)]
mod tests;
