//! When a checkpoint is worth its cost. Decides only when bytes are saved, never which bytes.

use crate::{
    limits::{CHECKPOINT_COST_SHARE_INVERSE, CHECKPOINT_PERIOD_MAX_MS, CHECKPOINT_PERIOD_MIN_MS},
    unit::Millis,
};

/// Whether to save now: `since` the last save began, when the last save cost `cost`.
///
/// Keeps the cost of saving under one part in [`CHECKPOINT_COST_SHARE_INVERSE`] of training, within a
/// shortest and a longest period.
pub fn is_due(since: Millis, cost: Millis) -> bool {
    let wanted = cost.get().saturating_mul(CHECKPOINT_COST_SHARE_INVERSE);
    since.get() >= wanted.clamp(CHECKPOINT_PERIOD_MIN_MS, CHECKPOINT_PERIOD_MAX_MS)
}
