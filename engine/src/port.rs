//! The engine port of `protocol`, carried out on this machine: glue between folders and modules.

mod files;

use std::sync::Arc;

use serde_json::{Map, Value};
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
    container::{self, FileKind},
    dataset::Dataset,
    export, ingest, learn,
    model::Generator,
    original, seqtree, tabgraph,
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
        watch: &dyn Watch,
    ) -> Result<Box<dyn Trainer>, EngineError> {
        let dataset = Dataset::open(&order.dataset)?;
        let trainer = match order.model {
            ModelName::Tabgraph => tabgraph::trainer,
            ModelName::Original => original::trainer,
            ModelName::Seqtree => seqtree::trainer,
        };
        let (train, holdout) = (dataset.train()?, dataset.holdout()?);
        let work = (order.seed, order.threads);
        trainer(&train, &holdout, &order.plan, work, resume, watch)
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

/// Checks constants that a user set, before any work.
///
/// # Errors
/// `UnknownConstant` for one that the model does not have, or out of range.
pub fn check_constants(model: ModelName, set: &Map<String, Value>) -> Result<(), EngineError> {
    match model {
        ModelName::Tabgraph => tabgraph::check_constants(set),
        ModelName::Original => original::check_constants(set),
        ModelName::Seqtree => seqtree::check_constants(set),
    }
}

/// Which generator wrote a model file, by the kind it says it is.
///
/// # Errors
/// `ModelUnreadable` for a file of any other kind.
pub fn name_of(model: &[u8]) -> Result<ModelName, EngineError> {
    let why = match container::kind_of(model) {
        Ok(FileKind::Model(name)) => return Ok(name),
        Ok(other) => format!("it is a {other}"),
        Err(why) => why,
    };
    let message = format!("open a model: {why}; train it again or name another file");
    Err(EngineError::new(Code::ModelUnreadable, message))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Array;

    #[test]
    fn a_model_file_names_its_generator_and_other_files_none() {
        for name in ModelName::ALL {
            let file = |kind| container::write(kind, &(), Vec::<(String, Array)>::new());
            let (model, snapshot) = (file(FileKind::Model(name)), file(FileKind::Snapshot(name)));
            assert_eq!(name_of(&model.expect("writes")).expect("is a model"), name);
            let refused = name_of(&snapshot.expect("writes")).expect_err("is no model");
            assert_eq!(refused.code(), Some(Code::ModelUnreadable));
            assert!(refused.to_string().contains(&format!("it is a {name} snapshot")));
        }
        let foreign = safetensors::serialize(Vec::<(String, Array)>::new(), None);
        for bytes in [foreign.expect("writes"), b"age,city\n31,Rome\n".to_vec(), Vec::new()] {
            let refused = name_of(&bytes).expect_err("is no model");
            assert_eq!(refused.code(), Some(Code::ModelUnreadable), "{refused}");
        }
    }
}
