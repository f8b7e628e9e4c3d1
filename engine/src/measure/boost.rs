//! Gradient-boosted trees on histograms: the judge of detection and utility.
//!
//! Second-order boosting after Chen and Guestrin ("XGBoost", 2016) with the constants that the
//! published comparisons use: depth 6, rate .1, 80 % of rows and columns per tree, λ 1. Levels are
//! split by the sorted ratio of gradient to curvature (Fisher, 1958); a missing number goes where
//! it gains more. One thread per forest; the same order of additions always, hence the same bits.

pub mod bins;
mod tree;

use crate::{
    measure::boost::{
        bins::Feature,
        tree::{Grower, Tree},
    },
    random::{Purpose, Stream},
};

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
#[derive(Debug)]
pub struct Forest {
    /// Raw score before the first tree, per output.
    base: Vec<f64>,
    /// One tree per round and output.
    trees: Vec<Vec<Tree>>,
    logistic: bool,
}

impl Forest {
    /// Fits a forest. `stopped` is asked between rounds; then none comes back.
    /// `stream` numbers the forest among those of one seed, below 2¹².
    pub fn fit(
        features: &[Feature],
        target: &Target,
        config: &BoostConfig,
        (seed, stream): (u64, u64),
        stopped: &dyn Fn() -> bool,
    ) -> Option<Self> {
        let rows = target.rows();
        let base = target.base();
        let mut forest = Self {
            trees: Vec::with_capacity(config.rounds),
            logistic: matches!(target, Target::Classes { .. }),
            base,
        };
        let outputs = forest.base.len();
        let mut scores: Vec<Vec<f64>> = forest.base.iter().map(|base| vec![*base; rows]).collect();
        let mut grower = Grower::new(features, config);
        for round in 0..config.rounds {
            let mut dice = Stream::new(seed, Purpose::Tree, stream << 20 | round as u64);
            let gradients = target.gradients(&scores);
            let trees = (0..outputs).map(|output| {
                let tree = || grower.grow(&gradients[output], &mut scores[output], &mut dice);
                (!stopped()).then(tree)
            });
            forest.trees.push(trees.collect::<Option<_>>()?);
        }
        Some(forest)
    }

    /// Raw scores of rows: per output, per row. Features must be binned as the fitted ones.
    pub fn scores(&self, features: &[Feature], rows: usize) -> Vec<Vec<f64>> {
        let mut scores: Vec<Vec<f64>> = self.base.iter().map(|base| vec![*base; rows]).collect();
        for round in &self.trees {
            for (tree, scores) in round.iter().zip(&mut scores) {
                (0..rows).for_each(|row| scores[row] += tree.value(features, row));
            }
        }
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

impl Target {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Classes { of, .. } => of.len(),
            Self::Numbers(values) => values.len(),
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

    /// Gradient and curvature of the loss: per output, per row.
    fn gradients(&self, scores: &[Vec<f64>]) -> Vec<Vec<[f64; 2]>> {
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
    use crate::measure::{
        boost::bins::Binning,
        frame::{MISSING, Values},
        score,
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
        let forest = Forest::fit(&pick(&first), &known, &config, (3, 1), &|| false).unwrap();
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
