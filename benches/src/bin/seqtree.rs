//! How fast `seqtree` plans, fits, draws, and draws into a CSV file, on a made table like census
//! data.
//!
//! `cargo run --release -p tgs-benches --bin seqtree [rows]` prints medians of five runs.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use arrow::array::{Float64Array, StringArray, UInt32Array};
use serde_json::{Map, json};
use tgs_benches::{median, processor_seconds};
use tgs_engine::{
    export::Writer,
    model::Generator,
    random::{Purpose, Stream},
    seqtree,
    table::{Cells, Column, Table},
};
use tgs_protocol::{
    chunk::ChunkNo,
    column::{ColumnKind, ColumnSpec, ValueFormat},
    engine::OutputFormat,
    limits::CHUNK_ROWS,
    model::{TrainPlan, TrainingLength},
    progress::Unwatched,
    unit::Steps,
};

const RUNS: usize = 5;
const THREADS: u32 = 2;
const DRAWN_CHUNKS: u32 = 60;
const SEED: u64 = 1;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows = std::env::args().nth(1).map_or(Ok(39_073), |rows| rows.parse())?;
    let train = census(rows, 1);
    let fixed = Map::from_iter([("min_leaf".to_owned(), json!(50))]);
    let plan = |overrides: &Map<_, _>| -> Result<TrainPlan, _> {
        let length = TrainingLength::Default;
        seqtree::plan(&train, length, overrides, SEED, THREADS, &Unwatched)
    };
    let fixed = plan(&fixed)?;
    let fit = |threads| {
        let mut run = seqtree::trainer(&train, &fixed, (SEED, threads), None, &Unwatched)?;
        run.segment(Steps(u64::MAX), &Unwatched)?;
        run.finish(&Unwatched)
    };
    let model = fit(THREADS)?;
    let generator = seqtree::generator(&model)?;
    let drawn = f64::from(DRAWN_CHUNKS) * CHUNK_ROWS as f64;
    println!("{rows} rows x {} columns, model {} KiB", train.columns().len(), model.len() / 1024);
    report("plan, choosing min_leaf", None, || plan(&Map::new()).map(drop))?;
    report("fit, 2 threads", None, || fit(2).map(drop))?;
    report("fit, 1 thread", None, || fit(1).map(drop))?;
    report("draw, 1 thread", Some(drawn), || draw(&*generator, 1, |_| Ok(())))?;
    report("draw, 2 threads", Some(drawn), || draw(&*generator, 2, |_| Ok(())))?;
    for name in ["seqtree.csv", "seqtree.csv.zst", "seqtree.jsonl", "seqtree.parquet"] {
        let path = std::env::temp_dir().join(name);
        report(&format!("draw, 2 threads, to {name}"), Some(drawn), || {
            write(&*generator, &train, &path)
        })?;
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// Times a thing five times; prints the median, the rows per second, and the processor's seconds,
/// which a busy machine leaves unchanged.
fn report<E>(what: &str, rows: Option<f64>, run: impl Fn() -> Result<(), E>) -> Result<(), E> {
    let mut seconds = Vec::new();
    let busy = processor_seconds();
    for _ in 0..RUNS {
        let begin = Instant::now();
        run()?;
        seconds.push(begin.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let median = median(&seconds);
    let busy = (processor_seconds() - busy) / RUNS as f64;
    let rate = rows.map_or(String::new(), |rows| {
        format!("{:>9.0} rows/s {:>9.0} rows/processor second", rows / median, rows / busy)
    });
    println!("{what:<36} {median:>7.3} s {busy:>7.3} processor s {rate}");
    Ok(())
}

/// Draws all chunks with so many threads and hands them on in the order they come.
fn draw(
    generator: &dyn Generator,
    threads: u32,
    mut take: impl FnMut((u32, Table)) -> Result<(), tgs_protocol::engine::EngineError>,
) -> Result<(), tgs_protocol::engine::EngineError> {
    let next = AtomicU32::new(0);
    let (send, receive) = mpsc::sync_channel(4);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                loop {
                    let chunk = next.fetch_add(1, Ordering::Relaxed);
                    if chunk >= DRAWN_CHUNKS {
                        break;
                    }
                    let table = generator.chunk(SEED, ChunkNo(chunk), CHUNK_ROWS as usize);
                    if send.send(table.map(|table| (chunk, table))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        receive.into_iter().try_for_each(|drawn| drawn.and_then(&mut take))
    })
}

fn write(
    generator: &dyn Generator,
    like: &Table,
    path: &Path,
) -> Result<(), tgs_protocol::engine::EngineError> {
    let specs: Vec<_> = like.columns().iter().map(|column| Arc::clone(&column.spec)).collect();
    let mut writer = Writer::create(path, format_of(path), &specs)?;
    draw(generator, 2, |(_, table)| writer.append(&table))?;
    writer.finish().map(drop)
}

/// Nine columns of levels and six of whole numbers, tied to each other, with the cardinalities and
/// frequent values of a census.
fn census(rows: usize, seed: u64) -> Table {
    let mut stream = Stream::new(seed, Purpose::Test, 0);
    let hidden: Vec<f64> = (0..rows).map(|_| stream.normal()).collect();
    let mut columns = Vec::new();
    for (at, count) in [9_u32, 16, 7, 15, 6, 5, 2, 42, 2].into_iter().enumerate() {
        let texts: Vec<String> = (0..count).map(|level| format!("Level-{at}-{level}")).collect();
        let codes: UInt32Array = hidden
            .iter()
            .map(|hidden| {
                let place = 0.35 + 0.15 * hidden + 0.12 * stream.normal();
                Some((place.clamp(0.0, 0.999) * f64::from(count)) as u32)
            })
            .collect();
        let cells = Cells::Level { codes, levels: Arc::new(StringArray::from(texts)) };
        columns.push(column(&format!("level {at}"), ColumnKind::Category, cells));
    }
    for (at, (centre, spread, zeros)) in [
        (38.0, 13.0, 0.0),
        (190_000.0, 100_000.0, 0.0),
        (10.0, 2.5, 0.0),
        (8_000.0, 5_000.0, 0.92),
        (1_800.0, 400.0, 0.95),
        (40.0, 12.0, 0.0),
    ]
    .into_iter()
    .enumerate()
    {
        let values: Float64Array = hidden
            .iter()
            .map(|hidden| {
                let value = centre + spread * (0.5 * hidden + 0.8 * stream.normal());
                Some(if stream.uniform() < zeros { 0.0 } else { value.abs().round() })
            })
            .collect();
        columns.push(column(&format!("number {at}"), ColumnKind::Integer, Cells::Number(values)));
    }
    Table::new(columns)
}

fn column(name: &str, kind: ColumnKind, cells: Cells) -> Column {
    let format = match kind {
        ColumnKind::Integer => ValueFormat::Decimal { digits: 0, least: 0 },
        _ => ValueFormat::Verbatim,
    };
    let (name, reason) = (name.to_owned(), "made".to_owned());
    Column { spec: Arc::new(ColumnSpec { name, kind, reason, format, missing_token: None }), cells }
}

/// The format of a file that this program named itself.
fn format_of(path: &Path) -> OutputFormat {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    OutputFormat::of_name(&name).expect("this program names its files rightly")
}
