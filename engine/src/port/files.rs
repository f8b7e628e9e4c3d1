//! Orders that read and write whole files: profiles and reports.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::de::IgnoredAny;
use tgs_protocol::{
    code::Code,
    column::ColumnSpec,
    engine::{CompareOrder, EngineError, EvaluateOrder, ProfileOrder, ReportFacts},
    metadata::Metadata,
    profile::Profile,
    progress::Watch,
    report::{Curve, Report, Tally},
};

use crate::{
    container::{self, Asides, FileKind},
    dataset::Dataset,
    ingest, measure, model, page, port, profile,
    table::{Table, ipc, stack::Stack},
};

/// Profiles a source file; also gives the notices of reading it.
pub fn profile_file(
    table: &Path,
    metadata: Option<&Metadata>,
    watch: &dyn Watch,
) -> Result<(Profile, Vec<String>), EngineError> {
    let (table, notices) = ingest::read_table(table, metadata, watch)?;
    Ok((profile::profile(&table, watch)?, notices))
}

/// Judges one file against another; writes `report.json` and `report.html`. Also gives the notices
/// of reading the files.
pub fn compare(
    order: &CompareOrder,
    watch: &dyn Watch,
) -> Result<(ReportFacts, Vec<String>), EngineError> {
    let (real, mut notices) = ingest::read_table(&order.real, order.metadata.as_ref(), watch)?;
    let specs: Vec<Arc<ColumnSpec>> =
        real.columns().iter().map(|column| Arc::clone(&column.spec)).collect();
    let called_missing = order.metadata.as_ref().map_or(&[][..], |known| &known.missing);
    let mut like_real = |file: &Path, which: &str| {
        let (table, more) = ingest::read_like(file, &specs, called_missing, watch)?;
        notices.extend(more.into_iter().map(|notice| format!("{which}: {notice}")));
        Ok::<_, EngineError>(table)
    };
    let synthetic = like_real(&order.synthetic, "synthetic rows")?;
    let holdout = match &order.holdout {
        Some(file) => like_real(file, "kept-aside rows")?,
        None => real.slice(0, 0),
    };
    let settings = measure::Settings {
        target: order.metadata.as_ref().and_then(|known| known.target.clone()),
        gates: order.gates,
        seed: order.seed,
        threads: order.threads,
        model: None,
        curves: Vec::new(),
    };
    let tables = measure::Tables { train: &real, holdout: &holdout, synthetic: &synthetic };
    let report = with_notices(measure::measure(&tables, &settings, watch)?, &notices);
    // Not before: a comparison that is refused leaves nothing behind.
    let into = &order.into;
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
    let about = match &order.model {
        Some(file) => about_model(file)?,
        None => About::default(),
    };
    let settings = measure::Settings {
        target: order.target.clone().or_else(|| dataset.target().map(str::to_owned)),
        gates: order.gates,
        seed: order.seed,
        threads: order.threads,
        model: about.name,
        curves: about.curves,
    };
    let tables = measure::Tables { train: &train, holdout: &holdout, synthetic: &synthetic };
    let report = measure::measure(&tables, &settings, watch)?;
    let mut report = with_notices(report, &dataset.facts().notices);
    report.notices.splice(0..0, about.chosen);
    write_report(&report, &order.into)
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

/// What a report says of a model.
#[derive(Default)]
struct About {
    name: Option<String>,
    /// Why it is this one, where there was a choice.
    chosen: Option<String>,
    curves: Vec<Curve>,
}

fn about_model(file: &Path) -> Result<About, EngineError> {
    let bytes = fs::read(file).map_err(|error| {
        // It is ours, and may be there again a moment later: the job waits for that.
        let message = format!("read the model {}; check that disk", file.display());
        EngineError::because(Code::CannotWrite, message, error)
    })?;
    let name = port::name_of(&bytes)?;
    let curves = (model::of(name).curves)(&bytes)?;
    let said: Asides<IgnoredAny, IgnoredAny> = container::asides(FileKind::Model(name), &bytes)?;
    Ok(About { name: Some(name.to_string()), chosen: said.chosen, curves })
}

/// What was told when the tables were read, before what the measures tell.
fn with_notices(mut report: Report, of_reading: &[String]) -> Report {
    let sentence = |notice: &String| {
        let mut letters = notice.chars();
        let first = letters.next().map(|letter| letter.to_uppercase().to_string());
        format!("{}{}.", first.unwrap_or_default(), letters.as_str())
    };
    report.notices.splice(0..0, of_reading.iter().map(sentence));
    report
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

/// Writes a whole file or none: a torn one never stands at its name.
fn write(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let written = fs::File::create(&beside)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        // What is left of it is of no use; the first error is the one to tell.
        drop(fs::remove_file(&beside));
        cannot_write(path, error)
    })
}

fn cannot_write(path: &Path, error: io::Error) -> EngineError {
    let is_full = error.kind() == io::ErrorKind::StorageFull;
    let code = if is_full { Code::DiskFull } else { Code::CannotWrite };
    let message = format!("write {}: {error}; make room or name another folder", path.display());
    EngineError::because(code, message, error)
}

#[cfg(test)]
mod tests {
    use tgs_protocol::gate::Gates;

    use super::*;

    #[test]
    fn what_was_told_at_reading_stands_in_the_report() {
        let folder = tempfile::tempdir().expect("a folder");
        let rows = |from: usize| (from..from + 60).map(|n| format!("{n} kg,{}\n", n % 7 * 3 + n));
        let table = |name: &str, from: usize| {
            let path = folder.path().join(name);
            let text: String = rows(from).collect();
            fs::write(&path, format!("weight,n\n{text}")).expect("writes");
            path
        };
        let compared = CompareOrder {
            real: table("r.csv", 5),
            synthetic: table("s.csv", 40),
            holdout: None,
            metadata: None,
            gates: Gates::default(),
            seed: 1,
            threads: 1,
            into: folder.path().to_owned(),
        };
        let watch = tgs_protocol::progress::Unwatched;
        compare(&compared, &watch).expect("reports");
        let json = fs::read(folder.path().join("report.json")).expect("reads");
        let report: Report = serde_json::from_slice(&json).expect("a report");
        let first = &report.notices[0];
        assert!(first.starts_with("Column \"weight\":") && first.ends_with('.'), "{first}");
    }

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.json");
        write(&path, b"old").expect("writes");
        write(&path, b"new").expect("writes again");
        assert_eq!(fs::read(&path).expect("reads"), b"new");
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 1);
        // A folder in the way stands for whatever stops a rename.
        let taken = folder.path().join("taken");
        fs::create_dir_all(taken.join("inside")).expect("makes a folder");
        let error = write(&taken, b"new").expect_err("cannot be replaced");
        assert_eq!(error.code(), Some(Code::CannotWrite));
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 2);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_leaves_the_earlier_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.json");
        write(&path, b"old").expect("writes");
        std::os::unix::fs::symlink("/dev/full", folder.path().join("report.json.part"))
            .expect("links");
        let error = write(&path, b"new").expect_err("the disk is full");
        assert_eq!(error.code(), Some(Code::DiskFull));
        assert_eq!(fs::read(&path).expect("reads"), b"old");
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 1);
    }
}
