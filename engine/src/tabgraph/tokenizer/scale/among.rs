//! Ranks among the cells that are told by rank, where the head tells the others.

use super::{NO_GROUP, NumberScale, RANK_EDGE};
use crate::random::{inverse_normal, normal_share};

impl NumberScale {
    /// Where a cell stands among the cells told by rank, 0 to 1; `uniform` in (0, 1) says where in
    /// its run. None where nothing is told by rank.
    pub(crate) fn free_rank(&self, group: u32, uniform: f64) -> Option<f64> {
        let run = group as usize;
        let total = self.free_below.last().copied().unwrap_or(0.0);
        if group == NO_GROUP || run >= self.low.len() || total <= 0.0 {
            return None;
        }
        Some((self.free_below[run] + uniform * self.by_rank[run]) / total)
    }

    /// The normal quantile of [`Self::free_rank`]; 0 where there is none.
    pub(crate) fn free_token(&self, group: u32, uniform: f64) -> f64 {
        let rank = self.free_rank(group, uniform);
        rank.map_or(0.0, |rank| inverse_normal(rank.clamp(RANK_EDGE, 1.0 - RANK_EDGE)))
    }

    /// The token of the cell that stands there among the cells told by rank.
    pub(crate) fn of_free_rank(&self, rank: f64) -> f64 {
        let total = self.free_below.last().copied().unwrap_or(0.0);
        let rows = rank.clamp(RANK_EDGE, 1.0 - RANK_EDGE) * total;
        let above = self.free_below.partition_point(|below| *below <= rows);
        let run = above.saturating_sub(1).min(self.low.len().saturating_sub(1));
        let inside = (rows - self.free_below[run]) / self.by_rank[run].max(f64::MIN_POSITIVE);
        self.token(u32::try_from(run).unwrap_or(NO_GROUP), inside.clamp(0.0, 1.0))
    }

    /// The token of the cell that such a quantile means.
    pub(crate) fn of_free(&self, free: f64) -> f64 {
        self.of_free_rank(normal_share(free))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{tabgraph::config::Normalisation, table::grid::Grid};

    #[test]
    fn what_is_told_by_rank_goes_there_and_back_around_a_frequent_number() {
        let low = vec![1.0, 2.0, 3.0, 4.0, 5.0];
        let count = vec![10.0, 70.0, 5.0, 10.0, 5.0];
        let by_rank = vec![10.0, 0.0, 5.0, 10.0, 5.0];
        for normalisation in [Normalisation::Quantile, Normalisation::Cdf] {
            let runs = [low.clone(), low.clone(), count.clone(), by_rank.clone()];
            let scale = NumberScale::from_runs(runs, Grid::Free, normalisation);
            for (run, value) in [(0, 1.0), (2, 3.0), (3, 4.0), (4, 5.0)] {
                for place in [0.1, 0.5, 0.9] {
                    let token = scale.of_free(scale.free_token(run, place));
                    assert!((token - scale.token(run, place)).abs() < 1e-6);
                    assert_eq!(scale.value(token), value);
                }
            }
        }
    }
}
