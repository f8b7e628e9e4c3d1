//! What a forest leaves open of a number: how far rows that it never saw lay from what it said, by
//! what it said.

use crate::random::Stream;

/// Validation rows of one band, at least.
const BAND_ROWS: usize = 100;
const BANDS_MAX: usize = 32;
/// Quantiles that are kept of a band.
const KNOTS: usize = 33;

/// Bands of equal mass of what was said, each with the quantiles of what was left open there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Residuals {
    /// The middle of each band, ascending.
    pub middles: Vec<f64>,
    /// [`KNOTS`] per band, ascending.
    pub knots: Vec<f64>,
}

impl Residuals {
    /// Of what was said of rows and what was so. There must be a row.
    pub(super) fn new(said: &[f64], so: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..said.len()).collect();
        order.sort_by(|a, b| said[*a].total_cmp(&said[*b]).then(a.cmp(b)));
        let bands = (said.len() / BAND_ROWS).clamp(1, BANDS_MAX);
        let (mut middles, mut knots) = (Vec::with_capacity(bands), Vec::new());
        for band in 0..bands {
            let held = &order[band * said.len() / bands..(band + 1) * said.len() / bands];
            middles.push(held.iter().map(|row| said[*row]).sum::<f64>() / held.len() as f64);
            let mut open: Vec<f64> = held.iter().map(|row| so[*row] - said[*row]).collect();
            open.sort_by(f64::total_cmp);
            let middle = |knot: usize| (knot as f64 + 0.5) / KNOTS as f64;
            knots.extend((0..KNOTS).map(|knot| quantile(&open, middle(knot))));
        }
        Self { middles, knots }
    }

    /// A number around what was said: one of the two bands beside it, the nearer the likelier.
    pub(super) fn around(&self, said: f64, dice: &mut Stream) -> f64 {
        let above = self.middles.partition_point(|middle| *middle <= said);
        let band = match (above.checked_sub(1), self.middles.get(above)) {
            (Some(below), Some(middle)) => {
                let part = (said - self.middles[below]) / (middle - self.middles[below]);
                if dice.uniform() < part { above } else { below }
            }
            (Some(last), None) => last,
            (None, _) => 0,
        };
        said + quantile(&self.knots[band * KNOTS..(band + 1) * KNOTS], dice.uniform())
    }

    /// Whether what came from a file can be drawn from.
    pub(super) fn is_whole(&self) -> bool {
        let finite = |list: &[f64]| list.iter().all(|number| number.is_finite());
        !self.middles.is_empty()
            && self.knots.len() == KNOTS * self.middles.len()
            && finite(&self.middles)
            && finite(&self.knots)
            && self.middles.is_sorted()
    }
}

/// Where this part of ascending numbers lies below, each in the middle of its own share.
fn quantile(ascending: &[f64], part: f64) -> f64 {
    let last = ascending.len() - 1;
    let place = (part * ascending.len() as f64 - 0.5).clamp(0.0, last as f64);
    let below = (place as usize).min(last);
    let along = place - below as f64;
    ascending[below] + along * (ascending[(below + 1).min(last)] - ascending[below])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn what_is_open_is_drawn_where_it_was_open() {
        let mut dice = Stream::new(3, Purpose::Test, 0);
        let said: Vec<f64> = (0..4_000).map(|_| dice.normal()).collect();
        let wide = |said: f64| if said > 0.0 { 1.0 } else { 0.1 };
        let so: Vec<f64> = said.iter().map(|said| said + wide(*said) * dice.normal()).collect();
        let residuals = Residuals::new(&said, &so);
        assert!(residuals.is_whole());
        for (at, deviation) in [(-1.5, 0.1), (1.5, 1.0), (9.0, 1.0)] {
            let drawn: Vec<f64> =
                (0..4_000).map(|_| residuals.around(at, &mut dice) - at).collect();
            let mean = drawn.iter().sum::<f64>() / 4_000.0;
            let square = drawn.iter().map(|open| open * open).sum::<f64>() / 4_000.0;
            assert!(mean.abs() < 0.2 * deviation, "{mean} around {at}");
            assert!((square.sqrt() / deviation - 1.0).abs() < 0.15, "{} at {at}", square.sqrt());
        }
    }

    #[test]
    fn few_rows_make_one_band() {
        let residuals = Residuals::new(&[0.0, 1.0], &[0.5, 1.5]);
        assert_eq!(residuals.middles, [0.5]);
        assert!(residuals.is_whole() && residuals.knots.iter().all(|open| *open == 0.5));
    }
}
