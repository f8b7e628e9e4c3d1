//! What is refused before any work begins: all that can be known from the request alone.
//!
//! Called by the desk for every front and by the command line before it opens anything. Paths are
//! compared as they are written; whoever can look at the file system makes them absolute first.

use std::path::{Component, Path, PathBuf};

use crate::{
    code::Code,
    engine::OutputFormat,
    gate::Gates,
    given::Given,
    limits::{
        BUDGET_SECONDS_MAX, DEVICES_PER_JOB_MAX, EPOCHS_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX,
        PROGRAM_ARGUMENT_BYTES_MAX, PROGRAM_ARGUMENTS_MAX, PROGRAM_DATASETS_MAX,
        ROWS_PER_REQUEST_MAX, STEPS_MAX, THREADS_MAX,
    },
    metadata::Metadata,
    model::TrainingLength,
    program::Command,
    refusal::Refusal,
    request::{Goal, JobRequest, Output, Source},
};

/// Refuses what cannot succeed. The first fault found is named, with its remedy.
pub fn validate(request: &JobRequest) -> Result<(), Refusal> {
    check_threads(request.threads)?;
    check_devices(request.devices)?;
    check_length(request.length)?;
    check_gates(&request.gates)?;
    match &request.goal {
        Goal::Synthesize { source, output } => {
            check_source(source)?;
            check_output(output)
        }
        Goal::Train { source, model_file } => {
            check_source(source)?;
            check_file(model_file, "the model file", Code::BadOutputName)
        }
        Goal::Generate { model_file, output, given, complete } => {
            check_file(model_file, "the model file", Code::BadRequest)?;
            given.check()?;
            if let Some(table) = complete {
                check_completion(table, given, output)?;
            } else if output.rows.is_none() {
                return refuse(
                    Code::RowsOutOfRange,
                    "cannot tell how many rows to generate: a model file has no row count of its \
                     own; say how many",
                );
            }
            check_output(output)
        }
        Goal::Evaluate { source, synthetic, report } => {
            check_source(source)?;
            check_file(synthetic, "the synthetic table", Code::BadRequest)?;
            check_path(report, "the report folder", Code::BadOutputName)
        }
        Goal::External { command, folder } => {
            check_command(command)?;
            check_path(folder, "the folder of results", Code::BadOutputName)
        }
    }?;
    check_apart(request)
}

/// Rows that are completed are as many as they are, and like what they are.
fn check_completion(table: &Path, given: &Given, output: &Output) -> Result<(), Refusal> {
    check_file(table, "the table to complete", Code::BadRequest)?;
    let table = table.display();
    if let Some(rows) = output.rows {
        let message = format!(
            "cannot complete {table} to {rows} rows: it has as many as it has; leave the number out"
        );
        return refuse(Code::RowsOutOfRange, message);
    }
    if !given.is_nothing() {
        let message = format!(
            "cannot complete {table} under conditions: its rows are what they are; leave one out"
        );
        return refuse(Code::NoSuchRows, message);
    }
    Ok(())
}

/// Refuses a number of compute threads that no machine has.
pub fn check_threads(threads: u32) -> Result<(), Refusal> {
    if (1..=THREADS_MAX).contains(&threads) {
        return Ok(());
    }
    let message = format!("cannot train on {threads} threads: ask for 1 to {THREADS_MAX}");
    refuse(Code::BadRequest, message)
}

fn check_devices(devices: u32) -> Result<(), Refusal> {
    if (1..=DEVICES_PER_JOB_MAX).contains(&devices) {
        return Ok(());
    }
    let message = format!("cannot train on {devices} devices: ask for 1 to {DEVICES_PER_JOB_MAX}");
    refuse(Code::BadRequest, message)
}

fn check_length(length: TrainingLength) -> Result<(), Refusal> {
    let (amount, unit, max) = match length {
        TrainingLength::Default => return Ok(()),
        TrainingLength::BudgetSeconds(amount) => (amount, "seconds", BUDGET_SECONDS_MAX),
        TrainingLength::Epochs(amount) => (amount, "epochs", EPOCHS_MAX),
        TrainingLength::Steps(amount) => (amount, "steps", STEPS_MAX),
    };
    if (1..=max).contains(&amount) {
        return Ok(());
    }
    refuse(Code::BadRequest, format!("cannot train for {amount} {unit}: ask for 1 to {max}"))
}

fn check_gates(gates: &Gates) -> Result<(), Refusal> {
    for (name, gate) in gates.each() {
        if !(gate.threshold.is_finite() && gate.threshold >= 0.0) {
            let threshold = gate.threshold;
            let message = format!(
                "cannot judge by the gate {name}: its threshold {threshold} is not a number of 0 \
                 or more"
            );
            return refuse(Code::BadRequest, message);
        }
    }
    Ok(())
}

fn check_source(source: &Source) -> Result<(), Refusal> {
    check_file(&source.table, "the source table", Code::BadRequest)?;
    if let Some(holdout) = &source.holdout {
        check_file(holdout, "the holdout table", Code::BadRequest)?;
    }
    let known = Metadata::with_target(source.metadata.clone(), source.target.as_deref())?;
    known.map_or(Ok(()), |metadata| metadata.check())
}

