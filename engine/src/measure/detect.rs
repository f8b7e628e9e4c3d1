//! Detection (classifier two-sample test, Lopez-Paz and Oquab, 2017): can boosted trees tell
//! synthetic rows from real ones? Equal class sizes, three folds, area under the ROC curve.

use tgs_protocol::engine::EngineError;

use crate::{
    boost::{BoostConfig, Feature, Forest, Target},
    measure::{
        bins::Binning,
        crew::Crew,
        frame::{Field, Frame, Side, Values},
        sample::Draw,
        score::{Estimate, Z_95, auc},
    },
    random::{Purpose, Stream},
};

/// Rows per class.
const ROWS_MAX: usize = 10_000;
/// Rows per class below which an area under the curve says nothing.
const ROWS_MIN: usize = 30;
const FOLDS: usize = 3;

/// Areas under the curve; none where a table has too few rows.
#[derive(Debug, Default, Clone, Copy)]
pub struct Detection {
    /// Synthetic against training rows.
    pub train: Option<Estimate>,
    /// Synthetic against holdout rows.
    pub holdout: Option<Estimate>,
    /// Holdout against training rows: the floor.
    pub real: Option<Estimate>,
}

/// Runs the three tests, all folds side by side.
///
/// # Errors
/// `Stopped` when the watch says so.
pub fn measure(frame: &Frame, seed: u64, crew: Crew) -> Result<Detection, EngineError> {
    let tests = [
        (Draw::DetectTrain, &frame.train, &frame.synthetic),
        (Draw::DetectHoldout, &frame.holdout, &frame.synthetic),
        (Draw::DetectReal, &frame.train, &frame.holdout),
    ];
    let contests: Vec<Option<Contest>> = tests
        .iter()
        .map(|(draw, real, other)| Contest::new(&frame.fields, real, other, *draw, seed))
        .collect();
    let folds = crew.map(tests.len() * FOLDS, |piece| {
        let (test, fold) = (piece / FOLDS, piece % FOLDS);
        let Some(contest) = &contests[test] else { return Ok(None) };
        contest.fold(fold, (seed, piece as u64), crew)
    })?;
    let estimate = |test: usize| {
        let areas: Option<Vec<f64>> = folds[test * FOLDS..][..FOLDS].iter().copied().collect();
        let areas = areas?;
        let value = areas.iter().sum::<f64>() / FOLDS as f64;
        let rows = contests[test].as_ref().map_or(1, |contest| contest.rows) as f64;
        // Under chance the area varies as a rank sum does; folds share no test rows.
        let spread = ((2.0 * rows + 1.0) / (12.0 * rows * rows)).sqrt();
        Some(Estimate { value, interval: Some(Z_95 * spread) })
    };
    Ok(Detection { train: estimate(0), holdout: estimate(1), real: estimate(2) })
}

/// Rows of two tables, real ones first, in random order each.
struct Contest {
    rows: usize,
    features: Vec<Feature>,
}

impl Contest {
    fn new(fields: &[Field], real: &Side, other: &Side, draw: Draw, seed: u64) -> Option<Self> {
        let rows = real.rows.min(other.rows).min(ROWS_MAX);
        if rows < ROWS_MIN {
            return None;
        }
        let real = real.pick(&draw.shuffled(seed, 0, real.rows, rows));
        let other = other.pick(&draw.shuffled(seed, 1, other.rows, rows));
        let feature = |(field, (a, b)): (&Field, (&Values, &Values))| {
            let both = joined(a, b);
            Binning::fit(&both, field.levels.len()).apply(&both)
        };
        let columns = real.columns.iter().zip(&other.columns);
        Some(Self { rows, features: fields.iter().zip(columns).map(feature).collect() })
    }

    /// Trains on two thirds and scores the rest.
    fn fold(
        &self,
        fold: usize,
        (seed, stream): (u64, u64),
        crew: Crew,
    ) -> Result<Option<f64>, EngineError> {
        let (test, train): (Vec<usize>, Vec<usize>) =
            (0..2 * self.rows).partition(|row| row % self.rows % FOLDS == fold);
        let is_other =
            |rows: &[usize]| -> Vec<bool> { rows.iter().map(|&row| row >= self.rows).collect() };
        let pick = |rows: &[usize]| -> Vec<_> {
            self.features.iter().map(|feature| feature.pick(rows)).collect()
        };
        let of = is_other(&train).into_iter().map(u32::from).collect();
        let target = Target::Classes { of, count: 2 };
        let stopped = || crew.watch.stopped();
        let dice = |round| Stream::new(seed, Purpose::Tree, stream << 20 | round);
        let forest = Forest::fit(&pick(&train), &target, &BoostConfig::default(), &dice, &stopped)
            .ok_or(EngineError::Stopped)?;
        let scores = forest.scores(&pick(&test), test.len());
        Ok(auc(&scores[0], &is_other(&test)))
    }
}

/// The cells of one column of two tables, one after the other.
fn joined(a: &Values, b: &Values) -> Values {
    match (a, b) {
        (Values::Number(a), Values::Number(b)) => Values::Number([&a[..], &b[..]].concat().into()),
        (Values::Level(a), Values::Level(b)) => Values::Level([&a[..], &b[..]].concat().into()),
        // Columns keep their kind over all tables of a frame.
        _ => a.clone(),
    }
}
