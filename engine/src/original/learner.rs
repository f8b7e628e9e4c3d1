//! The published model as a training run sees it: two phases in one count of steps.

use tch::{Kind, Tensor};
use tgs_protocol::{
    engine::EngineError, model::ModelName, progress::Watch, report::Curve, unit::Steps,
};

use super::{config::OriginalConfig, sampler::OriginalSampler, vae::Nets};
use crate::{
    learn::{
        adamw::Rule,
        batches::{Batches, Shards, check_rows},
        crew::Crew,
        flat::{Layout, Leaves},
        learner::{Learner, Pause},
        schedule::average_decay,
        stopping::{Stopping, steps_apart},
        torch::{Torch, failed, matrix, values},
    },
    random::{Purpose, Stream, inverse_normal},
    tabgraph::tokenizer::{Encoded, Tokenizer},
    table::Table,
};

/// How a step is cut.
const SHARDS: Shards = Shards { rows: 512, most: 128 };

/// See the module.
pub(super) struct OriginalLearner {
    config: OriginalConfig,
    tokenizer: Tokenizer,
    nets: Nets,
    /// All training rows.
    train: Encoded,
    batches: Batches,
    latents: Option<Latents>,
    encoder_steps: u64,
    seed: u64,
}

/// Tokens of all rows in the second phase, centred and halved as published.
struct Latents {
    centre: Vec<f32>,
    tokens: Vec<f32>,
}

impl Latents {
    /// Tokens of these rows, one after the other.
    fn rows(&self, picked: &[usize], width: usize) -> Vec<f32> {
        let row = |row: &usize| &self.tokens[row * width..(row + 1) * width];
        picked.iter().flat_map(row).copied().collect()
    }
}

