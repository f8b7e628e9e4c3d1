//! Chunks: the unit of sampling, retry and exactly-once.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{digest::Digest, limits::CHUNK_ROWS, unit::Rows};

/// Position of a chunk in its table, from 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ChunkNo(pub u32);

impl fmt::Display for ChunkNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A chunk that is whole and durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedChunk {
    /// Which one.
    pub chunk: ChunkNo,
    /// Rows it holds.
    pub rows: Rows,
    /// Digest of its bytes.
    pub digest: Digest,
}

/// The exact partition of `rows`: full chunks, then the rest.
pub fn partition(rows: Rows) -> impl Iterator<Item = (ChunkNo, Rows)> {
    (0..rows.get().div_ceil(CHUNK_ROWS)).map(move |no| {
        let begins = no * CHUNK_ROWS;
        let held = CHUNK_ROWS.min(rows.get() - begins);
        (ChunkNo(u32::try_from(no).expect("rows are limited at the request")), Rows(held))
    })
}
