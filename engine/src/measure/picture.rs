//! What the page draws of a column: two histograms over common edges, or the most frequent levels.

use tgs_protocol::{column::ColumnKind, report::ColumnPicture};

/// Bins of a histogram.
const BINS: usize = 40;
/// Levels drawn on their own.
const LEVELS_SHOWN: usize = 20;
/// A range this many times wider than its inner 99 % is cut to the latter.
const HEAVY_TAIL: f64 = 3.0;

/// Histograms of two ascending samples, held less an offset. Values beyond the edges stand in the
/// outermost bins.
pub fn numbers(
    (kind, offset): (ColumnKind, i64),
    real: &[f64],
    synthetic: &[f64],
) -> ColumnPicture {
    let sample = if real.is_empty() { synthetic } else { real };
    let edges = edges(kind, sample);
    ColumnPicture::Numbers {
        real: shares(&histogram(real, &edges)),
        synthetic: shares(&histogram(synthetic, &edges)),
        edges: edges.into_iter().map(|edge| edge + offset as f64).collect(),
    }
}

/// Shares of levels: the most frequent real ones, then the other real ones as one, then those of
/// the synthetic table that the real one lacks as one.
pub fn levels(names: &[String], real: &[u64], synthetic: &[u64]) -> ColumnPicture {
    let mut order: Vec<usize> = (0..names.len()).filter(|&level| real[level] > 0).collect();
    order.sort_by_key(|&level| std::cmp::Reverse(real[level]));
    let shown = order.len().min(LEVELS_SHOWN);
    let rest = &order[shown..];
    let sum = |counts: &[u64], of: &[usize]| of.iter().map(|&level| counts[level]).sum::<u64>();
    let is_new = |level: &usize| real[*level] == 0 && synthetic[*level] > 0;
    let new: Vec<usize> = (0..names.len()).filter(is_new).collect();
    let mut drawn: Vec<String> = order[..shown].iter().map(|&level| names[level].clone()).collect();
    let column = |counts: &[u64]| {
        let mut cells: Vec<u64> = order[..shown].iter().map(|&level| counts[level]).collect();
        cells.extend((!rest.is_empty()).then(|| sum(counts, rest)));
        cells.extend((!new.is_empty()).then(|| sum(counts, &new)));
        shares(&cells)
    };
    let (real, synthetic) = (column(real), column(synthetic));
    drawn.extend((!rest.is_empty()).then(|| format!("({} other values)", rest.len())));
    let of_new = |_| format!("({} values not among the training rows)", new.len());
    drawn.extend(new.first().map(of_new));
    ColumnPicture::Levels { names: drawn, real, synthetic }
}

/// Quantile of an ascending sample by linear interpolation; zero for an empty one.
pub fn quantile(sorted: &[f64], at: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = at.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    let (low, high) = (sorted[below], sorted[above]);
    if low == high { low } else { low + (high - low) * (place - below as f64) }
}

fn edges(kind: ColumnKind, sorted: &[f64]) -> Vec<f64> {
    let (mut low, mut high) = (quantile(sorted, 0.0), quantile(sorted, 1.0));
    if kind == ColumnKind::Integer && high - low < BINS as f64 {
        let values = (high - low) as usize + 1;
        return (0..=values).map(|edge| low - 0.5 + edge as f64).collect();
    }
    let (inner_low, inner_high) = (quantile(sorted, 0.005), quantile(sorted, 0.995));
    if inner_high > inner_low && high - low > HEAVY_TAIL * (inner_high - inner_low) {
        (low, high) = (inner_low, inner_high);
    }
    if low >= high || !(high - low).is_finite() {
        (low, high) = (low - 0.5, low + 0.5);
    }
    let width = (high - low) / BINS as f64;
    (0..=BINS).map(|edge| low + width * edge as f64).collect()
}

fn histogram(values: &[f64], edges: &[f64]) -> Vec<u64> {
    let bins = edges.len() - 1;
    let mut counts = vec![0; bins];
    for value in values {
        let bin = edges.partition_point(|edge| edge <= value);
        counts[bin.saturating_sub(1).min(bins - 1)] += 1;
    }
    counts
}

fn shares(counts: &[u64]) -> Vec<f64> {
    let all = counts.iter().sum::<u64>().max(1) as f64;
    counts.iter().map(|&count| count as f64 / all).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_get_a_bin_each_and_strays_the_outermost() {
        let picture =
            numbers((ColumnKind::Integer, 0), &[1.0, 2.0, 2.0, 3.0], &[0.0, 2.0, 3.0, 9.0]);
        let expected = ColumnPicture::Numbers {
            edges: vec![0.5, 1.5, 2.5, 3.5],
            real: vec![0.25, 0.5, 0.25],
            synthetic: vec![0.25, 0.25, 0.5],
        };
        assert_eq!(picture, expected);
    }

    #[test]
    fn rare_and_unknown_levels_are_gathered() {
        let names: Vec<String> = (0..24).map(|level| format!("v{level}")).collect();
        let mut real: Vec<u64> = (0..24).map(|level| 40 - level).collect();
        let mut made = vec![1; 24];
        real[0] = 0;
        // A level of kept-aside rows alone is in neither table.
        (real[23], made[23]) = (0, 0);
        let ColumnPicture::Levels { names, real, synthetic } = levels(&names, &real, &made) else {
            panic!("levels are drawn as levels")
        };
        assert_eq!(names[0], "v1");
        assert_eq!(names[20..], ["(2 other values)", "(1 values not among the training rows)"]);
        assert_eq!(real[21], 0.0);
        assert!((synthetic[20] - 2.0 / 23.0).abs() < 1e-12);
    }
}
