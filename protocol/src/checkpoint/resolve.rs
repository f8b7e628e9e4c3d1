//! Which checkpoint to continue from.

use crate::checkpoint::CheckpointFacts;

/// Where training begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// The committed checkpoint is whole; continue from it.
    From(CheckpointFacts),
    /// The committed checkpoint is torn; an older whole one exists, some steps are done again.
    Behind(CheckpointFacts),
    /// Nothing whole exists; begin again. The result is the same, only later.
    Afresh,
}

/// Chooses among checkpoints found whole, newest committed first. Steps decide, then the epoch.
pub fn resume(committed: Option<CheckpointFacts>, whole: &[CheckpointFacts]) -> Resume {
    let Some(committed) = committed else { return Resume::Afresh };
    if whole.contains(&committed) {
        return Resume::From(committed);
    }
    whole
        .iter()
        .filter(|found| found.step <= committed.step)
        .max_by_key(|found| (found.step, found.epoch))
        .map_or(Resume::Afresh, |found| Resume::Behind(*found))
}
