//! Chunks: the unit of sampling, retry and exactly-once.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    limits::{CHUNK_ROWS, ROWS_PER_REQUEST_MAX},
    unit::Rows,
};

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

const _: () = assert!(
    ROWS_PER_REQUEST_MAX.div_ceil(CHUNK_ROWS) <= u32::MAX as u64,
    "a chunk number holds every chunk of the largest request"
);

/// The exact partition of `rows`: full chunks, then the rest. Empty for no rows. `rows` is at most
/// [`ROWS_PER_REQUEST_MAX`]; what lies beyond it is no part of any chunk.
pub fn partition(rows: Rows) -> impl Iterator<Item = (ChunkNo, Rows)> {
    (0..count(rows)).map(move |no| (ChunkNo(no), size(rows, no)))
}

/// Chunks in the partition of `rows`.
pub fn count(rows: Rows) -> u32 {
    let chunks = rows.get().min(ROWS_PER_REQUEST_MAX).div_ceil(CHUNK_ROWS);
    u32::try_from(chunks).expect("the largest request fits, checked when this file compiles")
}

/// Rows of one chunk in the partition of `rows`; none if there is no such chunk.
pub fn held(rows: Rows, chunk: ChunkNo) -> Option<Rows> {
    (chunk.0 < count(rows)).then(|| size(rows, chunk.0))
}

fn size(rows: Rows, no: u32) -> Rows {
    let rows = rows.get().min(ROWS_PER_REQUEST_MAX);
    Rows(CHUNK_ROWS.min(rows - u64::from(no) * CHUNK_ROWS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_partition_of_a_few_row_counts() {
        let cases: [(u64, &[u64]); 6] = [
            (0, &[]),
            (1, &[1]),
            (9_999, &[9_999]),
            (10_000, &[10_000]),
            (10_001, &[10_000, 1]),
            (25_000, &[10_000, 10_000, 5_000]),
        ];
        for (rows, sizes) in cases {
            let parts: Vec<_> = partition(Rows(rows)).collect();
            let expected = sizes.iter().enumerate().map(|(no, held)| (no as u32, *held));
            let expected: Vec<_> = expected.map(|(no, held)| (ChunkNo(no), Rows(held))).collect();
            assert_eq!(parts, expected, "{rows} rows");
        }
    }

    proptest! {
        #[test]
        fn the_partition_has_no_gap_and_no_overlap(rows in 0..=3_000_000_u64) {
            let mut begins = 0;
            for (no, (chunk, held_rows)) in partition(Rows(rows)).enumerate() {
                prop_assert_eq!(chunk.0 as usize, no);
                prop_assert_eq!(u64::from(chunk.0) * CHUNK_ROWS, begins);
                prop_assert!((1..=CHUNK_ROWS).contains(&held_rows.get()));
                prop_assert_eq!(held(Rows(rows), chunk), Some(held_rows));
                begins += held_rows.get();
            }
            prop_assert_eq!(begins, rows);
            prop_assert_eq!(held(Rows(rows), ChunkNo(count(Rows(rows)))), None);
        }

        #[test]
        fn the_largest_numbers_do_no_harm(rows in any::<u64>(), chunk in any::<u32>()) {
            let held_rows = held(Rows(rows), ChunkNo(chunk));
            prop_assert!(held_rows.is_none_or(|held| (1..=CHUNK_ROWS).contains(&held.get())));
            prop_assert_eq!(held_rows.is_some(), chunk < count(Rows(rows)));
        }
    }
}
