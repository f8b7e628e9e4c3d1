//! AdamW with a moving average of the parameters, over flat tensors (Loshchilov and Hutter, 2019).

use std::ops::Range;

use tch::Tensor;

use super::torch::Torch;

/// Constants of one step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    /// Which numbers of the flat parameters learn.
    pub active: Range<usize>,
    /// Learning rate.
    pub rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Keeps the denominator from zero.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest global norm of the gradient; longer ones are shortened to it.
    pub clip_norm: f64,
    /// Decay of the moving average of parameters.
    pub average_decay: f64,
    /// Steps this part of the parameters has made before, for bias correction.
    pub age: u64,
}

/// The same numbers in storage of its own.
pub(crate) fn copied(tensor: &Tensor) -> Torch<Tensor> {
    let mut copy = tensor.f_zeros_like()?;
    copy.f_copy_(tensor)?;
    Ok(copy)
}

/// The flat tensors of a training run, all of one length.
#[derive(Debug)]
pub(crate) struct Moments {
    /// The parameters.
    pub params: Tensor,
    /// First moments of the gradient.
    pub first: Tensor,
    /// Second moments of the gradient.
    pub second: Tensor,
    /// Moving average of the parameters: what is evaluated and kept.
    pub average: Tensor,
}

impl Moments {
    /// A run that begins with these parameters.
    pub(crate) fn new(params: &[f32]) -> Torch<Self> {
        let params = Tensor::f_from_slice(params)?;
        Ok(Self {
            first: params.f_zeros_like()?,
            second: params.f_zeros_like()?,
            average: copied(&params)?,
            params,
        })
    }

    /// A leaf for automatic differentiation that shares the storage of the active parameters.
    pub(crate) fn leaf(&self, active: &Range<usize>) -> Torch<Tensor> {
        let part = self.params.f_narrow(0, active.start as i64, active.len() as i64)?;
        part.f_detach()?.f_set_requires_grad(true)
    }

    /// One step down the gradient (of the active part); gives the norm of the gradient.
    pub(crate) fn step(&mut self, gradient: &Tensor, rule: &Rule) -> Torch<f64> {
        let _guard = tch::no_grad_guard();
        let norm = gradient.f_norm()?.f_double_value(&[])?;
        let shorten = (rule.clip_norm / (norm + 1e-6)).min(1.0);
        let part = |tensor: &Tensor| {
            tensor.f_narrow(0, rule.active.start as i64, rule.active.len() as i64)
        };
        let age = i32::try_from(rule.age + 1).unwrap_or(i32::MAX);
        let correct1 = 1.0 - libm::pow(rule.beta1, f64::from(age));
        let correct2 = 1.0 - libm::pow(rule.beta2, f64::from(age));
        let gradient = gradient.f_mul_scalar(shorten)?;
        let _ = part(&self.first)?.f_lerp_(&gradient, 1.0 - rule.beta1)?;
        let _ = part(&self.second)?
            .f_mul_scalar_(rule.beta2)?
            .f_addcmul_(&gradient.f_mul_scalar(1.0 - rule.beta2)?, &gradient)?;
        let below = (part(&self.second)?.f_sqrt()?.f_mul_scalar_(1.0 / correct2.sqrt())?)
            .f_add_scalar_(rule.epsilon)?;
        let change = part(&self.first)?.f_div(&below)?.f_mul_scalar_(-rule.rate / correct1)?;
        let _ = part(&self.params)?
            .f_mul_scalar_(1.0 - rule.rate * rule.weight_decay)?
            .f_add_(&change)?;
        let _ = part(&self.average)?.f_lerp_(&part(&self.params)?, 1.0 - rule.average_decay)?;
        Ok(norm)
    }
}
