//! Reads the first sheet of an xlsx workbook: its first row is the header.

use std::{collections::BTreeMap, fs::File, io::BufReader};

use calamine::{DataRef, Reader, Xlsx, XlsxError};
use tgs_protocol::{code::Code, engine::EngineError, limits::COLUMNS_MAX, progress::Watch};

use crate::{
    ingest::{
        part::{Part, Style},
        raw::{Raw, check_names},
        source::Source,
    },
    table::moment::Pattern,
};

/// Cells between two looks at the watch.
const WATCH_CELLS: usize = 1 << 14;
/// Day zero of workbooks is the thirtieth of December 1899: so many days before 1970-01-01.
const DAYS_TO_1970: f64 = 25_569.0;
/// Old workbooks of one maker count from the first of January 1904.
const DAYS_TO_1904: f64 = 1_462.0;
const DAY: &str = "%Y-%m-%d";
const MIDNIGHT: &[u8] = b" 00:00:00";

/// Reads a workbook.
///
/// # Errors
/// As [`crate::ingest::read_table`].
pub fn read_excel(
    source: &Source,
    called_missing: &[Vec<u8>],
    watch: &dyn Watch,
) -> Result<Raw, EngineError> {
    let name = source.path.display();
    let file = File::open(&source.path).map_err(|cause| source.failed(cause))?;
    let mut book: Xlsx<_> =
        Xlsx::new(BufReader::new(file)).map_err(|cause| refused(source, cause))?;
    let mut raw = Raw::default();
    let sheets = book.sheet_names();
    let Some(first) = sheets.first().cloned() else {
        let message = format!(
            "cannot read {name}: the workbook has no sheet; put the table into its first sheet"
        );
        return Err(EngineError::new(Code::EmptySource, message));
    };
    if sheets.len() > 1 {
        let count = sheets.len();
        raw.notices.push(format!("of {count} sheets only the first, \"{first}\", was read"));
    }
    let first_day = if book.has_1904_epoch() { DAYS_TO_1904 } else { 0.0 };
    let mut cells = book.worksheet_cells_reader(&first).map_err(|cause| refused(source, cause))?;
    let mut rows = Rows::new(source, raw, called_missing, first_day);
    let (mut seen, mut hollow) = (0_usize, false);
    while let Some(cell) = cells.next_cell().map_err(|cause| refused(source, cause))? {
        seen += 1;
        if seen.is_multiple_of(WATCH_CELLS) {
            watch.go_on()?;
        }
        let (row, column) = cell.get_position();
        hollow |= matches!(cell.get_value(), DataRef::Empty);
        rows.cell(row, column, cell.get_value())?;
    }
    drop(cells);
    if hollow {
        let without = formulas_without_value(&mut book, &first, watch)?;
        rows.tell_of_formulas(&without.map_err(|cause| refused(source, cause))?);
    }
    rows.finish()
}

/// How many formulas of each column have no value stored: programs that write workbooks without
/// reckoning leave them so.
fn formulas_without_value(
    book: &mut Xlsx<BufReader<File>>,
    sheet: &str,
    watch: &dyn Watch,
) -> Result<Result<BTreeMap<u32, u64>, XlsxError>, EngineError> {
    let mut counts = BTreeMap::new();
    let mut cells = match book.worksheet_cells_reader(sheet) {
        Ok(cells) => cells,
        Err(cause) => return Ok(Err(cause)),
    };
    let mut seen = 0_usize;
    loop {
        seen += 1;
        if seen.is_multiple_of(WATCH_CELLS) {
            watch.go_on()?;
        }
        match cells.next_cell_with_formula_metadata() {
            Ok(Some(cell)) if matches!(cell.value, DataRef::Empty) && cell.formula.is_some() => {
                *counts.entry(cell.pos.1).or_insert(0) += 1;
            }
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Ok(counts)),
            Err(cause) => return Ok(Err(cause)),
        }
    }
}

fn refused(source: &Source, cause: XlsxError) -> EngineError {
    let name = source.path.display();
    match cause {
        XlsxError::Password => {
            let message = format!(
                "cannot read {name}: the workbook is locked by a password; save it without one"
            );
            EngineError::new(Code::NotThatFormat, message)
        }
        XlsxError::FileNotFound(_) => {
            let message = format!(
                "cannot read {name}: it is a ZIP archive but no xlsx workbook: unpack it first"
            );
            EngineError::because(Code::NotThatFormat, message, cause)
        }
        _ => {
            let message = format!(
                "cannot read {name}: the workbook is damaged or ends early ({cause}); fetch it \
                 again, or save it anew"
            );
            EngineError::because(Code::CorruptSource, message, cause)
        }
    }
}

