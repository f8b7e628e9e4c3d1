//! Files of every make, good and bad.

use std::path::PathBuf;

use tgs_protocol::{
    column::{ColumnKind, ValueFormat},
    progress::Unwatched,
};

use super::*;
use crate::table::{Cells, cell::NumberWriter};

/// Reads a file of these bytes.
fn read(name: &str, bytes: &[u8]) -> Result<(Table, Vec<String>), EngineError> {
    read_with(name, bytes, None)
}

fn read_with(
    name: &str,
    bytes: &[u8],
    metadata: Option<&Metadata>,
) -> Result<(Table, Vec<String>), EngineError> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    read_table(&path, metadata, &Unwatched)
}

/// Every cell as it would be written; `~` where missing.
fn shown(table: &Table) -> Vec<Vec<String>> {
    let column = |column: &crate::table::Column| -> Vec<String> {
        let writer = NumberWriter::new(&column.spec);
        let cell = |row: usize| {
            if !column.cells.is_present(row) {
                return "~".to_owned();
            }
            match &column.cells {
                Cells::Number(values) => {
                    let mut out = Vec::new();
                    writer.write(values.value(row), &mut out);
                    String::from_utf8(out).unwrap()
                }
                Cells::Level { codes, levels } => {
                    levels.value(codes.value(row) as usize).to_owned()
                }
                Cells::Text(texts) => texts.value(row).to_owned(),
            }
        };
        (0..table.rows()).map(cell).collect()
    };
    table.columns().iter().map(column).collect()
}

#[test]
fn a_small_table() {
    let text = "id,age,sex,born\n1,30,F,2001-02-03\n2,,M,\n3,41,F,1999-12-31\n4,5,F,2000-01-01\n";
    let (table, notices) = read("t.csv", text.as_bytes()).unwrap();
    assert_eq!(notices, Vec::<String>::new());
    let kinds: Vec<ColumnKind> = table.columns().iter().map(|column| column.spec.kind).collect();
    use ColumnKind::{Category, Date, Id, Integer};
    assert_eq!(kinds, [Id, Integer, Category, Date]);
    assert_eq!(shown(&table)[3], ["2001-02-03", "~", "1999-12-31", "2000-01-01"]);
    assert_eq!(table.columns()[1].spec.missing_token.as_deref(), Some(""));
    assert_eq!(table.columns()[1].spec.format, ValueFormat::Decimal { digits: 0, fixed: true });
}
