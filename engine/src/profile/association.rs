//! How strongly two columns go together.

use arrow::array::Array;
use tgs_protocol::profile::{Association, Correlation};

use crate::{
    association::{MISSING, correlation_ratio, cramers_v, pearson},
    table::{Cells, Table},
};

/// Cells of the largest table of counts: a profile must not take longer than reading the table.
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
    /// [`MISSING`] where missing.
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
                    if codes.is_valid(row) { codes.value(row) } else { MISSING }
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
                let few = rows.checked_mul(*count).is_some_and(|cells| cells <= COUNTS_MAX);
                let strength = few.then(|| cramers_v(a, *rows, b, *count)).flatten();
                (Association::CramersV, strength)
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
