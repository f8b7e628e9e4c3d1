//! Rows per second of training: the engine counts steps, the clock is here.

use std::collections::VecDeque;

use tgs_protocol::{
    limits::{RATE_FIRST_MS, RATE_WINDOW_MS},
    unit::Millis,
};

/// How fast a count of rows grew in the last [`RATE_WINDOW_MS`].
#[derive(Debug, Default)]
pub(crate) struct RowRate {
    /// When the count stood where; the first may be older than the window, the others are not.
    marks: VecDeque<(Millis, u64)>,
}

impl RowRate {
    /// Takes the count as it stands `now`; gives rows per second once there is something to tell.
    ///
    /// A count that fell is another one: it is measured from here.
    pub(crate) fn at(&mut self, now: Millis, rows: u64) -> Option<f64> {
        if self.marks.back().is_some_and(|(_, earlier)| rows < *earlier) {
            self.marks.clear();
        }
        self.marks.push_back((now, rows));
        let age = |at: Millis| now.get().saturating_sub(at.get());
        let is_old = |(at, _): &(Millis, u64)| age(*at) >= RATE_WINDOW_MS;
        while self.marks.get(1).is_some_and(is_old) {
            self.marks.pop_front();
        }
        let (since, start) = *self.marks.front()?;
        let ms = age(since);
        let grown = rows.saturating_sub(start);
        (ms >= RATE_FIRST_MS && grown > 0).then(|| grown as f64 * 1_000.0 / ms as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut rate = RowRate::default();
        let cases = [
            (0, 50_000, None, "a resumed count begins where it stands"),
            (100, 50_100, None, "too short to tell"),
            (1_000, 51_000, Some(1_000.0), "a thousand rows in a second"),
            (2_000, 52_000, Some(1_000.0), "no change"),
            (3_000, 56_000, Some(2_000.0), "6,000 rows in the window of 3 s"),
            (5_000, 64_000, Some(4_000.0), "12,000 rows since 2 s"),
            (6_000, 64_000, Some(8_000.0 / 3.0), "no step for a second"),
            (9_500, 64_000, None, "no step in the window"),
            (60_000, 64_500, Some(500.0 * 1_000.0 / 50_500.0), "a step longer than the window"),
            (60_100, 64, None, "another count"),
            (61_100, 1_064, Some(1_000.0), "measured from its beginning"),
        ];
        for (now_ms, rows, expected, why) in cases {
            assert_eq!(rate.at(Millis(now_ms), rows), expected, "{why}");
        }
    }
}
