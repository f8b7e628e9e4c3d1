//! Tables go through Arrow IPC unchanged; damage is told, never swallowed.

use arrow::array::{Float64Array, StringArray, UInt32Array};
use tgs_protocol::{
    code::Code,
    column::{ColumnKind, ValueFormat},
};

use super::*;

fn spec(name: &str, kind: ColumnKind, format: ValueFormat) -> Arc<ColumnSpec> {
    let reason = "3 whole numbers".to_owned();
    Arc::new(ColumnSpec { name: name.into(), kind, reason, format, missing_token: None })
}

fn table() -> Table {
    let number = Cells::Number(Float64Array::from(vec![Some(1.5), None, Some(-0.0), Some(1e300)]));
    let level = Cells::Level {
        codes: UInt32Array::from(vec![Some(1), None, Some(0), Some(1)]),
        levels: Arc::new(StringArray::from(vec!["", "é\n\""])),
    };
    let nothing = Cells::Level {
        codes: UInt32Array::from(vec![None; 4]),
        levels: Arc::new(StringArray::from(Vec::<&str>::new())),
    };
    let text = Cells::Text(StringArray::from(vec![Some("a"), Some(""), None, Some("π")]));
    let decimal = ValueFormat::Decimal { digits: 1, least: 0 };
    Table::new(vec![
        Column { spec: spec("n", ColumnKind::Real, decimal), cells: number },
        Column { spec: spec("l", ColumnKind::Category, ValueFormat::Verbatim), cells: level },
        Column { spec: spec("void", ColumnKind::Constant, ValueFormat::Verbatim), cells: nothing },
        Column { spec: spec("t", ColumnKind::Text, ValueFormat::Verbatim), cells: text },
    ])
}

#[track_caller]
fn assert_same(one: &Table, other: &Table) {
    assert_eq!(one.rows(), other.rows());
    assert_eq!(one.columns().len(), other.columns().len());
    for (a, b) in one.columns().iter().zip(other.columns()) {
        assert_eq!(a.spec, b.spec);
        match (&a.cells, &b.cells) {
            (Cells::Number(a), Cells::Number(b)) => assert_eq!(a, b),
            (Cells::Text(a), Cells::Text(b)) => assert_eq!(a, b),
            (
                Cells::Level { codes: a, levels: known },
                Cells::Level { codes: b, levels: found },
            ) => assert_eq!((a, known.as_ref()), (b, found.as_ref())),
            _ => panic!("cells of another type"),
        }
    }
}

#[test]
fn tables_round_trip_exactly_and_deterministically() {
    let whole = table();
    let tables = [whole.clone(), whole.slice(1, 2), whole.slice(0, 0), Table::new(Vec::new())];
    for table in tables {
        let bytes = to_ipc(&table).unwrap();
        assert_eq!(bytes, to_ipc(&table).unwrap());
        assert_same(&table, &from_ipc(&bytes).unwrap());
    }
}

#[test]
fn a_file_holds_the_same_bytes_and_names_itself_when_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.arrow");
    let digest = write_ipc(&table(), &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes, to_ipc(&table()).unwrap());
    assert_eq!(read_sealed(&path).unwrap().1, digest);
    assert_same(&table(), &read_ipc(&path).unwrap());
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = read_ipc(&path).unwrap_err();
    assert_eq!(error.code(), Some(Code::StoreCorrupt));
    assert!(error.to_string().contains("t.arrow"), "{error}");
}

#[test]
fn every_cut_and_every_flipped_byte_before_the_footer_is_told() {
    let bytes = to_ipc(&table()).unwrap();
    for length in 0..bytes.len() {
        assert_eq!(from_ipc(&bytes[..length]).unwrap_err().code(), Some(Code::StoreCorrupt));
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        // The footer repeats what stands before it; where that copy is damaged, the table is right.
        match from_ipc(&damaged) {
            Ok(found) => assert_same(&table(), &found),
            Err(error) => {
                assert_eq!(error.code(), Some(Code::StoreCorrupt));
                let mut cause: Option<&dyn std::error::Error> = Some(&error);
                while let Some(told) = cause {
                    assert!(!told.to_string().contains('\n'), "byte {at}: {told}");
                    cause = told.source();
                }
            }
        }
    }
}
