//! Two columns beside their real counterparts: SDMetrics' pair trends (thresholds 0, no
//! subsample).
//!
//! Two numbers: `CorrelationSimilarity`, 1 − |r − r′| / 2 with Pearson's r over rows where both
//! cells stand. Any other pair: `ContingencySimilarity`, 1 − half the summed difference of the
//! joint shares, where numbers are cut into ten bins of equal width. SDMetrics cuts each table by
//! its own range; cut by the real range as well, the measure also sees values that left it.

use crate::{
    association::pearson,
    measure::frame::{Field, MISSING, Values},
};

/// A column as pair measures need it.
#[derive(Debug)]
pub struct Prepared<'a> {
    /// The cells.
    pub values: &'a Values,
    /// Bin per row, numbers only: cut by the table's own range.
    own: Vec<u8>,
    /// Bin per row, numbers only: cut by the range of the real table.
    real: Vec<u8>,
    /// Numbers of codes: levels or bins, and one for missing cells.
    codes: usize,
    /// Whether more than one value stands in the column.
    varies: bool,
}

/// Bins 0 (below the real range) … 11 (at or above its end, or missing).
const BINS: usize = 12;
/// Above this many joint cells, pairs of codes are sorted instead of counted in a matrix.
const DENSE_CELLS_MAX: usize = 1 << 20;

impl<'a> Prepared<'a> {
    /// Prepares one column of one table. `real` holds the cells of the real table.
    pub fn new(field: &Field, values: &'a Values, real: &Values) -> Self {
        match (values, real) {
            (Values::Number(own), Values::Number(real)) => {
                // SDMetrics bins moments in nanoseconds: edges must round as its edges do.
                let unit = if field.is_moment() { 1e9 } else { 1.0 };
                Self {
                    values,
                    own: digitize(own, &edges(own, unit), unit),
                    real: digitize(own, &edges(real, unit), unit),
                    codes: BINS,
                    varies: varies(own),
                }
            }
            _ => {
                let codes = field.levels.len() + 1;
                Self { values, own: Vec::new(), real: Vec::new(), codes, varies: true }
            }
        }
    }
}

/// The trend of a pair as SDMetrics defines it. None where it is not defined.
pub fn trend(real: [&Prepared; 2], other: [&Prepared; 2]) -> Option<f64> {
    match numbers(real).zip(numbers(other)) {
        Some((mine, theirs)) => {
            if [real[0], real[1], other[0], other[1]].iter().any(|column| !column.varies) {
                return None;
            }
            let mine = pearson(mine[0], mine[1]).filter(|r| *r != 0.0)?;
            Some(1.0 - (mine - pearson(theirs[0], theirs[1])?).abs() / 2.0)
        }
        None => contingency(real, other, Cut::Own),
    }
}

/// The trend of a pair with both tables cut by the real range; the same where nothing is cut.
pub fn trend_real_edges(real: [&Prepared; 2], other: [&Prepared; 2]) -> Option<f64> {
    match numbers(real) {
        Some(_) => trend(real, other),
        None => contingency(real, other, Cut::Real),
    }
}

#[derive(Clone, Copy)]
enum Cut {
    Own,
    Real,
}

fn numbers<'a>(pair: [&Prepared<'a>; 2]) -> Option<[&'a [f64]; 2]> {
    Some([pair[0].values.numbers()?, pair[1].values.numbers()?])
}

fn contingency(real: [&Prepared; 2], other: [&Prepared; 2], cut: Cut) -> Option<f64> {
    let (mine, theirs) = (joint(real, cut), joint(other, cut));
    if mine.rows == 0 || theirs.rows == 0 {
        return None;
    }
    let (n, m) = (mine.rows as f64, theirs.rows as f64);
    let apart: f64 = match (&mine.counts, &theirs.counts) {
        (Counts::Dense(a), Counts::Dense(b)) => {
            a.iter().zip(b).map(|(&x, &y)| (f64::from(x) / n - f64::from(y) / m).abs()).sum()
        }
        (Counts::Sparse(a), Counts::Sparse(b)) => merged(a, b, n, m),
        _ => return None,
    };
    Some(1.0 - apart / 2.0)
}

struct Joint {
    rows: usize,
    counts: Counts,
}

