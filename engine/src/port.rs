//! The engine port of `protocol`, carried out on this machine: glue between folders and modules.

mod files;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Map, Value};
use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    engine::{
        AssembleOrder, CompareOrder, DatasetFacts, Device, Engine, EngineError, EvaluateOrder,
        IngestOrder, NumericsClass, OutputFacts, PlanOrder, ProfileOrder, ReportFacts, RowFormat,
        Sampler, TrainOrder, Trainer,
    },
    given::Given,
    limits::TRAIN_ROWS_MIN,
    model::{ModelName, TrainPlan},
    progress::Watch,
    unit::Rows,
};

pub use self::files::{compare, profile_file};
use crate::{
    container::{self, Asides, FileKind},
    dataset::Dataset,
    export, given, ingest, learn,
    model::{self, Generator},
    order_of_moments::{self, OrderOfMoments},
    table::{Table, ipc},
};

/// Name of the model file inside the model folder.
pub const MODEL_FILE: &str = "model.safetensors";

/// The engine of this machine: CPU, libtorch, plain threads.
#[derive(Debug, Default)]
pub struct LocalEngine {
    /// By the number of threads.
    classes: Mutex<BTreeMap<u32, NumericsClass>>,
}

impl LocalEngine {
    /// Ready at once; libtorch is woken by the first call that computes.
    pub fn new() -> Self {
        Self::default()
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
        on_cores(order.device)?;
        let dataset = Dataset::open(&order.dataset)?;
        // Rows kept aside are for the report: no model may choose by them.
        let train = dataset.train()?;
        let train = OrderOfMoments::of(&train).learned(&train);
        let (length, set) = (order.length, &order.overrides);
        (model::of(order.model).plan)(&train, length, set, order.seed, order.threads, watch)
    }

    fn trainer(
        &self,
        order: &TrainOrder,
        resume: Option<&[u8]>,
        watch: &dyn Watch,
    ) -> Result<Box<dyn Trainer>, EngineError> {
        on_cores(order.device)?;
        let dataset = Dataset::open(&order.dataset)?;
        let begin = model::of(order.model).trainer;
        let work = (order.seed, order.threads);
        order_of_moments::trainer(order.model, &dataset.train()?, resume, |train| {
            begin(train, &order.plan, work, resume, watch)
        })
    }

    fn sampler(&self, model: &[u8]) -> Result<Arc<dyn Sampler>, EngineError> {
        Ok(Arc::new(IpcSampler(generator(model)?)))
    }

    fn given(&self, model: &[u8], given: &Given) -> Result<(Vec<u8>, Vec<String>), EngineError> {
        given::given((name_of(model)?, model), &generator(model)?, given)
    }

    fn complete(
        &self,
        model: &[u8],
        rows: &Path,
        watch: &dyn Watch,
    ) -> Result<(Vec<u8>, Vec<String>, Rows), EngineError> {
        given::completed((name_of(model)?, model), &generator(model)?, rows, watch)
    }

    fn evaluate(
        &self,
        order: &EvaluateOrder,
        watch: &dyn Watch,
    ) -> Result<ReportFacts, EngineError> {
        files::evaluate(order, watch)
    }

    fn compare(
        &self,
        order: &CompareOrder,
        watch: &dyn Watch,
    ) -> Result<(ReportFacts, Vec<String>), EngineError> {
        files::compare(order, watch)
    }

    fn assemble(
        &self,
        order: &AssembleOrder,
        watch: &dyn Watch,
    ) -> Result<OutputFacts, EngineError> {
        export::assemble(order, watch)
    }

    fn check_constants(
        &self,
        model: ModelName,
        set: &Map<String, Value>,
    ) -> Result<(), EngineError> {
        check_constants(model, set)
    }

    fn graphics_processors(&self) -> u32 {
        // Several of libtorch's kernels there add in the order in which threads arrive: the same
        // job would not end with the same bytes.
        0
    }

    fn numerics_class(&self, device: Device, threads: u32) -> Result<NumericsClass, EngineError> {
        on_cores(device)?;
        // Whoever asks meanwhile waits: two at once would measure the same.
        let mut classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(class) = classes.get(&threads) {
            return Ok(class.clone());
        }
        let class = learn::numerics_class(threads)?;
        classes.insert(threads, class.clone());
        Ok(class)
    }
}

/// Refuses a device that this engine does not say it has.
fn on_cores(device: Device) -> Result<(), EngineError> {
    match device {
        Device::Cpu => Ok(()),
        Device::Gpu(number) => {
            let message = format!("compute on graphics processor {number}: this engine uses cores");
            Err(EngineError::new(Code::Internal, message))
        }
    }
}