impl OriginalLearner {
    /// Fits the tokenizer and encodes the rows.
    ///
    /// # Errors
    /// As [`check_rows`]; `Stopped` once `watch` says so.
    pub(super) fn new(
        train: &Table,
        config: OriginalConfig,
        (steps, seed): (Steps, u64),
        watch: &dyn Watch,
    ) -> Result<Self, EngineError> {
        check_rows(train)?;
        let tokenizer = Tokenizer::fit(train, &config.cells(), watch)?;
        let heads = tokenizer.heads.iter().map(|head| head.meanings.len()).collect();
        let nets = Nets::new(tokenizer.scales.len(), heads, &config);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "≥ 0")]
        let encoder_steps = (steps.get() as f64 * config.encoder_share).round() as u64;
        // Each phase has a step at least, unless it was asked for none.
        let encoder_steps = if config.encoder_share > 0.0 {
            encoder_steps.clamp(1, steps.get().saturating_sub(1).max(1))
        } else {
            0
        };
        let parts = config.validation().parts(train.rows(), seed);
        let parts = parts.looked_at(config.validation_pairs);
        Ok(Self {
            train: tokenizer.encode(train, watch)?,
            batches: Batches::new(parts, config.batch, SHARDS, seed),
            latents: None,
            encoder_steps,
            config,
            tokenizer,
            nets,
            seed,
        })
    }

    /// When to look, and what ends the second phase: the first is judged by nothing.
    pub(super) fn stopping(&self) -> Stopping {
        let config = &self.config;
        Stopping {
            every: steps_apart(config.eval_every, self.batches.per_epoch()),
            from: self.encoder_steps,
            patience: (config.patience > 0).then_some(config.patience),
            shared_gain_min: Some(config.shared_gain_min),
            compared_share: config.compared_share,
            looks_min: config.looks_min,
            agreeing_looks: config.agreeing_looks,
            ending_share: config.ending_share,
        }
    }

    /// Error of rebuilding rows from noised tokens, and β times the divergence.
    fn encoder_loss(
        &self,
        leaves: &Leaves,
        picked: &[usize],
        step: u64,
        index: u64,
    ) -> Torch<Tensor> {
        let mut ranks = Stream::new(self.seed, Purpose::Dequantise, index);
        let cells = self.cells(picked, || ranks.uniform())?;
        let (mean, spread) =
            self.nets.encode(leaves, cells.numbers.as_ref(), cells.places.as_ref())?;
        let mut noise = vec![0.0_f32; picked.len() * self.nets.tokens()];
        Stream::new(self.seed, Purpose::TrainNoise, index).fill_normal(&mut noise);
        let noise = Tensor::f_from_slice(&noise)?.f_view(&*mean.size())?;
        let tokens = mean.f_addcmul(&noise, &spread.f_mul_scalar(0.5)?.f_exp()?)?;
        let (numbers, logits) = self.nets.decode(leaves, &tokens)?;
        let mut terms = Vec::with_capacity(logits.len() + 2);
        if let (Some(numbers), Some(target)) = (&numbers, &cells.numbers) {
            terms.push(numbers.f_mse_loss(target, tch::Reduction::Mean)?);
        }
        let heads = logits.len().max(1) as f64;
        let (kind, none) = (tch::Reduction::Mean, None::<&Tensor>);
        for (logits, levels) in logits.iter().zip(&cells.levels) {
            let surprise = logits.f_cross_entropy_loss(levels, none, kind, -100, 0.0)?;
            terms.push(surprise.f_mul_scalar(1.0 / heads)?);
        }
        let divergence =
            spread.f_add_scalar(1.0)?.f_sub(&mean.f_square()?)?.f_sub(&spread.f_exp()?)?;
        let along = step as f64 / self.encoder_steps.max(1) as f64;
        let fall = libm::log(self.config.beta_last / self.config.beta_first);
        let beta = self.config.beta_first * libm::exp(fall * along);
        terms.push(divergence.f_mean(Kind::Float)?.f_mul_scalar(-0.5 * beta)?);
        Tensor::f_stack(&terms, 0)?.f_sum(Kind::Float)
    }

    /// Pre-conditioned error of removing noise from tokens (Karras et al., 2022).
    fn denoiser_loss(
        &self,
        leaves: &Leaves,
        clean: &[f32],
        normals: &[f64],
        noise: &mut Stream,
    ) -> Torch<Tensor> {
        let (width, data) = (self.nets.tokens(), self.config.sigma_data);
        let (mut inputs, mut targets, mut times) = (vec![], vec![], vec![]);
        for (row, normal) in clean.chunks_exact(width).zip(normals) {
            let sigma = libm::exp(self.config.noise_mean + self.config.noise_deviation * normal);
            let root = (sigma * sigma + data * data).sqrt();
            for cell in row {
                let (cell, noise) = (f64::from(*cell), noise.normal());
                inputs.push(single((cell + sigma * noise) / root));
                targets.push(single((sigma * cell / data - data * noise) / root));
            }
            times.push(single(libm::log(sigma) / 4.0));
        }
        let time = self.nets.time(leaves, &matrix(&times, 1)?)?;
        let answer = self.nets.denoise(leaves, &matrix(&inputs, width)?, &time)?;
        answer.f_mse_loss(&matrix(&targets, width)?, tch::Reduction::Mean)
    }

    fn encoder_leaves(&self, flat: &Tensor) -> Torch<Leaves> {
        let part = flat.f_narrow(0, 0, self.nets.denoiser_from as i64)?;
        self.nets.layout.split(&part, &self.nets.encoder_part())
    }

    /// Mean tokens of all rows.
    fn encode_all(&self, leaves: &Leaves, pause: Pause<'_>) -> Result<Vec<f32>, EngineError> {
        let rows: Vec<usize> = (0..self.train.rows).collect();
        let mut out = Vec::with_capacity(rows.len() * self.nets.tokens());
        for picked in rows.chunks(SHARDS.rows) {
            pause("encoding rows")?;
            let tokens = self.mean_tokens(leaves, picked);
            out.extend(tokens.map_err(failed("encode the rows"))?);
        }
        Ok(out)
    }

    fn mean_tokens(&self, leaves: &Leaves, picked: &[usize]) -> Torch<Vec<f32>> {
        let cells = self.cells(picked, || 0.5)?;
        let (numbers, places) = (cells.numbers.as_ref(), cells.places.as_ref());
        values(&self.nets.encode(leaves, numbers, places)?.0)
    }

    fn cells(&self, picked: &[usize], mut rank: impl FnMut() -> f64) -> Torch<CellTensors> {
        let data = &self.train;
        let (tokens, heads) = (self.nets.numbers, self.nets.heads.len());
        let mut numbers = Vec::with_capacity(picked.len() * tokens);
        let mut places = Vec::with_capacity(picked.len() * heads);
        let mut levels = vec![Vec::with_capacity(picked.len()); heads];
        for row in picked {
            let groups = &data.groups[row * tokens..(row + 1) * tokens];
            for (scale, group) in self.tokenizer.scales.iter().zip(groups) {
                numbers.push(single(scale.token(*group, rank())));
            }
            let mut begins = 0;
            for (head, level) in data.levels[row * heads..(row + 1) * heads].iter().enumerate() {
                levels[head].push(i64::from(*level));
                places.push(begins + i64::from(*level));
                begins += self.nets.heads[head] as i64;
            }
        }
        Ok(CellTensors {
            numbers: if tokens > 0 { Some(matrix(&numbers, tokens)?) } else { None },
            places: if heads > 0 { Some(Tensor::f_from_slice(&places)?) } else { None },
            levels: levels.iter().map(|l| Tensor::f_from_slice(l)).collect::<Torch<_>>()?,
        })
    }
}

struct CellTensors {
    numbers: Option<Tensor>,
    places: Option<Tensor>,
    levels: Vec<Tensor>,
}

impl Learner for OriginalLearner {
    fn name(&self) -> ModelName {
        ModelName::Original
    }

