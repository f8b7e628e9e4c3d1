//! One numeric column as one token: rank with uniform dequantisation, then a normal quantile.
//!
//! Equal values are one *run*: a cell's token is drawn uniformly within the ranks of its run, so
//! whatever the shape of the column, the token is normal, and the way back is exact in rank. A
//! value that several rows share comes back as it is. One that few rows hold would single them out
//! (an income to the cent), so it comes back as a number near it. A column of very many distinct
//! values keeps intervals of neighbours instead of single values.

use tgs_protocol::column::ValueFormat;

use super::{NO_GROUP, head::Meaning};
use crate::{
    random::{Stream, inverse_normal},
    tabgraph::config::{Normalisation, TabgraphConfig},
    table::grid::Grid,
};

/// Ranks are kept so far from 0 and 1; the token stays within ± 4.75.
const RANK_EDGE: f64 = 1e-6;
/// A number of few rows moves at most by this part of half the range: in the tails, where gaps are
/// wide, more would cost the ends of the range and with them every correlation.
const REACH_MAX: f64 = 0.01;
/// It may move by so many steps of the column's grid, however narrow the range: by less, rounding
/// would bring back what stood there.
const REACH_STEPS: f64 = 2.0;

/// The runs of one numeric column and what tokens mean in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NumberScale {
    /// Smallest value of each run, ascending.
    pub low: Vec<f64>,
    /// Largest value of each run; the same, unless neighbours were joined.
    pub high: Vec<f64>,
    /// Training rows in each run.
    pub count: Vec<f64>,
    /// Training rows in each run that are told by rank, not by a level of the head.
    pub by_rank: Vec<f64>,
    constants: ScaleConstants,
    grid: Grid,
    below: Vec<f64>,
    free_below: Vec<f64>,
    mean: f64,
    deviation: f64,
}

/// What a scale takes from the configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ScaleConstants {
    pub normalisation: Normalisation,
    pub shared_rows_min: usize,
}

impl From<&TabgraphConfig> for ScaleConstants {
    fn from(config: &TabgraphConfig) -> Self {
        let TabgraphConfig { normalisation, shared_rows_min, .. } = *config;
        Self { normalisation, shared_rows_min }
    }
}

