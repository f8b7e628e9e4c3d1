//! How strongly two columns hang together: Pearson's r for two numbers (−1 … 1), bias-corrected
//! Cramér's V for two categories (Bergsma, 2013), the correlation ratio η for a mixed pair (0 … 1).
//! Rows where either cell is missing are left out.

use std::collections::BTreeMap;

use tgs_protocol::report::CorrelationMatrices;

use crate::measure::{
    frame::{Field, MISSING, Values},
    pair,
};

/// Association of two columns. None where it is not defined: a constant or empty column.
pub fn association(fields: [&Field; 2], values: [&Values; 2]) -> Option<f64> {
    match values {
        [Values::Number(a), Values::Number(b)] => pair::pearson(a, b),
        [Values::Level(a), Values::Level(b)] => {
            cramers_v(a, fields[0].levels.len(), b, fields[1].levels.len())
        }
        [Values::Level(groups), Values::Number(numbers)] => {
            correlation_ratio(groups, fields[0].levels.len(), numbers)
        }
        [Values::Number(numbers), Values::Level(groups)] => {
            correlation_ratio(groups, fields[1].levels.len(), numbers)
        }
    }
}

/// Mean absolute difference of two matrices over pairs defined in both; the diagonal is left out.
pub fn difference(matrices: &CorrelationMatrices) -> Option<f64> {
    let width = matrices.columns.len();
    let apart: Vec<f64> = (0..width)
        .flat_map(|row| (0..row).map(move |column| row * width + column))
        .filter_map(|cell| Some((matrices.real[cell]? - matrices.synthetic[cell]?).abs()))
        .collect();
    (!apart.is_empty()).then(|| apart.iter().sum::<f64>() / apart.len() as f64)
}

/// Bias-corrected Cramér's V over rows where both levels stand.
fn cramers_v(a: &[u32], wide: usize, b: &[u32], high: usize) -> Option<f64> {
    let mut joint: BTreeMap<(u32, u32), f64> = BTreeMap::new();
    let (mut of_a, mut of_b) = (vec![0.0; wide], vec![0.0; high]);
    let mut count = 0.0;
    if wide.saturating_mul(high) <= 1 << 16 {
        let mut cells = vec![0_u32; wide * high];
        for (&x, &y) in a.iter().zip(b).filter(|(x, y)| **x != MISSING && **y != MISSING) {
            cells[x as usize * high + y as usize] += 1;
        }
        let full = cells.iter().enumerate().filter(|(_, rows)| **rows > 0);
        #[expect(clippy::cast_possible_truncation, reason = "levels are counted in u32")]
        joint.extend(
            full.map(|(cell, &rows)| {
                (((cell / high) as u32, (cell % high) as u32), f64::from(rows))
            }),
        );
    } else {
        for (&x, &y) in a.iter().zip(b).filter(|(x, y)| **x != MISSING && **y != MISSING) {
            *joint.entry((x, y)).or_insert(0.0) += 1.0;
        }
    }
    for ((x, y), rows) in &joint {
        of_a[*x as usize] += rows;
        of_b[*y as usize] += rows;
        count += rows;
    }
    // Σ n²/(row · column) − 1 is χ² over n, without a walk over the empty cells.
    let sum: f64 =
        joint.iter().map(|((x, y), n)| n * n / (of_a[*x as usize] * of_b[*y as usize])).sum();
    let used = |margin: &[f64]| margin.iter().filter(|rows| **rows > 0.0).count() as f64;
    let (rows, columns) = (used(&of_a), used(&of_b));
    if rows < 2.0 || columns < 2.0 || count < 2.0 {
        return None;
    }
    let by_chance = (rows - 1.0) * (columns - 1.0) / (count - 1.0);
    let corrected = (sum - 1.0 - by_chance).max(0.0);
    let shrunk = |levels: f64| levels - (levels - 1.0).powi(2) / (count - 1.0);
    let room = (shrunk(rows) - 1.0).min(shrunk(columns) - 1.0);
    // With about as many levels as rows nothing can be said: the correction eats all.
    (room > 0.0).then(|| (corrected / room).sqrt().min(1.0))
}

/// η: square root of the share of variance that lies between the groups.
fn correlation_ratio(groups: &[u32], count: usize, numbers: &[f64]) -> Option<f64> {
    let both = || groups.iter().zip(numbers).filter(|(group, x)| **group != MISSING && !x.is_nan());
    let (&any, &first) = both().next()?;
    if both().all(|(group, _)| *group == any) || both().all(|(_, x)| *x == first) {
        return None;
    }
    let mut sums = vec![(0.0, 0.0); count];
    for (&group, x) in both() {
        let (rows, sum) = &mut sums[group as usize];
        *rows += 1.0;
        *sum += x - first;
    }
    let (rows, sum) = sums.iter().fold((0.0, 0.0), |(n, s), (rows, sum)| (n + rows, s + sum));
    let mean = sum / rows;
    let all: f64 = both().map(|(_, x)| (x - first - mean).powi(2)).sum();
    let between: f64 = sums
        .iter()
        .filter(|(rows, _)| *rows > 0.0)
        .map(|(rows, sum)| rows * (sum / rows - mean).powi(2))
        .sum();
    let ratio = (between / all).sqrt();
    ratio.is_finite().then(|| ratio.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_column_is_one_and_an_unrelated_one_nothing() {
        let a: Vec<u32> = (0..400).map(|row| row % 4).collect();
        let b: Vec<u32> = (0..400).map(|row| row / 4 % 2).collect();
        assert!((cramers_v(&a, 4, &a, 4).unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(cramers_v(&a, 4, &b, 2), Some(0.0));
        assert_eq!(cramers_v(&a, 4, &[1; 400], 2), None);
    }

    #[test]
    fn the_correlation_ratio_is_the_share_between_groups() {
        // Group means 1 and 4, deviation 1 within each: η² = 2.25 / (2.25 + 1).
        let ratio = correlation_ratio(&[0, 0, 1, 1], 2, &[0.0, 2.0, 3.0, 5.0]).unwrap();
        assert!((ratio - (2.25_f64 / 3.25).sqrt()).abs() < 1e-12);
        assert_eq!(correlation_ratio(&[0, MISSING], 1, &[1.0, 2.0]), None);
    }
}
