//! Models that are open, by digest: opening costs seconds and memory, so the pool opens each once,
//! and closes it when nobody has asked for it for a while.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tgs_protocol::{
    digest::Digest,
    engine::Sampler,
    limits::{MODEL_IDLE_MS, MODELS_OPEN_MAX},
    unit::Millis,
};

use crate::failure::Halt;

/// The open models of a pool, oldest first; clones share them.
#[derive(Clone, Default)]
pub(crate) struct OpenModels(Arc<Mutex<VecDeque<OpenModel>>>);

struct OpenModel {
    digest: Digest,
    model: Arc<dyn Sampler>,
    asked_for: Millis,
}

impl OpenModels {
    /// The model of this digest; while one sampler opens it, the others wait.
    pub(crate) fn get_or_open(
        &self,
        digest: Digest,
        now: Millis,
        open: impl FnOnce() -> Result<Arc<dyn Sampler>, Halt>,
    ) -> Result<Arc<dyn Sampler>, Halt> {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = models.iter_mut().find(|known| known.digest == digest) {
            known.asked_for = now;
            return Ok(known.model.clone());
        }
        let model = open()?;
        models.push_back(OpenModel { digest, model: model.clone(), asked_for: now });
        while models.len() > MODELS_OPEN_MAX {
            models.pop_front();
        }
        Ok(model)
    }

    /// Closes what nobody samples from and nobody has asked for lately.
    pub(crate) fn close_idle(&self, now: Millis) {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        models.retain(|known| {
            let is_in_use = Arc::strong_count(&known.model) > 1;
            is_in_use || now.get().saturating_sub(known.asked_for.get()) < MODEL_IDLE_MS
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::nothing::Nothing;

    #[test]
    fn a_model_is_closed_when_nobody_uses_it_and_nobody_asked_lately() {
        let models = OpenModels::default();
        let mut opened = 0;
        let mut get = |now| {
            let open = || {
                opened += 1;
                Ok(Arc::new(Nothing) as Arc<dyn Sampler>)
            };
            let model = models.get_or_open(Digest::of(b"model"), Millis(now), open);
            (model.unwrap_or_else(|_| unreachable!("it opens")), opened)
        };
        let (in_use, _) = get(0);
        models.close_idle(Millis(MODEL_IDLE_MS));
        assert_eq!(get(5).1, 1, "it is in use");
        drop(in_use);
        models.close_idle(Millis(5 + MODEL_IDLE_MS - 1));
        assert_eq!(get(6).1, 1, "it was asked for lately");
        models.close_idle(Millis(6 + MODEL_IDLE_MS));
        assert_eq!(get(6 + MODEL_IDLE_MS).1, 2, "it was idle");
    }
}
