//! The port behind which tables and models live. The actors call it from plain threads; the crate
//! `engine` implements it. Every call is a function of its order: same order, same bytes.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    chunk::ChunkNo,
    code::Code,
    digest::Digest,
    gate::Gates,
    metadata::Metadata,
    model::{ModelName, TrainPlan, TrainingLength},
    progress::Watch,
    report::Verdict,
    unit::{Rows, Steps},
};

/// What the engine can do. All paths are local; staging folders are empty and private to the call.
pub trait Engine: Send + Sync {
    /// Reads a source, agrees kinds, splits rows, writes a canonical dataset into `order.into`.
    fn ingest(&self, order: &IngestOrder, watch: &dyn Watch) -> Result<DatasetFacts, EngineError>;

    /// Writes `profile.json` of a dataset folder into `into`.
    fn profile(&self, order: &ProfileOrder, watch: &dyn Watch) -> Result<(), EngineError>;

    /// Resolves every constant and the number of steps. The only call that may measure time.
    fn plan(&self, order: &PlanOrder, watch: &dyn Watch) -> Result<TrainPlan, EngineError>;

    /// Begins or resumes a training run. `resume` is what [`Trainer::snapshot`] gave.
    fn trainer(
        &self,
        order: &TrainOrder,
        resume: Option<&[u8]>,
    ) -> Result<Box<dyn Trainer>, EngineError>;

    /// Opens a model for sampling. `model` is what [`Trainer::finish`] gave.
    fn sampler(&self, model: &[u8]) -> Result<Arc<dyn Sampler>, EngineError>;

    /// Judges chunks against the dataset: writes `report.json` and `report.html` into `order.into`.
    fn evaluate(
        &self,
        order: &EvaluateOrder,
        watch: &dyn Watch,
    ) -> Result<ReportFacts, EngineError>;

    /// Writes the chunks as one file of the asked format to `order.into`, in chunk order.
    fn assemble(
        &self,
        order: &AssembleOrder,
        watch: &dyn Watch,
    ) -> Result<OutputFacts, EngineError>;

    /// Measures which bits this machine computes with so many threads (≤ 1 s).
    fn numerics_class(&self, threads: u32) -> Result<NumericsClass, EngineError>;
}

/// A training run: a sequence of segments, each a bounded number of steps.
pub trait Trainer: Send {
    /// Steps done so far.
    fn at(&self) -> Steps;
    /// True when no step is left: the plan is exhausted or early stopping decided.
    fn is_done(&self) -> bool;
    /// Trains at most `steps` further steps; returns early, between steps, once `watch` says stop.
    fn segment(&mut self, steps: Steps, watch: &dyn Watch) -> Result<SegmentFacts, EngineError>;
    /// Everything needed to continue bit for bit, self-describing and versioned.
    fn snapshot(&self) -> Result<Vec<u8>, EngineError>;
    /// Turns the finished run into a model file.
    fn finish(&mut self) -> Result<Vec<u8>, EngineError>;
}

/// A trained model: chunks are functions of (model, seed, chunk number) alone.
pub trait Sampler: Send + Sync {
    /// Rows `chunk · CHUNK_ROWS ..` of the endless table of this seed, `rows` of them, as Arrow IPC
    /// file bytes. Always uses one thread; the caller may run many at once.
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: Rows) -> Result<Vec<u8>, EngineError>;
}

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

/// What the report says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportFacts {
    /// Pass, warn or block.
    pub verdict: Verdict,
    /// One line per gate that did not pass.
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

/// Format of an output file, from its name: `x.csv`, `x.csv.gz`, `x.parquet`, `x.jsonl.zst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFormat {
    /// How rows are written.
    pub rows: RowFormat,
    /// How the file is compressed.
    pub compression: Compression,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowFormat {
    /// Comma-separated values, RFC 4180.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// One JSON object per line.
    JsonLines,
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// Gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// Digest of a fixed small training: same class, same bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NumericsClass(pub String);

/// Why a call to the engine failed: a code with a page, and a sentence that names act, place and remedy.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The watch said stop; nothing is wrong.
    #[error("stopped between two steps, as asked")]
    Stopped,
    /// Something a user can mend or must know.
    #[error("{message}")]
    Failed {
        /// Which error this is.
        code: Code,
        /// Act, place, remedy; lower case, no full stop.
        message: String,
        /// What the operating system or a library said.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl EngineError {
    /// A failure without a deeper cause.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self::Failed { code, message: message.into(), source: None }
    }
    /// A failure that keeps its cause.
    pub fn because(
        code: Code,
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed { code, message: message.into(), source: Some(source.into()) }
    }
    /// The code, unless it only was stopped.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Stopped => None,
            Self::Failed { code, .. } => Some(*code),
        }
    }
}
