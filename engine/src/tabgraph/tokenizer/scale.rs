//! One numeric column as one token: rank with uniform dequantisation, then a normal quantile.
//!
//! Equal values are one *run*: a cell's token is drawn uniformly within the ranks of its run, so
//! whatever the shape of the column, the token is normal, and the way back is exact. A column of
//! very many distinct values keeps intervals of neighbours instead of single values.

use tgs_protocol::column::ValueFormat;

use super::{NO_GROUP, head::Meaning};
use crate::{
    random::inverse_normal,
    tabgraph::config::{Normalisation, TabgraphConfig},
};

/// Ranks are kept so far from 0 and 1; the token stays within ± 4.75.
const RANK_EDGE: f64 = 1e-6;

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
    normalisation: Normalisation,
    digits: Option<u8>,
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
        Self::from_runs(low, high, count, by_rank, format, config.normalisation)
    }

    /// The scale of these runs, as a model file holds them.
    pub(crate) fn from_runs(
        low: Vec<f64>,
        high: Vec<f64>,
        count: Vec<f64>,
        by_rank: Vec<f64>,
        format: &ValueFormat,
        normalisation: Normalisation,
    ) -> Self {
        let total: f64 = count.iter().sum::<f64>().max(1.0);
        let middle = |run: usize| 0.5 * (low[run] + high[run]);
        let mean = (0..low.len()).map(|run| middle(run) * count[run]).sum::<f64>() / total;
        let square = |run: usize| (middle(run) - mean) * (middle(run) - mean) * count[run];
        let deviation = ((0..low.len()).map(square).sum::<f64>() / total).sqrt();
        let digits = match format {
            ValueFormat::Decimal { digits, .. } => Some(*digits),
            ValueFormat::Moment { .. } => Some(0),
            ValueFormat::Verbatim | ValueFormat::Shortest => None,
        };
        Self {
            below: cumulative(&count),
            free_below: cumulative(&by_rank),
            mean,
            deviation: if deviation > 0.0 { deviation } else { 1.0 },
            low,
            high,
            count,
            by_rank,
            normalisation,
            digits,
        }
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
        match self.normalisation {
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
    pub(crate) fn decode(
        &self,
        tokens: &[f32],
        meanings: &mut [Meaning],
        rank_offset: Option<f64>,
    ) {
        let mut rows = Vec::with_capacity(meanings.len());
        for (row, (meaning, token)) in meanings.iter_mut().zip(tokens).enumerate() {
            let token = f64::from(*token);
            match *meaning {
                Meaning::Number(value) => rows.push((value, 0, token, row)),
                Meaning::ByRank => {
                    let value = self.value(token);
                    *meaning = Meaning::Number(value);
                    // Told by its token, it stands beside a frequent number, never on it.
                    rows.push((value, self.side(value, token), token, row));
                }
                Meaning::Missing | Meaning::Code(_) | Meaning::Tail => {}
            }
        }
        let Some(offset) = rank_offset else { return };
        rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.total_cmp(&b.2)));
        let among = rows.len() as f64;
        for (rank, (.., row)) in rows.into_iter().enumerate() {
            let place = (rank as f64 + offset) / among;
            meanings[row] = Meaning::Number(self.at(place));
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
        match self.normalisation {
            Normalisation::Quantile => {
                let rank = 0.5 * libm::erfc(-token * std::f64::consts::FRAC_1_SQRT_2);
                self.at(rank)
            }
            Normalisation::Cdf => self.at((token / UNIFORM_SPREAD + 0.5).clamp(0.0, 1.0)),
            Normalisation::Standard => {
                let (first, last) = (self.low.first(), self.high.last());
                let value = self.rounded(self.mean + token * self.deviation);
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
        self.rounded(low + inside.clamp(0.0, 1.0) * (high - low)).clamp(low, high)
    }

    fn rounded(&self, value: f64) -> f64 {
        let Some(digits) = self.digits else { return value };
        let scale = libm::pow(10.0, f64::from(digits));
        let scaled = (value * scale).round();
        if scaled.is_finite() { scaled / scale } else { value }
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
