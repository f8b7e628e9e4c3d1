//! Whether work has come to a standstill: no sign of life for ten times as long as there ever was
//! between two, and a minute at least.
//!
//! Silence is counted by whoever looks, a period at most for each look. So a process that was
//! frozen, or a machine that slept, finds its work as it left it and not dead.

use crate::{
    limits::{HANG_FACTOR, WATCHDOG_PERIOD_MS},
    unit::Millis,
};

/// What one look finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// Signs of life so far; none while the work is such that none are owed.
    pub count: Option<u64>,
    /// The longest time between two of them.
    pub longest: Millis,
}

/// The watch over one piece of work.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watchdog {
    seen: Option<u64>,
    silent: Millis,
}

impl Watchdog {
    /// One look, so long after the last one; true once the work hangs. `least`: silence that is
    /// always allowed.
    pub fn look(&mut self, signs: Signs, since: Millis, least: Millis) -> bool {
        let Some(count) = signs.count else {
            *self = Self::default();
            return false;
        };
        if self.seen != Some(count) {
            *self = Self { seen: Some(count), silent: Millis(0) };
            return false;
        }
        let counted = since.get().min(WATCHDOG_PERIOD_MS);
        self.silent = Millis(self.silent.get().saturating_add(counted));
        let allowed = signs.longest.get().saturating_mul(HANG_FACTOR).max(least.get());
        self.silent.get() > allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks once a second at signs of these numbers; tells at which look it is found to hang.
    fn hangs_at(counts: &[Option<u64>], longest_ms: u64, since_ms: u64) -> Option<usize> {
        let mut dog = Watchdog::default();
        let least = Millis(60_000);
        let longest = Millis(longest_ms);
        counts
            .iter()
            .position(|count| dog.look(Signs { count: *count, longest }, Millis(since_ms), least))
    }

    #[test]
    fn silence_is_allowed_for_a_minute_or_ten_steps() {
        let silent = vec![Some(7); 400];
        assert_eq!(hangs_at(&silent, 100, 1_000), Some(61));
        assert_eq!(hangs_at(&silent, 20_000, 1_000), Some(201), "ten steps of 20 s");
        let alive: Vec<_> = (0..400).map(Some).collect();
        assert_eq!(hangs_at(&alive, 100, 1_000), None);
        assert_eq!(hangs_at(&[None; 400], 100, 1_000), None, "nothing is owed");
    }

    #[test]
    fn time_in_which_nobody_could_look_does_not_count() {
        assert_eq!(hangs_at(&[Some(7); 30], 100, 3_600_000), None, "a machine that slept");
        let mut interrupted = vec![Some(7); 60];
        interrupted.extend(vec![None; 2]);
        interrupted.extend(vec![Some(7); 60]);
        assert_eq!(hangs_at(&interrupted, 100, 1_000), None, "it was something else in between");
    }
}
