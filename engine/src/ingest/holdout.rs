//! Keeps rows aside that no model ever sees.

use crate::{
    random::{Purpose, Stream},
    table::Table,
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
    let of = |wanted: bool| {
        let rows = is_aside.iter().enumerate().filter(|(_, aside)| **aside == wanted);
        table.picked(&rows.map(|(row, _)| row).collect::<Vec<usize>>())
    };
    (of(false), of(true))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Float64Array;
    use tgs_protocol::column::{ColumnKind, ColumnSpec, ValueFormat};

    use super::*;
    use crate::table::{Cells, Column};

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
