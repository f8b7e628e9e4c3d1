//! A model that was opened for sampling: what every chunk would compute first, from the parameters
//! alone, is computed once. For one row that is most of the work.

use tgs_protocol::{chunk::ChunkNo, engine::EngineError};

use super::sampler::{Ready, TabgraphSampler};
use crate::{
    learn::{kept::Kept, torch::use_threads},
    model::Generator,
    table::{Cells, Table},
};

/// The model, and what is ready of it.
pub(super) struct Opened {
    sampler: TabgraphSampler,
    ready: Kept<Ready>,
}

impl Opened {
    pub(super) fn new(sampler: TabgraphSampler) -> Self {
        Self { sampler, ready: Kept::default() }
    }
}

impl Generator for Opened {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        use_threads(1);
        let ready = self.ready.or_make(|| self.sampler.ready())?;
        self.sampler.drawn(&ready, (seed, chunk), rows)
    }

    fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        self.sampler.tokenizer.generated(seed, chunk, rows)
    }
}
