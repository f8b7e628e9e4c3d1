//! Noise levels of a quick sampler, fitted after training to what a slow one makes of its noise.
//!
//! Where a solver of few evaluations errs depends on the net and its table, so the levels are
//! searched for, not chosen: each is moved up and down, and stays where the rows come nearer to
//! those of the slow sampler (in the spirit of Sabour et al., "Align your steps", ICML 2024, with
//! the difference of the rows themselves in place of a bound on it).
//!
//! Errors of batches are added in their order, so the number of threads changes no bit.

use std::sync::Arc;

use tgs_protocol::engine::EngineError;

use super::{
    config::TabgraphConfig,
    sampler::{TabgraphSampler, noise_levels},
};
use crate::{
    learn::{
        crew::Crew,
        learner::Pause,
        torch::{Torch, failed, matrix, values},
    },
    random::{Purpose, Stream},
};

/// Rows that are compared, in batches of this size.
const BATCH_ROWS: usize = 500;
const BATCHES: u64 = 4;
/// Rounds of the search, and by how much a level's logarithm moves in the first one.
const ROUNDS: i32 = 8;
const REACH: f64 = 0.4;
/// By this much less in each further round.
const SLOWER: f64 = 0.65;
/// Neighbouring levels stay so far apart, in logarithms: the solver divides by it.
const APART_MIN: f64 = 0.05;

/// Noise, and what the slow sampler makes of it.
struct Batch {
    noise: Vec<f32>,
    clean: Vec<f32>,
}

/// The same sampler with levels of noise that were fitted, where it has fewer evaluations than the
/// slow one.
///
/// # Errors
/// `Stopped` when `pause` says so.
pub(super) fn fit(
    sampler: TabgraphSampler,
    crew: &Crew,
    pause: Pause<'_>,
) -> Result<TabgraphSampler, EngineError> {
    let slow = sampler.config.slow_evaluations;
    if sampler.config.evaluations >= slow || sampler.denoiser.tokens() == 0 {
        return Ok(sampler);
    }
    let shared = Arc::new(sampler);
    let config = TabgraphConfig { evaluations: slow, ..shared.config.clone() };
    let batches = batches(&shared, &noise_levels(&config), crew)?;
    let logs = |levels: &[f64]| levels.iter().map(|sigma| libm::log(*sigma)).collect::<Vec<_>>();
    let error = |logs: &[f64]| {
        let levels: Arc<[f64]> = logs.iter().map(|log| libm::exp(*log)).collect();
        error(&shared, &batches, &levels, crew)
    };
    let mut best = logs(&shared.noise_levels);
    let mut least = error(&best)?;
    for round in 0..ROUNDS {
        pause(&format!("fitting noise levels, round {} of {ROUNDS}", round + 1))?;
        let reach = REACH * SLOWER.powi(round);
        for at in 0..best.len() {
            for by in [reach, -reach] {
                let mut tried = best.clone();
                tried[at] += by;
                if !tried.windows(2).all(|pair| pair[0] - pair[1] >= APART_MIN) {
                    continue;
                }
                let found = error(&tried)?;
                if found < least {
                    (least, best) = (found, tried);
                    break;
                }
            }
        }
    }
    drop(batches);
    let noise_levels = best.into_iter().map(libm::exp).collect();
    Ok(TabgraphSampler { noise_levels, ..Arc::unwrap_or_clone(shared) })
}

fn batches(
    sampler: &Arc<TabgraphSampler>,
    levels: &[f64],
    crew: &Crew,
) -> Result<Arc<[Batch]>, EngineError> {
    let work = (0..BATCHES).map(|number| {
        let (sampler, levels) = (Arc::clone(sampler), levels.to_vec());
        move || -> Torch<Batch> {
            // Seed 0 of a purpose of its own: no job's chunk is repeated here.
            let mut latents = Stream::new(0, Purpose::NoiseLevels, number);
            let mut noise = vec![0.0_f32; BATCH_ROWS * sampler.denoiser.tokens()];
            latents.fill_normal(&mut noise);
            let clean = clean(&sampler, &levels, &noise)?;
            Ok(Batch { noise, clean })
        }
    });
    let batches = crew.run(work)?.into_iter().collect::<Torch<Vec<_>>>();
    Ok(batches.map_err(failed("fit noise levels"))?.into())
}

/// Mean square of what lies between the rows of both samplers.
fn error(
    sampler: &Arc<TabgraphSampler>,
    batches: &Arc<[Batch]>,
    levels: &Arc<[f64]>,
    crew: &Crew,
) -> Result<f64, EngineError> {
    let work = (0..batches.len()).map(|at| {
        let (sampler, batches, levels) =
            (Arc::clone(sampler), Arc::clone(batches), Arc::clone(levels));
        move || -> Torch<f64> {
            let Batch { noise, clean: wanted } = &batches[at];
            let made = clean(&sampler, &levels, noise)?;
            let square = |(made, wanted): (&f32, &f32)| f64::from(made - wanted).powi(2);
            Ok(made.iter().zip(wanted).map(square).sum::<f64>() / made.len().max(1) as f64)
        }
    });
    let errors = crew.run(work)?.into_iter().collect::<Torch<Vec<f64>>>();
    Ok(errors.map_err(failed("fit noise levels"))?.into_iter().sum())
}

/// Clean tokens of noise, by a sampler of these levels.
fn clean(sampler: &TabgraphSampler, levels: &[f64], noise: &[f32]) -> Torch<Vec<f32>> {
    let _guard = tch::no_grad_guard();
    let noise = matrix(noise, sampler.denoiser.tokens())?;
    values(&sampler.solver(levels)?.solve(sampler, &noise)?.0)
}
