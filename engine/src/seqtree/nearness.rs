//! Are synthetic rows nearer to training rows than to rows kept aside? A fast estimate on samples.
//!
//! Distance to closest record: the sum over columns of |difference| on the training range for numbers
//! and 0 or 1 for levels, against equally many training and kept-aside rows; ties count half.

use std::thread;

use arrow::array::Array;
use tgs_protocol::engine::EngineError;

use super::encoded::sample;
use crate::table::{Cells, Table};

/// Synthetic rows judged.
pub(super) const JUDGED_ROWS: usize = 2_000;
/// Rows of each side, at most.
const SIDE_ROWS_MAX: usize = 5_000;
/// Cell comparisons, at most: a wide table is judged on fewer rows.
const WORK_MAX: usize = 400_000_000;

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
    let share = judged.len().div_ceil(threads.max(1)).max(1);
    let halves: u64 = thread::scope(|scope| {
        let workers: Vec<_> = judged
            .chunks(share)
            .map(|judged| {
                let (trained, aside) = (&trained, &aside);
                scope.spawn(move || {
                    let halves = judged.iter().map(|row| {
                        let (near, far) = (row.nearest(trained), row.nearest(aside));
                        u64::from(near < far) * 2 + u64::from(near == far)
                    });
                    halves.sum::<u64>()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("distances cannot fail")).sum()
    });
    Ok(Some(halves as f64 / (2 * judged.len()) as f64))
}

/// A row: scaled numbers, and codes that either agree or do not.
struct Row {
    numbers: Vec<f32>,
    codes: Vec<u32>,
}

impl Row {
    fn nearest(&self, others: &[Self]) -> f32 {
        others.iter().fold(f32::INFINITY, |least, other| {
            let numbers = self.numbers.iter().zip(&other.numbers);
            let codes = self.codes.iter().zip(&other.codes);
            let mismatches = codes.map(|(one, other)| u32::from(one != other)).sum::<u32>();
            let apart: f32 = numbers.map(|(one, other)| (one - other).abs()).sum();
            least.min(mismatches as f32 + apart)
        })
    }
}

/// Least and inverse width per number column of the training table.
struct Ranges(Vec<Option<(f64, f64)>>);

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
                let width = ends.1 - ends.0;
                Some((ends.0, if width > 0.0 { 1.0 / width } else { 0.0 }))
            }
            Cells::Level { .. } | Cells::Text(_) => None,
        });
        Self(ranges.collect())
    }

    fn rows(&self, table: &Table) -> Vec<Row> {
        let empty = || Row { numbers: Vec::new(), codes: Vec::new() };
        let mut rows: Vec<Row> = (0..table.rows()).map(|_| empty()).collect();
        for (column, range) in table.columns().iter().zip(&self.0) {
            match (&column.cells, range) {
                (Cells::Number(values), Some((least, scale))) => {
                    for (row, value) in rows.iter_mut().zip(values) {
                        // A missing number is one mismatch away from any present one.
                        row.codes.push(u32::from(value.is_none()));
                        let value = value.map_or(0.5, |value| (value - least) * scale);
                        row.numbers.push(value as f32);
                    }
                }
                (Cells::Level { codes, .. }, _) => {
                    for (at, row) in rows.iter_mut().enumerate() {
                        let code = if codes.is_valid(at) { codes.value(at) } else { u32::MAX };
                        row.codes.push(code);
                    }
                }
                _ => {}
            }
        }
        rows
    }
}
