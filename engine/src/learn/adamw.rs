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
    /// Decoupled weight decay, …
    pub weight_decay: f64,
    /// … but not of these numbers of the flat parameters: in order, and apart.
    pub spared: Vec<Range<usize>>,
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

    /// One step down the gradient of the active part; gives its norm.
    pub(crate) fn step(
        &mut self,
        gradient: Gradient,
        rule: &Rule,
        crew: &Crew,
    ) -> Result<f64, EngineError> {
        let act = failed("an optimiser step");
        let norm = gradient.norm();
        if !norm.is_finite() {
            return Ok(norm);
        }
        let update = Update::new(rule, norm);
        let moving = gradient.blocks.iter().zip(gradient.sums).map(|(block, (gradient, _))| {
            let place = rule.active.start + block.start..rule.active.start + block.end;
            let parts = [&self.params, &self.first, &self.second, &self.average]
                .map(|tensor| narrowed(tensor, &place));
            let (update, decaying) = (update.clone(), without(&place, &rule.spared));
            move || update.apply(parts, &gradient, &decaying)
        });
        crew.run(moving.collect::<Vec<_>>())?.into_iter().collect::<Torch<()>>().map_err(act)?;
        Ok(norm)
    }
}

/// Parts of the flat tensors that are updated by themselves. Their number is fixed, because the
/// norm of the gradient is the sum over them.
const BLOCKS: usize = 8;

/// The gradient of a step: that of its shards, added in their order as they come.
#[derive(Debug)]
pub(crate) struct Gradient {
    blocks: Vec<Range<usize>>,
    /// One per block, with its squared norm; none before the first shard.
    sums: Vec<(Tensor, f64)>,
}

impl Gradient {
    /// Of so many numbers, before the first shard.
    pub(crate) fn of(numbers: usize) -> Self {
        Self { blocks: blocks(numbers), sums: Vec::new() }
    }

    /// The gradients of the next shards, which need not be kept any longer.
    pub(crate) fn add(&mut self, shards: &[Tensor], crew: &Crew) -> Result<(), EngineError> {
        let mut so_far = std::mem::take(&mut self.sums).into_iter();
        let adding = self.blocks.iter().map(|block| {
            let so_far = so_far.next().map(|(sum, _)| sum);
            let parts: Torch<Vec<Tensor>> =
                shards.iter().map(|shard| narrowed(shard, block)).collect();
            move || added(so_far, &parts?)
        });
        let sums = crew.run(adding.collect::<Vec<_>>())?.into_iter().flat_map(Torch::transpose);
        self.sums = sums.collect::<Torch<_>>().map_err(failed("an optimiser step"))?;
        Ok(())
    }

    fn norm(&self) -> f64 {
        self.sums.iter().map(|(_, square)| square).sum::<f64>().sqrt()
    }
}

fn blocks(numbers: usize) -> Vec<Range<usize>> {
    let size = numbers.div_ceil(BLOCKS).max(1);
    (0..numbers).step_by(size).map(|from| from..numbers.min(from + size)).collect()
}

/// What is left of a place without these parts, counted from where it begins.
fn without(place: &Range<usize>, spared: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut left, mut from) = (vec![], place.start);
    for part in spared {
        left.push(from..part.start.min(place.end));
        from = from.max(part.end);
    }
    left.push(from..place.end);
    left.retain(|part| !part.is_empty());
    left.into_iter().map(|part| part.start - place.start..part.end - place.start).collect()
}

fn narrowed(tensor: &Tensor, range: &Range<usize>) -> Torch<Tensor> {
    tensor.f_narrow(0, range.start as i64, range.len() as i64)
}

