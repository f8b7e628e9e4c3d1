//! Gradient-boosted trees on histograms: the judge of detection and utility, and what a model draws
//! columns from that a net knows less of.
//!
//! Second-order boosting after Chen and Guestrin ("XGBoost", 2016) with the constants that the
//! published comparisons use: depth 6, rate .1, 80 % of rows and columns per tree, λ 1. Levels are
//! split by the sorted ratio of gradient to curvature (Fisher, 1958); a missing number goes where
//! it gains more. One thread per forest; the same order of additions always, hence the same bits.

mod file;
mod tree;

use self::tree::{Grower, Sums, Tree};
use crate::random::Stream;

/// Bins of a column, at most.
pub const BINS_MAX: usize = 256;

/// One column of rows, binned.
#[derive(Debug, Clone)]
pub struct Feature {
    /// Bin of each row; in an ordered column 0 is missing.
    pub bins: Vec<u8>,
    /// Number of bins in use, the missing one included.
    pub count: usize,
    /// Whether neighbouring bins mean neighbouring values.
    pub ordered: bool,
}

impl Feature {
    /// The bins of these rows.
    pub fn pick(&self, rows: &[usize]) -> Self {
        let bins = rows.iter().map(|&row| self.bins[row]).collect();
        Self { bins, count: self.count, ordered: self.ordered }
    }
}

/// Constants of a forest.
#[derive(Debug, Clone, Copy)]
pub struct BoostConfig {
    /// Rounds of boosting; each grows one tree per output.
    pub rounds: usize,
    /// Splits on the way from root to leaf.
    pub depth: usize,
    /// Shrinkage of every leaf.
    pub rate: f64,
    /// Chance of a row to take part in a tree.
    pub row_share: f64,
    /// Share of the columns that a tree looks at.
    pub column_share: f64,
    /// L2 penalty on leaf values.
    pub lambda: f64,
    /// Least summed curvature of a child.
    pub child_weight_min: f64,
}

impl Default for BoostConfig {
    fn default() -> Self {
        Self {
            rounds: 200,
            depth: 6,
            rate: 0.1,
            row_share: 0.8,
            column_share: 0.8,
            lambda: 1.0,
            child_weight_min: 1.0,
        }
    }
}

/// What is to be predicted, one entry per row.
#[derive(Debug, Clone)]
pub enum Target {
    /// Class 0 … `count` − 1; two classes are one logistic output, more are a softmax.
    Classes {
        /// Class of each row.
        of: Vec<u32>,
        /// Number of classes.
        count: usize,
    },
    /// A number; squared loss.
    Numbers(Vec<f64>),
}

/// A fitted forest.
#[derive(Debug, Clone)]
pub struct Forest {
    /// Raw score before the first tree, per output.
    base: Vec<f64>,
    /// One tree per round and output.
    trees: Vec<Vec<Tree>>,
    logistic: bool,
}

/// Rows that say when a forest is done: their features, their target, and the rounds without a
/// gain on them that it takes.
pub type Judged<'a> = (&'a [Feature], &'a Target, usize);

impl Forest {
    /// Fits a forest. `dice` are those of a round; `stopped` is asked between rounds; once it says
    /// so none comes back.
    pub fn fit(
        features: &[Feature],
        target: &Target,
        config: &BoostConfig,
        dice: &dyn Fn(u64) -> Stream,
        stopped: &dyn Fn() -> bool,
    ) -> Option<Self> {
        let mut growth = Growth::new(features, target, config);
        for round in 0..config.rounds {
            growth.round(&mut dice(round as u64), stopped)?;
        }
        Some(growth.forest)
    }

    /// The same with as many rounds as serve the rows that judge, at most `config.rounds`.
    pub fn fit_until(
        features: &[Feature],
        target: &Target,
        (judge, truth, patience): Judged<'_>,
        config: &BoostConfig,
        dice: &dyn Fn(u64) -> Stream,
        stopped: &dyn Fn() -> bool,
    ) -> Option<Self> {
        let mut growth = Growth::new(features, target, config);
        let mut scores = growth.forest.scores(judge, truth.rows());
        let mean = |scores: &[Vec<f64>]| {
            truth.losses(scores).iter().sum::<f64>() / truth.rows().max(1) as f64
        };
        let mut best = (mean(&scores), 0);
        for round in 0..config.rounds {
            growth.round(&mut dice(round as u64), stopped)?;
            growth.forest.add_round(round, judge, &mut scores);
            let loss = mean(&scores);
            if loss < best.0 {
                best = (loss, round + 1);
            }
            if round + 1 >= best.1 + patience {
                break;
            }
        }
        growth.forest.trees.truncate(best.1);
        Some(growth.forest)
    }

    /// Number of trees.
    pub fn trees(&self) -> usize {
        self.trees.iter().map(Vec::len).sum()
    }

