//! Waiting for what real processes do in their own time.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Waits until this is so.
///
/// # Panics
/// When it is not so in all this time.
pub fn until(what: &str, longest: Duration, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < longest, "in vain: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
