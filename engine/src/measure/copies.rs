//! Exact copies: synthetic rows that stand, cell for cell, among the training rows.
//!
//! A copy is not yet a leak: where rows repeat by nature, strangers match too. So copies of *rare*
//! rows, those that stand once among the training rows, are counted against what chance explains.
//! Two counts say how often a fresh row equals a rare one: holdout rows that do (k of n), and
//! pairs of equal training rows, by the estimate of Good and Turing (1953): the chance of a fresh
//! row to equal one seen once is 2·N₂/n, N₂ being the number of rows seen twice. Pooled, they give
//! an expectation E for the synthetic rows; the allowance is E + 3σ, σ² being the Poisson variance
//! of the copies plus that of E itself. Half an event is added (Jeffreys' prior of a Poisson
//! rate), because no event in n draws does not prove a rate of zero: real tables that hold one
//! pair of equal rows would fail half of the time against a second sample of themselves.

use std::collections::HashMap;

use crate::measure::{
    frame::{Frame, Side},
    row_key::{self, RowKey},
};

/// Events that are assumed beside those seen.
const PRIOR_EVENTS: f64 = 0.5;

/// What was counted.
#[derive(Debug, Clone, Copy)]
pub struct Copies {
    /// Share of synthetic rows that equal a training row.
    pub share: f64,
    /// Their number.
    pub count: u64,
    /// Share of holdout rows that equal a training row; none without holdout rows.
    pub holdout_share: Option<f64>,
    /// Synthetic rows that equal a training row which stands there once.
    pub of_rare: u64,
    /// How many of those chance explains, three standard deviations included.
    pub allowance: f64,
    /// Share of synthetic rows that repeat an earlier synthetic row.
    pub repeated: f64,
}

impl Copies {
    /// Copies of rare rows beyond what chance explains; whole rows, zero at least.
    pub fn beyond_chance(&self) -> f64 {
        (self.of_rare as f64 - self.allowance).ceil().max(0.0)
    }
}

/// Counts copies.
pub fn measure(frame: &Frame) -> Copies {
    let train = tally(&frame.train);
    let synthetic = row_key::of_rows(&frame.synthetic);
    let seen = |keys: &[RowKey], wanted: &dyn Fn(u64) -> bool| {
        keys.iter().filter(|key| train.get(*key).is_some_and(|times| wanted(*times))).count() as f64
    };
    let holdout = row_key::of_rows(&frame.holdout);
    let rows = frame.synthetic.rows.max(1) as f64;
    let count = seen(&synthetic, &|_| true);
    let twice = train.values().filter(|times| **times == 2).count() as f64;
    let allowance = allowance(
        seen(&holdout, &|times| times == 1),
        holdout.len(),
        twice,
        frame.train.rows,
        rows,
    );
    Copies {
        share: count / rows,
        count: count as u64,
        holdout_share: (!holdout.is_empty())
            .then(|| seen(&holdout, &|_| true) / holdout.len() as f64),
        of_rare: seen(&synthetic, &|times| times == 1) as u64,
        allowance,
        repeated: 1.0 - tally(&frame.synthetic).len() as f64 / rows,
    }
}

fn allowance(strangers: f64, holdout: usize, twice: f64, train: usize, rows: f64) -> f64 {
    let exposure = (holdout + train).max(1) as f64;
    let expected = rows * (PRIOR_EVENTS + strangers + 2.0 * twice) / exposure;
    // Each pair of equal training rows counts twice, so its variance counts four times.
    let events = PRIOR_EVENTS + strangers + 4.0 * twice;
    let of_estimate = (rows / exposure).powi(2) * events;
    expected + 3.0 * (expected + of_estimate).sqrt()
}

fn tally(side: &Side) -> HashMap<RowKey, u64> {
    let mut tally = HashMap::new();
    for key in row_key::of_rows(side) {
        *tally.entry(key).or_insert(0) += 1;
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::allowance;

    #[test]
    fn chance_is_what_strangers_and_repetitions_show() {
        // No event at all: a coincidence or two, whatever the size of the table.
        for rows in [100, 10_000, 1_000_000] {
            assert_eq!(allowance(0.0, rows / 4, 0.0, rows, rows as f64).floor(), 2.0);
        }
        // 10 of 1,000 strangers and 20 pairs among 4,000 rows: 50.5 events in 5,000 draws, so 40.4
        // of 4,000; variance 40.4 + (4/5)²·(10.5 + 80).
        let expected = 40.4 + 3.0 * (40.4_f64 + 0.64 * 90.5).sqrt();
        assert!((allowance(10.0, 1_000, 20.0, 4_000, 4_000.0) - expected).abs() < 1e-9);
    }
}