/// Sum in shard order, and its squared norm; none of none.
fn added(mut so_far: Option<Tensor>, parts: &[Tensor]) -> Torch<Option<(Tensor, f64)>> {
    let _guard = tch::no_grad_guard();
    for part in parts {
        so_far = Some(match so_far {
            None => copied(part)?,
            Some(mut sum) => sum.f_add_(part)?,
        });
    }
    let Some(sum) = so_far else { return Ok(None) };
    let norm = sum.f_norm()?.f_double_value(&[])?;
    Ok(Some((sum, norm * norm)))
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

    fn apply(
        &self,
        parts: [Torch<Tensor>; 4],
        gradient: &Tensor,
        decaying: &[Range<usize>],
    ) -> Torch<()> {
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
        for part in decaying {
            let _ = narrowed(&params, part)?.f_mul_scalar_(self.shrink)?;
        }
        let _ = params.f_add_(&change)?;
        average?.f_lerp_(&params, 1.0 - self.keep_average).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use tch::{
        Device,
        nn::{self, OptimizerConfig},
    };

    use super::*;
    use crate::{
        learn::torch::values,
        random::{Purpose, Stream},
    };

    const NUMBERS: usize = 37;
    const STEPS: u64 = 5;
    const RULE: Rule = Rule {
        active: 0..NUMBERS,
        rate: 0.05,
        beta1: 0.9,
        beta2: 0.99,
        epsilon: 1e-8,
        weight_decay: 0.3,
        spared: Vec::new(),
        clip_norm: 1e6,
        average_decay: 0.7,
        age: 0,
    };

    fn drawn(index: u64) -> Vec<f32> {
        let mut numbers = vec![0.0; NUMBERS];
        Stream::new(5, Purpose::Test, index).fill_normal(&mut numbers);
        numbers
    }

    /// Parameters and their average after five steps, each with a gradient in two shards.
    fn ours(rule: &Rule, threads: u32) -> (Vec<f32>, Vec<f32>) {
        let crew = Crew::new(threads).expect("starts");
        let mut moments = Moments::new(&drawn(100)).expect("begins");
        for age in 0..STEPS {
            let whole = Tensor::from_slice(&drawn(age));
            let shards = [&whole * 0.25, &whole * 0.75];
            let mut gradient = Gradient::of(NUMBERS);
            // In two waves, as where memory is scarce, or in one.
            for wave in shards.chunks(1 + age as usize % 2) {
                gradient.add(wave, &crew).expect("adds");
            }
            moments.step(gradient, &Rule { age, ..rule.clone() }, &crew).expect("steps");
        }
        (values(&moments.params).expect("reads"), values(&moments.average).expect("reads"))
    }

    /// The same by libtorch's own optimiser; the average by its definition.
    fn theirs(rule: &Rule) -> (Vec<f32>, Vec<f32>) {
        let store = nn::VarStore::new(Device::Cpu);
        let mut params = store.root().zeros("params", &[NUMBERS as i64]);
        tch::no_grad(|| params.copy_(&Tensor::from_slice(&drawn(100))));
        let (beta1, beta2, eps) = (rule.beta1, rule.beta2, rule.epsilon);
        let adamw = nn::AdamW { beta1, beta2, wd: rule.weight_decay, eps, amsgrad: false };
        let mut optimizer = adamw.build(&store, rule.rate).expect("builds");
        let mut average = drawn(100);
        for step in 0..STEPS {
            let loss = (&params * Tensor::from_slice(&drawn(step))).sum(tch::Kind::Float);
            optimizer.zero_grad();
            loss.backward();
            optimizer.clip_grad_norm(rule.clip_norm);
            optimizer.step();
            let moved: Vec<f32> = values(&params.detach()).expect("reads");
            let keep = rule.average_decay as f32;
            let both = average.iter_mut().zip(moved);
            both.for_each(|(old, new)| *old = keep * *old + (1.0 - keep) * new);
        }
        (values(&params.detach()).expect("reads"), average)
    }

    #[test]
    fn spared_numbers_do_not_decay() {
        let spared = vec![0..3, 10..20, 30..NUMBERS];
        let (some, _) = ours(&Rule { spared: spared.clone(), ..RULE }, 2);
        let ((all, _), (none, _)) = (ours(&RULE, 2), ours(&Rule { weight_decay: 0.0, ..RULE }, 2));
        for at in 0..NUMBERS {
            let is_spared = spared.iter().any(|part| part.contains(&at));
            assert_eq!(some[at], if is_spared { none[at] } else { all[at] }, "{at}");
        }
    }

    #[test]
    fn five_steps_are_those_of_libtorch() {
        for rule in [
            RULE,
            Rule { clip_norm: 0.5, ..RULE },
            Rule { weight_decay: 0.0, beta2: 0.999, ..RULE },
            Rule { epsilon: 0.1, average_decay: 0.0, ..RULE },
        ] {
            let (one, expected) = (ours(&rule, 1), theirs(&rule));
            for (ours, theirs) in [(&one.0, &expected.0), (&one.1, &expected.1)] {
                let off = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
                let off = off.fold(0.0, f32::max);
                assert!(off < 2e-6, "{off} apart under {rule:?}");
            }
            assert!(one == ours(&rule, 3), "the number of threads changes a bit");
        }
    }

    #[test]
    fn numbers_at_rest_stay_as_they_are() {
        let (from, to) = (10, 20);
        let crew = Crew::new(1).expect("starts");
        let mut moments = Moments::new(&drawn(100)).expect("begins");
        let mut gradient = Gradient::of(to - from);
        let shard = Tensor::from_slice(&drawn(0)[from..to]);
        gradient.add(&[shard], &crew).expect("adds");
        moments.step(gradient, &Rule { active: from..to, ..RULE }, &crew).expect("steps");
        let (before, after) = (drawn(100), values(&moments.params).expect("reads"));
        for (at, (before, after)) in before.iter().zip(&after).enumerate() {
            assert_eq!(before != after, (from..to).contains(&at), "number {at}");
        }
    }
}
