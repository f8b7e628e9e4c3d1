//! Which cells of a row are missing together: shares per column say nothing of that.

use std::collections::BTreeMap;

use crate::measure::frame::{MISSING, Side, Values};

/// 1 − total variation distance between the joint patterns of missing cells of two tables, over
/// the columns that have missing cells in either; none where nothing is missing, or no row is.
pub fn similarity(real: &Side, other: &Side) -> Option<f64> {
    if real.rows == 0 || other.rows == 0 {
        return None;
    }
    let missing = |values: &Values, row: usize| match values {
        Values::Number(values) => values[row].is_nan(),
        Values::Level(codes) => codes[row] == MISSING,
    };
    let any = |side: &Side, at: usize| (0..side.rows).any(|row| missing(&side.columns[at], row));
    let columns: Vec<usize> =
        (0..real.columns.len()).filter(|at| any(real, *at) || any(other, *at)).collect();
    if columns.is_empty() {
        return None;
    }
    let mut counts: BTreeMap<Vec<u64>, [u64; 2]> = BTreeMap::new();
    for (which, side) in [real, other].into_iter().enumerate() {
        let mut pattern = vec![0_u64; columns.len().div_ceil(64)];
        for row in 0..side.rows {
            pattern.fill(0);
            for (bit, at) in columns.iter().enumerate() {
                pattern[bit / 64] |= u64::from(missing(&side.columns[*at], row)) << (bit % 64);
            }
            match counts.get_mut(&pattern) {
                Some(counts) => counts[which] += 1,
                None => {
                    counts.entry(pattern.clone()).or_default()[which] = 1;
                }
            }
        }
    }
    let (all, of_other) = (real.rows as f64, other.rows as f64);
    let apart = |[one, two]: &[u64; 2]| (*one as f64 / all - *two as f64 / of_other).abs();
    Some(1.0 - counts.values().map(apart).sum::<f64>() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(columns: [&[f64]; 2]) -> Side {
        let values = |column: &[f64]| Values::Number(column.to_vec().into());
        Side { rows: columns[0].len(), columns: columns.map(values).to_vec() }
    }

    #[test]
    fn what_is_missing_together_counts() {
        const NO: f64 = f64::NAN;
        let together = side([&[1.0, NO, 2.0, NO], &[1.0, NO, 3.0, NO]]);
        let apart = side([&[1.0, NO, 2.0, NO], &[NO, 1.0, NO, 3.0]]);
        let whole = side([&[1.0, 2.0], &[1.0, 2.0]]);
        for (one, other, expected) in [
            (&together, &together, Some(1.0)),
            (&together, &apart, Some(0.0)),
            (&together, &whole, Some(0.5)),
            (&whole, &whole, None),
            (&whole, &side([&[], &[]]), None),
        ] {
            assert_eq!(similarity(one, other), expected);
        }
    }
}
