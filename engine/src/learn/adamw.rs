//! AdamW with a moving average of the parameters, over flat tensors (Loshchilov and Hutter, 2019).

use std::ops::Range;

use tch::Tensor;
use tgs_protocol::engine::EngineError;

use super::{
    crew::Crew,
    torch::{Torch, failed},
};

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

    /// One step down the sum of the gradients of shards (of the active part); gives its norm.
    pub(crate) fn step(
        &mut self,
        gradients: Vec<Tensor>,
        rule: &Rule,
        crew: &Crew,
    ) -> Result<f64, EngineError> {
        let act = failed("an optimiser step");
        let blocks = blocks(rule.active.len());
        let summing = blocks.iter().map(|block| {
            let block = block.clone();
            let parts: Torch<Vec<Tensor>> =
                gradients.iter().map(|gradient| narrowed(gradient, &block)).collect();
            move || summed(&parts?)
        });
        let sums = crew.run(summing.collect::<Vec<_>>())?;
        let sums = sums.into_iter().collect::<Torch<Vec<_>>>().map_err(&act)?;
        let norm = sums.iter().map(|(_, square)| square).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return Ok(norm);
        }
        let update = Update::new(rule, norm);
        let moving = blocks.iter().zip(sums).map(|(block, (gradient, _))| {
            let place = rule.active.start + block.start..rule.active.start + block.end;
            let parts = [&self.params, &self.first, &self.second, &self.average]
                .map(|tensor| narrowed(tensor, &place));
            let update = update.clone();
            move || update.apply(parts, &gradient)
        });
        crew.run(moving.collect::<Vec<_>>())?.into_iter().collect::<Torch<()>>().map_err(act)?;
        Ok(norm)
    }
}

/// Parts of the flat tensors that are updated by themselves. Their number is fixed, because the
/// norm of the gradient is the sum over them.
const BLOCKS: usize = 8;

fn blocks(numbers: usize) -> Vec<Range<usize>> {
    let size = numbers.div_ceil(BLOCKS).max(1);
    (0..numbers).step_by(size).map(|from| from..numbers.min(from + size)).collect()
}

fn narrowed(tensor: &Tensor, range: &Range<usize>) -> Torch<Tensor> {
    tensor.f_narrow(0, range.start as i64, range.len() as i64)
}

/// Sum in shard order, and its squared norm.
fn summed(parts: &[Tensor]) -> Torch<(Tensor, f64)> {
    let _guard = tch::no_grad_guard();
    let mut sum = copied(&parts[0])?;
    for part in &parts[1..] {
        sum = sum.f_add_(part)?;
    }
    let norm = sum.f_norm()?.f_double_value(&[])?;
    Ok((sum, norm * norm))
}

/// The numbers of one update.
#[derive(Debug, Clone)]
struct Update {
    shorten: f64,
    keep_first: f64,
    keep_second: f64,
    correct_second: f64,
    epsilon: f64,
    shrink: f64,
    move_by: f64,
    keep_average: f64,
}

impl Update {
    fn new(rule: &Rule, norm: f64) -> Self {
        let age = f64::from(i32::try_from(rule.age + 1).unwrap_or(i32::MAX));
        Self {
            shorten: (rule.clip_norm / (norm + 1e-6)).min(1.0),
            keep_first: rule.beta1,
            keep_second: rule.beta2,
            correct_second: 1.0 - libm::pow(rule.beta2, age),
            epsilon: rule.epsilon,
            shrink: 1.0 - rule.rate * rule.weight_decay,
            move_by: -rule.rate / (1.0 - libm::pow(rule.beta1, age)),
            keep_average: rule.average_decay,
        }
    }

    fn apply(&self, parts: [Torch<Tensor>; 4], gradient: &Tensor) -> Torch<()> {
        let _guard = tch::no_grad_guard();
        let [params, first, second, average] = parts;
        let (mut params, mut first, mut second) = (params?, first?, second?);
        let gradient = gradient.f_mul_scalar(self.shorten)?;
        let _ = first.f_lerp_(&gradient, 1.0 - self.keep_first)?;
        let scaled = gradient.f_mul_scalar(1.0 - self.keep_second)?;
        let _ = second.f_mul_scalar_(self.keep_second)?.f_addcmul_(&scaled, &gradient)?;
        let below = second.f_sqrt()?.f_mul_scalar_(1.0 / self.correct_second.sqrt())?;
        let below = { below }.f_add_scalar_(self.epsilon)?;
        let change = first.f_div(&below)?.f_mul_scalar_(self.move_by)?;
        let _ = params.f_mul_scalar_(self.shrink)?.f_add_(&change)?;
        average?.f_lerp_(&params, 1.0 - self.keep_average).map(|_| ())
    }
}
