//! Which training rows choose instead of teaching: when to end, which parameters or leaf size to
//! keep. A function of the seed. The holdout never comes here: it is for the report alone, or the
//! report would judge by rows that had a say.

use crate::random::{Purpose, Stream};

/// Never more than one row of so many chooses, however small the table.
const ONE_OF: usize = 4;

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
        Parts { learned: (0..rows).filter(|row| !chooses[*row]).collect(), validation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(parts, USUAL.parts(2_000, 7));
        assert_ne!(parts, USUAL.parts(2_000, 8));
    }
}
