//! Measurements, never pass or fail. One binary per question in `src/bin`; `./dev bench` runs all.
//! Results and the commands that repeat them stand in `docs/benchmarks.md`.

pub mod census;
pub mod commits;

use std::{fs, time::Instant};

/// Runs something several times and gives the seconds of each run, shortest first.
pub fn seconds_of(runs: usize, mut work: impl FnMut()) -> Vec<f64> {
    let mut seconds: Vec<f64> = (0..runs)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds
}

/// The middle one of sorted figures.
///
/// # Panics
/// When there are none.
pub fn median(sorted: &[f64]) -> f64 {
    assert!(!sorted.is_empty(), "a median needs figures");
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}

/// Processor time of this process so far, which other work on the machine does not change.
pub fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    // Ticks of a hundredth of a second in user and system mode.
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The most memory that a process (`self`, or its number) has held so far, in units of 10⁶ bytes;
/// none where the system does not tell or the process is gone.
pub fn peak_memory_mb(process: &str) -> Option<f64> {
    memory_mb(process, "VmHWM:")
}

/// The memory that a process holds now, as [`peak_memory_mb`].
pub fn resident_memory_mb(process: &str) -> Option<f64> {
    memory_mb(process, "VmRSS:")
}

fn memory_mb(process: &str, which: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(which))?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}
