//! Whether work has come to a standstill.
//!
//! Training passes by after every step: it hangs when there was no sign of life for ten times as
//! long as there ever was between two, and for a minute at least. Other work gives signs where its
//! loops ask whether they must stop, and some of its steps are long: it may be silent for an hour.
//!
//! Silence is counted by whoever looks, a period at most for each look. So a process that was
//! frozen, or a machine that slept, finds its work as it left it and not dead.

use crate::{
    limits::{HANG_FACTOR, HANG_FREE_MS, HANG_LEAST_MS, WATCHDOG_PERIOD_MS},
    unit::Millis,
};

/// How often work gives signs of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// After every step.
    Steps,
    /// Now and then.
    Free,
}

/// What one look finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// How often they come.
    pub pace: Pace,
    /// Signs of life so far.
    pub count: u64,
    /// The longest time between two steps.
    pub longest: Millis,
}

/// Silence that is always allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// Between steps: a slow disk or a busy machine is no hang.
    pub steps: Millis,
    /// Of all other work.
    pub free: Millis,
}

impl Default for Silence {
    fn default() -> Self {
        Self { steps: Millis(HANG_LEAST_MS), free: Millis(HANG_FREE_MS) }
    }
}

/// The watch over one piece of work.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watchdog {
    seen: Option<(Pace, u64)>,
    silent: Millis,
    looked_at: Option<Millis>,
}

impl Watchdog {
    /// One look, at this time of a clock that never goes back; true once the work hangs.
    pub fn look(&mut self, signs: Signs, now: Millis, allowed: Silence) -> bool {
        let last = self.looked_at.replace(now).unwrap_or(now);
        let found = Some((signs.pace, signs.count));
        if self.seen != found {
            (self.seen, self.silent) = (found, Millis(0));
            return false;
        }
        let since = now.get().saturating_sub(last.get());
        let counted = since.min(WATCHDOG_PERIOD_MS);
        self.silent = Millis(self.silent.get().saturating_add(counted));
        let usual = Millis(signs.longest.get().saturating_mul(HANG_FACTOR));
        let most = match signs.pace {
            Pace::Steps => usual.max(allowed.steps),
            Pace::Free => allowed.free,
        };
        self.silent > most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Pace::{Free, Steps};

    /// Looks at signs of these numbers; tells at which look the work is found to hang.
    fn hangs_at(counts: &[(Pace, u64)], longest_ms: u64, since_ms: u64) -> Option<usize> {
        let mut dog = Watchdog::default();
        let longest = Millis(longest_ms);
        let mut now = 0;
        counts.iter().position(|(pace, count)| {
            now += since_ms;
            let signs = Signs { pace: *pace, count: *count, longest };
            dog.look(signs, Millis(now), Silence::default())
        })
    }

    #[test]
    fn silence_is_allowed_for_a_minute_or_ten_steps() {
        let silent = vec![(Steps, 7); 400];
        assert_eq!(hangs_at(&silent, 100, 1_000), Some(61));
        assert_eq!(hangs_at(&silent, 20_000, 1_000), Some(201), "ten steps of 20 s");
        let alive: Vec<_> = (0..400).map(|count| (Steps, count)).collect();
        assert_eq!(hangs_at(&alive, 100, 1_000), None);
    }

    #[test]
    fn work_without_steps_may_be_silent_for_an_hour() {
        let hour = 60 * 60;
        assert_eq!(hangs_at(&vec![(Free, 7); 4_000], 100, 1_000), Some(hour + 1));
        let mut polls = vec![(Free, 7); hour];
        polls.extend(vec![(Free, 8); hour]);
        assert_eq!(hangs_at(&polls, 100, 1_000), None);
    }

    #[test]
    fn time_in_which_nobody_could_look_does_not_count() {
        assert_eq!(hangs_at(&[(Steps, 7); 30], 100, 3_600_000), None, "a machine that slept");
        let mut interrupted = vec![(Steps, 7); 60];
        interrupted.extend(vec![(Free, 7); 2]);
        interrupted.extend(vec![(Steps, 7); 60]);
        assert_eq!(hangs_at(&interrupted, 100, 1_000), None, "it was something else in between");
    }
}
