//! Every measure of the report: fidelity, utility, privacy, validity, and the verdict of the gates.
//!
//! | to find | open |
//! |---|---|
//! | the three tables on one footing | [`frame`] |
//! | one column, one pair of columns, associations | [`shape`], `pair`, [`association`] |
//! | detection, utility, columns in bins | `detect`, `utility`, `bins` |
//! | rows as points, distances, α-precision | `space`, `closest`, `support` |
//! | membership inference | `membership` |
//! | singling out, linking, inferring | `attacks` |
//! | exact copies, new rows, ids | `copies`, `new_rows`, `keys` |
//! | missing together, moments in order | `missing_pattern`, `order_of_moments` |
//! | sentences, gates | `metrics`, `verdict` |
//!
//! The same tables and the same seed give the same bytes, whatever the number of threads.

pub mod association;
mod attacks;
pub(crate) mod bins;
mod closest;
mod columns;
pub(crate) mod copies;
mod crew;
mod detect;
mod embedding;
pub mod frame;
mod keys;
mod measured;
mod membership;
mod metrics;
mod missing_pattern;
mod new_rows;
mod order_of_moments;
mod pair;
mod pairs;
mod picture;
mod row_key;
mod sample;
pub(crate) mod score;
pub mod shape;
mod space;
mod support;
mod utility;
mod verdict;

#[cfg(test)]
mod tests;

use tgs_protocol::{
    code::Code,
    engine::EngineError,
    gate::Gates,
    progress::Watch,
    report::{ColumnReport, Curve, Report, TablesCompared},
    unit::separated,
};

use crate::{
    measure::{crew::Crew, frame::Frame, measured::Measured},
    profile::personal,
    table::{Column, Table},
};

/// Shape of the report document.
const REPORT_VERSION: u32 = 1;

/// What is compared. All tables hold the same columns; dictionaries of levels may differ.
#[derive(Debug, Clone, Copy)]
pub struct Tables<'a> {
    /// Rows that trained.
    pub train: &'a Table,
    /// Rows kept aside; without any, measures that need them say so.
    pub holdout: &'a Table,
    /// Rows under judgement.
    pub synthetic: &'a Table,
}

/// How it is compared.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Column to predict in the utility measure; else chosen from the table.
    pub target: Option<String>,
    /// Thresholds.
    pub gates: Gates,
    /// Seed of every subsample, fold and tree.
    pub seed: u64,
    /// Threads that may work at once; changes the time, not the report.
    pub threads: u32,
    /// Model name and its main constants, for the reader.
    pub model: Option<String>,
    /// Curves of the training run, for the reader.
    pub curves: Vec<Curve>,
}

/// Measures a synthetic table.
///
/// # Errors
/// `TablesDiffer` when a column is missing or of another kind in one table, `EmptySource` when a
/// table that must have rows has none, `Stopped` when the watch says so.
pub fn measure(
    tables: &Tables,
    settings: &Settings,
    watch: &dyn Watch,
) -> Result<Report, EngineError> {
    for (table, which) in [(tables.train, "real"), (tables.synthetic, "synthetic")] {
        if table.rows() == 0 {
            return Err(EngineError::new(
                Code::EmptySource,
                format!("the {which} table has no rows, so there is nothing to measure"),
            ));
        }
    }
    let crew = Crew::new(settings.threads.max(1) as usize, watch);
    let frame = Frame::new(tables.train, tables.holdout, tables.synthetic)?;
    let measured = Measured::take(tables, &frame, settings, crew)?;
    let crew = crew.enter(measured::PARTS - 1, "rows in the plane")?;
    let embedding = embedding::measure(&frame, settings.seed, crew)?;
    let personal = personal_data(tables.train, tables.synthetic);
    let (verdict, gates) = verdict::judge(&measured, &personal, &settings.gates);
    Ok(Report {
        version: REPORT_VERSION,
        verdict,
        gates,
        tables: compared(&frame, settings),
        metrics: metrics::all(&measured),
        notices: notices(&frame, &measured),
        columns: worst_first(measured.columns.into_iter().map(|column| column.report).collect()),
        pairs: measured.pairs.reports,
        orders: measured.orders,
        correlations: measured.pairs.correlations,
        embedding,
        distances: measured.closest.curves,
        curves: settings.curves.clone(),
    })
}

/// Columns that look like names or addresses of people, of which the synthetic table holds some.
fn personal_data(train: &Table, synthetic: &Table) -> Vec<String> {
    let holds_real = |real: &&Column| {
        let named = |it: &&Column| it.spec.name == real.spec.name;
        let theirs = synthetic.columns().iter().find(named);
        theirs.is_some_and(|theirs| personal::identifies(real) && personal::shares(real, theirs))
    };
    let found = train.columns().iter().filter(holds_real);
    found.map(|column| column.spec.name.clone()).collect()
}

fn compared(frame: &Frame, settings: &Settings) -> TablesCompared {
    TablesCompared {
        train_rows: frame.train.rows as u64,
        holdout_rows: frame.holdout.rows as u64,
        synthetic_rows: frame.synthetic.rows as u64,
        columns: frame.fields.len() as u64,
        left_out: frame.left_out.clone(),
        model: settings.model.clone(),
    }
}

/// Columns by ascending shape; those without one last, in column order.
fn worst_first(mut columns: Vec<ColumnReport>) -> Vec<ColumnReport> {
    let key = |column: &ColumnReport| column.shape.unwrap_or(f64::INFINITY);
    columns.sort_by(|a, b| key(a).total_cmp(&key(b)));
    columns
}

fn notices(frame: &Frame, measured: &Measured) -> Vec<String> {
    let mut notices = frame.notices.clone();
    if !frame.has_holdout() {
        notices.push(
            "No holdout rows: utility, the DCR share, membership inference and the attacks on \
             persons were not measured."
                .to_owned(),
        );
    }
    if let Err(why) = &measured.utility {
        notices.push(format!("Utility was not measured: {why}."));
    }
    if 2 * frame.synthetic.rows < frame.train.rows {
        notices.push(
            "The synthetic table has less than half the rows of the real one; coverage, recall and \
             utility are lower for that reason alone."
                .to_owned(),
        );
    }
    let most = frame.train.rows.max(frame.synthetic.rows);
    if most > closest::ROWS_MAX {
        notices.push(format!(
            "Detection and distances look at up to {} rows of each table, new row synthesis at up \
             to {}, drawn by the seed.",
            separated(&closest::ROWS_MAX.to_string()),
            separated(&new_rows::ROWS_MAX.to_string())
        ));
    }
    notices
}
