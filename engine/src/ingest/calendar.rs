//! A column seen as dates or times: the one pattern that every cell follows.

use arrow::array::Float64Array;
use tgs_protocol::column::ColumnKind;

use crate::{
    ingest::{
        gather::Gathered,
        missing::{TOKEN_COUNT, token, token_text},
    },
    table::moment::Pattern,
};

/// Dates or times of a column.
#[derive(Debug)]
pub struct Moments {
    /// Date, time or datetime.
    pub kind: ColumnKind,
    /// The strftime pattern.
    pub pattern: String,
    /// Seconds, per row.
    pub values: Float64Array,
    /// Day and month could be told apart by no cell; the other reading.
    pub ambiguous: Option<String>,
    /// Cells stood in several zones and were brought to UTC.
    pub zones_differ: bool,
    /// How often each token for missing stands.
    pub tokens: Vec<(&'static str, u64)>,
}

/// The first cell that follows no pattern together with those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoMoment {
    /// Its row.
    pub row: usize,
    /// What stands there.
    pub text: Vec<u8>,
}

/// In order of preference: where several patterns read every cell, the first is taken.
const DATES: [&str; 28] = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%-d.%-m.%Y",
    "%d.%m.%y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%-m/%-d/%Y",
    "%-d/%-m/%Y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%-m/%-d/%y",
    "%-d/%-m/%y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%d-%b-%Y",
    "%-d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%-d %b %Y",
    "%b %d, %Y",
    "%b %-d, %Y",
    "%d %B %Y",
    "%-d %B %Y",
    "%B %d, %Y",
    "%B %-d, %Y",
    "%Y-%-m-%-d",
];
/// Months and ISO weeks of a year; no time follows them.
const MONTHS: [&str; 10] =
    ["%Y-%m", "%Y/%m", "%m/%Y", "%m.%Y", "%m-%Y", "%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%G-W%V"];
const TIMES: [&str; 16] = [
    "%H:%M",
    "%H:%M:%S",
    "%H:%M:%S%.1f",
    "%H:%M:%S%.2f",
    "%H:%M:%S%.3f",
    "%H:%M:%S%.4f",
    "%H:%M:%S%.5f",
    "%H:%M:%S%.6f",
    "%H:%M:%S%.9f",
    "%H:%M:%S%.f",
    "%-H:%M",
    "%-H:%M:%S",
    "%I:%M %p",
    "%I:%M:%S %p",
    "%-I:%M %p",
    "%-I:%M:%S %p",
];
const BETWEEN: [&str; 2] = [" ", "T"];
const ZONES: [&str; 4] = ["", "Z", "%:z", "%z"];
/// Those that read a zone, and how many bytes it has.
const ZONE_ITEMS: [(&str, usize); 2] = [("%:z", 6), ("%z", 5)];
/// A date and time in words is not longer.
const TEXT_BYTES_MAX: usize = 48;

impl Moments {
    /// Reads a column as dates or times; tokens for missing are missing. `given` is the pattern to
    /// use; else one is found.
    pub fn read(gathered: &Gathered, given: Option<&Named>) -> Result<Self, NoMoment> {
        let mut candidates = match given {
            Some(given) => vec![given.clone()],
            None => Vec::new(),
        };
        let mut first = given.is_none();
        let mut failed = None;
        let mut see = |row: usize, text: &[u8]| {
            if text.is_empty() || token(text).is_some() {
                return true;
            }
            if first {
                candidates = Named::all_that_read(text);
                first = false;
            } else {
                candidates.retain(|pattern| pattern.compiled.parse(text.trim_ascii()).is_some());
            }
            if candidates.is_empty() {
                failed = Some(NoMoment { row, text: text.to_vec() });
            }
            !candidates.is_empty()
        };
        match gathered {
            Gathered::Levels(levels) => {
                (0..levels.counts.len()).all(|code| see(code, levels.dictionary.get(code as u32)));
            }
            Gathered::Numbers(_) | Gathered::Texts(_) => {
                let mut row = 0;
                gathered.each_text(|text| {
                    row += 1;
                    see(row - 1, text)
                });
            }
        }
        if let Some(mut failed) = failed {
            if let Gathered::Levels(levels) = gathered {
                failed.row = levels.first_row(failed.row as u32);
            }
            return Err(failed);
        }
        let Some(chosen) = candidates.first() else {
            return Err(NoMoment { row: 0, text: Vec::new() });
        };
        let other = swapped(&chosen.text);
        let ambiguous = candidates.iter().find(|pattern| Some(&pattern.text) == other.as_ref());
        Ok(Self {
            kind: chosen.kind(),
            pattern: chosen.text.clone(),
            values: values(gathered, &chosen.compiled),
            ambiguous: ambiguous.map(|pattern| pattern.text.clone()),
            zones_differ: false,
            tokens: tokens(gathered),
        })
    }

