//! Which moments come after which, by the training rows.

use arrow::array::Float64Array;
use tgs_protocol::column::ColumnKind;

use crate::table::{Cells, Table};

/// Of fewer rows that hold both moments nothing is concluded.
const ROWS_MIN: usize = 20;
/// One row in so many may break an order that is one all the same.
const ROWS_PER_BREAK: usize = 1_000;
/// So many rows would break it if the two columns knew nothing of each other; below, that they do
/// not may be chance, or their ranges keep the order by themselves.
const CHANCE_BREAKS_MIN: f64 = 5.0;
/// At most this part of them does.
const BREAKS_SHARE_MAX: f64 = 0.1;

/// A column of moments that hardly ever lie before those of another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pair {
    /// Place of the column that comes first.
    pub earlier: usize,
    /// Place of the other.
    pub later: usize,
    /// Share of the rows that hold both in which the order is kept.
    pub kept: f64,
}

/// Every pair whose order is worth a word, so that no column comes before itself: those of the same
/// later column stand together, and every column stands after those it is later than.
pub(crate) fn pairs(train: &Table) -> Vec<Pair> {
    let columns: Vec<usize> =
        (0..train.columns().len()).filter(|at| moments(train, *at).is_some()).collect();
    let mut found = Vec::new();
    for &later in &columns {
        for &earlier in columns.iter().filter(|earlier| **earlier != later) {
            found.extend(kept_by_more_than_chance(train, earlier, later));
        }
    }
    // What comes after more columns comes later; of two equal columns the left one is first.
    let count = |at| found.iter().filter(|pair: &&Pair| pair.later == at).count();
    let rank = |at| (count(at), at);
    let mut pairs: Vec<Pair> =
        found.iter().filter(|pair| rank(pair.earlier) < rank(pair.later)).copied().collect();
    pairs.sort_by_key(|pair| (rank(pair.later), pair.earlier));
    pairs
}

/// Share of the rows holding both moments in which the order is kept; none without such rows, or
/// where a column is none of moments.
pub(crate) fn share_kept(table: &Table, earlier: usize, later: usize) -> Option<f64> {
    let both = both(moments(table, earlier)?, moments(table, later)?);
    let (mut rows, mut breaks) = (0_usize, 0_usize);
    for (earlier, later) in both {
        rows += 1;
        breaks += usize::from(later < earlier);
    }
    (rows > 0).then(|| 1.0 - breaks as f64 / rows as f64)
}

/// The cells of a column of dates, or of dates with times. Times of day begin again at midnight:
/// they have no order.
pub(super) fn moments(table: &Table, at: usize) -> Option<&Float64Array> {
    let column = table.columns().get(at)?;
    match (&column.cells, column.spec.kind) {
        (Cells::Number(values), ColumnKind::Date | ColumnKind::Datetime) => Some(values),
        _ => None,
    }
}

/// Both cells of the rows that hold them.
pub(super) fn both<'a>(
    one: &'a Float64Array,
    other: &'a Float64Array,
) -> impl Iterator<Item = (f64, f64)> + 'a {
    let rows = one.iter().zip(other.iter());
    rows.filter_map(|(one, other)| Some((one?, other?)))
}

fn kept_by_more_than_chance(train: &Table, earlier: usize, later: usize) -> Option<Pair> {
    let (one, other) = (moments(train, earlier)?, moments(train, later)?);
    let breaks_max = train.rows() / ROWS_PER_BREAK;
    let breaks = both(one, other).filter(|(one, other)| other < one).take(breaks_max + 1).count();
    if breaks > breaks_max {
        return None;
    }
    let (mut before, mut after): (Vec<f64>, Vec<f64>) = both(one, other).unzip();
    let rows = before.len();
    if rows < ROWS_MIN || breaks > rows / ROWS_PER_BREAK {
        return None;
    }
    before.sort_unstable_by(f64::total_cmp);
    after.sort_unstable_by(f64::total_cmp);
    let by_chance = chance_breaks(&before, &after);
    let is_kept = by_chance >= CHANCE_BREAKS_MIN && breaks as f64 <= BREAKS_SHARE_MAX * by_chance;
    is_kept.then(|| Pair { earlier, later, kept: 1.0 - breaks as f64 / rows as f64 })
}

/// Rows in which the later moment would come first if each were put beside any of the other
/// column; both ascending.
fn chance_breaks(before: &[f64], after: &[f64]) -> f64 {
    let (mut sum, mut below) = (0_u64, 0);
    for moment in before {
        while after.get(below).is_some_and(|after| after < moment) {
            below += 1;
        }
        sum += below as u64;
    }
    sum as f64 / before.len().max(1) as f64
}
