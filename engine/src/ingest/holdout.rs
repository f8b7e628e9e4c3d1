//! Keeps rows aside that no model ever sees.

use arrow::{array::UInt32Array, compute::take};

use crate::{
    random::{Purpose, Stream},
    table::{Cells, Column, Table},
};

/// One row of so many is kept aside.
const ONE_OF: usize = 5;

/// Rows that train, and a fifth kept aside by the seed, both in source order: at least one row of
/// two or more. The only row of a table trains, and nothing is kept aside.
pub fn split(table: Table, seed: u64) -> (Table, Table) {
    let rows = table.rows();
    let aside = if rows < 2 { 0 } else { (rows / ONE_OF).max(1) };
    let picked = Stream::new(seed, Purpose::Split, 0).subsample(rows, aside);
    let mut is_aside = vec![false; rows];
    picked.iter().for_each(|&row| is_aside[row] = true);
    let of = |wanted: bool| -> UInt32Array {
        let rows = is_aside.iter().enumerate().filter(|(_, aside)| **aside == wanted);
        rows.map(|(row, _)| row as u32).collect()
    };
    (rows_of(&table, &of(false)), rows_of(&table, &of(true)))
}

/// The rows of a table at these places, all of which must be there.
pub fn rows_of(table: &Table, rows: &UInt32Array) -> Table {
    let columns = table.columns().iter().map(|column| Column {
        spec: column.spec.clone(),
        cells: match &column.cells {
            Cells::Number(values) => Cells::Number(gather(values, rows)),
            Cells::Text(texts) => Cells::Text(gather(texts, rows)),
            Cells::Level { codes, levels } => {
                Cells::Level { codes: gather(codes, rows), levels: levels.clone() }
            }
        },
    });
    Table::new(columns.collect())
}

fn gather<A: arrow::array::Array + Clone + 'static>(cells: &A, rows: &UInt32Array) -> A {
    let taken = take(cells, rows, None).expect("rows are within the table");
    taken.as_any().downcast_ref::<A>().expect("taking keeps the type").clone()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Float64Array;
    use tgs_protocol::column::{ColumnKind, ColumnSpec, ValueFormat};

    use super::*;

    fn numbered(rows: usize) -> Table {
        let spec = ColumnSpec {
            name: "n".into(),
            kind: ColumnKind::Integer,
            reason: String::new(),
            format: ValueFormat::Shortest,
            missing_token: None,
        };
        let cells = Float64Array::from_iter_values((0..rows).map(|row| row as f64));
        Table::new(vec![Column { spec: Arc::new(spec), cells: Cells::Number(cells) }])
    }

    fn values(table: &Table) -> Vec<f64> {
        match &table.columns()[0].cells {
            Cells::Number(values) => values.values().to_vec(),
            _ => unreachable!("the table of this test holds numbers"),
        }
    }

    #[test]
    fn a_fifth_is_kept_aside_by_the_seed() {
        for (rows, aside) in [(0, 0), (1, 0), (2, 1), (9, 1), (10, 2), (1_000, 200)] {
            let (train, kept) = split(numbered(rows), 7);
            assert_eq!((train.rows(), kept.rows()), (rows - aside, aside));
            let (train, kept) = (values(&train), values(&kept));
            assert!(train.is_sorted() && kept.is_sorted());
            let mut all = [train, kept.clone()].concat();
            all.sort_by(f64::total_cmp);
            assert_eq!(all, values(&numbered(rows)));
            if rows == 1_000 {
                assert_eq!(kept, values(&split(numbered(rows), 7).1));
                assert_ne!(kept, values(&split(numbered(rows), 8).1));
            }
        }
    }
}
