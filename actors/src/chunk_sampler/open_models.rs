//! Models that are open, by digest: opening costs seconds and memory, so the pool opens each once.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tgs_protocol::{digest::Digest, engine::Sampler, limits::MODELS_OPEN_MAX};

use crate::failure::Halt;

/// The open models of a pool, oldest first; clones share them.
#[derive(Clone, Default)]
pub(crate) struct OpenModels(Arc<Mutex<VecDeque<OpenModel>>>);

type OpenModel = (Digest, Arc<dyn Sampler>);

impl OpenModels {
    /// The model of this digest; while one sampler opens it, the others wait.
    pub(crate) fn get_or_open(
        &self,
        digest: Digest,
        open: impl FnOnce() -> Result<Arc<dyn Sampler>, Halt>,
    ) -> Result<Arc<dyn Sampler>, Halt> {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, model)) = models.iter().find(|(of, _)| *of == digest) {
            return Ok(model.clone());
        }
        let model = open()?;
        models.push_back((digest, model.clone()));
        while models.len() > MODELS_OPEN_MAX {
            models.pop_front();
        }
        Ok(model)
    }
}
