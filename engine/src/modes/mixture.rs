//! The modes of a column: a Gaussian mixture fitted by variational inference with a Dirichlet
//! process as prior (Blei and Jordan, 2006), which gives modes that are not needed no weight.

/// Rounds of the fit, at most.
const ROUNDS_MAX: usize = 100;
/// The fit has ended once no row's odds move by more than this, on average.
const MOVED_MIN: f64 = 1e-5;
/// Rounds of the clustering that it begins with.
const FIRST_ROUNDS: usize = 20;
/// Concentration of the Dirichlet process.
const CONCENTRATION: f64 = 1e-3;
/// Numbers that a fit looks at; of more, neighbours are looked at together.
const POINTS_MAX: usize = 4_096;
/// Keeps a mode of equal numbers from a deviation of zero.
const DEVIATION_MIN: f64 = 1e-3;
/// A number is told within so many deviations of its mode.
const REACH: f64 = 4.0;
/// What is told stays below one, where the hyperbolic tangent that answers it never arrives.
const TOLD_MAX: f64 = 0.99;

/// The modes of one column, each with its mean, its deviation and its share of the rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Modes {
    pub means: Vec<f64>,
    pub deviations: Vec<f64>,
    pub shares: Vec<f64>,
}

impl Modes {
    /// Of numbers, ascending, each held by so many rows: at most `most` modes, none of less than
    /// `share_min` of the rows or of fewer than `rows_min`.
    pub(crate) fn fit(
        numbers: &[f64],
        rows: &[f64],
        most: usize,
        (share_min, rows_min): (f64, f64),
    ) -> Self {
        let points = Points::of(numbers, rows);
        let mut fit = Fit::begin(&points, most.max(1));
        for _ in 0..ROUNDS_MAX {
            if fit.round(&points) < MOVED_MIN {
                break;
            }
        }
        fit.modes(share_min.max(rows_min / points.total.max(1.0)))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.means.len()
    }

    /// Whether modes that came from a file can be used.
    pub(crate) fn are_whole(&self) -> bool {
        let lists = [&self.means, &self.deviations, &self.shares];
        let whole = |list: &&Vec<f64>| {
            list.len() == self.len() && list.iter().all(|number| number.is_finite())
        };
        !self.means.is_empty()
            && lists.iter().all(whole)
            && self.deviations.iter().all(|deviation| *deviation > 0.0)
    }

    /// One of the modes that a number may be of, by their odds at `place` in (0, 1), and where it
    /// stands in it: −1 to 1 for [`REACH`] deviations on either side.
    pub(crate) fn told(&self, number: f64, place: f64) -> (f64, usize) {
        let weights = self.odds(number);
        let mut left = place * weights.iter().sum::<f64>();
        let mut mode = 0;
        for (at, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            mode = at;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        let told = (number - self.means[mode]) / (REACH * self.deviations[mode]);
        (told.clamp(-TOLD_MAX, TOLD_MAX), mode)
    }

    /// The number that stands there in a mode.
    pub(crate) fn number(&self, told: f64, mode: usize) -> f64 {
        let mode = mode.min(self.len() - 1);
        self.means[mode] + REACH * self.deviations[mode] * told
    }

    /// Odds of the modes, over those of the likeliest.
    fn odds(&self, number: f64) -> Vec<f64> {
        let log = |mode: usize| {
            let away = (number - self.means[mode]) / self.deviations[mode];
            libm::log(self.shares[mode] / self.deviations[mode]) - 0.5 * away * away
        };
        let logs: Vec<f64> = (0..self.len()).map(log).collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        logs.into_iter().map(|log| libm::exp(log - most)).collect()
    }
}

/// Numbers of which few enough are looked at.
struct Points {
    at: Vec<f64>,
    rows: Vec<f64>,
    total: f64,
    mean: f64,
    variance: f64,
}

impl Points {
    fn of(numbers: &[f64], rows: &[f64]) -> Self {
        let total: f64 = rows.iter().sum();
        let enough = total / POINTS_MAX as f64;
        let (mut at, mut joined) = (Vec::new(), Vec::<f64>::new());
        let (mut sum, mut held) = (0.0, 0.0);
        for (number, rows) in numbers.iter().zip(rows).filter(|(_, rows)| **rows > 0.0) {
            (sum, held) = (sum + number * rows, held + rows);
            if held >= enough {
                at.push(sum / held);
                joined.push(held);
                (sum, held) = (0.0, 0.0);
            }
        }
        if held > 0.0 {
            at.push(sum / held);
            joined.push(held);
        }
        let mean_of = |value: &dyn Fn(f64) -> f64| {
            let all = at.iter().zip(&joined).map(|(at, rows)| value(*at) * rows);
            all.sum::<f64>() / total.max(1.0)
        };
        let mean = mean_of(&|at| at);
        let variance = mean_of(&|at| (at - mean) * (at - mean)).max(DEVIATION_MIN * DEVIATION_MIN);
        Self { at, rows: joined, total, mean, variance }
    }

