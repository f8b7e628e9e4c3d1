//! One column beside its real counterpart: SDMetrics' column shapes, adherence and coverage, and
//! the distances of moments and value sets. Definitions follow SDMetrics 0.32 to the last rounding.

use crate::measure::frame::{MISSING, Values};

/// Values that are present, ascending.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut present: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    present.sort_unstable_by(f64::total_cmp);
    present
}

/// How often each of `count` levels stands in a column; missing cells are not counted.
pub fn counts(codes: &[u32], count: usize) -> Vec<u64> {
    let mut counts = vec![0; count];
    for &code in codes.iter().filter(|&&code| code != MISSING) {
        counts[code as usize] += 1;
    }
    counts
}

/// `KSComplement`: 1 − the largest distance of the two empirical distribution functions, values
/// rounded to 14 decimals. Both ascending. None when one is empty.
pub fn ks_complement(real: &[f64], other: &[f64]) -> Option<f64> {
    if real.is_empty() || other.is_empty() {
        return None;
    }
    let round = |value: f64| (value * 1e14).round_ties_even() / 1e14;
    let finite = |value: f64| if (value * 1e14).is_finite() { round(value) } else { value };
    let (mut a, mut b, mut worst) = (0, 0, 0.0_f64);
    while a < real.len() && b < other.len() {
        let at = finite(real[a]).min(finite(other[b]));
        while a < real.len() && finite(real[a]) <= at {
            a += 1;
        }
        while b < other.len() && finite(other[b]) <= at {
            b += 1;
        }
        worst = worst.max((a as f64 / real.len() as f64 - b as f64 / other.len() as f64).abs());
    }
    Some(1.0 - worst)
}

/// `TVComplement`: 1 − half the summed difference of the shares of every level. A level that only
/// the other table knows counts 1e-6 times in the real one. None when one is empty.
pub fn tv_complement(real: &[u64], other: &[u64]) -> Option<f64> {
    const UNSEEN: f64 = 1e-6;
    let padded = |(&real, &other): (&u64, &u64)| match (real, other) {
        (0, 0) => (0.0, 0.0),
        (0, other) => (UNSEEN, other as f64),
        (real, other) => (real as f64, other as f64),
    };
    if real.iter().sum::<u64>() == 0 || other.iter().sum::<u64>() == 0 {
        return None;
    }
    let pairs: Vec<(f64, f64)> = real.iter().zip(other).map(padded).collect();
    let (all_real, all_other) = pairs.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let apart: f64 = pairs.iter().map(|(x, y)| (x / all_real - y / all_other).abs()).sum();
    Some(1.0 - apart / 2.0)
}

/// `BoundaryAdherence`: share of synthetic values within the real range. Missing synthetic cells
/// are left out when the real column has missing cells too, else they count as outside.
pub fn boundary_adherence(
    real: &[f64],
    other: &[f64],
    cells: usize,
    nullable: bool,
) -> Option<f64> {
    let (&low, &high) = (real.first()?, real.last()?);
    other.first()?;
    let inside = other.iter().filter(|value| (low..=high).contains(*value)).count();
    let of = if nullable { other.len() } else { cells };
    Some(inside as f64 / of as f64)
}

/// `CategoryAdherence`: share of synthetic cells whose level is a real one; a missing cell is
/// allowed when the real column has missing cells.
pub fn category_adherence(real: &[u64], other: &[u32], nullable: bool) -> Option<f64> {
    let valid = |&&code: &&u32| match code {
        MISSING => nullable,
        code => real[code as usize] > 0,
    };
    (!other.is_empty()).then(|| other.iter().filter(valid).count() as f64 / other.len() as f64)
}

/// `RangeCoverage`: how much of the real range the synthetic range covers. None when constant.
pub fn range_coverage(real: &[f64], other: &[f64]) -> Option<f64> {
    let (low, high) = (real.first()?, real.last()?);
    let (from, to) = (other.first()?, other.last()?);
    if low == high {
        return None;
    }
    let cut = |gap: f64| (gap / (high - low)).max(0.0);
    Some((1.0 - (cut(from - low) + cut(high - to))).max(0.0))
}

/// `CategoryCoverage`: share of the real levels that stand in the synthetic column.
pub fn category_coverage(real: &[u64], other: &[u64]) -> Option<f64> {
    let known = real.iter().filter(|&&count| count > 0).count();
    let met = real.iter().zip(other).filter(|&(&a, &b)| a > 0 && b > 0).count();
    (known > 0).then(|| met as f64 / known as f64)
}

