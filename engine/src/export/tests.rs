//! Every format is read back, cell for cell, by a reader that is not ours.

use std::{fs, io::Read, path::Path, sync::Arc};

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::{
    array::{
        Array, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch,
        StringArray, Time64MicrosecondArray, TimestampMicrosecondArray, UInt32Array,
    },
    datatypes::UInt32Type,
};
use serde_json::{Value, json};
use tgs_protocol::{
    code::Code,
    column::{ColumnKind, ColumnSpec, Dress, ValueFormat},
    digest::Digest,
    engine::{AssembleOrder, OutputFacts, OutputFormat},
    progress::Unwatched,
    unit::Rows,
};

use super::{Writer, assemble};
use crate::table::{Cells, Column, Table, ipc::write_ipc};

const DAY_S: f64 = 86_400.0;

fn column(name: &str, kind: ColumnKind, format: ValueFormat, cells: Cells) -> Column {
    let missing_token = (name == "odd, \"name\"").then(|| "N/A".to_owned());
    let (name, reason) = (name.to_owned(), String::new());
    Column { spec: Arc::new(ColumnSpec { name, kind, reason, format, missing_token }), cells }
}

fn moment(pattern: &str) -> ValueFormat {
    ValueFormat::Moment { pattern: pattern.to_owned() }
}

fn decimal(digits: u8, least: u8) -> ValueFormat {
    ValueFormat::Decimal { digits, least }
}

fn levels(texts: &[&str], codes: Vec<Option<u32>>) -> Cells {
    let levels = Arc::new(StringArray::from(texts.to_vec()));
    Cells::Level { codes: UInt32Array::from(codes), levels }
}

/// Three rows of every kind, the last one all missing.
fn table() -> Table {
    let numbers = |one: f64, other: f64| {
        Cells::Number(Float64Array::from(vec![Some(one), Some(other), None]))
    };
    let texts = vec![Some("=1+1, \"so\"\nnext"), Some(""), None];
    Table::new(vec![
        column("whole", ColumnKind::Integer, decimal(0, 0), numbers(-7.0, 12_345.0)),
        column("price", ColumnKind::Real, decimal(2, 2), numbers(0.5, -1_000.25)),
        column("free", ColumnKind::Real, ValueFormat::Shortest, numbers(1e-7, 0.1 + 0.2)),
        column("day", ColumnKind::Date, moment("%d.%m.%Y"), numbers(-DAY_S, 19_000.0 * DAY_S)),
        column("at", ColumnKind::Datetime, moment("%Y-%m-%d %H:%M:%S"), numbers(-1.0, 3_661.0)),
        column("time", ColumnKind::Time, moment("%H:%M"), numbers(60.0, 86_340.0)),
        column(
            "yes",
            ColumnKind::Boolean,
            ValueFormat::Verbatim,
            levels(&["No", "Yes"], vec![Some(1), Some(0), None]),
        ),
        column(
            "odd, \"name\"",
            ColumnKind::Category,
            ValueFormat::Verbatim,
            levels(&["a,b", "ä\"q\""], vec![Some(1), Some(0), None]),
        ),
        column("note", ColumnKind::Text, ValueFormat::Verbatim, Cells::Text(texts.into())),
    ])
}

/// Writes the table, in pieces of so many rows, and gives the file's bytes and facts.
fn written(name: &str, table: &Table, piece: usize) -> (Vec<u8>, OutputFacts) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    let specs: Vec<_> = table.columns().iter().map(|column| Arc::clone(&column.spec)).collect();
    let format = OutputFormat::of_name(name).expect("a known name");
    let mut writer = Writer::create(&path, format, &specs).expect("begins");
    for from in (0..table.rows()).step_by(piece) {
        let rows = piece.min(table.rows() - from);
        writer.append(&table.slice(from, rows)).expect("appends");
    }
    let facts = writer.finish().expect("finishes");
    (fs::read(&path).expect("reads"), facts)
}

fn csv_cells(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    let row = |record: Result<::csv::StringRecord, _>| {
        record.expect("a whole row").iter().map(str::to_owned).collect()
    };
    reader.records().map(row).collect()
}

fn expected_csv() -> Vec<Vec<&'static str>> {
    vec![
        vec!["whole", "price", "free", "day", "at", "time", "yes", "odd, \"name\"", "note"],
        vec![
            "-7",
            "0.50",
            "1e-7",
            "31.12.1969",
            "1969-12-31 23:59:59",
            "00:01",
            "Yes",
            "ä\"q\"",
            "=1+1, \"so\"\nnext",
        ],
        vec![
            "12345",
            "-1000.25",
            "0.30000000000000004",
            "08.01.2022",
            "1970-01-01 01:01:01",
            "23:59",
            "No",
            "a,b",
            "",
        ],
        vec!["", "", "", "", "", "", "", "N/A", ""],
    ]
}

