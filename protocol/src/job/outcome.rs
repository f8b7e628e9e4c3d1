//! How a job ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{code::Code, report::Verdict, stage::Stage};

/// The end of a job, for people and exit statuses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Outcome {
    /// Everything asked for was written.
    Published {
        /// What the gates said; none when no report was asked for.
        verdict: Option<Verdict>,
    },
    /// A blocking gate failed: the report was written, the table was not.
    Withheld {
        /// One line per failed gate.
        reasons: Vec<String>,
    },
    /// It failed for good.
    Failed(Failure),
    /// It was cancelled.
    Cancelled,
}

impl Outcome {
    /// One word: `published`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Published { .. } => "published",
            Self::Withheld { .. } => "withheld",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// What may be kept of it: all but a cell that a failure quotes.
    #[must_use]
    pub fn without_cell(&self) -> Self {
        match self {
            Self::Failed(failure) => Self::Failed(failure.without_cell()),
            other => other.clone(),
        }
    }

    /// What kept the job from what was asked; none if everything was written.
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Published { .. } => None,
            Self::Withheld { .. } => Some(Code::Withheld),
            Self::Failed(failure) => Some(failure.code),
            Self::Cancelled => Some(Code::JobCancelled),
        }
    }
}

/// The word, and what kept it from more.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Withheld { reasons } => write!(f, ": {}", reasons.join("; ")),
            Self::Failed(failure) => write!(f, ": {failure}"),
            Self::Published { .. } | Self::Cancelled => Ok(()),
        }
    }
}

/// Why a stage failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failure {
    /// Where.
    pub stage: Stage,
    /// Which error.
    pub code: Code,
    /// Act, place, remedy, and every deeper cause.
    pub message: String,
    /// The cell of the source that the message quotes. It is told and never kept: the row outlives
    /// the private table.
    #[serde(skip)]
    pub cell: Option<String>,
}

impl Failure {
    /// A failure that quotes no cell.
    pub fn new(stage: Stage, code: Code, message: impl Into<String>) -> Self {
        Self { stage, code, message: message.into(), cell: None }
    }

    /// What may be kept of it.
    #[must_use]
    pub fn without_cell(&self) -> Self {
        let message = match self.cell.as_deref().filter(|cell| !cell.is_empty()) {
            Some(cell) => self.message.replace(cell, "…"),
            None => self.message.clone(),
        };
        Self::new(self.stage, self.code, message)
    }
}

/// `STORE-0003 in train: cannot write …`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: {}", self.code, self.stage, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_cell_is_told_and_not_kept() {
        let message = "line 4, column \"n\" holds \"77\": mend the cell";
        let cell = Some("\"77\"".to_owned());
        let failure = Failure { cell, ..Failure::new(Stage::Ingest, Code::BadCell, message) };
        assert!(failure.to_string().contains("\"77\""));
        let kept = Outcome::Failed(failure).without_cell();
        assert_eq!(
            kept.to_string(),
            "failed: DATA-0008 in ingest: line 4, column \"n\" holds …: mend the cell"
        );
        let json = serde_json::to_string(&kept).expect("is written");
        assert!(!json.contains("77"), "{json}");
    }
}
