//! Readers of sources: CSV, JSON lines, Parquet and Excel in, an agreed table or a dataset folder
//! out.
//!
//! ```text
//! source ─▶ raw (parts without meaning) ─▶ gather ─▶ kind or wish ─▶ table ─▶ holdout ─▶ dataset
//! ```
//!
//! * what is a file? its content decides ([`source`]); a name that promises another table
//!   format than the content is followed by a notice, one that cannot be kept gives an error
//! * what is missing? the empty cell and one of blanks alone, always; `NA`, `?`, `null` and the
//!   like only where everything else in the column is a number or a date; what the metadata
//!   calls missing, everywhere
//! * when are numbers categories? at most ten distinct values, each standing twice or more on
//!   average
//! * when are texts categories? at most max(200, a third of the rows) distinct ones, not hardly
//!   repeating
//! * what is an id? unique and never missing, and a name that says so, or a run of whole
//!   numbers without a gap, or one fixed pattern
//! * what is no number? `007`, whole numbers beyond 2⁵³; `1,234` alone, where no column of the file
//!   tells whether its comma parts thousands
//! * what may a number wear? one sign of money or percent, parted thousands, a decimal comma: the
//!   same in every cell, and written back
//! * when are whole numbers none? days as `20150113`, and postal codes that repeat
//! * who is kept aside? a fifth of the rows, at least one of two rows or more; the only row of
//!   a table trains

pub mod block;
pub mod blocks;
pub mod calendar;
pub mod coded_numbers;
pub mod csv;
pub mod dialect;
pub mod dictionary;
pub mod dress;
pub mod encoding;
pub mod excel;
pub mod few_numbers;
pub mod gather;
pub mod guard;
pub mod holdout;
pub mod json_lines;
pub mod kind;
pub mod levels;
pub mod long_numbers;
pub mod missing;
pub mod name_hint;
pub mod number;
pub mod numbers;
pub mod odd_cells;
pub mod parquet;
pub mod part;
pub mod pattern_id;
pub mod raw;
pub mod records;
pub mod source;
pub mod wish;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tgs_protocol::{
    code::Code,
    column::ColumnSpec,
    engine::{DatasetFacts, EngineError, IngestOrder},
    metadata::Metadata,
    progress::Watch,
};

use crate::{
    dataset::write_dataset,
    ingest::{
        dress::mark_of_file,
        guard::guarded,
        kind::{Settled, Settling},
        levels::unify_levels,
        part::Part,
        raw::Raw,
        source::{Content, Source},
        wish::{Wish, check_target, like, wishes},
    },
    profile,
    table::Table,
};

/// Reads a source, agrees kinds, keeps rows aside, and writes a dataset folder into `order.into`.
///
/// # Errors
/// As [`read_table`] and [`read_like`]; `STORE-0003` and `STORE-0004` when the folder cannot be
/// written.
pub fn ingest(order: &IngestOrder, watch: &dyn Watch) -> Result<DatasetFacts, EngineError> {
    let (table, mut notices) = read_table(&order.source, order.metadata.as_ref(), watch)?;
    notices.extend(profile::personal_data(&table));
    let (train, aside) = match &order.holdout {
        None => holdout::split(table, order.seed),
        Some(path) => {
            let specs: Vec<_> =
                table.columns().iter().map(|column| Arc::clone(&column.spec)).collect();
            let called_missing = order.metadata.as_ref().map_or(&[][..], |known| &known.missing);
            let (aside, more) = read_like(path, &specs, called_missing, watch)?;
            notices.extend(more.into_iter().map(|notice| format!("kept-aside rows: {notice}")));
            let mut unified = unify_levels(vec![table, aside]).into_iter();
            match (unified.next(), unified.next()) {
                (Some(train), Some(aside)) => (train, aside),
                _ => return Err(EngineError::new(Code::Internal, "tables were lost")),
            }
        }
    };
    watch.go_on()?;
    let target = order.metadata.as_ref().and_then(|metadata| metadata.target.clone());
    write_dataset(&order.into, &train, &aside, target, notices)
}

