//! What a user, or a first table, says a column is; a cell that does not fit is told, not bent.

use std::sync::Arc;

use tgs_protocol::{
    code::Code,
    column::{ColumnKind, ColumnSpec, ValueFormat},
    engine::EngineError,
    metadata::{ColumnHint, Metadata},
};

use crate::{
    ingest::{
        calendar::{Moments, Named},
        gather::Gathered,
        kind::{Decision, Settling, bad_cell, nothing, of_moments},
        long_numbers::LongNumbers,
        missing::token,
        name_hint::nearest,
        numbers::{Comma, Numbers},
        part::Part,
    },
    table::Cells,
};

/// A wish for one column.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What the values mean.
    pub kind: ColumnKind,
    /// The pattern of a date or time.
    pub pattern: Option<Named>,
    /// The column of another table that this one is to be like.
    pub like: Option<Arc<ColumnSpec>>,
}

/// The wishes of a metadata file, per column of the table.
///
/// # Errors
/// `USE-0003` when it names a column that is not there or a pattern that is none.
pub fn wishes(
    names: &[String],
    metadata: Option<&Metadata>,
) -> Result<Vec<Option<Wish>>, EngineError> {
    let Some(metadata) = metadata else { return Ok(vec![None; names.len()]) };
    let known = |what: &str, name: &String| {
        if names.contains(name) {
            return Ok(());
        }
        let near = nearest(name, names.iter().map(String::as_str)).unwrap_or_default();
        let message = format!(
            "{what} \"{name}\", which the table does not have; the nearest name is \"{near}\""
        );
        Err(EngineError::new(Code::BadMetadata, message))
    };
    metadata.columns.keys().try_for_each(|name| known("the metadata names column", name))?;
    metadata.target.iter().try_for_each(|name| known("the target is column", name))?;
    let wish = |name: &String| metadata.columns.get(name).map(|hint| of_hint(name, hint));
    names.iter().map(|name| wish(name).transpose()).collect()
}

/// Refuses a target that cannot be predicted, once kinds are known.
///
/// # Errors
/// `USE-0003` for an id or a text, which are made anew, and for a constant.
pub fn check_target(specs: &[&ColumnSpec], target: Option<&str>) -> Result<(), EngineError> {
    let found = specs.iter().find(|spec| Some(spec.name.as_str()) == target);
    let Some(ColumnSpec { name, kind, reason, .. }) = found else { return Ok(()) };
    let why = match kind {
        ColumnKind::Id | ColumnKind::Text => "is made anew and never learned",
        ColumnKind::Constant => "has one value",
        _ => return Ok(()),
    };
    let message = format!(
        "the target \"{name}\" is of kind {kind} ({reason}), which {why}, so that nothing can \
         predict it; name another column, or its kind in the metadata"
    );
    // Why it is of that kind may quote cells.
    Err(EngineError::quoting(Code::BadMetadata, message, reason))
}

fn of_hint(name: &str, hint: &ColumnHint) -> Result<Wish, EngineError> {
    let kind = hint.kind();
    let bad = |why: String| {
        let message = format!("the metadata of column \"{name}\" cannot be used: {why}");
        EngineError::new(Code::BadMetadata, message)
    };
    let pattern = match hint.format() {
        None => None,
        Some(text) => {
            let pattern = Named::new(text).ok_or_else(|| {
                bad(format!("format \"{text}\" is no strftime pattern known here"))
            })?;
            if pattern.kind() != kind {
                let why = format!("format \"{text}\" does not fit kind {}", name_of(kind));
                return Err(bad(why));
            }
            Some(pattern)
        }
    };
    Ok(Wish { kind, pattern, like: None })
}

/// The wish to be like a column of another table.
pub fn like(spec: &Arc<ColumnSpec>) -> Wish {
    let pattern = match &spec.format {
        ValueFormat::Moment { pattern } => Named::new(pattern),
        _ => None,
    };
    Wish { kind: spec.kind, pattern, like: Some(Arc::clone(spec)) }
}

