//! A model without rows, for tests of whoever only keeps it.

use tgs_protocol::{
    chunk::ChunkNo,
    engine::{EngineError, RowFormat, Sampler},
    unit::Rows,
};

pub(crate) struct Nothing;

impl Sampler for Nothing {
    fn chunk(&self, _: u64, _: ChunkNo, _: Rows) -> Result<Vec<u8>, EngineError> {
        Ok(Vec::new())
    }
    fn written(&self, _: u64, _: ChunkNo, _: Rows, _: RowFormat) -> Result<Vec<u8>, EngineError> {
        Ok(Vec::new())
    }
}
