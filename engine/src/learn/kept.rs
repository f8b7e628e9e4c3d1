//! What is made once of an opened model, by whoever needs it first.

use std::sync::{Mutex, PoisonError};

use tgs_protocol::engine::EngineError;

/// Tensors are read by one thread at a time through one value: each takes a shared one of its own.
pub(crate) trait Shared {
    /// The same storage once more.
    fn shared(&self) -> Self;
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Kept<R>(Mutex<Option<R>>);

impl<R> Default for Kept<R> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<R: Shared> Kept<R> {
    /// The same storage for every caller; whoever asks meanwhile waits.
    ///
    /// # Errors
    /// What `make` gives; the next one tries again.
    pub(crate) fn or_make(
        &self,
        make: impl FnOnce() -> Result<R, EngineError>,
    ) -> Result<R, EngineError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref() {
            return Ok(kept.shared());
        }
        Ok(kept.insert(make()?).shared())
    }
}
