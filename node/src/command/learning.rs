//! From typed arguments to a request: what several commands ask for in the same words.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde_json::{Map, Number, Value};
use tgs_actors::input::look;
use tgs_engine::port;
use tgs_protocol::{
    artifact::Manifest,
    code::Code,
    engine::OutputFormat,
    gate::Gates,
    metadata::Metadata,
    model::TrainingLength,
    refusal::Refusal,
    request::{Goal, JobRequest, Output, Source, parse_budget, validate},
    unit::Rows,
};

use crate::{
    command_line::{GateArguments, LearnArguments, ReleaseArguments},
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
        devices: asked.devices,
        gates,
        inputs: Vec::new(),
    };
    let request = checked(request)?;
    port::check_constants(request.model, &request.overrides)?;
    Ok(request)
}

/// The request if it can be meant, with what its input files are now.
pub fn checked(mut request: JobRequest) -> Result<JobRequest, Failure> {
    validate(&request).map_err(refused)?;
    let look = |(path, _): (&Path, _)| look(path).map_err(|error| unreadable(path, &error));
    request.inputs = request.files_read().into_iter().map(look).collect::<Result<_, _>>()?;
    Ok(request)
}

/// What to learn from; the files must be there.
pub fn source(asked: &LearnArguments) -> Result<Source, Failure> {
    let table = existing(&asked.table)?;
    let holdout = holdout(asked.holdout.as_deref(), &table)?;
    let metadata = asked.metadata.as_deref().map(metadata).transpose()?;
    // Where the columns are known it is looked for among them, as one of the metadata is.
    let metadata = Metadata::with_target(metadata, asked.target.as_deref()).map_err(refused)?;
    Ok(Source { table, holdout, metadata, target: asked.target.clone() })
}

/// A file of rows kept aside, which must hold others than the table.
pub fn holdout(named: Option<&Path>, table: &Path) -> Result<Option<PathBuf>, Failure> {
    let Some(named) = named else { return Ok(None) };
    let file = existing(named)?;
    let is_same = file == table || same_content(&file, table).unwrap_or(false);
    if is_same {
        let message = format!(
            "cannot keep {} aside: it holds what the table holds, and rows that train cannot \
             judge; name a file of other rows, or none",
            named.display()
        );
        return Err(Failure::new(Code::BadRequest, message));
    }
    Ok(Some(file))
}

/// Whether two files hold the same bytes; they are read only if they have one size.
fn same_content(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut here, mut there) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = one.read(&mut here)?;
        other.read_exact(&mut there[..read])?;
        match read {
            0 => return Ok(true),
            _ if here[..read] != there[..read] => return Ok(false),
            _ => {}
        }
    }
}

/// The gates as they were set, over those that stand.
pub fn gates(mut gates: Gates, asked: &GateArguments) -> Result<Gates, Failure> {
    asked.each.iter().try_for_each(|text| gates.set(text)).map_err(refused)?;
    Ok(gates)
}

/// What `protocol` refuses, as a failure.
pub fn refused(refusal: Refusal) -> Failure {
    Failure::new(refusal.code, refusal.message)
}

/// What to release, and where; the places must be writable.
pub fn output(asked: &ReleaseArguments, report: Option<&Path>) -> Result<Output, Failure> {
    let table = home::whole(&asked.output)?;
    let name = table.file_name().map(|name| name.to_string_lossy().into_owned());
    let format = OutputFormat::of_name(&name.unwrap_or_default()).map_err(refused)?;
    home::must_be_writable(&table)?;
    let report = match report {
        Some(folder) => home::whole(folder)?,
        None => {
            let folder = beside(&table);
            must_be_of_this_format(&folder, format)?;
            folder
        }
    };
    home::must_be_writable(&report.join("report.html"))?;
    Ok(Output { rows: asked.rows.map(Rows), table, format, report })
}

/// `study.csv` and `study.parquet` would share `study.report`: the second must not take the report
/// of the first away unasked.
fn must_be_of_this_format(report: &Path, format: OutputFormat) -> Result<(), Failure> {
    let manifest = fs::read(report.join("manifest.json")).unwrap_or_default();
    let manifest: Option<Manifest> = serde_json::from_slice(&manifest).ok();
    let formats = manifest.into_iter().flat_map(|it| it.files).filter_map(|file| file.format);
    match formats.into_iter().find(|other| *other != format) {
        None => Ok(()),
        Some(other) => {
            let report = report.display();
            let message = format!(
                "write the report to {report}: that of a {other} table stands there; name another \
                 folder with --report, or the table otherwise"
            );
            Err(Failure::new(Code::BadOutputName, message))
        }
    }
}

/// A metadata file.
pub fn metadata(file: &Path) -> Result<Metadata, Failure> {
    let refuse = |problem: String, remedy: &str| {
        let message = format!("read metadata {}: {problem}; {remedy}", file.display());
        Failure::new(Code::BadMetadata, message)
    };
    let shape = "expected {\"columns\": {\"<column>\": \"<kind>\"}, …}";
    let bytes = fs::read(file).map_err(|error| refuse(error.to_string(), "check the name"))?;
    serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string(), shape))
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

/// `out.v1.csv.gz` → `out.v1.report`: only the ending that tells the format is left out, so that
/// two tables of other names have other reports.
fn beside(table: &Path) -> PathBuf {
    let name = table.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let without = |name: &str, endings: &[&str]| {
        let has = |ending: &&&str| name.to_lowercase().ends_with(**ending);
        let ending = endings.iter().find(has).map_or(0, |ending| ending.len());
        name[..name.len() - ending].to_owned()
    };
    let stem =
        without(&without(&name, &[".gz", ".zst"]), &[".csv", ".jsonl", ".ndjson", ".parquet"]);
    let stem = if stem.is_empty() { "synthetic" } else { &stem };
    table.with_file_name(format!("{stem}.report"))
}

fn length(asked: &LearnArguments) -> Result<TrainingLength, Failure> {
    Ok(match (&asked.budget, asked.epochs, asked.steps) {
        (Some(text), ..) => TrainingLength::BudgetSeconds(parse_budget(text).map_err(refused)?),
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
            ("/a/study.v1.csv", "/a/study.v1.report"),
            ("/a/study.v2.CSV", "/a/study.v2.report"),
            ("/a/2024.06.30.ndjson.zst", "/a/2024.06.30.report"),
            ("/a/b.c/x.parquet", "/a/b.c/x.report"),
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
