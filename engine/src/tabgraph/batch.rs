//! Rows, noise and noise levels of one training step, as tensors.
//!
//! Everything random here is a function of (seed, purpose, step): nothing has to be saved.

use tch::Tensor;

use super::{
    config::TabgraphConfig,
    tokenizer::{Encoded, Tokenizer},
};
use crate::{
    learn::torch::{Torch, matrix},
    random::{Purpose, Stream, inverse_normal},
};

/// Noisy rows and what the denoiser should answer. Shapes: `rows` × …
#[derive(Debug)]
pub(super) struct Batch {
    /// Noisy number tokens over √(1 + σ²); none in a table without numbers.
    pub numbers: Option<Tensor>,
    /// What the number outputs should be.
    pub targets: Option<Tensor>,
    /// Level of each head, one tensor of `rows` each.
    pub levels: Vec<Tensor>,
    /// Row of the embedding table for each head; `rows · heads`.
    pub places: Option<Tensor>,
    /// Noise of the embeddings, times σ / √(1 + σ²); `rows` × `heads · embedding`.
    pub embedding_noise: Option<Tensor>,
    /// 1 / √(1 + σ²); `rows` × 1.
    pub shrink: Tensor,
    /// ln σ; `rows` × 1.
    pub log_sigma: Tensor,
}

/// The three streams of one batch.
#[derive(Debug)]
pub(super) struct Draws {
    noise: Stream,
    level: Stream,
    rank: Stream,
}

impl Draws {
    /// Those of a training step.
    pub(super) fn of_step(seed: u64, step: u64) -> Self {
        Self {
            noise: Stream::new(seed, Purpose::TrainNoise, step),
            level: Stream::new(seed, Purpose::TrainLevel, step),
            rank: Stream::new(seed, Purpose::Dequantise, step),
        }
    }
    /// True in half of the steps.
    pub(super) fn coin(&mut self) -> bool {
        self.level.uniform() < 0.5
    }
    /// Those of a part of the validation rows, the same each time.
    pub(super) fn validation(seed: u64, part: u64) -> Self {
        let stream = |at| Stream::new(seed, Purpose::Validation, 2 + 3 * part + at);
        Self { noise: stream(0), level: stream(1), rank: stream(2) }
    }
}

impl Batch {
    /// Noises the picked rows. `spread`: noise levels evenly spread instead of independent.
    pub(super) fn new(
        tokenizer: &Tokenizer,
        data: &Encoded,
        picked: &[usize],
        config: &TabgraphConfig,
        draws: &mut Draws,
        spread: bool,
    ) -> Torch<Self> {
        let sigmas = sigmas(picked.len(), config, &mut draws.level, spread);
        let (numbers, targets) = noisy_numbers(tokenizer, data, picked, &sigmas, draws)?.unzip();
        let heads = tokenizer.heads.len();
        let width = heads * config.embedding;
        let mut noise = vec![0.0_f32; picked.len() * width];
        draws.noise.fill_normal(&mut noise);
        if width > 0 {
            for (row, sigma) in noise.chunks_exact_mut(width).zip(&sigmas) {
                let scale = single(sigma / (1.0 + sigma * sigma).sqrt());
                row.iter_mut().for_each(|cell| *cell *= scale);
            }
        }
        let (levels, places) = level_tensors(tokenizer, data, picked)?;
        let column = |of: &dyn Fn(f64) -> f64| {
            let values: Vec<f32> = sigmas.iter().map(|sigma| single(of(*sigma))).collect();
            matrix(&values, 1)
        };
        Ok(Self {
            numbers,
            targets,
            levels,
            places,
            embedding_noise: if width > 0 { Some(matrix(&noise, width)?) } else { None },
            shrink: column(&|sigma| 1.0 / (1.0 + sigma * sigma).sqrt())?,
            log_sigma: column(&libm::log)?,
        })
    }
}

fn sigmas(rows: usize, config: &TabgraphConfig, level: &mut Stream, spread: bool) -> Vec<f64> {
    let mut normals: Vec<f64> = if spread {
        (0..rows).map(|row| inverse_normal((row as f64 + 0.5) / rows as f64)).collect()
    } else {
        (0..rows).map(|_| level.normal()).collect()
    };
    if spread {
        level.shuffle(&mut normals);
    }
    let sigma = |normal: f64| libm::exp(config.noise_mean + config.noise_deviation * normal);
    normals.into_iter().map(|n| sigma(n).clamp(config.noise_min, config.noise_max)).collect()
}

/// Inputs and targets of the number tokens. With x = x₀ + σn, the pre-conditioned net (Karras et
/// al., 2022, σ_data = 1) should answer (σx₀ − n) / √(1 + σ²).
fn noisy_numbers(
    tokenizer: &Tokenizer,
    data: &Encoded,
    picked: &[usize],
    sigmas: &[f64],
    draws: &mut Draws,
) -> Torch<Option<(Tensor, Tensor)>> {
    let tokens = tokenizer.scales.len();
    if tokens == 0 {
        return Ok(None);
    }
    let mut inputs = Vec::with_capacity(picked.len() * tokens);
    let mut targets = Vec::with_capacity(picked.len() * tokens);
    for (row, sigma) in picked.iter().zip(sigmas) {
        let shrink = 1.0 / (1.0 + sigma * sigma).sqrt();
        let groups = &data.groups[row * tokens..(row + 1) * tokens];
        for (scale, group) in tokenizer.scales.iter().zip(groups) {
            let clean = scale.token(*group, draws.rank.uniform());
            let noise = draws.noise.normal();
            inputs.push(single(shrink * (clean + sigma * noise)));
            targets.push(single(shrink * (sigma * clean - noise)));
        }
    }
    Ok(Some((matrix(&inputs, tokens)?, matrix(&targets, tokens)?)))
}

fn level_tensors(
    tokenizer: &Tokenizer,
    data: &Encoded,
    picked: &[usize],
) -> Torch<(Vec<Tensor>, Option<Tensor>)> {
    let heads = tokenizer.heads.len();
    if heads == 0 {
        return Ok((vec![], None));
    }
    let mut places = Vec::with_capacity(picked.len() * heads);
    let mut levels: Vec<Vec<i64>> = vec![Vec::with_capacity(picked.len()); heads];
    let begins: Vec<i64> = tokenizer
        .heads
        .iter()
        .scan(0, |sum, head| {
            let begins = *sum;
            *sum += head.meanings.len() as i64;
            Some(begins)
        })
        .collect();
    for row in picked {
        for (head, level) in data.levels[row * heads..(row + 1) * heads].iter().enumerate() {
            levels[head].push(i64::from(*level));
            places.push(begins[head] + i64::from(*level));
        }
    }
    let levels = levels.iter().map(|of_head| Tensor::f_from_slice(of_head));
    Ok((levels.collect::<Torch<_>>()?, Some(Tensor::f_from_slice(&places)?)))
}

#[expect(clippy::cast_possible_truncation, reason = "single precision is what models use")]
fn single(value: f64) -> f32 {
    value as f32
}