impl NumberScale {
    /// Learns the runs. `values` are the present cells in any order, `atoms` those told by the
    /// head.
    pub(crate) fn fit(
        mut values: Vec<f64>,
        atoms: &[f64],
        format: &ValueFormat,
        config: &TabgraphConfig,
    ) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        clip(&mut values, config.clip_quantile);
        let single = values.chunk_by(|a, b| a == b).map(|run| (run[0], run.len()));
        let single: Vec<(f64, usize)> = single.collect();
        let enough = values.len().div_ceil(config.knots_max.max(1));
        let join = single.len() > config.knots_max;
        let (mut low, mut high, mut count, mut by_rank) = (vec![], vec![], vec![], vec![]);
        let mut open = false;
        for (value, rows) in single {
            let atom = atoms.binary_search_by(|atom| atom.total_cmp(&value)).is_ok();
            let alone = atom || !join || rows >= enough;
            if open && !alone && count.last().is_some_and(|rows| *rows < enough as f64) {
                let last = count.len() - 1;
                high[last] = value;
                count[last] += rows as f64;
                by_rank[last] += rows as f64;
            } else {
                low.push(value);
                high.push(value);
                count.push(rows as f64);
                by_rank.push(if atom { 0.0 } else { rows as f64 });
                open = !alone;
            }
        }
        Self::from_runs([low, high, count, by_rank], format, config.into())
    }

    /// The scale of these runs (`low`, `high`, `count`, `by_rank`), as a model file holds them.
    pub(crate) fn from_runs(
        [low, high, count, by_rank]: [Vec<f64>; 4],
        format: &ValueFormat,
        constants: ScaleConstants,
    ) -> Self {
        let total: f64 = count.iter().sum::<f64>().max(1.0);
        let middle = |run: usize| 0.5 * (low[run] + high[run]);
        let mean = (0..low.len()).map(|run| middle(run) * count[run]).sum::<f64>() / total;
        let square = |run: usize| (middle(run) - mean) * (middle(run) - mean) * count[run];
        let deviation = ((0..low.len()).map(square).sum::<f64>() / total).sqrt();
        let grid = Grid::of(format, &[low.as_slice(), &high].concat());
        Self {
            below: cumulative(&count),
            free_below: cumulative(&by_rank),
            mean,
            deviation: if deviation > 0.0 { deviation } else { 1.0 },
            low,
            high,
            count,
            by_rank,
            constants,
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

    /// The run of a value, or the nearest below it.
    pub(crate) fn group(&self, value: f64) -> u32 {
        let above = self.low.partition_point(|low| *low <= value);
        u32::try_from(above.saturating_sub(1)).unwrap_or(NO_GROUP)
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
        match self.constants.normalisation {
            Normalisation::Quantile => inverse_normal(rank),
            Normalisation::Cdf => (rank - 0.5) * UNIFORM_SPREAD,
            Normalisation::Standard => {
                let value = self.low[run] + uniform * (self.high[run] - self.low[run]);
                (value - self.mean) / self.deviation
            }
        }
    }

    /// Replaces [`Meaning::ByRank`] by numbers. With a `rank_offset` (0 to 1: where in its rank a
    /// row stands) all numbers of the column are then brought to those of the training table by
    /// rank: shares come out right, and rows keep their order, so that what depends on the column
    /// still does. Frequent numbers are part of it; equal ones are told apart by their tokens.
    /// `draws` says where beside a number of few rows a cell stands.
    pub(crate) fn decode(
        &self,
        tokens: &[f32],
        meanings: &mut [Meaning],
        rank_offset: Option<f64>,
        draws: &mut Stream,
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
            meanings[row] = Meaning::Number(self.beside(value, draws));
        }
    }

    /// Whether a token that means this value stands below (−1) or above (1) it, where the value is
    /// one that the head tells; 0 where it is not.
    fn side(&self, value: f64, token: f64) -> i8 {
        let group = self.group(value);
        let run = group as usize;
        if self.by_rank.get(run).is_none_or(|rows| *rows > 0.0) {
            return 0;
        }
        let below = self.free_below[run] > 0.0;
        let above = self.free_below[run] < self.free_below[self.low.len()];
        let nearer_below = token < self.token(group, 0.5);
        if below && (nearer_below || !above) { -1 } else { 1 }
    }

    /// The value that a token stands for by itself.
    fn value(&self, token: f64) -> f64 {
        match self.constants.normalisation {
            Normalisation::Quantile => {
                let rank = 0.5 * libm::erfc(-token * std::f64::consts::FRAC_1_SQRT_2);
                self.at(rank)
            }
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

    /// The value itself when it is shared by enough training rows, else a number drawn around it:
    /// on either side as likely, up to the middle of the gap, but not far; at the ends of the
    /// column, inwards.
    fn beside(&self, value: f64, draws: &mut Stream) -> f64 {
        let run = self.group(value) as usize;
        let is_own = |run: usize| {
            self.low[run] == value
                && self.high[run] == value
                && self.count[run] < self.constants.shared_rows_min as f64
        };
        if run >= self.low.len() || !is_own(run) {
            return value;
        }
        let uniform = 2.0 * draws.uniform() - 1.0;
        let below = run.checked_sub(1).map(|below| self.high[below]);
        let above = self.low.get(run + 1).copied();
        let next = if uniform < 0.0 { below.or(above) } else { above.or(below) };
        let (low, high) = (self.low[0], self.high[self.high.len() - 1]);
        // Half of each, so that the largest numbers do not overflow.
        let middle = next.map_or(value, |next| next / 2.0 + value / 2.0);
        let reach = REACH_MAX * (high / 2.0 - low / 2.0);
        let reach = reach.max(REACH_STEPS * self.grid.step());
        let shift = uniform.abs() * (middle - value).clamp(-reach, reach);
        self.grid.round(value + shift).clamp(low, high)
    }
}

/// Width of the uniform distribution of variance 1: √12.
const UNIFORM_SPREAD: f64 = 3.464_101_615_137_754_6;

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
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn scale(values: &[f64], digits: u8) -> NumberScale {
        let format = ValueFormat::Decimal { digits, least: digits };
        NumberScale::fit(values.to_vec(), &[], &format, &TabgraphConfig::default())
    }

    /// As many rows as were learned from, with chance tokens, brought to their ranks.
    fn drawn(scale: &NumberScale, rows: usize) -> Vec<f64> {
        let mut dice = Stream::new(3, Purpose::Test, 0);
        let tokens: Vec<f32> = (0..rows).map(|_| dice.normal() as f32).collect();
        let mut meanings = vec![Meaning::ByRank; rows];
        scale.decode(&tokens, &mut meanings, Some(0.5), &mut dice);
        let number = |meaning: &Meaning| match meaning {
            Meaning::Number(value) => *value,
            other => panic!("{other:?} is no number"),
        };
        meanings.iter().map(number).collect()
    }

    /// Incomes to the cent are somebody's own; a minimum wage that many have is not.
    #[test]
    fn numbers_of_few_rows_do_not_come_back_as_they_stood() {
        let mut dice = Stream::new(4, Purpose::Test, 0);
        let wage = 24_000.0;
        let mut values: Vec<f64> =
            (0..1_000).map(|_| (3e6 + 4e6 * dice.uniform()).round() / 100.0).collect();
        values.extend([wage; 200]);
        values.push(1e6);
        let scale = scale(&values, 2);
        let found = drawn(&scale, values.len());
        let again = |value: &&f64| **value != wage && values.contains(*value);
        let copies = found.iter().filter(again).count();
        assert!(copies < 30, "{copies} of 1,000 incomes came back to the cent");
        assert_eq!(found.iter().filter(|value| **value == wage).count(), 200);
        let most = found.iter().copied().fold(0.0, f64::max);
        assert!((990_000.0..1e6).contains(&most), "{most} is the largest income");
        let sum = |values: &[f64]| values.iter().sum::<f64>();
        assert!((sum(&found) / sum(&values) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn whole_numbers_without_gaps_come_back_exactly() {
        let values: Vec<f64> = (0..300).map(|row| f64::from(row / 2)).collect();
        let mut found = drawn(&scale(&values, 0), values.len());
        found.sort_unstable_by(f64::total_cmp);
        let off = found.iter().zip(&values).filter(|(a, b)| (**a - **b).abs() > 1.0).count();
        assert_eq!(off, 0, "{found:?}");
        assert!(found.iter().all(|value| value.fract() == 0.0));
    }

    #[test]
    fn ends_of_all_sizes_stay_finite() {
        for values in [vec![7.0], vec![-1e308, 1e308], vec![0.0, f64::MIN_POSITIVE, 1e-300]] {
            let scale = scale(&values, 2);
            let (low, high) = (scale.low[0], scale.high[scale.high.len() - 1]);
            assert!(drawn(&scale, 9).iter().all(|value| (low..=high).contains(value)));
        }
    }
}
