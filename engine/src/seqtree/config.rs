//! The constants of `seqtree`, and the values that each may take.

use serde::{Deserialize, Serialize};
use tgs_protocol::limits::SHARED_ROWS_MIN;

use crate::{
    constants::{Bound, bound},
    learn::validation::Validation,
};

/// (`min_leaf`, `gain_min`) that are tried in turn when the user set no `min_leaf`; a leaf holds at
/// most one row of so many as the third says, or a small table's columns were drawn as strangers.
/// On census, web shop and weather tables taking back weak questions lowers the nearness to
/// training rows more than larger leaves do, and costs less likeness. The last two are for columns
/// of thousands of levels: the best cut of so many bins explains much by chance.
///
/// A table of fewer rows than [`SMALL_TABLE_ROWS`] starts at the third: too few of its rows can be
/// spared to show a small leaf's copies, and many rows drawn from it give the leaves away.
const TRIED: [(u32, f64, usize); 7] = [
    (20, 0.0, 12),
    (20, USUAL_GAIN, 12),
    (50, USUAL_GAIN, 12),
    (100, USUAL_GAIN, 12),
    (100, USUAL_GAIN, 8),
    (200, 16.0, 4),
    (400, 256.0, 4),
];

/// A question of more gain than this is seldom weak …
const USUAL_GAIN: f64 = 4.0;
/// … and in a small table one that explains one row of so many is not.
const GAIN_ONE_OF: usize = 25;

/// See [`TRIED`].
pub(super) const SMALL_TABLE_ROWS: usize = 5_000;

/// What is tried in turn on so many rows.
pub(super) fn tried(rows: usize) -> Vec<(u32, f64)> {
    let gain_max = USUAL_GAIN.max((rows / GAIN_ONE_OF) as f64);
    let from = if rows < SMALL_TABLE_ROWS { 2 } else { 0 };
    let capped = TRIED[from..].iter().map(|(min_leaf, gain_min, one_of)| {
        let leaf_max = (rows / one_of).max(SHARED_ROWS_MIN as usize);
        ((*min_leaf).min(leaf_max as u32), gain_min.min(gain_max))
    });
    let mut capped: Vec<_> = capped.collect();
    capped.dedup();
    capped
}

/// What is taken where no row can be spared to compare with: the largest leaves of usual gain.
pub(super) fn unjudged(rows: usize) -> Option<(u32, f64)> {
    tried(rows).into_iter().rfind(|(_, gain_min)| *gain_min <= USUAL_GAIN)
}

/// Every constant of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    /// Fewest training rows in a leaf; 0 before the plan has chosen.
    pub min_leaf: u32,
    /// A leaf size is small enough to copy rows when a larger share of synthetic rows than this is
    /// nearer to a row that trees were grown on than to a validation row (.5 is ideal).
    pub dcr_share_max: f64,
    /// Share of the training rows that leaf sizes are compared against, on trees grown without
    /// them; the final trees are grown on all.
    pub validation_share: f64,
    /// At least so many of them, as far as a quarter of the rows allows.
    pub validation_rows_min: usize,
    /// At most so many of them.
    pub validation_rows_max: usize,
    /// A number that more than this share of the rows holds is kept exact.
    pub atom_share: f64,
    /// Bins that a split can tell apart in one column, the one for missing included.
    pub bins: u32,
    /// A last split must explain this many times what a split at random explains on average; chosen
    /// with `min_leaf` unless set.
    pub gain_min: f64,
    /// How far a drawn number may move towards its neighbours in the leaf, in gaps.
    pub jitter: f64,
    /// Deepest leaf.
    pub depth_max: u32,
    /// Columns that a tree may ask; of more, those that part a sample of the rows best.
    pub predictors_max: u32,
    /// Rows that trees are grown on; a larger table is sampled.
    pub rows_max: u64,
}

impl Config {
    /// Which training rows leaf sizes are compared against.
    pub(super) fn validation(&self) -> Validation {
        Validation {
            share: self.validation_share,
            rows_min: self.validation_rows_min,
            rows_max: self.validation_rows_max,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min_leaf: 0,
            dcr_share_max: 0.535,
            validation_share: 0.2,
            validation_rows_min: 100,
            validation_rows_max: 10_000,
            atom_share: 0.005,
            bins: 256,
            gain_min: 0.0,
            jitter: 0.5,
            depth_max: 48,
            predictors_max: 128,
            rows_max: 2_000_000,
        }
    }
}

/// The values each constant may take.
pub(super) const BOUNDS: &[Bound] = &[
    bound("min_leaf", 0.0, 1e6),
    bound("dcr_share_max", 0.5, 1.0),
    bound("validation_share", 0.0, 0.5),
    bound("validation_rows_min", 0.0, 1e6),
    bound("validation_rows_max", 0.0, 1e6),
    bound("atom_share", 0.0, 1.0),
    bound("bins", 4.0, 256.0),
    bound("gain_min", 0.0, 1e6),
    bound("jitter", 0.0, 1.0),
    bound("depth_max", 0.0, 255.0),
    bound("predictors_max", 0.0, 4096.0),
    bound("rows_max", 8.0, 1e8),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Leaves hold what may be told of few rows, and leave room for a question.
    #[test]
    fn a_tree_can_grow_on_any_table() {
        for rows in [0, 8, 60, 172, 700, 1_100, 4_999, 5_000, 40_000] {
            let shared = SHARED_ROWS_MIN as u32;
            for (min_leaf, gain_min) in tried(rows) {
                let leaf_max = (rows as u32 / 4).max(shared);
                assert!((shared..=leaf_max).contains(&min_leaf), "{rows} rows");
                assert!(gain_min <= 4.0_f64.max(rows as f64 / 25.0), "{rows} rows");
            }
        }
        assert_eq!(tried(172), [(14, 4.0), (21, 4.0), (43, 6.0)]);
        let large = [(20, 0.0), (20, 4.0), (50, 4.0), (100, 4.0), (200, 16.0), (400, 256.0)];
        assert_eq!(tried(40_000), large);
        assert_eq!((unjudged(172), unjudged(40_000)), (Some((21, 4.0)), Some((100, 4.0))));
    }

    #[test]
    fn every_constant_is_bounded() {
        crate::constants::assert_bounded(&Config::default(), BOUNDS);
    }
}
