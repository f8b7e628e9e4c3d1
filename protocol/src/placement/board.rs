//! What a leader tells the nodes of a cluster: where waiting jobs are to run, and why others wait.
//!
//! All of it is a hint. A row is the whole list of a node's assignments: whoever reads the newest
//! one need not have read those before.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    id::{Incarnation, JobId},
    lease::LeaseCell,
    limits::LEADER_SILENT_MS,
    queue::Waiting,
    store::StoreError,
    unit::{Epoch, Millis},
};

/// Which word of which leader: a later one counts, and no earlier one after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Word {
    /// In which epoch it leads.
    pub epoch: Epoch,
    /// How often it has placed.
    pub beat: u64,
}

/// What one node is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignments {
    /// The leader's word.
    pub word: Word,
    /// Jobs that it is to take up, in order.
    pub jobs: Vec<Assigned>,
    /// A waiting job needs what is free there: nothing begins there but what is assigned.
    #[serde(default)]
    pub is_kept: bool,
    /// Waiting jobs that only a newer version than the leader's understands: whoever can read them
    /// takes them up as it would without a leader.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<JobId>,
}

/// A job that a node is to take up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assigned {
    /// Which.
    pub job: JobId,
    /// The lease of a holder that is gone or was silent for a TTL, as the leader saw it: nobody
    /// need wait once more. None where nobody holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<LeaseCell>,
}

/// What all may read: who leads, and why jobs wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The leader's word.
    pub word: Word,
    /// Who leads.
    pub leader: Incarnation,
    /// Why jobs wait, by their turns: those that are first.
    pub waits: Vec<(JobId, Waiting)>,
}

impl Notice {
    /// Why this job waits, if that is said.
    pub fn why(&self, job: &JobId) -> Option<Waiting> {
        self.waits.iter().find(|(it, _)| it == job).map(|(_, why)| why.clone())
    }
}

/// Where a leader writes, and nodes read. What was written is gone after
/// [`BOARD_TTL_MS`](crate::limits::BOARD_TTL_MS); a word that is not later than the one that stands
/// there changes nothing.
#[async_trait]
pub trait AssignmentBoard: Send + Sync {
    /// Tells a node what to take up.
    async fn assign(&self, node: &Incarnation, told: &Assignments) -> Result<(), StoreError>;
    /// What a node is told; none if nothing stands there.
    async fn assigned(&self, node: &Incarnation) -> Result<Option<Assignments>, StoreError>;
    /// Tells all why jobs wait.
    async fn post(&self, notice: &Notice) -> Result<(), StoreError>;
    /// What was told all last; none if nothing stands there.
    async fn notice(&self) -> Result<Option<Notice>, StoreError>;
}

/// What one node has heard of leaders, by its own clock.
#[derive(Debug, Clone, Default)]
pub struct Hearing {
    newest: Word,
    heard_at: Option<Millis>,
}

impl Hearing {
    /// Takes in what stands on the board; gives it back as long as a leader is heard. `now` is read
    /// after it came.
    pub fn hear(&mut self, told: Option<Assignments>, now: Millis) -> Option<Assignments> {
        let told = told.filter(|it| it.word >= self.newest)?;
        if told.word > self.newest {
            (self.newest, self.heard_at) = (told.word, Some(now));
        }
        let heard_at = self.heard_at?;
        (now.get().saturating_sub(heard_at.get()) < LEADER_SILENT_MS).then_some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(epoch: u64, beat: u64) -> Option<Assignments> {
        Some(Assignments { word: Word { epoch: Epoch(epoch), beat }, ..Assignments::default() })
    }

    #[test]
    fn a_leader_is_heard_as_long_as_it_says_something_new() {
        let mut hearing = Hearing::default();
        assert_eq!(hearing.hear(None, Millis(0)), None);
        assert_eq!(hearing.hear(told(1, 1), Millis(100)), told(1, 1));
        assert_eq!(hearing.hear(told(1, 1), Millis(99 + LEADER_SILENT_MS)), told(1, 1));
        assert_eq!(hearing.hear(told(1, 1), Millis(100 + LEADER_SILENT_MS)), None);
        assert_eq!(hearing.hear(told(2, 1), Millis(100 + LEADER_SILENT_MS)), told(2, 1));
        // What an earlier one says counts no more.
        assert_eq!(hearing.hear(told(1, 9), Millis(101 + LEADER_SILENT_MS)), None);
    }

    /// Also for a node that begins to read a row which nobody renews.
    #[test]
    fn what_was_said_long_ago_is_not_taken_for_ever() {
        let mut hearing = Hearing::default();
        let first =
            (0..100).filter(|second| hearing.hear(told(1, 1), Millis(second * 1_000)).is_some());
        assert_eq!(first.count() as u64, LEADER_SILENT_MS / 1_000);
    }
}
