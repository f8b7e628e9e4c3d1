//! How long a job will take, guessed when it is accepted and compared with what it took.
//!
//! First comes a prior: what was asked for, at the speeds that `docs/benchmarks.md` has of another
//! machine. Then it is set right by experience: the median of how much longer or shorter the last
//! [`ESTIMATE_JOBS`] jobs of its kind took than their priors said. The prior itself counts as one
//! of them, so that a single odd job moves the guess by the square root at most, and a median
//! follows neither the one that was suspended for a night nor the one that found nothing to learn.
//!
//! What was learned is a function of stored rows, so a restart knows what the run before knew.
//! Nothing but words and the order of looking depends on a guess: the queue never does.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::memory_of;
use crate::{
    figure,
    job::{JobRow, JobState, Outcome},
    limits::{ESTIMATE_JOBS, MEMORY_PER_INPUT_BYTE, MEMORY_PER_JOB_BYTES},
    model::{ModelName, TrainingLength},
    request::{Goal, JobRequest},
    unit::Millis,
};

/// How long a job is thought to take in the hands of a node, waiting not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// So long.
    pub takes: Millis,
    /// In words: what it was guessed from.
    pub because: String,
}

/// What jobs that ended here have taught.
#[derive(Debug, Clone, Default)]
pub struct Experience(BTreeMap<Alike, VecDeque<f64>>);

/// Jobs that teach something about each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    goal: &'static str,
    /// Generator, or program.
    what: String,
    length: &'static str,
}

impl Experience {
    /// Takes in a job that came to its end; others teach nothing about whole runs.
    pub fn learn(&mut self, row: &JobRow) {
        if let Some(ratio) = ran_over(row, prior(&row.request).takes) {
            let known = self.0.entry(Alike::of(&row.request)).or_default();
            known.push_back(ratio);
            if known.len() > ESTIMATE_JOBS {
                known.pop_front();
            }
        }
    }

    /// How long this will take.
    pub fn estimate(&self, request: &JobRequest) -> Estimate {
        let Estimate { takes, because } = prior(request);
        let Some(known) = self.0.get(&Alike::of(request)) else {
            return Estimate { takes, because };
        };
        let ratio = median(known.iter().copied().chain([1.0]).collect());
        let jobs = figure::counted(known.len() as u64, "job");
        let because = format!("{because}; times {}, by the last {jobs} like it", short(ratio));
        Estimate { takes: times(takes, ratio), because }
    }
}

/// How much longer a job took than it was thought to take; none unless it came to its end with a
/// guess. Above 1 it took longer.
pub fn ran_to_estimate(row: &JobRow) -> Option<f64> {
    ran_over(row, row.estimate.as_ref()?.takes)
}

fn ran_over(row: &JobRow, thought: Millis) -> Option<f64> {
    let is_whole =
        matches!(row.state, JobState::Ended(Outcome::Published { .. } | Outcome::Withheld { .. }));
    let is_known = is_whole && row.ran > Millis(0) && thought > Millis(0);
    is_known.then(|| seconds(row.ran) / seconds(thought))
}

impl Alike {
    fn of(request: &JobRequest) -> Self {
        let (what, length) = match &request.goal {
            _ if request.trains() => (request.model.to_string(), length_of(request.length)),
            Goal::Generate { .. } => (request.model.to_string(), ""),
            Goal::External { command, .. } => (command.program.display().to_string(), ""),
            _ => (String::new(), ""),
        };
        Self { goal: request.goal.kind(), what, length }
    }
}

const fn length_of(length: TrainingLength) -> &'static str {
    match length {
        TrainingLength::Default => "default",
        TrainingLength::BudgetSeconds(_) => "budget",
        TrainingLength::Epochs(_) => "epochs",
        TrainingLength::Steps(_) => "steps",
    }
}

/// Bytes of a table read, split and profiled in a second (`ingest 200 5`: 294 MB).
const READ_BYTES_PER_S: f64 = 250e6;
/// Bytes that a row of a table has, more or less (adult: 104).
const BYTES_PER_ROW: f64 = 100.0;
/// Rows of a training step, and steps in a second with their looks (`tabgraph adult.csv`).
const ROWS_PER_STEP: f64 = 1_024.0;
const STEPS_PER_S: f64 = 22.0;
const LIGHT_STEPS_PER_S: f64 = 60.0;
/// A default run takes no longer (`default_seconds_max`), and makes so many steps.
const DEFAULT_S_MAX: f64 = 600.0;
const DEFAULT_STEPS: f64 = 10_000.0;
/// Rows that `seqtree` learns in a second (39,073 in 0.09 s).
const SEQTREE_ROWS_PER_S: f64 = 400e3;
/// Rows drawn and written in a second.
const SEQTREE_DRAWN_PER_S: f64 = 1.7e6;
const NET_DRAWN_PER_S: f64 = 12.9e3;
const AUTOREGRESSIVE_DRAWN_PER_S: f64 = 40e3;
const LIGHT_DRAWN_PER_S: f64 = 60e3;
/// A report measures samples of so many rows at most, and takes so long on them (adult: 5.7 s).
const REPORT_ROWS_MAX: f64 = 200e3;
const REPORT_ROWS_PER_S: f64 = 15e3;
/// A program of which nothing is known.
const UNKNOWN_S: f64 = 120.0;
/// Claim, checkpoint, publication.
const ROUND_S: f64 = 0.5;

