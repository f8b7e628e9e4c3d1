//! A net's arithmetic on the numbers of one row, without libtorch: one of its operators costs more
//! than the few thousand numbers of a row.
//!
//! Sums run in lanes of a fixed number, so the bits are the same on every processor.

use super::flat::{Layout, Slot};

/// Numbers that are summed side by side.
const LANES: usize = 16;

/// Parameters as numbers.
pub(crate) struct Parameters<'a> {
    layout: &'a Layout,
    values: &'a [f32],
}

impl<'a> Parameters<'a> {
    /// `values`: of all parameters, as the layout has them.
    pub(crate) fn new(layout: &'a Layout, values: &'a [f32]) -> Self {
        Self { layout, values }
    }
    /// One parameter, its last dimension first to vary.
    pub(crate) fn get(&self, slot: Slot) -> &'a [f32] {
        &self.values[self.layout.place(slot)]
    }
}

/// The sum of the products of two rows of one length.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum::<f32>();
    for (a, b) in a.zip(b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// x · sigmoid(x), in place.
pub(crate) fn silu(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x /= 1.0 + libm::expf(-*x));
}

/// The row with mean 0 and variance 1, times the gain, plus the shift (Ba et al., 2016).
pub(crate) fn normed(x: &[f32], (gain, shift): (&[f32], &[f32]), epsilon: f64) -> Vec<f32> {
    let count = x.len().max(1) as f64;
    let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
    let square = |x: &f32| (f64::from(*x) - mean) * (f64::from(*x) - mean);
    let scale = 1.0 / (x.iter().map(square).sum::<f64>() / count + epsilon).sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
    let normed = |x: &f32| ((f64::from(*x) - mean) * scale) as f32;
    x.iter()
        .zip(gain.iter().zip(shift))
        .map(|(x, (gain, shift))| normed(x) * gain + shift)
        .collect()
}

/// Probabilities of the logits, in place.
pub(crate) fn softmax(logits: &mut [f32]) {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter_mut().for_each(|cell| *cell = libm::expf(*cell - most));
    let sum: f32 = logits.iter().sum();
    logits.iter_mut().for_each(|cell| *cell /= sum);
}
