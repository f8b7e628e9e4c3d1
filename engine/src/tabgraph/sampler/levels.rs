//! Levels drawn from logits so that their shares in the chunk are those of the training table.
//!
//! Small errors of the net add up over a chunk: a level of share 2 % comes at 3 %. Adding one
//! number per level to the logits mends that, and changes first the rows that are least sure.

use crate::{random::Stream, tabgraph::tokenizer::RANKED_ROWS_MIN};

/// Heads with more levels are drawn as they are: each level has too few rows to calibrate on.
const LEVELS_CALIBRATED_MAX: usize = 512;
const ROUNDS: usize = 30;
/// Shares are right when none is further off.
const SHARE_ERROR_MAX: f64 = 1e-4;
/// All levels move at once: of two, each takes half of the way.
const DAMPING: f64 = 0.5;
/// Logits move at most so far in a round.
const LOGIT_STEP_MAX: f64 = 2.0;
/// Below this the rows are sure, and a logit hardly moves a share.
const SLOPE_MIN: f64 = 1e-5;
/// Weights stay within this and its inverse. A share that needs more is missed by the net, and rows
/// that are sure would be torn from their other columns (pair trend error on a weather table: .21 %
/// with this bound, 1.58 % without); numbers are brought to their shares by rank afterwards.
const WEIGHT_MIN: f32 = 0.01;
/// Rows that share out the unit interval among themselves when levels are drawn.
const STRATUM_ROWS: usize = 64;

/// Whether the shares of a head of so many levels are brought to those of the training table.
pub(crate) fn is_calibrated(levels: usize) -> bool {
    levels <= LEVELS_CALIBRATED_MAX
}

/// One level per row: brought to the shares in training, or, of a handful of rows, by the net
/// alone. `logits`: rows × levels of one head; `shares`: of its levels, in training.
pub(crate) fn told(logits: Vec<f32>, shares: &[f64], draws: &mut Stream) -> Vec<u32> {
    if logits.len() < RANKED_ROWS_MIN * shares.len() {
        return as_told(logits, shares.len(), draws);
    }
    calibrated(logits, shares, draws)
}

fn calibrated(logits: Vec<f32>, shares: &[f64], draws: &mut Stream) -> Vec<u32> {
    let levels = shares.len();
    let mut odds = exponentials(logits, levels);
    let weights = match is_calibrated(levels) {
        true => calibrating_weights(&odds, shares),
        false => vec![1.0; levels],
    };
    for row in odds.chunks_exact_mut(levels) {
        row.iter_mut().zip(&weights).for_each(|(cell, weight)| *cell *= weight);
    }
    drawn(&odds, levels, draws)
}

/// One level per row, by the probabilities of the net alone.
pub(crate) fn as_told(logits: Vec<f32>, levels: usize, draws: &mut Stream) -> Vec<u32> {
    drawn(&exponentials(logits, levels), levels, draws)
}

fn drawn(odds: &[f32], levels: usize, draws: &mut Stream) -> Vec<u32> {
    let places = places(odds, levels, draws);
    odds.chunks_exact(levels).zip(places).map(|(row, place)| level_at(row, place)).collect()
}

/// Weights of the levels under which their mean probabilities are these shares, as nearly as the
/// rounds come: Newton's method, level by level.
fn calibrating_weights(odds: &[f32], shares: &[f64]) -> Vec<f32> {
    let mut weights = vec![1.0_f32; shares.len()];
    let mut best = (f64::INFINITY, weights.clone());
    for _ in 0..ROUNDS {
        let (means, squares) = moments(odds, &weights);
        let off = means.iter().zip(shares).map(|(mean, share)| (mean - share).abs());
        let off = off.fold(0.0, f64::max);
        if off < best.0 {
            best = (off, weights.clone());
        }
        if off < SHARE_ERROR_MAX {
            break;
        }
        for (at, weight) in weights.iter_mut().enumerate() {
            // p (1 − p) is how much a logit moves its share.
            let slope = (means[at] - squares[at]).max(SLOPE_MIN);
            let step = DAMPING * (shares[at] - means[at]) / slope;
            #[expect(clippy::cast_possible_truncation, reason = "within the clamp")]
            let factor = libm::exp(step.clamp(-LOGIT_STEP_MAX, LOGIT_STEP_MAX)) as f32;
            *weight = (*weight * factor).clamp(WEIGHT_MIN, 1.0 / WEIGHT_MIN);
        }
    }
    best.1
}

/// Where in the unit interval each row draws: uniform row by row, and among [`STRATUM_ROWS`] rows
/// of like odds one in each equal part. What chance alone would add to the shares of a chunk is
/// then gone, and every row keeps its own probabilities (stratified sampling, Neyman, 1934).
fn places(odds: &[f32], levels: usize, draws: &mut Stream) -> Vec<f64> {
    let likeliest = |row: &[f32]| {
        let sum: f32 = row.iter().sum();
        let most = row.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        most.map_or((0, 0.0), |(level, cell)| (level, cell / sum.max(f32::MIN_POSITIVE)))
    };
    let keys: Vec<(usize, f32)> = odds.chunks_exact(levels).map(likeliest).collect();
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|a, b| keys[*a].0.cmp(&keys[*b].0).then(keys[*a].1.total_cmp(&keys[*b].1)));
    let mut places = vec![0.0; keys.len()];
    for stratum in order.chunks(STRATUM_ROWS) {
        let parts = draws.permutation(stratum.len());
        for (row, part) in stratum.iter().zip(parts) {
            places[*row] = (part as f64 + draws.uniform()) / stratum.len() as f64;
        }
    }
    places
}

