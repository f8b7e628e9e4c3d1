//! The model as a training run sees it: rows, loss, validation loss, model file.

use tch::Tensor;
use tgs_protocol::{
    code::Code, engine::EngineError, limits::TRAIN_ROWS_MIN, model::ModelName, progress::Watch,
    report::Curve, unit::Steps,
};

use super::{
    chain::{Bins, Link, Told, UNTOLD, links, told},
    config::AutoregressiveConfig,
    model_file,
    net::{Column, Net},
    sampler::AutoregressiveSampler,
    scale::Scale,
};
use crate::{
    learn::{
        adamw::Rule,
        crew::Crew,
        dropout::Dropout,
        flat::{Layout, Leaves},
        learner::{Learner, Pause},
        schedule::{average_decay, cosine},
        stopping::Stopping,
        torch::Torch,
        validation::Parts,
    },
    random::{Purpose, Stream},
    tabgraph::tokenizer::{Encoded, Tokenizer},
    table::Table,
};

/// Rows that go through the net together in training: activations stay in the second-level cache.
const SHARD_ROWS: usize = 256;
/// Shards of a step; larger batches have larger shards.
const SHARDS_MAX: usize = 64;

/// See the module.
pub(super) struct AutoregressiveLearner {
    config: AutoregressiveConfig,
    tokenizer: Tokenizer,
    links: Vec<Link>,
    net: Net,
    /// All training rows.
    train: Encoded,
    /// Those of them that learn, and those that choose.
    parts: Parts,
    steps: u64,
    seed: u64,
    order: Option<(u64, Vec<usize>)>,
}

impl AutoregressiveLearner {
    /// Fits the tokenizer and encodes the rows.
    ///
    /// # Errors
    /// `TooFewRows` below [`TRAIN_ROWS_MIN`]; `Stopped` once `watch` says so.
    pub(super) fn new(
        train: &Table,
        config: AutoregressiveConfig,
        (steps, seed): (Steps, u64),
        watch: &dyn Watch,
    ) -> Result<Self, EngineError> {
        if (train.rows() as u64) < TRAIN_ROWS_MIN {
            let message = format!(
                "train on {} rows: at least {TRAIN_ROWS_MIN} are needed; bring more rows",
                train.rows()
            );
            return Err(EngineError::new(Code::TooFewRows, message));
        }
        let tokenizer = Tokenizer::fit(train, &config.cells(), watch)?;
        let links = links(&tokenizer);
        let net = Net::new(&tokenizer, &links, &config);
        let parts = config.validation().parts(train.rows(), seed);
        Ok(Self {
            train: tokenizer.encode(train, watch)?,
            parts,
            // A table of constants, ids and texts only has nothing to learn.
            steps: if links.is_empty() { 0 } else { steps.get() },
            config,
            tokenizer,
            links,
            net,
            seed,
            order: None,
        })
    }

    /// When to look at the validation loss.
    pub(super) fn stopping(&self) -> Stopping {
        self.config.stopping(self.batches_per_epoch())
    }

    /// Whether there is anything to learn.
    pub(super) fn has_columns(&self) -> bool {
        !self.links.is_empty()
    }

    fn batches_per_epoch(&self) -> u64 {
        (self.parts.learned.len() / self.batch_rows()).max(1) as u64
    }

    fn batch_rows(&self) -> usize {
        self.config.batch.clamp(1, self.parts.learned.len())
    }

    fn shard_rows(&self) -> usize {
        SHARD_ROWS.max(self.batch_rows().div_ceil(SHARDS_MAX))
    }

    /// Rows of one shard of a step.
    fn picked(&self, step: u64, shard: usize) -> &[usize] {
        let at = usize::try_from(step % self.batches_per_epoch()).unwrap_or(0);
        let order: &[usize] = self.order.as_ref().map_or(&[], |(_, order)| order);
        let batch = &order[at * self.batch_rows()..(at + 1) * self.batch_rows()];
        batch.chunks(self.shard_rows()).nth(shard).unwrap_or(&[])
    }

    /// In which order a shard of a step knows its columns.
    fn known_in(&self, index: u64) -> Vec<usize> {
        let mut stream = Stream::new(self.seed, Purpose::ColumnOrder, index);
        match stream.uniform() < self.config.any_order_share {
            true => stream.permutation(self.links.len()),
            false => (0..self.links.len()).collect(),
        }
    }

    /// The mean surprise of the rows' levels and bins, in nats, over their number: each is asked
    /// for when those before it in the order are known.
    fn surprise(
        &self,
        leaves: &Leaves,
        (picked, order): (&[usize], &[usize]),
        ranks: &mut Stream,
        mask: Option<&Tensor>,
    ) -> Torch<Tensor> {
        let bins = Bins::of(&self.config);
        let rows = (&self.tokenizer, &self.train);
        // In the order of the columns, whatever the order in which they are known.
        let cells: Vec<Told> =
            self.links.iter().map(|link| told(rows, link, bins, picked, ranks)).collect();
        let scale = Scale::new(bins)?;
        let (mut context, mut terms) = (self.net.nothing(leaves)?, vec![]);
        for (place, at) in order.iter().enumerate() {
            let (column, told) = (&self.net.columns[*at], &cells[*at]);
            let hidden = column.hidden(
                leaves,
                &context.f_expand([picked.len() as i64, -1], false)?,
                mask,
            )?;
            terms.extend(surprises(leaves, &scale, column, (&hidden, told))?);
            if place + 1 < order.len()
                && let Some(added) =
                    column.known(leaves, &scale, [&told.levels, &told.coarse, &told.places])?
            {
                context = context.f_add(&added)?;
            }
        }
        let count = (picked.len() * terms.len().max(1)) as f64;
        Tensor::f_stack(&terms, 0)?.f_sum(tch::Kind::Float)?.f_div_scalar(count)
    }
}

