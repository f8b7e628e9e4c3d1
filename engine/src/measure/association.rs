//! Associations of the columns of a table, and how far those of another table are off.

use tgs_protocol::report::CorrelationMatrices;

use crate::{
    association::{correlation_ratio, cramers_v, pearson},
    measure::frame::{Field, Values},
};

/// Association of two columns. None where it is not defined: a constant or empty column.
pub fn association(fields: [&Field; 2], values: [&Values; 2]) -> Option<f64> {
    match values {
        [Values::Number(a), Values::Number(b)] => pearson(a, b),
        [Values::Level(a), Values::Level(b)] => {
            cramers_v(a, fields[0].levels.len(), b, fields[1].levels.len())
        }
        [Values::Level(groups), Values::Number(numbers)] => {
            correlation_ratio(groups, fields[0].levels.len(), numbers)
        }
        [Values::Number(numbers), Values::Level(groups)] => {
            correlation_ratio(groups, fields[1].levels.len(), numbers)
        }
    }
}

/// Mean absolute difference of two matrices over pairs defined in the real table; the diagonal is
/// left out. Where a pair is not defined in the other table, `lost` stands for its association;
/// without, the pair is left out.
pub fn difference(matrices: &CorrelationMatrices, lost: Option<f64>) -> Option<f64> {
    let width = matrices.columns.len();
    let apart: Vec<f64> = (0..width)
        .flat_map(|row| (0..row).map(move |column| row * width + column))
        .filter_map(|cell| Some((matrices.real[cell]? - matrices.synthetic[cell].or(lost)?).abs()))
        .collect();
    (!apart.is_empty()).then(|| apart.iter().sum::<f64>() / apart.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_association_counts_where_it_is_said_to() {
        let matrices = CorrelationMatrices {
            columns: vec!["a".into(), "b".into(), "c".into()],
            real: vec![Some(1.0), None, None, Some(0.5), Some(1.0), None, Some(0.2), None, None],
            synthetic: vec![Some(1.0), None, None, None, Some(1.0), None, Some(0.1), None, None],
        };
        let with = |lost| difference(&matrices, lost).expect("two pairs are defined");
        assert!((with(None) - 0.1).abs() < 1e-12);
        assert!((with(Some(0.0)) - 0.3).abs() < 1e-12);
    }
}
