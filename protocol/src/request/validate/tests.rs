//! Requests that pass and requests that are refused, each with a part of the sentence a user reads.

use proptest::prelude::*;

use super::*;
use crate::{
    gate::{Gate, GateLevel},
    given::Given,
    model::ModelName,
    unit::Rows,
};

fn synthesize() -> JobRequest {
    request(Goal::Synthesize { source: source(), output: output() })
}

fn train() -> JobRequest {
    request(Goal::Train { source: source(), model_file: "/out/model.safetensors".into() })
}

fn generate() -> JobRequest {
    let output = Output { rows: Some(Rows(7)), ..output() };
    let given = Given::default();
    request(Goal::Generate {
        model_file: "/in/model.safetensors".into(),
        output,
        given,
        complete: None,
    })
}

fn request(goal: Goal) -> JobRequest {
    JobRequest {
        goal,
        model: ModelName::Seqtree,
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
    Source { table: "/in/real.csv".into(), holdout: None, metadata: None, target: None }
}

fn output() -> Output {
    let table = "/out/synth.csv.gz";
    let format = OutputFormat::of_name(table).expect("a known name");
    Output { rows: None, table: table.into(), format, report: "/out/report".into() }
}

fn evaluate(synthetic: &str, report: &str) -> JobRequest {
    let source = synthesize().source_mut().clone();
    let goal = Goal::Evaluate { source, synthetic: synthetic.into(), report: report.into() };
    JobRequest { goal, ..synthesize() }
}

impl JobRequest {
    fn source_mut(&mut self) -> &mut Source {
        match &mut self.goal {
            Goal::Synthesize { source, .. }
            | Goal::Train { source, .. }
            | Goal::Evaluate { source, .. } => source,
            _ => panic!("a goal without a source"),
        }
    }
    fn output_mut(&mut self) -> &mut Output {
        match &mut self.goal {
            Goal::Synthesize { output, .. } | Goal::Generate { output, .. } => output,
            _ => panic!("a goal without an output"),
        }
    }
    /// Names the table and sets the format that the name tells, where it tells one.
    fn write_to(&mut self, table: &str) {
        self.output_mut().table = table.into();
        if let Ok(format) = OutputFormat::of_name(table) {
            self.output_mut().format = format;
        }
    }
}

type Change = fn(&mut JobRequest);

#[test]
fn sound_requests_pass() {
    let cases: [(JobRequest, Change); 17] = [
        (evaluate("/in/synth.csv", "/out"), |_| {}),
        (synthesize(), |_| {}),
        (train(), |_| {}),
        (generate(), |_| {}),
        (synthesize(), |r| r.output_mut().rows = Some(Rows(1))),
        (synthesize(), |r| r.output_mut().rows = Some(Rows(ROWS_PER_REQUEST_MAX))),
        (synthesize(), |r| r.threads = 1),
        (synthesize(), |r| r.threads = THREADS_MAX),
        (synthesize(), |r| r.length = TrainingLength::BudgetSeconds(BUDGET_SECONDS_MAX)),
        (synthesize(), |r| r.length = TrainingLength::Epochs(1)),
        (synthesize(), |r| r.length = TrainingLength::Steps(1)),
        (synthesize(), |r| r.gates = Gates::default().only_warning()),
        (synthesize(), |r| r.source_mut().holdout = Some("/in/holdout.csv".into())),
        (synthesize(), |r| r.source_mut().target = Some("income".to_owned())),
        (synthesize(), |r| r.write_to("synth.parquet")),
        (synthesize(), |r| r.write_to("/in/synth.csv")),
        (synthesize(), |r| r.output_mut().report = ".".into()),
    ];
    for (at, (mut request, change)) in cases.into_iter().enumerate() {
        change(&mut request);
        assert_eq!(validate(&request), Ok(()), "case {at}: {request:?}");
    }
}

#[track_caller]
fn check(cases: &[(JobRequest, Change, Code, &str)]) {
    for (at, (request, change, code, part)) in cases.iter().enumerate() {
        let mut request = request.clone();
        change(&mut request);
        let refusal = validate(&request).expect_err(part);
        assert_eq!(refusal.code, *code, "case {at}: {refusal}");
        assert!(refusal.message.contains(part), "case {at}, wanted `{part}`: {refusal}");
        let first = refusal.message.chars().next();
        assert!(first.is_some_and(char::is_lowercase), "case {at} opens lower case: {refusal}");
        assert!(!refusal.message.ends_with('.'), "case {at} ends without a full stop: {refusal}");
    }
}

#[test]
fn numbers_out_of_range_are_refused_by_naming_the_limit() {
    use Code::{BadRequest, RowsOutOfRange};
    use TrainingLength::{BudgetSeconds, Epochs, Steps};
    check(&[
        (synthesize(), |r| r.output_mut().rows = Some(Rows(0)), RowsOutOfRange, "1 to 100000000"),
        (generate(), |r| r.output_mut().rows = Some(Rows(0)), RowsOutOfRange, "1 to 100000000"),
        (
            synthesize(),
            |r| r.output_mut().rows = Some(Rows(1_000_000_000)),
            RowsOutOfRange,
            "cannot make 1000000000 rows: ask for 1 to 100000000",
        ),
        (generate(), |r| r.output_mut().rows = None, RowsOutOfRange, "say how many"),
        (synthesize(), |r| r.threads = 0, BadRequest, "1 to 64"),
        (synthesize(), |r| r.devices = 0, BadRequest, "1 to 16"),
        (train(), |r| r.devices = DEVICES_PER_JOB_MAX + 1, BadRequest, "1 to 16"),
        (train(), |r| r.threads = THREADS_MAX + 1, BadRequest, "1 to 64"),
        (train(), |r| r.length = BudgetSeconds(0), BadRequest, "0 seconds: ask for 1 to 604800"),
        (train(), |r| r.length = BudgetSeconds(604_801), BadRequest, "604801 seconds"),
        (train(), |r| r.length = Epochs(0), BadRequest, "0 epochs"),
        (train(), |r| r.length = Epochs(EPOCHS_MAX + 1), BadRequest, "epochs"),
        (train(), |r| r.length = Steps(0), BadRequest, "0 steps"),
        (train(), |r| r.length = Steps(u64::MAX), BadRequest, "steps"),
    ]);
}

#[test]
fn thresholds_that_are_no_numbers_are_refused_by_name() {
    for threshold in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1] {
        for (at, (name, _)) in Gates::default().each().into_iter().enumerate() {
            let mut request = synthesize();
            let gate = Gate { threshold, level: GateLevel::Block };
            *request.gates.each_mut()[at] = gate;
            let refusal = validate(&request).expect_err(name);
            assert_eq!(refusal.code, Code::BadRequest);
            assert!(refusal.message.contains(name), "{name}: {refusal}");
        }
    }
}

