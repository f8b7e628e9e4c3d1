//! Rows as points: numbers on a common scale, levels as they are, missing cells marked. Distances
//! between rows are taken here and nowhere else.

use tgs_protocol::engine::EngineError;

use crate::measure::{
    crew::Crew,
    frame::{Frame, MISSING, Side, Values},
    shape,
};

/// How numbers are brought on a common scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// The training range becomes 0 … 1, as in published distances to the closest record.
    Range,
    /// The training distribution function: a value becomes the share of training rows below it.
    Rank,
}

/// How far two rows are apart, summed over columns. A level and a missing cell differ by one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// |a − b| per number, 1 per mismatch.
    Absolute,
    /// (a − b)² per number, 2 per mismatch (one-hot vectors); the square of Euclid's distance.
    Squared,
}

/// The scale learned from the training rows.
#[derive(Debug)]
pub struct Space {
    axes: Vec<Option<Axis>>,
}

#[derive(Debug)]
enum Axis {
    Range { low: f64, width: f64 },
    Rank(Vec<f64>),
}

/// Rows of one table as points, column by column.
#[derive(Debug)]
pub struct Points {
    /// Number of points.
    pub rows: usize,
    /// One per column of the frame.
    pub columns: Vec<Coordinates>,
}

/// One column of points.
#[derive(Debug)]
pub enum Coordinates {
    /// Scaled numbers; NaN where missing.
    Number {
        /// The cells.
        cells: Vec<f32>,
        /// Whether any cell is missing.
        holes: bool,
    },
    /// Level codes as numbers; −1 where missing.
    Level(Vec<f32>),
}

/// The nearest points of a reference set.
#[derive(Debug, Clone, Copy)]
pub struct Near<const K: usize> {
    /// Distances, ascending; infinite beyond the size of the reference set.
    pub distances: [f32; K],
    /// Their places among the reference points; of equally far ones the first come first.
    pub indices: [usize; K],
}

/// Query points of one piece of work.
const QUERIES: usize = 64;
/// Reference points whose distances are summed together, so that they stay in the first cache.
const BLOCK: usize = 1_024;

impl Space {
    /// Learns the scale of every number from the training rows.
    pub fn new(frame: &Frame, scale: Scale) -> Self {
        let axis = |values: &Values| {
            let sorted = shape::sorted(values.numbers()?);
            let (low, high) = (*sorted.first()?, *sorted.last()?);
            Some(match scale {
                Scale::Range => {
                    Axis::Range { low, width: if high > low { high - low } else { 1.0 } }
                }
                Scale::Rank => Axis::Rank(sorted),
            })
        };
        Self { axes: frame.train.columns.iter().map(axis).collect() }
    }

    /// The rows named of a table as points.
    pub fn points(&self, side: &Side, rows: &[usize]) -> Points {
        let column = |(values, axis): (&Values, &Option<Axis>)| match values {
            #[expect(clippy::cast_precision_loss, reason = "more than 2²⁴ levels are not compared")]
            Values::Level(codes) => Coordinates::Level(
                rows.iter()
                    .map(|&row| if codes[row] == MISSING { -1.0 } else { codes[row] as f32 })
                    .collect(),
            ),
            Values::Number(values) => {
                let cells: Vec<f32> = rows.iter().map(|&row| place(axis, values[row])).collect();
                Coordinates::Number { holes: cells.iter().any(|cell| cell.is_nan()), cells }
            }
        };
        let columns = side.columns.iter().zip(&self.axes).map(column).collect();
        Points { rows: rows.len(), columns }
    }
}

