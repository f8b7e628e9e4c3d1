//! Decides what a column means, with a reason a user can read and change.

use std::sync::Arc;

use arrow::array::{StringArray, UInt32Array};
use tgs_protocol::{
    code::Code,
    column::{ColumnKind, ColumnSpec, ValueFormat},
    engine::EngineError,
};

use crate::{
    ingest::{
        calendar::Moments,
        gather::{Gathered, Levels, Texts},
        name_hint::{is_calendar, names_rows},
        number::numeral,
        numbers::Numbers,
        part::Part,
        pattern_id::fixed_pattern,
        raw::{Places, shown},
        wish::{self, Wish},
    },
    table::{Cells, Column},
};

/// Numbers with at most so many distinct values are categories.
pub const FEW_NUMBERS: usize = 10;
/// So many distinct texts are categories in a table of any size, if they repeat.
const FEW_TEXTS: usize = 200;
/// More categories than this are no categories.
const CATEGORIES_MAX: usize = 65_536;
/// Rows from which on a run of whole numbers names the rows even without a telling name.
const RUN_ROWS_MIN: usize = 20;

/// A column and what is known of it.
pub struct Settling<'a> {
    /// Header text.
    pub name: &'a str,
    /// Rows of the table.
    pub rows: usize,
    /// Where rows stand.
    pub places: &'a Places,
    /// A comma may stand before fractions.
    pub comma: bool,
    /// The text that metadata calls missing and that stood most often, with its count.
    pub called_missing: Option<(String, u64)>,
}

/// A settled column and what a user should know of it.
pub struct Settled {
    /// The column.
    pub column: Column,
    /// Notices.
    pub notices: Vec<String>,
}

/// What was decided.
pub(crate) struct Decision {
    pub kind: ColumnKind,
    pub reason: String,
    pub format: ValueFormat,
    pub cells: Cells,
    /// How often each token for missing stands.
    pub tokens: Vec<(&'static str, u64)>,
    pub notices: Vec<String>,
}

impl Settling<'_> {
    /// Settles a column: by the user's wish, else by what stands there.
    ///
    /// # Errors
    /// `DATA-0008` when a cell does not fit the wish, `DEV-0002` for more than 2 GiB of text.
    pub fn settle(&self, parts: Vec<Part>, wish: Option<&Wish>) -> Result<Settled, EngineError> {
        let decision = match wish {
            Some(wish) => wish::fulfil(self, parts, wish)?,
            None => self.infer(parts)?,
        };
        let missing_token = self.missing_token(&decision);
        let spec = ColumnSpec {
            name: self.name.to_owned(),
            kind: decision.kind,
            reason: decision.reason,
            format: decision.format,
            missing_token,
        };
        let column = Column { spec: Arc::new(spec), cells: decision.cells };
        let named = |notice| format!("column \"{}\": {notice}", self.name);
        Ok(Settled { column, notices: decision.notices.into_iter().map(named).collect() })
    }

    fn missing_token(&self, decision: &Decision) -> Option<String> {
        let missing = decision.cells.missing() as u64;
        if missing == 0 {
            return None;
        }
        let told: u64 = decision.tokens.iter().map(|(_, count)| count).sum();
        let mut best = (String::new(), 0);
        let tokens = decision.tokens.iter().map(|(text, count)| ((*text).to_owned(), *count));
        let called = self.called_missing.iter().cloned();
        let called_count: u64 = called.clone().map(|(_, count)| count).sum();
        let empty = (String::new(), missing.saturating_sub(told + called_count));
        for (text, count) in std::iter::once(empty).chain(tokens).chain(called) {
            if count > best.1 {
                best = (text, count);
            }
        }
        Some(best.0)
    }

    fn infer(&self, parts: Vec<Part>) -> Result<Decision, EngineError> {
        let distinct_max = (self.rows / 3).clamp(FEW_TEXTS, CATEGORIES_MAX);
        let gathered = Gathered::join(parts, false, distinct_max)?;
        let gathered = match Numbers::read(&gathered, self.comma) {
            Ok(numbers) => return self.of_numbers(gathered, numbers),
            Err(_) => match gathered {
                // Whole numbers too large for a double are names.
                Gathered::Numbers(parts) => Gathered::join(parts, true, distinct_max)?,
                other => other,
            },
        };
        if let Ok(moments) = Moments::read(&gathered, None)
            && !is_single(&gathered)
        {
            return Ok(of_moments(moments));
        }
        match gathered {
            Gathered::Levels(levels) => self.of_levels(levels),
            other => self.of_texts(other.into_texts()?),
        }
    }

