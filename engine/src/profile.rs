//! Profile of a table: what a person needs to see before a model learns from it.
//!
//! Counts, quantiles, top values, keys and duplicate rows are exact, over all rows. Associations
//! are taken over at most [`ASSOCIATION_ROWS_MAX`] evenly spaced rows, which moves a correlation by
//! less than .005.

mod association;
mod keys;
mod levels;
mod numbers;
pub(crate) mod personal;

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tgs_protocol::{
    code::Code,
    engine::EngineError,
    profile::{ColumnProfile, Correlation, NumberProfile, Profile, TopValue},
    progress::{Progress, ProgressUnit, Watch},
    stage::Stage,
};

use crate::table::{Cells, Column, Table};

/// Most frequent values listed per column.
pub const TOP_VALUES: usize = 20;
/// Rows that associations look at.
pub const ASSOCIATION_ROWS_MAX: usize = 100_000;
/// Columns that are paired; the first ones of wider tables.
const PAIRED_COLUMNS_MAX: usize = 200;
/// Associations kept, strongest first.
const CORRELATIONS_KEPT: usize = 1_000;

/// Profiles a table.
///
/// # Errors
/// Only `Stopped`, when the watch says so.
pub fn profile(table: &Table, watch: &dyn Watch) -> Result<Profile, EngineError> {
    let columns = table.columns();
    let profiles = in_parallel(columns.len(), watch, |at| profile_column(&columns[at]))?;
    let hashes = keys::row_hashes(table);
    let pairs = association::pairs(table, PAIRED_COLUMNS_MAX);
    let sample = association::Sample::of(table, ASSOCIATION_ROWS_MAX);
    let mut correlations: Vec<Correlation> =
        in_parallel(pairs.len(), watch, |at| sample.associate(table, pairs[at]))?
            .into_iter()
            .flatten()
            .collect();
    correlations.sort_by(|a, b| {
        let strength = b.strength.abs().total_cmp(&a.strength.abs());
        strength.then_with(|| (&a.a, &a.b).cmp(&(&b.a, &b.b)))
    });
    correlations.truncate(CORRELATIONS_KEPT);
    watch.go_on()?;
    Ok(Profile {
        rows: table.rows() as u64,
        key_candidates: keys::candidates(table, &profiles),
        duplicate_rows: keys::duplicates(hashes),
        columns: profiles,
        correlations,
    })
}

/// What looks like personal data, one sentence a column that names it.
pub fn personal_data(table: &Table) -> impl Iterator<Item = String> + '_ {
    let hinted = |column: &Column| {
        let (name, hint) = (&column.spec.name, personal::hint(column)?);
        let fate = match column.spec.kind.is_generated() {
            true => "its values are made anew",
            false => "its values are learned; leave it out, or declare it id or text",
        };
        Some(format!("column \"{name}\" may be personal data: {hint}; {fate}"))
    };
    table.columns().iter().filter_map(hinted)
}

fn profile_column(column: &Column) -> ColumnProfile {
    let (distinct, numbers, top): (u64, Option<NumberProfile>, Vec<TopValue>) = match &column.cells
    {
        Cells::Number(values) => {
            let runs = numbers::runs(values);
            let top = numbers::top(&runs, &column.spec, TOP_VALUES);
            let offset = column.spec.format.offset() as f64;
            (runs.len() as u64, numbers::summary(&runs, offset), top)
        }
        Cells::Level { codes, levels } => {
            let (distinct, top) = levels::of_levels(codes, levels, TOP_VALUES);
            (distinct, None, top)
        }
        Cells::Text(texts) => {
            let (distinct, top) = levels::of_texts(texts, TOP_VALUES);
            (distinct, None, top)
        }
    };
    ColumnProfile {
        spec: column.spec.as_ref().clone(),
        missing: column.cells.missing() as u64,
        distinct,
        numbers,
        top,
        personal_data_hint: personal::hint(column),
    }
}

/// Does `count` pieces of work on whichever threads are free; results in their order.
fn in_parallel<T: Send>(
    count: usize,
    watch: &dyn Watch,
    work: impl Fn(usize) -> T + Sync,
) -> Result<Vec<T>, EngineError> {
    let done: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let run = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count || watch.stopped() {
                break;
            }
            let result = work(at);
            *done[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            let (done, total) = (at as u64 + 1, Some(count as u64));
            watch.tell(Progress::of(Stage::Profile, done, total, ProgressUnit::Parts));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(count);
    thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(run)));
        run();
    });
    watch.go_on()?;
    let results = done.into_iter().map(|slot| {
        let result = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
        result.ok_or_else(|| EngineError::new(Code::Internal, "a part of a profile was lost"))
    });
    results.collect()
}

#[cfg(test)]
mod tests;