    /// Which of so many clusters each point begins in: k-means from equally full parts.
    fn clustered(&self, most: usize) -> Vec<usize> {
        let mut below = 0.0;
        let mut part = |rows: &f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "≥ 0")]
            let part = ((below + rows / 2.0) / self.total * most as f64) as usize;
            below += rows;
            part.min(most - 1)
        };
        let mut of: Vec<usize> = self.rows.iter().map(&mut part).collect();
        for _ in 0..FIRST_ROUNDS {
            let (mut sums, mut rows) = (vec![0.0; most], vec![0.0; most]);
            for ((at, held), cluster) in self.at.iter().zip(&self.rows).zip(&of) {
                sums[*cluster] += at * held;
                rows[*cluster] += held;
            }
            let means: Vec<(usize, f64)> = (0..most)
                .filter(|cluster| rows[*cluster] > 0.0)
                .map(|cluster| (cluster, sums[cluster] / rows[cluster]))
                .collect();
            let nearest = |at: &f64| {
                let away = |mean: f64| (at - mean) * (at - mean);
                let nearest = means.iter().min_by(|a, b| away(a.1).total_cmp(&away(b.1)));
                nearest.map_or(0, |(cluster, _)| *cluster)
            };
            of = self.at.iter().map(nearest).collect();
        }
        of
    }
}

/// A fit under way; the names are those of Bishop, "Pattern recognition", 2006, chapter 10.2.
struct Fit {
    /// Odds of each mode for each point, points × modes.
    odds: Vec<f64>,
    most: usize,
    rows: Vec<f64>,
    means: Vec<f64>,
    /// Rows that the mean of each mode is known by, its prior among them.
    precision: Vec<f64>,
    /// Degrees of freedom of each mode's deviation.
    freedom: Vec<f64>,
    variances: Vec<f64>,
}

impl Fit {
    fn begin(points: &Points, most: usize) -> Self {
        let mut odds = vec![0.0; points.at.len() * most];
        for (point, cluster) in points.clustered(most).into_iter().enumerate() {
            odds[point * most + cluster] = 1.0;
        }
        let none = vec![0.0; most];
        let mut fit = Self {
            odds,
            most,
            rows: none.clone(),
            means: none.clone(),
            precision: none.clone(),
            freedom: none.clone(),
            variances: none,
        };
        fit.learn(points);
        fit
    }

    /// What the odds say of the modes.
    fn learn(&mut self, points: &Points) {
        let (mut rows, mut sums) = (vec![0.0; self.most], vec![0.0; self.most]);
        let of_points =
            || self.odds.chunks_exact(self.most).zip(points.at.iter().zip(&points.rows));
        for (odds, (at, held)) in of_points() {
            for (mode, odds) in odds.iter().enumerate() {
                rows[mode] += odds * held;
                sums[mode] += odds * held * at;
            }
        }
        let centre: Vec<f64> =
            rows.iter().zip(&sums).map(|(rows, sum)| sum / rows.max(1e-9)).collect();
        let mut squares = vec![0.0; self.most];
        for (odds, (at, held)) in of_points() {
            for (mode, odds) in odds.iter().enumerate() {
                squares[mode] += odds * held * (at - centre[mode]) * (at - centre[mode]);
            }
        }
        for mode in 0..self.most {
            let (held, away) = (rows[mode], centre[mode] - points.mean);
            let precision = 1.0 + held;
            self.precision[mode] = precision;
            self.means[mode] = (points.mean + held * centre[mode]) / precision;
            self.freedom[mode] = 1.0 + held;
            let spread = points.variance + squares[mode] + held / precision * away * away;
            self.variances[mode] = spread / self.freedom[mode] + 1e-6;
        }
        self.rows = rows;
    }

    /// One round; gives how far the odds of a row moved, on average.
    fn round(&mut self, points: &Points) -> f64 {
        let constant: Vec<f64> = self
            .log_shares()
            .into_iter()
            .enumerate()
            .map(|(mode, log)| {
                let (freedom, variance) = (self.freedom[mode], self.variances[mode]);
                let log_precision = digamma(0.5 * freedom) + libm::log(2.0 / (freedom * variance));
                log + 0.5 * (log_precision - 1.0 / self.precision[mode])
            })
            .collect();
        let mut moved = 0.0;
        let places = points.at.iter().zip(&points.rows);
        for (odds, (at, held)) in self.odds.chunks_exact_mut(self.most).zip(places) {
            let log = |mode: usize| {
                let away = at - self.means[mode];
                constant[mode] - 0.5 * away * away / self.variances[mode]
            };
            let logs: Vec<f64> = (0..self.most).map(log).collect();
            let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = logs.iter().map(|log| libm::exp(log - most)).collect();
            let sum: f64 = weights.iter().sum();
            for (odds, weight) in odds.iter_mut().zip(&weights) {
                moved += held * (*odds - weight / sum).abs();
                *odds = weight / sum;
            }
        }
        self.learn(points);
        moved / points.total.max(1.0)
    }

    /// Parameters of the sticks that the modes are broken off from, in their order.
    fn sticks(&self) -> Vec<(f64, f64)> {
        let mut after: f64 = self.rows.iter().sum();
        let stick = |rows: &f64| {
            after -= rows;
            (1.0 + rows, CONCENTRATION + after.max(0.0))
        };
        self.rows.iter().map(stick).collect()
    }

