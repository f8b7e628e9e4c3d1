//! What every model owes: fit by segments, snapshot, restore, sample a chunk.

use tgs_protocol::{chunk::ChunkNo, engine::EngineError};

use crate::table::Table;

/// A trained model in memory. Sampling is a pure function of (model, seed, chunk number).
pub trait Generator: Send + Sync {
    /// Rows of chunk number `chunk` of the endless table of `seed`; always computed as a whole
    /// chunk of `CHUNK_ROWS`, of which the first `rows` are returned, so a shorter table is a
    /// prefix of a longer one. Uses one thread.
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError>;
}