/// Makes a column what was asked for.
pub(crate) fn fulfil(
    settling: &Settling,
    parts: Vec<Part>,
    wish: &Wish,
) -> Result<Decision, EngineError> {
    let mut decision = match wish.kind {
        ColumnKind::Integer | ColumnKind::Real => numbers(settling, parts, wish)?,
        ColumnKind::Date | ColumnKind::Time | ColumnKind::Datetime => {
            moments(settling, parts, wish)?
        }
        ColumnKind::Boolean | ColumnKind::Category | ColumnKind::Constant => {
            levels(settling, parts, wish)?
        }
        ColumnKind::Id | ColumnKind::Text => texts(settling, parts, wish)?,
    };
    decision.reason = "given by metadata".to_owned();
    if let Some(spec) = &wish.like {
        decision.reason.clone_from(&spec.reason);
        decision.format = spec.format.clone();
        decision.kind = spec.kind;
    }
    Ok(decision)
}

fn numbers(settling: &Settling, parts: Vec<Part>, wish: &Wish) -> Result<Decision, EngineError> {
    let gathered = settling.join(parts, false, usize::MAX)?;
    let comma = if settling.comma == Comma::Never { Comma::Thousands } else { Comma::Always };
    let worn = match wish.like.as_deref().map(|spec| &spec.format) {
        Some(ValueFormat::Dressed { dress, .. }) => {
            Numbers::read_in(&gathered, Some(dress.clone())).ok()
        }
        _ => None,
    };
    let like = wish.like.as_ref().map(|spec| spec.format.clone());
    let wanted = match &like {
        Some(ValueFormat::Whole { offset }) => Some(*offset),
        _ => None,
    };
    // Another program may have written the same numbers in another form.
    let read = worn.map_or_else(|| Numbers::read(&gathered, comma, settling.mark), Ok);
    if (read.is_err() || wanted.is_some())
        && let Some(long) = LongNumbers::read(&gathered)
        && let Some(offset) = wanted.or_else(|| long.offset().filter(|_| like.is_none()))
    {
        let format = ValueFormat::Whole { offset };
        return Ok(decided(wish, format, long.less(offset), long.tokens()));
    }
    let numbers = read.map_err(|wrong| bad_cell(settling, wrong.row, &wrong.text, "numbers"))?;
    let integer = wish.kind == ColumnKind::Integer && wish.like.is_none();
    if integer && !numbers.whole {
        let broken = |row: &usize| {
            numbers.is_present(*row) && numbers.values[*row] != numbers.values[*row].trunc()
        };
        let row = (0..numbers.values.len()).find(broken).unwrap_or(0);
        let text = numbers.values[row].to_string();
        return Err(bad_cell(settling, row, text.as_bytes(), "whole numbers"));
    }
    let (tokens, format) = (numbers.tokens().collect(), numbers.format(settling.exact));
    let notices = numbers.notices();
    let mut values = numbers.into_array();
    if let Some(offset) = wanted {
        // Another program may have written long numbers with an exponent.
        values = values.unary(|value| value - offset as f64);
    }
    let cells = Cells::Number(values);
    Ok(Decision { notices, ..decided(wish, format, cells, tokens) })
}

