//! How fast `tabgraph` trains and draws on a CSV file, with its default net, and what checkpoints
//! cost.
//!
//! `tabgraph TABLE.csv [steps]`: medians over five runs. Speed does not depend on how long the net
//! was trained, but for the calibration of shares, so some hundred steps are made first.

use std::{
    env,
    error::Error,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::Map;
use tgs_benches::{median, seconds_of};
use tgs_engine::{
    ingest::{holdout::split, read_table},
    model::Generator,
    tabgraph,
};
use tgs_protocol::{
    checkpoint::cadence,
    chunk::ChunkNo,
    digest::Digest,
    engine::Trainer,
    limits::{CHUNK_ROWS, LOSS_EXPECTED_MS},
    model::TrainingLength,
    progress::Unwatched,
    unit::{Millis, Steps},
};

const RUNS: usize = 5;
const THREADS: u32 = 2;
const SEED: u64 = 1;
const CHUNKS: u32 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let path = arguments.next().ok_or("name a table: tabgraph TABLE.csv [steps]")?;
    let steps = arguments.next().map_or(Ok(300), |steps| steps.parse())?;
    let (table, _) = read_table(Path::new(&path), None, &Unwatched)?;
    let (train, _) = split(table, SEED);
    let length = TrainingLength::Steps(steps);
    let plan = tabgraph::plan(&train, length, &Map::new(), SEED, THREADS, &Unwatched)?;
    let mut run = tabgraph::trainer(&train, &plan, (SEED, THREADS), None, &Unwatched)?;
    let begun = Instant::now();
    run.segment(Steps(u64::MAX), &Unwatched)?;
    // Fewer than asked for where training ends by itself.
    let made = run.at().get() as f64;
    let speed = made / begun.elapsed().as_secs_f64();
    println!("{} rows: {speed:.1} steps/s", train.rows());
    let every = checkpoints(run.as_ref())?;
    let long = TrainingLength::Steps(u64::from(u16::MAX));
    let plan = tabgraph::plan(&train, long, &Map::new(), SEED, THREADS, &Unwatched)?;
    let mut other = tabgraph::trainer(&train, &plan, (SEED, THREADS), None, &Unwatched)?;
    with_and_without(other.as_mut(), Steps((speed * every.as_secs_f64()) as u64))?;
    let model = run.finish(&Unwatched)?;
    let generator = tabgraph::generator(&model)?;
    for threads in [1, THREADS] {
        let rows = f64::from(threads * CHUNKS) * CHUNK_ROWS as f64;
        let seconds = median(&seconds_of(RUNS, || draw(&*generator, threads)));
        println!("draw, {threads} threads: {:.0} rows/s", rows / seconds);
    }
    Ok(())
}

/// What a checkpoint keeps training from, over the time from one to the next: the snapshot, which
/// training waits for, and its digest and file, which another thread makes beside it.
fn checkpoints(run: &dyn Trainer) -> Result<Duration, Box<dyn Error>> {
    let bytes = run.snapshot()?;
    let waiting = median(&seconds_of(RUNS, || drop(run.snapshot())));
    let beside = median(&seconds_of(RUNS, || write(&bytes)));
    let cost = Duration::from_secs_f64(waiting + beside).as_millis() as u64;
    let every = cadence::period(Millis(cost), Millis(LOSS_EXPECTED_MS)).get();
    println!(
        "checkpoint of {:.1} MB: training waits {:.1} ms, {:.1} ms beside it, every {:.1} s: \
         {:.2} % of training",
        bytes.len() as f64 / 1e6,
        1e3 * waiting,
        1e3 * beside,
        every as f64 / 1e3,
        100.0 * 1e3 * (waiting + beside) / every as f64,
    );
    Ok(Duration::from_millis(every))
}

/// As many steps as lie between two checkpoints, with a checkpoint at their beginning and without:
/// in turns, so that the machine's moods meet both.
fn with_and_without(run: &mut dyn Trainer, steps: Steps) -> Result<(), Box<dyn Error>> {
    run.segment(steps, &Unwatched)?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let begun = Instant::now();
        run.segment(steps, &Unwatched)?;
        without.push(begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        let bytes = run.snapshot()?;
        let writer = thread::spawn(move || write(&bytes));
        run.segment(steps, &Unwatched)?;
        with.push(begun.elapsed().as_secs_f64());
        writer.join().expect("the writer does not panic");
    }
    let (without, with) = (median(&without), median(&with));
    println!(
        "{steps} steps without a checkpoint {without:.2} s, with one {with:.2} s: {:+.2} %",
        100.0 * (with / without - 1.0)
    );
    Ok(())
}

fn write(bytes: &[u8]) {
    let file = env::temp_dir().join(format!("tgs-bench-snapshot-{}", std::process::id()));
    let digest = Digest::of(bytes);
    let written = fs::write(&file, bytes).and_then(|()| fs::File::open(&file)?.sync_all());
    written.unwrap_or_else(|error| panic!("write {digest}: {error}"));
    let _ = fs::remove_file(&file);
}

fn draw(generator: &dyn Generator, threads: u32) {
    thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for chunk in 0..CHUNKS {
                    let chunk = ChunkNo(thread * CHUNKS + chunk);
                    let table = generator.chunk(SEED, chunk, CHUNK_ROWS as usize);
                    assert_eq!(table.map(|table| table.rows()).ok(), Some(CHUNK_ROWS as usize));
                }
            });
        }
    });
}