    fn layout(&self) -> &Layout {
        &self.nets.layout
    }

    fn rule(&self, step: u64) -> Rule {
        let c = &self.config;
        let first = step < self.encoder_steps;
        let age = if first { step } else { step - self.encoder_steps };
        Rule {
            active: if first {
                self.nets.encoder_part()
            } else {
                self.nets.denoiser_from..self.nets.layout.len()
            },
            rate: c.learning_rate,
            beta1: c.beta1,
            beta2: c.beta2,
            epsilon: c.epsilon,
            weight_decay: c.weight_decay,
            spared: vec![],
            clip_norm: c.clip_norm,
            average_decay: average_decay(age, c.average_decay),
            age,
        }
    }

    fn enter(&mut self, step: u64, average: &Tensor, pause: Pause<'_>) -> Result<(), EngineError> {
        if step < self.encoder_steps || self.nets.tokens() == 0 {
            return Ok(());
        }
        let _guard = tch::no_grad_guard();
        let leaves = self.encoder_leaves(average).map_err(failed("encode the rows"))?;
        let mut tokens = self.encode_all(&leaves, pause)?;
        let width = self.nets.tokens();
        let mut sums = vec![0.0_f64; width];
        for row in tokens.chunks_exact(width) {
            row.iter().zip(&mut sums).for_each(|(cell, sum)| *sum += f64::from(*cell));
        }
        let centre: Vec<f32> = sums.iter().map(|s| single(s / self.train.rows as f64)).collect();
        for row in tokens.chunks_exact_mut(width) {
            row.iter_mut().zip(&centre).for_each(|(cell, c)| *cell = (*cell - c) / 2.0);
        }
        self.latents = Some(Latents { centre, tokens });
        Ok(())
    }

    fn batches(&self) -> &Batches {
        &self.batches
    }

    fn batches_mut(&mut self) -> &mut Batches {
        &mut self.batches
    }

    fn shards(&self, _step: u64) -> usize {
        if self.nets.tokens() == 0 { 0 } else { self.batches.shards() }
    }

    fn loss(&self, leaves: &Leaves, step: u64, shard: usize) -> Torch<Tensor> {
        let picked = self.batches.shard(step, shard);
        let index = self.batches.number(step, shard);
        let loss = match &self.latents {
            Some(latents) if step >= self.encoder_steps => {
                let clean = latents.rows(picked, self.nets.tokens());
                let mut level = Stream::new(self.seed, Purpose::TrainLevel, index);
                let normals: Vec<f64> = picked.iter().map(|_| level.normal()).collect();
                let mut noise = Stream::new(self.seed, Purpose::TrainNoise, index);
                self.denoiser_loss(leaves, &clean, &normals, &mut noise)?
            }
            _ => self.encoder_loss(leaves, picked, step, index)?,
        };
        loss.f_mul_scalar(self.batches.share(picked.len()))
    }

    fn validation_shards(&self, step: u64) -> usize {
        // The auto-encoder is judged by nothing; a look after its last step still belongs to it.
        let unseen = self.batches.parts.shards(SHARDS.rows);
        if step <= self.encoder_steps { 0 } else { unseen + self.seen_shards(step) }
    }

    fn seen_shards(&self, step: u64) -> usize {
        if step <= self.encoder_steps { 0 } else { self.batches.parts.seen_shards(SHARDS.rows) }
    }

    fn validation(&self, leaves: &Leaves, _step: u64, shard: usize) -> Torch<f64> {
        let looked = self.batches.parts.looked(SHARDS.rows, shard);
        let rows = looked.rows;
        let latents = self.latents.as_ref();
        let clean = latents.map_or_else(Vec::new, |it| it.rows(rows, self.nets.tokens()));
        let level = |at: usize| inverse_normal((at as f64 + 0.5) / rows.len() as f64);
        let mut normals: Vec<f64> = (0..rows.len()).map(level).collect();
        let mut stream = Stream::new(self.seed, Purpose::Validation, 2 + looked.place);
        stream.shuffle(&mut normals);
        let loss = self.denoiser_loss(leaves, &clean, &normals, &mut stream)?;
        Ok(looked.weighed(loss.f_double_value(&[])?))
    }

    fn model(
        &mut self,
        best: &[f32],
        curves: Vec<Curve>,
        _crew: &Crew,
        _pause: Pause<'_>,
    ) -> Result<Vec<u8>, EngineError> {
        let centre = self.latents.as_ref().map_or_else(Vec::new, |l| l.centre.clone());
        let sampler = OriginalSampler {
            config: self.config.clone(),
            tokenizer: self.tokenizer.clone(),
            nets: self.nets.clone(),
            weights: best.to_vec(),
            centre,
        };
        sampler.write(curves)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "single precision is what models use")]
fn single(value: f64) -> f32 {
    value as f32
}