/// Rows as their cells come in, row by row; rows without cells are skipped.
struct Rows<'a> {
    source: &'a Source,
    called_missing: &'a [Vec<u8>],
    raw: Raw,
    parts: Vec<Part>,
    /// Row of the sheet that is being gathered.
    row: u32,
    /// Column of the sheet in which the header begins.
    first_column: u32,
    /// Texts of the row, as many as columns once the header is known.
    texts: Vec<Vec<u8>>,
    last_row: u32,
    /// Day zero of this workbook, counted from that of the others.
    first_day: f64,
    /// Which moments each column holds.
    seen: Vec<Seen>,
}

/// Which moments a column holds: the format of a cell is no format of its column.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    days: bool,
    days_with_time: bool,
    long_durations: bool,
}

impl<'a> Rows<'a> {
    fn new(source: &'a Source, raw: Raw, called_missing: &'a [Vec<u8>], first_day: f64) -> Self {
        Self {
            source,
            called_missing,
            raw,
            parts: Vec::new(),
            row: 0,
            first_column: 0,
            texts: Vec::new(),
            last_row: 0,
            first_day,
            seen: Vec::new(),
        }
    }

    fn cell(&mut self, row: u32, column: u32, value: &DataRef) -> Result<(), EngineError> {
        let name = self.source.path.display();
        let place = u64::from(row) + 1;
        if let DataRef::Error(error) = value {
            let message = format!(
                "cannot read {name}: row {place}, column {} holds the error {error}: mend \
                 the formula",
                letters(column)
            );
            return Err(EngineError::new(Code::BadCell, message));
        }
        let mut text = Vec::new();
        let seen = write_cell(value, self.first_day, &mut text);
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        if row != self.row {
            self.close_row()?;
            self.row = row;
        }
        if self.parts.is_empty() && self.texts.is_empty() {
            self.first_column = column;
        }
        let at = column.checked_sub(self.first_column).map(|at| at as usize);
        let width = if self.parts.is_empty() { COLUMNS_MAX } else { self.parts.len() };
        let Some(at) = at.filter(|at| *at < width) else {
            let message = format!(
                "cannot read {name}: row {place} has a value in column {}, where the header has \
                 none; name that column, or remove the value",
                letters(column)
            );
            return Err(EngineError::new(Code::RaggedRow, message));
        };
        if self.texts.len() <= at {
            self.texts.resize(at + 1, Vec::new());
        }
        self.texts[at] = text;
        if let Some(column) = self.seen.get_mut(at) {
            column.days |= seen.days;
            column.days_with_time |= seen.days_with_time;
            column.long_durations |= seen.long_durations;
        }
        Ok(())
    }

    fn close_row(&mut self) -> Result<(), EngineError> {
        if self.texts.is_empty() {
            return Ok(());
        }
        let texts = std::mem::take(&mut self.texts);
        if self.parts.is_empty() {
            return self.header(&texts);
        }
        if self.raw.rows == 0 || self.row != self.last_row.saturating_add(1) {
            self.raw.places.push(self.raw.rows, u64::from(self.row) + 1, Vec::new());
        }
        self.last_row = self.row;
        for (column, part) in self.parts.iter_mut().enumerate() {
            let text = texts.get(column).map(Vec::as_slice).unwrap_or_default();
            match self.called_missing.iter().position(|missing| missing == text) {
                Some(which) => {
                    self.raw.called_missing[column][which] += 1;
                    part.push_empty();
                }
                None => part.push(text),
            }
        }
        self.raw.rows += 1;
        Ok(())
    }

    fn header(&mut self, texts: &[Vec<u8>]) -> Result<(), EngineError> {
        let name = self.source.path.display();
        let names = texts.iter().map(|text| String::from_utf8_lossy(text).into_owned());
        self.raw.names = names.collect();
        check_names(&self.raw.names, &format!("row {} of {name}", u64::from(self.row) + 1))?;
        let width = texts.len();
        self.raw.columns = vec![Vec::new(); width];
        self.raw.called_missing = vec![vec![0; self.called_missing.len()]; width];
        self.parts = (0..width).map(|_| Part::new(Style::Whole)).collect();
        self.seen = vec![Seen::default(); width];
        Ok(())
    }

    fn tell_of_formulas(&mut self, without_value: &BTreeMap<u32, u64>) {
        for (column, count) in without_value {
            let at = column.checked_sub(self.first_column).map(|at| at as usize);
            let Some(name) = at.and_then(|at| self.raw.names.get(at)) else { continue };
            let formulas = if *count == 1 { "formula has" } else { "formulas have" };
            self.raw.notices.push(format!(
                "column \"{name}\": {count} {formulas} no value stored and were read as empty; \
                 open the workbook in Excel, save it, and read it again"
            ));
        }
    }

