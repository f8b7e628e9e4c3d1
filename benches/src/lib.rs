//! Measurements, never pass or fail. One binary per question in `src/bin`; `./dev bench` runs all.
//! Results and the commands that repeat them stand in `docs/benchmarks.md`.

use std::time::Instant;

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
