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
    assert_eq!(table.columns()[1].spec.format, ValueFormat::Decimal { digits: 0, least: 0 });
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn xlsx(fill: impl FnOnce(&mut rust_xlsxwriter::Worksheet)) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    fill(book.add_worksheet());
    book.save_to_buffer().unwrap()
}

pub fn parquet_bytes() -> Vec<u8> {
    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, StringArray,
    };
    let rows = 40;
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "n",
            Arc::new(Int32Array::from_iter((0..rows).map(|row| (row != 3).then_some(row * row)))),
        ),
        ("x", Arc::new(Float64Array::from_iter((0..rows).map(|row| Some(f64::from(row) / 8.0))))),
        ("yes", Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(row % 3 == 0))))),
        ("day", Arc::new(Date32Array::from_iter((0..rows).map(|row| Some(row * 30))))),
        (
            "c",
            Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("c{}", row % 5)))),
        ),
    ];
    parquet_of(columns)
}

fn parquet_of(columns: Vec<(&str, arrow::array::ArrayRef)>) -> Vec<u8> {
    use arrow::{
        array::RecordBatch,
        datatypes::{Field, Schema},
    };
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(&mut bytes, schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

pub fn small_xlsx() -> Vec<u8> {
    xlsx(|sheet| {
        sheet.write_row(0, 0, ["id", "weight", "born", "sex", "ok"]).unwrap();
        let day = rust_xlsxwriter::Format::new().set_num_format("yyyy-mm-dd");
        for row in 1..=12_u32 {
            sheet.write_number(row, 0, f64::from(row)).unwrap();
            if row != 5 {
                sheet.write_number(row, 1, 60.0 + f64::from(row) / 4.0).unwrap();
            }
            let born = rust_xlsxwriter::ExcelDateTime::from_ymd(1990, 1, row as u8).unwrap();
            sheet.write_datetime_with_format(row, 2, &born, &day).unwrap();
            sheet.write_string(row, 3, if row % 2 == 0 { "F" } else { "M" }).unwrap();
            sheet.write_boolean(row, 4, row % 3 == 0).unwrap();
        }
    })
}

fn kinds(table: &Table) -> Vec<ColumnKind> {
    table.columns().iter().map(|column| column.spec.kind).collect()
}

/// Every way a file can be bad: the code, and words that its message must hold.
#[test]
fn bad_files_give_one_clear_error() {
    let packed = gzip("a,b\n1,2\n".repeat(9_000).as_bytes());
    let zst = zstd::encode_all("a,b\n1,2\n".repeat(9_000).as_bytes(), 1).unwrap();
    let whole = parquet_bytes();
    let book = small_xlsx();
    let quoted = "a,b\n1,\"x\ny\"\n2,3,4\n";
    let cases: Vec<(&str, Vec<u8>, Code, &[&str])> = vec![
        ("e.csv", b"".to_vec(), Code::EmptySource, &["empty"]),
        ("e.csv", b"\n\n\r\n".to_vec(), Code::EmptySource, &["no header"]),
        ("e.csv", b"\xef\xbb\xbf".to_vec(), Code::EmptySource, &["no header"]),
        ("h.csv", b"a,b\n".to_vec(), Code::EmptySource, &["header but no rows"]),
        ("h.csv", b"a,b".to_vec(), Code::EmptySource, &["header but no rows"]),
        ("r.csv", b"a,b\n1,2\n3\n".to_vec(), Code::RaggedRow, &["line 3", "\"b\"", "1 cells"]),
        ("r.csv", quoted.into(), Code::RaggedRow, &["line 4", "column 3", "3 cells"]),
        ("d.csv", b"a,b,a\n1,2,3\n".to_vec(), Code::BadHeader, &["columns 1 and 3", "\"a\""]),
        ("d.csv", b"a,,c\n1,2,3\n".to_vec(), Code::BadHeader, &["column 2 has no name"]),
        ("n.csv", b"a,b\n1,2\n3,\x004\n".to_vec(), Code::BadEncoding, &["line 3", "zero byte"]),
        ("q.csv", b"a,b\n1,2\n3,\"4\n5,6\n".to_vec(), Code::CorruptSource, &["line 3", "quote"]),
        (
            "u.csv",
            "a,b\né,2\n".bytes().chain(*b"\xff,3\n").collect(),
            Code::BadEncoding,
            &["line 3"],
        ),
        ("u.csv", b"\xff\xfea\0\n\0\0\xd8b\0".to_vec(), Code::BadEncoding, &["UTF-16"]),
        ("p.csv", b"%PDF-1.7 ...".to_vec(), Code::NotThatFormat, &["PDF"]),
        ("z.csv", b"PK\x03\x04 not a workbook".to_vec(), Code::CorruptSource, &["workbook"]),
        ("x.xlsx", b"a,b\n1,2\n".to_vec(), Code::NotThatFormat, &["xlsx"]),
        ("x.xlsx", book[..book.len() / 2].to_vec(), Code::CorruptSource, &["workbook"]),
        ("x.parquet", b"a,b\n1,2\n".to_vec(), Code::NotThatFormat, &["Parquet"]),
        ("x.parquet", whole[..whole.len() / 2].to_vec(), Code::CorruptSource, &["Parquet"]),
        ("x.csv.gz", packed[..packed.len() / 2].to_vec(), Code::CorruptSource, &["gzip"]),
        ("x.csv.zst", zst[..zst.len() / 2].to_vec(), Code::CorruptSource, &["zstd"]),
        ("x.csv.gz", gzip(&packed), Code::NotThatFormat, &["packed twice"]),
        ("j.jsonl", b"[{\"a\":1}]".to_vec(), Code::NotThatFormat, &["array"]),
        ("j.jsonl", b"{\"a\":1}\n{\"a\":\n".to_vec(), Code::CorruptSource, &["line 2"]),
        ("j.jsonl", b"{\"a\":1}\n[2]\n".to_vec(), Code::NotThatFormat, &["line 2"]),
        (
            "j.jsonl",
            b"{\"a\":1}\n\n{\"a\":{\"b\":2}}\n".to_vec(),
            Code::BadCell,
            &["line 3", "\"a\""],
        ),
        ("j.jsonl", b"{}\n{}\n".to_vec(), Code::EmptySource, &["no objects"]),
        ("b.bin", (0..=255_u8).cycle().take(5_000).collect(), Code::BadEncoding, &["zero byte"]),
    ];
    for (name, bytes, code, words) in cases {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let Err(error) = read(name, &bytes) else { panic!("{name} {shown:?} was read") };
        assert_eq!(error.code(), Some(code), "{name} {shown:?}: {error}");
        for word in words {
            assert!(error.to_string().contains(word), "{name} {shown:?}: {error}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("none.csv")] {
        let error = read_table(&path, None, &Unwatched).unwrap_err();
        assert_eq!(error.code(), Some(Code::SourceUnreadable));
    }
    let zip = zip_without_sheets();
    assert_eq!(read("z.csv", &zip).unwrap_err().code(), Some(Code::NotThatFormat));
    let bad_book = xlsx(|sheet| {
        sheet.write_row(0, 0, ["a", "b"]).unwrap();
        sheet.write_row(3, 0, [1, 2, 3]).unwrap();
    });
    let error = read("b.xlsx", &bad_book).unwrap_err();
    assert_eq!(error.code(), Some(Code::RaggedRow));
    assert!(
        error.to_string().contains("row 4") && error.to_string().contains("column C"),
        "{error}"
    );
}

/// An archive with one stored file and no workbook in it.
fn zip_without_sheets() -> Vec<u8> {
    let mut zip = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0a".to_vec();
    let directory = zip.len() as u32;
    zip.extend_from_slice(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    zip.extend_from_slice(b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a");
    let length = zip.len() as u32 - directory;
    zip.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    zip.extend_from_slice(&length.to_le_bytes());
    zip.extend_from_slice(&directory.to_le_bytes());
    zip.extend_from_slice(b"\0\0");
    zip
}

#[test]
fn one_table_in_every_dress_is_the_same_table() {
    let mut plain = "name,size,when\n".to_owned();
    for row in 0..50 {
        plain += &format!("\"Müller, {}\",{}.5,2020-01-{:02}\n", row % 7, row, row % 28 + 1);
    }
    let utf16: Vec<u8> =
        std::iter::once(0xfeff).chain(plain.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let latin: Vec<u8> = plain.chars().map(|letter| letter as u8).collect();
    let semicolons = plain.replace("\",", "\";").replace(".5,", ".5;").replace("e,s", "e;s");
    let semicolons = semicolons.replace("e,w", "e;w");
    let members = [gzip(&plain.as_bytes()[..100]), gzip(&plain.as_bytes()[100..])].concat();
    let json: String = (0..50)
        .map(|row| {
            let day = row % 28 + 1;
            format!(
                "{{\"name\":\"Müller, {}\",\"size\":{row}.5,\"when\":\"2020-01-{day:02}\"}}\n",
                row % 7
            )
        })
        .collect();
    let expected = shown(&read("t.csv", plain.as_bytes()).unwrap().0);
    for (name, bytes) in [
        ("crlf.csv", plain.replace('\n', "\r\n").into_bytes()),
        ("cr.csv", plain.replace('\n', "\r").into_bytes()),
        ("bom.csv", [b"\xef\xbb\xbf", plain.as_bytes()].concat()),
        ("utf16.csv", utf16),
        ("latin.csv", latin),
        ("semicolon.csv", semicolons.into_bytes()),
        (
            "tab.tsv",
            plain
                .replace("\",", "\"\t")
                .replace(".5,", ".5\t")
                .replace("name,size,", "name\tsize\t")
                .into_bytes(),
        ),
        ("gz.csv.gz", gzip(plain.as_bytes())),
        ("members.csv.gz", members),
        ("zst.csv.zst", zstd::encode_all(plain.as_bytes(), 3).unwrap()),
        ("json.jsonl", json.clone().into_bytes()),
        ("json.jsonl.gz", gzip(json.as_bytes())),
        ("unnamed", json.into_bytes()),
    ] {
        let (table, _) = read(name, &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(shown(&table), expected, "{name}");
        use ColumnKind::{Category, Date, Real};
        assert_eq!(kinds(&table), [Category, Real, Date], "{name}");
    }
    let (_, notices) = read("l.csv", b"a\n\xe9\nb\n").unwrap();
    assert_eq!(notices, ["line 2 is not UTF-8: the file was read as Windows-1252"]);
}

#[test]
fn parquet_and_workbooks_are_read() {
    use ColumnKind::{Boolean, Category, Date, Id, Integer, Real};
    let (table, _) = read("t.parquet", &parquet_bytes()).unwrap();
    assert_eq!(kinds(&table), [Integer, Real, Boolean, Date, Category]);
    assert_eq!(shown(&table)[0][..5], ["0", "1", "4", "~", "16"]);
    assert_eq!(shown(&table)[3][..2], ["1970-01-01", "1970-01-31"]);
    let (table, notices) = read("t.csv", &small_xlsx()).unwrap();
    assert_eq!(kinds(&table), [Id, Real, Date, Category, Boolean]);
    assert_eq!(shown(&table)[1][3..5], ["61", "~"]);
    assert_eq!(shown(&table)[2][1], "1990-01-02");
    assert_eq!(notices, ["the name promises CSV, read as xlsx"]);
}

/// Cells of one column, row by row; the kind that is expected.
#[test]
fn kinds_of_tricky_columns() {
    use ColumnKind::{Boolean, Category, Constant, Date, Datetime, Id, Integer, Real, Text, Time};
    let many = |cell: &dyn Fn(usize) -> String| -> String {
        (0..300).map(|row| cell(row * 7_919 % 300) + "\n").collect()
    };
    let decimal = |digits, least| ValueFormat::Decimal { digits, least };
    let moment = |pattern: &str| ValueFormat::Moment { pattern: pattern.into() };
    let verbatim = ValueFormat::Verbatim;
    let cases: Vec<(&str, String, ColumnKind, ValueFormat)> = vec![
        ("age", many(&|row| (row % 90).to_string()), Integer, decimal(0, 0)),
        ("dose", many(&|row| format!("{}.0", row % 90)), Integer, decimal(1, 1)),
        ("x", many(&|row| format!("{}.5", row % 90)), Real, decimal(1, 1)),
        (
            "x",
            many(&|row| if row % 2 == 0 { "1.25".into() } else { row.to_string() }),
            Real,
            decimal(2, 0),
        ),
        ("x", many(&|row| format!("{row}.{}e-3", row % 10)), Real, ValueFormat::Shortest),
        ("x", many(&|row| format!("0.1234567890123{row:03}")), Real, ValueFormat::Shortest),
        ("x", many(&|row| format!(" {} ", row % 90)), Integer, decimal(0, 0)),
        ("x", many(&|row| format!("+{}", row % 90)), Integer, decimal(0, 0)),
        ("flag", many(&|row| (row % 2).to_string()), Category, verbatim.clone()),
        ("flag", many(&|row| ["yes", "no"][row % 2].into()), Boolean, verbatim.clone()),
        ("flag", many(&|row| ["True", "False"][row % 2].into()), Boolean, verbatim.clone()),
        ("flag", many(&|row| ["T", "f"][row % 2].into()), Boolean, verbatim.clone()),
        ("grade", many(&|row| ["?", "a", "b"][row % 3].into()), Category, verbatim.clone()),
        ("zip", many(&|row| format!("{:05}", row % 40 * 700)), Category, verbatim.clone()),
        ("agent", many(&|row| format!("00{}", row % 5)), Category, verbatim.clone()),
        ("n", many(&|row| row.to_string()), Id, verbatim.clone()),
        ("year", many(&|row| (1_700 + row).to_string()), Integer, decimal(0, 0)),
        ("order_no", many(&|row| (row * 13 + 5).to_string()), Id, verbatim.clone()),
        ("income", many(&|row| (row * 13 + 5).to_string()), Integer, decimal(0, 0)),
        ("paid", many(&|row| (row * 13 + 5).to_string()), Integer, decimal(0, 0)),
        (
            "sqft",
            many(&|row| if row % 2 == 0 { format!("{row}.0") } else { "2.25".into() }),
            Real,
            decimal(2, 1),
        ),
        (
            "month",
            many(&|row| format!("{}-{:02}", 1990 + row / 12, row % 12 + 1)),
            Date,
            moment("%Y-%m"),
        ),
        (
            "month",
            many(&|row| format!("{:02}/{}", row % 12 + 1, 1990 + row / 12)),
            Date,
            moment("%m/%Y"),
        ),
        (
            "m",
            many(&|row| format!("{} 19{:02}", ["Jan", "Mar", "May"][row % 3], row / 3)),
            Date,
            moment("%b %Y"),
        ),
        (
            "week",
            many(&|row| format!("{}-W{:02}", 1990 + row / 50, row % 50 + 1)),
            Date,
            moment("%G-W%V"),
        ),
        (
            "quarter",
            many(&|row| format!("{}Q{}", 1800 + row / 4, row % 4 + 1)),
            Text,
            verbatim.clone(),
        ),
        (
            "at",
            many(&|row| format!("19{:02}{:02}{:02}", row % 90, row % 12 + 1, row % 28 + 1)),
            Date,
            moment("%Y%m%d"),
        ),
        (
            "at",
            many(&|row| format!("19{:02}{:02}{:02}", row % 90, row % 12 + 1, row % 32 + 1)),
            Integer,
            decimal(0, 0),
        ),
        (
            "visit_id",
            many(&|row| format!("19{:02}{:02}01", row / 12, row % 12 + 1)),
            Id,
            verbatim.clone(),
        ),
        ("zipcode", many(&|row| (98_000 + row % 70).to_string()), Category, verbatim.clone()),
        ("zipcode", many(&|row| (98_000 + row * 3 % 280).to_string()), Integer, decimal(0, 0)),
        ("score", many(&|row| format!("{}.{row:03}", row % 7)), Real, decimal(3, 3)),
        ("code", many(&|row| format!("AB-{row:04}")), Id, verbatim.clone()),
        (
            "token",
            many(&|row| format!("{:016x}", row as u64 * 0x9E37_79B9_7F4A_7C15)),
            Id,
            verbatim.clone(),
        ),
        ("big", many(&|row| format!("90071992547409{row:03}")), Id, verbatim.clone()),
        (
            "note",
            many(&|row| format!("patient number {row} felt {}", "well ".repeat(row % 4 + 1))),
            Text,
            verbatim.clone(),
        ),
        ("city", many(&|row| format!("city {}", row % 90)), Category, verbatim.clone()),
        ("same", many(&|_| "x".into()), Constant, verbatim.clone()),
        ("same", many(&|_| "7".into()), Constant, verbatim.clone()),
        (
            "some",
            many(&|row| if row % 2 == 0 { "x".into() } else { "\"\"".into() }),
            Category,
            verbatim.clone(),
        ),
        ("none", many(&|_| "\"\"".into()), Constant, verbatim.clone()),
        ("none", many(&|_| "NA".into()), Constant, verbatim.clone()),
        (
            "day",
            many(&|row| format!("{:02}.{:02}.1990", row % 28 + 1, row % 12 + 1)),
            Date,
            moment("%d.%m.%Y"),
        ),
        (
            "day",
            many(&|row| format!("{}/{}/1990", row % 12 + 1, row % 28 + 1)),
            Date,
            moment("%-m/%-d/%Y"),
        ),
        (
            "day",
            many(&|row| format!("{}/{}/1990", row % 28 + 1, row % 12 + 1)),
            Date,
            moment("%-d/%-m/%Y"),
        ),
        (
            "at",
            many(&|row| format!("1990-01-01T{:02}:00:{:02}Z", row % 24, row % 60)),
            Datetime,
            moment("%Y-%m-%dT%H:%M:%SZ"),
        ),
        (
            "at",
            many(&|row| format!("1990-01-01 {:02}:00:00.{row:03}", row % 24)),
            Datetime,
            moment("%Y-%m-%d %H:%M:%S%.3f"),
        ),
        ("at", many(&|row| format!("{:02}:{:02}", row % 24, row % 60)), Time, moment("%H:%M")),
        ("version", many(&|row| format!("1.{}.{}", row % 3, row % 5)), Category, verbatim.clone()),
        ("amount", many(&|row| format!("\"{},{:03}\"", row % 9 + 1, row)), Text, verbatim.clone()),
    ];
    for (name, cells, kind, format) in cases {
        let text = format!("{name}\n{cells}");
        let (table, _) = read("k.csv", text.as_bytes()).unwrap();
        let column = &table.columns()[0];
        let first: String = cells.chars().take(30).collect();
        assert_eq!((column.spec.kind, &column.spec.format), (kind, &format), "{name}: {first:?}");
        assert!(!column.spec.reason.is_empty());
    }
}

#[test]
fn missing_cells_keep_their_token_and_odd_cells_are_told() {
    let column = |extra: &[&str]| -> String {
        let cells = (0..100).map(|row| (row % 20).to_string() + "\n");
        format!("x\n{}{}\n", cells.collect::<String>(), extra.join("\n"))
    };
    for (extra, token, missing) in [
        (&["NA", "NA", "?"][..], Some("NA"), 3),
        (&["\"\"", "nan"][..], Some(""), 2),
        (&["-"][..], Some("-"), 1),
        (&["1"][..], None, 0),
    ] {
        let (table, _) = read("m.csv", column(extra).as_bytes()).unwrap();
        let found = &table.columns()[0];
        assert_eq!(found.spec.kind, ColumnKind::Integer);
        assert_eq!((found.spec.missing_token.as_deref(), found.cells.missing()), (token, missing));
    }
    let (table, notices) = read("m.csv", column(&["unknown"]).as_bytes()).unwrap();
    assert_eq!(table.columns()[0].spec.kind, ColumnKind::Category);
    assert!(notices[0].contains("line 102") && notices[0].contains("unknown"), "{notices:?}");
    let metadata: Metadata = serde_json::from_str("{\"missing\":[\"unknown\"]}").unwrap();
    let (table, notices) =
        read_with("m.csv", column(&["unknown"]).as_bytes(), Some(&metadata)).unwrap();
    let found = &table.columns()[0];
    assert_eq!((found.spec.kind, found.cells.missing()), (ColumnKind::Integer, 1));
    assert_eq!((found.spec.missing_token.as_deref(), notices.len()), (Some("unknown"), 0));
    let (_, notices) = read("n.csv", b"1,2\n3,4\n").unwrap();
    assert!(notices[0].contains("add one"), "{notices:?}");
    let (table, _) = read(
        "c.csv",
        column(&[])
            .replace('\n', ",5\n")
            .replace("x,5", "x;y")
            .replace(",5\n", ",5;1\n")
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(table.columns()[0].spec.kind, ColumnKind::Real);
}

#[test]
fn metadata_decides_and_cells_that_do_not_fit_are_told() {
    let text = b"id,n,d,c\n1,5,20200131,a\n2,6,20200201,b\n3,x,20200202,a\n";
    let read = |json: &str| {
        let metadata: Metadata = serde_json::from_str(json).unwrap();
        read_with("m.csv", text, Some(&metadata))
    };
    let json = r#"{"columns":{"id":"integer","n":"category","c":"text",
        "d":{"kind":"date","format":"%Y%m%d"}}}"#;
    let (table, _) = read(json).unwrap();
    use ColumnKind::{Category, Date, Integer, Text};
    assert_eq!(kinds(&table), [Integer, Category, Date, Text]);
    assert_eq!(shown(&table)[2][0], "20200131");
    assert_eq!(table.columns()[1].spec.reason, "given by metadata");
    for (json, code, words) in [
        (r#"{"columns":{"n":"integer"}}"#, Code::BadCell, &["line 4", "\"n\"", "\"x\""][..]),
        (r#"{"columns":{"c":"date"}}"#, Code::BadCell, &["line 2", "\"c\"", "\"a\""]),
        (r#"{"columns":{"n":"boolean"}}"#, Code::BadCell, &["line 4", "\"x\""]),
        (r#"{"columns":{"c":"constant"}}"#, Code::BadCell, &["line 3", "\"b\""]),
        (r#"{"columns":{"c":"id"}}"#, Code::BadCell, &["line 4", "\"a\""]),
        (r#"{"columns":{"C1":"id"}}"#, Code::BadMetadata, &["\"C1\"", "\"c\""]),
        (r#"{"target":"idd"}"#, Code::BadMetadata, &["\"idd\"", "\"id\""]),
        (r#"{"columns":{"d":{"kind":"date","format":"%Q"}}}"#, Code::BadMetadata, &["%Q"]),
        (r#"{"columns":{"d":{"kind":"date","format":"%H:%M"}}}"#, Code::BadMetadata, &["%H:%M"]),
    ] {
        let error = read(json).unwrap_err();
        assert_eq!(error.code(), Some(code), "{json}: {error}");
        words.iter().for_each(|word| assert!(error.to_string().contains(word), "{json}: {error}"));
    }
}

#[test]
fn a_second_table_is_read_like_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let real =
        write("r.csv", &format!("c,n,d\n{}", "a,1.5,01.02.2020\nb,7.25,31.12.2020\n".repeat(20)));
    let (first, _) = read_table(&real, None, &Unwatched).unwrap();
    let first = {
        let metadata: Metadata = serde_json::from_str(r#"{"columns":{"n":"real"}}"#).unwrap();
        let (table, _) = read_table(&real, Some(&metadata), &Unwatched).unwrap();
        assert_eq!(kinds(&first)[1], ColumnKind::Category);
        table
    };
    let specs: Vec<_> = first.columns().iter().map(|column| Arc::clone(&column.spec)).collect();
    let other = write("s.csv", "d,c,n\n2020-02-01,new,3\n2020-12-31,a,4.5\n,b,\n");
    let (second, _) = read_like(&other, &specs, &[], &Unwatched).unwrap();
    assert_eq!(shown(&second)[2], ["01.02.2020", "31.12.2020", "~"]);
    let unified = unify_levels(vec![first.clone(), second]);
    assert_eq!(shown(&unified[0]), shown(&first));
    assert_eq!(shown(&unified[1])[0], ["new", "a", "b"]);
    let levels = |table: &Table| match &table.columns()[0].cells {
        Cells::Level { levels, .. } => levels.iter().flatten().map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    assert_eq!(levels(&unified[0]), ["a", "b", "new"]);
    assert_eq!(levels(&unified[0]), levels(&unified[1]));
    for (text, code, word) in [
        ("c,n\na,1\n", Code::TablesDiffer, "lacks columns \"d\""),
        ("c,n,d,e\na,1,2020-01-01,x\n", Code::TablesDiffer, "further columns \"e\""),
        ("c,n,d\na,one,2020-01-01\n", Code::BadCell, "line 2"),
    ] {
        let error = read_like(&write("b.csv", text), &specs, &[], &Unwatched).unwrap_err();
        assert_eq!(error.code(), Some(code), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    let holes = write("h.csv", "d,c,n\n2020-02-01,-999,-999\n2020-12-31,a,4.5\n");
    let (third, _) = read_like(&holes, &specs, &["-999".to_owned()], &Unwatched).unwrap();
    assert_eq!(shown(&third)[0], ["~", "a"]);
    assert_eq!(shown(&third)[1][0], "~");
}

/// A level is kept as it stands, so a number that few rows hold must be none.
#[test]
fn few_numbers_are_levels_where_enough_rows_share_each() {
    for (cells, kind) in [
        ([("0", 25), ("1", 15), ("", 0)], ColumnKind::Category),
        ([("0", 30), ("1", 5), ("", 5)], ColumnKind::Category),
        ([("0", 36), ("1", 4), ("", 0)], ColumnKind::Integer),
        ([("0", 30), ("1", 7), ("2", 3)], ColumnKind::Integer),
        ([("0.00", 38), ("123456.78", 1), ("98765.43", 1)], ColumnKind::Real),
        ([("7", 40), ("", 0), ("", 0)], ColumnKind::Constant),
        ([("7", 4), ("", 36), ("", 0)], ColumnKind::Integer),
        ([("yes", 39), ("no", 1), ("", 0)], ColumnKind::Boolean),
    ] {
        let cells = cells.iter().flat_map(|(text, rows)| std::iter::repeat_n(*text, *rows));
        let text: String = cells.map(|cell| format!("x,{cell}\n")).collect();
        let (table, _) = read("t.csv", format!("a,b\n{text}").as_bytes()).unwrap();
        assert_eq!(table.columns()[1].spec.kind, kind, "{text}");
    }
    let amounts = format!("a,b\n{}x,123456.78\n", "x,0.00\n".repeat(39));
    let asked: Metadata = serde_json::from_str(r#"{"columns":{"b":"category"}}"#).unwrap();
    let (table, _) = read_with("t.csv", amounts.as_bytes(), Some(&asked)).unwrap();
    assert_eq!(kinds(&table)[1], ColumnKind::Category, "whoever asks for levels has them");
}

#[test]
fn long_whole_numbers_stay_numbers_to_the_last_digit() {
    let stamp = |row: u64| 1_700_000_000_000_000_000 + row * row * 1_234_567_891;
    let stamps: Vec<String> = (0..600).map(|row| stamp(row).to_string()).collect();
    let file = |name: &str, cells: &[String]| {
        let rows = cells.iter().map(|cell| format!("x,{cell}\n"));
        format!("a,{name}\n{}", rows.collect::<String>())
    };
    let (table, notices) = read("t.csv", file("ns", &stamps).as_bytes()).unwrap();
    assert!(notices.is_empty(), "{notices:?}");
    let spec = &table.columns()[1].spec;
    assert_eq!(spec.kind, ColumnKind::Integer);
    let ValueFormat::Whole { offset } = spec.format else { panic!("{:?}", spec.format) };
    assert_eq!(offset % 1_000_000_000_000_000, 0, "an offset that is nobody's number");
    assert_eq!(shown(&table)[1], stamps);
    assert!(spec.reason.contains("between 1700000000000000000 and"), "{}", spec.reason);
    // The holdout and the synthetic table are held less the same offset.
    let folder = tempfile::tempdir().unwrap();
    let specs: Vec<_> = table.columns().iter().map(|column| Arc::clone(&column.spec)).collect();
    for cells in [["1700000000000000123", "", "42"], ["1.7e18", "3", ""]] {
        let path = folder.path().join("s.csv");
        std::fs::write(&path, file("ns", &cells.map(str::to_owned))).unwrap();
        let (second, _) = read_like(&path, &specs, &[], &Unwatched).unwrap();
        assert_eq!(second.columns()[1].spec.format, spec.format);
        let first = if cells[0] == "1.7e18" { "1700000000000000000" } else { cells[0] };
        assert_eq!(shown(&second)[1][0], first);
    }
    for (name, cells, kind) in [
        ("id", &|row| stamp(row).to_string(), ColumnKind::Id),
        ("ns", &|row| (i64::MIN + row as i64 * 7 / 3).to_string(), ColumnKind::Integer),
        (
            "ns",
            &|row| if row % 9 == 0 { "NA".into() } else { stamp(row).to_string() },
            ColumnKind::Integer,
        ),
        ("branch", &|row| stamp(row % 9).to_string(), ColumnKind::Category),
        ("run", &|row| (stamp(0) + row).to_string(), ColumnKind::Id),
        ("wide", &|row| "9".repeat(row as usize % 20 + 1), ColumnKind::Category),
        ("wide", &|row| format!("{}{}", row + 1, "7".repeat(row as usize % 20)), ColumnKind::Text),
    ] as [(&str, &dyn Fn(u64) -> String, ColumnKind); 7]
    {
        let cells: Vec<String> = (0..600).map(cells).collect();
        let (table, notices) = read("t.csv", file(name, &cells).as_bytes()).unwrap();
        assert_eq!(table.columns()[1].spec.kind, kind, "{name}: {}", cells[1]);
        let told = notices.iter().filter(|notice| notice.contains("too far apart")).count();
        assert_eq!(told, usize::from(kind == ColumnKind::Text), "{name}: {notices:?}");
        if kind == ColumnKind::Integer {
            let cells = cells.iter().map(|cell| cell.replace("NA", "~"));
            assert_eq!(shown(&table)[1], cells.collect::<Vec<_>>());
        }
    }
    let asked: Metadata = serde_json::from_str(r#"{"columns":{"id":"integer"}}"#).unwrap();
    let (table, _) = read_with("t.csv", file("id", &stamps).as_bytes(), Some(&asked)).unwrap();
    assert_eq!(shown(&table)[1], stamps);
}

#[test]
fn moments_keep_their_clock_and_parquet_its_zones() {
    use arrow::array::{ArrayRef, TimestampMicrosecondArray, TimestampMillisecondArray};
    let text = |zones: [&str; 2]| {
        let row = |at: usize| format!("2024-07-{:02}T00:30:00{}\n", 1 + at % 9, zones[at % 2]);
        format!("t\n{}", (0..20).map(row).collect::<String>())
    };
    let (table, notices) = read("z.csv", text(["+02:00"; 2]).as_bytes()).unwrap();
    assert_eq!(kinds(&table), [ColumnKind::Datetime]);
    assert_eq!(shown(&table)[0][..2], ["2024-07-01T00:30:00+02:00", "2024-07-02T00:30:00+02:00"]);
    assert!(notices.is_empty(), "{notices:?}");
    let (table, notices) = read("z.csv", text(["+02:00", "+01:00"]).as_bytes()).unwrap();
    assert_eq!(shown(&table)[0][0], "2024-06-30T22:30:00+00:00");
    assert!(notices[0].contains("several time zones"), "{notices:?}");
    let micros = TimestampMicrosecondArray::from_iter((0..20).map(|row| Some(row * 3_600_000_000)));
    let millis = TimestampMillisecondArray::from_iter((0..20).map(|row| Some(row * 1_500)));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("utc", Arc::new(micros.clone().with_timezone("UTC"))),
        ("there", Arc::new(millis.with_timezone("Europe/Berlin"))),
        ("naive", Arc::new(micros)),
    ];
    let (table, notices) = read("z.parquet", &parquet_of(columns)).unwrap();
    assert_eq!(kinds(&table), [ColumnKind::Datetime; 3]);
    assert_eq!(shown(&table)[0][1], "1970-01-01T01:00:00Z");
    assert!(notices[0].contains("\"there\"") && notices[0].contains("Europe/Berlin"));
}

#[test]
fn moments_of_a_workbook_are_those_that_it_shows() {
    use rust_xlsxwriter::{ExcelDateTime, Format};
    let book = xlsx(|sheet| {
        let time = Format::new().set_num_format("yyyy-mm-dd hh:mm");
        let length = Format::new().set_num_format("[h]:mm");
        sheet.write_row(0, 0, ["at", "short", "long"]).unwrap();
        for row in 1..=30_u32 {
            let at = ExcelDateTime::from_ymd(2024, 1, (row % 28 + 1) as u8).unwrap();
            let at = at.and_hms((row % 24) as u16, 0, 0.0).unwrap();
            sheet.write_datetime_with_format(row, 0, &at, &time).unwrap();
            sheet.write_number_with_format(row, 1, f64::from(row) / 48.0, &length).unwrap();
            sheet.write_number_with_format(row, 2, f64::from(row) / 16.0, &length).unwrap();
        }
    });
    let (table, notices) = read("m.xlsx", &book).unwrap();
    assert_eq!(kinds(&table), [ColumnKind::Datetime, ColumnKind::Time, ColumnKind::Real]);
    let shown = shown(&table);
    assert_eq!(shown[0][22..24], ["2024-01-24 23:00:00", "2024-01-25 00:00:00"]);
    assert_eq!(shown[1][..2], ["00:30:00", "01:00:00"]);
    assert_eq!(shown[2][..2], ["1.5", "3"]);
    assert!(notices[0].contains("\"long\"") && notices[0].contains("hours"), "{notices:?}");
}

#[test]
fn a_dataset_is_split_by_seed_and_the_only_row_trains() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("s.csv");
    let ingested = |text: &str, seed: u64, holdout: Option<PathBuf>| {
        std::fs::write(&source, text).unwrap();
        let order = IngestOrder {
            source: source.clone(),
            holdout,
            metadata: None,
            seed,
            into: folder.path().to_owned(),
        };
        ingest(&order, &Unwatched).unwrap()
    };
    let text: String = "x,c\n"
        .chars()
        .chain((0..100).flat_map(|row| format!("{row},{}\n", row % 3).chars().collect::<Vec<_>>()))
        .collect();
    let facts = ingested(&text, 1, None);
    assert_eq!((facts.train_rows.0, facts.holdout_rows.0, facts.columns), (80, 20, 2));
    assert_eq!(facts, ingested(&text, 1, None));
    assert_ne!(facts.digest, ingested(&text, 2, None).digest);
    let facts = ingested("x,c\n1,a\n", 1, None);
    assert_eq!((facts.train_rows.0, facts.holdout_rows.0), (1, 0));
    let aside = folder.path().join("h.csv");
    std::fs::write(&aside, "c,x\n7,5\n").unwrap();
    let facts = ingested(&text, 1, Some(aside));
    assert_eq!((facts.train_rows.0, facts.holdout_rows.0), (100, 1));
    let dataset = crate::dataset::Dataset::open(folder.path()).unwrap();
    assert_eq!(shown(&dataset.holdout().unwrap()), [["5"], ["7"]]);
}

#[test]
fn thousands_separators_are_told() {
    let cells: String = (0..50).map(|row| format!("\"{},{:03}\"\n", row % 9 + 1, row)).collect();
    let (_, notices) = read("t.csv", format!("amount\n{cells}").as_bytes()).unwrap();
    assert!(notices[0].contains("1,000") && notices[0].contains("separators"), "{notices:?}");
}

#[test]
fn amounts_are_numbers_and_are_written_as_they_were() {
    let row = |row: usize| {
        let (euros, cents) = (row * 37 % 3_000, row % 100);
        let german = if euros < 1_000 {
            format!("{euros},{cents:02}")
        } else {
            format!("{}.{:03},{cents:02}", euros / 1_000, euros % 1_000)
        };
        let cells = [
            german,
            format!("{},0%", row * 7 % 100),
            format!(
                "{}{},{cents:02}",
                if row.is_multiple_of(9) { "-$" } else { "$" },
                row % 70 + 1
            ),
            format!("{row},{cents:02} €"),
            format!("{}.{:03}", row % 7 + 1, row * 13 % 1_000),
            (row % 50).to_string(),
        ];
        cells.join(";") + "\n"
    };
    let text = (0..200).map(row).collect::<String>();
    let header = "preis;anteil;usd;eur;einwohner;n\n";
    let (table, notices) = read("g.csv", format!("{header}{text}").as_bytes()).unwrap();
    use ColumnKind::{Integer, Real};
    assert_eq!(kinds(&table), [Real, Integer, Real, Real, Integer, Integer], "{notices:?}");
    let expected: Vec<Vec<&str>> = text.lines().map(|line| line.split(';').collect()).collect();
    for (column, cells) in shown(&table).iter().enumerate() {
        let expected: Vec<&str> = expected.iter().map(|row| row[column]).collect();
        assert_eq!(cells, &expected);
    }
    let json = r#"{"columns":{"preis":"real","usd":"real","eur":"real"}}"#;
    let metadata: Metadata = serde_json::from_str(json).unwrap();
    let with = read_with("g.csv", format!("{header}{text}").as_bytes(), Some(&metadata)).unwrap();
    assert_eq!(shown(&with.0), shown(&table));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.csv");
    let plain = "preis,anteil,usd,eur,einwohner,n\n1033.39,5,$1000,\"1.000,5 €\",1000,1\n";
    std::fs::write(&path, plain).unwrap();
    let specs: Vec<_> = table.columns().iter().map(|column| Arc::clone(&column.spec)).collect();
    let (second, _) = read_like(&path, &specs, &[], &Unwatched).unwrap();
    assert_eq!(
        shown(&second).concat(),
        ["1.033,39", "5,0%", "$1000,00", "1000,50 €", "1.000", "1"]
    );
}

#[test]
fn texts_of_digits_and_infinite_numbers_are_told() {
    let cells = |cell: &dyn Fn(usize) -> String| (0..100).map(cell).collect::<String>();
    let text = cells(&|row| format!("{row} kg\n"));
    let (table, notices) = read("t.csv", format!("weight\n{text}").as_bytes()).unwrap();
    assert_eq!(kinds(&table), [ColumnKind::Text]);
    assert!(notices[0].contains(" kg\"") && notices[0].contains("digits"), "{notices:?}");
    let text = cells(&|row| if row == 7 { "-inf\n".into() } else { format!("{row}.5\n") });
    let (table, notices) = read("t.csv", format!("x\n{text}").as_bytes()).unwrap();
    assert_eq!(kinds(&table), [ColumnKind::Real]);
    assert_eq!(table.columns()[0].spec.missing_token.as_deref(), Some(""));
    assert!(notices[0].contains("1 cell holds an infinite number"), "{notices:?}");
    let text = cells(&|row| format!("201501{:02}\n", row % 28 + 1));
    let (_, notices) = read("t.csv", format!("day\n{text}").as_bytes()).unwrap();
    assert!(notices[0].contains("%Y%m%d") && notices[0].contains("integer"), "{notices:?}");
}

#[test]
fn parquet_keeps_its_types() {
    use arrow::{
        array::*,
        datatypes::{DataType, TimeUnit},
    };
    let rows = || 0..60_i64;
    let moments = TimestampMicrosecondArray::from_iter(rows().map(|row| Some(row * 3_600_000_000)));
    let cents = Decimal128Array::from_iter(rows().map(|row| Some(i128::from(row) * 725)));
    let rates = Decimal128Array::from_iter(rows().map(|row| Some([700, 1_900][row as usize % 2])));
    let micros =
        |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Arc::from));
    let texts = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let columns: Vec<(&str, ArrayRef, DataType)> = vec![
        ("i", Arc::new(Int64Array::from_iter(rows().map(|n| Some(n * n)))), DataType::Int64),
        (
            "whole",
            Arc::new(Float64Array::from_iter(rows().map(|n| (n != 4).then_some((n * 3) as f64)))),
            DataType::Float64,
        ),
        (
            "x",
            Arc::new(Float32Array::from_iter(rows().map(|n| Some(n as f32 / 8.0)))),
            DataType::Float64,
        ),
        (
            "exact",
            Arc::new(cents.with_precision_and_scale(10, 2).unwrap()),
            DataType::Decimal128(10, 2),
        ),
        (
            "rate",
            Arc::new(rates.with_precision_and_scale(5, 2).unwrap()),
            DataType::Decimal128(5, 2),
        ),
        ("zoned", Arc::new(moments.clone().with_timezone("+02:00")), micros(Some("UTC"))),
        ("naive", Arc::new(moments), micros(None)),
        ("day", Arc::new(Date32Array::from_iter(rows().map(|n| Some(n as i32)))), DataType::Date32),
        (
            "time",
            Arc::new(Time32SecondArray::from_iter(rows().map(|n| Some(n as i32 * 61)))),
            DataType::Time64(TimeUnit::Microsecond),
        ),
        (
            "b",
            Arc::new(BooleanArray::from_iter(rows().map(|n| Some(n % 3 == 0)))),
            DataType::Boolean,
        ),
        (
            "c",
            Arc::new(StringArray::from_iter_values(rows().map(|n| format!("c{}", n % 4)))),
            texts,
        ),
    ];
    let arrays = columns.iter().map(|(name, array, _)| (*name, Arc::clone(array))).collect();
    let (table, _) = read("t.parquet", &parquet_of(arrays)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("o.parquet");
    let specs: Vec<_> = table.columns().iter().map(|column| Arc::clone(&column.spec)).collect();
    let format = tgs_protocol::engine::OutputFormat::of_name("o.parquet").unwrap();
    let mut writer = crate::export::Writer::create(&path, format, &specs).unwrap();
    writer.append(&table).unwrap();
    writer.finish().unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let reader = ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file);
    let batch = reader.unwrap().build().unwrap().next().unwrap().unwrap();
    for (at, (name, array, of)) in columns.iter().enumerate() {
        assert_eq!(batch.schema().field(at).data_type(), of, "{name}");
        let before = arrow::compute::cast(array, of).unwrap();
        assert_eq!(batch.column(at).as_ref(), before.as_ref(), "{name}");
    }
}

#[test]
fn formulas_without_a_value_are_told() {
    let row = |row: usize| {
        let at = row + 2;
        let value = if row > 5 { "<v/>".to_owned() } else { format!("<v>{}</v>", 2 * row) };
        format!(
            "<row r=\"{at}\"><c r=\"A{at}\"><v>{row}</v></c>\
             <c r=\"B{at}\"><f>A{at}*2</f>{value}</c>\
             <c r=\"C{at}\" t=\"str\"><f>IF(A{at}&gt;3,\"\",\"x\")</f><v></v></c></row>"
        )
    };
    let text =
        |at: &str, text: &str| format!("<c r=\"{at}\" t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let head = [text("A1", "n"), text("B1", "double"), text("C1", "blank")].concat();
    let rows: String = (0..20).map(row).collect();
    let main = "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"";
    let links = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let book = stored_zip(&[
        (
            "_rels/.rels",
            &format!(
                "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/\
                 relationships\"><Relationship Id=\"r1\" Type=\"{links}/officeDocument\" \
                 Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml",
            &format!(
                "<workbook {main} xmlns:r=\"{links}\"><sheets><sheet name=\"S\" sheetId=\"1\" \
                 r:id=\"r1\"/></sheets></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            &format!(
                "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/\
                 relationships\"><Relationship Id=\"r1\" Type=\"{links}/worksheet\" \
                 Target=\"worksheets/sheet1.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/worksheets/sheet1.xml",
            &format!(
                "<worksheet {main}><sheetData><row r=\"1\">{head}</row>{rows}</sheetData>\
                 </worksheet>"
            ),
        ),
    ]);
    let (_, notices) = read("f.xlsx", &book).unwrap();
    assert_eq!(notices.len(), 1, "{notices:?}");
    for word in ["\"double\"", "14 formulas", "save it"] {
        assert!(notices[0].contains(word), "{notices:?}");
    }
}

/// An archive of these files, not compressed.
fn stored_zip(files: &[(&str, &str)]) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let mut crc = flate2::Crc::new();
        crc.update(text.as_bytes());
        let offset = zip.len() as u32;
        let mut facts = b"\x14\0\0\0\0\0\0\0\0\0".to_vec();
        for number in [crc.sum(), text.len() as u32, text.len() as u32, name.len() as u32] {
            facts.extend_from_slice(&number.to_le_bytes());
        }
        zip.extend_from_slice(b"PK\x03\x04");
        zip.extend_from_slice(&facts);
        zip.extend_from_slice(name.as_bytes());
        zip.extend_from_slice(text.as_bytes());
        directory.extend_from_slice(b"PK\x01\x02\x14\0");
        directory.extend_from_slice(&facts);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let (begin, length, count) = (zip.len() as u32, directory.len() as u32, files.len() as u16);
    zip.extend_from_slice(&directory);
    zip.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    zip.extend_from_slice(&[count.to_le_bytes(), count.to_le_bytes()].concat());
    zip.extend_from_slice(&[length.to_le_bytes(), begin.to_le_bytes()].concat());
    zip.extend_from_slice(&[0; 2]);
    zip
}

mod against_the_csv_crate {
    //! Small random documents give the same cells as the widely used reader.

    use proptest::prelude::*;

    use crate::ingest::{blocks::Blocks, records::Records};

    fn ours(text: &[u8], width: usize) -> Option<Vec<Vec<Vec<u8>>>> {
        let mut blocks = Blocks::new(text, Vec::new(), b',');
        let mut rows = Vec::new();
        while let Some(block) = blocks.next_block().ok()? {
            let records = Records::find(&block, b',', width).ok()?;
            let first = rows.len();
            rows.resize(first + records.len(), Vec::new());
            for column in 0..width {
                let mut row = first;
                records.each(&block, column, |cell| {
                    rows[row].push(cell.to_vec());
                    row += 1;
                });
            }
        }
        Some(rows)
    }

    fn theirs(text: &[u8], width: usize) -> Option<Vec<Vec<Vec<u8>>>> {
        let mut reader =
            ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
        let mut rows = Vec::new();
        for record in reader.byte_records() {
            let row: Vec<Vec<u8>> = record.ok()?.iter().map(<[u8]>::to_vec).collect();
            if row.len() != width {
                return None;
            }
            rows.push(row);
        }
        Some(rows)
    }

    const DOCUMENT: &str = "([ab\",\n\r]|\"\"|,\"|\",|\"\n|\r\n){0,14}";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn the_same_cells(text in DOCUMENT, width in 1_usize..4) {
            // A quote that is never closed is an error here and the end of a cell there.
            if let Some(found) = ours(text.as_bytes(), width) {
                prop_assert_eq!(Some(found), theirs(text.as_bytes(), width));
            } else {
                let open = format!("{text}\"\n");
                let closes = ours(open.as_bytes(), width).is_some();
                let refused = theirs(text.as_bytes(), width).is_none();
                prop_assert!(closes || refused || !balanced(&text));
            }
        }
    }

    /// True if no quote stays open.
    fn balanced(text: &str) -> bool {
        let mut blocks = Blocks::new(text.as_bytes(), Vec::new(), b',');
        while let Ok(block) = blocks.next_block() {
            if block.is_none() {
                return true;
            }
        }
        false
    }
}

#[test]
fn reasons_write_numbers_as_one_reads_them() {
    let rows: Vec<String> =
        (1..50).map(|row| format!("{}e-15,{}", 3.875_661 * f64::from(row), 1_900 + row)).collect();
    let (table, _) = read("t.csv", format!("tiny,year\n{}\n", rows.join("\n")).as_bytes()).unwrap();
    let reason = |at: usize| table.columns()[at].spec.reason.clone();
    assert_eq!(reason(0), "49 numbers between 3.87566e−15 and 1.89907e−13");
    assert!(reason(1).contains("between 1901 and 1949"), "{}", reason(1));
}