/// Reads a file and agrees the kind of each column. Gives the table and what a user should know.
///
/// # Errors
/// `DATA-0001` to `DATA-0008` for files that cannot be read, `USE-0003` when the metadata does not
/// fit.
pub fn read_table(
    path: &Path,
    metadata: Option<&Metadata>,
    watch: &dyn Watch,
) -> Result<(Table, Vec<String>), EngineError> {
    let called_missing = metadata.map(|metadata| metadata.missing.as_slice()).unwrap_or_default();
    let raw = read_raw(path, called_missing, watch)?;
    let wishes = wishes(&raw.names, metadata)?;
    let (table, notices) = settle(raw, &wishes, called_missing, watch)?;
    let specs: Vec<&ColumnSpec> = table.columns().iter().map(|column| &*column.spec).collect();
    check_target(&specs, metadata.and_then(|metadata| metadata.target.as_deref()))?;
    Ok((table, notices))
}

/// Reads a file whose columns are those of another table, in any order: same kinds, same formats.
/// Categories may be new; see [`unify_levels`](levels::unify_levels). `called_missing`: what the
/// metadata of that table calls missing. Gives the table and what a user should know.
///
/// # Errors
/// `DATA-0010` when a column is missing or one too many, `DATA-0008` when a cell does not fit, else
/// as [`read_table`].
pub fn read_like(
    path: &Path,
    specs: &[Arc<ColumnSpec>],
    called_missing: &[String],
    watch: &dyn Watch,
) -> Result<(Table, Vec<String>), EngineError> {
    let called_missing = called_missing_by(specs, called_missing);
    let mut raw = read_raw(path, &called_missing, watch)?;
    let differ = |what: String| {
        let message = format!("cannot compare {}: {what}", path.display());
        Err(EngineError::new(Code::TablesDiffer, message))
    };
    let listed = |names: Vec<&str>| {
        let mut shown: Vec<String> =
            names.iter().take(5).map(|name| format!("\"{name}\"")).collect();
        shown.extend((names.len() > 5).then(|| format!("and {} more", names.len() - 5)));
        shown.join(", ")
    };
    let known = |name: &str| specs.iter().any(|spec| spec.name == name);
    let found = |name: &str| raw.names.iter().any(|found| found == name);
    let lost: Vec<&str> =
        specs.iter().map(|spec| spec.name.as_str()).filter(|name| !found(name)).collect();
    let extra: Vec<&str> =
        raw.names.iter().map(String::as_str).filter(|name| !known(name)).collect();
    match (lost.is_empty(), extra.is_empty()) {
        (true, true) => {}
        (false, true) => return differ(format!("it lacks columns {}", listed(lost))),
        (true, false) => return differ(format!("it has further columns {}", listed(extra))),
        (false, false) => {
            let (lost, extra) = (listed(lost), listed(extra));
            return differ(format!("it lacks columns {lost} and has further columns {extra}"));
        }
    }
    raw.order_by(specs);
    settled_like(raw, specs, &called_missing, watch)
}

/// Reads a file whose columns are some of another table's, in any order: same kinds, same formats.
/// Gives the table, its columns in the order of `specs`, and what a user should know.
///
/// # Errors
/// `DATA-0010` when a column is none of them, or none of them is there; `DATA-0008` when a cell
/// does not fit; else as [`read_table`].
pub fn read_part_of(
    path: &Path,
    specs: &[Arc<ColumnSpec>],
    watch: &dyn Watch,
) -> Result<(Table, Vec<String>), EngineError> {
    let called_missing = called_missing_by(specs, &[]);
    let mut raw = read_raw(path, &called_missing, watch)?;
    let known = |name: &String| specs.iter().any(|spec| spec.name == *name);
    if let Some(extra) = raw.names.iter().find(|name| !known(name)) {
        let message = format!(
            "complete the rows of {}: the model has no column \"{extra}\"; leave it out",
            path.display()
        );
        return Err(EngineError::new(Code::TablesDiffer, message));
    }
    let found = |spec: &&Arc<ColumnSpec>| raw.names.contains(&spec.name);
    let specs: Vec<Arc<ColumnSpec>> = specs.iter().filter(found).cloned().collect();
    raw.order_by(&specs);
    settled_like(raw, &specs, &called_missing, watch)
}

