//! Noise to rows: DPM-Solver++(2M) (Lu et al., 2022) on the clean tokens, few evaluations, high
//! last noise level; then numbers by rank and levels by calibrated shares.
//!
//! A chunk of fewer rows is not the beginning of a longer one: ranks and shares are brought to
//! those of the training table among the very rows that are asked for, or small tables would
//! differ from it by chance alone. Of a handful of rows that would make averages, not rows, so they
//! are drawn one by one. Sub-batches are of fixed size, so the bytes do not depend on the thread.

mod levels;

use tch::{Kind, Tensor};
use tgs_protocol::{chunk::ChunkNo, engine::EngineError};

pub(super) use self::levels::mean_probabilities;
pub(crate) use self::levels::told;
use self::levels::{as_told, is_calibrated};
use super::{
    config::TabgraphConfig,
    denoiser::{Denoiser, Noisy},
    tokenizer::Tokenizer,
};
use crate::{
    learn::{
        flat::Leaves,
        torch::{Torch, failed, matrix, use_threads, values},
    },
    model::Generator,
    random::{Purpose, Stream},
    table::Table,
};

/// Rows that go through the net together: activations of a block stay in the second-level cache.
const SUB_BATCH_ROWS: usize = 500;
/// Numbers in the answers of these rows, at most: a table of very many levels goes in fewer rows.
const ANSWERS_MAX: usize = 4 << 20;

/// A trained model in memory.
#[derive(Debug, Clone)]
pub(super) struct TabgraphSampler {
    /// Constants.
    pub config: TabgraphConfig,
    /// Cells to tokens and back.
    pub tokenizer: Tokenizer,
    /// The net.
    pub denoiser: Denoiser,
    /// Its parameters.
    pub weights: Vec<f32>,
    /// What calibration adds to the logits of all levels.
    pub offsets: Vec<f32>,
}

/// What the net answered at the last noise level.
#[derive(Debug)]
struct Answer {
    /// Per token, one number per row.
    numbers: Vec<Vec<f32>>,
    /// One per head.
    heads: Vec<HeadAnswer>,
}

/// What it answered for one head.
#[derive(Debug)]
enum HeadAnswer {
    /// Rows × levels of the head.
    Logits(Vec<f32>),
    /// One level per row. Heads of very many levels are not calibrated, and drawn at once: their
    /// logits would fill the memory.
    Drawn(Vec<u32>),
}

impl Generator for TabgraphSampler {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        use_threads(1);
        self.drawn(&self.ready()?, (seed, chunk), rows)
    }
}

impl TabgraphSampler {
    /// What every chunk needs: it depends on the model alone.
    pub(super) fn ready(&self) -> Result<Ready, EngineError> {
        let _guard = tch::no_grad_guard();
        Ready::of(self).map_err(failed("make a model ready"))
    }

    /// The rows of a chunk, on this thread.
    pub(super) fn drawn(
        &self,
        ready: &Ready,
        (seed, chunk): (u64, ChunkNo),
        rows: usize,
    ) -> Result<Table, EngineError> {
        let index = u64::from(chunk.0);
        let mut latents = Stream::new(seed, Purpose::SampleLatent, index);
        let mut draws = Stream::new(seed, Purpose::SampleLevel, index);
        let answer = self.solve(ready, rows, &mut latents, &mut draws)?;
        let shares = self.tokenizer.heads.iter().map(|head| head.shares());
        let level = |(answer, shares): (HeadAnswer, Vec<f64>)| match answer {
            HeadAnswer::Drawn(levels) => levels,
            HeadAnswer::Logits(logits) => told(logits, &shares, &mut draws),
        };
        let levels: Vec<Vec<u32>> = answer.heads.into_iter().zip(shares).map(level).collect();
        let mut members = Stream::new(seed, Purpose::SampleNumber, index);
        let tokens = (&*answer.numbers, &*levels);
        let rank_map = self.config.rank_map;
        Ok(self.tokenizer.decode(rows, tokens, rank_map, &mut members, (seed, chunk)))
    }

