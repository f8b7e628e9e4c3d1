//! UMAP (McInnes, Healy and Melville, "UMAP: Uniform Manifold Approximation and Projection for
//! Dimension Reduction", 2018): points are joined to their nearest neighbours with weights that
//! fall off from each point's own scale; a layout in the plane then pulls joined points together
//! and pushes others apart, by stochastic gradient descent from the principal components. One
//! thread and the bits of `libm`: the same picture everywhere.

use libm::{exp, log2, pow, sqrt};
use tgs_protocol::engine::EngineError;

use crate::{
    measure::{
        crew::Crew,
        space::{Coordinates, Metric, Near, Points, nearest},
    },
    random::Stream,
};

const NEIGHBOURS: usize = 30;
const EPOCHS: usize = 200;
/// Points that are pushed away for each that is pulled.
const PUSHED: usize = 5;
/// Half the width of the first layout.
const SPREAD: f64 = 10.0;
/// 1 / (1 + A·d²ᴮ) falls off as the authors' curve for a least distance of .1.
const A: f64 = 1.576_943_460_311_307_7;
const B: f64 = 0.895_060_878_910_973_3;
/// A coordinate moves at most so far at once.
const STEP_MAX: f64 = 4.0;
/// Halvings in the search for a point's scale.
const HALVINGS: usize = 40;

/// Two points that belong together.
struct Join {
    a: usize,
    b: usize,
    /// Epochs from one pull to the next.
    every: f64,
}

/// Places rows in the plane. `start` holds a first place for each.
///
/// # Errors
/// `Stopped` when the watch says so.
pub(super) fn layout(
    rows: &[Vec<f64>],
    start: &[[f64; 2]],
    mut dice: Stream,
    crew: Crew,
) -> Result<Vec<[f64; 2]>, EngineError> {
    let joins = joins(rows, crew)?;
    let widest = start.iter().flatten().fold(f64::MIN_POSITIVE, |most, x| x.abs().max(most));
    let mut jittered = |x: f64| SPREAD * x / widest + 1e-3 * dice.normal();
    let mut places: Vec<[f64; 2]> = start.iter().map(|place| place.map(&mut jittered)).collect();
    let mut due: Vec<f64> = joins.iter().map(|join| join.every).collect();
    for epoch in 0..EPOCHS {
        crew.watch.go_on()?;
        let rate = 1.0 - epoch as f64 / EPOCHS as f64;
        for (join, due) in joins.iter().zip(&mut due) {
            if *due > (epoch + 1) as f64 {
                continue;
            }
            *due += join.every;
            for (head, tail) in [(join.a, join.b), (join.b, join.a)] {
                let by = pull(places[head], places[tail]).map(|step| rate * step);
                shift(&mut places[head], by);
                shift(&mut places[tail], by.map(|step| -step));
                for _ in 0..PUSHED {
                    let other = usize::try_from(dice.below(places.len() as u64)).unwrap_or(head);
                    if other != head {
                        let by = push(places[head], places[other]).map(|step| rate * step);
                        shift(&mut places[head], by);
                    }
                }
            }
        }
    }
    Ok(places)
}

fn shift(place: &mut [f64; 2], by: [f64; 2]) {
    place[0] += by[0];
    place[1] += by[1];
}

/// Where a point goes towards one that it is joined to.
fn pull(from: [f64; 2], to: [f64; 2]) -> [f64; 2] {
    let square = square(from, to);
    if square <= 0.0 {
        return [0.0; 2];
    }
    let power = pow(square, B);
    let force = -2.0 * A * B * power / square / (1.0 + A * power);
    clipped(from, to, force)
}

/// Where a point goes away from a chance one.
fn push(from: [f64; 2], to: [f64; 2]) -> [f64; 2] {
    let square = square(from, to);
    if square <= 0.0 {
        return [0.0; 2];
    }
    let force = 2.0 * B / ((0.001 + square) * (1.0 + A * pow(square, B)));
    clipped(from, to, force)
}

fn clipped(from: [f64; 2], to: [f64; 2], force: f64) -> [f64; 2] {
    [0, 1].map(|axis| (force * (from[axis] - to[axis])).clamp(-STEP_MAX, STEP_MAX))
}

fn square(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1])
}