#[test]
fn paths_that_cannot_be_meant_are_refused() {
    use Code::{BadOutputName, BadRequest};
    check(&[
        (synthesize(), |r| r.source_mut().table = "".into(), BadRequest, "empty"),
        (synthesize(), |r| r.source_mut().table = "/in/..".into(), BadRequest, "names a folder"),
        (synthesize(), |r| r.source_mut().table = "/".into(), BadRequest, "names a folder"),
        (synthesize(), |r| r.source_mut().table = "a\0b".into(), BadRequest, "NUL"),
        (
            synthesize(),
            |r| r.source_mut().holdout = Some("x".repeat(PATH_BYTES_MAX + 1).into()),
            BadRequest,
            "4096 bytes",
        ),
        (
            synthesize(),
            |r| r.write_to(&format!("/out/{}.csv", "x".repeat(NAME_BYTES_MAX))),
            BadOutputName,
            "its name is longer than 240 bytes",
        ),
        (synthesize(), |r| r.output_mut().report = "".into(), BadOutputName, "report folder"),
        (synthesize(), |r| r.write_to(""), BadOutputName, "empty"),
        (synthesize(), |r| r.write_to("out/x.csv/"), BadOutputName, "names a folder"),
        (generate(), |r| r.write_to("x.xlsx"), BadOutputName, ".csv, .jsonl or .parquet"),
        (generate(), |r| r.output_mut().table = "x.csv".into(), BadOutputName, "promises .csv;"),
    ]);
}

