//! Columns as bytes: at most 255 bins of a number or levels of a category, bin 0 for missing.

use crate::{
    boost::{BINS_MAX, Feature},
    measure::{
        frame::{MISSING, Values},
        shape,
    },
};

/// How the cells of one column become bins.
#[derive(Debug, Clone)]
pub enum Binning {
    /// Upper bounds of the bins but the last, ascending.
    Cuts(Vec<f64>),
    /// Bin of each level.
    Levels {
        /// Bin by level code.
        of: Vec<u8>,
        /// Number of bins in use.
        count: usize,
    },
}

impl Binning {
    /// Learns bins from cells: a bin per distinct number up to 254 of them, else quantiles; a bin
    /// per level in order of frequency, the rarest together where there are more than 254.
    /// `levels` is the size of the dictionary.
    pub fn fit(values: &Values, levels: usize) -> Self {
        match values {
            Values::Number(cells) => Self::Cuts(cuts(&shape::sorted(cells))),
            Values::Level(codes) => {
                let counts = shape::counts(codes, levels);
                let mut order: Vec<usize> = (0..levels).collect();
                order.sort_by_key(|&level| std::cmp::Reverse(counts[level]));
                let mut of = vec![0; levels];
                for (place, level) in order.into_iter().enumerate() {
                    #[expect(clippy::cast_possible_truncation, reason = "capped on the spot")]
                    let bin = (place + 1).min(BINS_MAX - 1) as u8;
                    of[level] = bin;
                }
                Self::Levels { of, count: (levels + 1).min(BINS_MAX) }
            }
        }
    }

    /// Bins the cells of a column.
    pub fn apply(&self, values: &Values) -> Feature {
        match (self, values) {
            (Self::Cuts(cuts), Values::Number(cells)) => {
                #[expect(clippy::cast_possible_truncation, reason = "at most 254 cuts")]
                let bin = |cell: &f64| {
                    if cell.is_nan() {
                        0
                    } else {
                        1 + cuts.partition_point(|cut| cut <= cell) as u8
                    }
                };
                let bins = cells.iter().map(bin).collect();
                Feature { bins, count: cuts.len() + 2, ordered: true }
            }
            (Self::Levels { of, count }, Values::Level(codes)) => {
                let bin = |&code: &u32| if code == MISSING { 0 } else { of[code as usize] };
                Feature { bins: codes.iter().map(bin).collect(), count: *count, ordered: false }
            }
            // Columns keep their kind over all tables of a frame.
            _ => Feature { bins: Vec::new(), count: 1, ordered: true },
        }
    }
}

fn cuts(sorted: &[f64]) -> Vec<f64> {
    const CUTS_MAX: usize = BINS_MAX - 2;
    let mut distinct = sorted.to_vec();
    distinct.dedup();
    let middle = |pair: &[f64]| pair[0] + (pair[1] - pair[0]) / 2.0;
    if distinct.len() <= CUTS_MAX + 1 {
        return distinct.windows(2).map(middle).collect();
    }
    let quantile = |cut: usize| sorted[cut * sorted.len() / (CUTS_MAX + 1)];
    let mut cuts: Vec<f64> = (1..=CUTS_MAX).map(quantile).collect();
    cuts.dedup();
    cuts
}
