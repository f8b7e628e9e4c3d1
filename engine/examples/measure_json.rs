//! Measures one synthetic CSV file against a real one and prints the report as JSON, with kinds
//! given instead of inferred: the way `tests/peers/sdmetrics_golden.py` holds us against SDMetrics.
//!
//! `measure_json KINDS.json REAL.csv SYNTHETIC.csv [HOLDOUT.csv [TARGET]]`, where KINDS.json maps
//! column names to kinds. Only empty cells are missing; dates read `2019-03-01[ 12:30:05]`.

use std::{collections::BTreeMap, error::Error, path::Path, sync::Arc};

use arrow::array::{Float64Array, StringArray, UInt32Array};
use tgs_engine::{
    measure::{Settings, Tables, measure},
    table::{Cells, Column, Table},
};
use tgs_protocol::{
    column::{ColumnKind, ColumnSpec, ValueFormat},
    gate::Gates,
    progress::Unwatched,
};

type Kinds = BTreeMap<String, ColumnKind>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kinds, real, synthetic, rest @ ..] = &arguments[..] else {
        return Err("usage: measure_json KINDS.json REAL.csv SYNTHETIC.csv [HOLDOUT.csv]".into());
    };
    let kinds: Kinds = serde_json::from_slice(&std::fs::read(kinds)?)?;
    let train = read(Path::new(real), &kinds)?;
    let synthetic = read(Path::new(synthetic), &kinds)?;
    let holdout = match rest.first() {
        Some(path) => read(Path::new(path), &kinds)?,
        None => train.slice(0, 0),
    };
    let settings = Settings {
        target: rest.get(1).cloned(),
        gates: Gates::default(),
        seed: 0,
        threads: std::env::var("THREADS").map_or(Ok(2), |threads| threads.parse())?,
        model: None,
        curves: Vec::new(),
    };
    let tables = Tables { train: &train, holdout: &holdout, synthetic: &synthetic };
    let report = measure(&tables, &settings, &Unwatched)?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

fn read(path: &Path, kinds: &Kinds) -> Result<Table, Box<dyn Error>> {
    let mut reader = csv::Reader::from_path(path)?;
    let header: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let rows = reader.records().collect::<Result<Vec<_>, _>>()?;
    let mut columns = Vec::new();
    for (at, name) in header.iter().enumerate() {
        let Some(&kind) = kinds.get(name) else { continue };
        let cells: Vec<Option<&str>> =
            rows.iter().map(|row| row.get(at).filter(|cell| !cell.is_empty())).collect();
        columns.push(column(name, kind, &cells)?);
    }
    Ok(Table::new(columns))
}

fn column(name: &str, kind: ColumnKind, cells: &[Option<&str>]) -> Result<Column, Box<dyn Error>> {
    let spec = Arc::new(ColumnSpec {
        name: name.to_owned(),
        kind,
        reason: "given".to_owned(),
        format: ValueFormat::Verbatim,
        missing_token: None,
    });
    let cells = if kind.is_numeric() {
        let number = |cell: &&str| match kind {
            ColumnKind::Integer | ColumnKind::Real => Ok(cell.parse()?),
            _ => seconds(cell).ok_or_else(|| format!("no date: {cell}").into()),
        };
        let numbers = cells.iter().map(|cell| cell.as_ref().map(number).transpose());
        Cells::Number(numbers.collect::<Result<Float64Array, Box<dyn Error>>>()?)
    } else if kind.is_categorical() {
        let mut levels: Vec<&str> = cells.iter().copied().flatten().collect();
        levels.sort_unstable();
        levels.dedup();
        let code = |cell: &str| levels.binary_search(&cell).ok().map(|code| code as u32);
        let codes: UInt32Array = cells.iter().map(|cell| cell.and_then(code)).collect();
        Cells::Level { codes, levels: Arc::new(StringArray::from(levels)) }
    } else {
        Cells::Text(cells.iter().copied().collect::<StringArray>())
    };
    Ok(Column { spec, cells })
}

/// Seconds since 1970 of `2019-03-01` or `2019-03-01 12:30:05`.
fn seconds(text: &str) -> Option<f64> {
    let part = |range: std::ops::Range<usize>| -> Option<i64> {
        text.get(range).map_or(Some(0), |part| part.parse().ok())
    };
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    // Days from civil (Hinnant): years begin in March, eras have 400 of them.
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some((days * 86_400 + part(11..13)? * 3_600 + part(14..16)? * 60 + part(17..19)?) as f64)
}
