//! Orders that read and write whole files: profiles and reports.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tgs_protocol::{
    code::Code,
    column::ColumnSpec,
    engine::{EngineError, EvaluateOrder, ProfileOrder, ReportFacts},
    gate::Gates,
    metadata::Metadata,
    model::ModelName,
    profile::Profile,
    progress::Watch,
    report::{Curve, Report, Tally},
};

use crate::{
    dataset::Dataset,
    ingest, measure, original, page, port, profile, tabgraph,
    table::{Table, ipc, stack::Stack},
};

/// What `tgs report` compares: any two tables, whoever made the second.
#[derive(Debug, Clone)]
pub struct Compared {
    /// The real table.
    pub real: PathBuf,
    /// The synthetic table.
    pub synthetic: PathBuf,
    /// Real rows the generator never saw.
    pub holdout: Option<PathBuf>,
    /// Corrections of inferred kinds, and the column to predict in the utility measure.
    pub metadata: Option<Metadata>,
    /// Thresholds.
    pub gates: Gates,
    /// Seed of subsamples and folds.
    pub seed: u64,
    /// Compute threads.
    pub threads: u32,
}

/// Profiles a source file; also gives the notices of reading it.
pub fn profile_file(
    table: &Path,
    metadata: Option<&Metadata>,
    watch: &dyn Watch,
) -> Result<(Profile, Vec<String>), EngineError> {
    let (table, notices) = ingest::read_table(table, metadata, watch)?;
    Ok((profile::profile(&table, watch)?, notices))
}

/// Judges one file against another; writes `report.json` and `report.html` into a folder, which is
/// made if it is not there. Also gives the notices of reading the files.
pub fn report_files(
    compared: &Compared,
    into: &Path,
    watch: &dyn Watch,
) -> Result<(ReportFacts, Vec<String>), EngineError> {
    let (real, mut notices) =
        ingest::read_table(&compared.real, compared.metadata.as_ref(), watch)?;
    let specs: Vec<Arc<ColumnSpec>> =
        real.columns().iter().map(|column| Arc::clone(&column.spec)).collect();
    let called_missing = compared.metadata.as_ref().map_or(&[][..], |known| &known.missing);
    let mut like_real = |file: &Path, which: &str| {
        let (table, more) = ingest::read_like(file, &specs, called_missing, watch)?;
        notices.extend(more.into_iter().map(|notice| format!("{which}: {notice}")));
        Ok::<_, EngineError>(table)
    };
    let synthetic = like_real(&compared.synthetic, "synthetic rows")?;
    let holdout = match &compared.holdout {
        Some(file) => like_real(file, "kept-aside rows")?,
        None => real.slice(0, 0),
    };
    let settings = measure::Settings {
        target: compared.metadata.as_ref().and_then(|known| known.target.clone()),
        gates: compared.gates,
        seed: compared.seed,
        threads: compared.threads,
        model: None,
        curves: Vec::new(),
    };
    let tables = measure::Tables { train: &real, holdout: &holdout, synthetic: &synthetic };
    let report = measure::measure(&tables, &settings, watch)?;
    // Not before: a comparison that is refused leaves nothing behind.
    fs::create_dir_all(into).map_err(|error| cannot_write(into, error))?;
    Ok((write_report(&report, into)?, notices))
}

/// Profiles the training rows of a dataset into `profile.json`.
pub(super) fn profile_dataset(order: &ProfileOrder, watch: &dyn Watch) -> Result<(), EngineError> {
    let dataset = Dataset::open(&order.dataset)?;
    let profile = profile::profile(&dataset.train()?, watch)?;
    write(&order.into.join("profile.json"), &as_json(&profile)?)
}

/// Judges chunks against their dataset.
pub(super) fn evaluate(
    order: &EvaluateOrder,
    watch: &dyn Watch,
) -> Result<ReportFacts, EngineError> {
    let dataset = Dataset::open(&order.dataset)?;
    let (train, holdout) = (dataset.train()?, dataset.holdout()?);
    let synthetic = joined(&order.chunks, watch)?;
    let (model, curves) = match &order.model {
        Some(file) => about_model(file)?,
        None => (None, Vec::new()),
    };
    let settings = measure::Settings {
        target: order.target.clone().or_else(|| dataset.target().map(str::to_owned)),
        gates: order.gates,
        seed: order.seed,
        threads: order.threads,
        model,
        curves,
    };
    let tables = measure::Tables { train: &train, holdout: &holdout, synthetic: &synthetic };
    write_report(&measure::measure(&tables, &settings, watch)?, &order.into)
}

/// Chunks of one model, one below the other; one chunk is in memory beside the whole.
fn joined(chunks: &[PathBuf], watch: &dyn Watch) -> Result<Table, EngineError> {
    let mut stack: Option<Stack> = None;
    for chunk in chunks {
        watch.go_on()?;
        let table = ipc::read_ipc(chunk)?;
        let whole = || Stack::like(&table, chunks.len().saturating_mul(table.rows()));
        stack.get_or_insert_with(whole).push(&table)?;
    }
    let empty = || EngineError::new(Code::Internal, "judge a table without chunks");
    Ok(stack.ok_or_else(empty)?.table())
}

fn about_model(file: &Path) -> Result<(Option<String>, Vec<Curve>), EngineError> {
    let bytes = fs::read(file).map_err(|error| {
        let message = format!("read the model {}", file.display());
        EngineError::because(Code::ModelUnreadable, message, error)
    })?;
    let name = port::name_of(&bytes)?;
    let curves = match name {
        ModelName::Tabgraph => tabgraph::curves(&bytes)?,
        ModelName::Original => original::curves(&bytes)?,
        ModelName::Seqtree => Vec::new(),
    };
    Ok((Some(name.to_string()), curves))
}

fn write_report(report: &Report, into: &Path) -> Result<ReportFacts, EngineError> {
    write(&into.join("report.json"), &as_json(report)?)?;
    write(&into.join("report.html"), page::render(report).as_bytes())?;
    let reasons = Tally::of(&report.gates).reasons();
    Ok(ReportFacts { verdict: report.verdict, reasons })
}

fn as_json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, EngineError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| EngineError::because(Code::Internal, "write a document as JSON", error))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    fs::write(path, bytes).map_err(|error| cannot_write(path, error))
}

fn cannot_write(path: &Path, error: io::Error) -> EngineError {
    let is_full = error.kind() == io::ErrorKind::StorageFull;
    let code = if is_full { Code::DiskFull } else { Code::CannotWrite };
    let message = format!("write {}: {error}; make room or name another folder", path.display());
    EngineError::because(code, message, error)
}