fn check_output(output: &Output) -> Result<(), Refusal> {
    if let Some(rows) = output.rows
        && !(1..=ROWS_PER_REQUEST_MAX).contains(&rows.get())
    {
        let message = format!("cannot make {rows} rows: ask for 1 to {ROWS_PER_REQUEST_MAX}");
        return refuse(Code::RowsOutOfRange, message);
    }
    check_file(&output.table, "the output table", Code::BadOutputName)?;
    check_path(&output.report, "the report folder", Code::BadOutputName)?;
    let named = OutputFormat::of_name(&output.table.to_string_lossy())?;
    if named != output.format {
        let (table, format) = (output.table.display(), output.format);
        let message = format!(
            "cannot write {format} into {table}: its name promises {named}; name it otherwise"
        );
        return refuse(Code::BadOutputName, message);
    }
    Ok(())
}

/// What could not be handed to any program. Whether this one may run is for whoever runs it.
fn check_command(command: &Command) -> Result<(), Refusal> {
    check_file(&command.program, "the program", Code::BadRequest)?;
    let bytes: usize = command.arguments.iter().map(String::len).sum();
    let why = if command.arguments.len() > PROGRAM_ARGUMENTS_MAX {
        format!("it has more than {PROGRAM_ARGUMENTS_MAX} arguments; put them into a dataset")
    } else if bytes > PROGRAM_ARGUMENT_BYTES_MAX {
        let most = PROGRAM_ARGUMENT_BYTES_MAX;
        format!("its arguments have more than {most} bytes; put them into a dataset")
    } else if command.arguments.iter().any(|argument| argument.contains('\0')) {
        "an argument holds a NUL character; remove it".to_owned()
    } else if command.datasets.len() > PROGRAM_DATASETS_MAX {
        format!("it has more than {PROGRAM_DATASETS_MAX} datasets; give fewer")
    } else if !(1..=BUDGET_SECONDS_MAX * 1_000).contains(&command.limit.get()) {
        format!("its time limit is not from 1 s to {BUDGET_SECONDS_MAX} s; give another")
    } else {
        return Ok(());
    };
    refuse(Code::BadRequest, format!("cannot run the program: {why}"))
}

/// A path that ends in the name of a file.
fn check_file(path: &Path, what: &str, code: Code) -> Result<(), Refusal> {
    check_path(path, what, code)?;
    let ends_in_name = matches!(path.components().next_back(), Some(Component::Normal(_)));
    if ends_in_name && !path.to_string_lossy().ends_with('/') {
        return Ok(());
    }
    refuse(code, format!("cannot use {} as {what}: it names a folder; name a file", path.display()))
}

fn check_path(path: &Path, what: &str, code: Code) -> Result<(), Refusal> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let why = if bytes.is_empty() {
        "its path is empty; give one".to_owned()
    } else if bytes.len() > PATH_BYTES_MAX {
        format!("its path is longer than {PATH_BYTES_MAX} bytes; give a shorter one")
    } else if path.file_name().is_some_and(|name| name.len() > NAME_BYTES_MAX) {
        format!("its name is longer than {NAME_BYTES_MAX} bytes; give a shorter one")
    } else if bytes.contains(&0) {
        "its path holds a NUL character; remove it".to_owned()
    } else {
        return Ok(());
    };
    refuse(code, format!("cannot use {what}: {why}"))
}

/// Nothing that is written may be something that is read, and no two results share a name.
fn check_apart(request: &JobRequest) -> Result<(), Refusal> {
    let read = request.files_read().into_iter().map(|(path, what)| (plain(path), what));
    let read: Vec<_> = read.collect();
    let written = written_paths(request);
    for (at, (path, what)) in written.iter().enumerate() {
        // A file cannot be a folder for another one; the last of the written paths is a folder.
        let files = read.iter().chain(&written[..written.len().saturating_sub(1)]);
        let above = |file: &Path| path != file && path.starts_with(file);
        if let Some((file, other)) = files.into_iter().find(|(file, _)| above(file)) {
            let (path, file) = (path.display(), file.display());
            let message = format!(
                "cannot write {what} to {path}: {other} is the file {file}; choose another folder"
            );
            return refuse(Code::BadOutputName, message);
        }
        let earlier = read.iter().chain(&written[..at]);
        if let Some((_, other)) = earlier.into_iter().find(|(taken, _)| taken == path) {
            let path = path.display();
            let message =
                format!("cannot write {what} to {path}: {other} has that path; choose another one");
            return refuse(Code::BadOutputName, message);
        }
    }
    if let Some(Source { table, holdout: Some(holdout), .. }) = request.source()
        && plain(table) == plain(holdout)
    {
        let message = format!(
            "cannot keep {} aside: it is the source itself; name another holdout file or none",
            holdout.display()
        );
        return refuse(Code::BadRequest, message);
    }
    Ok(())
}

fn written_paths(request: &JobRequest) -> Vec<(PathBuf, &'static str)> {
    let mut paths = Vec::new();
    if let Goal::Train { model_file, .. } = &request.goal {
        paths.push((plain(model_file), "the model file"));
    }
    let folder = match request.output() {
        Some(output) => {
            paths.push((plain(&output.table), "the output table"));
            Some(output.report.as_path())
        }
        None => request.report_folder(),
    };
    if let Some(folder) = folder.map(plain) {
        let documents = [
            ("report.json", "the report"),
            ("report.html", "the report page"),
            ("manifest.json", "the manifest"),
        ];
        paths.extend(documents.map(|(name, what)| (folder.join(name), what)));
        paths.push((folder, "the report folder"));
    }
    paths
}

/// The path without `.` and, where its parent is written out, `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match (part, plain.components().next_back()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                plain.pop();
            }
            _ => plain.push(part),
        }
    }
    plain
}

fn refuse(code: Code, message: impl Into<String>) -> Result<(), Refusal> {
    Err(Refusal::new(code, message))
}

#[cfg(test)]
mod tests;
