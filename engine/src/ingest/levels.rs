//! One set of levels for several tables of the same columns.

use std::sync::Arc;

use arrow::array::{Array, StringArray, UInt32Array};

use crate::{
    ingest::number::numeral,
    table::{Cells, Column, Table},
};

/// Gives tables of the same columns one set of levels per column, in byte order. Where a later
/// table writes a level of the first in another way (`1.0` for `1`, `TRUE` for `True`), it is taken
/// for that level; whatever is new is added.
pub fn unify_levels(tables: Vec<Table>) -> Vec<Table> {
    let width = tables.iter().map(|table| table.columns().len()).min().unwrap_or(0);
    let mut columns: Vec<Vec<Column>> = tables.iter().map(|_| Vec::with_capacity(width)).collect();
    for at in 0..width {
        let all: Vec<&Column> = tables.iter().map(|table| &table.columns()[at]).collect();
        for (into, column) in columns.iter_mut().zip(unify(&all)) {
            into.push(column);
        }
    }
    columns.into_iter().map(Table::new).collect()
}

fn unify(columns: &[&Column]) -> Vec<Column> {
    let of = |column: &&Column| match &column.cells {
        Cells::Level { levels, .. } => Some(Arc::clone(levels)),
        Cells::Number(_) | Cells::Text(_) => None,
    };
    let known: Option<Vec<Arc<StringArray>>> = columns.iter().map(of).collect();
    let Some(known) = known else {
        return columns.iter().map(|column| (*column).clone()).collect();
    };
    let alike = known.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1]) || pair[0] == pair[1]);
    let written: Vec<Vec<String>> = known.iter().map(|levels| renamed(&known[0], levels)).collect();
    let mut all: Vec<&str> = written.iter().flatten().map(String::as_str).collect();
    all.sort_unstable();
    all.dedup();
    let shared =
        if alike { Arc::clone(&known[0]) } else { Arc::new(StringArray::from(all.clone())) };
    let with_levels = |(column, written): (&&Column, &Vec<String>)| {
        let Cells::Level { codes, .. } = &column.cells else { return (*column).clone() };
        let places: Vec<Option<u32>> = written
            .iter()
            .map(|level| all.binary_search(&level.as_str()).ok().map(|at| at as u32))
            .collect();
        let place = |code: Option<u32>| places.get(code? as usize).copied().flatten();
        let codes: UInt32Array =
            if alike { codes.clone() } else { codes.iter().map(place).collect() };
        Column {
            spec: Arc::clone(&column.spec),
            cells: Cells::Level { codes, levels: Arc::clone(&shared) },
        }
    };
    columns.iter().zip(&written).map(with_levels).collect()
}

/// The levels as the first table writes them.
fn renamed(first: &StringArray, levels: &StringArray) -> Vec<String> {
    let known: std::collections::BTreeSet<&str> = first.iter().flatten().collect();
    let meanings: std::collections::BTreeMap<String, &str> =
        first.iter().flatten().map(|level| (meaning(level), level)).collect();
    let rename = |level: &str| {
        if known.contains(level) {
            return level.to_owned();
        }
        let same = meanings.get(&meaning(level)).copied();
        same.unwrap_or(level).to_owned()
    };
    (0..levels.len()).map(|at| rename(levels.value(at))).collect()
}

/// What a level says, however it is written: numbers as such, truth values in lower case.
fn meaning(level: &str) -> String {
    if let Some(number) = numeral(level.as_bytes(), false) {
        return format!("{}", number.value + 0.0);
    }
    let lower = level.trim().to_lowercase();
    if matches!(lower.as_str(), "true" | "false") { lower } else { format!("\"{level}") }
}
