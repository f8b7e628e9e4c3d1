//! What every model owes: plan, fit by segments, snapshot, restore, sample a chunk; and which there
//! are.

use std::sync::Arc;

use serde_json::{Map, Value};
use tgs_protocol::{
    chunk::ChunkNo,
    engine::{EngineError, Trainer},
    model::{ModelName, TrainPlan, TrainingLength},
    progress::Watch,
    report::Curve,
};

use crate::{
    auto, autoregressive,
    container::FileKind,
    ctgan,
    given::{Fitting, Incomplete, Limits},
    original, seqtree, tabgraph,
    table::{Cells, Table},
    tvae,
};

/// Resolves constants and steps: table, length, what a user set, seed, threads.
type Plan = fn(
    &Table,
    TrainingLength,
    &Map<String, Value>,
    u64,
    u32,
    &dyn Watch,
) -> Result<TrainPlan, EngineError>;
/// Begins a run, or goes on from a snapshot: table, plan, seed and threads.
type Begin = fn(
    &Table,
    &TrainPlan,
    (u64, u32),
    Option<&[u8]>,
    &dyn Watch,
) -> Result<Box<dyn Trainer>, EngineError>;

/// Opens a model file.
type Open = fn(&[u8]) -> Result<Arc<dyn Generator>, EngineError>;

/// One model, as whoever knows it by its name alone uses it.
pub(crate) struct Model {
    pub plan: Plan,
    pub trainer: Begin,
    pub generator: Open,
    /// Losses by step, from a model file.
    pub curves: fn(&[u8]) -> Result<Vec<Curve>, EngineError>,
    pub check_constants: fn(&Map<String, Value>) -> Result<(), EngineError>,
}

/// The model of this name.
pub(crate) fn of(name: ModelName) -> Model {
    macro_rules! net {
        ($module:ident) => {
            Model {
                plan: $module::plan,
                trainer: $module::trainer,
                generator: $module::generator,
                curves: $module::curves,
                check_constants: $module::check_constants,
            }
        };
    }
    match name {
        ModelName::Tabgraph => net!(tabgraph),
        ModelName::Original => net!(original),
        ModelName::Autoregressive => net!(autoregressive),
        ModelName::Ctgan => net!(ctgan),
        ModelName::Tvae => net!(tvae),
        ModelName::Seqtree => Model {
            plan: seqtree::plan,
            trainer: seqtree::trainer,
            generator: seqtree::generator,
            curves: |_| Ok(Vec::new()),
            check_constants: seqtree::check_constants,
        },
        // What it trains is a model of another name.
        ModelName::Auto => Model {
            plan: auto::plan,
            trainer: auto::trainer,
            generator: |_| Err(FileKind::Model(ModelName::Auto).refuse("no file holds a choice")),
            curves: |_| Ok(Vec::new()),
            check_constants: auto::check_constants,
        },
    }
}

/// A trained model in memory. Sampling is a pure function of (model, seed, chunk number, rows in
/// the chunk).
pub trait Generator: Send + Sync {
    /// Chunk number `chunk` of the endless table of `seed`, of `rows` rows; all chunks but the last
    /// have `CHUNK_ROWS`. A chunk of fewer rows need not be the beginning of a longer one. Uses one
    /// thread.
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError>;

    /// The columns of that chunk that are made anew, not drawn, by their places.
    fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)>;

    /// A generator of rows within limits, if this model can draw them as such; else rows that do
    /// not fit are thrown away. `tries`: rows drawn for one that is kept, at most.
    ///
    /// # Errors
    /// `NoSuchRows` where no row can be so.
    fn within(&self, limits: &Limits, tries: u32) -> Result<Option<Fitting>, EngineError> {
        let _ = (limits, tries);
        Ok(None)
    }

    /// A generator of these rows in their order, what they lack drawn given what they have; none if
    /// this model cannot draw so. Chunks are those of the rows.
    fn completing(&self, rows: Incomplete) -> Option<Arc<dyn Generator>> {
        let _ = rows;
        None
    }
}
