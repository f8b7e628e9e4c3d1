//! When a checkpoint is worth its cost. Decides only when bytes are saved, never which bytes.
//!
//! Saving often costs time, saving seldom costs the work that a loss takes. Between them lies the
//! period of least expected time: Young, "A first order approximation to the optimum checkpoint
//! interval", 1974; Daly, "A higher order estimate of the optimum checkpoint interval for restart
//! dumps", 2006, whose equation 37 is used.

use serde::{Deserialize, Serialize};

use crate::{
    limits::{
        CHECKPOINT_COST_SHARE_INVERSE, CHECKPOINT_PERIOD_MAX_MS, CHECKPOINT_PERIOD_MIN_MS,
        LOSS_PRIOR_WEIGHT,
    },
    unit::Millis,
};

/// What a job has lost so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// How often whoever held it was gone, killed or cut off.
    pub times: u32,
    /// From its last write to when another one went on, each time: in this time nothing of it
    /// became durable.
    pub time: Millis,
}

impl Losses {
    /// Whether nothing was lost.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Takes in one more.
    pub fn add(&mut self, silence: Millis) {
        self.times = self.times.saturating_add(1);
        self.time = Millis(self.time.get().saturating_add(silence.get()));
    }

    /// Mean time from one loss to the next, after so long at work: what is expected of a machine of
    /// this kind counts as a tenth of a loss (the mean of a gamma-distributed rate).
    pub fn mean_time_between(self, ran: Millis, expected: Millis) -> Millis {
        let losses = LOSS_PRIOR_WEIGHT + f64::from(self.times);
        let time = LOSS_PRIOR_WEIGHT * expected.get() as f64 + ran.get() as f64;
        Millis((time / losses) as u64)
    }
}

/// From one save to the next, when the last one cost `cost` and losses are `between` apart.
///
/// At most one part in [`CHECKPOINT_COST_SHARE_INVERSE`] of training goes into saving, however
/// often work is lost; within a shortest and a longest period.
pub fn period(cost: Millis, between: Millis) -> Millis {
    let least = cost.get().saturating_mul(CHECKPOINT_COST_SHARE_INVERSE);
    let wanted = optimum(cost.get() as f64, between.get() as f64) as u64;
    Millis(wanted.max(least).clamp(CHECKPOINT_PERIOD_MIN_MS, CHECKPOINT_PERIOD_MAX_MS))
}

/// Whether to save now: `since` the last save began, when the last save cost `cost` and losses are
/// `between` apart.
pub fn is_due(since: Millis, cost: Millis, between: Millis) -> bool {
    since >= period(cost, between)
}

/// The time of work between two saves for which the expected time of all is least.
fn optimum(cost: f64, between: f64) -> f64 {
    if cost >= 2.0 * between {
        return between;
    }
    let part = cost / (2.0 * between.max(1.0));
    (2.0 * cost * between).sqrt() * (1.0 + part.sqrt() / 3.0 + part / 9.0) - cost
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn when_saving_is_due() {
        // (since the last save began, its cost, mean time between losses, due?)
        let cases = [
            (0, 0, HOUR, false),
            (1_999, 0, HOUR, false),
            (2_000, 0, HOUR, true),
            (11_900, 20, HOUR, false),
            (12_000, 20, HOUR, true),
            (2_000, 20, HOUR / 60, true),
            (84_000, 1_000, HOUR, false),
            (84_500, 1_000, HOUR, true),
            // However often work is lost, saving does not take more than its share.
            (49_999, 1_000, HOUR / 3_600, false),
            (50_000, 1_000, HOUR / 3_600, true),
            (599_999, 1_000, 1_000 * HOUR, false),
            (600_000, 1_000, 1_000 * HOUR, true),
            (600_000, u64::MAX, 0, true),
            (600_000, u64::MAX, u64::MAX, true),
        ];
        for (since, cost, between, due) in cases {
            let is_due = is_due(Millis(since), Millis(cost), Millis(between));
            assert_eq!(is_due, due, "{since} ms, cost {cost} ms, {between} ms between losses");
        }
    }

    /// What Daly's model of all time comes to (his equation 20), without the restart, which no
    /// period changes.
    fn expected(cost: f64, between: f64, period: f64) -> f64 {
        between * (((period + cost) / between).exp() - 1.0) / period
    }

    #[test]
    fn no_other_period_is_noticeably_better() {
        for (cost, between) in
            [(20.0, 600_000.0), (1_000.0, 3.6e6), (6_000.0, 3.6e6), (60_000.0, 1.2e6)]
        {
            let chosen = expected(cost, between, optimum(cost, between));
            for part in 1..400 {
                let other = expected(cost, between, optimum(cost, between) * part as f64 / 100.0);
                assert!(chosen < other * 1.001, "{cost} {between}: {chosen} {other} at {part} %");
            }
        }
    }

    #[test]
    fn what_happened_soon_counts_for_more_than_what_was_expected() {
        let expected = Millis(4 * HOUR);
        let mut losses = Losses::default();
        assert_eq!(losses.mean_time_between(Millis(0), expected), expected);
        let undisturbed = losses.mean_time_between(Millis(10 * HOUR), expected);
        assert!(undisturbed > expected, "{undisturbed}");
        losses.add(Millis(5_000));
        let once = losses.mean_time_between(Millis(20_000), expected);
        assert!((HOUR / 4..HOUR / 2).contains(&once.get()), "{once}");
        for _ in 0..9 {
            losses.add(Millis(5_000));
        }
        let often = losses.mean_time_between(Millis(10 * HOUR), expected);
        assert!((HOUR * 9 / 10..HOUR * 11 / 10).contains(&often.get()), "{often}");
        assert_eq!(losses, Losses { times: 10, time: Millis(50_000) });
    }

    proptest! {
        #[test]
        fn saving_stays_cheap_and_loses_little(
            since in 0..1_000_000_u64,
            cost in 0..10_000_u64,
            between in 0..100 * HOUR,
        ) {
            let due = |since| is_due(Millis(since), Millis(cost), Millis(between));
            if due(since) && since < CHECKPOINT_PERIOD_MAX_MS {
                prop_assert!(cost * CHECKPOINT_COST_SHARE_INVERSE <= since);
            }
            prop_assert!(due(since) || since < CHECKPOINT_PERIOD_MAX_MS);
            prop_assert!(!due(since) || due(since + 1));
        }
    }
}
