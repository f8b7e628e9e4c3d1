//! Which training rows choose instead of teaching: when to end, which parameters or leaf size to
//! keep. A function of the seed. The holdout never comes here: it is for the report alone, or the
//! report would judge by rows that had a say.

use crate::random::{Purpose, Stream};

/// Never more than one row of so many chooses, however small the table.
const ONE_OF: usize = 4;

/// Few rows are looked at under more noises, but never under more than this.
const NOISES_MAX: usize = 8;

/// How many rows choose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validation {
    /// This share of the rows …
    pub share: f64,
    /// … but at least so many, as far as a quarter of the rows allows …
    pub rows_min: usize,
    /// … and at most so many.
    pub rows_max: usize,
}

/// The rows of a training table by their use, each part ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Gradients and trees are made of these.
    pub learned: Vec<usize>,
    /// These choose.
    pub validation: Vec<usize>,
    /// As many of those that learn, looked at beside them.
    seen: Vec<usize>,
    /// Each looked-at row is so under so many noises: the loss under one says little of a net.
    noises: usize,
}

/// A part of the rows that are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Looked<'a> {
    /// The rows.
    pub rows: &'a [usize],
    /// Their place among the parts of their kind: both kinds have the same noise at a place, so
    /// that their difference is that of the rows.
    pub place: u64,
    /// How many there are of their kind, once for each noise.
    of: usize,
}

impl Looked<'_> {
    /// What the mean loss of these rows adds to that of all of their kind.
    pub(crate) fn weighed(&self, loss: f64) -> f64 {
        loss * self.rows.len() as f64 / self.of as f64
    }
}

impl Parts {
    /// The same rows, looked at under as many noises as make so many pairs of row and noise.
    pub(crate) fn looked_at(self, pairs: usize) -> Self {
        let noises = pairs.div_ceil(self.validation.len().max(1)).clamp(1, NOISES_MAX);
        Self { noises, ..self }
    }

    /// Parts of at most so many rows that choose, under each noise.
    pub(crate) fn shards(&self, size: usize) -> usize {
        self.noises * self.validation.len().div_ceil(size)
    }

    /// The same of the rows that learn and are looked at; they come after the others.
    pub(crate) fn seen_shards(&self, size: usize) -> usize {
        self.noises * self.seen.len().div_ceil(size)
    }

    /// One of them all.
    pub(crate) fn looked(&self, size: usize, shard: usize) -> Looked<'_> {
        let (of, place) = match shard.checked_sub(self.shards(size)) {
            None => (&self.validation, shard),
            Some(place) => (&self.seen, place),
        };
        let under_one = of.len().div_ceil(size).max(1);
        let rows = of.chunks(size).nth(place % under_one).unwrap_or(&[]);
        Looked { rows, place: place as u64, of: of.len() * self.noises }
    }
}

impl Validation {
    /// How many of so many rows choose; none when the share is zero.
    pub(crate) fn rows(&self, of: usize) -> usize {
        if self.share <= 0.0 {
            return 0;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "≥ 0")]
        let wanted = (self.share * of as f64).round() as usize;
        wanted.max(self.rows_min).min(self.rows_max).min(of / ONE_OF)
    }

    /// Parts so many rows by the seed.
    pub(crate) fn parts(&self, rows: usize, seed: u64) -> Parts {
        let mut stream = Stream::new(seed, Purpose::Validation, 0);
        let validation = stream.subsample(rows, self.rows(rows));
        let mut chooses = vec![false; rows];
        validation.iter().for_each(|row| chooses[*row] = true);
        let learned: Vec<usize> = (0..rows).filter(|row| !chooses[*row]).collect();
        let mut stream = Stream::new(seed, Purpose::Validation, 1);
        let seen = stream.subsample(learned.len(), validation.len());
        let seen = seen.into_iter().map(|at| learned[at]).collect();
        Parts { learned, validation, seen, noises: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_all_that_is_looked_at_each_kind_a_whole() {
        for (pairs, noises) in [(0, 1), (200, 1), (201, 2), (600, 3), (1_000_000, NOISES_MAX)] {
            let parts = USUAL.parts(2_000, 7).looked_at(pairs);
            let of_kind = 4 * noises;
            assert_eq!((parts.shards(64), parts.seen_shards(64)), (of_kind, of_kind));
            for (from, rows) in [(0, &parts.validation), (of_kind, &parts.seen)] {
                let looked = (from..from + of_kind).map(|shard| parts.looked(64, shard));
                let looked: Vec<_> = looked.collect();
                let all = (0..noises).flat_map(|_| rows);
                assert!(looked.iter().flat_map(|it| it.rows).eq(all));
                assert!(looked.iter().map(|it| it.place).eq(0..of_kind as u64));
                let weights: f64 = looked.iter().map(|it| it.weighed(1.0)).sum();
                assert!((weights - 1.0).abs() < 1e-12);
            }
        }
    }

    const USUAL: Validation = Validation { share: 0.1, rows_min: 100, rows_max: 4_000 };

    #[test]
    fn a_share_of_the_rows_within_bounds_chooses() {
        for (rows, expected) in
            [(0, 0), (3, 0), (8, 2), (100, 25), (600, 100), (9_864, 986), (1_000_000, 4_000)]
        {
            assert_eq!(USUAL.rows(rows), expected, "{rows} rows");
        }
        assert_eq!(Validation { share: 0.0, ..USUAL }.rows(9_000), 0);
    }

    #[test]
    fn every_row_has_one_use_and_the_seed_says_which() {
        let parts = USUAL.parts(2_000, 7);
        assert_eq!((parts.learned.len(), parts.validation.len()), (1_800, 200));
        let mut all = [parts.learned.clone(), parts.validation.clone()].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..2_000));
        assert!(parts.seen.len() == 200 && parts.seen.iter().all(|at| parts.learned.contains(at)));
        assert_eq!(parts, USUAL.parts(2_000, 7));
        assert_ne!(parts, USUAL.parts(2_000, 8));
    }
}
