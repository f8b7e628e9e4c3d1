//! Decides what a column means, with a reason a user can read and change.

use std::sync::Arc;

use arrow::array::{StringArray, UInt32Array};
use tgs_protocol::{
    code::Code,
    column::{ColumnKind, ColumnSpec, ValueFormat},
    engine::EngineError,
    figure,
    limits::{SHARED_ROWS_MIN, TRAIN_ROWS_MIN},
};

use crate::{
    ingest::{
        calendar::Moments,
        few_numbers::{numbers_as_levels, texts_of},
        gather::{Gathered, Levels, Texts},
        long_numbers::LongNumbers,
        missing::is_infinite,
        name_hint::{is_calendar, names_rows},
        numbers::{Comma, Numbers},
        odd_cells::mostly_digits,
        part::Part,
        pattern_id::text_names_rows,
        raw::{Places, shown},
        wish::{self, Wish},
    },
    table::{Cells, Column},
};

/// Numbers with at most so many distinct values are categories, if enough rows share each of them:
/// a level is kept as it stands, and an amount among zeros may be one person's own.
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
    /// What a comma in a cell may be.
    pub comma: Comma,
    /// What stands before a fraction in the clear columns of the file.
    pub mark: Option<char>,
    /// Precision and scale of decimals in a typed source.
    pub exact: Option<(u8, u8)>,
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
    /// `DATA-0008` when a cell does not fit the wish, `DATA-0001` for more than 2 GiB of text.
    pub fn settle(&self, parts: Vec<Part>, wish: Option<&Wish>) -> Result<Settled, EngineError> {
        let mut decision = match wish {
            Some(wish) => wish::fulfil(self, parts, wish)?,
            None => self.infer(parts)?,
        };
        if wish.is_none() {
            decision.notices.extend(mostly_digits(&decision));
        }
        if wish.is_none_or(|wish| wish.like.is_none()) {
            decision.notices.extend(self.too_few(&decision));
        }
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

    /// Models learn such a column as empty; a table of fewer rows is not learned at all.
    fn too_few(&self, decision: &Decision) -> Option<String> {
        let held = self.rows.saturating_sub(decision.cells.missing()) as u64;
        let few = decision.kind.is_numeric() && (1..SHARED_ROWS_MIN).contains(&held);
        (few && self.rows as u64 >= TRAIN_ROWS_MIN).then(|| {
            format!(
                "only {held} of its cells hold a value: fewer than {SHARED_ROWS_MIN} would tell \
                 whose they are, so synthetic cells stay empty"
            )
        })
    }

    fn missing_token(&self, decision: &Decision) -> Option<String> {
        let missing = decision.cells.missing() as u64;
        if missing == 0 {
            return None;
        }
        let told: u64 = decision.tokens.iter().map(|(_, count)| count).sum();
        let mut best = (String::new(), 0);
        let tokens = decision.tokens.iter().filter(|(text, _)| !is_infinite(text));
        let tokens = tokens.map(|(text, count)| ((*text).to_owned(), *count));
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
        let gathered = self.join(parts, false, distinct_max)?;
        let numbers = Numbers::read(&gathered, self.comma, self.mark);
        let are_codes = numbers.is_ok();
        if let Ok(numbers) = numbers {
            if let Some(days) = self.compact_days(&gathered, &numbers) {
                return Ok(days);
            }
            if !self.are_postal_codes(&numbers, distinct_max) {
                return self.of_numbers(gathered, numbers);
            }
        }
        let long = if are_codes { None } else { LongNumbers::read(&gathered) };
        let offset = long.as_ref().map(LongNumbers::offset);
        if let (Some(long), Some(Some(offset))) = (&long, offset)
            && let Some(decision) = long.decide(self, offset)
        {
            return Ok(decision);
        }
        let mut decision = self.infer_texts(match gathered {
            // Postal codes, and whole numbers too large for a double, are names.
            Gathered::Numbers(parts) => self.join(parts, true, distinct_max)?,
            other => other,
        })?;
        if offset == Some(None) && decision.kind == ColumnKind::Text {
            let notice = "its whole numbers are too large and too far apart to be held exactly: \
                          read as texts, which are made anew by their look, not learned";
            decision.notices.push(notice.to_owned());
        }
        Ok(decision)
    }

    fn infer_texts(&self, gathered: Gathered) -> Result<Decision, EngineError> {
        if let Ok(moments) = Moments::read(&gathered, None)
            && !is_single(&gathered)
        {
            return Ok(of_moments(moments.by_their_clock(&gathered)));
        }
        match gathered {
            Gathered::Levels(levels) => self.of_levels(levels),
            other => self.of_texts(self.texts(other)?),
        }
    }

    pub(super) fn join(
        &self,
        parts: Vec<Part>,
        as_text: bool,
        distinct_max: usize,
    ) -> Result<Gathered, EngineError> {
        Gathered::join(parts, as_text, distinct_max).map_err(|long| long.of(self.name))
    }

    pub(super) fn texts(&self, gathered: Gathered) -> Result<Texts, EngineError> {
        gathered.into_texts().map_err(|long| long.of(self.name))
    }

    fn of_numbers(&self, gathered: Gathered, numbers: Numbers) -> Result<Decision, EngineError> {
        let tokens: Vec<_> = numbers.tokens().collect();
        let (count, missing, notices) = (numbers.count, numbers.missing(), numbers.notices());
        if count == 0 {
            return Ok(nothing(self.rows, tokens));
        }
        let few = numbers.distinct(FEW_NUMBERS);
        let all_shared =
            |values: &[(f64, u64)]| values.iter().all(|(_, rows)| *rows >= SHARED_ROWS_MIN);
        let decide = |kind, reason, format, cells| {
            let (tokens, notices) = (tokens.clone(), notices.clone());
            Ok(Decision { kind, reason, format, cells, tokens, notices })
        };
        if let Some(values) = &few
            && (values.len() == 1 && missing == 0 || all_shared(values))
        {
            let values: Vec<f64> = values.iter().map(|(value, _)| *value).collect();
            let texts = texts_of(&values, &gathered, &numbers);
            let shown = texts.iter().take(3).map(|text| shown(text.as_bytes()));
            let mut shown = shown.collect::<Vec<_>>().join(", ");
            shown.push_str(if texts.len() > 3 { " …" } else { "" });
            let cells = numbers_as_levels(&numbers, &values, &texts);
            if values.len() == 1 && missing == 0 {
                let reason = format!("the same number {shown} in every row");
                return decide(ColumnKind::Constant, reason, ValueFormat::Verbatim, cells);
            }
            let reason = format!("only {} distinct numbers: {shown}", values.len());
            let format = match numbers.format(self.exact) {
                exact @ ValueFormat::Exact { .. } => exact,
                _ => ValueFormat::Verbatim,
            };
            return decide(ColumnKind::Category, reason, format, cells);
        }
        if let Some(reason) = self.number_names_rows(&numbers) {
            let cells = self.texts(gathered)?.into_cells(|_| false);
            return decide(ColumnKind::Id, reason, ValueFormat::Verbatim, cells);
        }
        let (least, most) = (figure::plain(numbers.range.0), figure::plain(numbers.range.1));
        let format = numbers.format(self.exact);
        let (kind, what) = if numbers.whole {
            (ColumnKind::Integer, "whole numbers")
        } else {
            (ColumnKind::Real, "numbers")
        };
        let reason = format!("{count} {what} between {least} and {most}");
        decide(kind, reason, format, Cells::Number(numbers.into_array()))
    }

    fn number_names_rows(&self, numbers: &Numbers) -> Option<String> {
        let plain = numbers.whole && numbers.digits_max == 0 && numbers.dress.is_none();
        if numbers.missing() > 0 || !plain || self.rows < 2 {
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
                let cells = self.texts(Gathered::Levels(levels))?.into_cells(|_| false);
                return decide(ColumnKind::Id, reason, cells);
            }
        }
        if unique && present > 3 || distinct > FEW_NUMBERS && 2 * distinct > present {
            let reason =
                format!("{distinct} distinct texts in {present} cells: they hardly repeat");
            let cells = self.texts(Gathered::Levels(levels))?.into_cells(|_| false);
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
    let Moments { kind, pattern, values, ambiguous, zones_differ, tokens } = moments;
    let what = match kind {
        ColumnKind::Date => "days",
        ColumnKind::Time => "times of day",
        _ => "days with a time",
    };
    let count = values.len() - arrow::array::Array::null_count(&values);
    let swapped = ambiguous.map(|other| {
        format!(
            "every cell fits {pattern} and {other}: read as {pattern}; to change it, give the \
             format in the metadata"
        )
    });
    let in_utc = zones_differ
        .then(|| "its moments stand in several time zones: read and written in UTC".to_owned());
    Decision {
        kind,
        reason: format!("{count} {what} written as {pattern}"),
        format: ValueFormat::Moment { pattern },
        cells: Cells::Number(values),
        tokens,
        notices: swapped.into_iter().chain(in_utc).collect(),
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

fn are_distinct(texts: &Texts) -> bool {
    let mut sorted: Vec<&[u8]> = texts.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[0] != pair[1])
}

/// The error for a cell that does not fit what was asked for.
pub(crate) fn bad_cell(settling: &Settling, row: usize, text: &[u8], wanted: &str) -> EngineError {
    let cell = shown(text);
    let message = format!(
        "cannot read column \"{}\" as {wanted}: {} holds {cell}; mend the cell, ask for another \
         kind in the metadata, or list the text under \"missing\"",
        settling.name,
        settling.places.name(row),
    );
    EngineError::quoting(Code::BadCell, message, cell)
}
