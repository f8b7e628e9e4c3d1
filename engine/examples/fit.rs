//! The models' workbench: trains on one CSV file, writes as many rows as it trained on. No kinds
//! are inferred beyond "all cells are numbers": ingest does that in the product.
//!
//! `cargo run --release -p tgs-engine --example fit -- TRAIN OUT LENGTH [--original]
//! [KEY=VALUE …]` with LENGTH such as `500steps`, `60s`, `20epochs` or `default`.

use std::{collections::BTreeSet, error::Error, sync::Arc, thread, time::Instant};

use arrow::array::{Array, Float64Array, StringArray, UInt32Array};
use serde_json::{Map, Value};
use tgs_engine::{
    model::Generator,
    original, tabgraph,
    table::{Cells, Column, Table},
};
use tgs_protocol::{
    chunk,
    column::{ColumnKind, ColumnSpec, ValueFormat},
    model::TrainingLength,
    progress::Unwatched,
    unit::{Rows, Steps},
};

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

const SEED: u64 = 1;
const THREADS: u32 = 2;

fn main() -> Fallible<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [train, out, length, rest @ ..] = &*args else {
        return Err("usage: fit TRAIN OUT LENGTH [--original] [KEY=VALUE …]".into());
    };
    let (published, pairs): (Vec<&String>, Vec<&String>) =
        rest.iter().partition(|arg| *arg == "--original");
    let mut overrides = Map::new();
    for pair in pairs {
        let (key, value) = pair.split_once('=').ok_or("KEY=VALUE is needed")?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        overrides.insert(key.to_owned(), value);
    }
    let train = &read(train)?;
    let begun = Instant::now();
    let plan = if published.is_empty() { tabgraph::plan } else { original::plan };
    let plan = plan(train, parse(length)?, &overrides, SEED, THREADS, &Unwatched)?;
    eprintln!("{}", plan.because);
    let trainer = if published.is_empty() { tabgraph::trainer } else { original::trainer };
    let mut trainer = trainer(train, &plan, (SEED, THREADS), None, &Unwatched)?;
    while !trainer.is_done() {
        let facts = trainer.segment(Steps(plan.steps.get().div_ceil(10)), &Unwatched)?;
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!(
            "{seconds:.1} s: step {} epoch {:.1} loss {:.4}",
            facts.at, facts.epoch, facts.loss
        );
    }
    let steps = trainer.at();
    let trained = begun.elapsed().as_secs_f64();
    let model = trainer.finish(&Unwatched)?;
    let finished = begun.elapsed().as_secs_f64();
    let curves = if published.is_empty() { tabgraph::curves } else { original::curves };
    for curve in curves(&model)? {
        let tail = curve.points.iter().map(|(s, v)| format!("{s}:{v:.4}")).collect::<Vec<_>>();
        eprintln!("{}: {}", curve.name, tail.join(" "));
    }
    let opened = if published.is_empty() { tabgraph::generator } else { original::generator };
    let begun = Instant::now();
    let parts = sample(&*opened(&model)?, train.rows() as u64)?;
    let computed = (parts.len() as u64 * tgs_protocol::limits::CHUNK_ROWS) as f64;
    eprintln!(
        "trained {trained:.1} s ({:.2} steps/s), calibrated {:.1} s, {:.0} rows/s, {} bytes",
        steps.get() as f64 / trained,
        finished - trained,
        computed / begun.elapsed().as_secs_f64(),
        model.len()
    );
    write(out, &parts)
}

type Chunks = Vec<(chunk::ChunkNo, Table)>;

/// All chunks, each thread every other one.
fn sample(generator: &dyn Generator, rows: u64) -> Fallible<Chunks> {
    let chunks: Vec<_> = chunk::partition(Rows(rows)).collect();
    let made: Vec<Fallible<Chunks>> = thread::scope(|scope| {
        let part = |first: usize| {
            let chunks = &chunks;
            scope.spawn(move || {
                let mine = chunks.iter().skip(first).step_by(THREADS as usize);
                let rows = |rows: &Rows| usize::try_from(rows.get()).unwrap_or(0);
                mine.map(|(no, r)| Ok((*no, generator.chunk(7, *no, rows(r))?))).collect()
            })
        };
        let threads: Vec<_> = (0..THREADS as usize).map(part).collect();
        threads.into_iter().map(|t| t.join().expect("no panic in sampling")).collect()
    });
    let mut parts = made.into_iter().collect::<Fallible<Vec<_>>>()?.concat();
    parts.sort_by_key(|(no, _)| *no);
    Ok(parts)
}

fn parse(text: &str) -> Fallible<TrainingLength> {
    let number = |suffix: &str| text.strip_suffix(suffix).map(str::parse::<u64>);
    if let Some(steps) = number("steps") {
        return Ok(TrainingLength::Steps(steps?));
    }
    if let Some(epochs) = number("epochs") {
        return Ok(TrainingLength::Epochs(epochs?));
    }
    match number("s") {
        Some(seconds) => Ok(TrainingLength::BudgetSeconds(seconds?)),
        None => Ok(TrainingLength::Default),
    }
}

/// The table of a file.
fn read(path: &str) -> Fallible<Table> {
    let mut reader = csv::Reader::from_path(path)?;
    let header: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>()?;
    let mut columns = Vec::with_capacity(header.len());
    for (at, name) in header.iter().enumerate() {
        let all = || records.iter().map(|record| Some(&record[at]).filter(|c| !c.is_empty()));
        let cells = || all().flatten();
        let numeric = cells().all(|cell| cell.parse::<f64>().is_ok());
        let digits = cells().map(|c| c.split_once('.').map_or(0, |(_, d)| d.len())).max();
        let digits = u8::try_from(digits.unwrap_or(0)).unwrap_or(15);
        let spec = Arc::new(ColumnSpec {
            name: name.clone(),
            kind: if numeric { ColumnKind::Real } else { ColumnKind::Category },
            reason: String::new(),
            format: if numeric {
                ValueFormat::Decimal { digits, least: 0 }
            } else {
                ValueFormat::Verbatim
            },
            missing_token: None,
        });
        let levels: BTreeSet<&str> = cells().collect();
        let levels: Vec<&str> = levels.into_iter().collect();
        let cells = if numeric {
            Cells::Number(all().map(|cell| cell?.parse().ok()).collect::<Float64Array>())
        } else {
            let code = |cell: Option<&str>| levels.binary_search(&cell?).ok().map(|c| c as u32);
            let codes = all().map(code).collect::<UInt32Array>();
            Cells::Level { codes, levels: Arc::new(StringArray::from(levels.clone())) }
        };
        columns.push(Column { spec, cells });
    }
    Ok(Table::new(columns))
}

fn write(path: &str, parts: &[(chunk::ChunkNo, Table)]) -> Fallible<()> {
    let mut writer = csv::Writer::from_path(path)?;
    for (at, (_, table)) in parts.iter().enumerate() {
        if at == 0 {
            writer.write_record(table.columns().iter().map(|column| &column.spec.name))?;
        }
        for row in 0..table.rows() {
            let cell = |column: &Column| match &column.cells {
                Cells::Number(values) if values.is_valid(row) => values.value(row).to_string(),
                Cells::Level { codes, levels } if codes.is_valid(row) => {
                    levels.value(codes.value(row) as usize).to_owned()
                }
                Cells::Text(texts) if texts.is_valid(row) => texts.value(row).to_owned(),
                _ => String::new(),
            };
            writer.write_record(table.columns().iter().map(cell))?;
        }
    }
    Ok(writer.flush()?)
}
