//! Who is at work on what: a second one is told, and does not wait.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What is being worked on.
pub struct AtWork<K>(Mutex<BTreeSet<K>>);

/// One thing is ours until this is dropped.
pub struct Taken<'work, K: Ord> {
    work: &'work AtWork<K>,
    key: K,
}

impl<K: Ord + Clone> AtWork<K> {
    /// Takes one thing; none if another has it.
    pub fn take(&self, key: &K) -> Option<Taken<'_, K>> {
        let is_free = self.keys().insert(key.clone());
        is_free.then(|| Taken { work: self, key: key.clone() })
    }
}

impl<K> AtWork<K> {
    fn keys(&self) -> MutexGuard<'_, BTreeSet<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Default for AtWork<K> {
    fn default() -> Self {
        Self(Mutex::new(BTreeSet::new()))
    }
}

impl<K> fmt::Debug for AtWork<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at work", self.keys().len())
    }
}

impl<K: Ord> Drop for Taken<'_, K> {
    fn drop(&mut self) {
        self.work.keys().remove(&self.key);
    }
}