    fn add_round(&self, round: usize, features: &[Feature], scores: &mut [Vec<f64>]) {
        for (tree, scores) in self.trees[round].iter().zip(scores) {
            let rows = scores.iter_mut().enumerate();
            rows.for_each(|(row, score)| *score += tree.value(features, row));
        }
    }

    /// Raw scores of rows: per output, per row. Features must be binned as the fitted ones.
    pub fn scores(&self, features: &[Feature], rows: usize) -> Vec<Vec<f64>> {
        let mut scores: Vec<Vec<f64>> = self.base.iter().map(|base| vec![*base; rows]).collect();
        (0..self.trees.len()).for_each(|round| self.add_round(round, features, &mut scores));
        scores
    }

    /// Probability of each class: per class, per row. For numbers the predictions themselves.
    pub fn predictions(&self, features: &[Feature], rows: usize) -> Vec<Vec<f64>> {
        let scores = self.scores(features, rows);
        match (self.logistic, scores.len()) {
            (false, _) => scores,
            (true, 1) => {
                let yes: Vec<f64> = scores[0].iter().map(|score| sigmoid(*score)).collect();
                vec![yes.iter().map(|p| 1.0 - p).collect(), yes]
            }
            (true, _) => softmax(&scores),
        }
    }
}

/// Raw scores of a row of so many classes: of two the odds of the second tell both.
pub fn outputs(classes: usize) -> usize {
    if classes > 2 { classes } else { 1 }
}

/// A forest while it grows.
struct Growth<'a> {
    forest: Forest,
    grower: Grower<'a>,
    target: &'a Target,
    /// Of the rows that it learns from.
    scores: Vec<Vec<f64>>,
}

impl<'a> Growth<'a> {
    fn new(features: &'a [Feature], target: &'a Target, config: &'a BoostConfig) -> Self {
        let base = target.base();
        let scores = base.iter().map(|base| vec![*base; target.rows()]).collect();
        let logistic = matches!(target, Target::Classes { .. });
        let forest = Forest { trees: Vec::with_capacity(config.rounds), logistic, base };
        Self { forest, grower: Grower::new(features, config), target, scores }
    }

    /// A tree per output; none when stopped.
    fn round(&mut self, dice: &mut Stream, stopped: &dyn Fn() -> bool) -> Option<()> {
        let gradients = self.target.gradients(&self.scores);
        let outputs = gradients.iter().zip(&mut self.scores);
        let trees = outputs.map(|(gradients, scores)| {
            (!stopped()).then(|| self.grower.grow(gradients, scores, dice))
        });
        self.forest.trees.push(trees.collect::<Option<_>>()?);
        Some(())
    }
}

impl Target {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Classes { of, .. } => of.len(),
            Self::Numbers(values) => values.len(),
        }
    }

    /// Raw scores of a row.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Classes { count, .. } => outputs(*count),
            Self::Numbers(_) => 1,
        }
    }

    fn base(&self) -> Vec<f64> {
        let rows = self.rows().max(1) as f64;
        match self {
            Self::Classes { of, count: 0..=2 } => {
                let yes = of.iter().filter(|class| **class == 1).count() as f64;
                let share = (yes / rows).clamp(1e-6, 1.0 - 1e-6);
                vec![libm::log(share / (1.0 - share))]
            }
            Self::Classes { count, .. } => vec![0.0; *count],
            Self::Numbers(values) => vec![values.iter().sum::<f64>() / rows],
        }
    }

    /// Loss of each row under raw scores: of classes the logarithmic loss, of numbers the squared
    /// error.
    pub fn losses(&self, scores: &[Vec<f64>]) -> Vec<f64> {
        // ln(1 + eˢ), which does not overflow.
        let softplus = |s: f64| s.max(0.0) + libm::log1p(libm::exp(-s.abs()));
        match self {
            Self::Classes { of, count: 0..=2 } => {
                let pairs = scores[0].iter().zip(of);
                pairs.map(|(s, class)| softplus(if *class == 1 { -s } else { *s })).collect()
            }
            Self::Classes { of, .. } => {
                let row = |(row, class): (usize, &u32)| {
                    let top = scores.iter().map(|of| of[row]).fold(f64::NEG_INFINITY, f64::max);
                    let all: f64 = scores.iter().map(|of| libm::exp(of[row] - top)).sum();
                    libm::log(all) + top - scores[*class as usize][row]
                };
                of.iter().enumerate().map(row).collect()
            }
            Self::Numbers(values) => {
                scores[0].iter().zip(values).map(|(s, y)| (s - y) * (s - y)).collect()
            }
        }
    }

    /// Mean loss of who knows the shares of the classes, or the mean, and nothing else.
    pub fn loss_of_the_ignorant(&self) -> f64 {
        let rows = self.rows().max(1) as f64;
        match self {
            Self::Classes { of, count } => {
                let mut counts = vec![0.0_f64; (*count).max(2)];
                of.iter().for_each(|class| counts[*class as usize] += 1.0);
                let shares = counts.iter().filter(|count| **count > 0.0).map(|count| count / rows);
                -shares.map(|share| share * libm::log(share)).sum::<f64>()
            }
            Self::Numbers(values) => {
                let mean = values.iter().sum::<f64>() / rows;
                values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / rows
            }
        }
    }

    /// Gradient and curvature of the loss: per output, per row.
    fn gradients(&self, scores: &[Vec<f64>]) -> Vec<Vec<Sums>> {
        const CURVATURE_MIN: f64 = 1e-16;
        let logistic =
            |p: f64, yes: bool| [p - f64::from(u8::from(yes)), (p * (1.0 - p)).max(CURVATURE_MIN)];
        match self {
            Self::Classes { of, count: 0..=2 } => {
                let pairs = scores[0].iter().zip(of);
                vec![pairs.map(|(s, &class)| logistic(sigmoid(*s), class == 1)).collect()]
            }
            Self::Classes { of, .. } => {
                let doubled = |[g, h]: [f64; 2]| [g, 2.0 * h];
                let of_class = |(class, shares): (usize, &Vec<f64>)| {
                    let pairs = shares.iter().zip(of);
                    pairs.map(|(p, &is)| doubled(logistic(*p, is as usize == class))).collect()
                };
                softmax(scores).iter().enumerate().map(of_class).collect()
            }
            Self::Numbers(values) => {
                vec![scores[0].iter().zip(values).map(|(s, y)| [s - y, 1.0]).collect()]
            }
        }
    }
}

fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-score))
}

fn softmax(scores: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let rows = scores.first().map_or(0, Vec::len);
    let mut shares = vec![vec![0.0; rows]; scores.len()];
    for row in 0..rows {
        let top = scores.iter().map(|of| of[row]).fold(f64::NEG_INFINITY, f64::max);
        let mut all = 0.0;
        for (share, score) in shares.iter_mut().zip(scores) {
            share[row] = libm::exp(score[row] - top);
            all += share[row];
        }
        shares.iter_mut().for_each(|share| share[row] /= all);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        measure::{
            bins::Binning,
            frame::{MISSING, Values},
            score,
        },
        random::Purpose,
    };

    /// Fits on the first half, predicts the second.
    fn halves(columns: &[(Values, usize)], target: &Target) -> Vec<Vec<f64>> {
        let rows = target.rows();
        let (first, second): (Vec<usize>, Vec<usize>) = (0..rows).partition(|row| *row < rows / 2);
        let binned: Vec<Feature> = columns
            .iter()
            .map(|(values, levels)| Binning::fit(values, *levels).apply(values))
            .collect();
        let pick = |rows: &[usize]| -> Vec<Feature> {
            binned.iter().map(|feature| feature.pick(rows)).collect()
        };
        let known = match target {
            Target::Classes { of, count } => {
                Target::Classes { of: of[..rows / 2].to_vec(), count: *count }
            }
            Target::Numbers(values) => Target::Numbers(values[..rows / 2].to_vec()),
        };
        let config = BoostConfig { rounds: 60, ..BoostConfig::default() };
        let dice = |round| Stream::new(3, Purpose::Tree, 1 << 20 | round);
        let forest = Forest::fit(&pick(&first), &known, &config, &dice, &|| false).unwrap();
        forest.predictions(&pick(&second), second.len())
    }

    fn dice() -> Stream {
        Stream::new(11, Purpose::Test, 5)
    }

    #[test]
    fn an_exclusive_or_is_learned() {
        let mut dice = dice();
        let mut draw = || (0..4_000).map(|_| dice.uniform()).collect::<Vec<f64>>();
        let (a, b) = (draw(), draw());
        let of: Vec<u32> =
            a.iter().zip(&b).map(|(a, b)| u32::from((*a > 0.5) != (*b > 0.5))).collect();
        let truth: Vec<bool> = of[2_000..].iter().map(|class| *class == 1).collect();
        // Noise beside them: a tree that looks at 80 % of two columns would see only one.
        let noise = [draw(), draw(), draw()];
        let columns: Vec<(Values, usize)> = [a, b]
            .into_iter()
            .chain(noise)
            .map(|cells| (Values::Number(cells.into()), 0))
            .collect();
        let found = halves(&columns, &Target::Classes { of, count: 2 });
        assert!(score::auc(&found[1], &truth).unwrap() > 0.97);
    }

    /// Rows that judge end it; without them it would go on.
    #[test]
    fn noise_is_given_up_and_a_signal_is_not() {
        let mut dice = dice();
        let a: Vec<f64> = (0..2_000).map(|_| dice.uniform()).collect();
        let noise: Vec<f64> = (0..2_000).map(|_| dice.normal()).collect();
        let values = Values::Number(a.clone().into());
        let features = [Binning::fit(&values, 0).apply(&values)];
        let (learn, judge): (Vec<usize>, Vec<usize>) = (0..2_000).partition(|row| row % 2 == 0);
        let trees = |cells: &[f64]| {
            let of = |rows: &[usize]| Target::Numbers(rows.iter().map(|row| cells[*row]).collect());
            let [learned, judged] = [&learn, &judge].map(|rows| [features[0].pick(rows)]);
            let truth = of(&judge);
            let config = BoostConfig { column_share: 1.0, ..BoostConfig::default() };
            let dice = |round| Stream::new(5, Purpose::Tree, round);
            let until = (&judged[..], &truth, 10);
            let target = of(&learn);
            let forest =
                Forest::fit_until(&learned, &target, until, &config, &dice, &|| false).unwrap();
            let losses = truth.losses(&forest.scores(&judged, judge.len()));
            (forest.trees(), losses.iter().sum::<f64>() / truth.loss_of_the_ignorant() / 1_000.0)
        };
        let (grown, lost) = trees(&noise);
        assert!(grown < 10 && lost < 1.02, "{grown} trees of noise, {lost} of the loss left");
        let signal: Vec<f64> = a.iter().map(|a| libm::sin(9.0 * a)).collect();
        let (grown, lost) = trees(&signal);
        assert!(grown > 20 && lost < 0.01, "{grown} trees of a signal, {lost} of the loss left");
    }

    #[test]
    fn losses_are_those_of_the_shares() {
        for count in [2, 3] {
            let of: Vec<u32> = (0..90).map(|row| row % count).collect();
            let target = Target::Classes { of, count: count as usize };
            let scores = vec![vec![0.0; 90]; target.outputs()];
            let mean = target.losses(&scores).iter().sum::<f64>() / 90.0;
            assert!((mean - libm::log(f64::from(count))).abs() < 1e-12);
            assert!((target.loss_of_the_ignorant() - mean).abs() < 1e-12);
        }
        let sure = Target::Classes { of: vec![1, 0], count: 2 };
        assert!(sure.losses(&[vec![800.0, 800.0]]) == [0.0, 800.0]);
    }

    #[test]
    fn noise_is_not_learned() {
        let mut dice = dice();
        let a: Vec<f64> = (0..4_000).map(|_| dice.uniform()).collect();
        let of: Vec<u32> = (0..4_000).map(|_| dice.below(2) as u32).collect();
        let truth: Vec<bool> = of[2_000..].iter().map(|class| *class == 1).collect();
        let found = halves(&[(Values::Number(a.into()), 0)], &Target::Classes { of, count: 2 });
        assert!((score::auc(&found[1], &truth).unwrap() - 0.5).abs() < 0.05);
    }

    #[test]
    fn levels_in_any_order_and_missing_cells_are_learned() {
        // The sign depends on the parity of the level: no threshold on codes separates it.
        let mut dice = dice();
        let codes: Vec<u32> = (0..3_000)
            .map(|_| match dice.below(21) as u32 {
                20 => MISSING,
                code => code,
            })
            .collect();
        let values: Vec<f64> = codes
            .iter()
            .map(|code| match *code {
                MISSING => 5.0,
                code => f64::from(code % 2),
            })
            .collect();
        let truth = values[1_500..].to_vec();
        let found = halves(&[(Values::Level(codes.into()), 20)], &Target::Numbers(values));
        assert!(score::regression(&found[0], &truth).unwrap().1.unwrap() > 0.99);
    }

    #[test]
    fn three_classes_and_missing_numbers_are_learned() {
        let mut dice = dice();
        let a: Vec<f64> = (0..3_000).map(|_| 3.0 * dice.uniform()).collect();
        let of: Vec<u32> = a.iter().map(|a| *a as u32).collect();
        // The middle class is known by its missing cell alone.
        let holed: Vec<f64> =
            a.iter().map(|a| if *a as u32 == 1 { f64::NAN } else { *a }).collect();
        let truth = of[1_500..].to_vec();
        let found = halves(&[(Values::Number(holed.into()), 0)], &Target::Classes { of, count: 3 });
        for (class, scores) in found.iter().enumerate() {
            let is: Vec<bool> = truth.iter().map(|of| *of as usize == class).collect();
            assert!(score::auc(scores, &is).unwrap() > 0.99, "class {class}");
        }
        assert!(
            (0..1_500).all(|row| (found.iter().map(|of| of[row]).sum::<f64>() - 1.0).abs() < 1e-9)
        );
    }
}
