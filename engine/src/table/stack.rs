//! Tables of one making, put one below the other without holding them all.

use std::sync::Arc;

use arrow::array::{Array, Float64Builder, StringArray, StringBuilder, UInt32Builder};
use tgs_protocol::{
    code::Code,
    column::{ColumnKind, ColumnSpec},
    engine::EngineError,
};

use super::{Cells, Column, Table};

/// Bytes of text that a column may hold.
const TEXT_BYTES_MAX: usize = i32::MAX as usize;

/// A table that grows at its end, to be measured: of free texts, which no measure reads, only the
/// number of rows is kept.
#[derive(Debug)]
pub struct Stack {
    columns: Vec<(Arc<ColumnSpec>, Growing)>,
}

#[derive(Debug)]
enum Growing {
    Number(Float64Builder),
    Level(UInt32Builder, Arc<StringArray>),
    Text(StringBuilder),
    /// Rows.
    Unread(usize),
}

impl Stack {
    /// Room for `rows` rows of a table like this one.
    pub fn like(table: &Table, rows: usize) -> Self {
        let columns = table.columns().iter().map(|column| {
            let growing = match &column.cells {
                Cells::Number(_) => Growing::Number(Float64Builder::with_capacity(rows)),
                Cells::Level { levels, .. } => {
                    Growing::Level(UInt32Builder::with_capacity(rows), Arc::clone(levels))
                }
                Cells::Text(_) if column.spec.kind == ColumnKind::Text => Growing::Unread(0),
                Cells::Text(texts) => {
                    let bytes = texts.value_data().len() / texts.len().max(1);
                    let bytes = bytes.saturating_add(1).saturating_mul(rows).min(TEXT_BYTES_MAX);
                    Growing::Text(StringBuilder::with_capacity(rows, bytes))
                }
            };
            (Arc::clone(&column.spec), growing)
        });
        Self { columns: columns.collect() }
    }

    /// Puts the rows of a table of the same making below the others.
    ///
    /// # Errors
    /// `OutOfMemory` when a column holds more than 2 GiB of text.
    ///
    /// # Panics
    /// When it holds other kinds of cells: that is a fault in the calling code, never in data.
    pub fn push(&mut self, table: &Table) -> Result<(), EngineError> {
        assert_eq!(self.columns.len(), table.columns().len(), "tables of one making");
        for ((_, growing), column) in self.columns.iter_mut().zip(table.columns()) {
            match (growing, &column.cells) {
                (Growing::Number(all), Cells::Number(more)) => all.extend(more),
                (Growing::Level(all, _), Cells::Level { codes, .. }) => all.extend(codes),
                (Growing::Text(all), Cells::Text(more)) => {
                    let bytes = all.values_slice().len() + more.value_data().len();
                    if bytes > TEXT_BYTES_MAX {
                        let name = &column.spec.name;
                        let message = format!(
                            "measure column \"{name}\": it holds more than 2 GiB of text; ask for \
                             fewer rows"
                        );
                        return Err(EngineError::new(Code::OutOfMemory, message));
                    }
                    all.extend(more);
                }
                (Growing::Unread(rows), Cells::Text(more)) => *rows += more.len(),
                _ => panic!("column {} changes its kind of cells", column.spec.name),
            }
        }
        Ok(())
    }

    /// The whole.
    pub fn table(self) -> Table {
        let columns = self.columns.into_iter().map(|(spec, growing)| {
            let cells = match growing {
                Growing::Number(mut all) => Cells::Number(all.finish()),
                Growing::Level(mut all, levels) => Cells::Level { codes: all.finish(), levels },
                Growing::Text(mut all) => Cells::Text(all.finish()),
                Growing::Unread(rows) => Cells::Text(StringArray::new_null(rows)),
            };
            Column { spec, cells }
        });
        Table::new(columns.collect())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::UInt32Array;
    use tgs_protocol::column::{ColumnKind, ValueFormat};

    use super::*;

    #[test]
    fn rows_stand_below_each_other_with_their_gaps() {
        let column = |name: &str, kind, cells| {
            let (name, reason) = (name.to_owned(), String::new());
            let format = ValueFormat::Verbatim;
            let spec = ColumnSpec { name, kind, reason, format, missing_token: None };
            Column { spec: Arc::new(spec), cells }
        };
        let levels = Arc::new(StringArray::from(vec!["no", "yes"]));
        let codes = UInt32Array::from(vec![Some(1), None, Some(0)]);
        let whole = Table::new(vec![
            column("a", ColumnKind::Real, Cells::Number(vec![Some(1.5), None, Some(-0.5)].into())),
            column("b", ColumnKind::Category, Cells::Level { codes, levels }),
            column("c", ColumnKind::Id, Cells::Text(vec![None, Some("x"), Some("")].into())),
            column("d", ColumnKind::Text, Cells::Text(StringArray::new_null(3))),
        ]);
        for cut in 0..=3 {
            let mut stack = Stack::like(&whole.slice(0, cut), 3);
            stack.push(&whole.slice(0, cut)).expect("is short");
            stack.push(&whole.slice(cut, 3 - cut)).expect("is short");
            let text = |table: &Table| format!("{:?}", table.columns());
            assert_eq!(text(&stack.table()), text(&whole), "cut at {cut}");
        }
    }
}