/// Jaccard index of the two sets of levels: shared over all.
pub fn jaccard(real: &[u64], other: &[u64]) -> Option<f64> {
    let all = real.iter().zip(other).filter(|&(&a, &b)| a > 0 || b > 0).count();
    let shared = real.iter().zip(other).filter(|&(&a, &b)| a > 0 && b > 0).count();
    (all > 0).then(|| shared as f64 / all as f64)
}

/// Share of missing cells.
pub fn missing_share(values: &Values, rows: usize) -> f64 {
    if rows == 0 { 0.0 } else { values.missing() as f64 / rows as f64 }
}

/// Wasserstein-1 distance of two samples, over the standard deviation of the real one. Both
/// ascending. None when one is empty or the real one does not vary.
pub fn wasserstein(real: &[f64], other: &[f64]) -> Option<f64> {
    let spread = moments(real)?.deviation;
    if spread <= 0.0 || other.is_empty() {
        return None;
    }
    let (mut a, mut b, mut area) = (0, 0, 0.0);
    let mut at = real[0].min(other[0]);
    while a < real.len() || b < other.len() {
        let next = match (real.get(a), other.get(b)) {
            (Some(&x), Some(&y)) => x.min(y),
            (Some(&x), None) => x,
            (None, Some(&y)) => y,
            (None, None) => break,
        };
        let apart = a as f64 / real.len() as f64 - b as f64 / other.len() as f64;
        area += apart.abs() * ((next - at) / spread);
        at = next;
        while real.get(a).is_some_and(|&x| x <= at) {
            a += 1;
        }
        while other.get(b).is_some_and(|&y| y <= at) {
            b += 1;
        }
    }
    Some(area)
}

/// The first four moments of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// Arithmetic mean.
    pub mean: f64,
    /// Population standard deviation.
    pub deviation: f64,
    /// Third standardised moment; zero when the sample does not vary.
    pub skewness: f64,
    /// Fourth standardised moment less three; zero when the sample does not vary.
    pub kurtosis: f64,
}

/// Moments of a sample without missing values; none when it is empty.
pub fn moments(values: &[f64]) -> Option<Moments> {
    let first = *values.first()?;
    let count = values.len() as f64;
    let mean = first + values.iter().map(|value| value - first).sum::<f64>() / count;
    let power = |k: i32| values.iter().map(|value| (value - mean).powi(k)).sum::<f64>() / count;
    let deviation = power(2).sqrt();
    let varies = values.iter().any(|value| *value != first) && deviation > 0.0;
    if !varies {
        return Some(Moments { mean, deviation: 0.0, skewness: 0.0, kurtosis: 0.0 });
    }
    let skewness = power(3) / deviation.powi(3);
    Some(Moments { mean, deviation, skewness, kurtosis: power(4) / deviation.powi(4) - 3.0 })
}

/// Differences of mean and standard deviation, both over the real standard deviation: the two
/// terms whose root mean square over all columns is the RMSE of moments.
pub fn moment_errors(real: &[f64], other: &[f64]) -> Option<[f64; 2]> {
    let (real, other) = (moments(real)?, moments(other)?);
    (real.deviation > 0.0).then(|| {
        [
            (other.mean - real.mean) / real.deviation,
            (other.deviation - real.deviation) / real.deviation,
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earth_is_moved_by_its_distance() {
        // scipy.stats.wasserstein_distance gives 5 and 0.25.
        let real = [0.0, 1.0, 3.0];
        let deviation = moments(&real).unwrap().deviation;
        let moved = wasserstein(&real, &[5.0, 6.0, 8.0]).unwrap();
        assert!((moved * deviation - 5.0).abs() < 1e-12);
        let quarter = wasserstein(&[0.0, 1.0], &[0.0, 0.0, 0.0, 1.0]).unwrap() * 0.5;
        assert!((quarter - 0.25).abs() < 1e-12);
        assert_eq!(wasserstein(&[2.0, 2.0], &[1.0]), None);
    }

    #[test]
    fn moments_are_those_of_the_textbook() {
        let found = moments(&[1.0, 2.0, 3.0, 10.0]).unwrap();
        assert!(
            (found.mean - 4.0).abs() < 1e-12 && (found.deviation - 12.5_f64.sqrt()).abs() < 1e-12
        );
        // scipy.stats.skew and kurtosis of the same numbers.
        assert!((found.skewness - 1.018_233_764_908_628_6).abs() < 1e-12, "{}", found.skewness);
        assert!((found.kurtosis + 0.769_6).abs() < 1e-12, "{}", found.kurtosis);
    }
}
