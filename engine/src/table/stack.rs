//! Tables of one making, put one below the other without holding them all.

use std::sync::Arc;

use arrow::array::{Array, Float64Builder, StringArray, StringBuilder, UInt32Builder};
use tgs_protocol::column::ColumnSpec;

use super::{Cells, Column, Table};

/// A table that grows at its end.
#[derive(Debug)]
pub struct Stack {
    columns: Vec<(Arc<ColumnSpec>, Growing)>,
}

#[derive(Debug)]
enum Growing {
    Number(Float64Builder),
    Level(UInt32Builder, Arc<StringArray>),
    Text(StringBuilder),
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
                Cells::Text(texts) => {
                    let bytes = texts.value_data().len() / texts.len().max(1);
                    let bytes = bytes.saturating_add(1).saturating_mul(rows);
                    Growing::Text(StringBuilder::with_capacity(rows, bytes))
                }
            };
            (Arc::clone(&column.spec), growing)
        });
        Self { columns: columns.collect() }
    }

    /// Puts the rows of a table of the same making below the others.
    ///
    /// # Panics
    /// When it holds other kinds of cells: that is a fault in the calling code, never in data.
    pub fn push(&mut self, table: &Table) {
        assert_eq!(self.columns.len(), table.columns().len(), "tables of one making");
        for ((_, growing), column) in self.columns.iter_mut().zip(table.columns()) {
            match (growing, &column.cells) {
                (Growing::Number(all), Cells::Number(more)) => all.extend(more),
                (Growing::Level(all, _), Cells::Level { codes, .. }) => all.extend(codes),
                (Growing::Text(all), Cells::Text(more)) => all.extend(more),
                _ => panic!("column {} changes its kind of cells", column.spec.name),
            }
        }
    }

    /// The whole.
    pub fn table(self) -> Table {
        let columns = self.columns.into_iter().map(|(spec, growing)| {
            let cells = match growing {
                Growing::Number(mut all) => Cells::Number(all.finish()),
                Growing::Level(mut all, levels) => Cells::Level { codes: all.finish(), levels },
                Growing::Text(mut all) => Cells::Text(all.finish()),
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
            column("c", ColumnKind::Text, Cells::Text(vec![None, Some("x"), Some("")].into())),
        ]);
        for cut in 0..=3 {
            let mut stack = Stack::like(&whole.slice(0, cut), 3);
            stack.push(&whole.slice(0, cut));
            stack.push(&whole.slice(cut, 3 - cut));
            let text = |table: &Table| format!("{:?}", table.columns());
            assert_eq!(text(&stack.table()), text(&whole), "cut at {cut}");
        }
    }
}
