//! What every model owes: fit by segments, snapshot, restore, sample a chunk.

use std::sync::Arc;

use tgs_protocol::{chunk::ChunkNo, engine::EngineError};

use crate::{
    given::{Fitting, Incomplete, Limits},
    table::{Cells, Table},
};

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