/// What is asked for, at the speeds of the machine that the benchmarks were made on.
fn prior(request: &JobRequest) -> Estimate {
    let bytes = table_bytes(request);
    let rows = bytes / BYTES_PER_ROW;
    let reading = bytes / READ_BYTES_PER_S;
    let training = || training_s(request, rows);
    let drawn = |asked: Option<f64>| asked.unwrap_or(rows) / drawn_per_s(request.model);
    let judging = |rows: f64| rows.min(REPORT_ROWS_MAX) / REPORT_ROWS_PER_S;
    let asked = request.output().and_then(|output| output.rows).map(|rows| rows.get() as f64);
    let parts = match &request.goal {
        Goal::Synthesize { .. } => {
            let made = asked.unwrap_or(rows);
            let (read, made, judged) = (reading, drawn(asked), judging(rows.max(made)));
            vec![("reading", read), training(), ("drawing", made), ("the report", judged)]
        }
        Goal::Train { .. } => vec![("reading", reading), training()],
        Goal::Generate { .. } => vec![("drawing", drawn(asked))],
        // Nobody knows what it does: some minutes, until some have ended.
        Goal::External { command, .. } => {
            let limit = command.limit.get() as f64 / 1_000.0;
            vec![("a program that nobody knows", UNKNOWN_S.min(limit))]
        }
        Goal::Evaluate { .. } => vec![("reading", reading), ("the report", judging(rows))],
    };
    let whole = parts.iter().map(|(_, seconds)| seconds).sum::<f64>() + ROUND_S;
    let told = parts.iter().map(|(what, seconds)| format!("{} s of {what}", short(*seconds)));
    Estimate { takes: millis(whole), because: told.collect::<Vec<_>>().join(", ") }
}

fn training_s(request: &JobRequest, rows: f64) -> (&'static str, f64) {
    let step_s = match request.model {
        ModelName::Seqtree => return ("training", rows / SEQTREE_ROWS_PER_S),
        ModelName::Tabgraph | ModelName::Original | ModelName::Autoregressive | ModelName::Auto => {
            1.0 / STEPS_PER_S
        }
        ModelName::Ctgan | ModelName::Tvae => 1.0 / LIGHT_STEPS_PER_S,
    };
    match request.length {
        TrainingLength::BudgetSeconds(seconds) => ("training, as asked", seconds as f64),
        TrainingLength::Steps(steps) => ("training", steps as f64 * step_s),
        TrainingLength::Epochs(epochs) => {
            ("training", epochs as f64 * (rows / ROWS_PER_STEP).max(1.0) * step_s)
        }
        TrainingLength::Default => ("training", (DEFAULT_STEPS * step_s).min(DEFAULT_S_MAX)),
    }
}

const fn drawn_per_s(model: ModelName) -> f64 {
    match model {
        ModelName::Seqtree => SEQTREE_DRAWN_PER_S,
        ModelName::Tabgraph | ModelName::Original | ModelName::Auto => NET_DRAWN_PER_S,
        ModelName::Autoregressive => AUTOREGRESSIVE_DRAWN_PER_S,
        ModelName::Ctgan | ModelName::Tvae => LIGHT_DRAWN_PER_S,
    }
}

/// Bytes of the tables as text, from the memory that they are thought to need.
fn table_bytes(request: &JobRequest) -> f64 {
    let is_completion = matches!(request.goal, Goal::Generate { complete: Some(_), .. });
    if request.source().is_none() && !is_completion {
        return 0.0;
    }
    let memory = memory_of(request).get().saturating_sub(MEMORY_PER_JOB_BYTES);
    (memory / MEMORY_PER_INPUT_BYTE) as f64
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    let (low, high) = (ratios[(ratios.len() - 1) / 2], ratios[ratios.len() / 2]);
    // Half as long and twice as long are equally wrong, so the middle of two is their geometric
    // mean.
    (low * high).sqrt()
}

fn seconds(time: Millis) -> f64 {
    time.get() as f64 / 1_000.0
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn millis(seconds: f64) -> Millis {
    Millis((seconds * 1_000.0).round() as u64)
}

fn times(time: Millis, ratio: f64) -> Millis {
    millis(seconds(time) * ratio)
}

/// One digit after the point below ten, none above.
fn short(value: f64) -> String {
    figure::fixed(value, usize::from(value < 10.0))
}

#[cfg(test)]
mod tests;
