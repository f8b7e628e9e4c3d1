//! Distance to the closest record (DCR): are synthetic rows nearer to the training rows than to
//! holdout rows, which they cannot have seen? Numbers over the training range, one per mismatch,
//! summed. For the share and the curves the training rows are cut to the number of holdout rows,
//! so that a fair table gives .5; medians and ratios are over all of them, up to a limit. The
//! interval covers the draw of synthetic rows, not that of the two references.

use tgs_protocol::{engine::EngineError, report::DistanceCurves};

use crate::measure::{
    crew::Crew,
    frame::Frame,
    picture::quantile,
    sample::Draw,
    score::{Estimate, share_interval},
    space::{Metric, Near, Scale, Space, nearest},
};

/// Rows of each table that are looked at.
pub const ROWS_MAX: usize = 10_000;
/// Quantiles of a curve.
const POINTS: usize = 101;

/// What distances say.
#[derive(Debug)]
pub struct Closest {
    /// Share of synthetic rows nearer to train than to holdout, ties half.
    pub share: Option<Estimate>,
    /// Median over synthetic rows of the ratio of nearest to second nearest training distance.
    pub nndr: Option<f64>,
    /// The same of holdout rows.
    pub holdout_nndr: Option<f64>,
    /// Median distance of synthetic rows to train.
    pub median: Option<f64>,
    /// The same of holdout rows.
    pub holdout_median: Option<f64>,
    /// The three distributions, to as many training rows as holdout rows.
    pub curves: DistanceCurves,
}

/// Measures distances.
///
/// # Errors
/// `Stopped` when the watch says so.
pub fn measure(frame: &Frame, seed: u64, crew: Crew) -> Result<Closest, EngineError> {
    let space = Space::new(frame, Scale::Range);
    let reference = if frame.has_holdout() { frame.holdout.rows.min(ROWS_MAX) } else { ROWS_MAX };
    let draw = |part, rows, take| Draw::Closest.rows(seed, part, rows, take);
    let train_rows = draw(0, frame.train.rows, reference);
    let train = space.points(&frame.train, &train_rows);
    let made = space.points(&frame.synthetic, &draw(1, frame.synthetic.rows, ROWS_MAX));
    let holdout_rows = draw(2, frame.holdout.rows, train_rows.len());
    let aside = space.points(&frame.holdout, &holdout_rows);
    let to_train: Vec<Near<1>> = nearest(&made, &train, Metric::Absolute, false, crew)?;
    let to_holdout: Vec<Near<1>> = nearest(&made, &aside, Metric::Absolute, false, crew)?;
    let strangers: Vec<Near<1>> = nearest(&aside, &train, Metric::Absolute, false, crew)?;
    let all = space.points(&frame.train, &draw(3, frame.train.rows, ROWS_MAX));
    let made_to_all: Vec<Near<2>> = nearest(&made, &all, Metric::Absolute, false, crew)?;
    let aside_to_all: Vec<Near<2>> = nearest(&aside, &all, Metric::Absolute, false, crew)?;
    let share = frame.has_holdout().then(|| {
        let side = |(a, b): (&Near<1>, &Near<1>)| match a.distances[0].total_cmp(&b.distances[0]) {
            std::cmp::Ordering::Less => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Greater => 0.0,
        };
        let value = to_train.iter().zip(&to_holdout).map(side).sum::<f64>() / made.rows as f64;
        Estimate { value, interval: share_interval(0.5, made.rows) }
    });
    let curve = |near: &[Near<1>]| curve(&distances(near));
    let median = |of: &[f64]| (!of.is_empty()).then(|| quantile(of, 0.5));
    Ok(Closest {
        share,
        nndr: median(&ratios(&made_to_all)),
        holdout_nndr: median(&ratios(&aside_to_all)),
        median: median(&distances(&made_to_all)),
        holdout_median: median(&distances(&aside_to_all)),
        curves: DistanceCurves {
            synthetic_to_train: curve(&to_train),
            synthetic_to_holdout: curve(&to_holdout),
            holdout_to_train: curve(&strangers),
        },
    })
}

fn distances<const K: usize>(near: &[Near<K>]) -> Vec<f64> {
    sorted(near.iter().map(|near| near.distances[0]))
}

/// Nearest over second nearest, ascending; one where both are zero (the row is no one's alone),
/// none where there is no second.
fn ratios(near: &[Near<2>]) -> Vec<f64> {
    sorted(near.iter().map(|near| match near.distances {
        [_, second] if !second.is_finite() => f32::NAN,
        [first, second] if second > 0.0 => first / second,
        _ => 1.0,
    }))
}

/// Finite values, ascending.
fn sorted(values: impl Iterator<Item = f32>) -> Vec<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).map(f64::from).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// 101 evenly spaced quantiles; none of an empty sample.
fn curve(sorted: &[f64]) -> Vec<f64> {
    if sorted.is_empty() {
        return Vec::new();
    }
    (0..POINTS).map(|point| quantile(sorted, point as f64 / (POINTS - 1) as f64)).collect()
}
