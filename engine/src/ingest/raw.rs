//! What every reader gives: named columns of parts whose meaning is not decided yet.

use tgs_protocol::{code::Code, engine::EngineError, limits::COLUMNS_MAX};

use crate::ingest::{numbers::Comma, part::Part};

/// A table as it was read.
#[derive(Debug, Default)]
pub struct Raw {
    /// Header texts.
    pub names: Vec<String>,
    /// The parts of each column, in row order.
    pub columns: Vec<Vec<Part>>,
    /// Per column and per text that the metadata calls missing: how often it stood there.
    pub called_missing: Vec<Vec<u64>>,
    /// Number of rows.
    pub rows: usize,
    /// Where rows stand in the source.
    pub places: Places,
    /// Things a user should know.
    pub notices: Vec<String>,
    /// What a comma in a cell may be.
    pub comma: Comma,
    /// Per column of a typed source that holds decimals: their precision and scale.
    pub exact: Vec<Option<(u8, u8)>>,
}

/// Where rows stand in the source.
#[derive(Debug, Default)]
pub struct Places {
    spans: Vec<Span>,
}

#[derive(Debug)]
struct Span {
    first_row: usize,
    first_line: u64,
    /// Line of each record, counted from the first; empty where they run in step.
    line_of: Vec<u32>,
}

impl Places {
    /// Rows from `first_row` on begin at a line of the source.
    pub fn push(&mut self, first_row: usize, first_line: u64, line_of: Vec<u32>) {
        self.spans.push(Span { first_row, first_line, line_of });
    }

    /// `line 17`, or `row 17` for a source without lines. Lines and rows count from one.
    pub fn name(&self, row: usize) -> String {
        let after = self.spans.partition_point(|span| span.first_row <= row);
        let Some(span) = after.checked_sub(1).map(|at| &self.spans[at]) else {
            return format!("row {}", row + 1);
        };
        let of_span = row - span.first_row;
        let line = span.line_of.get(of_span).map_or(of_span as u64, |line| u64::from(*line));
        format!("line {}", span.first_line + line)
    }
}

impl Raw {
    /// Appends a part to each column, and how often each text that metadata calls missing stood
    /// in it.
    pub fn push_parts(&mut self, parts: Vec<Part>, called_missing: &[Vec<u64>]) {
        for (column, part) in self.columns.iter_mut().zip(parts) {
            column.push(part);
        }
        for (sums, counts) in self.called_missing.iter_mut().zip(called_missing) {
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count;
            }
        }
    }
}

impl Raw {
    /// Brings the columns into the order of these names, all of which must be there.
    pub fn order_by(&mut self, specs: &[std::sync::Arc<tgs_protocol::column::ColumnSpec>]) {
        let mut columns = Vec::with_capacity(specs.len());
        let mut called_missing = Vec::with_capacity(specs.len());
        for spec in specs {
            let at = self.names.iter().position(|name| *name == spec.name);
            let column = at.and_then(|at| self.columns.get_mut(at)).map(std::mem::take);
            columns.push(column.unwrap_or_default());
            let counts = at.and_then(|at| self.called_missing.get_mut(at)).map(std::mem::take);
            called_missing.push(counts.unwrap_or_default());
        }
        self.names = specs.iter().map(|spec| spec.name.clone()).collect();
        self.columns = columns;
        self.exact.clear();
        self.called_missing = called_missing;
    }
}

/// Checks the names of a header: none empty, none twice, not too many.
pub fn check_names(names: &[String], place: &str) -> Result<(), EngineError> {
    let bad = |message: String| Err(EngineError::new(Code::BadHeader, message));
    if names.len() > COLUMNS_MAX {
        let count = names.len();
        return bad(format!("{place} names {count} columns, at most {COLUMNS_MAX} are read"));
    }
    let mut seen = std::collections::HashMap::new();
    for (at, name) in names.iter().enumerate() {
        let column = at + 1;
        if name.trim().is_empty() {
            return bad(format!("{place}: column {column} has no name: give it one in the header"));
        }
        if let Some(first) = seen.insert(name.as_str(), column) {
            return bad(format!(
                "{place}: columns {first} and {column} are both named \"{name}\": rename one"
            ));
        }
    }
    Ok(())
}

/// A cell as it is shown in messages: at most 40 characters.
pub fn shown(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell);
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("\"{}\"", short.escape_debug())
}