/// Opens a model file of any generator.
pub fn generator(bytes: &[u8]) -> Result<Arc<dyn Generator>, EngineError> {
    let name = name_of(bytes)?;
    let inner = (model::of(name).generator)(bytes)?;
    let Asides { beside, given, .. } = container::asides(FileKind::Model(name), bytes)?;
    given::generator((name, bytes), order_of_moments::generator(inner, beside), given)
}

/// Checks constants that a user set, before any work.
///
/// # Errors
/// `UnknownConstant` for one that the model does not have, or out of range.
pub fn check_constants(name: ModelName, set: &Map<String, Value>) -> Result<(), EngineError> {
    (model::of(name).check_constants)(set)
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

impl IpcSampler {
    fn table(&self, seed: u64, chunk: ChunkNo, rows: Rows) -> Result<Table, EngineError> {
        let rows = usize::try_from(rows.get())
            .map_err(|_| EngineError::new(Code::RowsOutOfRange, "a chunk beyond memory"))?;
        self.0.chunk(seed, chunk, rows)
    }
}

impl Sampler for IpcSampler {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: Rows) -> Result<Vec<u8>, EngineError> {
        ipc::to_ipc(&self.table(seed, chunk, rows)?)
    }

    fn written(
        &self,
        seed: u64,
        chunk: ChunkNo,
        rows: Rows,
        format: RowFormat,
    ) -> Result<Vec<u8>, EngineError> {
        export::written(&self.table(seed, chunk, rows)?, format)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tgs_protocol::{model::TrainingLength, progress::Unwatched, unit::Steps};

    use super::*;
    use crate::{
        container::Array,
        random::{Purpose, Stream},
    };

    /// A file of rows of one distribution: a group, and a number that follows it.
    fn table_file(folder: &std::path::Path, name: &str, rows: usize, shift: f64) -> PathBuf {
        let mut dice = Stream::new(3, Purpose::Test, rows as u64);
        let line = |_| {
            let group = dice.below(3);
            let value = (100.0 * (dice.normal() + shift + group as f64)).round() / 100.0;
            format!("g{group},{value}\n")
        };
        let text = "group,value\n".to_owned() + &(0..rows).map(line).collect::<String>();
        let path = folder.join(name);
        std::fs::write(&path, text).expect("writes");
        path
    }

    /// What the report is measured against must not have had a say in what is measured.
    #[test]
    fn rows_kept_aside_for_the_report_change_neither_plan_nor_model() {
        let engine = LocalEngine::new();
        let folder = tempfile::tempdir().expect("a folder");
        let source = table_file(folder.path(), "source.csv", 400, 0.0);
        let models = [("few", 50, 0.0), ("others", 120, 0.5)].map(|(name, rows, shift)| {
            let holdout = table_file(folder.path(), &format!("{name}.csv"), rows, shift);
            let into = folder.path().join(name);
            std::fs::create_dir(&into).expect("a folder");
            let order = IngestOrder {
                source: source.clone(),
                holdout: Some(holdout),
                metadata: None,
                seed: 1,
                into: into.clone(),
            };
            engine.ingest(&order, &Unwatched).expect("reads");
            ModelName::ALL.map(|model| fitted(&engine, model, into.clone()))
        });
        for (name, (one, other)) in ModelName::ALL.iter().zip(models[0].iter().zip(&models[1])) {
            assert_eq!(one.0, other.0, "{name}: another plan");
            assert!(one.1 == other.1, "{name}: another model");
        }
    }

    /// Plan and model of a dataset.
    fn fitted(engine: &LocalEngine, model: ModelName, dataset: PathBuf) -> (TrainPlan, Vec<u8>) {
        let constants = match model {
            ModelName::Seqtree | ModelName::Auto => serde_json::json!({}),
            _ => serde_json::json!({"width": 16, "batch": 64}),
        };
        let order = PlanOrder {
            dataset: dataset.clone(),
            model,
            length: TrainingLength::Steps(40),
            overrides: constants.as_object().expect("a record").clone(),
            seed: 1,
            threads: 1,
            device: Device::Cpu,
        };
        let plan = engine.plan(&order, &Unwatched).expect("plans");
        let order = TrainOrder {
            dataset,
            model,
            plan: plan.clone(),
            seed: 1,
            threads: 1,
            device: Device::Cpu,
        };
        let mut run = engine.trainer(&order, None, &Unwatched).expect("begins");
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        (plan, run.finish(&Unwatched).expect("finishes"))
    }

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
