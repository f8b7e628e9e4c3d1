//! What would be computed, as a function of what it is computed from: so a wrong or torn input is
//! seen in the result, however many interruptions lie between.

use std::collections::BTreeMap;

use tgs_protocol::{
    chunk::{ChunkNo, SealedChunk, partition},
    digest::Digest,
    engine::{Compression, DatasetFacts, NumericsClass, OutputFormat, ReportFacts, RowFormat},
    gate::Gates,
    job::JobRow,
    limits::PRIORITY_MAX,
    model::{ModelName, TrainPlan, TrainingLength},
    program::{Command, LOG_FILE, ProgramEnd, RunFacts},
    queue::{Demand, DeviceClass, Priority},
    report::Verdict,
    request::{Goal, JobRequest, Output, Source},
    unit::{ByteCount, Millis, Rows, Steps},
};

use crate::dice::Dice;

/// What an order asks for, with everything that decides what it ends as; other bodies ask for other
/// things.
pub fn request(seed: u64, order: u32, body: u32) -> JobRequest {
    let mut dice = stream(seed, REQUEST, order).apart(u64::from(body));
    let is_program = stream(seed, PROGRAM, order).below(6) == 0;
    let format = OutputFormat { rows: RowFormat::Csv, compression: Compression::None };
    let rows = dice.within(1, 4) * 10_000 - dice.below(10_000);
    let output = Output {
        rows: Some(Rows(rows)),
        table: "/out/t.csv".into(),
        format,
        report: "/out/report".into(),
    };
    let source = Source { table: "/in/t.csv".into(), holdout: None, metadata: None, target: None };
    let goal = match is_program {
        true => Goal::External { command: command(), folder: "/out/files".into() },
        false => Goal::Synthesize { source, output },
    };
    JobRequest {
        goal,
        model: ModelName::Seqtree,
        length: TrainingLength::Steps(dice.within(10, 60)),
        overrides: serde_json::Map::new(),
        seed: dice.any(),
        threads: 1,
        devices: 1,
        gates: Gates::default(),
        inputs: Vec::new(),
    }
}

fn command() -> Command {
    Command {
        program: "/bin/program".into(),
        arguments: Vec::new(),
        datasets: BTreeMap::new(),
        progress: None,
        limit: Millis(3_600_000),
    }
}

/// How urgent an order is, and what its job needs.
pub fn needs(seed: u64, order: u32) -> (Priority, Demand) {
    let mut dice = stream(seed, NEEDS, order);
    let points = *dice.pick(&[0, 5, 5, 5, 9, PRIORITY_MAX]).unwrap_or(&5);
    let class = if dice.below(3) == 0 { DeviceClass::Gpu } else { DeviceClass::Cpu };
    // Some need more than the largest node has.
    let memory = *dice.pick(&[1, 10, 40, 100, 300]).unwrap_or(&1);
    // And some more devices than any has.
    let devices = *dice.pick(&[1, 1, 1, 1, 2, 8]).unwrap_or(&1);
    let demand = Demand { class, devices, memory: ByteCount(memory) };
    (Priority::new(points).unwrap_or_default(), demand)
}

fn stream(seed: u64, purpose: u64, order: u32) -> Dice {
    Dice::of_seed(seed).apart(purpose).apart(u64::from(order))
}

/// A digest of numbers: cheap, and different for different numbers.
pub fn mixed(numbers: &[u64]) -> Digest {
    let mut bytes = [0; 32];
    let mut state = numbers.len() as u64;
    for number in numbers {
        state = Dice::of_seed(state ^ number).any();
    }
    let mut dice = Dice::of_seed(state);
    for part in bytes.chunks_exact_mut(8) {
        part.copy_from_slice(&dice.any().to_le_bytes());
    }
    Digest::from_bytes(bytes)
}

fn number(digest: &Digest) -> u64 {
    let bytes = digest.as_bytes();
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What a source is read as.
pub fn dataset(request: &JobRequest) -> DatasetFacts {
    DatasetFacts {
        digest: mixed(&[request.seed, 1]),
        train_rows: Rows(1_000),
        holdout_rows: Rows(250),
        columns: 5,
        notices: Vec::new(),
    }
}

/// What training is planned as.
pub fn plan(request: &JobRequest) -> (TrainPlan, NumericsClass) {
    let steps = match request.length {
        TrainingLength::Steps(steps) => Steps(steps),
        _ => Steps(20),
    };
    let plan = TrainPlan { config: serde_json::Value::Null, steps, because: String::new() };
    (plan, numerics())
}

/// The class of bits that every device computes in.
pub fn numerics() -> NumericsClass {
    NumericsClass("one".to_owned())
}

/// Training as it stands after a step.
pub fn state(request: &JobRequest, step: Steps) -> Digest {
    mixed(&[request.seed, 2, step.get()])
}

/// The model after all steps, from the state that training ended in.
pub fn model(last: &Digest) -> Digest {
    mixed(&[number(last), 3])
}

/// Into how many pieces of time a program falls, from its start to its end.
pub fn program_pieces(request: &JobRequest) -> u64 {
    2 + request.seed % 9
}

/// What a program leaves that has run for so many pieces since its start.
pub fn files(request: &JobRequest, pieces: u64) -> Digest {
    mixed(&[request.seed, 7, pieces])
}

/// What comes of a program: of some, a failure.
pub fn ran(request: &JobRequest) -> RunFacts {
    let end = ProgramEnd::Status(i32::from(request.seed.is_multiple_of(7)));
    RunFacts { end, files: vec![LOG_FILE.to_owned()], last_lines: String::new() }
}

/// One chunk of a model's table.
pub fn chunk(model: &Digest, no: ChunkNo, rows: Rows) -> SealedChunk {
    let digest = mixed(&[number(model), 4, u64::from(no.0), rows.get()]);
    SealedChunk { chunk: no, rows, digest }
}

/// What a report says, a function of the model.
pub fn report(model: &Digest) -> ReportFacts {
    match number(model) % 10 {
        0 => ReportFacts { verdict: Verdict::Block, reasons: vec!["a gate".to_owned()] },
        1 => ReportFacts { verdict: Verdict::Warn, reasons: vec!["a gate".to_owned()] },
        _ => ReportFacts { verdict: Verdict::Pass, reasons: Vec::new() },
    }
}

/// A table, from its chunks in order.
pub fn table(chunks: impl Iterator<Item = SealedChunk>) -> Digest {
    let numbers: Vec<u64> = chunks.map(|chunk| number(&chunk.digest)).collect();
    mixed(&numbers)
}

/// What an undisturbed run of this job delivers: a table, or what a program leaves.
pub fn undisturbed(row: &JobRow) -> Digest {
    if matches!(row.request.goal, Goal::External { .. }) {
        return files(&row.request, program_pieces(&row.request));
    }
    let (plan, _) = plan(&row.request);
    let model = model(&state(&row.request, plan.steps));
    let rows = row.rows().unwrap_or_default();
    table(partition(rows).map(|(no, rows)| chunk(&model, no, rows)))
}

/// The streams of dice that orders are made of.
const REQUEST: u64 = 2;
const NEEDS: u64 = 5;
const PROGRAM: u64 = 8;
