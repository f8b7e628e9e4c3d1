//! What a newer version wrote, and this one leaves to nodes of that version.
//!
//! Lists go on without it. It is said when it is met first, and now and again for as long as it is
//! met: whoever looks at this node sees it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tgs_protocol::{code::Code, limits::WARNING_SHOWN_MS, store::StoreError};
use tracing::warn;

/// Sooner than what was warned of last is shown no more.
const AGAIN: Duration = Duration::from_millis(WARNING_SHOWN_MS / 2);

/// What one process passed over, and when it last said so.
#[derive(Debug, Default)]
pub struct PassedOver(Mutex<BTreeMap<String, Instant>>);

impl PassedOver {
    /// What was read; none in place of what a newer version wrote. `name` tells it from others.
    ///
    /// # Errors
    /// Every other failure.
    pub fn unless_newer<T>(
        &self,
        name: &str,
        read: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match read {
            Err(error) if error.code == Code::StoreTooNew => {
                self.say(name, &error);
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    /// Says so, unless it was said a moment ago.
    pub fn say(&self, name: &str, error: &StoreError) {
        if self.is_due(name) {
            warn!(%error, "what a newer version wrote is left to nodes of that version");
        }
    }

    fn is_due(&self, name: &str) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, at| at.elapsed() < AGAIN);
        if said.contains_key(name) {
            return false;
        }
        said.insert(name.to_owned(), Instant::now());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_newer_is_passed_over_and_said_once_and_nothing_else_is() {
        let passed_over = PassedOver::default();
        let read = |code| Err::<u32, _>(StoreError::new(code, "read it"));
        for _ in 0..2 {
            assert_eq!(passed_over.unless_newer("a", Ok(7)).expect("is read"), Some(7));
            let newer = passed_over.unless_newer("a", read(Code::StoreTooNew));
            assert_eq!(newer.expect("is passed over"), None);
            let broken = passed_over.unless_newer("a", read(Code::StoreCorrupt));
            assert_eq!(broken.expect_err("is no matter of versions").code, Code::StoreCorrupt);
        }
        assert!(!passed_over.is_due("a"), "it was said");
        assert!(passed_over.is_due("b"), "nobody said it of this one");
    }
}
