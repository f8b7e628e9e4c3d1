//! Which rows a step learns from: passes over the rows, each in an order of its own, cut into
//! steps, and these into shards.

use tgs_protocol::{code::Code, engine::EngineError, limits::TRAIN_ROWS_MIN};

use super::validation::Parts;
use crate::{
    random::{Purpose, Stream},
    table::Table,
};

/// Steps that a pass over a small table should have.
const STEPS_PER_PASS: usize = 8;

/// The rows of every step, a function of (seed, step).
#[derive(Debug)]
pub(crate) struct Batches {
    /// The rows that learn, and those that choose.
    pub parts: Parts,
    rows: usize,
    shards: Shards,
    /// Steps in a row that have the same rows.
    times: u64,
    seed: u64,
    order: Option<(u64, Vec<usize>)>,
}

/// How a step is cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shards {
    /// Rows that go through the net together: activations stay in the second-level cache.
    pub rows: usize,
    /// Shards of a step; larger batches have larger shards.
    pub most: usize,
}

impl Batches {
    /// Steps of so many rows, of fewer where fewer learn.
    pub(crate) fn new(parts: Parts, rows: usize, shards: Shards, seed: u64) -> Self {
        let rows = rows.clamp(1, parts.learned.len());
        let shards = Shards { rows: shards.rows.max(rows.div_ceil(shards.most)), ..shards };
        Self { parts, rows, shards, times: 1, seed, order: None }
    }

    /// The same rows in so many steps in a row: of nets that learn in turns each has its own step.
    pub(crate) fn shown(self, times: u64) -> Self {
        Self { times: times.max(1), ..self }
    }

    /// Rows of a step.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Steps of a pass over the rows.
    pub(crate) fn per_epoch(&self) -> u64 {
        self.times * (self.parts.learned.len() / self.rows).max(1) as u64
    }

    /// Passes over the rows before this step.
    pub(crate) fn epoch(&self, step: u64) -> f64 {
        step as f64 / self.per_epoch() as f64
    }

    /// Called before the shards of a step.
    pub(crate) fn prepare(&mut self, step: u64) {
        let epoch = step / self.per_epoch();
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let mut stream = Stream::new(self.seed, Purpose::Order, epoch);
            let mut order = self.parts.learned.clone();
            stream.shuffle(&mut order);
            self.order = Some((epoch, order));
        }
    }

    /// Shards of a step.
    pub(crate) fn shards(&self) -> usize {
        self.rows.div_ceil(self.shards.rows)
    }

    /// Rows of one shard of a step.
    pub(crate) fn shard(&self, step: u64, shard: usize) -> &[usize] {
        let at = usize::try_from(step % self.per_epoch() / self.times).unwrap_or(0);
        let order: &[usize] = self.order.as_ref().map_or(&[], |(_, order)| order);
        let batch = &order[at * self.rows..(at + 1) * self.rows];
        batch.chunks(self.shards.rows).nth(shard).unwrap_or(&[])
    }

    /// The number of a shard among those of all steps: what is random in it is told by this.
    pub(crate) fn number(&self, step: u64, shard: usize) -> u64 {
        step * self.shards.most as u64 + shard as u64
    }

    /// The part of a step that so many of its rows are.
    pub(crate) fn share(&self, rows: usize) -> f64 {
        rows as f64 / self.rows as f64
    }
}

/// Rows of a step for a table of so many rows that learn: a power of two, several steps to a pass.
pub(crate) fn fitting(rows: usize, most: usize) -> usize {
    let wanted = (rows / STEPS_PER_PASS).max(32).next_power_of_two();
    wanted.min(most).min(rows.max(1))
}

/// Whether a table has rows enough to learn from.
///
/// # Errors
/// `TooFewRows` below [`TRAIN_ROWS_MIN`].
pub(crate) fn check_rows(train: &Table) -> Result<(), EngineError> {
    if (train.rows() as u64) < TRAIN_ROWS_MIN {
        let message = format!(
            "train on {} rows: at least {TRAIN_ROWS_MIN} are needed; bring more rows",
            train.rows()
        );
        return Err(EngineError::new(Code::TooFewRows, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::validation::Validation;

    #[test]
    fn a_pass_is_every_row_that_fills_a_step_once() {
        let parts = Validation { share: 0.1, rows_min: 10, rows_max: 100 }.parts(1_000, 7);
        let learned = parts.learned.clone();
        for (rows, shard) in [(64, 16), (1_000, 16), (7, 100), (300, 1)] {
            let shards = Shards { rows: shard, most: 8 };
            let mut batches = Batches::new(parts.clone(), rows, shards, 3);
            assert!(batches.shards() <= 8 && batches.rows() == rows.min(learned.len()));
            let mut seen = vec![];
            for step in 0..batches.per_epoch() {
                batches.prepare(step);
                let of_step: Vec<usize> = (0..batches.shards())
                    .flat_map(|shard| batches.shard(step, shard))
                    .copied()
                    .collect();
                assert_eq!(of_step.len(), batches.rows());
                seen.extend(of_step);
            }
            let count = seen.len();
            seen.sort_unstable();
            seen.dedup();
            assert!(seen.len() == count && seen.iter().all(|row| learned.contains(row)));
            assert!(count + batches.rows() > learned.len());
            let mut twice = Batches::new(parts.clone(), rows, shards, 3).shown(2);
            assert_eq!(twice.per_epoch(), 2 * batches.per_epoch());
            batches.prepare(0);
            twice.prepare(0);
            for step in 0..twice.per_epoch() {
                assert_eq!(twice.shard(step, 0), batches.shard(step / 2, 0), "step {step}");
            }
        }
    }
}
