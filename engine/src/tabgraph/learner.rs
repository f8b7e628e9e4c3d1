//! The flagship as a training run sees it: rows, loss, validation loss, model file.

use tch::{Kind, Tensor};
use tgs_protocol::{
    engine::EngineError, model::ModelName, progress::Watch, report::Curve, unit::Steps,
};

use super::{
    batch::{Batch, Draws},
    calibrate,
    config::TabgraphConfig,
    denoiser::{Denoiser, Noisy},
    model_file,
    redraw::{self, Redraw},
    sampler::{TabgraphSampler, noise_levels},
    schedule,
    tokenizer::{Encoded, Tokenizer},
};
use crate::{
    learn::{
        adamw::Rule,
        batches::{Batches, Shards, check_rows},
        crew::Crew,
        dropout::Dropout,
        flat::{Layout, Leaves},
        learner::{Learner, Pause},
        schedule::{average_decay, cosine},
        stopping::{Stopping, steps_apart},
        torch::Torch,
    },
    random::{Purpose, Stream},
    table::Table,
};

/// How a step is cut.
const SHARDS: Shards = Shards { rows: 256, most: 64 };

/// See the module.
pub(super) struct TabgraphLearner {
    config: TabgraphConfig,
    tokenizer: Tokenizer,
    denoiser: Denoiser,
    /// All training rows.
    train: Encoded,
    batches: Batches,
    steps: u64,
    seed: u64,
}

impl TabgraphLearner {
    /// Fits the tokenizer and encodes the rows.
    ///
    /// # Errors
    /// As [`check_rows`]; `Stopped` once `watch` says so.
    pub(super) fn new(
        train: &Table,
        config: TabgraphConfig,
        (steps, seed): (Steps, u64),
        watch: &dyn Watch,
    ) -> Result<Self, EngineError> {
        check_rows(train)?;
        let tokenizer = Tokenizer::fit(train, &config, watch)?;
        let shares: Vec<Vec<f64>> = tokenizer.heads.iter().map(|head| head.shares()).collect();
        let denoiser = Denoiser::new(tokenizer.scales.len(), &shares, &config);
        let parts = config.validation().parts(train.rows(), seed);
        let parts = parts.looked_at(config.validation_pairs);
        Ok(Self {
            train: tokenizer.encode(train, watch)?,
            batches: Batches::new(parts, config.batch, SHARDS, seed),
            // A table of constants, ids and texts only has nothing to learn.
            steps: if denoiser.tokens() == 0 { 0 } else { steps.get() },
            config,
            tokenizer,
            denoiser,
            seed,
        })
    }

    /// When to look at the validation loss.
    pub(super) fn stopping(&self) -> Stopping {
        let config = &self.config;
        Stopping {
            every: steps_apart(config.eval_every, self.batches.per_epoch()),
            from: 0,
            patience: (config.patience > 0).then_some(config.patience),
            shared_gain_min: Some(config.shared_gain_min),
            compared_share: config.compared_share,
            looks_min: config.looks_min,
            agreeing_looks: config.agreeing_looks,
            ending_share: config.ending_share,
        }
    }

    /// Whether there is anything to learn.
    pub(super) fn has_tokens(&self) -> bool {
        self.denoiser.tokens() > 0
    }

    /// The weighted mean of squared errors of numbers and cross-entropies of heads.
    fn loss_of(
        &self,
        leaves: &Leaves,
        batch: &Batch,
        masks: &[Tensor],
        sees_itself: bool,
    ) -> Torch<Tensor> {
        let heads = self.denoiser.heads.len();
        let table = self.denoiser.table(leaves)?;
        let categories = match (&batch.places, &batch.embedding_noise) {
            (Some(places), Some(noise)) => {
                let width = (heads * self.config.embedding) as i64;
                let clean = table.f_index_select(0, places)?.f_view([-1, width])?;
                Some(noise.f_addcmul(&clean, &batch.shrink)?)
            }
            _ => None,
        };
        let mut noisy =
            Noisy { numbers: batch.numbers.as_ref(), categories: categories.as_ref(), last: None };
        let time = self.denoiser.time(leaves, &batch.log_sigma)?;
        let last = if sees_itself {
            let _guard = tch::no_grad_guard();
            let answer = self.denoiser.forward(leaves, &noisy, &time, masks)?;
            let grow = batch.log_sigma.f_exp()?.f_mul(&batch.shrink)?;
            let scales = (&batch.shrink, &grow);
            Some(self.denoiser.clean(&answer, noisy.numbers, scales, &table)?)
        } else {
            None
        };
        noisy.last = last.as_ref();
        let answer = self.denoiser.forward(leaves, &noisy, &time, masks)?;
        self.errors(&answer, batch)
    }

