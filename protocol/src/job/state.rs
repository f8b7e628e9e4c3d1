//! One table of legal moves.

use serde::{Deserialize, Serialize};

use crate::{job::outcome::Outcome, stage::Stage};

/// Where a job is. A running job whose lease nobody holds is *interrupted*: it may be resumed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum JobState {
    /// Durable, not begun.
    Accepted,
    /// In this stage.
    Running {
        /// Which.
        stage: Stage,
    },
    /// Over.
    Ended(Outcome),
}

impl JobState {
    /// No event changes it any more.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Ended(_))
    }

    /// Whether a job may go from `self` to `next`. Stages are passed in order, some may be left out.
    pub fn may_become(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Accepted, Self::Running { .. } | Self::Ended(_)) => true,
            (Self::Running { stage }, Self::Running { stage: later }) => stage < later,
            (Self::Running { .. }, Self::Ended(_)) => true,
            _ => false,
        }
    }
}
