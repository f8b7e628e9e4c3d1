//! Are synthetic rows nearer to training rows than to rows kept aside? A fast estimate on samples.
//!
//! Distance to closest record: the sum over columns of |difference| on the training range for
//! numbers and 0 or 1 for levels, against equally many training and kept-aside rows; ties count
//! half.

use std::thread;

use arrow::array::Array;
use tgs_protocol::engine::EngineError;

use super::encoded::sample;
use crate::table::{Cells, Table};

/// Synthetic rows judged: the share is then known to within .007, one standard error.
pub(super) const JUDGED_ROWS: usize = 5_000;
/// Rows of each side, at most. Fewer rows show less: the copied one may not be among them.
const SIDE_ROWS_MAX: usize = 10_000;
/// Cell comparisons, at most: a wide table is judged on fewer rows.
const WORK_MAX: usize = 1_000_000_000;
/// Rows of one side that are compared at once: their cells stay in the cache.
const BLOCK_ROWS: usize = 256;

/// The share of synthetic rows that are nearer to a training row (.5 is ideal); none when a side
/// holds no rows.
pub(super) fn train_share(
    train: &Table,
    holdout: &Table,
    synthetic: &Table,
    seed: u64,
    threads: usize,
) -> Result<Option<f64>, EngineError> {
    let width = train.columns().len().max(1);
    let side = train.rows().min(holdout.rows()).min(SIDE_ROWS_MAX);
    let side = side.min(WORK_MAX / width / (2 * JUDGED_ROWS)).max(1);
    if train.rows().min(holdout.rows()).min(synthetic.rows()) == 0 {
        return Ok(None);
    }
    let ranges = Ranges::of(train);
    let trained = ranges.rows(&sample(train, side, seed, 1)?);
    let aside = ranges.rows(&sample(holdout, side, seed, 2)?);
    let judged = ranges.rows(&sample(synthetic, JUDGED_ROWS, seed, 3)?);
    let share = judged.rows.div_ceil(threads.max(1)).max(1);
    let halves: u64 = thread::scope(|scope| {
        let (trained, aside, judged) = (&trained, &aside, &judged);
        let workers: Vec<_> = (0..judged.rows)
            .step_by(share)
            .map(|from| {
                scope.spawn(move || {
                    let halves = (from..judged.rows.min(from + share)).map(|row| {
                        let (near, far) =
                            (trained.nearest(judged, row), aside.nearest(judged, row));
                        u64::from(near < far) * 2 + u64::from(near == far)
                    });
                    halves.sum::<u64>()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("distances cannot fail")).sum()
    });
    Ok(Some(halves as f64 / (2 * judged.rows) as f64))
}

/// Rows as columns of scaled numbers, and of codes that either agree or do not.
struct Side {
    numbers: Vec<Vec<f32>>,
    codes: Vec<Vec<u32>>,
    rows: usize,
}

impl Side {
    /// Distance of the nearest row here to a row there.
    fn nearest(&self, there: &Self, row: usize) -> f32 {
        let mut least = f32::INFINITY;
        for from in (0..self.rows).step_by(BLOCK_ROWS) {
            let to = self.rows.min(from + BLOCK_ROWS);
            let mut apart = [0.0_f32; BLOCK_ROWS];
            for (here, there) in self.numbers.iter().zip(&there.numbers) {
                let value = there[row];
                let pairs = apart.iter_mut().zip(&here[from..to]);
                pairs.for_each(|(apart, here)| *apart += (here - value).abs());
            }
            for (here, there) in self.codes.iter().zip(&there.codes) {
                let code = there[row];
                let pairs = apart.iter_mut().zip(&here[from..to]);
                pairs.for_each(|(apart, here)| *apart += if *here == code { 0.0 } else { 1.0 });
            }
            least = apart[..to - from].iter().fold(least, |least, apart| least.min(*apart));
        }
        least
    }
}

/// Per number column of the training table.
struct Ranges(Vec<Option<Range>>);

/// Least value, half of the width, and whether cells are missing.
struct Range {
    least: f64,
    half_width: f64,
    gaps: bool,
}

/// Farther outside the range all places are alike, so that no distance is infinite.
const OUTSIDE_MAX: f64 = 1e9;

impl Range {
    /// Where on the range a number lies. Halves, and no inverse of the width: neither very large
    /// nor very small numbers may blind the comparison.
    fn place(&self, value: f64) -> f64 {
        if self.half_width <= 0.0 {
            return 0.0;
        }
        let place = (value / 2.0 - self.least / 2.0) / self.half_width;
        place.clamp(-OUTSIDE_MAX, OUTSIDE_MAX)
    }
}

impl Ranges {
    fn of(train: &Table) -> Self {
        let ranges = train.columns().iter().map(|column| match &column.cells {
            Cells::Number(values) => {
                let ends = values
                    .iter()
                    .flatten()
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
                        (least.min(value), most.max(value))
                    });
                let half_width = ends.1 / 2.0 - ends.0 / 2.0;
                Some(Range { least: ends.0, half_width, gaps: values.null_count() > 0 })
            }
            Cells::Level { .. } | Cells::Text(_) => None,
        });
        Self(ranges.collect())
    }

    fn rows(&self, table: &Table) -> Side {
        let mut side = Side { numbers: Vec::new(), codes: Vec::new(), rows: table.rows() };
        for (column, range) in table.columns().iter().zip(&self.0) {
            match (&column.cells, range) {
                (Cells::Number(values), Some(range)) => {
                    let scaled =
                        |value: Option<f64>| value.map_or(0.5, |value| range.place(value)) as f32;
                    side.numbers.push(values.iter().map(scaled).collect());
                    if range.gaps {
                        // A missing number is one mismatch away from any present one.
                        side.codes.push(values.iter().map(|v| u32::from(v.is_none())).collect());
                    }
                }
                (Cells::Level { codes, .. }, _) => {
                    let code = |code: Option<u32>| code.unwrap_or(u32::MAX);
                    side.codes.push(codes.iter().map(code).collect());
                }
                _ => {}
            }
        }
        side
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Float64Array;
    use tgs_protocol::column::{ColumnKind, ColumnSpec, ValueFormat};

    use super::*;
    use crate::{
        random::{Purpose, Stream},
        table::Column,
    };

    fn table(index: u64, size: f64) -> Table {
        let mut dice = Stream::new(2, Purpose::Test, index);
        let columns = ["plain", "odd"].map(|name| {
            let size = if name == "odd" { size } else { 1.0 };
            let cells: Float64Array = (0..300).map(|_| Some(dice.normal() * size)).collect();
            let (name, reason) = (name.to_owned(), String::new());
            let (kind, format) = (ColumnKind::Real, ValueFormat::Shortest);
            let spec = ColumnSpec { name, kind, reason, format, missing_token: None };
            Column { spec: Arc::new(spec), cells: Cells::Number(cells) }
        });
        Table::new(columns.to_vec())
    }

    #[test]
    fn copies_are_seen_in_columns_of_any_size() {
        for size in [1.0, 1e-310, 4e307] {
            let (train, aside) = (table(0, size), table(1, size));
            let share = |synthetic| train_share(&train, &aside, synthetic, 1, 1).expect("measures");
            assert_eq!(share(&train), Some(1.0), "copies of training rows, numbers of {size}");
            assert_eq!(share(&aside), Some(0.0), "copies of rows kept aside, numbers of {size}");
        }
    }
}
