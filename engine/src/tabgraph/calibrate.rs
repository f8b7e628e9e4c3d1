//! Offsets of the logits, learned after training, so that shares stay right *during* sampling.
//!
//! Correcting only the last answer moves single cells against the rest of their rows. An offset
//! that acts at every evaluation lets the other columns of the row follow.
//!
//! Memory is that of the batches in work: of each only the sums of its probabilities are kept.
//! They are added in the order of the batches, so the number of threads changes no bit.

use std::{ops::Range, sync::Arc};

use tgs_protocol::engine::EngineError;

use super::sampler::{TabgraphSampler, mean_probabilities};
use crate::{
    learn::{
        crew::Crew,
        learner::Pause,
        torch::{Torch, failed, values},
    },
    random::{Purpose, Stream},
};

/// Rows sampled in each round.
const ROWS: usize = 4_000;
/// Share of the measured error that a round corrects.
const PACE: f64 = 0.7;
/// Offsets stay within ± this.
const OFFSET_MAX: f64 = 3.0;
/// Levels rarer than this many of [`ROWS`] are left alone: their share cannot be measured.
const ROWS_PER_LEVEL_MIN: f64 = 8.0;

/// Fills the offsets of a trained sampler; the same model gives the same offsets.
///
/// # Errors
/// `Stopped` when `pause` says so.
pub(super) fn calibrate(
    mut sampler: TabgraphSampler,
    crew: &Crew,
    pause: Pause<'_>,
) -> Result<TabgraphSampler, EngineError> {
    let measured: Arc<[Measured]> = measured(&sampler).into();
    if measured.is_empty() {
        return Ok(sampler);
    }
    let rounds = sampler.config.calibration_rounds;
    for round in 1..=rounds {
        let note = format!("calibrating shares, round {round} of {rounds}");
        let shared = Arc::new(sampler);
        let means = means(&shared, &measured, crew, &|| pause(&note))?;
        sampler = Arc::unwrap_or_clone(shared);
        for (head, means) in measured.iter().zip(means) {
            let offsets = &mut sampler.offsets[head.levels.clone()];
            for ((offset, share), mean) in offsets.iter_mut().zip(&head.shares).zip(means) {
                if !is_measurable(*share) {
                    continue;
                }
                let error = libm::log(share / mean.max(1e-4)).clamp(-1.0, 1.0);
                let moved = f64::from(*offset) + PACE * error;
                #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
                let moved = moved.clamp(-OFFSET_MAX, OFFSET_MAX) as f32;
                *offset = moved;
            }
        }
    }
    Ok(sampler)
}

/// A head with a level that can be measured.
struct Measured {
    /// Its place among the heads.
    at: usize,
    /// Its levels among those of all heads.
    levels: Range<usize>,
    /// Their shares in training.
    shares: Vec<f64>,
}

fn measured(sampler: &TabgraphSampler) -> Vec<Measured> {
    let mut begins = 0;
    let heads = sampler.tokenizer.heads.iter().enumerate().map(|(at, head)| {
        let shares = head.shares();
        let levels = begins..begins + shares.len();
        begins = levels.end;
        Measured { at, levels, shares }
    });
    heads.filter(|head| head.shares.iter().any(|share| is_measurable(*share))).collect()
}

fn is_measurable(share: f64) -> bool {
    share * ROWS as f64 >= ROWS_PER_LEVEL_MIN
}

/// Mean probabilities of the levels of each measured head, over [`ROWS`] rows.
fn means(
    sampler: &Arc<TabgraphSampler>,
    heads: &Arc<[Measured]>,
    crew: &Crew,
    pause: &dyn Fn() -> Result<(), EngineError>,
) -> Result<Vec<Vec<f64>>, EngineError> {
    let mut means: Vec<Vec<f64>> = heads.iter().map(|head| vec![0.0; head.shares.len()]).collect();
    let size = sampler.rows_together();
    let batches: Vec<Range<usize>> =
        (0..ROWS).step_by(size).map(|from| from..ROWS.min(from + size)).collect();
    for (wave, batches) in batches.chunks(crew.threads()).enumerate() {
        pause()?;
        let work = batches.iter().enumerate().map(|(at, rows)| {
            let (sampler, heads) = (Arc::clone(sampler), Arc::clone(heads));
            let (number, rows) = (wave * crew.threads() + at, rows.len());
            move || batch_means(&sampler, &heads, number as u64, rows)
        });
        for (rows, answer) in batches.iter().zip(crew.run(work.collect::<Vec<_>>())?) {
            let answer = answer.map_err(failed("calibrate shares"))?;
            let weight = rows.len() as f64 / ROWS as f64;
            for (sums, of_batch) in means.iter_mut().zip(answer) {
                sums.iter_mut().zip(of_batch).for_each(|(sum, mean)| *sum += weight * mean);
            }
        }
    }
    Ok(means)
}

/// The same over one batch.
fn batch_means(
    sampler: &TabgraphSampler,
    heads: &[Measured],
    number: u64,
    rows: usize,
) -> Torch<Vec<Vec<f64>>> {
    let _guard = tch::no_grad_guard();
    // Seed 0 of a purpose of its own: no job's chunk is repeated here.
    let mut latents = Stream::new(0, Purpose::Calibration, number);
    let pieces = sampler.last_pieces(rows, &mut latents)?;
    // The first piece holds the numbers.
    let of =
        |head: &Measured| Ok(mean_probabilities(values(&pieces[1 + head.at])?, head.shares.len()));
    heads.iter().map(of).collect()
}
