//! Real and synthetic rows in the plane: UMAP of both together; of few rows, the first two
//! principal components of the real ones. Numbers are training ranks of deviation one, frequent
//! levels are indicators, so that another level weighs about as much as another number.

mod axes;
mod umap;

use tgs_protocol::{engine::EngineError, report::Embedding};

use self::axes::{dot, principal_axes};
use crate::measure::{
    crew::Crew,
    frame::{Frame, Side, Values},
    sample::Draw,
    shape,
    space::{Coordinates, Scale, Space},
};

/// Rows of each table that are drawn.
const ROWS_MAX: usize = 1_500;
/// Features of the projection; bounds the covariance matrix.
const FEATURES_MAX: usize = 160;
/// Levels of one column that become indicators.
const LEVELS_MAX: usize = 12;
/// Below so many rows in all, neighbourhoods say less than principal components.
const UMAP_ROWS_MIN: usize = 200;

/// Projects both tables.
///
/// # Errors
/// `Stopped` when the watch says so.
pub fn measure(frame: &Frame, seed: u64, crew: Crew) -> Result<Embedding, EngineError> {
    let features = features(frame);
    let space = Space::new(frame, Scale::Rank);
    let [mut real, mut made] = [(&frame.train, 0), (&frame.synthetic, 1)].map(|(side, part)| {
        let rows = Draw::Embedding.rows(seed, part, side.rows, ROWS_MAX);
        matrix(&space, side, &rows, &features)
    });
    let scale = scale(&real, &features);
    [&mut real, &mut made].into_iter().for_each(|rows| standardise(rows, &scale));
    let axes = principal_axes(&real, features.len());
    let project = |row: &Vec<f64>| [dot(row, &axes[0]), dot(row, &axes[1])];
    let mut plane: Vec<[f64; 2]> = real.iter().chain(&made).map(project).collect();
    let is_large = plane.len() >= UMAP_ROWS_MIN && !features.is_empty();
    if is_large {
        let dice = Draw::Embedding.stream(seed, 2);
        plane = umap::layout(&[real.as_slice(), &made].concat(), &plane, dice, crew)?;
    }
    #[expect(clippy::cast_possible_truncation, reason = "for drawing")]
    let mut points = plane.into_iter().map(|[x, y]| (x as f32, y as f32)).collect::<Vec<_>>();
    let synthetic = points.split_off(real.len());
    let method = if is_large { "UMAP" } else { "PCA" };
    Ok(Embedding { method: method.to_owned(), real: points, synthetic })
}

/// One coordinate of the projection: a number, or one level of a category.
struct Feature {
    column: usize,
    level: Option<u32>,
}

/// Numbers first, then the most frequent levels of every category in turn.
fn features(frame: &Frame) -> Vec<Feature> {
    let numbers = (0..frame.fields.len())
        .filter(|&column| frame.fields[column].is_number())
        .map(|column| Feature { column, level: None });
    let mut found: Vec<Feature> = numbers.take(FEATURES_MAX / 2).collect();
    let mut ranked: Vec<(usize, Vec<u32>)> = Vec::new();
    for (column, values) in frame.train.columns.iter().enumerate() {
        let Values::Level(codes) = values else { continue };
        let counts = shape::counts(codes, frame.fields[column].levels.len());
        let mut levels: Vec<u32> = (0..).take(counts.len()).collect();
        levels.sort_by_key(|&level| std::cmp::Reverse(counts[level as usize]));
        ranked.push((column, levels));
    }
    for place in 0..LEVELS_MAX {
        for (column, levels) in &ranked {
            if let (Some(level), true) = (levels.get(place), found.len() < FEATURES_MAX) {
                found.push(Feature { column: *column, level: Some(*level) });
            }
        }
    }
    found
}

fn matrix(space: &Space, side: &Side, rows: &[usize], features: &[Feature]) -> Vec<Vec<f64>> {
    let points = space.points(side, rows);
    let cell =
        |feature: &Feature, row: usize| match (&points.columns[feature.column], feature.level) {
            (Coordinates::Number { cells, .. }, _) if cells[row].is_nan() => 0.5,
            (Coordinates::Number { cells, .. }, _) => f64::from(cells[row]),
            (Coordinates::Level(cells), Some(level)) => {
                f64::from(u8::from(f64::from(cells[row]) == f64::from(level)))
            }
            (Coordinates::Level(_), None) => 0.0,
        };
    (0..rows.len()).map(|row| features.iter().map(|feature| cell(feature, row)).collect()).collect()
}

/// Mean and deviation of every feature; a level keeps its own scale, so that rare ones do not
/// outweigh all else.
fn scale(rows: &[Vec<f64>], features: &[Feature]) -> Vec<(f64, f64)> {
    let of = |(column, feature): (usize, &Feature)| {
        let values: Vec<f64> = rows.iter().map(|row| row[column]).collect();
        let moments = shape::moments(&values);
        let deviation = moments.map_or(0.0, |moments| moments.deviation);
        let scale = if feature.level.is_some() { 1.0 } else { deviation };
        (moments.map_or(0.0, |moments| moments.mean), scale)
    };
    features.iter().enumerate().map(of).collect()
}

fn standardise(rows: &mut [Vec<f64>], scale: &[(f64, f64)]) {
    for row in rows {
        for (cell, (mean, deviation)) in row.iter_mut().zip(scale) {
            *cell = if *deviation > 0.0 { (*cell - mean) / deviation } else { 0.0 };
        }
    }
}
