//! Offsets of the logits, learned after training, so that shares stay right *during* sampling.
//!
//! Correcting only the last answer moves single cells against the rest of their rows. An offset
//! that acts at every evaluation lets the other columns of the row follow.

use tgs_protocol::engine::EngineError;

use super::sampler::{HeadAnswer, TabgraphSampler, mean_probabilities};
use crate::{
    learn::learner::Pause,
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
    sampler: &mut TabgraphSampler,
    pause: Pause<'_>,
) -> Result<(), EngineError> {
    if sampler.denoiser.heads.is_empty() {
        return Ok(());
    }
    let rounds = sampler.config.calibration_rounds;
    for round in 1..=rounds {
        let note = format!("calibrating shares, round {round} of {rounds}");
        // Seed 0 of a purpose of its own: no job's chunk is repeated here.
        let mut latents = Stream::new(0, Purpose::Subsample, u64::from(u32::MAX));
        let answer = sampler.solve(ROWS, &mut latents, None, &|| pause(&note))?;
        let mut begins = 0;
        for (head, answer) in sampler.tokenizer.heads.iter().zip(answer.heads) {
            let HeadAnswer::Logits(logits) = answer else { continue };
            let shares = head.shares();
            let means = mean_probabilities(logits, shares.len());
            let offsets = &mut sampler.offsets[begins..begins + shares.len()];
            begins += shares.len();
            for ((offset, share), mean) in offsets.iter_mut().zip(shares).zip(means) {
                if share * (ROWS as f64) < ROWS_PER_LEVEL_MIN {
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
    Ok(())
}
