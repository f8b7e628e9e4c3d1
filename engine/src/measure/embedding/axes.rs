//! Principal components.

const ITERATIONS: usize = 300;

/// The two leading eigenvectors of the covariance, by power iteration with deflation. The largest
/// entry of each is positive, so that the picture does not flip.
pub(super) fn principal_axes(rows: &[Vec<f64>], width: usize) -> [Vec<f64>; 2] {
    let mut covariance = vec![vec![0.0; width]; width];
    for row in rows {
        for (line, a) in covariance.iter_mut().zip(row) {
            line.iter_mut().zip(row).for_each(|(cell, b)| *cell += a * b);
        }
    }
    std::array::from_fn(|_| {
        // Any start that is not orthogonal to the answer will do; this one has no symmetry.
        let mut axis: Vec<f64> = (0..width).map(|i| 1.0 + (i as f64 * 0.618_034).fract()).collect();
        let mut size = 0.0;
        for _ in 0..ITERATIONS {
            let next: Vec<f64> = covariance.iter().map(|line| dot(line, &axis)).collect();
            size = dot(&next, &next).sqrt();
            if size <= f64::MIN_POSITIVE {
                return vec![0.0; width];
            }
            axis = next.into_iter().map(|cell| cell / size).collect();
        }
        let largest =
            axis.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
        axis.iter_mut().for_each(|cell| *cell *= largest.signum());
        for (line, a) in covariance.iter_mut().zip(&axis) {
            line.iter_mut().zip(&axis).for_each(|(cell, b)| *cell -= size * a * b);
        }
        axis
    })
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
