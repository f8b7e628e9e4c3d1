//! Every column beside its real counterpart, one at a time.

use tgs_protocol::{
    engine::EngineError,
    report::{ColumnPicture, ColumnReport},
};

use crate::measure::{
    crew::Crew,
    frame::{Field, Frame, Values},
    picture, shape,
};

/// What one column tells, for its own entry and for the headline numbers.
#[derive(Debug)]
pub struct ColumnMeasures {
    /// The entry of the report.
    pub report: ColumnReport,
    /// Shape of the holdout rows: what as many other real rows reach.
    pub holdout_shape: Option<f64>,
    /// Errors of mean and standard deviation, synthetic; over the real standard deviation.
    pub moment_errors: Option<[f64; 2]>,
    /// The same of holdout rows.
    pub holdout_moment_errors: Option<[f64; 2]>,
    /// Wasserstein distance of holdout rows.
    pub holdout_wasserstein: Option<f64>,
    /// 1 − difference of the shares of missing cells.
    pub missing_similarity: f64,
}

/// Measures every column, in field order.
///
/// # Errors
/// `Stopped` when the watch says so.
pub fn measure(frame: &Frame, crew: Crew) -> Result<Vec<ColumnMeasures>, EngineError> {
    crew.map(frame.fields.len(), |index| {
        let field = &frame.fields[index];
        let [real, aside, made] =
            [&frame.train, &frame.holdout, &frame.synthetic].map(|side| &side.columns[index]);
        let missing = (
            shape::missing_share(real, frame.train.rows),
            shape::missing_share(made, frame.synthetic.rows),
        );
        Ok(match (real, aside, made) {
            (Values::Number(a), Values::Number(b), Values::Number(c)) => {
                numeric(field, [a, b, c], missing)
            }
            _ => categorical(field, [real, aside, made], missing),
        })
    })
}

fn numeric(field: &Field, cells: [&[f64]; 3], missing: (f64, f64)) -> ColumnMeasures {
    let [real, aside, made] = cells.map(shape::sorted);
    let nullable = missing.0 > 0.0;
    let kind = (field.spec.kind, field.spec.format.offset());
    let report = ColumnReport {
        shape: shape::ks_complement(&real, &made),
        adherence: shape::boundary_adherence(&real, &made, cells[2].len(), nullable),
        coverage: shape::range_coverage(&real, &made),
        wasserstein: shape::wasserstein(&real, &made),
        ..blank(field, missing, picture::numbers(kind, &real, &made))
    };
    ColumnMeasures {
        holdout_shape: shape::ks_complement(&real, &aside),
        moment_errors: shape::moment_errors(&real, &made),
        holdout_moment_errors: shape::moment_errors(&real, &aside),
        holdout_wasserstein: shape::wasserstein(&real, &aside),
        missing_similarity: 1.0 - (missing.0 - missing.1).abs(),
        report,
    }
}

fn categorical(field: &Field, cells: [&Values; 3], missing: (f64, f64)) -> ColumnMeasures {
    let codes = |values: &Values| values.levels().unwrap_or(&[]).to_vec();
    let [real, aside, made] = cells.map(|values| shape::counts(&codes(values), field.levels.len()));
    let report = ColumnReport {
        shape: shape::tv_complement(&real, &made),
        adherence: shape::category_adherence(&real, &codes(cells[2]), missing.0 > 0.0),
        coverage: shape::category_coverage(&real, &made),
        jaccard: shape::jaccard(&real, &made),
        ..blank(field, missing, picture::levels(&field.levels, &real, &made))
    };
    ColumnMeasures {
        holdout_shape: shape::tv_complement(&real, &aside),
        moment_errors: None,
        holdout_moment_errors: None,
        holdout_wasserstein: None,
        missing_similarity: 1.0 - (missing.0 - missing.1).abs(),
        report,
    }
}

fn blank(field: &Field, missing: (f64, f64), picture: ColumnPicture) -> ColumnReport {
    ColumnReport {
        name: field.spec.name.clone(),
        kind: field.spec.kind,
        shape: None,
        adherence: None,
        coverage: None,
        missing,
        wasserstein: None,
        jaccard: None,
        picture,
    }
}