/// A number on its axis. Without an axis (no training row has a value) all numbers are the same.
#[expect(clippy::cast_possible_truncation, reason = "distances need no more than single precision")]
fn place(axis: &Option<Axis>, value: f64) -> f32 {
    match axis {
        _ if value.is_nan() => f32::NAN,
        None => 0.0,
        Some(Axis::Range { low, width }) => ((value - low) / width) as f32,
        Some(Axis::Rank(sorted)) => {
            let below = sorted.partition_point(|known| *known < value);
            let through = sorted.partition_point(|known| *known <= value);
            ((below + through) as f64 / (2 * sorted.len()) as f64) as f32
        }
    }
}

/// The `K` nearest reference points of every query point, by looking at all of them.
/// `same` says that both sets are one: a point is not its own neighbour.
///
/// # Errors
/// `Stopped` when the watch says so.
pub fn nearest<const K: usize>(
    queries: &Points,
    reference: &Points,
    metric: Metric,
    same: bool,
    crew: Crew,
) -> Result<Vec<Near<K>>, EngineError> {
    let pieces = crew.map(queries.rows.div_ceil(QUERIES), |piece| {
        let rows = piece * QUERIES..((piece + 1) * QUERIES).min(queries.rows);
        let empty = Near { distances: [f32::INFINITY; K], indices: [0; K] };
        let mut found = vec![empty; rows.len()];
        let mut sums = [0.0_f32; BLOCK];
        for from in (0..reference.rows).step_by(BLOCK) {
            let to = (from + BLOCK).min(reference.rows);
            for (near, query) in found.iter_mut().zip(rows.clone()) {
                let sums = &mut sums[..to - from];
                distances(queries, query, reference, from, metric, sums);
                if same && (from..to).contains(&query) {
                    sums[query - from] = f32::INFINITY;
                }
                near.take(sums, from);
            }
        }
        Ok(found)
    })?;
    Ok(pieces.into_iter().flatten().collect())
}

impl<const K: usize> Near<K> {
    /// Whether one point is among the nearest of both.
    pub fn shares_a_row_with(&self, other: &Self) -> bool {
        let found = |near: &Self| near.distances.iter().filter(|d| d.is_finite()).count();
        let theirs = &other.indices[..found(other)];
        self.indices[..found(self)].iter().any(|index| theirs.contains(index))
    }

    fn take(&mut self, sums: &[f32], from: usize) {
        for (at, &distance) in sums.iter().enumerate() {
            if distance >= self.distances[K - 1] {
                continue;
            }
            let place = self.distances.partition_point(|known| *known <= distance);
            self.distances[place..].rotate_right(1);
            self.distances[place] = distance;
            self.indices[place..].rotate_right(1);
            self.indices[place] = from + at;
        }
    }
}

/// Distances of one query to the reference points `from .. from + sums.len()`. Mismatches, which
/// are whole numbers, come first, so that equal rows are equally far whatever differs.
fn distances(
    queries: &Points,
    query: usize,
    reference: &Points,
    from: usize,
    metric: Metric,
    sums: &mut [f32],
) {
    sums.fill(0.0);
    for number in [false, true] {
        for (mine, theirs) in queries.columns.iter().zip(&reference.columns) {
            if matches!(mine, Coordinates::Number { .. }) == number {
                add_column(mine, query, theirs, from, metric, sums);
            }
        }
    }
}

/// Adds what one column makes one query differ from the reference points `from .. from +
/// sums.len()`.
pub fn add_column(
    mine: &Coordinates,
    query: usize,
    theirs: &Coordinates,
    from: usize,
    metric: Metric,
    sums: &mut [f32],
) {
    let step = if metric == Metric::Squared { 2.0 } else { 1.0 };
    let to = from + sums.len();
    match (mine, theirs) {
        (Coordinates::Level(mine), Coordinates::Level(theirs)) => {
            let level = mine[query];
            for (sum, other) in sums.iter_mut().zip(&theirs[from..to]) {
                *sum += if *other == level { 0.0 } else { step };
            }
        }
        (Coordinates::Number { cells: mine, .. }, Coordinates::Number { cells: theirs, holes }) => {
            add_number(mine[query], &theirs[from..to], *holes, metric, step, sums);
        }
        // Tables of one frame hold a column the same way.
        _ => {}
    }
}

