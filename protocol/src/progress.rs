//! What a running stage tells: progress out, stop in. Carried by a channel, never by shared state.

use serde::{Deserialize, Serialize};

use crate::{engine::EngineError, stage::Stage};

/// One sign of life from a stage. Dropping any of them changes no outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Progress {
    /// Where in the job.
    pub stage: Stage,
    /// Units of work done (bytes, steps, rows or parts, as `unit` says).
    pub done: u64,
    /// Units in all, if known.
    pub total: Option<u64>,
    /// What is counted.
    pub unit: ProgressUnit,
    /// Pass over the data, when training.
    pub epoch: Option<f64>,
    /// Training loss, smoothed.
    pub loss: Option<f64>,
    /// Rows per second, measured over the last few seconds.
    pub rows_per_second: Option<f64>,
    /// What is being done, for people.
    pub note: Option<String>,
}

impl Progress {
    /// So far, and nothing else to tell.
    pub fn of(stage: Stage, done: u64, total: Option<u64>, unit: ProgressUnit) -> Self {
        let (epoch, loss, rows_per_second, note) = (None, None, None, None);
        Self { stage, done, total, unit, epoch, loss, rows_per_second, note }
    }
}

/// What [`Progress::done`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ProgressUnit {
    /// Bytes of a file.
    Bytes,
    /// Rows of a table.
    Rows,
    /// Optimiser steps.
    Steps,
    /// Measures of a report, columns of a model: parts of a whole.
    Parts,
}

/// How a stage hears that it must stop and tells how far it is. Called between small units of work.
pub trait Watch: Send + Sync {
    /// True once the work must end; the stage returns `EngineError::Stopped` within one step.
    fn stopped(&self) -> bool;
    /// Asks between two units of work whether to go on.
    ///
    /// # Errors
    /// `Stopped` once the work must end.
    fn go_on(&self) -> Result<(), EngineError> {
        if self.stopped() { Err(EngineError::Stopped) } else { Ok(()) }
    }
    /// Tells how far the stage is; must be cheap and must not block.
    fn tell(&self, progress: Progress);
}

/// Nobody watches: for tests and library use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn stopped(&self) -> bool {
        false
    }
    fn tell(&self, _progress: Progress) {}
}
