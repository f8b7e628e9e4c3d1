//! How strongly two columns hang together: Pearson's r for two numbers (−1 … 1), bias-corrected
//! Cramér's V for two categories (Bergsma, 2013), the correlation ratio η for a mixed pair (0 … 1).
//! Rows where either cell is missing are left out; none where it is not defined: a constant or
//! empty column.

use std::collections::BTreeMap;

/// Stands for a missing cell among the codes of levels.
pub const MISSING: u32 = u32::MAX;

/// Pearson's correlation over rows where both cells stand. None for fewer than two such rows or
/// where a column is constant over them.
pub(crate) fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let both = || a.iter().zip(b).filter(|(x, y)| !x.is_nan() && !y.is_nan());
    let (&x0, &y0) = both().next()?;
    if both().all(|(x, _)| *x == x0) || both().all(|(_, y)| *y == y0) {
        return None;
    }
    let (count, x_sum, y_sum) =
        both().fold((0.0, 0.0, 0.0), |(n, s, t), (x, y)| (n + 1.0, s + (x - x0), t + (y - y0)));
    let (x_mean, y_mean) = (x_sum / count, y_sum / count);
    let (xx, yy, xy) = both().fold((0.0, 0.0, 0.0), |(xx, yy, xy), (x, y)| {
        let (x, y) = (x - x0 - x_mean, y - y0 - y_mean);
        (xx + x * x, yy + y * y, xy + x * y)
    });
    let r = xy / (xx.sqrt() * yy.sqrt());
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

/// Bias-corrected Cramér's V over rows where both levels stand.
pub(crate) fn cramers_v(a: &[u32], wide: usize, b: &[u32], high: usize) -> Option<f64> {
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
pub(crate) fn correlation_ratio(groups: &[u32], count: usize, numbers: &[f64]) -> Option<f64> {
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

    #[test]
    fn associations_have_their_known_values() {
        let a = [1.0, 2.0, 3.0, 4.0, f64::NAN];
        assert!((pearson(&a, &[2.0, 4.0, 6.0, 8.0, 1.0]).unwrap() - 1.0).abs() < 1e-15);
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
