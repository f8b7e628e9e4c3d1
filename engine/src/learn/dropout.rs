//! Activations set to zero in training (Srivastava et al., 2014), from our own random numbers.

use tch::Tensor;

use super::torch::{Torch, matrix};
use crate::random::Stream;

/// Which share is set to zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropout {
    /// One byte decides one activation: below this it is dropped, so that the share is kept to
    /// 1/256.
    below: u8,
}

impl Dropout {
    /// Of this share; none where nothing is dropped.
    pub(crate) fn of(share: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 256")]
        let below = (share.clamp(0.0, 0.99) * 256.0).round() as u8;
        (share > 0.0).then_some(Self { below })
    }

    /// What `rows × width` activations are multiplied by: zero, or one over the share that is kept.
    pub(crate) fn mask(&self, stream: &mut Stream, rows: usize, width: usize) -> Torch<Tensor> {
        let keep = 256.0 / (256.0 - f32::from(self.below));
        let words = (rows * width).div_ceil(4);
        let bytes = (0..words).flat_map(|_| stream.bits().to_le_bytes());
        let cells = bytes.take(rows * width);
        let cells = cells.map(|byte| if byte < self.below { 0.0 } else { keep });
        matrix(&cells.collect::<Vec<f32>>(), width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{learn::torch::values, random::Purpose};

    #[test]
    fn a_share_is_dropped_and_the_mean_stays() {
        assert!(Dropout::of(0.0).is_none());
        for share in [0.1, 0.5, 0.9] {
            let mut stream = Stream::new(1, Purpose::Test, 0);
            let mask = Dropout::of(share).expect("some").mask(&mut stream, 200, 100);
            let cells = values(&mask.expect("a mask")).expect("its cells");
            let dropped = cells.iter().filter(|cell| **cell == 0.0).count() as f64 / 20_000.0;
            let mean = cells.iter().map(|cell| f64::from(*cell)).sum::<f64>() / 20_000.0;
            assert!((dropped - share).abs() < 0.02, "{dropped} where {share} was asked for");
            assert!((mean - 1.0).abs() < 0.1, "{mean}");
        }
    }
}