    fn of_numbers(&self, gathered: Gathered, numbers: Numbers) -> Result<Decision, EngineError> {
        let tokens: Vec<_> = numbers.tokens().collect();
        let (count, missing) = (numbers.count, numbers.missing());
        if count == 0 {
            return Ok(nothing(self.rows, tokens));
        }
        let few = numbers.distinct(FEW_NUMBERS);
        let decide = |kind, reason, format, cells| {
            let notices = Vec::new();
            Ok(Decision { kind, reason, format, cells, tokens: tokens.clone(), notices })
        };
        if let Some(values) = &few
            && (values.len() == 1 && missing == 0 || 2 * values.len() <= count)
        {
            let texts = texts_of(values, &gathered, &numbers);
            let shown = texts.iter().take(3).map(|text| shown(text.as_bytes()));
            let mut shown = shown.collect::<Vec<_>>().join(", ");
            shown.push_str(if texts.len() > 3 { " …" } else { "" });
            let cells = numbers_as_levels(&numbers, values, &texts);
            if values.len() == 1 && missing == 0 {
                let reason = format!("the same number {shown} in every row");
                return decide(ColumnKind::Constant, reason, ValueFormat::Verbatim, cells);
            }
            let reason = format!("only {} distinct numbers: {shown}", values.len());
            return decide(ColumnKind::Category, reason, ValueFormat::Verbatim, cells);
        }
        if let Some(reason) = self.number_names_rows(&numbers) {
            let cells = gathered.into_texts()?.into_cells(|_| false);
            return decide(ColumnKind::Id, reason, ValueFormat::Verbatim, cells);
        }
        let (least, most) = numbers.range;
        let format = numbers.format();
        let (kind, what) = if numbers.whole {
            (ColumnKind::Integer, "whole numbers")
        } else {
            (ColumnKind::Real, "numbers")
        };
        let reason = format!("{count} {what} between {least} and {most}");
        decide(kind, reason, format, Cells::Number(numbers.into_array()))
    }

    fn number_names_rows(&self, numbers: &Numbers) -> Option<String> {
        if numbers.missing() > 0 || !numbers.whole || numbers.digits_max > 0 || self.rows < 2 {
            return None;
        }
        if names_rows(self.name) && numbers.are_unique() {
            return Some(
                "a whole number of its own in every row, and the name of an id".to_owned(),
            );
        }
        let long = self.rows >= RUN_ROWS_MIN && !is_calendar(self.name);
        (long && numbers.are_consecutive()).then(|| {
            let (least, most) = numbers.range;
            format!("the whole numbers from {least} to {most}, each once")
        })
    }

    fn of_levels(&self, levels: Levels) -> Result<Decision, EngineError> {
        let (distinct, present) = (levels.counts.len(), levels.present());
        let missing = levels.codes.len() - present;
        let mut notices: Vec<String> = self.mixed_levels(&levels).into_iter().collect();
        notices.extend(self.grouped(|| levels.dictionary.iter()));
        let decide = |kind, reason, cells| {
            let format = ValueFormat::Verbatim;
            Ok(Decision { kind, reason, format, cells, tokens: Vec::new(), notices })
        };
        let verbatim =
            |levels: &Levels| levels.into_cells(|code| Some(levels.dictionary.get(code)));
        if distinct == 1 && missing == 0 {
            let reason = format!("{} in every row", shown(levels.dictionary.get(0)));
            return decide(ColumnKind::Constant, reason, verbatim(&levels));
        }
        if let Some(pair) = yes_and_no(&levels) {
            return decide(ColumnKind::Boolean, format!("only {pair}"), verbatim(&levels));
        }
        let unique = distinct == present;
        if unique && missing == 0 && present > 1 {
            let texts = || levels.dictionary.iter();
            if let Some(reason) = text_names_rows(self.name, texts) {
                let cells = Gathered::Levels(levels).into_texts()?.into_cells(|_| false);
                return decide(ColumnKind::Id, reason, cells);
            }
        }
        if unique && present > 3 || distinct > FEW_NUMBERS && 2 * distinct > present {
            let reason =
                format!("{distinct} distinct texts in {present} cells: they hardly repeat");
            let cells = Gathered::Levels(levels).into_texts()?.into_cells(|_| false);
            return decide(ColumnKind::Text, reason, cells);
        }
        let reason = format!("{distinct} distinct texts in {present} cells");
        decide(ColumnKind::Category, reason, verbatim(&levels))
    }