#[test]
fn nothing_is_written_over_what_is_read_or_written() {
    use Code::{BadOutputName, BadRequest};
    check(&[
        (synthesize(), |r| r.write_to("/in/real.csv"), BadOutputName, "the source table has"),
        (synthesize(), |r| r.write_to("/in/./x/../real.csv"), BadOutputName, "the source table"),
        (synthesize(), |r| r.write_to("/../in/real.csv"), BadOutputName, "the source table has"),
        (
            synthesize(),
            |r| {
                r.source_mut().holdout = Some("/in/h.csv".into());
                r.write_to("/in/h.csv");
            },
            BadOutputName,
            "the holdout table has",
        ),
        (
            synthesize(),
            |r| r.source_mut().table = "/out/report/report.json".into(),
            BadOutputName,
            "cannot write the report to /out/report/report.json",
        ),
        (
            synthesize(),
            |r| r.output_mut().report = "/out/synth.csv.gz".into(),
            BadOutputName,
            "/out/synth.csv.gz/report.json: the output table is the file",
        ),
        (
            synthesize(),
            |r| r.output_mut().report = "/out/synth.csv.gz/below".into(),
            BadOutputName,
            "choose another folder",
        ),
        (
            synthesize(),
            |r| r.source_mut().holdout = Some("/in/./real.csv".into()),
            BadRequest,
            "it is the source itself",
        ),
        (
            train(),
            |r| r.goal = Goal::Train { source: source(), model_file: "/in/real.csv".into() },
            BadOutputName,
            "cannot write the model file to /in/real.csv",
        ),
        (
            generate(),
            |r| {
                r.goal = Goal::Generate {
                    model_file: "/out/x.csv".into(),
                    output: Output { rows: Some(Rows(1)), ..output() },
                    given: Given::default(),
                    complete: None,
                };
                r.write_to("/out/x.csv");
            },
            BadOutputName,
            "the model file has that path",
        ),
    ]);
}

#[test]
fn a_report_never_replaces_what_is_judged() {
    use Code::{BadOutputName, BadRequest};
    check(&[
        (evaluate("", "/out"), |_| {}, BadRequest, "cannot use the synthetic table"),
        (evaluate("/in/synth.csv", ""), |_| {}, BadOutputName, "cannot use the report folder"),
        (evaluate("/out/report.json", "/out"), |_| {}, BadOutputName, "has that path"),
        (evaluate("/in/synth.csv", "/in/synth.csv"), |_| {}, BadOutputName, "is the file"),
    ]);
}

#[test]
fn metadata_is_checked_with_the_request() {
    fn set(request: &mut JobRequest, json: &str, target: Option<&str>) {
        let source = request.source_mut();
        source.metadata = Some(serde_json::from_str(json).expect("well-formed metadata"));
        source.target = target.map(str::to_owned);
    }
    use Code::BadMetadata;
    check(&[
        (train(), |r| set(r, r#"{"columns": {"": "id"}}"#, None), BadMetadata, "without a name"),
        (train(), |r| set(r, r#"{"target": "a"}"#, Some("b")), BadMetadata, "leave one out"),
        (train(), |r| set(r, r#"{"columns": {"a": "id"}}"#, Some("a")), BadMetadata, "predicted"),
    ]);
    let mut agreed = train();
    set(&mut agreed, r#"{"target": "a"}"#, Some("a"));
    assert_eq!(validate(&agreed), Ok(()));
}

proptest! {
    /// Whatever passes keeps the promises that later stages rely on.
    #[test]
    fn what_passes_is_within_every_limit(
        rows in prop_oneof![0_u64..3, any::<u64>()],
        threads in prop_oneof![0_u32..70, any::<u32>()],
        steps in prop_oneof![0_u64..3, any::<u64>()],
        table in "(/in|/out|\\.)/(real|synth|\\.\\.)(\\.csv|\\.jsonl|\\.gz|\\.parquet){0,2}",
    ) {
        let mut request = synthesize();
        request.output_mut().rows = Some(Rows(rows));
        request.threads = threads;
        request.length = TrainingLength::Steps(steps);
        request.write_to(&table);
        if validate(&request).is_ok() {
            prop_assert!((1..=ROWS_PER_REQUEST_MAX).contains(&rows));
            prop_assert!((1..=THREADS_MAX).contains(&threads));
            prop_assert!((1..=STEPS_MAX).contains(&steps));
            prop_assert_ne!(table.as_str(), "/in/real.csv");
            prop_assert_eq!(OutputFormat::of_name(&table), Ok(request.output_mut().format));
        }
    }
}