    /// The same moments by the clock of their own zone, where all cells stand in one; else it is
    /// noted that they do not.
    pub fn by_their_clock(mut self, gathered: &Gathered) -> Self {
        let Some((date_and_time, width)) = ZONE_ITEMS
            .iter()
            .find_map(|(item, width)| Some((self.pattern.strip_suffix(item)?, *width)))
        else {
            return self;
        };
        let mut zone: Option<Vec<u8>> = None;
        gathered.each_text(|text| {
            let text = text.trim_ascii();
            if text.is_empty() || token(text).is_some() {
                return true;
            }
            let from = if text.ends_with(b"Z") { 1 } else { width };
            let found = &text[text.len().saturating_sub(from)..];
            self.zones_differ = zone.get_or_insert_with(|| found.to_vec()) != found;
            !self.zones_differ
        });
        if self.zones_differ {
            return self;
        }
        let zone = String::from_utf8(zone.unwrap_or_default()).unwrap_or_default();
        let named = Named::new(&format!("{date_and_time}{zone}"));
        named.and_then(|named| Self::read(gathered, Some(&named)).ok()).unwrap_or(self)
    }
}

/// A pattern as written and compiled.
#[derive(Debug, Clone)]
pub struct Named {
    text: String,
    compiled: Pattern,
}

impl Named {
    /// Compiles a strftime pattern.
    pub fn new(text: &str) -> Option<Self> {
        Pattern::new(text).map(|compiled| Self { text: text.to_owned(), compiled })
    }

    /// Date, time or datetime.
    pub fn kind(&self) -> ColumnKind {
        match (self.compiled.has_date(), self.compiled.has_time()) {
            (false, _) => ColumnKind::Time,
            (true, false) => ColumnKind::Date,
            (true, true) => ColumnKind::Datetime,
        }
    }

    /// Every known pattern that reads the text, in order of preference.
    fn all_that_read(text: &[u8]) -> Vec<Self> {
        let text = text.trim_ascii();
        let has_digit = text.iter().any(u8::is_ascii_digit);
        let has_mark = text.iter().any(|byte| matches!(byte, b'-' | b'/' | b'.' | b':' | b' '));
        if text.len() < 4 || text.len() > TEXT_BYTES_MAX || !has_digit || !has_mark {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut offer = |pattern: String| {
            if let Some(pattern) = Self::new(&pattern)
                && pattern.compiled.parse(text).is_some()
            {
                found.push(pattern);
            }
        };
        DATES.iter().chain(&MONTHS).for_each(|date| offer((*date).to_owned()));
        if text.contains(&b':') {
            TIMES.iter().for_each(|time| offer((*time).to_owned()));
            for date in DATES {
                for between in BETWEEN {
                    for time in TIMES {
                        ZONES.iter().for_each(|zone| offer(format!("{date}{between}{time}{zone}")));
                    }
                }
            }
        }
        found
    }
}

/// The same pattern with day and month in each other's place.
fn swapped(pattern: &str) -> Option<String> {
    let at = pattern.find("%m").or_else(|| pattern.find("%-m"))?;
    let other = pattern.find("%d").or_else(|| pattern.find("%-d"))?;
    let numeric_year_last = pattern.find("%Y").or_else(|| pattern.find("%y"))? > at.max(other);
    let swapped = pattern.replace("%m", "\0").replace("%-m", "\u{1}");
    let swapped = swapped.replace("%d", "%m").replace("%-d", "%-m");
    numeric_year_last.then(|| swapped.replace('\0', "%d").replace('\u{1}', "%-d"))
}

fn values(gathered: &Gathered, pattern: &Pattern) -> Float64Array {
    let read = |text: &[u8]| pattern.parse(text.trim_ascii());
    match gathered {
        Gathered::Levels(levels) => {
            let moments: Vec<Option<f64>> = levels.dictionary.iter().map(read).collect();
            let of = |code: &u32| moments.get(*code as usize).copied().flatten();
            levels.codes.iter().map(of).collect()
        }
        Gathered::Numbers(_) | Gathered::Texts(_) => {
            let mut values = Vec::new();
            gathered.each_text(|text| {
                values.push(read(text));
                true
            });
            values.into()
        }
    }
}

fn tokens(gathered: &Gathered) -> Vec<(&'static str, u64)> {
    let mut counts = [0_u64; TOKEN_COUNT];
    match gathered {
        Gathered::Levels(levels) => {
            for (text, count) in levels.dictionary.iter().zip(&levels.counts) {
                if let Some(number) = token(text) {
                    counts[number] += count;
                }
            }
        }
        Gathered::Numbers(_) | Gathered::Texts(_) => gathered.each_text(|text| {
            if let Some(number) = token(text) {
                counts[number] += 1;
            }
            true
        }),
    }
    counts.iter().enumerate().map(|(number, count)| (token_text(number), *count)).collect()
}
