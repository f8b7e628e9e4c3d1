//! One column of moments that is learned as the time since another.

use std::sync::Arc;

use arrow::array::Float64Array;
use serde::{Deserialize, Serialize};
use tgs_protocol::column::{ColumnKind, ColumnSpec, ValueFormat};

use super::pairs::both;
use crate::table::grid::Grid;

/// A moment that so large a share of the rows holds may mean something by itself (9999-12-31 for
/// "open"); a gap would lose it.
const OWN_WEIGHT_MIN: f64 = 0.05;
/// It does if what came before lies at least so far apart, as part of its spread in all rows.
const OWN_SPREAD_MIN: f64 = 0.5;
/// What stands in for a missing moment is the mean of this part of the column, around its median,
/// of five rows at least: nobody's own.
const MIDDLE_SHARE: usize = 10;
const MIDDLE_ROWS_MIN: usize = 5;

/// How the gap of one column is counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gap {
    /// Place of the column that it counts from.
    pub since: usize,
    /// What stands for a missing cell there, unless that is a gap itself.
    pub reference: f64,
    /// A usual gap, in steps of the grid.
    pub usual: f64,
}

impl Gap {
    /// The gap between two columns of training rows; none where the later column is told as well
    /// by itself.
    pub(super) fn between(
        (since, earlier): (usize, &Float64Array),
        later: &Float64Array,
        grid: Grid,
    ) -> Option<Self> {
        let gaps = ascending(both(earlier, later).map(|(a, b)| grid.steps(grid.down(a), b)));
        let (before, moments): (Vec<f64>, Vec<f64>) = both(earlier, later).unzip();
        let moments = ascending(moments.into_iter());
        let in_steps = |seconds: f64| seconds / if grid.step() > 0.0 { grid.step() } else { 1.0 };
        if spread(&gaps) >= in_steps(spread(&moments)) {
            return None;
        }
        let most = moments.chunk_by(|one, other| one == other).max_by_key(|run| run.len())?;
        if most.len() as f64 > OWN_WEIGHT_MIN * moments.len() as f64 {
            let there = both(earlier, later).filter(|(_, to)| *to == most[0]);
            let there = ascending(there.map(|(from, _)| from));
            if spread(&there) >= OWN_SPREAD_MIN * spread(&ascending(before.into_iter())) {
                return None;
            }
        }
        let reference = middle(&ascending(earlier.iter().flatten()));
        let usual = middle(&gaps);
        let usual = if grid == Grid::Free { usual } else { usual.round() };
        Some(Self { since, reference, usual })
    }
}

/// What the models see: a column of numbers under the same name.
pub(super) fn learned_spec(spec: &ColumnSpec, since: &str, grid: Grid) -> Arc<ColumnSpec> {
    let (kind, format) = match grid {
        Grid::Free => (ColumnKind::Real, ValueFormat::Shortest),
        _ => (ColumnKind::Integer, ValueFormat::Decimal { digits: 0, least: 0 }),
    };
    let reason = format!("steps of its grid since {since}");
    Arc::new(ColumnSpec { kind, format, reason, ..spec.clone() })
}

/// The median gap of a pair, in seconds: the smallest tells the nearest reference.
pub(super) fn median(earlier: &Float64Array, later: &Float64Array) -> f64 {
    quantile(&ascending(both(earlier, later).map(|(from, to)| to - from)), 1, 2)
}

/// Values in ascending order.
pub(super) fn ascending(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Between the quartiles of ascending values.
fn spread(ascending: &[f64]) -> f64 {
    quantile(ascending, 3, 4) - quantile(ascending, 1, 4)
}

/// Of ascending values; zero of none.
fn quantile(values: &[f64], part: usize, of: usize) -> f64 {
    values.get(values.len() * part / of).copied().unwrap_or(0.0)
}

/// Mean of the values around the median.
fn middle(values: &[f64]) -> f64 {
    let half = (values.len() / MIDDLE_SHARE).max(MIDDLE_ROWS_MIN) / 2;
    let at = values.len() / 2;
    let around = &values[at.saturating_sub(half)..(at + half + 1).min(values.len())];
    around.iter().map(|value| value / around.len() as f64).sum()
}
