//! The engine port of `protocol`, carried out on this machine: glue between folders and modules.

mod files;

use std::sync::Arc;

use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    engine::{
        AssembleOrder, DatasetFacts, Engine, EngineError, EvaluateOrder, IngestOrder,
        NumericsClass, OutputFacts, PlanOrder, ProfileOrder, ReportFacts, Sampler, TrainOrder,
        Trainer,
    },
    limits::TRAIN_ROWS_MIN,
    model::{ModelName, TrainPlan},
    progress::Watch,
    unit::Rows,
};

pub use self::files::{Compared, profile_file, report_files};
use crate::{
    dataset::Dataset, export, ingest, learn, model::Generator, original, seqtree, tabgraph,
    table::ipc,
};

/// Name of the model file inside the model folder.
pub const MODEL_FILE: &str = "model.safetensors";

/// The engine of this machine: CPU, libtorch, plain threads.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalEngine;

impl LocalEngine {
    /// Ready at once; libtorch is woken by the first call that computes.
    pub fn new() -> Self {
        Self
    }
}

impl Engine for LocalEngine {
    fn ingest(&self, order: &IngestOrder, watch: &dyn Watch) -> Result<DatasetFacts, EngineError> {
        let facts = ingest::ingest(order, watch)?;
        if facts.train_rows.get() < TRAIN_ROWS_MIN {
            let message = format!(
                "learn from {}: {} rows may train, at least {TRAIN_ROWS_MIN} are needed, since \
                 fewer would be copied, not learned; add rows",
                order.source.display(),
                facts.train_rows
            );
            return Err(EngineError::new(Code::TooFewRows, message));
        }
        Ok(facts)
    }

    fn profile(&self, order: &ProfileOrder, watch: &dyn Watch) -> Result<(), EngineError> {
        files::profile_dataset(order, watch)
    }

    fn plan(&self, order: &PlanOrder, watch: &dyn Watch) -> Result<TrainPlan, EngineError> {
        let dataset = Dataset::open(&order.dataset)?;
        let plan = match order.model {
            ModelName::Tabgraph => tabgraph::plan,
            ModelName::Original => original::plan,
            ModelName::Seqtree => seqtree::plan,
        };
        let (train, holdout) = (dataset.train()?, dataset.holdout()?);
        plan(&train, &holdout, order.length, &order.overrides, order.seed, order.threads, watch)
    }

    fn trainer(
        &self,
        order: &TrainOrder,
        resume: Option<&[u8]>,
    ) -> Result<Box<dyn Trainer>, EngineError> {
        let dataset = Dataset::open(&order.dataset)?;
        let trainer = match order.model {
            ModelName::Tabgraph => tabgraph::trainer,
            ModelName::Original => original::trainer,
            ModelName::Seqtree => seqtree::trainer,
        };
        let (train, holdout) = (dataset.train()?, dataset.holdout()?);
        trainer(&train, &holdout, &order.plan, order.seed, order.threads, resume)
    }

    fn sampler(&self, model: &[u8]) -> Result<Arc<dyn Sampler>, EngineError> {
        Ok(Arc::new(IpcSampler(generator(model)?)))
    }

    fn evaluate(
        &self,
        order: &EvaluateOrder,
        watch: &dyn Watch,
    ) -> Result<ReportFacts, EngineError> {
        files::evaluate(order, watch)
    }

    fn assemble(
        &self,
        order: &AssembleOrder,
        watch: &dyn Watch,
    ) -> Result<OutputFacts, EngineError> {
        export::assemble(order, watch)
    }

    fn numerics_class(&self, threads: u32) -> Result<NumericsClass, EngineError> {
        learn::numerics_class(threads)
    }
}

/// Opens a model file of any generator.
pub fn generator(model: &[u8]) -> Result<Arc<dyn Generator>, EngineError> {
    match name_of(model)? {
        ModelName::Tabgraph => tabgraph::generator(model),
        ModelName::Original => original::generator(model),
        ModelName::Seqtree => seqtree::generator(model),
    }
}

/// Which generator wrote a model file: the `kind` in the record of its safetensors header.
pub fn name_of(model: &[u8]) -> Result<ModelName, EngineError> {
    let refuse = |why: &str| {
        let message = format!("open the model file: {why}; train it again or name another file");
        EngineError::new(Code::ModelUnreadable, message)
    };
    let (_, header) = safetensors::SafeTensors::read_metadata(model)
        .map_err(|error| refuse(&format!("it is not a safetensors file ({error})")))?;
    let text = header.metadata().as_ref().and_then(|entries| entries.get("tgs"));
    let record: serde_json::Value = text
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| refuse("it was not written by tgs"))?;
    match record["kind"].as_str() {
        Some("tabgraph model") => Ok(ModelName::Tabgraph),
        Some("original model") => Ok(ModelName::Original),
        Some("seqtree model") | None => Ok(ModelName::Seqtree),
        Some(other) => Err(refuse(&format!("`{other}` is of another version"))),
    }
}

/// A generator whose chunks travel as Arrow IPC files.
struct IpcSampler(Arc<dyn Generator>);

impl Sampler for IpcSampler {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: Rows) -> Result<Vec<u8>, EngineError> {
        let rows = usize::try_from(rows.get())
            .map_err(|_| EngineError::new(Code::RowsOutOfRange, "a chunk beyond memory"))?;
        ipc::to_ipc(&self.0.chunk(seed, chunk, rows)?)
    }
}