enum Counts {
    /// Rows per joint cell.
    Dense(Vec<u32>),
    /// Joint cell per row, ascending.
    Sparse(Vec<u64>),
}

fn joint(pair: [&Prepared; 2], cut: Cut) -> Joint {
    let sizes = [pair[0].codes, pair[1].codes];
    match (codes(pair[0], cut), codes(pair[1], cut)) {
        (Codes::Levels(a), Codes::Levels(b)) => tally(a, b, sizes),
        (Codes::Levels(a), Codes::Bins(b)) => tally(a, b, sizes),
        (Codes::Bins(a), Codes::Levels(b)) => tally(a, b, sizes),
        (Codes::Bins(a), Codes::Bins(b)) => tally(a, b, sizes),
    }
}

fn tally<A, B>(a: &[A], b: &[B], [wide, high]: [usize; 2]) -> Joint
where
    A: Copy + Into<u32>,
    B: Copy + Into<u32>,
{
    let rows = a.len();
    let keys = a.iter().zip(b).map(|(x, y)| {
        let (x, y): (u32, u32) = ((*x).into(), (*y).into());
        (x as usize).min(wide - 1) * high + (y as usize).min(high - 1)
    });
    if wide.saturating_mul(high) > DENSE_CELLS_MAX {
        let mut keys: Vec<u64> = keys.map(|key| key as u64).collect();
        keys.sort_unstable();
        return Joint { rows, counts: Counts::Sparse(keys) };
    }
    let mut counts = vec![0_u32; wide * high];
    keys.for_each(|key| counts[key] += 1);
    Joint { rows, counts: Counts::Dense(counts) }
}

enum Codes<'a> {
    Levels(&'a [u32]),
    Bins(&'a [u8]),
}

/// Codes per row. A missing level has the code [`MISSING`], which becomes the last one.
fn codes<'a>(column: &'a Prepared, cut: Cut) -> Codes<'a> {
    const _: () = assert!(MISSING as usize > BINS);
    match (column.values, cut) {
        (Values::Level(codes), _) => Codes::Levels(codes),
        (Values::Number(_), Cut::Own) => Codes::Bins(&column.own),
        (Values::Number(_), Cut::Real) => Codes::Bins(&column.real),
    }
}

fn merged(a: &[u64], b: &[u64], n: f64, m: f64) -> f64 {
    let (mut i, mut j, mut apart) = (0, 0, 0.0);
    while i < a.len() || j < b.len() {
        let key = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => *x.min(y),
            (Some(x), None) | (None, Some(x)) => *x,
            (None, None) => break,
        };
        let run = |keys: &[u64], from: usize| {
            keys.get(from..).unwrap_or(&[]).iter().take_while(|found| **found == key).count()
        };
        let (x, y) = (run(a, i), run(b, j));
        apart += (x as f64 / n - y as f64 / m).abs();
        (i, j) = (i + x, j + y);
    }
    apart
}

/// `numpy.histogram_bin_edges(values, bins=10)`: an empty column spans 0 … 1, a constant one is
/// widened by a half on both sides.
fn edges(values: &[f64], unit: f64) -> [f64; BINS - 1] {
    let present = || values.iter().filter(|value| !value.is_nan()).map(|value| value * unit);
    let mut low = present().fold(f64::INFINITY, f64::min);
    let mut high = present().fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        (low, high) = (0.0, 1.0);
    } else if low == high {
        (low, high) = (low - 0.5, high + 0.5);
    }
    let step = (high - low) / (BINS - 2) as f64;
    let mut edges: [f64; BINS - 1] = std::array::from_fn(|i| i as f64 * step + low);
    edges[BINS - 2] = high;
    edges
}

/// `numpy.digitize`: the number of edges at or below the value; 11 for a missing one.
fn digitize(values: &[f64], edges: &[f64; BINS - 1], unit: f64) -> Vec<u8> {
    let bin = |value: &f64| {
        let value = value * unit;
        edges.iter().map(|edge| u8::from(value.is_nan() || *edge <= value)).sum()
    };
    values.iter().map(bin).collect()
}

fn varies(values: &[f64]) -> bool {
    let mut present = values.iter().filter(|value| !value.is_nan());
    let first = present.next();
    present.any(|value| Some(value) != first)
}
