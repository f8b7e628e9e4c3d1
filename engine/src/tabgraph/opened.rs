//! A model that was opened for sampling: what every chunk would compute first, from the parameters
//! alone, is computed once. For one row that is most of the work.

use std::sync::{Mutex, PoisonError};

use tgs_protocol::{chunk::ChunkNo, engine::EngineError};

use super::sampler::{Ready, TabgraphSampler};
use crate::{learn::torch::use_threads, model::Generator, table::Table};

/// The model, and what is ready of it.
pub(super) struct Opened {
    sampler: TabgraphSampler,
    ready: Mutex<Option<Ready>>,
}

impl Opened {
    pub(super) fn new(sampler: TabgraphSampler) -> Self {
        Self { sampler, ready: Mutex::new(None) }
    }

    fn ready(&self) -> Result<Ready, EngineError> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = ready.as_ref() {
            return Ok(ready.shared());
        }
        Ok(ready.insert(self.sampler.ready()?).shared())
    }
}

impl Generator for Opened {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        use_threads(1);
        self.sampler.drawn(&self.ready()?, (seed, chunk), rows)
    }
}
