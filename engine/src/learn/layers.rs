//! Layers over flat parameters: on tensors, and on the numbers of one row.

use tch::Tensor;

use super::{
    flat::{Begin, Layout, Leaves, Slot},
    plain::{Parameters, dot, normed, silu},
    torch::Torch,
};

/// Keeps the norm of a row of equal numbers from a division by zero.
const NORM_EPSILON: f64 = 1e-5;

/// y = xWᵀ + b.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linear {
    pub weight: Slot,
    pub bias: Slot,
}

/// x + down(silu(up(norm(x)))), the pre-norm residual block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    width: usize,
    /// Inner width.
    pub inner: usize,
    gain: Slot,
    shift: Slot,
    up: Linear,
    down: Linear,
}

impl Linear {
    /// A layer from `inputs` to `outputs` numbers.
    pub(crate) fn new(layout: &mut Layout, name: &str, inputs: usize, outputs: usize) -> Self {
        let begin = Begin::linear(inputs);
        let weight = layout.add(format!("{name}.weight"), &[outputs, inputs], begin.clone());
        Self { weight, bias: layout.add(format!("{name}.bias"), &[outputs], begin) }
    }
    /// `rows × inputs` to `rows × outputs`.
    pub(crate) fn forward(&self, leaves: &Leaves, x: &Tensor) -> Torch<Tensor> {
        x.f_linear(leaves.get(self.weight), Some(leaves.get(self.bias)))
    }
    /// The same of one row.
    pub(crate) fn of_row(&self, parameters: &Parameters<'_>, x: &[f32]) -> Vec<f32> {
        let (weight, bias) = (parameters.get(self.weight), parameters.get(self.bias));
        if x.is_empty() {
            return bias.to_vec();
        }
        weight.chunks_exact(x.len()).zip(bias).map(|(row, bias)| dot(row, x) + bias).collect()
    }
}

impl Block {
    /// A block of this width and inner width.
    pub(crate) fn new(layout: &mut Layout, name: &str, width: usize, inner: usize) -> Self {
        Self {
            width,
            inner,
            gain: layout.add(format!("{name}.norm.gain"), &[width], Begin::Ones),
            shift: layout.add(format!("{name}.norm.shift"), &[width], Begin::Zeros),
            up: Linear::new(layout, &format!("{name}.up"), width, inner),
            down: Linear::new(layout, &format!("{name}.down"), inner, width),
        }
    }
    /// `rows × width` to `rows × width`.
    pub(crate) fn forward(
        &self,
        leaves: &Leaves,
        x: &Tensor,
        mask: Option<&Tensor>,
    ) -> Torch<Tensor> {
        let (gain, shift) = (leaves.get(self.gain), leaves.get(self.shift));
        let size = [self.width as i64];
        let inner = x.f_layer_norm(size, Some(gain), Some(shift), NORM_EPSILON, false)?;
        let mut inner = self.up.forward(leaves, &inner)?.f_silu()?;
        if let Some(mask) = mask {
            inner = inner.f_mul(mask)?;
        }
        x.f_add(&self.down.forward(leaves, &inner)?)
    }
    /// The same of one row, without a mask.
    pub(crate) fn of_row(&self, parameters: &Parameters<'_>, x: &[f32]) -> Vec<f32> {
        let (gain, shift) = (parameters.get(self.gain), parameters.get(self.shift));
        let mut inner = self.up.of_row(parameters, &normed(x, (gain, shift), NORM_EPSILON));
        silu(&mut inner);
        let mut out = self.down.of_row(parameters, &inner);
        out.iter_mut().zip(x).for_each(|(out, x)| *out += x);
        out
    }
}
