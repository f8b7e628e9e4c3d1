//! How strongly two columns go together.

use arrow::array::Array;
use tgs_protocol::profile::{Association, Correlation};

use crate::table::{Cells, Table};

/// Cells of the largest table of counts.
const COUNTS_MAX: usize = 1 << 20;

/// Pairs of the first columns that hold numbers or levels.
pub fn pairs(table: &Table, columns_max: usize) -> Vec<(usize, usize)> {
    let kept = |at: &usize| {
        let column = &table.columns()[*at];
        match &column.cells {
            Cells::Number(_) => true,
            Cells::Level { levels, .. } => levels.len() > 1,
            Cells::Text(_) => false,
        }
    };
    let kept: Vec<usize> = (0..table.columns().len()).filter(kept).take(columns_max).collect();
    let mut pairs = Vec::new();
    for (at, &one) in kept.iter().enumerate() {
        pairs.extend(kept[at + 1..].iter().map(|&other| (one, other)));
    }
    pairs
}

/// Evenly spaced rows of a table, column by column.
pub struct Sample {
    columns: Vec<Sampled>,
}

enum Sampled {
    /// Not a number where missing.
    Numbers(Vec<f64>),
    /// One beyond the last level where missing.
    Levels {
        codes: Vec<u32>,
        count: usize,
    },
    None,
}

impl Sample {
    /// Takes at most so many rows.
    pub fn of(table: &Table, rows_max: usize) -> Self {
        let rows = table.rows();
        let taken = rows.min(rows_max);
        let row = |at: usize| (at as u128 * rows as u128 / taken.max(1) as u128) as usize;
        let sampled = |cells: &Cells| match cells {
            Cells::Number(values) => {
                let value = |row: usize| {
                    if values.is_valid(row) { values.value(row) } else { f64::NAN }
                };
                Sampled::Numbers((0..taken).map(|at| value(row(at))).collect())
            }
            Cells::Level { codes, levels } => {
                let count = levels.len();
                let code = |row: usize| {
                    if codes.is_valid(row) { codes.value(row) } else { count as u32 }
                };
                Sampled::Levels { codes: (0..taken).map(|at| code(row(at))).collect(), count }
            }
            Cells::Text(_) => Sampled::None,
        };
        Self { columns: table.columns().iter().map(|column| sampled(&column.cells)).collect() }
    }

    /// The association of two columns; none where it is not defined.
    pub fn associate(&self, table: &Table, (one, other): (usize, usize)) -> Option<Correlation> {
        let (measure, strength) = match (&self.columns[one], &self.columns[other]) {
            (Sampled::Numbers(a), Sampled::Numbers(b)) => (Association::Pearson, pearson(a, b)),
            (Sampled::Levels { codes: a, count: rows }, Sampled::Levels { codes: b, count }) => {
                (Association::CramersV, cramers_v(a, *rows, b, *count))
            }
            (Sampled::Levels { codes, count }, Sampled::Numbers(values))
            | (Sampled::Numbers(values), Sampled::Levels { codes, count }) => {
                (Association::CorrelationRatio, correlation_ratio(codes, *count, values))
            }
            _ => return None,
        };
        let name = |at: usize| table.columns()[at].spec.name.clone();
        let (a, b) = (name(one), name(other));
        strength.map(|strength| Correlation { a, b, strength, measure })
    }
}

/// Pearson's correlation over the rows that hold both.
fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let both = || a.iter().zip(b).filter(|(a, b)| !a.is_nan() && !b.is_nan());
    let count = both().count() as f64;
    if count < 2.0 {
        return None;
    }
    let (mean_a, mean_b) = both().fold((0.0, 0.0), |sum, (a, b)| (sum.0 + a, sum.1 + b));
    let (mean_a, mean_b) = (mean_a / count, mean_b / count);
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (a, b) in both() {
        let (a, b) = (a - mean_a, b - mean_b);
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    let strength = ab / (aa * bb).sqrt();
    strength.is_finite().then(|| strength.clamp(-1.0, 1.0))
}

