//! How well predictions fit: area under the ROC curve, root mean square error, R².

use libm::sqrt;

/// A value and the half-width of its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Half-width of a 95 % interval, where one is known.
    pub interval: Option<f64>,
}

/// Standard errors to each side of a 95 % interval.
pub const Z_95: f64 = 1.96;

/// Area under the ROC curve: the chance that a positive row scores above a negative one, ties half.
/// None unless both classes occur.
pub fn auc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut below, mut wins, mut yes) = (0.0, 0.0, 0.0);
    let mut at = 0;
    while at < order.len() {
        let tied = order[at..].iter().take_while(|&&row| scores[row] == scores[order[at]]).count();
        let tied = tied.max(1);
        let up = order[at..at + tied].iter().filter(|&&row| positive[row]).count() as f64;
        let down = tied as f64 - up;
        wins += up * (below + down / 2.0);
        below += down;
        yes += up;
        at += tied;
    }
    (yes > 0.0 && below > 0.0).then(|| wins / (yes * below))
}

/// Half-width of the 95 % interval of an AUC (Hanley and McNeil, 1982).
pub fn auc_interval(auc: f64, positives: usize, negatives: usize) -> Option<f64> {
    let (p, n) = (positives as f64, negatives as f64);
    let (q1, q2) = (auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc));
    let square = auc * auc;
    let variance =
        (auc * (1.0 - auc) + (p - 1.0) * (q1 - square) + (n - 1.0) * (q2 - square)) / (p * n);
    (positives > 0 && negatives > 0).then(|| Z_95 * sqrt(variance.max(0.0)))
}

/// Half-width of the 95 % interval of a share seen in `rows` draws.
pub fn share_interval(share: f64, rows: usize) -> Option<f64> {
    (rows > 0).then(|| Z_95 * sqrt((share * (1.0 - share)).max(0.0) / rows as f64))
}

/// Root mean square error, and R² against the mean of the truth (none where the truth is constant).
pub fn regression(predicted: &[f64], truth: &[f64]) -> Option<(f64, Option<f64>)> {
    let rows = truth.len() as f64;
    let mean = truth.iter().sum::<f64>() / rows;
    let residual: f64 = predicted.iter().zip(truth).map(|(p, y)| (p - y).powi(2)).sum();
    let spread: f64 = truth.iter().map(|y| (y - mean).powi(2)).sum();
    let r2 = (spread > 0.0).then(|| 1.0 - residual / spread);
    (!truth.is_empty()).then(|| (sqrt(residual / rows), r2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_count_ties_half() {
        let yes = [false, true, false, true];
        for (scores, area) in [
            ([0.1, 0.4, 0.35, 0.8], 1.0),
            ([0.1, 0.4, 0.45, 0.8], 0.75),
            ([0.5, 0.5, 0.5, 0.5], 0.5),
            ([0.9, 0.4, 0.9, 0.4], 0.0),
            ([0.1, 0.1, 0.2, 0.2], 0.5),
        ] {
            assert_eq!(auc(&scores, &yes), Some(area), "{scores:?}");
        }
        assert_eq!(auc(&[0.5, 0.6], &[true, true]), None);
    }

    #[test]
    fn the_mean_explains_nothing() {
        let (rmse, r2) = regression(&[2.0, 2.0, 2.0], &[1.0, 2.0, 3.0]).unwrap();
        assert!((rmse - (2.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(r2, Some(0.0));
    }
}
