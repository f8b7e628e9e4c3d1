//! One numeric column as one token: rank with uniform dequantisation, then a normal quantile.
//!
//! Equal values are one *run*: a cell's token is drawn uniformly within the ranks of its run, so
//! whatever the shape of the column, the token is normal, and the way back is exact in rank. Runs
//! are told by the numbers that a model may keep (see `own_numbers`): those that few rows hold have
//! moved. A column of very many distinct values keeps intervals of neighbours instead of single
//! values.

mod among;

use tgs_protocol::column::ValueFormat;

use super::{NO_GROUP, head::Meaning};
use crate::{
    own_numbers::{OwnNumbers, runs},
    random::{inverse_normal, normal_share},
    tabgraph::config::{Normalisation, TabgraphConfig},
    table::grid::Grid,
};

/// Ranks are kept so far from 0 and 1; the token stays within ± 4.75.
const RANK_EDGE: f64 = 1e-6;

/// The runs of one numeric column and what tokens mean in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NumberScale {
    /// Smallest value of each run, ascending, as it may be kept.
    pub low: Vec<f64>,
    /// Largest value of each run; the same, unless neighbours were joined.
    pub high: Vec<f64>,
    /// Training rows in each run.
    pub count: Vec<f64>,
    /// Training rows in each run that are told by rank, not by a level of the head.
    pub by_rank: Vec<f64>,
    /// Numbers are multiples of this.
    pub grid: Grid,
    /// Smallest value of each run as it stood in the training table, to find the run of a cell.
    /// Never in a file.
    begin: Vec<f64>,
    normalisation: Normalisation,
    below: Vec<f64>,
    free_below: Vec<f64>,
    mean: f64,
    deviation: f64,
}

