//! Which rows a measure looks at, when it cannot look at all. Every draw has its own number, so
//! that no measure changes when another one is added.

use crate::random::{Purpose, Stream};

/// What a subsample is drawn for. A number is never reused.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub enum Draw {
    /// Detection, synthetic against train.
    DetectTrain = 1,
    /// Detection, synthetic against holdout.
    DetectHoldout = 2,
    /// Detection, holdout against train: what two real samples give.
    DetectReal = 3,
    /// Distances to the closest record.
    Closest = 4,
    /// Membership inference.
    Membership = 5,
    /// α-precision and β-recall.
    Support = 6,
    /// Rows in the plane.
    Embedding = 7,
    /// Rows that a utility model learns from.
    Utility = 8,
    /// Rows that are looked for among the training rows.
    NewRows = 9,
    /// Attacks that single out, link and infer.
    Attacks = 10,
}

impl Draw {
    /// At most `take` of `from` rows, ascending. `part` tells the tables of one measure apart
    /// (below 16).
    pub fn rows(self, seed: u64, part: u64, from: usize, take: usize) -> Vec<usize> {
        if take >= from {
            return (0..from).collect();
        }
        self.stream(seed, part).subsample(from, take)
    }

    /// At most `take` of `from` rows in random order.
    pub fn shuffled(self, seed: u64, part: u64, from: usize, take: usize) -> Vec<usize> {
        let mut rows = self.stream(seed, part).permutation(from);
        rows.truncate(take);
        rows
    }

    /// Random numbers of this draw.
    pub fn stream(self, seed: u64, part: u64) -> Stream {
        Stream::new(seed, Purpose::Subsample, (self as u64) << 8 | part)
    }
}
