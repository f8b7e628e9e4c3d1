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
    let train = ascending(&frame.train);
    let made = Met::count(&ascending(&frame.synthetic), &train);
    let aside = Met::count(&ascending(&frame.holdout), &train);
    let (rows, strangers) = (frame.synthetic.rows.max(1) as f64, frame.holdout.rows);
    let twice = train.chunk_by(RowKey::eq).filter(|equal| equal.len() == 2).count() as f64;
    let allowance = allowance(aside.of_rare as f64, strangers, twice, train.len(), rows);
    Copies {
        share: made.copies as f64 / rows,
        count: made.copies,
        holdout_share: (strangers > 0).then(|| aside.copies as f64 / strangers as f64),
        of_rare: made.of_rare,
        allowance,
        repeated: 1.0 - made.distinct as f64 / rows,
    }
}

/// What rows find among the training rows.
#[derive(Debug, Default)]
struct Met {
    /// Rows that equal a training row.
    copies: u64,
    /// Those that equal one which stands there once.
    of_rare: u64,
    /// Rows without their repetitions.
    distinct: u64,
}

impl Met {
    /// Walks two ascending lists side by side.
    fn count(rows: &[RowKey], train: &[RowKey]) -> Self {
        let (mut met, mut rest) = (Self::default(), train);
        for equal in rows.chunk_by(RowKey::eq) {
            rest = &rest[rest.partition_point(|key| *key < equal[0])..];
            let times = rest.iter().take_while(|key| **key == equal[0]).count();
            let count = equal.len() as u64;
            met.distinct += 1;
            met.copies += if times > 0 { count } else { 0 };
            met.of_rare += if times == 1 { count } else { 0 };
        }
        met
    }
}

/// Sorted keys take a third of the room of a table of counts, which millions of rows feel.
fn ascending(side: &Side) -> Vec<RowKey> {
    let mut keys = row_key::of_rows(side);
    keys.sort_unstable();
    keys
}

fn allowance(strangers: f64, holdout: usize, twice: f64, train: usize, rows: f64) -> f64 {
    let exposure = (holdout + train).max(1) as f64;
    let expected = rows * (PRIOR_EVENTS + strangers + 2.0 * twice) / exposure;
    // Each pair of equal training rows counts twice, so its variance counts four times.
    let events = PRIOR_EVENTS + strangers + 4.0 * twice;
    let of_estimate = (rows / exposure).powi(2) * events;
    expected + 3.0 * (expected + of_estimate).sqrt()
}

#[cfg(test)]
mod tests {
    use super::{Met, RowKey, allowance};

    #[test]
    fn copies_are_counted_row_by_row() {
        let keys = |names: &[u64]| names.iter().map(|name| (*name, 0)).collect::<Vec<RowKey>>();
        let train = keys(&[1, 2, 2, 3, 5, 5, 5, 9]);
        // Twice a rare row, three times one that stands there twice, once another rare row.
        let met = Met::count(&keys(&[0, 1, 1, 2, 2, 2, 4, 9, 10]), &train);
        assert_eq!((met.copies, met.of_rare, met.distinct), (6, 3, 6));
        assert_eq!(Met::count(&[], &train).copies, 0);
        assert_eq!(Met::count(&train, &[]).copies, 0);
    }

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
