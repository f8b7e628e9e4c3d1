//! Inference: someone who knows all columns of a person but one takes the missing one from the
//! synthetic row that is nearest in the others.

use tgs_protocol::engine::EngineError;

use super::{ATTACKED_MAX, Inference, Rate, Risk, attacked, held};
use crate::measure::{
    crew::Crew,
    frame::{Frame, Side, Values},
    space::{Metric, Points, Space, add_column},
};

/// A guessed number counts as right when it is off by no more than this part of the true one.
const TOLERANCE: f64 = 0.05;
/// A guessed moment, by no more than this part of the training range: there is no zero to count
/// moments from.
const MOMENT_TOLERANCE: f64 = 0.01;
/// Cells that are compared at most, so that wide tables take no longer.
const COMPARED_MAX: usize = 400_000_000;
/// Rows that are attacked at least.
const ATTACKED_MIN: usize = 200;
/// Attacked rows of one piece of work.
const QUERIES: usize = 16;
/// Synthetic rows whose distances are summed together.
const BLOCK: usize = 512;
/// Draws of this attack, told apart from those of the others.
const PART: u64 = 8;

/// The column that gains most beyond strangers, its interval counted in its favour; none for fewer
/// than two columns.
///
/// # Errors
/// `Stopped` when the watch says so.
pub fn measure(
    frame: &Frame,
    space: &Space,
    seed: u64,
    crew: Crew,
) -> Result<Option<Inference>, EngineError> {
    let width = frame.fields.len();
    if width < 2 {
        return Ok(None);
    }
    let held = held(frame, PART, seed);
    let made = space.points(&frame.synthetic, &held);
    let most = COMPARED_MAX / (made.rows * width).max(1);
    let most = most.clamp(ATTACKED_MIN, ATTACKED_MAX);
    let reach: Vec<Option<f64>> = (0..width).map(|column| moment_reach(frame, column)).collect();
    let mut right = Vec::with_capacity(2);
    for (side, rows) in attacked(frame, PART + 1, seed, most) {
        let nearest = nearest_without(&space.points(side, &rows), &made, crew)?;
        let mut counts = vec![0; width];
        for (row, nearest) in rows.iter().zip(nearest) {
            for (column, (count, at)) in counts.iter_mut().zip(nearest).enumerate() {
                let guess = (&frame.synthetic, held[at]);
                *count += usize::from(is_right(column, guess, (side, *row), reach[column]));
            }
        }
        right.push((counts, rows.len()));
    }
    let [(members, tried), (strangers, aside)] = [&right[0], &right[1]];
    let risk = |column: usize| Risk {
        members: Rate::of(members[column], *tried),
        strangers: Rate::of(strangers[column], *aside),
    };
    let worst = (0..width).map(|column| (column, risk(column)));
    let worst = worst.max_by(|(_, a), (_, b)| a.at_least().total_cmp(&b.at_least()));
    let named = |column: usize| frame.fields[column].spec.name.clone();
    Ok(worst.map(|(at, risk)| Inference { column: named(at), risk, columns: width }))
}

/// For every query and column, the reference point that is nearest in all other columns.
fn nearest_without(
    queries: &Points,
    reference: &Points,
    crew: Crew,
) -> Result<Vec<Vec<usize>>, EngineError> {
    let width = reference.columns.len();
    let pieces = crew.map(queries.rows.div_ceil(QUERIES), |piece| {
        let rows = piece * QUERIES..((piece + 1) * QUERIES).min(queries.rows);
        let mut best = vec![vec![(f32::INFINITY, 0); width]; rows.len()];
        // Row c holds the sums over the columns from c on.
        let mut after = vec![0.0_f32; (width + 1) * BLOCK];
        for from in (0..reference.rows).step_by(BLOCK) {
            let size = BLOCK.min(reference.rows - from);
            for (query, best) in rows.clone().zip(&mut best) {
                for column in (0..width).rev() {
                    let (sums, known) = after[column * BLOCK..].split_at_mut(BLOCK);
                    sums[..size].copy_from_slice(&known[..size]);
                    let (mine, theirs) = (&queries.columns[column], &reference.columns[column]);
                    add_column(mine, query, theirs, from, Metric::Absolute, &mut sums[..size]);
                }
                let mut before = [0.0_f32; BLOCK];
                for (column, best) in best.iter_mut().enumerate() {
                    let after = &after[(column + 1) * BLOCK..][..size];
                    for (at, (a, b)) in before.iter().zip(after).enumerate() {
                        if a + b < best.0 {
                            *best = (a + b, from + at);
                        }
                    }
                    let (mine, theirs) = (&queries.columns[column], &reference.columns[column]);
                    add_column(mine, query, theirs, from, Metric::Absolute, &mut before[..size]);
                }
            }
        }
        Ok(best)
    })?;
    let places = |best: Vec<(f32, usize)>| best.into_iter().map(|(_, at)| at).collect();
    Ok(pieces.into_iter().flatten().map(places).collect())
}

/// How far a guess of a moment may be off, in seconds; none for a column of something else.
fn moment_reach(frame: &Frame, column: usize) -> Option<f64> {
    if !frame.fields[column].is_moment() {
        return None;
    }
    let Values::Number(seconds) = &frame.train.columns[column] else { return None };
    let present = || seconds.iter().copied().filter(|second| !second.is_nan());
    let (first, last) =
        (present().fold(f64::INFINITY, f64::min), present().fold(f64::NEG_INFINITY, f64::max));
    Some(MOMENT_TOLERANCE * (last - first).max(0.0))
}

fn is_right(
    column: usize,
    guess: (&Side, usize),
    truth: (&Side, usize),
    reach: Option<f64>,
) -> bool {
    match (&guess.0.columns[column], &truth.0.columns[column]) {
        (Values::Level(guesses), Values::Level(truths)) => guesses[guess.1] == truths[truth.1],
        (Values::Number(guesses), Values::Number(truths)) => {
            let (guess, truth) = (guesses[guess.1], truths[truth.1]);
            let reach = reach.unwrap_or(TOLERANCE * truth.abs());
            (guess.is_nan() && truth.is_nan()) || (guess - truth).abs() <= reach
        }
        _ => false,
    }
}