    /// Expected logarithms of the modes' shares.
    fn log_shares(&self) -> Vec<f64> {
        let mut before = 0.0;
        let log = |(broken, left): (f64, f64)| {
            let whole = digamma(broken + left);
            let log = before + digamma(broken) - whole;
            before += digamma(left) - whole;
            log
        };
        self.sticks().into_iter().map(log).collect()
    }

    /// The modes of at least this share of the rows; the largest where none is.
    fn modes(&self, share_min: f64) -> Modes {
        let mut left = 1.0;
        let share = |(broken, rest): (f64, f64)| {
            let share = left * broken / (broken + rest);
            left *= rest / (broken + rest);
            share
        };
        let shares: Vec<f64> = self.sticks().into_iter().map(share).collect();
        let mut kept: Vec<usize> =
            (0..self.most).filter(|mode| shares[*mode] >= share_min).collect();
        if kept.is_empty() {
            kept = (0..self.most)
                .max_by(|a, b| shares[*a].total_cmp(&shares[*b]))
                .into_iter()
                .collect();
        }
        let deviation = |mode: &usize| self.variances[*mode].sqrt().max(DEVIATION_MIN);
        Modes {
            means: kept.iter().map(|mode| self.means[*mode]).collect(),
            deviations: kept.iter().map(deviation).collect(),
            shares: kept.iter().map(|mode| shares[*mode]).collect(),
        }
    }
}

/// ψ, the derivative of ln Γ, of a positive number (Bernardo, AS 103, 1976): the recurrence up to
/// six, the asymptotic series from there.
fn digamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < 6.0 {
        below -= 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = square * (1.0 / 12.0 - square * (1.0 / 120.0 - square / 252.0));
    below + libm::log(x) - 0.5 / x - series
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    #[test]
    fn digamma_is_as_published() {
        for (x, expected) in [
            (1.0, -0.577_215_664_901_532_9),
            (0.5, -1.963_510_026_021_423_5),
            (10.0, 2.251_752_589_066_721),
            (1e-3, -1_000.575_571_931_837_4),
        ] {
            assert!((digamma(x) - expected).abs() < 1e-6, "ψ({x}) = {}", digamma(x));
        }
    }

    /// Three groups, one of them narrow: three modes where they are, of their shares.
    #[test]
    fn groups_are_found() {
        let mut dice = Stream::new(1, Purpose::Test, 0);
        let mut numbers: Vec<f64> = (0..6_000)
            .map(|row| match row % 10 {
                0..5 => -2.0 + 0.3 * dice.normal(),
                5..8 => 1.0 + 0.05 * dice.normal(),
                _ => 3.0 + 0.5 * dice.normal(),
            })
            .collect();
        numbers.sort_by(f64::total_cmp);
        let modes = Modes::fit(&numbers, &vec![1.0; numbers.len()], 10, (0.005, 5.0));
        for (mean, deviation, share) in [(-2.0, 0.3, 0.5), (1.0, 0.05, 0.3), (3.0, 0.5, 0.2)] {
            let near = |at: &usize| (modes.means[*at] - mean).abs() < 3.0 * deviation;
            let all: Vec<usize> = (0..modes.len()).filter(near).collect();
            let found: f64 = all.iter().map(|at| modes.shares[*at]).sum();
            assert!((found - share).abs() < 0.05, "{mean}: {modes:?}");
            let widest = all.iter().map(|at| modes.deviations[*at]).fold(0.0, f64::max);
            // The prior, which knows the whole column alone, makes narrow modes a little wider.
            assert!(widest < 2.0 * deviation, "{mean}: {modes:?}");
        }
        assert!(modes.len() < 8, "{modes:?}");
    }

    #[test]
    fn a_number_comes_back_from_every_mode_that_it_may_be_told_by() {
        let modes =
            Modes { means: vec![0.0, 5.0], deviations: vec![1.0, 0.1], shares: vec![0.5, 0.5] };
        for number in [-3.5, 0.0, 4.8, 5.0] {
            for place in [0.01, 0.5, 0.99] {
                let (told, mode) = modes.told(number, place);
                let back = modes.number(told, mode);
                assert!((back - number).abs() < 0.2, "{number} came back as {back}");
            }
        }
        assert_eq!(modes.told(5.0, 0.5).1, 1);
        assert_eq!(modes.told(1e6, 0.5).0, TOLD_MAX);
    }

    #[test]
    fn few_and_equal_numbers_have_one_mode() {
        for numbers in [vec![0.0], vec![-1.0, 1.0], vec![2.0; 3]] {
            let modes = Modes::fit(&numbers, &vec![1.0; numbers.len()], 10, (0.005, 5.0));
            assert!(modes.len() == 1 && modes.are_whole(), "{numbers:?}: {modes:?}");
        }
        let none = Modes::fit(&[], &[], 10, (0.005, 5.0));
        assert!(none.len() == 1 && none.are_whole(), "{none:?}");
    }
}