/// The level that holds this place when the odds of a row fill the unit interval.
fn level_at(odds: &[f32], place: f64) -> u32 {
    let mut left = place * odds.iter().map(|cell| f64::from(*cell)).sum::<f64>();
    let mut last = 0;
    for (level, cell) in odds.iter().enumerate().filter(|(_, cell)| **cell > 0.0) {
        last = level;
        left -= f64::from(*cell);
        if left < 0.0 {
            break;
        }
    }
    u32::try_from(last).unwrap_or(0)
}

/// Mean probability of each level over the rows.
pub(in crate::tabgraph) fn mean_probabilities(logits: Vec<f32>, levels: usize) -> Vec<f64> {
    moments(&exponentials(logits, levels), &vec![1.0; levels]).0
}

/// e to the logits less the largest of the row.
fn exponentials(mut logits: Vec<f32>, levels: usize) -> Vec<f32> {
    for row in logits.chunks_exact_mut(levels) {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|cell| *cell = libm::expf(*cell - most));
    }
    logits
}

/// Means over the rows of each level's probability, and of its square.
fn moments(odds: &[f32], weights: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let (mut means, mut squares) = (vec![0.0_f64; weights.len()], vec![0.0_f64; weights.len()]);
    for row in odds.chunks_exact(weights.len()) {
        let sum: f32 = row.iter().zip(weights).map(|(cell, weight)| cell * weight).sum();
        let scale = 1.0 / sum.max(1e-30);
        let sums = means.iter_mut().zip(&mut squares);
        for ((mean, square), (cell, weight)) in sums.zip(row.iter().zip(weights)) {
            let probability = f64::from(cell * weight * scale);
            *mean += probability;
            *square += probability * probability;
        }
    }
    let rows = (odds.len() / weights.len().max(1)).max(1) as f64;
    means.iter_mut().chain(&mut squares).for_each(|sum| *sum /= rows);
    (means, squares)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    /// Draws a level for each row and compares their shares with those asked for.
    fn assert_drawn(logits: Vec<f32>, shares: [f64; 3], within: f64, stream: &mut Stream) {
        let rows = (logits.len() / 3) as f64;
        let mut counts = [0.0; 3];
        for level in calibrated(logits, &shares, stream) {
            counts[level as usize] += 1.0 / rows;
        }
        for (count, share) in counts.iter().zip(shares) {
            assert!((count - share).abs() < within, "{counts:?} where {shares:?} was asked");
        }
    }

    #[test]
    fn shares_come_out_as_asked() {
        let mut stream = Stream::new(3, Purpose::Test, 0);
        let rows = 10_000;
        let logits: Vec<f32> =
            (0..rows).flat_map(|_| [stream.normal() as f32 * 3.0, 0.5, -1.0]).collect();
        assert_drawn(logits, [0.2, 0.3, 0.5], 0.001, &mut stream);
    }

    /// What a trained net answers: most rows are sure of their level.
    #[test]
    fn shares_come_out_as_asked_where_rows_are_sure() {
        let mut stream = Stream::new(7, Purpose::Test, 0);
        let rows = 10_000;
        let row = |_| {
            let most = stream.below(3) as usize;
            let mut row = [0.0, -1.0, -2.0].map(|mean| mean + stream.normal() as f32);
            row[most] += if stream.uniform() < 0.9 { 15.0 } else { 1.0 };
            row
        };
        let logits: Vec<f32> = (0..rows).flat_map(row).collect();
        assert_drawn(logits, [0.32, 0.33, 0.35], 0.002, &mut stream);
    }

    #[test]
    fn rows_keep_their_own_probabilities() {
        let mut stream = Stream::new(5, Purpose::Test, 0);
        let (rows, rounds) = (200, 2_000);
        let logits: Vec<f32> = (0..2 * rows).map(|_| stream.normal() as f32).collect();
        let odds = exponentials(logits, 2);
        let mut counts = vec![0.0; rows];
        for _ in 0..rounds {
            for (count, (row, place)) in
                counts.iter_mut().zip(odds.chunks_exact(2).zip(places(&odds, 2, &mut stream)))
            {
                *count += f64::from(level_at(row, place)) / f64::from(rounds);
            }
        }
        for (count, row) in counts.iter().zip(odds.chunks_exact(2)) {
            let asked = f64::from(row[1] / (row[0] + row[1]));
            assert!((count - asked).abs() < 0.06, "{count} where {asked} was asked");
        }
    }

    #[test]
    fn heads_of_equal_odds_are_drawn_independently() {
        let mut stream = Stream::new(6, Purpose::Test, 0);
        let rows = 20_000;
        let odds = vec![1.0_f32; 2 * rows];
        let mut head = || {
            let places = places(&odds, 2, &mut stream);
            places.into_iter().map(|place| 2.0 * (place - 0.5).signum()).collect::<Vec<f64>>()
        };
        let (a, b) = (head(), head());
        let together: f64 = a.iter().zip(&b).map(|(a, b)| a * b / 4.0).sum::<f64>() / rows as f64;
        assert!(together.abs() < 0.03, "correlation {together}");
    }

    #[test]
    fn impossible_levels_are_never_drawn() {
        let mut stream = Stream::new(4, Purpose::Test, 0);
        let logits = [f32::NEG_INFINITY, 0.0, 1.0].repeat(500);
        let drawn = calibrated(logits, &[0.5, 0.25, 0.25], &mut stream);
        assert!(drawn.iter().all(|level| *level != 0) && drawn.contains(&1));
    }
}
