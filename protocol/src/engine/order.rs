//! What the engine is asked for, and the facts it gives back: values that can be stored and
//! replayed.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    engine::OutputFormat,
    gate::Gates,
    metadata::Metadata,
    model::{ModelName, TrainPlan, TrainingLength},
    report::Verdict,
    unit::{Rows, Steps},
};

/// Read this source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IngestOrder {
    /// The file as the user named it.
    pub source: PathBuf,
    /// Rows kept aside from training, as a second file; else a share of `source`.
    pub holdout: Option<PathBuf>,
    /// Corrections to inferred kinds.
    pub metadata: Option<Metadata>,
    /// Decides which rows are kept aside.
    pub seed: u64,
    /// Staging folder for the dataset.
    pub into: PathBuf,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetFacts {
    /// Digest over the canonical content: same rows and kinds, same digest.
    pub digest: Digest,
    /// Rows that may train.
    pub train_rows: Rows,
    /// Rows kept aside.
    pub holdout_rows: Rows,
    /// Columns.
    pub columns: u32,
    /// Things a user should know ("row 17: 3 cells of white space trimmed").
    pub notices: Vec<String>,
}

/// Profile this dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileOrder {
    /// Dataset folder.
    pub dataset: PathBuf,
    /// Staging folder for `profile.json`.
    pub into: PathBuf,
}

/// Resolve the constants of a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanOrder {
    /// Dataset folder.
    pub dataset: PathBuf,
    /// Which generator.
    pub model: ModelName,
    /// How long.
    pub length: TrainingLength,
    /// Constants the user set; merged over the model's defaults, unknown keys refused.
    pub overrides: serde_json::Map<String, serde_json::Value>,
    /// Seed of the job.
    pub seed: u64,
    /// Compute threads of the job.
    pub threads: u32,
    /// Where it will be trained.
    pub device: Device,
}

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// Cores of the machine.
    Cpu,
    /// The graphics processor of this number, from 0.
    Gpu(u32),
}

/// Train by a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainOrder {
    /// Dataset folder.
    pub dataset: PathBuf,
    /// Which generator.
    pub model: ModelName,
    /// The committed plan.
    pub plan: TrainPlan,
    /// Seed of the job.
    pub seed: u64,
    /// Compute threads of the job.
    pub threads: u32,
    /// Where.
    pub device: Device,
}

/// What one segment did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentFacts {
    /// Step reached.
    pub at: Steps,
    /// Mean training loss of the segment.
    pub loss: f64,
    /// Pass over the data reached.
    pub epoch: f64,
    /// Training is over.
    pub done: bool,
    /// It was stopped by the watch before its last step.
    pub stopped: bool,
}

/// Judge these chunks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluateOrder {
    /// Dataset folder.
    pub dataset: PathBuf,
    /// Chunk files, in order.
    pub chunks: Vec<PathBuf>,
    /// The model file, for its curves; none for `tgs report REAL SYNTH`.
    pub model: Option<PathBuf>,
    /// Column to predict in the utility measure; else chosen from the table.
    pub target: Option<String>,
    /// Thresholds.
    pub gates: Gates,
    /// Seed of every subsample and fold.
    pub seed: u64,
    /// Compute threads.
    pub threads: u32,
    /// Staging folder for `report.json` and `report.html`.
    pub into: PathBuf,
}

/// Judge one table against another, whoever made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompareOrder {
    /// The real table.
    pub real: PathBuf,
    /// The synthetic table.
    pub synthetic: PathBuf,
    /// Real rows that the generator never saw.
    pub holdout: Option<PathBuf>,
    /// Corrections of inferred kinds, and the column to predict in the utility measure.
    pub metadata: Option<Metadata>,
    /// Thresholds.
    pub gates: Gates,
    /// Seed of every subsample and fold.
    pub seed: u64,
    /// Compute threads.
    pub threads: u32,
    /// Folder for `report.json` and `report.html`; made if it is not there.
    pub into: PathBuf,
}

/// What the report says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportFacts {
    /// Pass, warn or block.
    pub verdict: Verdict,
    /// One line per gate that failed, or could not be measured and made the verdict a warning.
    pub reasons: Vec<String>,
}

/// Write these chunks as one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssembleOrder {
    /// Dataset folder, for formats of values.
    pub dataset: PathBuf,
    /// Chunk files, in order.
    pub chunks: Vec<PathBuf>,
    /// What the file should be.
    pub format: OutputFormat,
    /// The file to write (a staged name; the caller renames it).
    pub into: PathBuf,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputFacts {
    /// Rows written.
    pub rows: Rows,
    /// Digest of the file's bytes.
    pub digest: Digest,
}

/// Digest of a fixed small training: same class, same bits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NumericsClass(pub String);

impl NumericsClass {
    /// Whether it is one of cores: those of graphics processors begin with `gpu`.
    pub fn is_of_cores(&self) -> bool {
        !self.0.starts_with("gpu")
    }
}

impl fmt::Display for NumericsClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