/// The sums over the rows of what the cells of one column surprise.
fn surprises(
    leaves: &Leaves,
    scale: &Scale,
    column: &Column,
    (hidden, told): (&Tensor, &Told),
) -> Torch<Vec<Tensor>> {
    let (sum, none) = (tch::Reduction::Sum, None::<&Tensor>);
    let surprise = |logits: &Tensor, cells: &[i64]| {
        let cells = Tensor::f_from_slice(cells)?;
        logits.f_cross_entropy_loss(&cells, none, sum, UNTOLD, 0.0)
    };
    let mut terms = vec![];
    if let Some(logits) = column.levels(leaves, hidden)? {
        terms.push(surprise(&logits, &told.levels)?);
    }
    if let Some(mixture) = column.mixture(leaves, hidden)?
        && let Some(logits) = column.coarse(leaves, scale, (hidden, &mixture))?
    {
        terms.push(surprise(&logits, &told.coarse)?);
        let coarse: Vec<i64> = told.coarse.iter().map(|bin| *bin.max(&0)).collect();
        let coarse = Tensor::f_from_slice(&coarse)?;
        if let Some(logits) = column.fine(leaves, scale, (hidden, &mixture), &coarse)? {
            terms.push(surprise(&logits, &told.fine)?);
        }
    }
    Ok(terms)
}

impl Learner for AutoregressiveLearner {
    fn name(&self) -> ModelName {
        ModelName::Autoregressive
    }

    fn layout(&self) -> &Layout {
        &self.net.layout
    }

    fn rule(&self, step: u64) -> Rule {
        let c = &self.config;
        let along = cosine(step, self.steps, c.warmup_steps, c.learning_rate_floor);
        Rule {
            active: 0..self.net.layout.len(),
            rate: c.learning_rate * along,
            beta1: c.beta1,
            beta2: c.beta2,
            epsilon: c.epsilon,
            weight_decay: c.weight_decay,
            clip_norm: c.clip_norm,
            average_decay: average_decay(step, c.average_decay),
            age: step,
        }
    }

    fn rows_per_step(&self) -> usize {
        self.batch_rows()
    }

    fn epoch(&self, step: u64) -> f64 {
        step as f64 / self.batches_per_epoch() as f64
    }

    fn prepare(&mut self, step: u64) {
        let epoch = step / self.batches_per_epoch();
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let mut stream = Stream::new(self.seed, Purpose::Order, epoch);
            let mut order = self.parts.learned.clone();
            stream.shuffle(&mut order);
            self.order = Some((epoch, order));
        }
    }

    fn shards(&self, _step: u64) -> usize {
        if self.has_columns() { self.batch_rows().div_ceil(self.shard_rows()) } else { 0 }
    }

    fn loss(&self, leaves: &Leaves, step: u64, shard: usize) -> Torch<Tensor> {
        let picked = self.picked(step, shard);
        let index = step * SHARDS_MAX as u64 + shard as u64;
        let mask = Dropout::of(self.config.dropout).map(|dropout| {
            let mut stream = Stream::new(self.seed, Purpose::Dropout, index);
            dropout.mask(&mut stream, picked.len(), self.net.width)
        });
        let mask = mask.transpose()?;
        let mut ranks = Stream::new(self.seed, Purpose::Dequantise, index);
        let rows = (picked, &*self.known_in(index));
        let loss = self.surprise(leaves, rows, &mut ranks, mask.as_ref())?;
        loss.f_mul_scalar(picked.len() as f64 / self.batch_rows() as f64)
    }

    fn validation_shards(&self, step: u64) -> usize {
        match step <= self.config.judged_from() {
            true => 0,
            false => self.parts.shards(SHARD_ROWS) + self.seen_shards(step),
        }
    }

    fn seen_shards(&self, step: u64) -> usize {
        match step <= self.config.judged_from() {
            true => 0,
            false => self.parts.seen_shards(SHARD_ROWS),
        }
    }

    fn validation(&self, leaves: &Leaves, _step: u64, shard: usize) -> Torch<f64> {
        let looked = self.parts.looked(SHARD_ROWS, shard);
        let mut ranks = Stream::new(self.seed, Purpose::Validation, 2 + looked.place);
        let order: Vec<usize> = (0..self.links.len()).collect();
        let loss = self.surprise(leaves, (looked.rows, &order), &mut ranks, None)?;
        Ok(looked.weighed(loss.f_double_value(&[])?))
    }

    fn model(
        &mut self,
        best: &[f32],
        curves: Vec<Curve>,
        _crew: &Crew,
        _pause: Pause<'_>,
    ) -> Result<Vec<u8>, EngineError> {
        let sampler = AutoregressiveSampler {
            config: self.config.clone(),
            tokenizer: self.tokenizer.clone(),
            links: self.links.clone(),
            net: self.net.clone(),
            weights: best.to_vec(),
        };
        model_file::write(&sampler, curves)
    }
}