fn moments(settling: &Settling, parts: Vec<Part>, wish: &Wish) -> Result<Decision, EngineError> {
    let gathered = settling.join(parts, true, usize::MAX)?;
    let mut found = Moments::read(&gathered, wish.pattern.as_ref());
    if found.is_err() && wish.like.is_some() {
        // Another program may have written the same moments in another form.
        found = Moments::read(&gathered, None).or(found);
    }
    match found {
        Ok(moments) => {
            if moments.kind != wish.kind && wish.like.is_none() {
                let (row, text) = first_text(&gathered);
                return Err(bad_cell(settling, row, &text, name_of(wish.kind)));
            }
            Ok(of_moments(moments))
        }
        // An empty column holds no moment that could be wrong.
        Err(wrong) if wrong.text.is_empty() => {
            let none: arrow::array::Float64Array = vec![None::<f64>; settling.rows].into();
            let pattern = match wish.kind {
                ColumnKind::Date => "%Y-%m-%d",
                ColumnKind::Time => "%H:%M:%S",
                _ => "%Y-%m-%d %H:%M:%S",
            };
            let format = ValueFormat::Moment { pattern: pattern.to_owned() };
            Ok(decided(wish, format, Cells::Number(none), Vec::new()))
        }
        Err(wrong) => Err(bad_cell(settling, wrong.row, &wrong.text, name_of(wish.kind))),
    }
}

fn levels(settling: &Settling, parts: Vec<Part>, wish: &Wish) -> Result<Decision, EngineError> {
    let gathered = settling.join(parts, true, usize::MAX)?;
    let Gathered::Levels(levels) = gathered else {
        return Err(EngineError::new(Code::Internal, "texts without bound were not numbered"));
    };
    let allowed = match wish.kind {
        _ if wish.like.is_some() => usize::MAX,
        ColumnKind::Boolean => 2,
        ColumnKind::Constant => 1,
        _ => usize::MAX,
    };
    if levels.counts.len() > allowed {
        let extra = allowed as u32;
        let text = levels.dictionary.get(extra);
        return Err(bad_cell(settling, levels.first_row(extra), text, name_of(wish.kind)));
    }
    if levels.counts.is_empty() {
        let mut decision = nothing(settling.rows, Vec::new());
        decision.kind = wish.kind;
        return Ok(decision);
    }
    let cells = levels.into_cells(|code| Some(levels.dictionary.get(code)));
    Ok(decided(wish, ValueFormat::Verbatim, cells, Vec::new()))
}

fn texts(settling: &Settling, parts: Vec<Part>, wish: &Wish) -> Result<Decision, EngineError> {
    let gathered = settling.join(parts, true, 0)?;
    if wish.kind == ColumnKind::Id
        && wish.like.is_none()
        && let Some((row, text)) = repeated(&gathered)
    {
        return Err(bad_cell(settling, row, &text, "an id, which never repeats"));
    }
    let cells = settling.texts(gathered)?.into_cells(|_| false);
    Ok(decided(wish, ValueFormat::Verbatim, cells, Vec::new()))
}

fn repeated(gathered: &Gathered) -> Option<(usize, Vec<u8>)> {
    let mut seen = crate::ingest::dictionary::Dictionary::default();
    let mut row = 0;
    let mut found = None;
    gathered.each_text(|text| {
        let known = seen.len();
        if !text.is_empty() && (seen.insert(text) as usize) < known {
            found = Some((row, text.to_vec()));
        }
        row += 1;
        found.is_none()
    });
    found
}

fn first_text(gathered: &Gathered) -> (usize, Vec<u8>) {
    let mut first = (0, Vec::new());
    let mut row = 0;
    gathered.each_text(|text| {
        if !text.is_empty() && token(text).is_none() {
            first = (row, text.to_vec());
            return false;
        }
        row += 1;
        true
    });
    first
}

fn decided(
    wish: &Wish,
    format: ValueFormat,
    cells: Cells,
    tokens: Vec<(&'static str, u64)>,
) -> Decision {
    let (kind, reason) = (wish.kind, String::new());
    Decision { kind, reason, format, cells, tokens, notices: Vec::new() }
}

fn name_of(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Integer => "integer",
        ColumnKind::Real => "real",
        ColumnKind::Boolean => "boolean",
        ColumnKind::Category => "category",
        ColumnKind::Date => "date",
        ColumnKind::Time => "time",
        ColumnKind::Datetime => "datetime",
        ColumnKind::Id => "id",
        ColumnKind::Text => "text",
        ColumnKind::Constant => "constant",
    }
}
