//! Requests, rows and facts for tests of the job machine: the smallest that are whole.

use std::collections::BTreeMap;

use crate::{
    digest::Digest,
    engine::{DatasetFacts, OutputFormat},
    gate::Gates,
    given::Given,
    id::JobId,
    job::row::JobRow,
    model::{ModelName, TrainingLength},
    program::{Command, LOG_FILE, ProgramEnd, RunFacts},
    request::{Goal, JobRequest, Output, Source},
    unit::{Millis, Rows, Timestamp},
};

pub(crate) fn row(request: JobRequest) -> JobRow {
    JobRow::accepted(JobId::new("j1"), request, Timestamp(0))
}

pub(crate) fn synthesize(rows: u64) -> JobRequest {
    request(Goal::Synthesize { source: source(), output: output(Some(Rows(rows))) })
}

pub(crate) fn synthesize_as_many() -> JobRequest {
    request(Goal::Synthesize { source: source(), output: output(None) })
}

pub(crate) fn train() -> JobRequest {
    request(Goal::Train { source: source(), model_file: "/out/m".into() })
}

pub(crate) fn generate(rows: Option<u64>) -> JobRequest {
    let (output, given) = (output(rows.map(Rows)), Given::default());
    request(Goal::Generate { model_file: "/in/m".into(), output, given, complete: None })
}

pub(crate) fn external() -> JobRequest {
    let command = Command {
        program: "/bin/true".into(),
        arguments: Vec::new(),
        datasets: BTreeMap::new(),
        progress: None,
        limit: Millis(1_000),
    };
    request(Goal::External { command, folder: "/out/files".into() })
}

pub(crate) fn ran(status: i32) -> RunFacts {
    let (end, files) = (ProgramEnd::Status(status), vec![LOG_FILE.to_owned()]);
    RunFacts { end, files, last_lines: "no such column".to_owned() }
}

pub(crate) fn dataset(train_rows: u64) -> DatasetFacts {
    DatasetFacts {
        digest: Digest::of(b"dataset"),
        train_rows: Rows(train_rows),
        holdout_rows: Rows(0),
        columns: 3,
        notices: Vec::new(),
    }
}

fn request(goal: Goal) -> JobRequest {
    JobRequest {
        goal,
        model: ModelName::Tabgraph,
        length: TrainingLength::Default,
        overrides: serde_json::Map::new(),
        seed: 1,
        threads: 2,
        devices: 1,
        gates: Gates::default(),
        inputs: Vec::new(),
    }
}

fn source() -> Source {
    Source { table: "/in/t.csv".into(), holdout: None, metadata: None, target: None }
}

fn output(rows: Option<Rows>) -> Output {
    let format = OutputFormat::of_name("t.csv").expect("a known name");
    Output { rows, table: "/out/t.csv".into(), format, report: "/out/report".into() }
}
