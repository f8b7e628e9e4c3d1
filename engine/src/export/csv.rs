//! Comma-separated values after RFC 4180, lines ended by a line feed; numbers, dates and missing
//! cells as in the source.

use std::sync::Arc;

use arrow::array::{Array, Float64Array, StringArray, UInt32Array};
use tgs_protocol::column::{ColumnSpec, ValueFormat};

use crate::table::{Cells, Table, cell::NumberWriter};

/// What stays the same from chunk to chunk.
pub(super) struct CsvRows {
    columns: Vec<Fixed>,
}

struct Fixed {
    writer: NumberWriter,
    /// A written number may hold a comma or quote (`%b %d, %Y`).
    quoted: bool,
    missing: Vec<u8>,
    /// Levels as last seen, and how they are written.
    levels: Option<(Arc<StringArray>, Vec<Vec<u8>>)>,
}

/// A column of one chunk, ready to be written.
pub(super) struct CsvColumn<'a> {
    missing: &'a [u8],
    cells: CsvCells<'a>,
}

enum CsvCells<'a> {
    Number(&'a Float64Array, &'a NumberWriter),
    QuotedNumber(&'a Float64Array, &'a NumberWriter),
    Level(&'a UInt32Array, &'a [Vec<u8>]),
    Text(&'a StringArray),
}

/// Writes the line of column names.
pub(super) fn write_header(specs: &[Arc<ColumnSpec>], line: &mut Vec<u8>) {
    for (at, spec) in specs.iter().enumerate() {
        if at > 0 {
            line.push(b',');
        }
        write_text(spec.name.as_bytes(), line);
    }
    line.push(b'\n');
}

impl CsvRows {
    pub(super) fn new(specs: &[Arc<ColumnSpec>]) -> Self {
        let alone = specs.len() == 1;
        let columns = specs.iter().map(|spec| {
            let mut missing = Vec::new();
            write_text(spec.missing_token.as_deref().unwrap_or("").as_bytes(), &mut missing);
            if alone && missing.is_empty() {
                // An empty line is no row to most readers.
                missing.extend(b"\"\"");
            }
            Fixed {
                writer: NumberWriter::new(spec),
                quoted: match &spec.format {
                    ValueFormat::Moment { pattern } => special(pattern.as_bytes()),
                    ValueFormat::Dressed { dress, .. } => dress.comma || dress.group == Some(','),
                    _ => false,
                },
                missing,
                levels: None,
            }
        });
        Self { columns: columns.collect() }
    }

    /// The columns of a chunk. Levels are quoted once, not once per row.
    pub(super) fn prepare<'a>(&'a mut self, table: &'a Table) -> Vec<CsvColumn<'a>> {
        let columns = table.columns().iter().zip(&mut self.columns).map(|(column, fixed)| {
            let Fixed { writer, quoted, missing, levels: seen } = fixed;
            let cells = match &column.cells {
                Cells::Number(values) if *quoted => CsvCells::QuotedNumber(values, writer),
                Cells::Number(values) => CsvCells::Number(values, writer),
                Cells::Text(texts) => CsvCells::Text(texts),
                Cells::Level { codes, levels } => {
                    let same = seen.as_ref().is_some_and(|(old, _)| Arc::ptr_eq(old, levels));
                    if !same {
                        *seen = Some((Arc::clone(levels), quoted_levels(levels)));
                    }
                    CsvCells::Level(codes, seen.as_ref().map_or(&[], |(_, written)| written))
                }
            };
            CsvColumn { missing, cells }
        });
        columns.collect()
    }
}

/// Writes one line.
pub(super) fn write_row(columns: &[CsvColumn], row: usize, line: &mut Vec<u8>) {
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            line.push(b',');
        }
        match &column.cells {
            CsvCells::Number(values, writer) if values.is_valid(row) => {
                writer.write(values.value(row), line);
            }
            CsvCells::QuotedNumber(values, writer) if values.is_valid(row) => {
                let mut text = Vec::new();
                writer.write(values.value(row), &mut text);
                write_text(&text, line);
            }
            CsvCells::Level(codes, written) if codes.is_valid(row) => {
                let level = written.get(codes.value(row) as usize);
                line.extend_from_slice(level.map_or(column.missing, |level| level));
            }
            CsvCells::Text(texts) if texts.is_valid(row) => {
                let text = texts.value(row).as_bytes();
                if text.is_empty() {
                    line.extend_from_slice(b"\"\"");
                } else {
                    write_text(text, line);
                }
            }
            _ => line.extend_from_slice(column.missing),
        }
    }
    line.push(b'\n');
}

fn quoted_levels(levels: &StringArray) -> Vec<Vec<u8>> {
    let written = levels.iter().map(|level| {
        let mut text = Vec::new();
        write_text(level.unwrap_or("").as_bytes(), &mut text);
        if text.is_empty() { b"\"\"".to_vec() } else { text }
    });
    written.collect()
}

fn write_text(text: &[u8], line: &mut Vec<u8>) {
    if !special(text) {
        line.extend_from_slice(text);
        return;
    }
    line.push(b'"');
    for byte in text {
        if *byte == b'"' {
            line.push(b'"');
        }
        line.push(*byte);
    }
    line.push(b'"');
}

fn special(text: &[u8]) -> bool {
    memchr::memchr3(b',', b'"', b'\n', text).is_some() || memchr::memchr(b'\r', text).is_some()
}
