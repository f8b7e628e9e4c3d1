//! The port behind which tables and models live. The actors call it from plain threads; the crate
//! `engine` implements it. Every call is a function of its order: same order, same bytes.

mod error;
mod order;
mod output;

use std::{path::Path, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    chunk::ChunkNo,
    given::Given,
    model::{ModelName, TrainPlan},
    progress::Watch,
    unit::{Rows, Steps},
};

pub use self::{
    error::EngineError,
    order::{
        AssembleOrder, CompareOrder, DatasetFacts, Device, EvaluateOrder, IngestOrder,
        NumericsClass, OutputFacts, PlanOrder, ProfileOrder, ReportFacts, SegmentFacts, TrainOrder,
    },
    output::{Compression, OutputFormat, RowFormat},
};

/// What the engine can do. All paths are local; staging folders are empty and private to the call.
pub trait Engine: Send + Sync {
    /// Checks constants that a user set, before any work.
    ///
    /// # Errors
    /// `UnknownConstant` for one that the model does not have, or out of range.
    fn check_constants(
        &self,
        model: ModelName,
        set: &Map<String, Value>,
    ) -> Result<(), EngineError>;

    /// Reads a source, agrees kinds, splits rows, writes a canonical dataset into `order.into`.
    fn ingest(&self, order: &IngestOrder, watch: &dyn Watch) -> Result<DatasetFacts, EngineError>;

    /// Writes `profile.json` of a dataset folder into `into`.
    fn profile(&self, order: &ProfileOrder, watch: &dyn Watch) -> Result<(), EngineError>;

    /// Resolves every constant and the number of steps. The only call that may measure time.
    fn plan(&self, order: &PlanOrder, watch: &dyn Watch) -> Result<TrainPlan, EngineError>;

    /// Begins or resumes a training run. `resume` is what [`Trainer::snapshot`] gave.
    ///
    /// # Errors
    /// `Stopped` soon after `watch` says so: rows are coded here, which takes long for many.
    fn trainer(
        &self,
        order: &TrainOrder,
        resume: Option<&[u8]>,
        watch: &dyn Watch,
    ) -> Result<Box<dyn Trainer>, EngineError>;

    /// The model whose rows are all like this, from one of any rows; with what a user should know
    /// of such rows.
    ///
    /// # Errors
    /// `NoSuchRows` where no row can be so; `ModelUnreadable`.
    fn given(&self, model: &[u8], given: &Given) -> Result<(Vec<u8>, Vec<String>), EngineError>;

    /// The model whose rows are those of a file in their order, which may lack columns and cells:
    /// they are drawn given what is there. Also gives the notices of reading the file, and how many
    /// rows there are.
    ///
    /// # Errors
    /// `NoSuchRows` for a model that cannot draw so; those of a file that cannot be read;
    /// `ModelUnreadable`; `Stopped`.
    fn complete(
        &self,
        model: &[u8],
        rows: &Path,
        watch: &dyn Watch,
    ) -> Result<(Vec<u8>, Vec<String>, Rows), EngineError>;

    /// Opens a model for sampling. `model` is what [`Trainer::finish`],
    /// [`Engine::given`] or [`Engine::complete`] gave.
    fn sampler(&self, model: &[u8]) -> Result<Arc<dyn Sampler>, EngineError>;

    /// Judges chunks against the dataset: writes `report.json` and `report.html` into `order.into`.
    fn evaluate(
        &self,
        order: &EvaluateOrder,
        watch: &dyn Watch,
    ) -> Result<ReportFacts, EngineError>;

    /// Judges a table against a real one, as they stand in their files: the same documents as
    /// [`Engine::evaluate`]. Also gives the notices of reading them.
    fn compare(
        &self,
        order: &CompareOrder,
        watch: &dyn Watch,
    ) -> Result<(ReportFacts, Vec<String>), EngineError>;

    /// Writes the chunks as one file of the asked format to `order.into`, in chunk order.
    fn assemble(
        &self,
        order: &AssembleOrder,
        watch: &dyn Watch,
    ) -> Result<OutputFacts, EngineError>;

    /// Graphics processors of this machine that it can train on.
    fn graphics_processors(&self) -> u32;

    /// Which bits this device computes with so many threads: measured (≤ 1 s) when first asked,
    /// since they do not change while a process lives.
    fn numerics_class(&self, device: Device, threads: u32) -> Result<NumericsClass, EngineError>;
}

/// A training run: a sequence of segments, each a bounded number of steps.
pub trait Trainer: Send {
    /// Steps done so far.
    fn at(&self) -> Steps;
    /// Rows that a step goes through: what turns steps into rows per second.
    fn rows_per_step(&self) -> Rows;
    /// True when no step is left: the plan is exhausted or early stopping decided.
    fn is_done(&self) -> bool;
    /// Trains at most `steps` further steps; returns early, between steps, once `watch` says stop.
    fn segment(&mut self, steps: Steps, watch: &dyn Watch) -> Result<SegmentFacts, EngineError>;
    /// Everything needed to continue bit for bit, self-describing and versioned.
    fn snapshot(&self) -> Result<Vec<u8>, EngineError>;
    /// Turns the finished run into a model file. It may be asked again after it was stopped.
    ///
    /// # Errors
    /// `Stopped` soon after `watch` says so; the run stands as before.
    fn finish(&mut self, watch: &dyn Watch) -> Result<Vec<u8>, EngineError>;
}

/// A trained model: chunks are functions of (model, seed, chunk number, rows in the chunk) alone.
pub trait Sampler: Send + Sync {
    /// Chunk number `chunk` of the endless table of this seed, of `rows` rows, as Arrow IPC file
    /// bytes. A chunk of fewer rows (the last one) need not be the beginning of a longer one.
    /// Always uses one thread; the caller may run many at once.
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: Rows) -> Result<Vec<u8>, EngineError>;
    /// The same chunk as text: what a file of this format holds that has it alone.
    ///
    /// # Errors
    /// `BadOutputName` for a format that is no text.
    fn written(
        &self,
        seed: u64,
        chunk: ChunkNo,
        rows: Rows,
        format: RowFormat,
    ) -> Result<Vec<u8>, EngineError>;
}
