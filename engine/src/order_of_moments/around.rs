//! Training and sampling around a model that knows nothing of the order of moments.

use std::sync::Arc;

use serde::de::IgnoredAny;
use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    engine::{EngineError, SegmentFacts, Trainer},
    model::ModelName,
    progress::Watch,
    unit::{Rows, Steps},
};

use super::OrderOfMoments;
use crate::{
    container::{self, Asides, FileKind},
    given::{self, Fitting, Incomplete, Limits},
    model::Generator,
    table::{Cells, Table},
};

/// Begins a run on the table as models see it, or goes on from a snapshot. `begin` does so for a
/// model; without moments that follow each other, its files are as they would be without this.
///
/// # Errors
/// `CheckpointCorrupt` for a snapshot that is damaged or of rows with another order; those of
/// `begin`.
pub(crate) fn trainer(
    model: ModelName,
    train: &Table,
    resume: Option<&[u8]>,
    begin: impl FnOnce(&Table) -> Result<Box<dyn Trainer>, EngineError>,
) -> Result<Box<dyn Trainer>, EngineError> {
    let order = OrderOfMoments::of(train);
    if let Some(snapshot) = resume {
        let kind = FileKind::Snapshot(model);
        let said: Asides<OrderOfMoments, IgnoredAny> = container::asides(kind, snapshot)?;
        if said.beside.unwrap_or_default() != order {
            return Err(kind.refuse("it belongs to another run"));
        }
    }
    let run = begin(&order.learned(train))?;
    Ok(if order.is_empty() { run } else { Box::new(Around { run, model, order }) })
}

/// Wraps the generator of a model, if its rows have moments that follow each other.
pub(crate) fn generator(
    inner: Arc<dyn Generator>,
    order: Option<OrderOfMoments>,
) -> Arc<dyn Generator> {
    match order {
        Some(order) => Arc::new(Telling { inner, order }),
        None => inner,
    }
}

/// A run whose files say what was learned in place of moments.
struct Around {
    run: Box<dyn Trainer>,
    model: ModelName,
    order: OrderOfMoments,
}

impl Trainer for Around {
    fn at(&self) -> Steps {
        self.run.at()
    }
    fn rows_per_step(&self) -> Rows {
        self.run.rows_per_step()
    }
    fn is_done(&self) -> bool {
        self.run.is_done()
    }
    fn segment(&mut self, steps: Steps, watch: &dyn Watch) -> Result<SegmentFacts, EngineError> {
        self.run.segment(steps, watch)
    }
    fn snapshot(&self) -> Result<Vec<u8>, EngineError> {
        container::with_beside(FileKind::Snapshot(self.model), &self.run.snapshot()?, &self.order)
    }
    fn finish(&mut self, watch: &dyn Watch) -> Result<Vec<u8>, EngineError> {
        let model = self.run.finish(watch)?;
        // A model may be one of several that were tried, of another name than the run.
        let kind = container::kind_of(&model)
            .map_err(|why| EngineError::new(Code::Internal, format!("finish a model: {why}")))?;
        container::with_beside(kind, &model, &self.order)
    }
}

/// A generator that tells moments in place of gaps.
#[derive(Clone)]
struct Telling {
    inner: Arc<dyn Generator>,
    order: OrderOfMoments,
}

impl Generator for Telling {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        let drawn = self.inner.chunk(seed, chunk, rows)?;
        self.order.check(&drawn).map_err(|why| {
            let message = format!("open a model: {why}; take the file that `tgs train` wrote");
            EngineError::new(Code::ModelUnreadable, message)
        })?;
        Ok(self.order.told(&drawn))
    }

    fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        self.inner.generated(seed, chunk, rows)
    }

    /// Later moments are not what the model draws: rows with others than are wanted are thrown away
    /// after they are told.
    fn within(&self, limits: &Limits, tries: u32) -> Result<Option<Fitting>, EngineError> {
        let is_told = |at: usize| self.order.0.iter().any(|later| later.column == at);
        let (told, drawn): (Limits, Limits) =
            limits.iter().cloned().partition(|(at, _)| is_told(*at));
        if drawn.is_empty() {
            return Ok(None);
        }
        let Fitting { rows, share } = given::within(&self.inner, &drawn, tries)?;
        let rows: Arc<dyn Generator> = Arc::new(Self { inner: rows, ..self.clone() });
        Ok(Some(match told.is_empty() {
            true => Fitting { rows, share },
            false => Fitting { rows: given::rejecting(&rows, &told, tries), share: None },
        }))
    }

    fn completing(&self, rows: Incomplete) -> Option<Arc<dyn Generator>> {
        let learned = Incomplete { table: self.order.learned(&rows.table), ..rows };
        let inner = self.inner.completing(learned)?;
        Some(Arc::new(Self { inner, ..self.clone() }))
    }
}
