//! Models that are kept open for whoever wants a few rows at once: opening one costs up to seconds,
//! drawing a row milliseconds. Bounded in number, in bytes and in idle time; what was asked for
//! longest ago is closed first.

use std::sync::{Arc, Mutex, PoisonError};

use tgs_protocol::{
    digest::Digest,
    engine::Sampler,
    limits::{MODEL_WARM_IDLE_MS, MODELS_WARM_BYTES_MAX, MODELS_WARM_MAX},
    unit::{ByteCount, Millis},
};

/// The warm models of a node; clones share them.
#[derive(Clone, Default)]
pub(crate) struct WarmModels(Arc<Mutex<Vec<Warm>>>);

/// An opened model, with the size of its file.
pub(crate) type Opened = (Arc<dyn Sampler>, ByteCount);

struct Warm {
    digest: Digest,
    asked_for: Millis,
    slot: Slot,
}

/// Whoever comes first opens the model; others who want the same one wait for it, and nobody else.
type Slot = Arc<Mutex<Option<Opened>>>;

impl WarmModels {
    /// The model of this digest.
    pub(crate) fn get_or_open<E>(
        &self,
        digest: Digest,
        now: Millis,
        open: impl FnOnce() -> Result<Opened, E>,
    ) -> Result<Arc<dyn Sampler>, E> {
        let slot = self.slot(digest, now);
        let mut held = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((model, _)) = held.as_ref() {
            return Ok(model.clone());
        }
        let opened = open();
        if let Ok(opened) = &opened {
            *held = Some(opened.clone());
        }
        drop(held);
        if opened.is_err() {
            self.all().retain(|warm| warm.digest != digest);
        }
        self.close_what_is_too_much();
        opened.map(|(model, _)| model)
    }

    /// Closes what nobody has asked for lately.
    pub(crate) fn close_idle(&self, now: Millis) {
        let is_idle =
            |warm: &Warm| now.get().saturating_sub(warm.asked_for.get()) >= MODEL_WARM_IDLE_MS;
        self.all().retain(|warm| !is_idle(warm));
    }

    fn slot(&self, digest: Digest, now: Millis) -> Slot {
        let mut all = self.all();
        if let Some(known) = all.iter_mut().find(|warm| warm.digest == digest) {
            known.asked_for = now.max(known.asked_for);
            return known.slot.clone();
        }
        let slot = Slot::default();
        all.push(Warm { digest, asked_for: now, slot: slot.clone() });
        slot
    }

    /// From the one asked for last on, as many as the bounds hold; one that is being opened counts
    /// once it is open. One that alone is too large is closed as well.
    fn close_what_is_too_much(&self) {
        let mut all = self.all();
        all.sort_by_key(|warm| std::cmp::Reverse(warm.asked_for));
        let (mut models, mut bytes) = (0, 0_u64);
        all.retain(|warm| {
            models += 1;
            let size = warm.size().get();
            let fits =
                models <= MODELS_WARM_MAX && bytes.saturating_add(size) <= MODELS_WARM_BYTES_MAX;
            bytes += if fits { size } else { 0 };
            fits
        });
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Warm>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Warm {
    fn size(&self) -> ByteCount {
        match self.slot.try_lock() {
            Ok(held) => held.as_ref().map_or(ByteCount(0), |(_, size)| *size),
            Err(_) => ByteCount(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::nothing::Nothing;

    /// Whether the model had to be opened.
    fn opens(models: &WarmModels, name: &str, now: u64, size: u64) -> bool {
        let mut opened = false;
        let open = || {
            opened = true;
            Ok::<_, ()>((Arc::new(Nothing) as Arc<dyn Sampler>, ByteCount(size)))
        };
        let model = models.get_or_open(Digest::of(name.as_bytes()), Millis(now), open);
        assert!(model.is_ok());
        opened
    }

    #[test]
    fn the_one_asked_for_longest_ago_is_closed_first() {
        let models = WarmModels::default();
        for at in 0..MODELS_WARM_MAX as u64 {
            assert!(opens(&models, &at.to_string(), at, 1));
        }
        assert!(!opens(&models, "0", 100, 1), "it is warm");
        assert!(opens(&models, "one more", 101, 1));
        assert!(!opens(&models, "0", 102, 1), "it was asked for lately");
        assert!(opens(&models, "1", 103, 1), "it was the oldest");
    }

    #[test]
    fn bytes_are_bounded_and_the_largest_is_not_kept() {
        let models = WarmModels::default();
        let half = MODELS_WARM_BYTES_MAX / 2;
        assert!(opens(&models, "a", 0, half) && opens(&models, "b", 1, half));
        assert!(opens(&models, "c", 2, 1), "now it is one byte too much");
        assert!(opens(&models, "a", 3, half), "it was closed for c");
        assert!(opens(&models, "huge", 4, MODELS_WARM_BYTES_MAX + 1));
        assert!(opens(&models, "huge", 5, MODELS_WARM_BYTES_MAX + 1), "it is never kept");
    }

    #[test]
    fn an_idle_model_is_closed_and_one_that_does_not_open_is_tried_again() {
        let models = WarmModels::default();
        assert!(opens(&models, "a", 0, 1));
        models.close_idle(Millis(MODEL_WARM_IDLE_MS - 1));
        assert!(!opens(&models, "a", 5, 1));
        models.close_idle(Millis(5 + MODEL_WARM_IDLE_MS));
        assert!(opens(&models, "a", 5 + MODEL_WARM_IDLE_MS, 1));
        let refused = models.get_or_open(Digest::of(b"b"), Millis(0), || Err::<Opened, _>("torn"));
        assert_eq!(refused.err(), Some("torn"));
        assert!(opens(&models, "b", 1, 1));
    }
}