    fn finish(mut self) -> Result<Raw, EngineError> {
        self.close_row()?;
        let name = self.source.path.display();
        if self.raw.rows == 0 {
            let found = if self.parts.is_empty() { "nothing" } else { "a header but no rows" };
            let message = format!(
                "cannot read {name}: the first sheet holds {found}; put the table into that sheet"
            );
            return Err(EngineError::new(Code::EmptySource, message));
        }
        let day = Pattern::new(DAY);
        let is_day = |text: &[u8]| day.as_ref().is_some_and(|day| day.parse(text).is_some());
        for ((part, seen), name) in self.parts.iter_mut().zip(&self.seen).zip(&self.raw.names) {
            if seen.days && seen.days_with_time {
                *part = rewritten(part, |text| is_day(text).then(|| [text, MIDNIGHT].concat()));
            }
            if seen.long_durations {
                *part = rewritten(part, in_hours);
                let notice = format!("column \"{name}\": its durations are read in hours");
                self.raw.notices.push(notice);
            }
        }
        self.raw.push_parts(self.parts, &[]);
        Ok(self.raw)
    }
}

/// The cells of a part, some of them changed.
fn rewritten(part: &Part, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Part {
    let mut out = Part::new(Style::Whole);
    part.each_text(|text| match change(text) {
        Some(changed) => out.push(&changed),
        None => out.push(text),
    });
    out
}

/// Hours as a number, of `-37:30:00`.
fn in_hours(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let (sign, unsigned) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let mut parts = unsigned.split(':').map(|part| part.parse::<u32>().map(f64::from));
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let hours = sign * (hours + minutes / 60.0 + seconds / 3_600.0);
    Some(((hours * 1e6).round() / 1e6).to_string().into_bytes())
}

/// Name of a column in a workbook: A to Z, AA, AB, …
fn letters(column: u32) -> String {
    let mut text = Vec::new();
    let mut rest = u64::from(column) + 1;
    while rest > 0 {
        rest -= 1;
        text.push(b'A' + (rest % 26) as u8);
        rest /= 26;
    }
    text.reverse();
    String::from_utf8_lossy(&text).into_owned()
}

/// Appends a cell as text: numbers in their shortest form, dates in ISO form, durations as hours,
/// minutes and seconds. Gives which moment it held.
fn write_cell(cell: &DataRef, first_day: f64, text: &mut Vec<u8>) -> Seen {
    match cell {
        DataRef::Empty | DataRef::Error(_) => {}
        DataRef::SharedString(string) => text.extend_from_slice(string.as_bytes()),
        DataRef::String(string) | DataRef::DateTimeIso(string) | DataRef::DurationIso(string) => {
            text.extend_from_slice(string.as_bytes());
        }
        DataRef::Bool(truth) => text.extend_from_slice(if *truth { b"true" } else { b"false" }),
        DataRef::Int(value) => text.extend_from_slice(value.to_string().as_bytes()),
        DataRef::Float(value) => text.extend_from_slice(value.to_string().as_bytes()),
        DataRef::DateTime(moment) => {
            let days = moment.as_f64();
            return if moment.is_duration() || (0.0..1.0).contains(&days) {
                write_duration(days, text)
            } else {
                write_moment(days + first_day, text)
            };
        }
    }
    Seen::default()
}

/// A time of day, or how long something took.
fn write_duration(days: f64, text: &mut Vec<u8>) -> Seen {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "made positive")]
    let seconds = (days.abs() * 86_400.0).round() as u64;
    let (minutes, of_minute) = (seconds / 60, seconds % 60);
    let sign = if days < 0.0 { "-" } else { "" };
    let shown = format!("{sign}{:02}:{:02}:{of_minute:02}", minutes / 60, minutes % 60);
    text.extend_from_slice(shown.as_bytes());
    Seen { long_durations: days < 0.0 || seconds >= 86_400, ..Seen::default() }
}

fn write_moment(days: f64, text: &mut Vec<u8>) -> Seen {
    let seconds = (days - DAYS_TO_1970) * 86_400.0;
    let is_day = days == days.trunc();
    let pattern = if is_day { DAY } else { "%Y-%m-%d %H:%M:%S" };
    if let Some(pattern) = Pattern::new(pattern) {
        pattern.write(seconds, text);
    }
    Seen { days: is_day, days_with_time: !is_day, ..Seen::default() }
}
