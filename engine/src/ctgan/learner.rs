//! Critic and generator as a training run sees them: they learn in turns.

use tch::{Kind, Tensor};
use tgs_protocol::{engine::EngineError, model::ModelName, progress::Watch, report::Curve};

use super::{
    config::CtganConfig,
    nets::{Nets, Norm},
    sampler::{Conditions, CtganSampler},
};
use crate::{
    learn::{
        adamw::Rule,
        batches::{Batches, Shards, check_rows},
        crew::Crew,
        dropout::Dropout,
        flat::{Layout, Leaves},
        learner::{Learner, Pause},
        schedule::average_decay,
        stopping::Stopping,
        torch::{Torch, failed, matrix, values},
        validation::Validation,
    },
    modes::ModeCoder,
    random::{Purpose, Stream},
    tabgraph::tokenizer::Encoded,
    table::Table,
};

/// How a step is cut: the published batch of 500 rows is normed in two halves.
const SHARDS: Shards = Shards { rows: 250, most: 64 };
/// Rows drawn after training, to measure what layers are normed by: batches, and rows of each.
const NORMED: (u64, usize) = (20, 500);

/// See the module.
pub(super) struct CtganLearner {
    config: CtganConfig,
    coder: ModeCoder,
    nets: Nets,
    conditions: Conditions,
    /// All training rows.
    train: Encoded,
    /// The rows that hold each level of each head.
    holding: Vec<Vec<Vec<u32>>>,
    batches: Batches,
    seed: u64,
}

/// What a shard of a step is made from.
struct Draw {
    noise: Stream,
    conditions: Stream,
    dropout: Stream,
    rows: usize,
}

impl CtganLearner {
    /// Fits modes and tokenizer and encodes the rows.
    ///
    /// # Errors
    /// As [`check_rows`]; `Stopped` once `watch` says so.
    pub(super) fn new(
        train: &Table,
        config: CtganConfig,
        seed: u64,
        watch: &dyn Watch,
    ) -> Result<Self, EngineError> {
        check_rows(train)?;
        let coder = ModeCoder::fit(train, (config.modes_max, config.mode_share_min), watch)?;
        let conditions = Conditions::of(&coder);
        let nets = Nets::new(coder.parts(), conditions.width(), &config);
        let table = coder.tokenizer.encode(train, watch)?;
        let heads = &coder.tokenizer.heads;
        let mut holding: Vec<Vec<Vec<u32>>> =
            heads.iter().map(|head| vec![vec![]; head.meanings.len()]).collect();
        for (row, levels) in table.levels.chunks_exact(heads.len().max(1)).enumerate() {
            for (head, level) in levels.iter().enumerate() {
                holding[head][*level as usize].push(u32::try_from(row).unwrap_or(u32::MAX));
            }
        }
        let none = Validation { share: 0.0, rows_min: 0, rows_max: 0 };
        let parts = none.parts(train.rows(), seed);
        let batches = Batches::new(parts, config.batch, SHARDS, seed);
        Ok(Self {
            batches: batches.shown(config.turns()),
            config,
            coder,
            nets,
            conditions,
            train: table,
            holding,
            seed,
        })
    }

    /// When the loss is noted.
    pub(super) fn stopping(&self) -> Stopping {
        self.config.stopping(self.batches.per_epoch())
    }

    /// Whether there is anything to learn.
    pub(super) fn has_columns(&self) -> bool {
        self.nets.width > 0
    }

    fn is_critics(&self, step: u64) -> bool {
        step % self.config.turns() < self.config.critic_steps
    }

    fn draw(&self, index: u64, rows: usize) -> Draw {
        let pack = self.config.pack;
        let stream = |purpose| Stream::new(self.seed, purpose, index);
        Draw {
            noise: stream(Purpose::TrainNoise),
            conditions: stream(Purpose::TrainLevel),
            dropout: stream(Purpose::Dropout),
            rows: rows.div_ceil(pack) * pack,
        }
    }

    /// Rows of the generator under these conditions, and its answer as it was before.
    fn made(
        &self,
        leaves: &Leaves,
        draw: &mut Draw,
        asked: &[Option<(usize, usize)>],
    ) -> Torch<(Tensor, Tensor)> {
        let mut noise = vec![0.0_f32; draw.rows * self.config.latent];
        draw.noise.fill_normal(&mut noise);
        let given = self.conditions.beside(&noise, asked)?;
        let raw = self.nets.raw(leaves, &given, None)?;
        let mut places = vec![0.0_f32; draw.rows * self.nets.width];
        draw.noise.fill_uniform(&mut places);
        let rows = self.nets.rows(&raw, &matrix(&places, self.nets.width)?)?;
        Ok((rows, raw))
    }