/// What cells that are no numbers call missing, where the columns are like these.
fn called_missing_by(specs: &[Arc<ColumnSpec>], called_missing: &[String]) -> Vec<String> {
    let tokens = specs.iter().filter(|spec| !spec.kind.is_numeric());
    let mut called_missing: Vec<String> = tokens
        .filter_map(|spec| spec.missing_token.clone())
        .filter(|text| !text.is_empty())
        .chain(called_missing.iter().cloned())
        .collect();
    called_missing.sort_unstable();
    called_missing.dedup();
    called_missing
}

/// Columns in the order of others, settled as those are.
fn settled_like(
    raw: Raw,
    specs: &[Arc<ColumnSpec>],
    called_missing: &[String],
    watch: &dyn Watch,
) -> Result<(Table, Vec<String>), EngineError> {
    let wishes: Vec<Option<Wish>> = specs.iter().map(|spec| Some(like(spec))).collect();
    let (table, notices) = settle(raw, &wishes, called_missing, watch)?;
    let columns = table.columns().iter().zip(specs).map(|(column, spec)| crate::table::Column {
        spec: Arc::clone(spec),
        cells: column.cells.clone(),
    });
    Ok((Table::new(columns.collect()), notices))
}

fn read_raw(path: &Path, called_missing: &[String], watch: &dyn Watch) -> Result<Raw, EngineError> {
    let source = Source::open(path)?;
    let called_missing: Vec<Vec<u8>> =
        called_missing.iter().map(|text| text.clone().into_bytes()).collect();
    let mut raw = match source.content {
        Content::Csv => csv::read_csv(&source, &called_missing, watch)?,
        Content::JsonLines => json_lines::read_json_lines(&source, &called_missing, watch)?,
        Content::Parquet => {
            guarded(&source, || parquet::read_parquet(&source, &called_missing, watch))?
        }
        Content::Excel => guarded(&source, || excel::read_excel(&source, &called_missing, watch))?,
    };
    raw.notices.splice(0..0, source.notices);
    Ok(raw)
}

/// Settles every column; each on one thread, whichever is free.
fn settle(
    mut raw: Raw,
    wishes: &[Option<Wish>],
    called_missing: &[String],
    watch: &dyn Watch,
) -> Result<(Table, Vec<String>), EngineError> {
    let columns = std::mem::take(&mut raw.columns);
    let mark = mark_of_file(&columns, raw.comma);
    let waiting: Vec<Mutex<Option<Vec<Part>>>> =
        columns.into_iter().map(|parts| Mutex::new(Some(parts))).collect();
    let settled: Vec<Mutex<Option<Result<Settled, EngineError>>>> =
        waiting.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let (Some(parts), Some(into)) = (waiting.get(at), settled.get(at)) else { break };
            let parts = parts.lock().unwrap_or_else(PoisonError::into_inner).take();
            let outcome = if watch.stopped() {
                Err(EngineError::Stopped)
            } else {
                settling(&raw, at, mark, called_missing)
                    .settle(parts.unwrap_or_default(), wishes.get(at).and_then(Option::as_ref))
            };
            *into.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(waiting.len());
    thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    let (mut columns, mut notices) = (Vec::new(), std::mem::take(&mut raw.notices));
    for slot in settled {
        let outcome = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
        let settled = outcome
            .unwrap_or_else(|| Err(EngineError::new(Code::Internal, "a column was not settled")))?;
        notices.extend(settled.notices);
        columns.push(settled.column);
    }
    Ok((Table::new(columns), notices))
}

fn settling<'a>(
    raw: &'a Raw,
    at: usize,
    mark: Option<char>,
    called_missing: &[String],
) -> Settling<'a> {
    let counts = raw.called_missing.get(at).map(Vec::as_slice).unwrap_or_default();
    let most = counts.iter().zip(called_missing).filter(|(count, _)| **count > 0);
    let most = most.max_by_key(|(count, _)| **count);
    Settling {
        name: raw.names.get(at).map(String::as_str).unwrap_or_default(),
        rows: raw.rows,
        places: &raw.places,
        comma: raw.comma,
        mark,
        exact: raw.exact.get(at).copied().flatten(),
        called_missing: most.map(|(count, text)| (text.clone(), *count)),
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