fn add_number(
    value: f32,
    others: &[f32],
    holes: bool,
    metric: Metric,
    step: f32,
    sums: &mut [f32],
) {
    let pairs = sums.iter_mut().zip(others);
    match (value.is_nan(), holes, metric) {
        (true, ..) => {
            pairs.for_each(|(sum, other)| *sum += if other.is_nan() { 0.0 } else { step })
        }
        (_, true, Metric::Absolute) => pairs.for_each(|(sum, other)| {
            *sum += if other.is_nan() { step } else { (value - other).abs() };
        }),
        (_, true, Metric::Squared) => pairs.for_each(|(sum, other)| {
            *sum += if other.is_nan() { step } else { (value - other) * (value - other) };
        }),
        (_, false, Metric::Absolute) => {
            pairs.for_each(|(sum, other)| *sum += (value - other).abs());
        }
        (_, false, Metric::Squared) => {
            pairs.for_each(|(sum, other)| *sum += (value - other) * (value - other));
        }
    }
}

#[cfg(test)]
mod tests {
    use tgs_protocol::progress::Unwatched;

    use super::*;
    use crate::random::{Purpose, Stream};

    fn points(dice: &mut Stream, rows: usize) -> Points {
        let mut number = || if dice.below(8) == 0 { f32::NAN } else { dice.uniform() as f32 };
        let cells: Vec<f32> = (0..rows).map(|_| number()).collect();
        let level = |dice: &mut Stream| dice.below(3) as f32 - 1.0;
        let levels = (0..rows).map(|_| level(dice)).collect();
        let columns = vec![
            Coordinates::Number { holes: cells.iter().any(|cell| cell.is_nan()), cells },
            Coordinates::Level(levels),
        ];
        Points { rows, columns }
    }

    fn cell(points: &Points, column: usize, row: usize) -> f32 {
        match &points.columns[column] {
            Coordinates::Number { cells, .. } | Coordinates::Level(cells) => cells[row],
        }
    }

    /// The definition, one pair of rows at a time.
    fn distance(a: &Points, i: usize, b: &Points, j: usize, metric: Metric) -> f32 {
        let (x, y) = (cell(a, 0, i), cell(b, 0, j));
        let (step, power) = if metric == Metric::Squared { (2.0, 2) } else { (1.0, 1) };
        let number = match (x.is_nan(), y.is_nan()) {
            (true, true) => 0.0,
            (false, false) => (x - y).abs().powi(power),
            _ => step,
        };
        number + if cell(a, 1, i) == cell(b, 1, j) { 0.0 } else { step }
    }

    #[test]
    fn the_nearest_are_those_of_the_definition() {
        let mut dice = Stream::new(5, Purpose::Test, 1);
        let (a, b) = (points(&mut dice, 150), points(&mut dice, 2_100));
        let crew = Crew::new(2, &Unwatched);
        for metric in [Metric::Absolute, Metric::Squared] {
            for (reference, same) in [(&b, false), (&a, true)] {
                let found: Vec<Near<3>> = nearest(&a, reference, metric, same, crew).unwrap();
                for (row, near) in found.iter().enumerate() {
                    let others = (0..reference.rows).filter(|other| !same || *other != row);
                    let mut all: Vec<f32> =
                        others.map(|other| distance(&a, row, reference, other, metric)).collect();
                    all.sort_unstable_by(f32::total_cmp);
                    for (ours, theirs) in near.distances.iter().zip(&all) {
                        assert!((ours - theirs).abs() < 1e-6, "{metric:?} {row}: {near:?}");
                    }
                    for (index, ours) in near.indices.iter().zip(&near.distances) {
                        assert!((distance(&a, row, reference, *index, metric) - ours).abs() < 1e-6);
                    }
                }
            }
        }
    }
}
