//! Which bits this machine computes: the digest of a fixed small training.
//!
//! Processors of different families sum matrix products in different orders, and another number of
//! threads may. A node measures its class once per number of threads; a job goes on where the class
//! is equal.

use tch::{Kind, Tensor};
use tgs_protocol::{
    digest::Digest,
    engine::{EngineError, NumericsClass},
};

use super::{
    adamw::{Gradient, Moments, Rule},
    crew::Crew,
    flat::{Begin, Layout, Leaves, Slot},
    torch::{Torch, failed, matrix, values},
};
use crate::random::{Purpose, Stream};

const SEED: u64 = 1;
const STEPS: u64 = 6;
/// Rows of a shard.
const ROWS: usize = 256;
const SHARDS: u64 = 4;
/// Inputs, width, inner width: the shapes of the flagship's denoiser.
const SHAPE: [usize; 3] = [120, 256, 512];

/// Environment variables that MKL, oneDNN and libtorch itself ask before their first kernel. With
/// them a process computes by AVX2 kernels even where there are better ones: the same bits on
/// processors with and without AVX-512, at about two thirds of the speed.
pub const PORTABLE: [(&str, &str); 3] =
    [("MKL_CBWR", "AVX2"), ("ONEDNN_MAX_CPU_ISA", "AVX2"), ("ATEN_CPU_CAPABILITY", "avx2")];

/// Measures which bits this machine computes with so many threads.
///
/// # Errors
/// `DeviceFailed` or `OutOfMemory` when the small training itself fails.
pub fn numerics_class(threads: u32) -> Result<NumericsClass, EngineError> {
    let numbers = train(threads)?;
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Ok(NumericsClass(format!("cpu-{}", &Digest::of(&bytes).short())))
}

#[derive(Clone)]
struct Net {
    first: [Slot; 2],
    norm: [Slot; 2],
    up: [Slot; 2],
    down: [Slot; 2],
    last: [Slot; 2],
}

fn train(threads: u32) -> Result<Vec<f32>, EngineError> {
    let act = failed("measure the numerics class");
    let crew = Crew::new(threads)?;
    let (layout, net) = build();
    let mut moments = Moments::new(&layout.first_values(SEED)).map_err(&act)?;
    let mut rule = Rule {
        active: 0..layout.len(),
        rate: 2e-3,
        beta1: 0.9,
        beta2: 0.99,
        epsilon: 1e-8,
        weight_decay: 1e-5,
        spared: vec![],
        clip_norm: 1.0,
        average_decay: 0.9,
        age: 0,
    };
    for step in 0..STEPS {
        rule.age = step;
        let shards = (0..SHARDS).map(|shard| {
            let (layout, net, flat) = (layout.clone(), net.clone(), moments.params.shallow_clone());
            move || gradient(&layout, &net, &flat, step * SHARDS + shard)
        });
        let gradients = crew.run(shards)?.into_iter().collect::<Torch<Vec<_>>>().map_err(&act)?;
        let mut gradient = Gradient::of(rule.active.len());
        gradient.add(&gradients, &crew)?;
        moments.step(gradient, &rule, &crew)?;
    }
    let mut numbers = values(&moments.params).map_err(&act)?;
    numbers.extend(values(&moments.average).map_err(&act)?);
    Ok(numbers)
}

fn gradient(layout: &Layout, net: &Net, flat: &Tensor, index: u64) -> Torch<Tensor> {
    let mut rows = vec![0.0_f32; ROWS * SHAPE[0]];
    Stream::new(SEED, Purpose::TrainNoise, index).fill_normal(&mut rows);
    let rows = matrix(&rows, SHAPE[0])?;
    let leaf = flat.f_detach()?.f_set_requires_grad(true)?;
    let loss = net.loss(&layout.split(&leaf, &(0..layout.len()))?, &rows)?;
    let mut gradient = Tensor::f_run_backward(&[&loss], &[&leaf], false, false)?;
    Ok(gradient.pop().unwrap_or_default())
}

fn build() -> (Layout, Net) {
    let mut layout = Layout::default();
    let [inputs, width, inner] = SHAPE;
    let mut linear = |from, to| {
        let weight = layout.add("weight", &[to, from], Begin::linear(from));
        [weight, layout.add("bias", &[to], Begin::linear(from))]
    };
    let (first, up, down) = (linear(inputs, width), linear(width, inner), linear(inner, width));
    let last = linear(width, inputs);
    let norm =
        [layout.add("norm", &[width], Begin::Ones), layout.add("norm", &[width], Begin::Zeros)];
    (layout, Net { first, norm, up, down, last })
}

impl Net {
    /// Error of rebuilding the rows and the surprise of their largest cell: every kernel of a step.
    fn loss(&self, leaves: &Leaves, rows: &Tensor) -> Torch<Tensor> {
        let linear = |x: &Tensor, [weight, bias]: [Slot; 2]| {
            x.f_linear(leaves.get(weight), Some(leaves.get(bias)))
        };
        let wave = rows.f_sin()?.f_add(&rows.f_cos()?)?.f_mul_scalar(0.1)?;
        let h = linear(&rows.f_add(&wave)?, self.first)?;
        let [gain, shift] = self.norm.map(|slot| leaves.get(slot));
        let size = [SHAPE[1] as i64];
        let inner = h.f_layer_norm(size, Some(gain), Some(shift), 1e-5, false)?;
        let inner = linear(&linear(&inner, self.up)?.f_silu()?, self.down)?;
        let out = linear(&h.f_add(&inner)?, self.last)?;
        let surprise = out.f_log_softmax(1, Kind::Float)?;
        let largest = rows.f_argmax(1, true)?;
        let surprise = surprise.f_gather(1, &largest, false)?.f_mean(Kind::Float)?;
        out.f_sub(rows)?.f_square()?.f_mean(Kind::Float)?.f_sub(&surprise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_is_stable_beside_other_threads() {
        let one = numerics_class(1).expect("measures");
        std::thread::scope(|scope| {
            let busy = scope.spawn(|| numerics_class(2).expect("measures"));
            let again = scope.spawn(|| numerics_class(1).expect("measures"));
            assert_eq!(again.join().expect("ends"), one);
            let two = busy.join().expect("ends");
            assert_eq!(numerics_class(2).expect("measures"), two);
        });
    }
}
