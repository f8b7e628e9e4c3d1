//! Exact summary of a numeric column, from its distinct values in ascending order.

use arrow::array::{Array, Float64Array};
use tgs_protocol::{
    column::ColumnSpec,
    profile::{NumberProfile, TopValue},
};

use crate::table::cell::NumberWriter;

/// Whole numbers within such a range are counted, others sorted.
const COUNTED_RANGE_MAX: f64 = 4_194_304.0;
/// Bins of a histogram.
const BINS_MAX: usize = 40;
/// Where quantiles are taken.
const QUANTILES: [f64; 9] = [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0];

/// The distinct values in ascending order, each with its count.
pub fn runs(values: &Float64Array) -> Vec<(f64, u64)> {
    let mut present: Vec<f64> = Vec::with_capacity(values.len() - values.null_count());
    match values.nulls() {
        None => present.extend_from_slice(values.values()),
        Some(_) => present.extend(values.iter().flatten()),
    }
    let range = |(least, most): (f64, f64), value: &f64| (least.min(*value), most.max(*value));
    let (least, most) = present.iter().fold((f64::INFINITY, f64::NEG_INFINITY), range);
    let counted = most - least <= COUNTED_RANGE_MAX
        && most - least <= 16.0 * present.len() as f64
        && present.iter().all(|value| *value == value.trunc());
    if counted && !present.is_empty() { count(&present, least, most) } else { sort(&present) }
}

fn count(present: &[f64], least: f64, most: f64) -> Vec<(f64, u64)> {
    let mut counts = vec![0_u32; (most - least) as usize + 1];
    for value in present {
        counts[(value - least) as usize] += 1;
    }
    let runs = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    runs.map(|(above, count)| (least + above as f64, u64::from(*count))).collect()
}

fn sort(present: &[f64]) -> Vec<(f64, u64)> {
    // Whole numbers whose order is that of the doubles sort faster than doubles.
    let key = |value: &f64| {
        let bits = (value + 0.0).to_bits();
        if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
    };
    let value = |key: u64| f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key });
    let mut keys: Vec<u64> = present.iter().map(key).collect();
    keys.sort_unstable();
    keys.chunk_by(|a, b| a == b).map(|run| (value(run[0]), run.len() as u64)).collect()
}

/// Moments, quantiles and histogram of numbers held less an offset; none for a column without
/// values.
pub fn summary(runs: &[(f64, u64)], offset: f64) -> Option<NumberProfile> {
    let (least, most) = (runs.first()?.0, runs.last()?.0);
    let count: u64 = runs.iter().map(|run| run.1).sum();
    let total = count as f64;
    let mean = least + runs.iter().map(|run| (run.0 - least) * run.1 as f64).sum::<f64>() / total;
    let squares =
        runs.iter().map(|run| (run.0 - mean) * (run.0 - mean) * run.1 as f64).sum::<f64>();
    let standard_deviation = if count > 1 { (squares / (total - 1.0)).sqrt() } else { 0.0 };
    Some(NumberProfile {
        mean: mean + offset,
        standard_deviation,
        quantiles: quantiles(runs, count).map(|value| value + offset),
        histogram: histogram(runs, least, most),
    })
}

/// Linear interpolation between order statistics (Hyndman and Fan's type 7, 1996).
fn quantiles(runs: &[(f64, u64)], count: u64) -> [f64; 9] {
    let mut upto = 0;
    let ends: Vec<u64> = runs
        .iter()
        .map(|run| {
            upto += run.1;
            upto
        })
        .collect();
    let at = |rank: u64| runs[ends.partition_point(|end| *end <= rank).min(runs.len() - 1)].0;
    QUANTILES.map(|share| {
        let place = share * (count - 1) as f64;
        let below = at(place.floor() as u64);
        let part = place - place.floor();
        if part == 0.0 { below } else { below + (at(place.floor() as u64 + 1) - below) * part }
    })
}

fn histogram(runs: &[(f64, u64)], least: f64, most: f64) -> Vec<u64> {
    let whole = runs.iter().all(|run| run.0 == run.0.trunc());
    let mut bins = BINS_MAX;
    if whole && most - least < BINS_MAX as f64 {
        bins = (most - least) as usize + 1;
    }
    if most - least <= 0.0 {
        bins = 1;
    }
    let mut counts = vec![0; bins];
    for (value, count) in runs {
        let share = (value - least) / (most - least);
        let bin = if share.is_finite() { (share * bins as f64) as usize } else { 0 };
        counts[bin.min(bins - 1)] += count;
    }
    counts
}

/// The most frequent values as they are written; of equally frequent ones the smaller first.
pub fn top(runs: &[(f64, u64)], spec: &ColumnSpec, most: usize) -> Vec<TopValue> {
    let mut order: Vec<usize> = (0..runs.len()).collect();
    let by_count = |a: &usize, b: &usize| runs[*b].1.cmp(&runs[*a].1).then(a.cmp(b));
    if order.len() > most {
        order.select_nth_unstable_by(most, by_count);
        order.truncate(most);
    }
    order.sort_by(by_count);
    let writer = NumberWriter::new(spec);
    let shown = |at: usize| {
        let mut text = Vec::new();
        writer.write(runs[at].0, &mut text);
        TopValue { value: String::from_utf8_lossy(&text).into_owned(), count: runs[at].1 }
    };
    order.into_iter().map(shown).collect()
}
