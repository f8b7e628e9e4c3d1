//! `NewRowSynthesis`: share of synthetic rows that match no training row.
//!
//! SDMetrics calls two rows a match when every level is the same and every number lies within one
//! percent of the synthetic one. It scans the whole table for each row; here rows are grouped by
//! their levels and the pattern of their missing cells, and within a group by one number.

use std::collections::HashSet;

use tgs_protocol::engine::EngineError;

use crate::measure::{
    crew::Crew,
    frame::{Field, Side, Values},
    row_key::{self, RowKey},
    sample::Draw,
};

/// How near numbers must be, relative to the synthetic number.
const TOLERANCE: f64 = 0.01;
/// Rows that are looked for.
pub const ROWS_MAX: usize = 100_000;
/// Rows of one piece of work.
const BLOCK_ROWS: usize = 4_096;

/// Share of rows of `other` that match no row of `real`; none when `other` is empty. Of more than
/// [`ROWS_MAX`] rows, as many are drawn.
///
/// # Errors
/// `Stopped` when the watch says so.
pub fn new_row_share(
    fields: &[Field],
    real: &Side,
    other: &Side,
    seed: u64,
    crew: Crew,
) -> Result<Option<f64>, EngineError> {
    if other.rows == 0 {
        return Ok(None);
    }
    if other.rows > ROWS_MAX {
        let drawn = other.pick(&Draw::NewRows.rows(seed, 0, other.rows, ROWS_MAX));
        return new_row_share(fields, real, &drawn, seed, crew);
    }
    let keys = row_key::of_levels(other);
    let index = Index::new(fields, real, &keys);
    let blocks = other.rows.div_ceil(BLOCK_ROWS);
    let new = crew.map(blocks, |block| {
        let rows = block * BLOCK_ROWS..((block + 1) * BLOCK_ROWS).min(other.rows);
        Ok(rows.filter(|&row| !index.has_match(real, other, row, keys[row])).count())
    })?;
    Ok(Some(new.iter().sum::<usize>() as f64 / other.rows as f64))
}

/// Training rows by group, each group ascending in the number that tells most rows apart.
struct Index {
    /// Ascending; of the training rows whose group is looked for.
    rows: Vec<(RowKey, usize)>,
    numbers: Vec<usize>,
}

impl Index {
    fn new(fields: &[Field], real: &Side, looked_for: &[RowKey]) -> Self {
        let mut numbers: Vec<usize> =
            (0..fields.len()).filter(|&column| fields[column].is_number()).collect();
        numbers.sort_by_key(|&column| std::cmp::Reverse(distinct(&real.columns[column])));
        let looked_for: HashSet<&RowKey> = looked_for.iter().collect();
        let groups = row_key::of_levels(real).into_iter().zip(0..);
        let mut rows: Vec<_> = groups.filter(|(key, _)| looked_for.contains(key)).collect();
        let at = |row: usize| numbers.first().map_or(0.0, |&first| number(real, first, row));
        rows.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| at(*x).total_cmp(&at(*y))));
        Self { rows, numbers }
    }

    fn has_match(&self, real: &Side, other: &Side, row: usize, key: RowKey) -> bool {
        let from = self.rows.partition_point(|(group, _)| *group < key);
        let group = &self.rows[from..];
        let group = &group[..group.partition_point(|(group, _)| *group == key)];
        if group.is_empty() {
            return false;
        }
        let Some((&first, rest)) = self.numbers.split_first() else { return true };
        let near = |column: usize, candidate: usize| {
            let (mine, theirs) = (number(other, column, row), number(real, column, candidate));
            // The pattern of missing cells is part of the key: both are missing or none is.
            mine.is_nan() || (theirs - mine).abs() <= (TOLERANCE * mine).abs()
        };
        let mine = number(other, first, row);
        let candidates = if mine.is_nan() {
            group
        } else {
            // Wider than the tolerance by rounding; `near` decides.
            let reach = (TOLERANCE * mine).abs() * (1.0 + 1e-9);
            let from = group.partition_point(|(_, r)| number(real, first, *r) < mine - reach);
            let to = group.partition_point(|(_, r)| number(real, first, *r) <= mine + reach);
            &group[from..to.max(from)]
        };
        candidates.iter().any(|&(_, candidate)| {
            near(first, candidate) && rest.iter().all(|&column| near(column, candidate))
        })
    }
}

fn number(side: &Side, column: usize, row: usize) -> f64 {
    match &side.columns[column] {
        Values::Number(values) => values[row],
        Values::Level(_) => f64::NAN,
    }
}

fn distinct(values: &Values) -> usize {
    let mut bits: Vec<u64> =
        values.numbers().unwrap_or(&[]).iter().map(|value| value.to_bits()).collect();
    bits.sort_unstable();
    bits.dedup();
    bits.len()
}
