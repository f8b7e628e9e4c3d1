//! What every model owes: fit by segments, snapshot, restore, sample a chunk.

use tgs_protocol::{chunk::ChunkNo, engine::EngineError};

use crate::table::Table;

/// A trained model in memory. Sampling is a pure function of (model, seed, chunk number, rows in
/// the chunk).
pub trait Generator: Send + Sync {
    /// Chunk number `chunk` of the endless table of `seed`, of `rows` rows; all chunks but the last
    /// have `CHUNK_ROWS`. A chunk of fewer rows need not be the beginning of a longer one. Uses one
    /// thread.
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError>;
}
