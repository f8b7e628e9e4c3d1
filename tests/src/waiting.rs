//! Waiting for what real processes do in their own time.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Looks seldom at what takes long: who asks a cluster asks its database as well, and tests wait
/// beside each other.
#[derive(Debug)]
pub struct Looks {
    since: Instant,
}

impl Looks {
    /// Shorter than anything that is waited for.
    const AT_LEAST: Duration = Duration::from_millis(20);
    const AT_MOST: Duration = Duration::from_millis(400);

    /// The first look comes now.
    pub fn begin() -> Self {
        Self { since: Instant::now() }
    }

    /// How long it has been waited.
    pub fn waited(&self) -> Duration {
        self.since.elapsed()
    }

    /// Waits for the next look a twentieth of what has been waited: nothing is seen much too late.
    pub fn rest(&self) {
        thread::sleep((self.waited() / 20).clamp(Self::AT_LEAST, Self::AT_MOST));
    }
}

/// Waits until this is so.
///
/// # Panics
/// When it is not so in all this time.
pub fn until(what: &str, longest: Duration, mut is_so: impl FnMut() -> bool) {
    let looks = Looks::begin();
    while !is_so() {
        assert!(looks.waited() < longest, "in vain: {what}");
        looks.rest();
    }
}