    fn errors(&self, answer: &Tensor, batch: &Batch) -> Torch<Tensor> {
        let pieces = self.denoiser.pieces(answer)?;
        let (numbers, heads) = (self.denoiser.numbers, self.denoiser.heads.len());
        let mut terms = Vec::with_capacity(heads + 1);
        if let Some(targets) = &batch.targets {
            let error = pieces[0].f_mse_loss(targets, tch::Reduction::Mean)?;
            terms.push(error.f_mul_scalar(numbers as f64)?);
        }
        let (mean, none) = (tch::Reduction::Mean, None::<&Tensor>);
        for (logits, levels) in pieces[1..].iter().zip(&batch.levels) {
            terms.push(logits.f_cross_entropy_loss(levels, none, mean, -100, 0.0)?);
        }
        Tensor::f_stack(&terms, 0)?.f_sum(Kind::Float)?.f_div_scalar((numbers + heads) as f64)
    }

    fn masks(&self, step: u64, rows: usize) -> Torch<Vec<Tensor>> {
        let Some(dropout) = Dropout::of(self.config.dropout) else { return Ok(vec![]) };
        let mut stream = Stream::new(self.seed, Purpose::Dropout, step);
        let widths = self.denoiser.inner_widths();
        widths.into_iter().map(|width| dropout.mask(&mut stream, rows, width)).collect()
    }
}

impl Learner for TabgraphLearner {
    fn name(&self) -> ModelName {
        ModelName::Tabgraph
    }

    fn layout(&self) -> &Layout {
        &self.denoiser.layout
    }

    fn rule(&self, step: u64) -> Rule {
        let c = &self.config;
        let along = cosine(step, self.steps, c.warmup_steps, c.learning_rate_floor);
        Rule {
            active: 0..self.denoiser.layout.len(),
            rate: c.learning_rate * along,
            beta1: c.beta1,
            beta2: c.beta2,
            epsilon: c.epsilon,
            weight_decay: c.weight_decay,
            spared: vec![],
            clip_norm: c.clip_norm,
            average_decay: average_decay(step, c.average_decay),
            age: step,
        }
    }

    fn batches(&self) -> &Batches {
        &self.batches
    }

    fn batches_mut(&mut self) -> &mut Batches {
        &mut self.batches
    }

    fn shards(&self, _step: u64) -> usize {
        if self.has_tokens() { self.batches.shards() } else { 0 }
    }

    fn loss(&self, leaves: &Leaves, step: u64, shard: usize) -> Torch<Tensor> {
        let picked = self.batches.shard(step, shard);
        let index = self.batches.number(step, shard);
        let mut draws = Draws::of_step(self.seed, index);
        let (tokenizer, config) = (&self.tokenizer, &self.config);
        let batch = Batch::new(tokenizer, &self.train, picked, config, &mut draws, false)?;
        let masks = self.masks(index, picked.len())?;
        let sees_itself = self.config.self_conditioning && draws.coin();
        let loss = self.loss_of(leaves, &batch, &masks, sees_itself)?;
        loss.f_mul_scalar(self.batches.share(picked.len()))
    }

    fn validation_shards(&self, step: u64) -> usize {
        self.batches.parts.shards(SHARDS.rows) + self.seen_shards(step)
    }

    fn seen_shards(&self, _step: u64) -> usize {
        self.batches.parts.seen_shards(SHARDS.rows)
    }

    fn validation(&self, leaves: &Leaves, _step: u64, shard: usize) -> Torch<f64> {
        let looked = self.batches.parts.looked(SHARDS.rows, shard);
        let mut draws = Draws::validation(self.seed, looked.place);
        let (tokenizer, config) = (&self.tokenizer, &self.config);
        let batch = Batch::new(tokenizer, &self.train, looked.rows, config, &mut draws, true)?;
        let loss = self.loss_of(leaves, &batch, &[], false)?.f_double_value(&[])?;
        Ok(looked.weighed(loss))
    }

    fn model(
        &mut self,
        best: &[f32],
        curves: Vec<Curve>,
        crew: &Crew,
        pause: Pause<'_>,
    ) -> Result<Vec<u8>, EngineError> {
        let sampler = TabgraphSampler {
            config: self.config.clone(),
            tokenizer: self.tokenizer.clone(),
            denoiser: self.denoiser.clone(),
            weights: best.to_vec(),
            noise_levels: noise_levels(&self.config),
            offsets: vec![0.0; self.denoiser.heads.iter().sum()],
            redraw: Redraw::default(),
        };
        let sampler = schedule::fit(sampler, crew, pause)?;
        let sampler = calibrate::calibrate(sampler, crew, pause)?;
        let redraw =
            redraw::fit(&sampler, (&self.train, &self.batches.parts), self.seed, crew, pause)?;
        model_file::write(&TabgraphSampler { redraw, ..sampler }, curves)
    }
}
