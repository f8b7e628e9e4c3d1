//! Rows of which some cells are known, and the others are to be drawn.

use std::{path::Path, sync::Arc};

use arrow::array::{Array, Float64Array, StringArray, UInt32Array};
use tgs_protocol::{
    chunk::ChunkNo, code::Code, engine::EngineError, limits::CHUNK_ROWS, progress::Watch,
};

use super::sample;
use crate::{
    ingest::{levels::unify_levels, read_part_of},
    model::Generator,
    table::{Cells, Column, Table},
};

/// See the module.
#[derive(Debug, Clone)]
pub struct Incomplete {
    /// The rows as a model knows them: codes of its levels, and above them all what it has not
    /// seen.
    pub table: Table,
    /// Places of columns that are not there at all.
    pub absent: Vec<usize>,
}

/// A generator of rows that were completed, in their order.
pub(super) struct Completed {
    rows: Arc<dyn Generator>,
    given: Table,
}

impl Incomplete {
    /// Of rows with levels of their own. `sample`: rows of the model.
    pub(super) fn new(given: &Table, absent: Vec<usize>, sample: &Table) -> Self {
        let unified = unify_levels(vec![sample.clone(), given.clone()]).pop();
        let columns = unified.iter().flat_map(Table::columns).zip(sample.columns());
        let columns = columns.map(|(column, of_model)| match (&column.cells, &of_model.cells) {
            (Cells::Level { codes, levels }, Cells::Level { levels: known, .. }) => {
                let unseen = known.len() as u32;
                let place = |level: &str| known.iter().flatten().position(|it| it == level);
                let places: Vec<u32> = levels
                    .iter()
                    .flatten()
                    .map(|level| place(level).map_or(unseen, |at| at as u32))
                    .collect();
                let codes: UInt32Array =
                    codes.iter().map(|code| code.map(|code| places[code as usize])).collect();
                let spec = Arc::clone(&column.spec);
                Column { spec, cells: Cells::Level { codes, levels: Arc::clone(known) } }
            }
            _ => column.clone(),
        });
        Self { table: Table::new(columns.collect()), absent }
    }

    /// The rows of a chunk; fewer where there are no more.
    pub fn of_chunk(&self, chunk: ChunkNo, rows: usize) -> Table {
        of_chunk(&self.table, chunk, rows)
    }
}

/// The rows of a file whose columns are some of a model's, in any order. Also gives the places of
/// the model's other columns, which are all missing, and the notices of reading it.
pub(super) fn read(
    path: &Path,
    any: &Arc<dyn Generator>,
    watch: &dyn Watch,
) -> Result<(Table, Vec<usize>, Vec<String>), EngineError> {
    let sample = sample(any)?;
    let specs: Vec<_> = sample.columns().iter().map(|column| Arc::clone(&column.spec)).collect();
    let (part, notices) = read_part_of(path, &specs, watch)?;
    let rows = part.rows();
    let mut absent = Vec::new();
    let column = |(at, of_model): (usize, &Column)| {
        let spec = Arc::clone(&of_model.spec);
        let found = part.columns().iter().find(|column| column.spec.name == spec.name);
        let cells = found.map(|column| column.cells.clone()).unwrap_or_else(|| {
            absent.push(at);
            match &of_model.cells {
                Cells::Number(_) => Cells::Number(Float64Array::new_null(rows)),
                Cells::Level { levels, .. } => {
                    Cells::Level { codes: UInt32Array::new_null(rows), levels: Arc::clone(levels) }
                }
                Cells::Text(_) => Cells::Text(StringArray::new_null(rows)),
            }
        });
        Column { spec, cells }
    };
    let columns = sample.columns().iter().enumerate().map(column).collect();
    Ok((Table::new(columns), absent, notices))
}

impl Completed {
    pub(super) fn new(rows: Arc<dyn Generator>, given: Table) -> Self {
        Self { rows, given }
    }
}

impl Generator for Completed {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        let given = of_chunk(&self.given, chunk, rows);
        if given.rows() < rows {
            let message = format!("complete {rows} rows of chunk {chunk}: there are fewer");
            return Err(EngineError::new(Code::RowsOutOfRange, message));
        }
        let drawn = self.rows.chunk(seed, chunk, rows)?;
        let mut columns = drawn.columns().to_vec();
        for (at, cells) in self.generated(seed, chunk, rows) {
            columns[at] = Column { spec: Arc::clone(&columns[at].spec), cells };
        }
        let mut unified = unify_levels(vec![Table::new(columns), given]).into_iter();
        match (unified.next(), unified.next()) {
            (Some(drawn), Some(given)) => Ok(filled(&given, &drawn)),
            _ => Err(EngineError::new(Code::Internal, "complete rows: tables were lost")),
        }
    }

    fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        self.rows.generated(seed, chunk, rows)
    }
}

/// The cells of a table, others where they are missing. Codes above all levels count as missing.
pub(crate) fn filled(given: &Table, others: &Table) -> Table {
    let column = |(given, other): (&Column, &Column)| {
        let cells = match (&given.cells, &other.cells) {
            (Cells::Number(given), Cells::Number(other)) => {
                Cells::Number(given.iter().zip(other).map(|(it, other)| it.or(other)).collect())
            }
            (Cells::Level { codes, .. }, Cells::Level { codes: others, levels }) => {
                let known = |code: &u32| (*code as usize) < levels.len();
                let codes = codes.iter().map(|code| code.filter(known));
                let codes = codes.zip(others).map(|(it, other)| it.or(other)).collect();
                Cells::Level { codes, levels: Arc::clone(levels) }
            }
            (Cells::Text(given), Cells::Text(other)) => {
                Cells::Text(given.iter().zip(other).map(|(it, other)| it.or(other)).collect())
            }
            _ => other.cells.clone(),
        };
        Column { spec: Arc::clone(&other.spec), cells }
    };
    Table::new(given.columns().iter().zip(others.columns()).map(column).collect())
}

fn of_chunk(table: &Table, chunk: ChunkNo, rows: usize) -> Table {
    let first = u64::from(chunk.0) * CHUNK_ROWS;
    let first = usize::try_from(first).unwrap_or(usize::MAX).min(table.rows());
    table.slice(first, rows.min(table.rows() - first))
}
