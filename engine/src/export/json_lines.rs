//! JSON lines: one object per row, typed: numbers as numbers, yes and no as booleans, missing as
//! null, dates and times as texts in the form of the source.

use std::sync::Arc;

use arrow::array::{Array, Float64Array, StringArray, UInt32Array};
use tgs_protocol::column::{ColumnKind, ColumnSpec};

use super::{boolean, numeric};
use crate::table::{Cells, Table, cell::NumberWriter};

/// What stays the same from chunk to chunk.
pub(super) struct JsonRows {
    columns: Vec<Fixed>,
}

struct Fixed {
    /// `{"name":` or `,"name":`.
    key: Vec<u8>,
    writer: NumberWriter,
    /// Numbers are written as texts: they are dates or times.
    moment: bool,
    kind: ColumnKind,
    levels: Option<(Arc<StringArray>, Vec<Vec<u8>>)>,
}

/// A column of one chunk, ready to be written.
pub(super) struct JsonColumn<'a> {
    key: &'a [u8],
    cells: JsonCells<'a>,
}

enum JsonCells<'a> {
    Number(&'a Float64Array, &'a NumberWriter),
    Moment(&'a Float64Array, &'a NumberWriter),
    Level(&'a UInt32Array, &'a [Vec<u8>]),
    Text(&'a StringArray),
}

impl JsonRows {
    pub(super) fn new(specs: &[Arc<ColumnSpec>]) -> Self {
        let columns = specs.iter().enumerate().map(|(at, spec)| {
            let mut key = vec![if at == 0 { b'{' } else { b',' }];
            write_text(&spec.name, &mut key);
            key.push(b':');
            Fixed {
                key,
                writer: NumberWriter::bare(spec),
                moment: !matches!(spec.kind, ColumnKind::Integer | ColumnKind::Real),
                kind: spec.kind,
                levels: None,
            }
        });
        Self { columns: columns.collect() }
    }

    /// The columns of a chunk. Levels are written once, not once per row.
    pub(super) fn prepare<'a>(&'a mut self, table: &'a Table) -> Vec<JsonColumn<'a>> {
        let columns = table.columns().iter().zip(&mut self.columns).map(|(column, fixed)| {
            let Fixed { key, writer, moment, kind, levels: seen } = fixed;
            let cells = match &column.cells {
                Cells::Number(values) if *moment => JsonCells::Moment(values, writer),
                Cells::Number(values) => JsonCells::Number(values, writer),
                Cells::Text(texts) => JsonCells::Text(texts),
                Cells::Level { codes, levels } => {
                    let same = seen.as_ref().is_some_and(|(old, _)| Arc::ptr_eq(old, levels));
                    if !same {
                        *seen = Some((Arc::clone(levels), written_levels(levels, *kind)));
                    }
                    JsonCells::Level(codes, seen.as_ref().map_or(&[], |(_, written)| written))
                }
            };
            JsonColumn { key, cells }
        });
        columns.collect()
    }
}

/// Writes one line.
pub(super) fn write_row(columns: &[JsonColumn], row: usize, line: &mut Vec<u8>) {
    for column in columns {
        line.extend_from_slice(column.key);
        match &column.cells {
            JsonCells::Number(values, writer) if values.is_valid(row) => {
                writer.write(values.value(row), line);
            }
            JsonCells::Moment(values, writer) if values.is_valid(row) => {
                let mut text = Vec::new();
                writer.write(values.value(row), &mut text);
                write_text(&String::from_utf8_lossy(&text), line);
            }
            JsonCells::Level(codes, written) if codes.is_valid(row) => {
                let level = written.get(codes.value(row) as usize);
                line.extend_from_slice(level.map_or(b"null", |level| level));
            }
            JsonCells::Text(texts) if texts.is_valid(row) => write_text(texts.value(row), line),
            _ => line.extend_from_slice(b"null"),
        }
    }
    line.extend_from_slice(if columns.is_empty() { b"{}\n" } else { b"}\n" });
}

fn written_levels(levels: &StringArray, kind: ColumnKind) -> Vec<Vec<u8>> {
    let is_boolean = kind == ColumnKind::Boolean;
    if let Some(meanings) = is_boolean.then(|| boolean::meanings(levels)).flatten() {
        return meanings.iter().map(|yes| yes.to_string().into_bytes()).collect();
    }
    // As they stand, so that `4.50` keeps its digits.
    let as_numbers = !is_boolean && numeric::numbers(levels).is_some();
    let written = levels.iter().map(|level| {
        let level = level.unwrap_or("");
        let mut text = Vec::new();
        match as_numbers {
            true => text.extend_from_slice(level.as_bytes()),
            false => write_text(level, &mut text),
        }
        text
    });
    written.collect()
}

fn write_text(text: &str, line: &mut Vec<u8>) {
    serde_json::to_writer(line, text).expect("a text is JSON, and memory takes all");
}