    /// Rows that go through the net together: a function of the model.
    pub(super) fn rows_together(&self) -> usize {
        let numbers = self.denoiser.numbers + self.denoiser.heads.iter().sum::<usize>();
        (ANSWERS_MAX / numbers.max(1)).clamp(1, SUB_BATCH_ROWS)
    }

    /// The last answer for so many rows of noise of the stream: number outputs, then the logits of
    /// each head.
    pub(super) fn last_pieces(&self, rows: usize, latents: &mut Stream) -> Torch<Vec<Tensor>> {
        let (_, last) = Ready::of(self)?.solve(self, &self.noise(rows, latents)?)?;
        self.denoiser.pieces(&last)
    }

    fn noise(&self, rows: usize, latents: &mut Stream) -> Torch<Tensor> {
        let mut noise = vec![0.0_f32; rows * self.denoiser.tokens()];
        latents.fill_normal(&mut noise);
        matrix(&noise, self.denoiser.tokens())
    }

    /// Solves `rows` rows from noise of the stream. Heads of very many levels are drawn on the way.
    ///
    /// # Errors
    /// `DeviceFailed`.
    fn solve(
        &self,
        ready: &Ready,
        rows: usize,
        latents: &mut Stream,
        draws: &mut Stream,
    ) -> Result<Answer, EngineError> {
        let _guard = tch::no_grad_guard();
        let head = |levels: &usize| match is_calibrated(*levels) {
            false => HeadAnswer::Drawn(Vec::with_capacity(rows)),
            true => HeadAnswer::Logits(Vec::with_capacity(rows * levels)),
        };
        let mut answer = Answer {
            numbers: vec![Vec::with_capacity(rows); self.denoiser.numbers],
            heads: self.denoiser.heads.iter().map(head).collect(),
        };
        if self.denoiser.tokens() == 0 {
            return Ok(answer);
        }
        let failed = failed("turn noise into rows");
        let mut done = 0;
        while done < rows {
            let count = self.rows_together().min(rows - done);
            let noise = self.noise(count, latents).map_err(&failed)?;
            let (clean, last) = ready.solve(self, &noise).map_err(&failed)?;
            self.collect(&clean, &last, draws, &mut answer).map_err(&failed)?;
            done += count;
        }
        Ok(answer)
    }

    fn collect(
        &self,
        clean: &Tensor,
        last: &Tensor,
        draws: &mut Stream,
        into: &mut Answer,
    ) -> Torch<()> {
        if self.denoiser.numbers > 0 {
            let numbers = values(&clean.f_narrow(1, 0, self.denoiser.numbers as i64)?)?;
            for row in numbers.chunks_exact(self.denoiser.numbers) {
                row.iter().zip(&mut into.numbers).for_each(|(cell, column)| column.push(*cell));
            }
        }
        let pieces = self.denoiser.pieces(last)?;
        let heads = into.heads.iter_mut().zip(&self.denoiser.heads);
        for (piece, (head, levels)) in pieces[1..].iter().zip(heads) {
            let logits: Vec<f32> = values(piece)?;
            match head {
                HeadAnswer::Drawn(drawn) => drawn.extend(as_told(logits, *levels, draws)),
                HeadAnswer::Logits(all) => all.extend(logits),
            }
        }
        Ok(())
    }

    /// The parameters as views, with the offsets of calibration in the last bias.
    fn leaves(&self) -> Torch<Leaves> {
        let mut weights = self.weights.clone();
        let last = weights.len() - self.offsets.len();
        weights[last..].iter_mut().zip(&self.offsets).for_each(|(bias, offset)| *bias += offset);
        let flat = Tensor::f_from_slice(&weights)?;
        self.denoiser.layout.split(&flat, &(0..weights.len()))
    }
}