    fn of_texts(&self, texts: Texts) -> Result<Decision, EngineError> {
        let mut notices: Vec<String> = self.mixed_texts(&texts).into_iter().collect();
        notices.extend(self.grouped(|| texts.iter()));
        let missing = texts.iter().filter(|text| text.is_empty()).count();
        let decide = |kind, reason, cells| {
            let format = ValueFormat::Verbatim;
            Ok(Decision { kind, reason, format, cells, tokens: Vec::new(), notices })
        };
        if missing == 0
            && let Some(reason) = text_names_rows(self.name, || texts.iter())
            && are_distinct(&texts)
        {
            return decide(ColumnKind::Id, reason, texts.into_cells(|_| false));
        }
        let present = self.rows.saturating_sub(missing);
        let reason = format!("{present} texts that hardly repeat");
        decide(ColumnKind::Text, reason, texts.into_cells(|_| false))
    }

    fn mixed_levels(&self, levels: &Levels) -> Option<String> {
        let mut numbers = 0;
        let mut first: Option<usize> = None;
        let codes = levels.dictionary.iter().zip(&levels.counts).enumerate();
        for (code, (text, count)) in codes {
            if numeral(text, self.comma).or_else(|| numeral(text, false)).is_some() {
                numbers += count;
            } else if !text.iter().all(u8::is_ascii_digit) {
                // Codes are in the order of first appearance, so the first such code stands first.
                first = first.or(Some(code));
            }
        }
        let code = first? as u32;
        let row = levels.first_row(code);
        self.mixed(numbers, levels.present(), row, levels.dictionary.get(code))
    }

    fn mixed_texts(&self, texts: &Texts) -> Option<String> {
        let is_number = |text: &[u8]| numeral(text, false).is_some();
        let trial = texts.iter().take(200).filter(|text| is_number(text)).count();
        if trial * 2 < texts.iter().take(200).count() {
            return None;
        }
        let odd = |text: &[u8]| !text.is_empty() && !is_number(text);
        let named = |text: &[u8]| odd(text) && !text.iter().all(u8::is_ascii_digit);
        let (row, text) = texts.iter().enumerate().find(|(_, text)| named(text))?;
        let present = texts.iter().filter(|text| !text.is_empty()).count();
        let odd = texts.iter().filter(|text| odd(text)).count();
        self.mixed((present - odd) as u64, present, row, text)
    }

    /// A notice where at least half of the first texts are numbers with thousands separators.
    fn grouped<'a, I: Iterator<Item = &'a [u8]>>(&self, texts: impl Fn() -> I) -> Option<String> {
        let first = || texts().filter(|text| !text.is_empty()).take(100);
        let example = first().find(|text| is_grouped(text))?;
        (first().filter(|text| is_grouped(text)).count() * 2 >= first().count()).then(|| {
            format!(
                "{} looks like a number with thousands separators: read as text; to have numbers, \
                 write them without separators",
                shown(example)
            )
        })
    }

    fn mixed(&self, numbers: u64, present: usize, row: usize, text: &[u8]) -> Option<String> {
        let share = numbers as f64 / present as f64;
        (0.95..1.0).contains(&share).then(|| {
            format!(
                "{:.1} % of the cells are numbers, but {} holds {}: read as texts; if it means \
                 \"missing\", say so in the metadata (\"missing\": [{}])",
                share * 100.0,
                self.places.name(row),
                shown(text),
                shown(text)
            )
        })
    }
}

