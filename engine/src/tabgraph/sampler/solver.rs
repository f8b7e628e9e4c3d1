//! DPM-Solver++(2M) (Lu et al., 2022) from noise to clean tokens: on the tensors of many rows, or
//! on the numbers of one.

use std::sync::Arc;

use tch::{Kind, Tensor};

use super::TabgraphSampler;
use crate::{
    learn::{
        flat::Leaves,
        kept::Shared,
        plain::Parameters,
        torch::{Torch, values},
    },
    tabgraph::{config::TabgraphConfig, denoiser::Noisy},
};

/// What all chunks of a model share. Threads may read the same tensors, but not through one value:
/// each takes a [`Shared`] one of its own.
#[derive(Debug)]
pub(in crate::tabgraph) struct Ready {
    leaves: Leaves,
    table: Tensor,
    times: Vec<Tensor>,
    steps: Arc<[Step]>,
    plain: Arc<Plain>,
}

/// The same as numbers, for single rows.
#[derive(Debug)]
struct Plain {
    table: Vec<f32>,
    times: Vec<Vec<f32>>,
}

/// One evaluation of the net and what is done with its answer.
#[derive(Debug)]
struct Step {
    /// Noise level.
    sigma: f64,
    /// 1 / √(1 + σ²).
    shrink: f64,
    /// How far the answer is drawn on, away from the one before it.
    ahead: f64,
    /// Share of the noisy tokens that is kept on the way to the next level; none at the last.
    kept: Option<f64>,
}

impl Ready {
    pub(super) fn of(model: &TabgraphSampler, sigmas: &[f64]) -> Torch<Self> {
        let leaves = model.leaves()?;
        let time = |sigma: &f64| model.denoiser.time(&leaves, &single(libm::log(*sigma))?);
        let times: Vec<Tensor> = sigmas.iter().map(time).collect::<Torch<_>>()?;
        let table = model.denoiser.table(&leaves)?;
        let plain = Plain {
            table: values(&table)?,
            times: times.iter().map(values).collect::<Torch<_>>()?,
        };
        Ok(Self { leaves, table, times, steps: steps(sigmas).into(), plain: Arc::new(plain) })
    }

    /// Clean tokens and the answer of the last evaluation, from standard normal noise.
    pub(in crate::tabgraph) fn solve(
        &self,
        model: &TabgraphSampler,
        noise: &Tensor,
    ) -> Torch<(Tensor, Tensor)> {
        let denoiser = &model.denoiser;
        let numbers = denoiser.numbers as i64;
        let categories = denoiser.tokens() as i64 - numbers;
        let mut x = noise.f_mul_scalar(self.steps[0].sigma)?;
        let mut before: Option<Tensor> = None;
        for (step, time) in self.steps.iter().zip(&self.times) {
            let scaled = x.f_mul_scalar(step.shrink)?;
            let part = |tensor: &Tensor, from: i64, count: i64| {
                (count > 0).then(|| tensor.f_narrow(1, from, count)).transpose()
            };
            let known = (part(&scaled, 0, numbers)?, part(&scaled, numbers, categories)?);
            let noisy = Noisy {
                numbers: known.0.as_ref(),
                categories: known.1.as_ref(),
                last: before.as_ref(),
            };
            let answer = denoiser.forward(&self.leaves, &noisy, time, &[])?;
            let scales = (&single(step.shrink)?, &single(step.sigma * step.shrink)?);
            let clean = denoiser.clean(&answer, known.0.as_ref(), scales, &self.table)?;
            let Some(kept) = step.kept else {
                return Ok((clean, answer));
            };
            let along = match &before {
                None => clean.shallow_clone(),
                Some(before) => {
                    let ahead = clean.f_mul_scalar(1.0 + step.ahead)?;
                    ahead.f_sub(&before.f_mul_scalar(step.ahead)?)?
                }
            };
            x = x.f_mul_scalar_(kept)?.f_add_(&along.f_mul_scalar(1.0 - kept)?)?;
            before = Some(clean);
        }
        Err(tch::TchError::Shape("a schedule of no noise levels".to_owned()))
    }

    /// The same of one row: its clean tokens, and its last answer.
    #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
    pub(in crate::tabgraph) fn solve_row(
        &self,
        model: &TabgraphSampler,
        noise: &[f32],
    ) -> (Vec<f32>, Vec<f32>) {
        let parameters = Parameters::new(&model.denoiser.layout, &model.weights);
        let mut x: Vec<f32> = noise.iter().map(|x| x * self.steps[0].sigma as f32).collect();
        let mut last: Option<(Vec<f32>, Vec<f32>)> = None;
        for (step, time) in self.steps.iter().zip(&self.plain.times) {
            let scaled: Vec<f32> = x.iter().map(|x| x * step.shrink as f32).collect();
            let before = last.as_ref().map(|(clean, _)| &**clean);
            let noisy = (&*scaled, before);
            let answer = model.denoiser.answer_of_row(&parameters, noisy, time, &model.offsets);
            let scales = (step.shrink as f32, (step.sigma * step.shrink) as f32);
            let clean = model.denoiser.clean_of_row(&answer, &scaled, scales, &self.plain.table);
            if let Some(kept) = step.kept {
                let (ahead, kept) = (step.ahead as f32, kept as f32);
                for (at, (x, clean)) in x.iter_mut().zip(&clean).enumerate() {
                    let before = before.map_or(*clean, |before| before[at]);
                    *x = *x * kept + (clean + ahead * (clean - before)) * (1.0 - kept);
                }
            }
            last = Some((clean, answer));
        }
        last.unwrap_or_default()
    }
}

impl Shared for Ready {
    fn shared(&self) -> Self {
        Self {
            leaves: self.leaves.shared(),
            table: self.table.shallow_clone(),
            times: self.times.iter().map(Tensor::shallow_clone).collect(),
            steps: Arc::clone(&self.steps),
            plain: Arc::clone(&self.plain),
        }
    }
}

fn steps(sigmas: &[f64]) -> Vec<Step> {
    let step = |(at, sigma): (usize, &f64)| {
        let next = sigmas.get(at + 1);
        let before = at.checked_sub(1).map(|before| sigmas[before]);
        let ahead = before.zip(next).map(|(before, next)| {
            let ratio = libm::log(before / sigma) / libm::log(sigma / next);
            1.0 / (2.0 * ratio)
        });
        Step {
            sigma: *sigma,
            shrink: 1.0 / (1.0 + sigma * sigma).sqrt(),
            ahead: ahead.unwrap_or(0.0),
            kept: next.map(|next| next / sigma),
        }
    };
    sigmas.iter().enumerate().map(step).collect()
}

/// A tensor of one number, for all rows.
fn single(value: f64) -> Torch<Tensor> {
    Tensor::f_full([1, 1], value, (Kind::Float, tch::Device::Cpu))
}

/// From the largest to the smallest noise level (Karras et al., 2022).
pub(in crate::tabgraph) fn noise_levels(config: &TabgraphConfig) -> Vec<f64> {
    let root = |sigma: f64| libm::pow(sigma, 1.0 / config.rho);
    let (first, last) = (root(config.sigma_max), root(config.sigma_min));
    let steps = (config.evaluations.max(2) - 1) as f64;
    let level = |at: usize| libm::pow(first + at as f64 / steps * (last - first), config.rho);
    (0..config.evaluations.max(2)).map(level).collect()
}
