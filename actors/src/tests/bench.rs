//! Time and names for tests.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

use tgs_protocol::{
    clock::{Clock, IdSource},
    id::JobId,
    space::Space,
    store::StoreError,
    unit::{ByteCount, Millis, Timestamp},
};

/// Real time, and whatever a test adds to it.
pub struct TestClock {
    begun: Instant,
    added_ms: AtomicU64,
    is_real: AtomicBool,
}

impl Default for TestClock {
    fn default() -> Self {
        Self { begun: Instant::now(), added_ms: AtomicU64::new(0), is_real: AtomicBool::new(false) }
    }
}

impl TestClock {
    /// From now on nothing is added: many steps of many jobs would age every lease beyond use.
    pub fn keep_real(&self) {
        self.is_real.store(true, Ordering::SeqCst);
    }
    pub fn advance(&self, millis: u64) {
        if self.is_real.load(Ordering::SeqCst) {
            return;
        }
        self.added_ms.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.monotonic().get())
    }
    fn monotonic(&self) -> Millis {
        let real = u64::try_from(self.begun.elapsed().as_millis()).unwrap();
        Millis(real + self.added_ms.load(Ordering::SeqCst))
    }
}

/// As much room as a test says.
pub struct SetSpace(pub AtomicU64);

impl Default for SetSpace {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl Space for SetSpace {
    fn free(&self) -> Result<ByteCount, StoreError> {
        Ok(ByteCount(self.0.load(Ordering::SeqCst)))
    }
}

/// job-1, job-2, …
#[derive(Default)]
pub struct Ids(AtomicU64);

impl IdSource for Ids {
    fn job(&self) -> JobId {
        JobId::new(self.name())
    }

    fn name(&self) -> String {
        format!("job-{}", 1 + self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn secret(&self) -> String {
        self.name()
    }
}
