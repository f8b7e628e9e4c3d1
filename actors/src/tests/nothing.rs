//! A model without rows, for tests of whoever only keeps it; and a list without programs.

use tgs_protocol::{
    chunk::ChunkNo,
    engine::{EngineError, RowFormat, Sampler},
    program::{Command, Programs, RunFacts, RunOrder, not_allowed},
    progress::Watch,
    refusal::Refusal,
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

impl Programs for Nothing {
    fn check(&self, command: &Command) -> Result<(), Refusal> {
        Err(not_allowed(command))
    }
    fn run(&self, order: &RunOrder, _: &dyn Watch) -> Result<RunFacts, EngineError> {
        let Refusal { code, message } = not_allowed(&order.command);
        Err(EngineError::new(code, message))
    }
}
