//! What bins of a rank mean: where they lie among normal numbers, and smooth features of them.

use tch::{Kind, Tensor};

use super::chain::Bins;
use crate::{
    learn::torch::{Torch, matrix},
    random::inverse_normal,
};

/// Waves of the rank beside the normal number.
const WAVES: usize = 6;
/// Features of a bin.
pub(super) const FEATURES: usize = WAVES + 1;
/// Keeps the logarithm of no mass from being none.
const MASS_MIN: f64 = 1e-7;

/// Constants of all numeric columns, as tensors of one thread.
#[derive(Debug)]
pub(super) struct Scale {
    /// `fine bins of all coarse ones, and one that is untold × features`.
    pub features: Tensor,
    /// Inner edges of the coarse bins; `coarse - 1`.
    coarse: Tensor,
    /// Edges of the fine bins of each coarse one, both ends among them; `coarse × fine + 1`.
    fine: Tensor,
}

/// The same as numbers, which all threads share: they cost thousands of quantiles.
#[derive(Debug)]
pub(super) struct Numbers {
    features: Vec<f32>,
    coarse: Vec<f32>,
    fine: Vec<f32>,
    fine_bins: usize,
}

/// Components of a mixture: of rows, `rows × components` each.
#[derive(Debug)]
pub(super) struct Mixture {
    weights: Tensor,
    means: Tensor,
    /// One over the scales.
    sharpness: Tensor,
}

impl Mixture {
    /// From `rows × 3 components`: logits of weights, means, and logarithms of scales.
    pub(super) fn of(raw: &Tensor) -> Torch<Self> {
        let parts = raw.f_chunk(3, 1)?;
        Ok(Self {
            weights: parts[0].f_softmax(1, Kind::Float)?.f_unsqueeze(2)?,
            means: parts[1].f_unsqueeze(2)?,
            sharpness: parts[2].f_clamp(-6.0, 3.0)?.f_neg()?.f_exp()?.f_unsqueeze(2)?,
        })
    }

    /// How much lies below edges of `rows or 1 × 1 × edges`: logistic components.
    fn below(&self, edges: &Tensor) -> Torch<Tensor> {
        let at = edges.f_sub(&self.means)?.f_mul(&self.sharpness)?.f_sigmoid()?;
        at.f_mul(&self.weights)?.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Float)
    }
}

impl Numbers {
    /// For these bins.
    pub(super) fn new(bins: Bins) -> Self {
        let all = bins.coarse * bins.fine;
        let edge = |at: usize| single(inverse_normal(at as f64 / all as f64));
        let ends = |at: usize| {
            if at == 0 {
                -9.0
            } else if at == all {
                9.0
            } else {
                edge(at)
            }
        };
        let mut features = Vec::with_capacity((all + 1) * FEATURES);
        for bin in 0..all {
            let rank = (bin as f64 + 0.5) / all as f64;
            features.push(single(inverse_normal(rank)));
            features.extend((0..WAVES).map(|at| wave(rank, at)));
        }
        features.extend([0.0; FEATURES]);
        let coarse = (1..bins.coarse).map(|bin| edge(bin * bins.fine)).collect();
        let of_bin = |bin: usize| (0..=bins.fine).map(move |at| ends(bin * bins.fine + at));
        let fine = (0..bins.coarse).flat_map(of_bin).collect();
        Self { features, coarse, fine, fine_bins: bins.fine }
    }

    /// As tensors of this thread.
    pub(super) fn scale(&self) -> Torch<Scale> {
        Ok(Scale {
            features: matrix(&self.features, FEATURES)?,
            coarse: Tensor::f_from_slice(&self.coarse)?,
            fine: matrix(&self.fine, self.fine_bins + 1)?,
        })
    }
}

impl Scale {
    /// The same storage once more.
    pub(super) fn shared(&self) -> Self {
        Self {
            features: self.features.shallow_clone(),
            coarse: self.coarse.shallow_clone(),
            fine: self.fine.shallow_clone(),
        }
    }

    /// Logarithms of the mass in each coarse bin; `rows × coarse`.
    pub(super) fn coarse_logits(&self, mixture: &Mixture) -> Torch<Tensor> {
        let below = mixture.below(&self.coarse)?;
        let end = |value: f64| below.f_narrow(1, 0, 1)?.f_full_like(value);
        let below = Tensor::f_cat(&[end(0.0)?, below.shallow_clone(), end(1.0)?], 1)?;
        logits(&below)
    }

    /// The same of the fine bins in these coarse ones; `rows × fine`.
    pub(super) fn fine_logits(&self, mixture: &Mixture, coarse: &Tensor) -> Torch<Tensor> {
        logits(&mixture.below(&self.fine.f_index_select(0, coarse)?.f_unsqueeze(1)?)?)
    }
}

fn logits(below: &Tensor) -> Torch<Tensor> {
    let edges = below.size()[1];
    let mass = below.f_narrow(1, 1, edges - 1)?.f_sub(&below.f_narrow(1, 0, edges - 1)?)?;
    mass.f_clamp_min(0.0)?.f_add_scalar(MASS_MIN)?.f_log()
}

/// A wave of the cosine basis at a rank: of variance 1, like all inputs.
pub(super) fn wave(rank: f64, wave: usize) -> f32 {
    let turns = std::f64::consts::PI * (wave + 1) as f64 * rank;
    single(std::f64::consts::SQRT_2 * libm::cos(turns))
}

#[expect(clippy::cast_possible_truncation, reason = "single precision is what models use")]
fn single(value: f64) -> f32 {
    value as f32
}
