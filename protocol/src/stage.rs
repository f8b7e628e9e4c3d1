//! The stages of a job, in their order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One stage of a job. The order of the variants is the order of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Stage {
    /// A program of the user's → the files that it leaves.
    Run,
    /// Source file → canonical dataset, kinds agreed, holdout kept aside.
    Ingest,
    /// Dataset → profile.
    Profile,
    /// Dataset → model, by segments with checkpoints.
    Train,
    /// Model → chunks of rows.
    Sample,
    /// Dataset and chunks → report and verdict.
    Evaluate,
    /// Chunks → files where they were asked for.
    Publish,
}

impl Stage {
    /// Every stage, first to last.
    pub const ALL: [Self; 7] = [
        Self::Run,
        Self::Ingest,
        Self::Profile,
        Self::Train,
        Self::Sample,
        Self::Evaluate,
        Self::Publish,
    ];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Run => "run",
            Self::Ingest => "ingest",
            Self::Profile => "profile",
            Self::Train => "train",
            Self::Sample => "sample",
            Self::Evaluate => "evaluate",
            Self::Publish => "publish",
        })
    }
}
