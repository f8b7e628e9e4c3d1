//! How much memory the whole job takes, as a multiple of the table: a long table goes in, as many
//! rows come out, through the real program.
//!
//! `memory [rows] [tgs synth options …]`: 2,000,000 rows and `--model seqtree` unless said. Also
//! checks what a large table could lose: the number of rows, and that every id is there once.

use std::{
    collections::HashSet,
    env,
    error::Error,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tgs_benches::{
    census::{self, Until},
    peak_memory_mb,
};

const ROWS: usize = 2_000_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let rows = arguments.next().map_or(Ok(ROWS), |rows| rows.parse())?;
    let mut options: Vec<String> = arguments.collect();
    if options.is_empty() {
        options = ["--model", "seqtree"].map(str::to_owned).to_vec();
    }
    let folder = env::temp_dir().join(format!("tgs-bench-memory-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let (source, copy) = (folder.join("census.csv"), folder.join("copy.csv"));
    census::write(&source, Until::Rows(rows))?;
    let program = env::current_exe()?.with_file_name("tgs");
    let begun = Instant::now();
    let mut job = Command::new(program)
        .args(["synth", "--gates", "warn", "--seed", "1", "-n", &rows.to_string(), "-o"])
        .arg(&copy)
        .arg(&source)
        .arg("--report")
        .arg(folder.join("report"))
        .arg("--home")
        .arg(folder.join("home"))
        .args(&options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let process = job.id().to_string();
    let mut peak: f64 = 0.0;
    let status = loop {
        peak = peak.max(peak_memory_mb(&process).unwrap_or(0.0));
        match job.try_wait()? {
            Some(status) => break status,
            None => thread::sleep(LOOK_EVERY),
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    assert!(status.success(), "tgs ended with {status}; its home is in {}", folder.display());
    let size = fs::metadata(&source)?.len() as f64 / 1e6;
    let (found, ids) = ids_of(&copy)?;
    assert_eq!((found, ids), (rows, rows), "rows and different ids");
    let times = peak / size;
    println!(
        "{rows} rows, {size:.0} MB: {seconds:.0} s, peak {peak:.0} MB = {times:.2} x the table"
    );
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Rows of a CSV file, and how many different first cells they have.
fn ids_of(path: &std::path::Path) -> Result<(usize, usize), Box<dyn Error>> {
    let mut ids = HashSet::new();
    let mut rows = 0;
    for line in BufReader::new(File::open(path)?).lines().skip(1) {
        let line = line?;
        rows += 1;
        ids.insert(line.split(',').next().unwrap_or_default().to_owned());
    }
    Ok((rows, ids.len()))
}
