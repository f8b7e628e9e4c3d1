//! Reads JSON lines: one flat object per line, its keys the columns in the order of first
//! appearance.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read},
};

use serde_json::Value;
use tgs_protocol::{code::Code, engine::EngineError, progress::Watch};

use crate::ingest::{
    csv::progress,
    encoding::{Malformed, decoded},
    part::{Part, Style},
    raw::{Raw, check_names, shown},
    source::{Source, Unpacked},
};

/// Rows of one part.
const PART_ROWS: usize = 1 << 16;
/// Rows between two looks at the watch.
const WATCH_ROWS: usize = 1 << 12;
/// Longest line.
const LINE_BYTES_MAX: u64 = 256 << 20;

/// Reads a source of JSON lines. A key that a line lacks, and `null`, are missing cells; truth
/// values read as `true` and `false`.
///
/// # Errors
/// As [`crate::ingest::read_table`].
pub fn read_json_lines(
    source: &Source,
    called_missing: &[Vec<u8>],
    watch: &dyn Watch,
) -> Result<Raw, EngineError> {
    let Unpacked { reader, taken_bytes } = source.unpack()?;
    let (reader, _) = decoded(reader, None).map_err(|cause| failed(source, cause))?;
    let mut reader = BufReader::with_capacity(1 << 18, reader);
    let mut rows = Gathering::new(source, called_missing);
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        let limited = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if limited.map_err(|cause| failed(source, cause))? == 0 {
            break;
        }
        number += 1;
        if !line.trim_ascii().is_empty() {
            rows.push(&line, number)?;
        }
        if number.is_multiple_of(WATCH_ROWS as u64) {
            watch.go_on()?;
            let done = taken_bytes.load(std::sync::atomic::Ordering::Relaxed);
            watch.tell(progress(done, source.length_bytes));
        }
    }
    rows.finish()
}

fn failed(source: &Source, cause: std::io::Error) -> EngineError {
    if cause.get_ref().is_some_and(|inner| inner.is::<Malformed>()) {
        let message = format!(
            "cannot read {}: it is not valid UTF-16 ({cause}); save the whole file as UTF-8",
            source.path.display()
        );
        return EngineError::because(Code::BadEncoding, message, cause);
    }
    source.failed(cause)
}

struct Gathering<'a> {
    source: &'a Source,
    called_missing: &'a [Vec<u8>],
    raw: Raw,
    place_of: HashMap<String, usize>,
    open: Vec<Part>,
    /// Rows in the open parts.
    open_rows: usize,
    /// Line of the last row.
    last_line: u64,
    text: Vec<u8>,
}

impl<'a> Gathering<'a> {
    fn new(source: &'a Source, called_missing: &'a [Vec<u8>]) -> Self {
        Self {
            source,
            called_missing,
            raw: Raw::default(),
            place_of: HashMap::new(),
            open: Vec::new(),
            open_rows: 0,
            last_line: 0,
            text: Vec::new(),
        }
    }

    fn push(&mut self, line: &[u8], number: u64) -> Result<(), EngineError> {
        let name = self.source.path.display();
        let value: Value = serde_json::from_slice(line).map_err(|cause| {
            let code = if std::str::from_utf8(line).is_err() {
                Code::BadEncoding
            } else {
                Code::CorruptSource
            };
            let message =
                format!("cannot read {name}: line {number} is no JSON: {cause}; mend that line");
            EngineError::because(code, message, cause)
        })?;
        let Value::Object(object) = value else {
            let message = format!(
                "cannot read {name}: line {number} is no JSON object: write one object per line"
            );
            return Err(EngineError::new(Code::NotThatFormat, message));
        };
        if number != self.last_line + 1 || self.raw.rows + self.open_rows == 0 {
            self.raw.places.push(self.raw.rows + self.open_rows, number, Vec::new());
        }
        self.last_line = number;
        for (key, value) in &object {
            let column = self.column(key, number)?;
            self.cell(column, key, value, number)?;
        }
        self.open_rows += 1;
        for part in &mut self.open {
            if part.len() < self.open_rows {
                part.push_empty();
            }
        }
        if self.open_rows == PART_ROWS {
            self.close_parts();
        }
        Ok(())
    }

    /// Place of a column; a new one gets empty cells for all rows before.
    fn column(&mut self, key: &str, number: u64) -> Result<usize, EngineError> {
        if let Some(&at) = self.place_of.get(key) {
            return Ok(at);
        }
        let at = self.raw.names.len();
        self.raw.names.push(key.to_owned());
        check_names(&self.raw.names, &format!("line {number} of {}", self.source.path.display()))?;
        self.place_of.insert(key.to_owned(), at);
        let empty = |rows: usize| {
            let mut part = Part::new(Style::Whole);
            (0..rows).for_each(|_| part.push_empty());
            part
        };
        let before = if self.raw.rows == 0 { Vec::new() } else { vec![empty(self.raw.rows)] };
        self.raw.columns.push(before);
        self.raw.called_missing.push(vec![0; self.called_missing.len()]);
        self.open.push(empty(self.open_rows));
        Ok(at)
    }

    fn cell(
        &mut self,
        column: usize,
        key: &str,
        value: &Value,
        number: u64,
    ) -> Result<(), EngineError> {
        let part = &mut self.open[column];
        self.text.clear();
        match value {
            Value::Null => {
                part.push_empty();
                return Ok(());
            }
            Value::Bool(truth) => {
                self.text.extend_from_slice(if *truth { b"true" } else { b"false" });
            }
            Value::Number(number) => self.text.extend_from_slice(number.to_string().as_bytes()),
            Value::String(text) => self.text.extend_from_slice(text.as_bytes()),
            Value::Array(_) | Value::Object(_) => {
                let cell = shown(value.to_string().as_bytes());
                let message = format!(
                    "cannot read {}: line {number}, column \"{key}\" holds {cell}: only flat \
                     objects are read, give nested values columns of their own",
                    self.source.path.display(),
                );
                return Err(EngineError::quoting(Code::BadCell, message, cell));
            }
        }
        match self.called_missing.iter().position(|text| *text == self.text) {
            Some(which) => {
                self.raw.called_missing[column][which] += 1;
                part.push_empty();
            }
            None => part.push(&self.text),
        }
        Ok(())
    }

    fn close_parts(&mut self) {
        let fresh = self.open.iter().map(|part| Part::new(part.style())).collect();
        let parts = std::mem::replace(&mut self.open, fresh);
        self.raw.push_parts(parts, &[]);
        self.raw.rows += self.open_rows;
        self.open_rows = 0;
    }

    fn finish(mut self) -> Result<Raw, EngineError> {
        self.close_parts();
        if self.raw.rows == 0 || self.raw.names.is_empty() {
            let message = format!(
                "cannot read {}: it holds no objects with keys; write one object per line",
                self.source.path.display()
            );
            return Err(EngineError::new(Code::EmptySource, message));
        }
        Ok(self.raw)
    }
}
