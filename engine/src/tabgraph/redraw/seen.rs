//! Tokens as trees see them: bins by rank for numbers, levels for heads, nothing where a cell is
//! missing.

use std::sync::LazyLock;

use super::{Rows, Which};
use crate::{
    boost::{BINS_MAX, Feature},
    random::inverse_normal,
    tabgraph::tokenizer::{ColumnCode, Tokenizer, head::Meaning},
};

/// Bins of numbers that are there.
const NUMBER_BINS: usize = BINS_MAX - 1;

/// The features of rows: number tokens, then heads.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    features: Vec<Feature>,
    numbers: usize,
}

impl Seen {
    /// Of training rows or drawn ones.
    pub(super) fn of(tokenizer: &Tokenizer, rows: &Rows) -> Self {
        let numbers = rows.numbers.len();
        let of_number = |token: usize| number(tokenizer, token, rows);
        let of_head = |head: usize| level(tokenizer, head, &rows.levels[head]);
        let features = (0..numbers).map(of_number).chain((0..rows.levels.len()).map(of_head));
        Self { features: features.collect(), numbers }
    }

    /// Looks again at a column that was drawn anew.
    pub(super) fn see(&mut self, tokenizer: &Tokenizer, which: Which, rows: &Rows) {
        if let Some(head) = which.head(tokenizer) {
            self.features[self.numbers + head] = level(tokenizer, head, &rows.levels[head]);
        }
        if let Which::Number(token) = which {
            self.features[token] = number(tokenizer, token, rows);
        }
    }

    /// Of all columns.
    pub(super) fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The same, but of the column itself: for trees that learn it.
    pub(super) fn without(&self, tokenizer: &Tokenizer, which: Which) -> Vec<Feature> {
        let head = which.head(tokenizer).map(|head| self.numbers + head);
        let token = match which {
            Which::Category(_) => None,
            Which::Number(token) => Some(token),
        };
        let shown = |(at, feature): (usize, &Feature)| match [head, token].contains(&Some(at)) {
            // A column of one bin, which no tree asks: places stay the same.
            true => Feature { bins: vec![0; feature.bins.len()], count: 1, ordered: true },
            false => feature.clone(),
        };
        self.features.iter().enumerate().map(shown).collect()
    }
}

/// Number of features of a table.
pub(super) fn width(tokenizer: &Tokenizer) -> usize {
    tokenizer.scales.len() + tokenizer.heads.len()
}

/// The head of a number token's column.
pub(super) fn head_of(tokenizer: &Tokenizer, token: usize) -> Option<usize> {
    tokenizer.codes.iter().find_map(|code| match code {
        ColumnCode::Number { token: of, head } if *of == token => *head,
        _ => None,
    })
}

/// A number by its rank: of a frequent one that of all its cells, whatever the token of the row.
fn number(tokenizer: &Tokenizer, token: usize, rows: &Rows) -> Feature {
    let scale = &tokenizer.scales[token];
    let rank_of = |number: f64| scale.token(scale.group(number), 0.5);
    let by_rank = |cell: &f32| bin(f64::from(*cell));
    let cells = rows.numbers[token].iter();
    let bins = match head_of(tokenizer, token) {
        None => cells.map(by_rank).collect(),
        Some(head) => {
            let frequent = tokenizer.heads[head].meanings.iter().map(|meaning| match meaning {
                Meaning::Number(number) => Some(bin(rank_of(*number))),
                Meaning::Missing => Some(0),
                Meaning::ByRank | Meaning::Code(_) | Meaning::Tail => None,
            });
            let frequent: Vec<Option<u8>> = frequent.collect();
            let of = |level: &u32| frequent.get(*level as usize).copied().flatten();
            let levels = &rows.levels[head];
            cells.zip(levels).map(|(cell, level)| of(level).unwrap_or(by_rank(cell))).collect()
        }
    };
    Feature { bins, count: BINS_MAX, ordered: true }
}

fn bin(token: f64) -> u8 {
    1 + CUTS.partition_point(|cut| *cut <= token) as u8
}

/// Where bins of equal mass of a normal number end, but the last.
static CUTS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    (1..NUMBER_BINS).map(|cut| inverse_normal(cut as f64 / NUMBER_BINS as f64)).collect()
});

/// A bin per level, the rarest together where there are very many; none is missing, for that is a
/// level of its own.
fn level(tokenizer: &Tokenizer, head: usize, levels: &[u32]) -> Feature {
    let rows = &tokenizer.heads[head].rows;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|level| (std::cmp::Reverse(rows[*level]), *level));
    let mut of = vec![0; rows.len()];
    for (place, level) in order.into_iter().enumerate() {
        #[expect(clippy::cast_possible_truncation, reason = "capped on the spot")]
        let bin = place.min(BINS_MAX - 1) as u8;
        of[level] = bin;
    }
    let bin = |level: &u32| of.get(*level as usize).copied().unwrap_or(0);
    let bins = levels.iter().map(bin).collect();
    Feature { bins, count: rows.len().min(BINS_MAX), ordered: false }
}
