//! The model as a training run sees it: rows, loss, validation loss, model file.

use tch::{Kind, Reduction, Tensor};
use tgs_protocol::{engine::EngineError, model::ModelName, progress::Watch, report::Curve};

use super::{config::TvaeConfig, net::Net, sampler::TvaeSampler};
use crate::{
    learn::{
        adamw::Rule,
        batches::{Batches, Shards, check_rows},
        crew::Crew,
        flat::{Layout, Leaves},
        learner::{Learner, Pause},
        schedule::average_decay,
        stopping::Stopping,
        torch::{Torch, matrix},
    },
    modes::{Coded, ModeCoder, Part},
    random::{Purpose, Stream},
    tabgraph::tokenizer::Encoded,
    table::Table,
};

/// How a step is cut.
const SHARDS: Shards = Shards { rows: 250, most: 64 };

/// See the module.
pub(super) struct TvaeLearner {
    config: TvaeConfig,
    coder: ModeCoder,
    net: Net,
    /// All training rows.
    train: Encoded,
    batches: Batches,
    seed: u64,
}

impl TvaeLearner {
    /// Fits modes and tokenizer and encodes the rows.
    ///
    /// # Errors
    /// As [`check_rows`]; `Stopped` once `watch` says so.
    pub(super) fn new(
        train: &Table,
        config: TvaeConfig,
        seed: u64,
        watch: &dyn Watch,
    ) -> Result<Self, EngineError> {
        check_rows(train)?;
        let coder = ModeCoder::fit(train, (config.modes_max, config.mode_share_min), watch)?;
        let net = Net::new(coder.parts(), &config);
        let parts = config.validation().parts(train.rows(), seed);
        Ok(Self {
            train: coder.tokenizer.encode(train, watch)?,
            batches: Batches::new(parts, config.batch, SHARDS, seed),
            config,
            coder,
            net,
            seed,
        })
    }

    /// When to look at the validation loss.
    pub(super) fn stopping(&self) -> Stopping {
        self.config.stopping(self.batches.per_epoch())
    }

    /// Whether there is anything to learn.
    pub(super) fn has_columns(&self) -> bool {
        self.net.width > 0
    }

    /// What it takes to tell the rows, in nats a row: the weighted surprise of the cells under a
    /// latent of each row, and the divergence of that latent from a normal one. (The evidence lower
    /// bound, Kingma and Welling, 2014.)
    fn bound(
        &self,
        leaves: &Leaves,
        picked: &[usize],
        (modes, noise): (&mut Stream, &mut Stream),
    ) -> Torch<Tensor> {
        let coded = self.coder.rows(&self.train, picked, modes);
        let rows = matrix(&coded.flat(&self.net.parts), self.net.width)?;
        let (mean, spread) = self.net.encode(leaves, &rows)?;
        let mut normals = vec![0.0_f32; picked.len() * self.config.latent];
        noise.fill_normal(&mut normals);
        let normals = matrix(&normals, self.config.latent)?;
        let latents = mean.f_addcmul(&normals, &spread.f_mul_scalar(0.5)?.f_exp()?)?;
        let answer = self.net.decode(leaves, &latents)?;
        let rebuilt = self.surprise(leaves, &answer, &coded)?;
        let divergence =
            spread.f_add_scalar(1.0)?.f_sub(&mean.f_square()?)?.f_sub(&spread.f_exp()?)?;
        let divergence = divergence.f_sum(Kind::Float)?.f_mul_scalar(-0.5)?;
        let whole = rebuilt.f_mul_scalar(self.config.loss_factor)?.f_add(&divergence)?;
        whole.f_div_scalar(picked.len().max(1) as f64)
    }

    /// The sum over the rows of what their cells surprise.
    fn surprise(&self, leaves: &Leaves, answer: &Tensor, coded: &Coded) -> Torch<Tensor> {
        let deviations = self.net.deviations(leaves)?;
        let (mut from, none, mut terms) = (0, None::<&Tensor>, vec![]);
        let (mut numbers, mut places) = (coded.numbers.iter().enumerate(), coded.places.iter());
        for part in &self.net.parts {
            let width = part.width() as i64;
            let said = answer.f_narrow(1, from, width)?;
            match part {
                Part::Number => {
                    let Some((at, told)) = numbers.next() else { break };
                    let deviation = deviations.f_narrow(0, at as i64, 1)?;
                    let away = said.f_tanh()?.f_sub(&matrix(told, 1)?)?.f_div(&deviation)?;
                    let squares = away.f_square()?.f_sum(Kind::Float)?.f_mul_scalar(0.5)?;
                    let logs = deviation.f_log()?.f_mul_scalar(told.len() as f64)?;
                    terms.push(squares.f_add(&logs.f_sum(Kind::Float)?)?);
                }
                Part::Odds(_) => {
                    let Some(places) = places.next() else { break };
                    let places = Tensor::f_from_slice(places)?;
                    let sum = Reduction::Sum;
                    terms.push(said.f_cross_entropy_loss(&places, none, sum, -100, 0.0)?);
                }
            }
            from += width;
        }
        Tensor::f_stack(&terms, 0)?.f_sum(Kind::Float)
    }
}

impl Learner for TvaeLearner {
    fn name(&self) -> ModelName {
        ModelName::Tvae
    }

    fn layout(&self) -> &Layout {
        &self.net.layout
    }

    fn rule(&self, step: u64) -> Rule {
        let c = &self.config;
        Rule {
            active: 0..self.net.layout.len(),
            rate: c.learning_rate,
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
        if self.has_columns() { self.batches.shards() } else { 0 }
    }

    fn loss(&self, leaves: &Leaves, step: u64, shard: usize) -> Torch<Tensor> {
        let picked = self.batches.shard(step, shard);
        let index = self.batches.number(step, shard);
        let stream = |purpose| Stream::new(self.seed, purpose, index);
        let (mut modes, mut noise) = (stream(Purpose::Dequantise), stream(Purpose::TrainNoise));
        let loss = self.bound(leaves, picked, (&mut modes, &mut noise))?;
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
        let mut modes = Stream::new(self.seed, Purpose::Validation, 2 + looked.place);
        let mut noise = Stream::new(self.seed, Purpose::ValidationNoise, looked.place);
        let loss = self.bound(leaves, looked.rows, (&mut modes, &mut noise))?;
        Ok(looked.weighed(loss.f_double_value(&[])?))
    }

    fn model(
        &mut self,
        best: &[f32],
        curves: Vec<Curve>,
        _crew: &Crew,
        _pause: Pause<'_>,
    ) -> Result<Vec<u8>, EngineError> {
        let (config, coder, net) = (self.config.clone(), self.coder.clone(), self.net.clone());
        TvaeSampler { config, coder, net, weights: best.to_vec() }.write(curves)
    }
}
