//! Every pair of columns: trends, and the two association matrices.

use tgs_protocol::{
    engine::EngineError,
    report::{CorrelationMatrices, PairReport},
};

use crate::measure::{
    association::association,
    crew::Crew,
    frame::{Frame, Side},
    pair::{Prepared, trend, trend_real_edges},
};

/// What all pairs tell.
#[derive(Debug)]
pub struct PairMeasures {
    /// The entries of the report, in column order.
    pub reports: Vec<PairReport>,
    /// Trends of holdout rows, in the same order.
    pub holdout_trends: Vec<Option<f64>>,
    /// Trends of holdout rows, cut by the real range.
    pub holdout_trends_real_edges: Vec<Option<f64>>,
    /// Associations of real and synthetic rows.
    pub correlations: CorrelationMatrices,
    /// Associations of real and of holdout rows (in the place of synthetic ones).
    pub holdout_correlations: Option<CorrelationMatrices>,
}

/// Measures every pair.
///
/// # Errors
/// `Stopped` when the watch says so.
pub fn measure(frame: &Frame, crew: Crew) -> Result<PairMeasures, EngineError> {
    let width = frame.fields.len();
    let pairs: Vec<(usize, usize)> =
        (0..width).flat_map(|a| (a + 1..width).map(move |b| (a, b))).collect();
    let real = prepared(frame, &frame.train, crew)?;
    let aside = prepared(frame, &frame.holdout, crew)?;
    let made = prepared(frame, &frame.synthetic, crew)?;
    let found = crew.map(pairs.len(), |index| {
        let (a, b) = pairs[index];
        let mine = [&real[a], &real[b]];
        let fields = [&frame.fields[a], &frame.fields[b]];
        let told = frame.is_told(a) && frame.is_told(b);
        let of = |side: &Side| {
            told.then(|| association(fields, [&side.columns[a], &side.columns[b]])).flatten()
        };
        Ok(OnePair {
            report: PairReport {
                a: frame.fields[a].spec.name.clone(),
                b: frame.fields[b].spec.name.clone(),
                trend: trend(mine, [&made[a], &made[b]]),
                trend_real_edges: trend_real_edges(mine, [&made[a], &made[b]]),
            },
            holdout: trend(mine, [&aside[a], &aside[b]]),
            holdout_real_edges: trend_real_edges(mine, [&aside[a], &aside[b]]),
            associations: [of(&frame.train), of(&frame.holdout), of(&frame.synthetic)],
        })
    })?;
    Ok(gathered(frame, &pairs, found))
}

struct OnePair {
    report: PairReport,
    holdout: Option<f64>,
    holdout_real_edges: Option<f64>,
    /// Train, holdout, synthetic.
    associations: [Option<f64>; 3],
}

fn prepared<'a>(
    frame: &Frame,
    side: &'a Side,
    crew: Crew,
) -> Result<Vec<Prepared<'a>>, EngineError> {
    crew.map(frame.fields.len(), |column| {
        let real = &frame.train.columns[column];
        Ok(Prepared::new(&frame.fields[column], &side.columns[column], real))
    })
}

fn gathered(frame: &Frame, pairs: &[(usize, usize)], found: Vec<OnePair>) -> PairMeasures {
    let names: Vec<String> = frame.fields.iter().map(|field| field.spec.name.clone()).collect();
    let matrix = |which: usize| {
        let width = names.len();
        let mut cells = vec![None; width * width];
        (0..width).for_each(|at| cells[at * width + at] = Some(1.0));
        for (&(a, b), pair) in pairs.iter().zip(&found) {
            cells[a * width + b] = pair.associations[which];
            cells[b * width + a] = pair.associations[which];
        }
        cells
    };
    let matrices = |which: usize| CorrelationMatrices {
        columns: names.clone(),
        real: matrix(0),
        synthetic: matrix(which),
    };
    PairMeasures {
        correlations: matrices(2),
        holdout_correlations: frame.has_holdout().then(|| matrices(1)),
        holdout_trends: found.iter().map(|pair| pair.holdout).collect(),
        holdout_trends_real_edges: found.iter().map(|pair| pair.holdout_real_edges).collect(),
        reports: found.into_iter().map(|pair| pair.report).collect(),
    }
}
