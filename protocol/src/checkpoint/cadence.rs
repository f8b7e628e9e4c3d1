//! When a checkpoint is worth its cost. Decides only when bytes are saved, never which bytes.

use crate::{
    limits::{CHECKPOINT_COST_SHARE_INVERSE, CHECKPOINT_PERIOD_MAX_MS, CHECKPOINT_PERIOD_MIN_MS},
    unit::Millis,
};

/// From one save to the next, when the last one cost `cost`.
///
/// Keeps the cost of saving under one part in [`CHECKPOINT_COST_SHARE_INVERSE`] of training, within
/// a shortest and a longest period.
pub fn period(cost: Millis) -> Millis {
    let wanted = cost.get().saturating_mul(CHECKPOINT_COST_SHARE_INVERSE);
    Millis(wanted.clamp(CHECKPOINT_PERIOD_MIN_MS, CHECKPOINT_PERIOD_MAX_MS))
}

/// Whether to save now: `since` the last save began, when the last save cost `cost`.
pub fn is_due(since: Millis, cost: Millis) -> bool {
    since >= period(cost)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn when_saving_is_due() {
        // (since the last save began, its cost, due?)
        let cases = [
            (0, 0, false),
            (1_999, 0, false),
            (2_000, 0, true),
            (2_000, 20, true),
            (2_000, 21, false),
            (2_100, 21, true),
            (99_999, 1_000, false),
            (100_000, 1_000, true),
            (599_999, 6_000, false),
            (600_000, 6_000, true),
            (600_000, u64::MAX, true),
        ];
        for (since, cost, due) in cases {
            assert_eq!(is_due(Millis(since), Millis(cost)), due, "{since} ms, cost {cost} ms");
        }
    }

    proptest! {
        #[test]
        fn saving_stays_cheap_and_loses_little(since in 0..1_000_000_u64, cost in 0..10_000_u64) {
            let is_due_now = is_due(Millis(since), Millis(cost));
            if is_due_now && since < CHECKPOINT_PERIOD_MAX_MS {
                prop_assert!(cost * CHECKPOINT_COST_SHARE_INVERSE <= since);
            }
            prop_assert!(is_due_now || since < CHECKPOINT_PERIOD_MAX_MS);
            prop_assert!(!is_due_now || is_due(Millis(since + 1), Millis(cost)));
        }
    }
}
