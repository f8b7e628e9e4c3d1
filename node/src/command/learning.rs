//! From typed arguments to a request: what several commands ask for in the same words.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Number, Value};
use tgs_actors::input::look;
use tgs_engine::port;
use tgs_protocol::{
    code::Code,
    engine::OutputFormat,
    gate::Gates,
    metadata::Metadata,
    model::TrainingLength,
    request::{Goal, JobRequest, Output, Source, parse_budget, validate},
    unit::Rows,
};

use crate::{
    command_line::{LearnArguments, ReleaseArguments},
    failure::Failure,
    home,
};

/// The request for a goal, checked.
pub fn request(asked: &LearnArguments, goal: Goal, gates: Gates) -> Result<JobRequest, Failure> {
    let request = JobRequest {
        goal,
        model: asked.model.into(),
        length: length(asked)?,
        overrides: constants(&asked.constants)?,
        seed: asked.seed,
        threads: asked.threads,
        gates,
        inputs: Vec::new(),
    };
    let request = checked(request)?;
    port::check_constants(request.model, &request.overrides)?;
    Ok(request)
}

/// The request if it can be meant, with what its input files are now.
pub fn checked(mut request: JobRequest) -> Result<JobRequest, Failure> {
    validate(&request).map_err(|refusal| Failure::new(refusal.code, refusal.message))?;
    let look = |(path, _): (&Path, _)| look(path).map_err(|error| unreadable(path, &error));
    request.inputs = request.files_read().into_iter().map(look).collect::<Result<_, _>>()?;
    Ok(request)
}

/// What to learn from; the files must be there.
pub fn source(asked: &LearnArguments) -> Result<Source, Failure> {
    Ok(Source {
        table: existing(&asked.table)?,
        holdout: asked.holdout.as_deref().map(existing).transpose()?,
        metadata: asked.metadata.as_deref().map(metadata).transpose()?,
        target: asked.target.clone(),
    })
}

/// What to release, and where; the places must be writable.
pub fn output(asked: &ReleaseArguments, report: Option<&Path>) -> Result<Output, Failure> {
    let table = home::whole(&asked.output)?;
    let name = table.file_name().map(|name| name.to_string_lossy().into_owned());
    let format = OutputFormat::of_name(&name.unwrap_or_default())
        .map_err(|refusal| Failure::new(refusal.code, refusal.message))?;
    home::must_be_writable(&table)?;
    let report = match report {
        Some(folder) => home::whole(folder)?,
        None => beside(&table),
    };
    home::must_be_writable(&report.join("report.html"))?;
    Ok(Output { rows: asked.rows.map(Rows), table, format, report })
}

/// A metadata file.
pub fn metadata(file: &Path) -> Result<Metadata, Failure> {
    let refuse = |problem: String| {
        let remedy = "expected {\"columns\": {\"<column>\": \"<kind>\"}, …}";
        let message = format!("read metadata {}: {problem}; {remedy}", file.display());
        Failure::new(Code::BadMetadata, message)
    };
    let text = fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))
}

/// A file that is there, by the path that it has from everywhere and without links.
pub fn existing(file: &Path) -> Result<PathBuf, Failure> {
    let whole = home::whole(file)?;
    fs::metadata(&whole).map_err(|error| unreadable(file, &error))?;
    Ok(whole)
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    let message = format!("open {}: {error}; check the name", file.display());
    Failure::new(Code::SourceUnreadable, message)
}

/// `out.csv.gz` → `out.report`.
fn beside(table: &Path) -> PathBuf {
    let name = table.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.split_once('.').map_or(name.as_str(), |(stem, _)| stem);
    let stem = if stem.is_empty() { "synthetic" } else { stem };
    table.with_file_name(format!("{stem}.report"))
}

fn length(asked: &LearnArguments) -> Result<TrainingLength, Failure> {
    Ok(match (&asked.budget, asked.epochs, asked.steps) {
        (Some(text), ..) => TrainingLength::BudgetSeconds(
            parse_budget(text).map_err(|refusal| Failure::new(refusal.code, refusal.message))?,
        ),
        (None, Some(epochs), _) => TrainingLength::Epochs(epochs),
        (None, None, Some(steps)) => TrainingLength::Steps(steps),
        (None, None, None) => TrainingLength::Default,
    })
}

/// `KEY=VALUE`: a value that reads as JSON is taken so, as a number also without its zero (`.5`);
/// else it is text.
fn constants(typed: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut constants = Map::new();
    for pair in typed {
        let Some((key, text)) = pair.split_once('=') else {
            let message = format!("read --set {pair}: expected KEY=VALUE");
            return Err(Failure::new(Code::UnknownConstant, message));
        };
        let number = || text.parse().ok().and_then(Number::from_f64).map(Value::from);
        let value = serde_json::from_str(text).ok().or_else(number);
        let value = value.unwrap_or_else(|| Value::from(text));
        constants.insert(key.to_owned(), value);
    }
    Ok(constants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_stand_beside_the_table() {
        for (table, report) in [
            ("/a/out.csv", "/a/out.report"),
            ("/a/out.csv.gz", "/a/out.report"),
            ("/a/.csv", "/a/synthetic.report"),
        ] {
            assert_eq!(beside(Path::new(table)), Path::new(report));
        }
    }

    #[test]
    fn constants_are_json_or_text() {
        let typed = ["width=256", "denoiser=unet", "dropout=.5"].map(str::to_owned);
        let constants = constants(&typed).expect("all are pairs");
        assert_eq!(constants["width"], 256);
        assert_eq!(constants["denoiser"], "unet");
        assert_eq!(constants["dropout"], 0.5);
    }
}
