//! Measures against the stored golden values of SDMetrics; `tests/edges.rs` has tables at the edge.

mod edges;

use std::{path::PathBuf, sync::Arc};

use arrow::array::{Float64Array, StringArray, UInt32Array};
use serde_json::Value;
use tgs_protocol::{
    column::{ColumnKind, ColumnSpec, ValueFormat},
    progress::Unwatched,
};

use crate::{
    measure::{columns, crew::Crew, frame::Frame, keys, new_rows, pairs},
    table::{Cells, Column, Table},
};

#[test]
fn columns_and_pairs_equal_sdmetrics() {
    let crew = Crew::new(2, &Unwatched);
    for name in ["numeric", "category", "mixed", "student"] {
        let golden = golden(name);
        let (real, synthetic) = (fixture(name, "real"), fixture(name, "synthetic"));
        let frame = Frame::new(&real, &real.slice(0, 0), &synthetic).unwrap();
        for column in columns::measure(&frame, crew).unwrap() {
            let theirs = &golden["columns"][&column.report.name];
            let at = |key| format!("{name}: {} of {}", key, column.report.name);
            same(&at("shape"), column.report.shape, &theirs["shape"]);
            same(&at("adherence"), column.report.adherence, &theirs["adherence"]);
            same(&at("coverage"), column.report.coverage, &theirs["coverage"]);
            let missing = Some(column.missing_similarity);
            same(&at("missing"), missing, &theirs["missing_value_similarity"]);
        }
        let found = pairs::measure(&frame, crew).unwrap().reports;
        let theirs = golden["pairs"].as_array().unwrap();
        assert_eq!(found.len(), theirs.len());
        for (pair, theirs) in found.iter().zip(theirs) {
            assert_eq!((&*pair.a, &*pair.b), (text(&theirs[0]), text(&theirs[1])));
            same(&format!("{name}: {} × {}", pair.a, pair.b), pair.trend, &theirs[2]);
        }
        let unique = keys::uniqueness(&synthetic);
        same(&format!("{name}: ids"), unique, &golden["metrics"]["key_uniqueness"]);
        let new = new_rows::new_row_share(&frame.fields, &frame.train, &frame.synthetic, 0, crew)
            .unwrap();
        same(&format!("{name}: new rows"), new, &golden["metrics"]["new_row_synthesis"]);
    }
}

fn same(place: &str, ours: Option<f64>, theirs: &Value) {
    let agrees = match (ours, theirs.as_f64()) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-6,
        (ours, theirs) => ours.is_none() && theirs.is_none(),
    };
    assert!(agrees, "{place}: ours {ours:?}, SDMetrics {theirs}");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/measure")
}

fn golden(name: &str) -> Value {
    let bytes = std::fs::read(folder().join(format!("{name}.golden.json"))).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// A fixture table with the kinds that its golden file names.
fn fixture(name: &str, which: &str) -> Table {
    let kinds = golden(name)["kinds"].clone();
    let path = folder().join(format!("{name}.{which}.csv"));
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let columns = header.iter().enumerate().map(|(at, header)| {
        let kind: ColumnKind = serde_json::from_value(kinds[header].clone()).unwrap();
        let cells: Vec<Option<&str>> =
            rows.iter().map(|row| row.get(at).filter(|cell| !cell.is_empty())).collect();
        column(header, kind, &cells)
    });
    Table::new(columns.collect())
}

/// A column from the text of its cells.
pub(super) fn column(name: &str, kind: ColumnKind, cells: &[Option<&str>]) -> Column {
    let spec = Arc::new(ColumnSpec {
        name: name.to_owned(),
        kind,
        reason: "given by the test".to_owned(),
        format: ValueFormat::Verbatim,
        missing_token: None,
    });
    let cells = if kind.is_numeric() {
        let number = |cell: &str| match kind {
            ColumnKind::Integer | ColumnKind::Real => cell.parse().unwrap(),
            _ => seconds(cell),
        };
        Cells::Number(cells.iter().map(|cell| cell.map(number)).collect::<Float64Array>())
    } else if kind.is_categorical() {
        let mut levels: Vec<&str> = cells.iter().copied().flatten().collect();
        levels.sort_unstable();
        levels.dedup();
        let code = |cell: &str| levels.binary_search(&cell).unwrap() as u32;
        let codes: UInt32Array = cells.iter().map(|cell| cell.map(code)).collect();
        Cells::Level { codes, levels: Arc::new(StringArray::from(levels)) }
    } else {
        Cells::Text(cells.iter().copied().collect::<StringArray>())
    };
    Column { spec, cells }
}

/// Seconds since 1970 of `2019-03-01` or `2019-03-01 12:30:05`.
fn seconds(text: &str) -> f64 {
    let part = |from: usize| text.get(from..from + 2).map_or(0, |part| part.parse().unwrap());
    let (year, month, day): (i64, i64, i64) = (text[..4].parse().unwrap(), part(5), part(8));
    // Days from civil (Hinnant): years begin in March, eras have 400 of them.
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    (days * 86_400 + part(11) * 3_600 + part(14) * 60 + part(17)) as f64
}