/// Cramér's V with the bias correction of Bergsma (2013), over the rows that hold both.
fn cramers_v(a: &[u32], rows: usize, b: &[u32], columns: usize) -> Option<f64> {
    if (rows + 1).checked_mul(columns + 1)? > COUNTS_MAX {
        return None;
    }
    let width = columns + 1;
    let mut counts = vec![0_u32; (rows + 1) * width];
    for (a, b) in a.iter().zip(b) {
        counts[*a as usize * width + *b as usize] += 1;
    }
    let mut of_row = vec![0.0; rows];
    let mut of_column = vec![0.0; columns];
    for row in 0..rows {
        for column in 0..columns {
            let count = f64::from(counts[row * width + column]);
            of_row[row] += count;
            of_column[column] += count;
        }
    }
    let total: f64 = of_row.iter().sum();
    let used = |sums: &[f64]| sums.iter().filter(|sum| **sum > 0.0).count() as f64;
    let (r, c) = (used(&of_row), used(&of_column));
    if total < 2.0 || r < 2.0 || c < 2.0 {
        return None;
    }
    let mut share = -1.0;
    for row in 0..rows {
        for column in 0..columns {
            let count = f64::from(counts[row * width + column]);
            if count > 0.0 {
                share += count * count / (of_row[row] * of_column[column]);
            }
        }
    }
    let corrected = (share - (r - 1.0) * (c - 1.0) / (total - 1.0)).max(0.0);
    let shrunk = |size: f64| size - (size - 1.0) * (size - 1.0) / (total - 1.0);
    let strength = (corrected / (shrunk(r).min(shrunk(c)) - 1.0)).sqrt();
    strength.is_finite().then(|| strength.min(1.0))
}

/// Correlation ratio η: the root of the share of a number's variance that levels explain.
fn correlation_ratio(codes: &[u32], count: usize, values: &[f64]) -> Option<f64> {
    let both = || {
        codes
            .iter()
            .zip(values)
            .filter(|(code, value)| (**code as usize) < count && !value.is_nan())
    };
    let mut sums = vec![(0.0, 0.0); count];
    let total = both().count() as f64;
    if total < 2.0 {
        return None;
    }
    let mean = both().map(|(_, value)| value).sum::<f64>() / total;
    let mut squares = 0.0;
    for (code, value) in both() {
        let sum = &mut sums[*code as usize];
        sum.0 += value - mean;
        sum.1 += 1.0;
        squares += (value - mean) * (value - mean);
    }
    let used = sums.iter().filter(|sum| sum.1 > 0.0);
    if used.clone().count() < 2 {
        return None;
    }
    let between: f64 = used.map(|sum| sum.0 * sum.0 / sum.1).sum();
    let strength = (between / squares).sqrt();
    strength.is_finite().then(|| strength.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn associations_have_their_known_values() {
        let a = [1.0, 2.0, 3.0, 4.0, f64::NAN];
        assert_eq!(pearson(&a, &[2.0, 4.0, 6.0, 8.0, 1.0]), Some(1.0));
        // By hand: Σab = 2, Σaa = 5, Σbb = 2.
        let found = pearson(&a, &[1.0, 2.0, 1.0, 2.0, 9.0]).unwrap();
        assert!((found - 1.0 / 5.0_f64.sqrt()).abs() < 1e-15, "{found}");
        assert_eq!(pearson(&a, &[1.0; 5]), None);
        let codes: Vec<u32> = (0..1_000).map(|row| row % 4).collect();
        assert_eq!(cramers_v(&codes, 4, &codes, 4), Some(1.0));
        let other: Vec<u32> = (0..1_000).map(|row| row / 4 % 2).collect();
        assert_eq!(cramers_v(&codes, 4, &other, 2), Some(0.0));
        // Two by two counts 30 10 / 10 30: φ² = .25, corrected by 1/79 on both sides.
        let a: Vec<u32> = (0..80).map(|row| row / 40).collect();
        let b: Vec<u32> = (0..80).map(|row| u32::from((30..70).contains(&row))).collect();
        let expected = ((0.25 - 1.0 / 79.0) / (1.0 - 1.0 / 79.0_f64)).sqrt();
        assert!((cramers_v(&a, 2, &b, 2).unwrap() - expected).abs() < 1e-12);
        assert_eq!(cramers_v(&[0, 0], 2, &[0, 1], 2), None);
        // Means 1 and 3 around 2, spread 1 within: 4 of 8 squares are between.
        let values = [0.0, 2.0, 2.0, 4.0];
        let found = correlation_ratio(&[0, 0, 1, 1], 2, &values).unwrap();
        assert!((found - 0.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(correlation_ratio(&[0, 0, 0, 0], 2, &values), None);
    }
}
