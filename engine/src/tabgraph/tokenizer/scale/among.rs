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

    /// What of these intervals the column can hold: within its range, on its grid.
    pub(crate) fn reachable(&self, intervals: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let (Some(first), Some(last)) = (self.low.first(), self.high.last()) else {
            return Vec::new();
        };
        let cut = |(low, high): &(f64, f64)| {
            (self.grid.up(low.max(*first)), self.grid.down(high.min(*last)))
        };
        intervals.iter().map(cut).filter(|(low, high)| low <= high).collect()
    }

    /// Where the numbers of these intervals stand among the cells told by rank: parts of 0 to 1,
    /// ascending and apart. An interval between two numbers of the column has a place of almost no
    /// width, unless `is_level` says that a level tells what lies in it.
    pub(crate) fn free_ranks(
        &self,
        intervals: &[(f64, f64)],
        is_level: impl Fn((f64, f64)) -> bool,
    ) -> Vec<(f64, f64)> {
        let total = self.free_below.last().copied().unwrap_or(0.0);
        if total <= 0.0 {
            return Vec::new();
        }
        let mut parts: Vec<(f64, f64)> = Vec::new();
        for (low, high) in intervals.iter().copied() {
            let begin = self.high.partition_point(|end| *end < low);
            let end = self.low.partition_point(|begin| *begin <= high).max(begin);
            let runs = (begin..end).filter(|run| self.by_rank[*run] > 0.0);
            let before = parts.len();
            parts.extend(runs.map(|run| {
                let (from, to) = self.part_of_run(run, (low, high));
                let rows = |part: f64| self.free_below[run] + part * self.by_rank[run];
                (rows(from) / total, rows(to) / total)
            }));
            if parts.len() == before && !is_level((low, high)) {
                let between = self.free_below[end] / total;
                parts.push((between - RANK_EDGE, between + RANK_EDGE));
            }
        }
        let mut apart: Vec<(f64, f64)> = Vec::with_capacity(parts.len());
        for (low, high) in parts {
            let (low, high) = (low.max(0.0), high.min(1.0));
            match apart.last_mut().filter(|(_, end)| *end >= low) {
                Some((_, end)) => *end = end.max(high),
                None => apart.push((low, high)),
            }
        }
        apart
    }

    /// Which part of a run, 0 to 1, lies within an interval.
    fn part_of_run(&self, run: usize, (low, high): (f64, f64)) -> (f64, f64) {
        let (first, last) = (self.low[run], self.high[run]);
        let width = last - first;
        if width <= 0.0 {
            return (0.0, 1.0);
        }
        let place = |value: f64| ((value - first) / width).clamp(0.0, 1.0);
        // What is rounded to an end of the interval belongs to it.
        let half = (self.grid.step() / 2.0).max(width * RANK_EDGE);
        (place(low - half), place(high + half))
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
    fn intervals_are_where_their_numbers_stand() {
        let low = vec![1.0, 2.0, 3.0, 10.0, 20.0];
        let high = vec![1.0, 2.0, 3.0, 15.0, 20.0];
        let count = vec![10.0, 70.0, 5.0, 10.0, 5.0];
        let by_rank = vec![10.0, 0.0, 5.0, 10.0, 5.0];
        let runs = [low, high, count, by_rank];
        let scale = NumberScale::from_runs(runs, Grid::Free, Normalisation::Quantile);
        let third = 1.0 / 3.0;
        for (interval, parts) in [
            ((1.0, 1.0), vec![(0.0, third)]),
            ((1.0, 2.5), vec![(0.0, third)]),
            ((1.5, 2.5), vec![]),
            ((3.0, 12.5), vec![(third, 2.0 * third)]),
            ((12.5, 20.0), vec![(2.0 * third, 1.0)]),
            ((5.0, 6.0), vec![(0.5, 0.5)]),
        ] {
            let found = scale.free_ranks(&[interval], |(low, high)| low <= 2.0 && 2.0 <= high);
            assert_eq!(found.len(), parts.len(), "{interval:?}: {found:?}");
            for (one, other) in found.iter().zip(parts) {
                let near = (one.0 - other.0).abs() < 1e-5 && (one.1 - other.1).abs() < 1e-5;
                assert!(near, "{interval:?}: {found:?}");
            }
        }
        let whole = NumberScale::from_runs(
            [vec![17.0, 30.0, 90.0], vec![17.0, 30.0, 90.0], vec![1.0; 3], vec![1.0; 3]],
            Grid::Step(1.0),
            Normalisation::Quantile,
        );
        let asked = [(f64::NEG_INFINITY, 16.5), (29.5, 29.9), (31.2, 33.9), (80.5, f64::INFINITY)];
        assert_eq!(whole.reachable(&asked), [(32.0, 33.0), (81.0, 90.0)]);
    }

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