/// What all chunks of a model share. Threads may read the same tensors, but not through one value:
/// each takes a [`shared`](Self::shared) one of its own.
#[derive(Debug)]
pub(super) struct Ready {
    leaves: Leaves,
    table: Tensor,
    sigmas: Vec<f64>,
    times: Vec<Tensor>,
}

impl Ready {
    fn of(model: &TabgraphSampler) -> Torch<Self> {
        let leaves = model.leaves()?;
        let sigmas = noise_levels(&model.config);
        let time = |sigma: &f64| model.denoiser.time(&leaves, &single(libm::log(*sigma))?);
        let times = sigmas.iter().map(time).collect::<Torch<_>>()?;
        Ok(Self { table: model.denoiser.table(&leaves)?, sigmas, times, leaves })
    }

    /// The same tensors for another thread.
    pub(super) fn shared(&self) -> Self {
        Self {
            leaves: self.leaves.shared(),
            table: self.table.shallow_clone(),
            sigmas: self.sigmas.clone(),
            times: self.times.iter().map(Tensor::shallow_clone).collect(),
        }
    }

    /// Clean tokens and the answer of the last evaluation, from standard normal noise.
    fn solve(&self, model: &TabgraphSampler, noise: &Tensor) -> Torch<(Tensor, Tensor)> {
        let denoiser = &model.denoiser;
        let numbers = denoiser.numbers as i64;
        let categories = denoiser.tokens() as i64 - numbers;
        let mut x = noise.f_mul_scalar(self.sigmas[0])?;
        let mut before: Option<Tensor> = None;
        for (at, sigma) in self.sigmas.iter().enumerate() {
            let scaled = x.f_mul_scalar(1.0 / (1.0 + sigma * sigma).sqrt())?;
            let part = |tensor: &Tensor, from: i64, count: i64| {
                (count > 0).then(|| tensor.f_narrow(1, from, count)).transpose()
            };
            let known = (part(&scaled, 0, numbers)?, part(&scaled, numbers, categories)?);
            let noisy = Noisy {
                numbers: known.0.as_ref(),
                categories: known.1.as_ref(),
                last: before.as_ref(),
            };
            let answer = denoiser.forward(&self.leaves, &noisy, &self.times[at], &[])?;
            let shrink = 1.0 / (1.0 + sigma * sigma).sqrt();
            let scales = (&single(shrink)?, &single(sigma * shrink)?);
            let clean = denoiser.clean(&answer, known.0.as_ref(), scales, &self.table)?;
            let Some(next) = self.sigmas.get(at + 1) else {
                return Ok((clean, answer));
            };
            let along = match &before {
                None => clean.shallow_clone(),
                Some(before) => {
                    let ratio = libm::log(self.sigmas[at - 1] / sigma) / libm::log(sigma / next);
                    let ahead = 1.0 / (2.0 * ratio);
                    clean.f_mul_scalar(1.0 + ahead)?.f_sub(&before.f_mul_scalar(ahead)?)?
                }
            };
            let kept = next / sigma;
            x = x.f_mul_scalar_(kept)?.f_add_(&along.f_mul_scalar(1.0 - kept)?)?;
            before = Some(clean);
        }
        Err(tch::TchError::Shape("a schedule of no noise levels".to_owned()))
    }
}

/// A tensor of one number, for all rows.
fn single(value: f64) -> Torch<Tensor> {
    Tensor::f_full([1, 1], value, (Kind::Float, tch::Device::Cpu))
}

/// From the largest to the smallest noise level (Karras et al., 2022).
fn noise_levels(config: &TabgraphConfig) -> Vec<f64> {
    let root = |sigma: f64| libm::pow(sigma, 1.0 / config.rho);
    let (first, last) = (root(config.sigma_max), root(config.sigma_min));
    let steps = (config.evaluations.max(2) - 1) as f64;
    let level = |at: usize| libm::pow(first + at as f64 / steps * (last - first), config.rho);
    (0..config.evaluations.max(2)).map(level).collect()
}