#[test]
fn csv_reads_back_cell_for_cell() {
    assert_eq!(csv_cells(&written("t.csv", &table(), 2).0), expected_csv());
}

#[test]
fn rows_as_text_are_those_of_a_file() {
    let text = super::written(&table(), tgs_protocol::engine::RowFormat::Csv).expect("text");
    assert_eq!(text, written("t.csv", &table(), usize::MAX).0);
    let text = super::written(&table(), tgs_protocol::engine::RowFormat::JsonLines).expect("text");
    assert_eq!(text, written("t.jsonl", &table(), usize::MAX).0);
    let refused =
        super::written(&table(), tgs_protocol::engine::RowFormat::Parquet).expect_err("no text");
    assert_eq!(refused.code(), Some(Code::BadOutputName));
}

#[test]
fn compressed_csv_holds_the_same_bytes() {
    let plain = written("t.csv", &table(), 3).0;
    let mut unzipped = Vec::new();
    let zipped = written("t.csv.gz", &table(), 3).0;
    flate2::read::GzDecoder::new(&zipped[..]).read_to_end(&mut unzipped).expect("unzips");
    assert_eq!(unzipped, plain);
    assert_eq!(zipped[4..8], [0; 4], "the header holds a time");
    let packed = written("t.csv.zst", &table(), 3).0;
    assert_eq!(zstd::decode_all(&packed[..]).expect("unpacks"), plain);
}

#[test]
fn a_lone_missing_cell_is_still_a_row() {
    let lone = Table::new(vec![table().columns()[0].clone()]);
    assert_eq!(csv_cells(&written("t.csv", &lone, 9).0), [["whole"], ["-7"], ["12345"], [""]]);
}

#[test]
fn json_lines_are_typed() {
    let (bytes, _) = written("t.jsonl", &table(), 2);
    let text = String::from_utf8(bytes).expect("text");
    let rows: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(
        rows[0],
        json!({
            "whole": -7, "price": 0.5, "free": 1e-7, "day": "31.12.1969",
            "at": "1969-12-31 23:59:59", "time": "00:01", "yes": true,
            "odd, \"name\"": "ä\"q\"", "note": "=1+1, \"so\"\nnext",
        })
    );
    assert_eq!(rows[1]["yes"], json!(false));
    assert_eq!(rows[1]["note"], json!(""));
    let last = rows[2].as_object().expect("an object");
    assert_eq!(last.keys().collect::<Vec<_>>(), expected_csv()[0]);
    assert!(last.values().all(Value::is_null), "{last:?}");
}

#[test]
fn amounts_are_numbers_in_typed_formats() {
    let dress =
        Dress { suffix: " €".to_owned(), comma: true, group: Some('.'), ..Dress::default() };
    let format = ValueFormat::Dressed { digits: 2, least: 2, dress };
    let cells = Cells::Number(Float64Array::from(vec![Some(1_033.5), None]));
    let table = Table::new(vec![column("eur", ColumnKind::Real, format, cells)]);
    assert_eq!(csv_cells(&written("t.csv", &table, 9).0)[1..], [["1.033,50 €"], [""]]);
    let (bytes, _) = written("t.jsonl", &table, 9);
    assert_eq!(String::from_utf8(bytes).expect("text"), "{\"eur\":1033.50}\n{\"eur\":null}\n");
}

/// A table, written as Parquet and read back.
fn batch_of(table: &Table) -> RecordBatch {
    let (bytes, _) = written("t.parquet", table, 2);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.parquet");
    fs::write(&path, bytes).expect("writes");
    let file = fs::File::open(&path).expect("opens");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|reader| reader.build());
    let batches: Vec<_> =
        reader.expect("a Parquet file").map(|batch| batch.expect("rows")).collect();
    arrow::compute::concat_batches(&batches[0].schema(), &batches).expect("joins")
}

