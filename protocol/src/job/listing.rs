//! Lists of jobs, newest first, in pages: history may be long, a page never is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    code::Code,
    id::JobId,
    job::{JobRow, JobState, Outcome},
    refusal::Refusal,
    unit::Timestamp,
};

/// What a list can be narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StateClass {
    /// Its turn has not come.
    Waiting,
    /// In some stage, or interrupted there.
    Running,
    /// Everything asked for was written.
    Published,
    /// A blocking gate failed.
    Withheld,
    /// It failed for good.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl StateClass {
    /// Every class, in the order of a job's life.
    pub const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Running,
        Self::Published,
        Self::Withheld,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The class of a state.
    pub const fn of(state: &JobState) -> Self {
        match state {
            JobState::Accepted => Self::Waiting,
            JobState::Running { .. } => Self::Running,
            JobState::Ended(Outcome::Published { .. }) => Self::Published,
            JobState::Ended(Outcome::Withheld { .. }) => Self::Withheld,
            JobState::Ended(Outcome::Failed(_)) => Self::Failed,
            JobState::Ended(Outcome::Cancelled) => Self::Cancelled,
        }
    }

    /// No event changes a job of this class any more.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }

    /// One word: `waiting`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Published => "published",
            Self::Withheld => "withheld",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for StateClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for StateClass {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL.into_iter().find(|class| class.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            let message = format!("cannot list jobs that are {text:?}: say one of {known}");
            Refusal::new(Code::BadRequest, message)
        })
    }
}

/// A place in the list; jobs after it are older.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// When the job there was accepted.
    pub accepted_at: Timestamp,
    /// Its name, which decides among equals.
    pub job: JobId,
}

impl Place {
    /// Where this job stands.
    pub fn of(row: &JobRow) -> Self {
        Self { accepted_at: row.accepted_at, job: row.id.clone() }
    }
}

/// Which part of the list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Only these.
    pub class: Option<StateClass>,
    /// Only what stands after this place; from the newest on, if none.
    pub after: Option<Place>,
    /// At most so many, at least one.
    pub limit: usize,
}

impl Listing {
    /// All jobs of this class, or of any.
    pub const fn all(class: Option<StateClass>) -> Self {
        Self { class, after: None, limit: usize::MAX }
    }
}

/// A part of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Newest first.
    pub rows: Vec<JobRow>,
    /// Where the next page begins; none on the last one.
    pub next: Option<Place>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::state::examples;

    #[test]
    fn every_state_has_a_class_that_reads_back() {
        for state in examples() {
            let class = StateClass::of(&state);
            assert_eq!(class.is_final(), state.is_final(), "{state}");
            assert_eq!(class.as_str().parse(), Ok(class));
            assert_eq!(serde_json::json!(class), serde_json::json!(class.as_str()));
        }
        let refused = "done".parse::<StateClass>().expect_err("no class");
        assert!(refused.message.contains("waiting, running, published"), "{refused}");
    }
}
