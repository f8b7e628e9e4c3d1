//! How a job ended.

use serde::{Deserialize, Serialize};

use crate::{code::Code, report::Verdict, stage::Stage};

/// The end of a job, for people and exit statuses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
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

/// Why a stage failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Where.
    pub stage: Stage,
    /// Which error.
    pub code: Code,
    /// Act, place, remedy, and every deeper cause.
    pub message: String,
}
