//! A table in memory, as models and measures see it: numbers, levels, or texts, over Arrow buffers.
//!
//! Kinds and formats are agreed once, at ingest; source, model and synthetic output share the same
//! [`ColumnSpec`]s, so a synthetic table is the same type as a real one.

pub mod cell;
pub(crate) mod grid;
pub mod ipc;
pub mod moment;
pub mod stack;

use std::sync::Arc;

use arrow::{
    array::{Array, Float64Array, StringArray, UInt32Array},
    compute::take,
};
use tgs_protocol::column::ColumnSpec;

/// Columns of equal length. Cheap to clone: cells are shared.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: usize,
}

/// One column: what it means and what it holds.
#[derive(Debug, Clone)]
pub struct Column {
    /// Name, kind, format.
    pub spec: Arc<ColumnSpec>,
    /// The values.
    pub cells: Cells,
}

/// The values of one column. A missing cell is a null of the Arrow array; NaN is never stored.
#[derive(Debug, Clone)]
pub enum Cells {
    /// Integer, real, date (seconds since 1970-01-01, at midnight), time (seconds since midnight),
    /// datetime (seconds since 1970-01-01, UTC).
    Number(Float64Array),
    /// Boolean, category, constant: `codes[row]` names one of `levels`, as written in the source.
    Level {
        /// Index into `levels`.
        codes: UInt32Array,
        /// Distinct values in ascending byte order; shared by tables of the same dataset.
        levels: Arc<StringArray>,
    },
    /// Id, text: as written in the source.
    Text(StringArray),
}

impl Table {
    /// Joins columns to a table. All must hold the same number of cells.
    ///
    /// # Panics
    /// When they do not: that is a fault in the calling code, never in data.
    pub fn new(columns: Vec<Column>) -> Self {
        let rows = columns.first().map_or(0, |column| column.cells.len());
        for column in &columns {
            assert_eq!(column.cells.len(), rows, "column {} is ragged", column.spec.name);
        }
        Self { columns, rows }
    }
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// All columns, in source order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
    /// These rows, in this order.
    ///
    /// # Panics
    /// When one is not there.
    pub fn picked(&self, rows: &[usize]) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "rows of a table are fewer")]
        let places: UInt32Array = rows.iter().map(|row| *row as u32).collect();
        let columns = self.columns.iter().map(|column| Column {
            spec: Arc::clone(&column.spec),
            cells: column.cells.picked(&places),
        });
        Self { columns: columns.collect(), rows: rows.len() }
    }
    /// The rows `from .. from + count`, sharing buffers.
    pub fn slice(&self, from: usize, count: usize) -> Self {
        let columns = self.columns.iter().map(|column| Column {
            spec: Arc::clone(&column.spec),
            cells: column.cells.slice(from, count),
        });
        Self { columns: columns.collect(), rows: count }
    }
}

impl Cells {
    /// Number of cells.
    pub fn len(&self) -> usize {
        self.as_array().len()
    }
    /// True for a table without rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Number of missing cells.
    pub fn missing(&self) -> usize {
        self.as_array().null_count()
    }
    /// True where the cell holds a value.
    pub fn is_present(&self, row: usize) -> bool {
        self.as_array().is_valid(row)
    }
    fn picked(&self, rows: &UInt32Array) -> Self {
        match self {
            Self::Number(values) => Self::Number(gathered(values, rows)),
            Self::Level { codes, levels } => {
                Self::Level { codes: gathered(codes, rows), levels: Arc::clone(levels) }
            }
            Self::Text(texts) => Self::Text(gathered(texts, rows)),
        }
    }
    fn slice(&self, from: usize, count: usize) -> Self {
        match self {
            Self::Number(values) => Self::Number(values.slice(from, count)),
            Self::Level { codes, levels } => {
                Self::Level { codes: codes.slice(from, count), levels: Arc::clone(levels) }
            }
            Self::Text(texts) => Self::Text(texts.slice(from, count)),
        }
    }
    fn as_array(&self) -> &dyn Array {
        match self {
            Self::Number(values) => values,
            Self::Level { codes, .. } => codes,
            Self::Text(texts) => texts,
        }
    }
}

fn gathered<A: Array + Clone + 'static>(cells: &A, rows: &UInt32Array) -> A {
    let taken = take(cells, rows, None).expect("rows are within the table");
    taken.as_any().downcast_ref::<A>().expect("taking keeps the type").clone()
}
