//! The model as a training run sees it: rows, loss, validation loss, model file.

use std::ops::Range;

use tch::Tensor;
use tgs_protocol::{
    engine::EngineError, model::ModelName, progress::Watch, report::Curve, unit::Steps,
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
        batches::{Batches, Shards, check_rows},
        crew::Crew,
        dropout::Dropout,
        flat::{Layout, Leaves},
        learner::{Learner, Pause},
        schedule::{average_decay, cosine},
        stopping::Stopping,
        torch::Torch,
    },
    random::{Purpose, Stream},
    tabgraph::tokenizer::{Encoded, Tokenizer},
    table::Table,
};

/// How a step is cut.
const SHARDS: Shards = Shards { rows: 256, most: 64 };

/// See the module.
pub(super) struct AutoregressiveLearner {
    config: AutoregressiveConfig,
    tokenizer: Tokenizer,
    links: Vec<Link>,
    net: Net,
    /// All training rows.
    train: Encoded,
    batches: Batches,
    /// Parameters that do not decay.
    spared: Vec<Range<usize>>,
    steps: u64,
    seed: u64,
}

impl AutoregressiveLearner {
    /// Fits the tokenizer and encodes the rows.
    ///
    /// # Errors
    /// As [`check_rows`]; `Stopped` once `watch` says so.
    pub(super) fn new(
        train: &Table,
        config: AutoregressiveConfig,
        (steps, seed): (Steps, u64),
        watch: &dyn Watch,
    ) -> Result<Self, EngineError> {
        check_rows(train)?;
        let tokenizer = Tokenizer::fit(train, &config.cells(), watch)?;
        let links = links(&tokenizer);
        let net = Net::new(&tokenizer, &links, &config);
        let parts = config.validation().parts(train.rows(), seed);
        Ok(Self {
            train: tokenizer.encode(train, watch)?,
            batches: Batches::new(parts, config.batch, SHARDS, seed),
            // A table of constants, ids and texts only has nothing to learn.
            steps: if links.is_empty() { 0 } else { steps.get() },
            config,
            spared: net.spared(),
            tokenizer,
            links,
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
        !self.links.is_empty()
    }

    fn is_judged(&self, step: u64) -> bool {
        step > self.config.judged_from()
    }

    /// In which order a shard of a step knows its columns.
    fn known_in(&self, index: u64) -> Vec<usize> {
        let mut stream = Stream::new(self.seed, Purpose::ColumnOrder, index);
        match stream.uniform() < self.config.any_order_share {
            true => stream.permutation(self.links.len()),
            false => (0..self.links.len()).collect(),
        }
    }

    /// The orders in which rows are looked at, and how much each counts: as in training, or what is
    /// learned in random orders would end when what is learned in the other one does.
    fn judged_in(&self, place: u64) -> Vec<(Vec<usize>, f64)> {
        let (links, any) = (self.links.len(), self.config.any_order_share);
        let mut stream = Stream::new(self.seed, Purpose::ValidationOrder, place);
        let orders = [((0..links).collect(), 1.0 - any), (stream.permutation(links), any)];
        orders.into_iter().filter(|(_, share)| *share > 0.0).collect()
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
        let scale = self.net.numbers.scale()?;
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
    if let Some(levels) = &column.levels {
        terms.push(surprise(&levels.forward(leaves, hidden)?, &told.levels)?);
    }
    if let Some(bins) = &column.bins {
        let said = (hidden, &bins.mixture(leaves, hidden)?);
        terms.push(surprise(&bins.coarse(leaves, scale, said)?, &told.coarse)?);
        let coarse: Vec<i64> = told.coarse.iter().map(|bin| *bin.max(&0)).collect();
        let coarse = Tensor::f_from_slice(&coarse)?;
        terms.push(surprise(&bins.fine(leaves, scale, said, &coarse)?, &told.fine)?);
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
            spared: self.spared.clone(),
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
        let mask = Dropout::of(self.config.dropout).map(|dropout| {
            let mut stream = Stream::new(self.seed, Purpose::Dropout, index);
            dropout.mask(&mut stream, picked.len(), self.net.width)
        });
        let mask = mask.transpose()?;
        let mut ranks = Stream::new(self.seed, Purpose::Dequantise, index);
        let rows = (picked, &*self.known_in(index));
        let loss = self.surprise(leaves, rows, &mut ranks, mask.as_ref())?;
        loss.f_mul_scalar(self.batches.share(picked.len()))
    }

    fn validation_shards(&self, step: u64) -> usize {
        match self.is_judged(step) {
            true => self.batches.parts.shards(SHARDS.rows) + self.seen_shards(step),
            false => 0,
        }
    }

    fn seen_shards(&self, step: u64) -> usize {
        match self.is_judged(step) {
            true => self.batches.parts.seen_shards(SHARDS.rows),
            false => 0,
        }
    }

    fn validation(&self, leaves: &Leaves, _step: u64, shard: usize) -> Torch<f64> {
        let looked = self.batches.parts.looked(SHARDS.rows, shard);
        let mut loss = 0.0;
        for (order, share) in self.judged_in(looked.place) {
            let mut ranks = Stream::new(self.seed, Purpose::Validation, 2 + looked.place);
            let surprise = self.surprise(leaves, (looked.rows, &order), &mut ranks, None)?;
            loss += share * surprise.f_double_value(&[])?;
        }
        Ok(looked.weighed(loss))
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
