//! Columns in the order in which rows are drawn, each told by a level, by bins of its rank, or by a
//! level that may say "by rank" and then bins.

use std::cmp::Reverse;

use super::config::AutoregressiveConfig;
use crate::{
    random::Stream,
    tabgraph::tokenizer::{
        ColumnCode, Encoded, Tokenizer,
        head::{Head, Meaning},
    },
};

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// The head whose level tells it.
    pub head: Option<usize>,
    /// The number whose rank tells it, where no level does.
    pub number: Option<usize>,
    /// The level that says "by rank", of a column with both.
    pub by_rank: Option<u32>,
}

/// Bins of a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bins {
    /// Bins of the whole column …
    pub coarse: usize,
    /// … and of each of these.
    pub fine: usize,
}

impl Link {
    /// Whether a cell of this level is told by bins.
    pub(super) fn is_by_rank(&self, level: Option<u32>) -> bool {
        self.number.is_some() && (self.head.is_none() || self.by_rank == level)
    }

    /// Whether it tells a column that is coded so.
    pub(super) fn tells(&self, code: &ColumnCode) -> bool {
        match *code {
            ColumnCode::Head(head) | ColumnCode::Number { head: Some(head), .. } => {
                self.head == Some(head)
            }
            ColumnCode::Number { token, head: None } => self.number == Some(token),
            ColumnCode::Constant(_) | ColumnCode::Generated(_) => false,
        }
    }
}

/// The columns of a table that are learned, those of many values before those of few, categories
/// last: a target mostly is one of few classes, and whoever learns it from the rows asks for it
/// given all the others, as it is drawn here.
pub(super) fn links(tokenizer: &Tokenizer) -> Vec<Link> {
    let link = |code: &ColumnCode| match *code {
        ColumnCode::Head(head) => Some(Link { head: Some(head), number: None, by_rank: None }),
        ColumnCode::Number { token, head } => {
            let by_rank = head.and_then(|head| by_rank(&tokenizer.heads[head]));
            let is_told = head.is_none() || by_rank.is_some();
            Some(Link { head, number: is_told.then_some(token), by_rank })
        }
        ColumnCode::Constant(_) | ColumnCode::Generated(_) => None,
    };
    let values = |link: &Link| {
        let levels = link.head.map_or(0, |head| tokenizer.heads[head].meanings.len());
        (link.number.is_some(), levels + link.number.map_or(0, |it| tokenizer.scales[it].low.len()))
    };
    let mut links: Vec<Link> = tokenizer.codes.iter().filter_map(link).collect();
    links.sort_by_key(|link| Reverse(values(link)));
    links
}

fn by_rank(head: &Head) -> Option<u32> {
    let at = head.meanings.iter().position(|meaning| matches!(meaning, Meaning::ByRank))?;
    u32::try_from(at).ok()
}

impl Bins {
    /// Those of a model.
    pub(super) fn of(config: &AutoregressiveConfig) -> Self {
        Self { coarse: config.coarse_bins, fine: config.fine_bins }
    }

    /// Coarse and fine bin of a rank in 0 to 1.
    pub(super) fn at(self, rank: f64) -> (i64, i64) {
        let all = self.coarse * self.fine;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "≥ 0")]
        let bin = ((rank * all as f64) as usize).min(all - 1);
        ((bin / self.fine) as i64, (bin % self.fine) as i64)
    }

    /// The place of a fine bin among those of all coarse ones.
    pub(super) fn place(self, coarse: i64, fine: i64) -> i64 {
        if coarse == UNTOLD { UNTOLD } else { coarse * self.fine as i64 + fine }
    }

    /// The ranks where a fine bin of a coarse one begins and ends.
    pub(super) fn ends(self, (coarse, fine): (usize, usize)) -> (f64, f64) {
        let all = (self.coarse * self.fine) as f64;
        let place = (coarse * self.fine + fine) as f64;
        (place / all, (place + 1.0) / all)
    }

    /// A rank within these bins; `uniform` in (0, 1) says where.
    pub(super) fn rank(self, (coarse, fine): (u32, u32), uniform: f64) -> f64 {
        (f64::from(coarse) + (f64::from(fine) + uniform) / self.fine as f64) / self.coarse as f64
    }
}

/// Where nothing is told: no target of a loss.
pub(super) const UNTOLD: i64 = -100;

/// The cells of one column, one per row.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Levels, where the column has them.
    pub levels: Vec<i64>,
    /// Coarse bins, [`UNTOLD`] where a level tells; empty where the column has none.
    pub coarse: Vec<i64>,
    /// Fine bins within them, the same.
    pub fine: Vec<i64>,
    /// Places among the fine bins of all coarse ones, the same.
    pub places: Vec<i64>,
}

/// The picked rows' cells of a column; `ranks` says where in its run a cell stands.
pub(super) fn told(
    (tokenizer, data): (&Tokenizer, &Encoded),
    link: &Link,
    bins: Bins,
    picked: &[usize],
    ranks: &mut Stream,
) -> Told {
    let mut told = Told::default();
    let (tokens, heads) = (tokenizer.scales.len(), tokenizer.heads.len());
    for row in picked {
        let level = link.head.map(|head| data.levels[row * heads + head]);
        told.levels.extend(level.map(i64::from));
        if let Some(number) = link.number {
            let group = data.groups[row * tokens + number];
            // A place is drawn for every cell, so that rows of one column do not shift another's.
            let uniform = ranks.uniform();
            let rank = match link.is_by_rank(level) {
                true => tokenizer.scales[number].free_rank(group, uniform),
                false => None,
            };
            let (coarse, fine) = rank.map_or((UNTOLD, UNTOLD), |rank| bins.at(rank));
            told.coarse.push(coarse);
            told.fine.push(fine);
            told.places.push(bins.place(coarse, fine));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_is_in_the_bins_that_it_is_drawn_from() {
        let bins = Bins { coarse: 8, fine: 4 };
        for rank in [0.0, 0.2, 0.499, 0.5, 0.999_999, 1.0] {
            let (coarse, fine) = bins.at(rank);
            let narrow = |bin: i64| u32::try_from(bin).expect("small");
            let back = bins.rank((narrow(coarse), narrow(fine)), 0.5);
            assert!((back - rank).abs() <= 1.0 / 32.0, "{rank}: {coarse}, {fine}, {back}");
            assert_eq!(bins.at(back), (coarse, fine));
        }
    }
}