    /// Training rows that fit these conditions; any where nothing is asked.
    fn real(&self, draw: &mut Draw, index: u64, asked: &[Option<(usize, usize)>]) -> Torch<Tensor> {
        let stream = &mut draw.conditions;
        let row = |asked: &Option<(usize, usize)>| match asked {
            Some((head, level)) if !self.holding[*head][*level].is_empty() => {
                let rows = &self.holding[*head][*level];
                rows[place(stream, rows.len())] as usize
            }
            _ => place(stream, self.train.rows),
        };
        let picked: Vec<usize> = asked.iter().map(row).collect();
        let mut modes = Stream::new(self.seed, Purpose::Dequantise, index);
        let coded = self.coder.rows(&self.train, &picked, &mut modes);
        matrix(&coded.flat(&self.nets.parts), self.nets.width)
    }

    /// What is dropped of the critic's layers, drawn anew at every look.
    fn masks(&self, draw: &mut Draw) -> Torch<Vec<Option<Tensor>>> {
        let (packs, width) = (draw.rows / self.config.pack, self.config.critic_width);
        let dropout = Dropout::of(self.config.dropout);
        let mask = |_| dropout.map(|it| it.mask(&mut draw.dropout, packs, width)).transpose();
        (0..self.config.critic_layers).map(mask).collect()
    }

    /// How much better the critic finds made rows than real ones, and the penalty on its gradient
    /// between them.
    fn critic_loss(&self, leaves: &Leaves, index: u64, rows: usize) -> Torch<Tensor> {
        let mut draw = self.draw(index, rows);
        let asked = self.conditions.rarely(&mut draw.conditions, draw.rows);
        let made = tch::no_grad(|| self.made(leaves, &mut draw, &asked))?.0;
        let real = self.real(&mut draw, index, &asked)?;
        let wanted = self.conditions.matrix(&asked)?;
        let (made, real) = (joined(&made, wanted.as_ref())?, joined(&real, wanted.as_ref())?);
        let of_made = self.nets.verdict(leaves, &made, &self.masks(&mut draw)?)?;
        let of_real = self.nets.verdict(leaves, &real, &self.masks(&mut draw)?)?;
        let loss = of_made.f_mean(Kind::Float)?.f_sub(&of_real.f_mean(Kind::Float)?)?;
        if self.config.penalty <= 0.0 {
            return Ok(loss);
        }
        let packs = (draw.rows / self.config.pack) as i64;
        let mut shares = vec![0.0_f32; draw.rows / self.config.pack];
        draw.noise.fill_uniform(&mut shares);
        let shares = Tensor::f_from_slice(&shares)?.f_view([-1, 1])?;
        let (made, real) = (made.f_view([packs, -1])?, real.f_view([packs, -1])?);
        let between = real.f_add(&made.f_sub(&real)?.f_mul(&shares)?)?;
        let between = between.f_detach()?.f_set_requires_grad(true)?;
        let seen = self.nets.verdict(leaves, &between, &self.masks(&mut draw)?)?;
        let seen = seen.f_sum(Kind::Float)?;
        let slopes = Tensor::f_run_backward(&[&seen], &[&between], true, true)?;
        let square =
            slopes[0].f_square()?.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Float);
        // The root has no slope at zero.
        let length = square?.f_add_scalar(1e-12)?.f_sqrt()?;
        let penalty = length.f_add_scalar(-1.0)?.f_square()?.f_mean(Kind::Float)?;
        loss.f_add(&penalty.f_mul_scalar(self.config.penalty)?)
    }

    /// How badly the critic finds made rows, and how far they are from their conditions.
    fn generator_loss(&self, leaves: &Leaves, index: u64, rows: usize) -> Torch<Tensor> {
        let mut draw = self.draw(index, rows);
        let asked = self.conditions.rarely(&mut draw.conditions, draw.rows);
        let (made, raw) = self.made(leaves, &mut draw, &asked)?;
        let wanted = self.conditions.matrix(&asked)?;
        let masks = self.masks(&mut draw)?;
        let verdict = self.nets.verdict(leaves, &joined(&made, wanted.as_ref())?, &masks)?;
        let loss = verdict.f_mean(Kind::Float)?.f_neg()?;
        match self.conditions.missed(&raw, &asked)? {
            Some(missed) => loss.f_add(&missed),
            None => Ok(loss),
        }
    }

    /// What each layer of the generator is normed by when rows are drawn: mean and variance over
    /// rows that it draws, layer after layer.
    fn norms(&self, weights: &[f32], pause: Pause<'_>) -> Result<Vec<Norm>, EngineError> {
        let act = failed("measure the layers of the generator");
        let leaves = CtganSampler::leaves(&self.nets, weights).map_err(&act)?;
        let mut norms = Vec::with_capacity(self.nets.norms());
        while norms.len() < self.nets.norms() {
            let mut batches = vec![];
            for batch in 0..NORMED.0 {
                pause("measuring the generator")?;
                let _guard = tch::no_grad_guard();
                let mut stream = Stream::new(self.seed, Purpose::Calibration, batch);
                let given = self.conditions.drawn(&mut stream, NORMED.1, self.config.latent);
                let given = given.map_err(&act)?;
                let numbers = self.nets.unnormed(&leaves, &given, &norms).map_err(&act)?;
                batches.push(values(&numbers).map_err(&act)?);
            }
            norms.push(normed_by(&batches, self.config.width));
        }
        Ok(norms)
    }
}

