//! Rows of a model that cannot be told conditions: as many are drawn as it takes, and those that do
//! not fit are thrown away.

use std::sync::Arc;

use tgs_protocol::{chunk::ChunkNo, engine::EngineError, limits::CHUNK_ROWS};

use super::{Limits, fits, refuse};
use crate::{
    model::Generator,
    random::{Purpose, Stream},
    table::{Cells, Table, stack::Stack},
};

/// Fewer rows at once would be drawn without regard to the shares of the table.
const ROWS_AT_ONCE_MIN: usize = 1_000;
/// Chunks are numbered below this.
const CHUNKS: u32 = 1 << 20;

/// See the module.
pub(super) struct Rejecting {
    any: Arc<dyn Generator>,
    limits: Limits,
    tries: u32,
}

impl Rejecting {
    pub(super) fn new(any: &Arc<dyn Generator>, limits: &Limits, tries: u32) -> Self {
        Self { any: Arc::clone(any), limits: limits.clone(), tries }
    }
}

impl Generator for Rejecting {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        let most = rows.saturating_mul(self.tries as usize);
        let mut stack: Option<Stack> = None;
        let (mut drawn, mut found, mut attempt) = (0_usize, 0_usize, 0_u32);
        loop {
            let wanted = ((rows - found) * (drawn + 1)).div_ceil(found + 1);
            let at_once = wanted.clamp(ROWS_AT_ONCE_MIN, CHUNK_ROWS as usize);
            let at_once = at_once.min((most - drawn).max(1));
            let index = u64::from(chunk.0) << 32 | u64::from(attempt);
            let own_seed = Stream::new(seed, Purpose::Given, index).long_bits();
            // Numbers are brought to other places of their ranks in every chunk.
            let place = ChunkNo(chunk.0.wrapping_add(attempt) % CHUNKS);
            let table = self.any.chunk(own_seed, place, at_once)?;
            let fitting: Vec<usize> = (0..at_once)
                .filter(|row| fits(&self.limits, &table, *row))
                .take(rows - found)
                .collect();
            (drawn, found, attempt) = (drawn + at_once, found + fitting.len(), attempt + 1);
            let mut all = stack.take().unwrap_or_else(|| Stack::like(&table, rows));
            all.push(&table.picked(&fitting))?;
            if found >= rows {
                return Ok(all.table());
            }
            if drawn >= most {
                let tries = self.tries;
                return refuse(format_args!(
                    "of {drawn} rows drawn, {found} fit, where {rows} are wanted; say less, allow \
                     more than {tries} tries, or train a model that draws under conditions \
                     (autoregressive)"
                ));
            }
            stack = Some(all);
        }
    }

    fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        self.any.generated(seed, chunk, rows)
    }
}
