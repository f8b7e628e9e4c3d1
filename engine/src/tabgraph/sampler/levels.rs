//! Levels drawn from logits so that their shares in the chunk are those of the training table.
//!
//! Small errors of the net add up over a chunk: a level of share 2 % comes at 3 %. Adding one
//! number per level to the logits mends that, and changes first the rows that are least sure.

use crate::random::Stream;

/// Heads with more levels are drawn as they are: each level has too few rows to calibrate on.
const LEVELS_CALIBRATED_MAX: usize = 512;
const ROUNDS: usize = 12;

/// One level per row. `logits`: rows × levels of one head; `shares`: of its levels, in training.
pub(crate) fn calibrated(logits: Vec<f32>, shares: &[f64], draws: &mut Stream) -> Vec<u32> {
    let levels = shares.len();
    let mut odds = exponentials(logits, levels);
    let mut weights = vec![1.0_f32; levels];
    if levels <= LEVELS_CALIBRATED_MAX {
        for _ in 0..ROUNDS {
            let means = mean_odds(&odds, &weights);
            for ((weight, share), mean) in weights.iter_mut().zip(shares).zip(means) {
                #[expect(clippy::cast_possible_truncation, reason = "within the clamp")]
                let factor = (share / mean.max(1e-9)).clamp(0.2, 5.0) as f32;
                *weight = (*weight * factor).clamp(1e-6, 1e6);
            }
        }
    }
    let pick = |row: &mut [f32]| {
        let mut sum = 0.0_f64;
        for (cell, weight) in row.iter_mut().zip(&weights) {
            *cell *= weight;
            sum += f64::from(*cell);
        }
        let mut left = draws.uniform() * sum;
        let mut last = 0;
        for (level, cell) in row.iter().enumerate() {
            if *cell > 0.0 {
                last = level;
                left -= f64::from(*cell);
                if left < 0.0 {
                    break;
                }
            }
        }
        u32::try_from(last).unwrap_or(0)
    };
    odds.chunks_exact_mut(levels).map(pick).collect()
}

/// Mean probability of each level over the rows.
pub(in crate::tabgraph) fn mean_probabilities(logits: Vec<f32>, levels: usize) -> Vec<f64> {
    let odds = exponentials(logits, levels);
    mean_odds(&odds, &vec![1.0; levels])
}

/// e to the logits less the largest of the row.
fn exponentials(mut logits: Vec<f32>, levels: usize) -> Vec<f32> {
    for row in logits.chunks_exact_mut(levels) {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|cell| *cell = libm::expf(*cell - most));
    }
    logits
}

fn mean_odds(odds: &[f32], weights: &[f32]) -> Vec<f64> {
    let mut means = vec![0.0_f64; weights.len()];
    for row in odds.chunks_exact(weights.len()) {
        let sum: f32 = row.iter().zip(weights).map(|(cell, weight)| cell * weight).sum();
        let scale = 1.0 / sum.max(1e-30);
        for ((mean, cell), weight) in means.iter_mut().zip(row).zip(weights) {
            *mean += f64::from(cell * weight * scale);
        }
    }
    let rows = (odds.len() / weights.len().max(1)).max(1) as f64;
    means.iter_mut().for_each(|mean| *mean /= rows);
    means
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn shares_come_out_as_asked() {
        let mut stream = Stream::new(3, Purpose::Test, 0);
        let rows = 10_000;
        let logits: Vec<f32> =
            (0..rows).flat_map(|_| [stream.normal() as f32 * 3.0, 0.5, -1.0]).collect();
        let shares = [0.2, 0.3, 0.5];
        let mut counts = [0.0; 3];
        for level in calibrated(logits, &shares, &mut stream) {
            counts[level as usize] += 1.0 / f64::from(rows);
        }
        for (count, share) in counts.iter().zip(shares) {
            assert!((count - share).abs() < 0.012, "{counts:?} where {shares:?} was asked");
        }
    }

    #[test]
    fn impossible_levels_are_never_drawn() {
        let mut stream = Stream::new(4, Purpose::Test, 0);
        let logits = [f32::NEG_INFINITY, 0.0, 1.0].repeat(500);
        let drawn = calibrated(logits, &[0.5, 0.25, 0.25], &mut stream);
        assert!(drawn.iter().all(|level| *level != 0) && drawn.contains(&1));
    }
}