impl NumberScale {
    /// Learns the runs. `values` are the present cells in any order, `atoms` those told by the
    /// head.
    pub(crate) fn fit(
        mut values: Vec<f64>,
        atoms: &[f64],
        format: &ValueFormat,
        own: OwnNumbers,
        config: &TabgraphConfig,
    ) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        clip(&mut values, config.clip_quantile);
        let (single, rows) = runs(&values);
        let grid = Grid::of(format, &single);
        let kept = own.moved(&single, &rows, grid);
        let enough = values.len().div_ceil(config.knots_max.max(1)) as f64;
        let join = single.len() > config.knots_max;
        let (mut low, mut high, mut count, mut by_rank) = (vec![], vec![], vec![], vec![]);
        let mut begin = vec![];
        let mut open = false;
        for ((value, kept), rows) in single.into_iter().zip(kept).zip(rows) {
            let rows = rows as f64;
            let atom = atoms.binary_search_by(|atom| atom.total_cmp(&value)).is_ok();
            let alone = atom || !join || rows >= enough;
            if open && !alone && count.last().is_some_and(|rows| *rows < enough) {
                let last = count.len() - 1;
                high[last] = kept;
                count[last] += rows;
                by_rank[last] += rows;
            } else {
                begin.push(value);
                low.push(kept);
                high.push(kept);
                count.push(rows);
                by_rank.push(if atom { 0.0 } else { rows });
                open = !alone;
            }
        }
        let runs = Self::from_runs([low, high, count, by_rank], grid, config.normalisation);
        Self { begin, ..runs }
    }

    /// The scale of these runs (`low`, `high`, `count`, `by_rank`), as a model file holds them.
    pub(crate) fn from_runs(
        [low, high, count, by_rank]: [Vec<f64>; 4],
        grid: Grid,
        normalisation: Normalisation,
    ) -> Self {
        let total: f64 = count.iter().sum::<f64>().max(1.0);
        // In units of the largest size, or squares of large numbers overflow, of tiny ones vanish.
        let size = |end: Option<&f64>| end.map_or(0.0, |end| end.abs());
        let unit = size(low.first()).max(size(high.last()));
        let unit = if unit > 0.0 { unit } else { 1.0 };
        let middle = |run: usize| 0.5 * (low[run] / unit + high[run] / unit);
        let mean = (0..low.len()).map(|run| middle(run) * count[run]).sum::<f64>() / total;
        let square = |run: usize| (middle(run) - mean) * (middle(run) - mean) * count[run];
        let deviation = ((0..low.len()).map(square).sum::<f64>() / total).sqrt() * unit;
        Self {
            below: cumulative(&count),
            free_below: cumulative(&by_rank),
            mean: mean * unit,
            deviation: if deviation > 0.0 { deviation } else { 1.0 },
            begin: low.clone(),
            low,
            high,
            count,
            by_rank,
            normalisation,
            grid,
        }
    }

    /// Whether runs that came from a file can be decoded.
    pub(crate) fn is_whole(&self) -> bool {
        let finite = |list: &[f64]| list.iter().all(|number| number.is_finite());
        let lists = [&self.low, &self.high, &self.count, &self.by_rank];
        let ordered = self.low.is_sorted() && self.low.iter().zip(&self.high).all(|(a, b)| a <= b);
        let counted = self.count.iter().chain(&self.by_rank).all(|rows| *rows >= 0.0);
        let held = self.below.last().is_some_and(|rows| *rows > 0.0);
        !self.low.is_empty()
            && lists.into_iter().all(|list| finite(list))
            && ordered
            && counted
            && held
    }

    /// The run of a cell of a table, or the nearest below it.
    pub(crate) fn group(&self, value: f64) -> u32 {
        u32::try_from(run_of(&self.begin, value)).unwrap_or(NO_GROUP)
    }

    /// The token of a cell of this run; `uniform` in (0, 1) says where in the run. A cell without a
    /// number has the token 0.
    pub(crate) fn token(&self, group: u32, uniform: f64) -> f64 {
        let run = group as usize;
        if group == NO_GROUP || run >= self.low.len() {
            return 0.0;
        }
        let total = self.below[self.low.len()];
        let rank = (self.below[run] + uniform * self.count[run]) / total;
        let rank = rank.clamp(RANK_EDGE, 1.0 - RANK_EDGE);
        match self.normalisation {
            Normalisation::Quantile => inverse_normal(rank),
            Normalisation::Cdf => (rank - 0.5) * UNIFORM_SPREAD,
            Normalisation::Standard => {
                let value = self.low[run] + uniform * (self.high[run] - self.low[run]);
                // Halves, so that the way from end to end does not overflow.
                (value / 2.0 - self.mean / 2.0) / self.deviation * 2.0
            }
        }
    }

    /// Replaces [`Meaning::ByRank`] by numbers. With a `rank_offset` (0 to 1: where in its rank a
    /// row stands) all numbers of the column are then brought to those of the training table by
    /// rank: shares come out right, and rows keep their order, so that what depends on the column
    /// still does. Frequent numbers are part of it; equal ones are told apart by their tokens.
    pub(crate) fn decode(
        &self,
        tokens: &[f32],
        meanings: &mut [Meaning],
        rank_offset: Option<f64>,
    ) {
        let mut rows = Vec::with_capacity(meanings.len());
        for (row, (meaning, token)) in meanings.iter().zip(tokens).enumerate() {
            let token = f64::from(*token);
            match *meaning {
                Meaning::Number(value) => rows.push((value, 0, token, row)),
                Meaning::ByRank => {
                    let value = self.value(token);
                    // Told by its token, it stands beside a frequent number, never on it.
                    rows.push((value, self.side(value, token), token, row));
                }
                Meaning::Missing | Meaning::Code(_) | Meaning::Tail => {}
            }
        }
        if let Some(offset) = rank_offset {
            rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.total_cmp(&b.2)));
            let among = rows.len() as f64;
            for (rank, (value, ..)) in rows.iter_mut().enumerate() {
                *value = self.at((rank as f64 + offset) / among);
            }
        }
        for (value, .., row) in rows {
            meanings[row] = Meaning::Number(value);
        }
    }

    /// Whether a token that means this value stands below (−1) or above (1) it, where the value is
    /// one that the head tells; 0 where it is not.
    fn side(&self, value: f64, token: f64) -> i8 {
        let run = run_of(&self.low, value);
        if self.by_rank.get(run).is_none_or(|rows| *rows > 0.0) {
            return 0;
        }
        let below = self.free_below[run] > 0.0;
        let above = self.free_below[run] < self.free_below[self.low.len()];
        let nearer_below = token < self.token(u32::try_from(run).unwrap_or(NO_GROUP), 0.5);
        if below && (nearer_below || !above) { -1 } else { 1 }
    }

    /// The value that a token stands for by itself.
    fn value(&self, token: f64) -> f64 {
        match self.normalisation {
            Normalisation::Quantile => self.at(normal_share(token)),
            Normalisation::Cdf => self.at((token / UNIFORM_SPREAD + 0.5).clamp(0.0, 1.0)),
            Normalisation::Standard => {
                let (first, last) = (self.low.first(), self.high.last());
                let value = self.grid.round(self.mean + token * self.deviation);
                value.clamp(first.copied().unwrap_or(value), last.copied().unwrap_or(value))
            }
        }
    }

    /// The value at a rank in 0 ..= 1.
    fn at(&self, rank: f64) -> f64 {
        let below = &self.below;
        let total = below.last().copied().unwrap_or(0.0);
        let rows = rank * total;
        let mut run = below.partition_point(|rows_below| *rows_below <= rows).saturating_sub(1);
        // The last place of all lies after the last run; runs without rows are passed over.
        while run > 0 && (run >= self.low.len() || below[run + 1] <= below[run]) {
            run -= 1;
        }
        let (low, high) = (self.low[run], self.high[run]);
        if low == high {
            return low;
        }
        let inside = (rows - below[run]) / (below[run + 1] - below[run]);
        self.grid.round(low + inside.clamp(0.0, 1.0) * (high - low)).clamp(low, high)
    }
}

/// Width of the uniform distribution of variance 1: √12.
const UNIFORM_SPREAD: f64 = 3.464_101_615_137_754_6;

/// The last run that begins at or below a value; the first if none does.
fn run_of(begin: &[f64], value: f64) -> usize {
    begin.partition_point(|begin| *begin <= value).saturating_sub(1)
}

fn cumulative(counts: &[f64]) -> Vec<f64> {
    let sums = counts.iter().scan(0.0, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    std::iter::once(0.0).chain(sums).collect()
}

fn clip(sorted: &mut [f64], quantile: f64) {
    if quantile <= 0.0 || sorted.is_empty() {
        return;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let cut = (quantile * sorted.len() as f64) as usize;
    let last = sorted.len() - 1;
    let (low, high) = (sorted[cut.min(last)], sorted[last - cut.min(last)]);
    if low < high {
        sorted.iter_mut().for_each(|value| *value = value.clamp(low, high));
    }
}

#[cfg(test)]
mod tests;