/// Any of so many places.
fn place(stream: &mut Stream, of: usize) -> usize {
    usize::try_from(stream.below(of as u64)).unwrap_or(0)
}

/// Rows beside their conditions.
fn joined(rows: &Tensor, wanted: Option<&Tensor>) -> Torch<Tensor> {
    match wanted {
        Some(wanted) => Tensor::f_cat(&[rows, wanted], 1),
        None => Ok(rows.shallow_clone()),
    }
}

/// Mean and variance of each of `width` numbers over all rows.
fn normed_by(batches: &[Vec<f32>], width: usize) -> Norm {
    let (mut sums, mut squares, mut rows) = (vec![0.0_f64; width], vec![0.0_f64; width], 0.0);
    for row in batches.iter().flat_map(|batch| batch.chunks_exact(width)) {
        rows += 1.0;
        for (at, cell) in row.iter().enumerate() {
            let cell = f64::from(*cell);
            sums[at] += cell;
            squares[at] += cell * cell;
        }
    }
    let mean = |sum: &f64| sum / f64::max(rows, 1.0);
    let variance = |(square, sum): (&f64, &f64)| mean(square) - mean(sum) * mean(sum);
    #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
    let single = |number: f64| number as f32;
    Norm {
        mean: sums.iter().map(|sum| single(mean(sum))).collect(),
        variance: squares.iter().zip(&sums).map(|it| single(variance(it).max(0.0))).collect(),
    }
}

impl Learner for CtganLearner {
    fn name(&self) -> ModelName {
        ModelName::Ctgan
    }

    fn layout(&self) -> &Layout {
        &self.nets.layout
    }

    fn rule(&self, step: u64) -> Rule {
        let c = &self.config;
        let (round, turn) = (step / c.turns(), step % c.turns());
        let (active, age) = match self.is_critics(step) {
            true => (self.nets.critic_from..self.nets.layout.len(), round * c.critic_steps + turn),
            false => (self.nets.generator_part(), round),
        };
        Rule {
            active,
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
        // Rows are picked by their conditions; of the batch only its size is taken.
        let rows = self.batches.shard(step, shard).len();
        let index = self.batches.number(step, shard);
        let loss = match self.is_critics(step) {
            true => self.critic_loss(leaves, index, rows)?,
            false => self.generator_loss(leaves, index, rows)?,
        };
        loss.f_mul_scalar(self.batches.share(rows))
    }

    /// What a critic says of its generator says nothing of how good both are.
    fn validation_shards(&self, _step: u64) -> usize {
        0
    }

    fn validation(&self, _leaves: &Leaves, _step: u64, _shard: usize) -> Torch<f64> {
        Ok(0.0)
    }

    fn model(
        &mut self,
        best: &[f32],
        curves: Vec<Curve>,
        _crew: &Crew,
        pause: Pause<'_>,
    ) -> Result<Vec<u8>, EngineError> {
        let weights = best[self.nets.generator_part()].to_vec();
        let norms = if self.has_columns() { self.norms(&weights, pause)? } else { vec![] };
        let (config, coder, nets) = (self.config.clone(), self.coder.clone(), self.nets.clone());
        CtganSampler { config, coder, nets, weights, norms }.write(curves)
    }
}
