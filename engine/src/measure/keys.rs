//! `KeyUniqueness`: are the ids of the synthetic table present, and each used once?

use std::collections::HashSet;

use tgs_protocol::column::ColumnKind;

use crate::table::{Cells, Table};

/// Share of id cells that are neither missing nor a repetition, mean over the id columns.
/// None for a table without ids or rows.
pub fn uniqueness(table: &Table) -> Option<f64> {
    let ids = table.columns().iter().filter(|column| column.spec.kind == ColumnKind::Id);
    let shares: Vec<f64> = ids.filter_map(|column| share(&column.cells)).collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

fn share(cells: &Cells) -> Option<f64> {
    let distinct = match cells {
        Cells::Text(texts) => texts.iter().flatten().collect::<HashSet<_>>().len(),
        Cells::Number(numbers) => {
            numbers.iter().flatten().map(f64::to_bits).collect::<HashSet<_>>().len()
        }
        Cells::Level { codes, .. } => codes.iter().flatten().collect::<HashSet<_>>().len(),
    };
    (!cells.is_empty()).then(|| distinct as f64 / cells.len() as f64)
}