/// The joins of all points, strong ones due often; those too weak to be due once are left out.
fn joins(rows: &[Vec<f64>], crew: Crew) -> Result<Vec<Join>, EngineError> {
    #[expect(clippy::cast_possible_truncation, reason = "distances need no more")]
    let cells = |column: usize| rows.iter().map(|row| row[column] as f32).collect();
    let columns = (0..rows.first().map_or(0, Vec::len))
        .map(|column| Coordinates::Number { cells: cells(column), holes: false })
        .collect();
    let points = Points { rows: rows.len(), columns };
    let near: Vec<Near<NEIGHBOURS>> = nearest(&points, &points, Metric::Squared, true, crew)?;
    let mut weights = Vec::with_capacity(rows.len() * NEIGHBOURS);
    for (a, near) in near.iter().enumerate() {
        let distances = near.distances.map(|distance| sqrt(f64::from(distance)));
        let strengths = strengths(&distances);
        // Both directions of a join under one key.
        weights.extend(
            near.indices.iter().zip(strengths).map(|(&b, weight)| ((a.min(b), a.max(b)), weight)),
        );
    }
    weights.sort_by(|x, y| x.0.cmp(&y.0).then(x.1.total_cmp(&y.1)));
    // Either direction suffices: the probability that one of both exists.
    let joined = weights.chunk_by(|x, y| x.0 == y.0).map(|both| {
        (both[0].0, 1.0 - both.iter().map(|(_, weight)| 1.0 - weight).product::<f64>())
    });
    let joined: Vec<_> = joined.collect();
    let most = joined.iter().fold(0.0_f64, |most, (_, weight)| most.max(*weight));
    let due = joined.into_iter().filter(|(_, weight)| *weight * EPOCHS as f64 >= most);
    Ok(due.map(|((a, b), weight)| Join { a, b, every: most / weight }).collect())
}

/// How strongly a point is joined to its neighbours, who stand at these ascending distances: 1 to
/// the nearest that is not on the same spot, and in all log₂ of their number.
fn strengths(distances: &[f64; NEIGHBOURS]) -> [f64; NEIGHBOURS] {
    let nearest = distances.iter().copied().find(|distance| *distance > 0.0).unwrap_or(0.0);
    let at = |scale: f64| distances.map(|distance| exp(-(distance - nearest).max(0.0) / scale));
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut scale = 1.0;
    for _ in 0..HALVINGS {
        if at(scale).iter().sum::<f64>() > log2(NEIGHBOURS as f64) {
            high = scale;
            scale = (low + high) / 2.0;
        } else {
            low = scale;
            scale = if high.is_finite() { (low + high) / 2.0 } else { scale * 2.0 };
        }
    }
    // Where many points stand on one spot no scale is small enough; a floor keeps it above zero.
    let mean = distances.iter().sum::<f64>() / NEIGHBOURS as f64;
    at(scale.max(1e-3 * mean).max(f64::MIN_POSITIVE))
}

#[cfg(test)]
mod tests {
    use tgs_protocol::progress::Unwatched;

    use super::*;
    use crate::random::Purpose;

    #[test]
    fn strengths_sum_to_the_logarithm_of_the_neighbours() {
        let distances = std::array::from_fn(|at| 1.0 + at as f64 / 3.0);
        let found = strengths(&distances);
        assert!((found.iter().sum::<f64>() - log2(NEIGHBOURS as f64)).abs() < 1e-6, "{found:?}");
        assert_eq!(found[0], 1.0);
        assert!(strengths(&[0.0; NEIGHBOURS]).iter().all(|weight| *weight == 1.0));
    }

    /// Three clouds far apart in ten columns stay three clouds: every point's nearest neighbour in
    /// the plane is of its own cloud.
    #[test]
    fn clouds_stay_apart_and_whole() {
        let mut dice = Stream::new(7, Purpose::Test, 1);
        let rows: Vec<Vec<f64>> = (0..300)
            .map(|row| {
                (0..10)
                    .map(|column| if column == row % 3 { 8.0 } else { 0.0 } + dice.normal())
                    .collect()
            })
            .collect();
        let start: Vec<[f64; 2]> = rows.iter().map(|row| [row[5], row[6]]).collect();
        let crew = Crew::new(2, &Unwatched);
        let laid = || layout(&rows, &start, Stream::new(1, Purpose::Test, 2), crew).unwrap();
        let places = laid();
        assert_eq!(places, laid());
        for (at, place) in places.iter().enumerate() {
            let others = (0..places.len()).filter(|other| *other != at);
            let near = others
                .min_by(|x, y| square(*place, places[*x]).total_cmp(&square(*place, places[*y])));
            assert_eq!(near.unwrap() % 3, at % 3, "row {at} at {place:?}");
        }
    }
}
