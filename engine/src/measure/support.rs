//! α-precision and β-recall (Alaa et al., "How faithful is your synthetic data?", ICML 2022), as
//! the public benchmarks compute them: rows are one-hot levels and numbers, here numbers as
//! training ranks; the support of a sample is a ball around its centre. α-precision asks which
//! share of synthetic rows lies in the ball that holds a share α of real rows; β-recall asks which
//! share of real rows has a synthetic one nearer than its nearest real neighbour, within the
//! β-ball of the synthetic sample. Both curves are compared with the diagonal; one is ideal.

use tgs_protocol::engine::EngineError;

use crate::measure::{
    crew::Crew,
    frame::{Frame, Side},
    picture::quantile,
    sample::Draw,
    space::{Coordinates, Metric, Near, Points, Scale, Space, nearest},
};

/// Rows of each table that are looked at.
const ROWS_MAX: usize = 5_000;
const ROWS_MIN: usize = 10;
/// Points of the two curves.
const STEPS: usize = 30;

/// Precision and recall of one table against the training rows.
#[derive(Debug, Clone, Copy)]
pub struct Support {
    /// Do synthetic rows lie where real rows lie?
    pub precision: f64,
    /// Do synthetic rows reach everywhere where real rows lie?
    pub recall: f64,
}

/// Measures a table against the training rows; none when either has fewer than ten rows.
/// `part` is 1 for the synthetic and 2 for the holdout table.
///
/// # Errors
/// `Stopped` when the watch says so.
pub fn measure(
    frame: &Frame,
    other: &Side,
    part: u64,
    seed: u64,
    crew: Crew,
) -> Result<Option<Support>, EngineError> {
    let rows = frame.train.rows.min(other.rows).min(ROWS_MAX);
    if rows < ROWS_MIN {
        return Ok(None);
    }
    let space = Space::new(frame, Scale::Rank);
    let draw = |part, from| Draw::Support.rows(seed, part, from, rows);
    let real = space.points(&frame.train, &draw(0, frame.train.rows));
    let made = space.points(other, &draw(part, other.rows));
    let to_real: Vec<Near<1>> = nearest(&real, &real, Metric::Squared, true, crew)?;
    let to_made: Vec<Near<1>> = nearest(&real, &made, Metric::Squared, false, crew)?;
    let levels: Vec<usize> = frame.fields.iter().map(|field| field.levels.len()).collect();
    let (real_centre, made_centre) = (Centre::of(&real, &levels), Centre::of(&made, &levels));
    let radii = ascending(real_centre.distances(&real));
    let reached = real_centre.distances(&made);
    let from_made = made_centre.distances(&made);
    let closest: Vec<f64> = to_made.iter().map(|near| from_made[near.indices[0]]).collect();
    let closest_radii = ascending(closest.clone());
    let covered: Vec<bool> =
        to_made.iter().zip(&to_real).map(|(a, b)| a.distances[0] <= b.distances[0]).collect();
    let precision = faithful(|share| {
        let radius = quantile(&radii, share);
        reached.iter().filter(|distance| **distance <= radius).count() as f64 / rows as f64
    });
    let recall = faithful(|share| {
        let radius = quantile(&closest_radii, share);
        let held = |(near, covered): &(&f64, &bool)| **near <= radius && **covered;
        closest.iter().zip(&covered).filter(held).count() as f64 / rows as f64
    });
    Ok(Some(Support { precision, recall }))
}

/// 1 − the area between a curve and the diagonal, over the area under the diagonal.
fn faithful(curve: impl Fn(f64) -> f64) -> f64 {
    let steps = (0..STEPS).map(|step| step as f64 / (STEPS - 1) as f64);
    let (apart, all) = steps.fold((0.0, 0.0), |(apart, all), share| {
        (apart + (share - curve(share)).abs(), all + share)
    });
    1.0 - apart / all
}

fn ascending(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The mean of points: the mean of each number, the share of each level.
struct Centre {
    axes: Vec<Axis>,
}

enum Axis {
    Number(f64),
    Level { shares: Vec<f64>, squares: f64 },
}

impl Centre {
    /// `levels` holds the size of each column's dictionary.
    fn of(points: &Points, levels: &[usize]) -> Self {
        let axis = |(column, levels): (&Coordinates, &usize)| match column {
            Coordinates::Number { cells, .. } => {
                let (sum, count) = cells
                    .iter()
                    .filter(|cell| !cell.is_nan())
                    .fold((0.0, 0.0), |(sum, count), cell| (sum + f64::from(*cell), count + 1.0));
                Axis::Number(if count > 0.0 { sum / count } else { 0.0 })
            }
            Coordinates::Level(cells) => {
                let mut shares = vec![0.0; levels + 1];
                let each = 1.0 / cells.len() as f64;
                cells.iter().for_each(|cell| shares[slot(*cell)] += each);
                Axis::Level { squares: shares.iter().map(|p| p * p).sum(), shares }
            }
        };
        Self { axes: points.columns.iter().zip(levels).map(axis).collect() }
    }

    /// Distance of every point to the centre. A missing number counts as one step.
    fn distances(&self, points: &Points) -> Vec<f64> {
        let mut sums = vec![0.0; points.rows];
        for (axis, column) in self.axes.iter().zip(&points.columns) {
            match (axis, column) {
                (Axis::Number(mean), Coordinates::Number { cells, .. }) => {
                    let square =
                        |cell: f64| if cell.is_nan() { 1.0 } else { (cell - mean).powi(2) };
                    sums.iter_mut()
                        .zip(cells)
                        .for_each(|(sum, cell)| *sum += square((*cell).into()));
                }
                (Axis::Level { shares, squares }, Coordinates::Level(cells)) => {
                    let square = |cell: f32| 1.0 - 2.0 * shares[slot(cell)] + squares;
                    sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += square(*cell));
                }
                _ => {}
            }
        }
        sums.into_iter().map(f64::sqrt).collect()
    }
}

/// Place of a level among the shares; missing cells (−1) come first.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "codes are whole")]
fn slot(code: f32) -> usize {
    (code + 1.0) as usize
}