/// A column that holds nothing.
pub(crate) fn nothing(rows: usize, tokens: Vec<(&'static str, u64)>) -> Decision {
    let codes = UInt32Array::new_null(rows);
    let levels = Arc::new(StringArray::from(Vec::<&str>::new()));
    Decision {
        kind: ColumnKind::Constant,
        reason: "no value in any row".to_owned(),
        format: ValueFormat::Verbatim,
        cells: Cells::Level { codes, levels },
        tokens,
        notices: Vec::new(),
    }
}

/// Dates or times as decided.
pub(crate) fn of_moments(moments: Moments) -> Decision {
    let Moments { kind, pattern, values, ambiguous, tokens } = moments;
    let what = match kind {
        ColumnKind::Date => "days",
        ColumnKind::Time => "times of day",
        _ => "days with a time",
    };
    let count = values.len() - arrow::array::Array::null_count(&values);
    let notice = ambiguous.map(|other| {
        format!(
            "every cell fits {pattern} and {other}: read as {pattern}; to change it, give the \
             format in the metadata"
        )
    });
    Decision {
        kind,
        reason: format!("{count} {what} written as {pattern}"),
        format: ValueFormat::Moment { pattern },
        cells: Cells::Number(values),
        tokens,
        notices: notice.into_iter().collect(),
    }
}

/// One text in every row.
fn is_single(gathered: &Gathered) -> bool {
    match gathered {
        Gathered::Levels(levels) => {
            levels.counts.len() == 1 && levels.counts[0] as usize == levels.codes.len()
        }
        Gathered::Numbers(_) | Gathered::Texts(_) => false,
    }
}

/// How each of a few values is written; where one is written in several ways, the longest.
fn texts_of(values: &[f64], gathered: &Gathered, numbers: &Numbers) -> Vec<String> {
    let mut texts = vec![Vec::new(); values.len()];
    let mut take = |value: f64, text: &[u8]| {
        if let Some(at) = values.iter().position(|known| *known == value) {
            let known: &mut Vec<u8> = &mut texts[at];
            if (text.len(), text) > (known.len(), known.as_slice()) {
                *known = text.to_vec();
            }
        }
    };
    if let Gathered::Levels(levels) = gathered {
        for text in levels.dictionary.iter() {
            let number = numeral(text, false).or_else(|| numeral(text, true));
            if let Some(number) = number {
                take(number.value, text.trim_ascii());
            }
        }
    } else {
        let mut row = 0;
        let mut last = (f64::NAN, Vec::new());
        gathered.each_text(|text| {
            let value = numbers.values[row];
            if numbers.is_present(row) && !(value == last.0 && text == last.1.as_slice()) {
                take(value, text);
                last = (value, text.to_vec());
            }
            row += 1;
            true
        });
    }
    texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

fn numbers_as_levels(numbers: &Numbers, values: &[f64], texts: &[String]) -> Cells {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| texts[*a].as_bytes().cmp(texts[*b].as_bytes()));
    let mut code_of = vec![0; values.len()];
    order.iter().enumerate().for_each(|(code, &at)| code_of[at] = code as u32);
    let codes = numbers.values.iter().enumerate().map(|(row, value)| {
        let at = values.iter().position(|known| known == value);
        at.filter(|_| numbers.is_present(row)).map(|at| code_of[at])
    });
    let codes: UInt32Array = codes.collect();
    let levels = order.iter().map(|&at| texts[at].as_str());
    Cells::Level { codes, levels: Arc::new(StringArray::from_iter_values(levels)) }
}

/// The pair of words, if a column holds exactly one word for yes and one for no.
fn yes_and_no(levels: &Levels) -> Option<String> {
    const PAIRS: [(&str, &str); 4] = [("true", "false"), ("yes", "no"), ("t", "f"), ("y", "n")];
    if levels.counts.len() != 2 {
        return None;
    }
    let lower = |code| levels.dictionary.get(code).to_ascii_lowercase();
    let (one, other) = (lower(0), lower(1));
    let holds = |yes: &str, no: &str| one == yes.as_bytes() && other == no.as_bytes();
    let found = PAIRS.iter().any(|(yes, no)| holds(yes, no) || holds(no, yes));
    let [one, other] = [0, 1].map(|code| shown(levels.dictionary.get(code)));
    found.then(|| format!("{one} and {other}"))
}

/// Why distinct texts name the rows, if they do.
fn text_names_rows<'a, I: Iterator<Item = &'a [u8]>>(
    name: &str,
    texts: impl Fn() -> I,
) -> Option<String> {
    let is_amount = texts().take(100).any(is_grouped);
    if let Some(pattern) = fixed_pattern(texts()).filter(|_| !is_amount) {
        return Some(format!("a text of its own in every row, all of the pattern {pattern}"));
    }
    let blank_free = |text: &[u8]| !text.iter().any(u8::is_ascii_whitespace);
    (names_rows(name) && texts().all(blank_free))
        .then(|| "a text of its own in every row, and the name of an id".to_owned())
}

fn are_distinct(texts: &Texts) -> bool {
    let mut sorted: Vec<&[u8]> = texts.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[0] != pair[1])
}

/// A number whose thousands are parted by commas.
fn is_grouped(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = text.split(|byte| *byte == b'.').next().unwrap_or(text);
    let fraction = text.get(whole.len() + 1..).unwrap_or_default();
    let mut groups = whole.split(|byte| *byte == b',');
    let digits = |group: &[u8]| !group.is_empty() && group.iter().all(u8::is_ascii_digit);
    let first = groups.next().unwrap_or_default();
    first.len() <= 3
        && digits(first)
        && whole.contains(&b',')
        && groups.all(|group| group.len() == 3 && digits(group))
        && fraction.iter().all(u8::is_ascii_digit)
}

/// The error for a cell that does not fit what was asked for.
pub(crate) fn bad_cell(settling: &Settling, row: usize, text: &[u8], wanted: &str) -> EngineError {
    let message = format!(
        "cannot read column \"{}\" as {wanted}: {} holds {}; mend the cell, ask for another kind in \
         the metadata, or list the text under \"missing\"",
        settling.name,
        settling.places.name(row),
        shown(text)
    );
    EngineError::new(Code::BadCell, message)
}