#[test]
fn parquet_is_typed() {
    let batch = batch_of(&table());
    let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, expected_csv()[0]);
    let same = |at: usize, expected: &dyn Array| {
        assert_eq!(batch.column(at).as_ref(), expected, "column {at}");
    };
    same(0, &Int64Array::from(vec![Some(-7), Some(12_345), None]));
    same(1, &Float64Array::from(vec![Some(0.5), Some(-1_000.25), None]));
    same(2, &Float64Array::from(vec![Some(1e-7), Some(0.1 + 0.2), None]));
    same(3, &Date32Array::from(vec![Some(-1), Some(19_000), None]));
    same(4, &TimestampMicrosecondArray::from(vec![Some(-1_000_000), Some(3_661_000_000), None]));
    same(5, &Time64MicrosecondArray::from(vec![Some(60_000_000), Some(86_340_000_000), None]));
    same(6, &BooleanArray::from(vec![Some(true), Some(false), None]));
    let texts = batch.column(7).as_dictionary::<UInt32Type>();
    let texts = texts.downcast_dict::<StringArray>().expect("texts");
    assert_eq!(texts.into_iter().collect::<Vec<_>>(), [Some("ä\"q\""), Some("a,b"), None]);
    same(8, &StringArray::from(vec![Some("=1+1, \"so\"\nnext"), Some(""), None]));
}

#[test]
fn the_same_rows_are_the_same_bytes() {
    for name in ["t.csv", "t.csv.gz", "t.csv.zst", "t.jsonl", "t.ndjson.zst", "t.parquet"] {
        let (whole, facts) = written(name, &table(), 3);
        assert_eq!(facts, OutputFacts { rows: Rows(3), digest: Digest::of(&whole) }, "{name}");
        assert_eq!(written(name, &table(), 1).0, whole, "{name}");
    }
}

#[test]
fn chunk_files_are_joined_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let chunks: Vec<_> = (0..3).map(|row| folder.path().join(format!("{row}.arrow"))).collect();
    for (row, chunk) in chunks.iter().enumerate() {
        write_ipc(&table().slice(row, 1), chunk).expect("writes");
    }
    for name in ["t.csv", "t.parquet"] {
        let into = folder.path().join(name);
        let format = OutputFormat::of_name(name).expect("a known name");
        let (dataset, chunks) = (folder.path().to_owned(), chunks.clone());
        let order = AssembleOrder { dataset, chunks, format, into: into.clone() };
        let facts = assemble(&order, &Unwatched).expect("joins");
        assert_eq!(facts, written(name, &table(), 3).1);
        assert_eq!(facts.digest, Digest::of(&fs::read(&into).expect("reads")));
    }
}

#[test]
fn failed_writes_name_the_path() {
    let format = OutputFormat::of_name("t.csv").expect("known");
    let failed = Writer::create(Path::new("/nowhere/t.csv"), format, &[]).err().expect("fails");
    assert_eq!(failed.code(), Some(Code::CannotWrite));
    assert!(failed.to_string().contains("/nowhere/t.csv"), "{failed}");
    let narrow = Table::new(table().columns()[..2].to_vec());
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = Writer::create(&folder.path().join("t.csv"), format, &[]).expect("begins");
    let refused = writer.append(&narrow).expect_err("other columns");
    assert_eq!(refused.code(), Some(Code::TablesDiffer));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_apart() {
    for format in ["t.csv", "t.jsonl.gz", "t.csv.zst", "t.parquet"] {
        let format = OutputFormat::of_name(format).expect("known");
        let specs: Vec<_> =
            table().columns().iter().map(|column| Arc::clone(&column.spec)).collect();
        let full = Writer::create(Path::new("/dev/full"), format, &specs).and_then(|mut writer| {
            writer.append(&table())?;
            writer.finish()
        });
        assert_eq!(full.err().and_then(|error| error.code()), Some(Code::DiskFull), "{format:?}");
    }
}

#[test]
fn long_whole_numbers_leave_to_the_last_digit() {
    let offset = 1_700_000_000_000_000_000;
    let cells = Cells::Number(vec![Some(-1.0), Some(9_007_199_254_740_991.0), None].into());
    let stamps = column("ns", ColumnKind::Integer, ValueFormat::Whole { offset }, cells);
    let table = Table::new(vec![stamps]);
    let (csv, _) = written("t.csv", &table, 2);
    let told = ["1699999999999999999", "1709007199254740991"];
    assert_eq!(csv, format!("ns\n{}\n{}\n\"\"\n", told[0], told[1]).as_bytes());
    let (json, _) = written("t.jsonl", &table, 2);
    let line = |number: &str| format!("{{\"ns\":{number}}}\n");
    assert_eq!(json, [line(told[0]), line(told[1]), line("null")].concat().as_bytes());
    let batch = batch_of(&table);
    let found: &Int64Array = batch.column(0).as_primitive();
    let told: Vec<Option<i64>> = told.iter().map(|text| text.parse().ok()).chain([None]).collect();
    assert_eq!(found.iter().collect::<Vec<_>>(), told);
}
