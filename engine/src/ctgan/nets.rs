//! Generator and critic.
//!
//! Shapes: noise and condition `rows × (latent + condition)`, a row as a net sees it
//! `rows × width`, a pack of rows with their conditions `packs × pack · (width + condition)`.

use std::ops::Range;

use tch::{Kind, Tensor};

use super::config::CtganConfig;
use crate::{
    learn::{
        flat::{Begin, Layout, Leaves, Slot},
        layers::Linear,
        torch::Torch,
    },
    modes::Part,
};

/// Keeps the norm of equal numbers from a division by zero.
const NORM_EPSILON: f64 = 1e-5;
/// Slope of the critic's activation below zero.
const LEAK: f64 = 0.2;

/// All parameters of both nets.
#[derive(Debug, Clone)]
pub(super) struct Nets {
    /// Generator, then critic.
    pub layout: Layout,
    /// Where the critic begins.
    pub critic_from: usize,
    /// What a row consists of.
    pub parts: Vec<Part>,
    /// Numbers of a row.
    pub width: usize,
    /// Levels of all heads together: a condition is one of them.
    pub condition: usize,
    pack: usize,
    temperature: f64,
    layers: Vec<Layer>,
    answer: Linear,
    critic: Vec<Linear>,
    verdict: Linear,
}

/// norm(xW + b), what is negative cut, beside x (a residual layer of the paper).
#[derive(Debug, Clone)]
struct Layer {
    linear: Linear,
    gain: Slot,
    shift: Slot,
}

/// Mean and variance that each number of a layer is normed by when rows are drawn.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
}

impl Nets {
    /// Nets for rows of these parts and conditions of so many levels.
    pub(super) fn new(parts: Vec<Part>, condition: usize, config: &CtganConfig) -> Self {
        let mut layout = Layout::default();
        let width = parts.iter().map(|part| part.width()).sum();
        let mut given = config.latent + condition;
        let layers = (0..config.layers).map(|at| {
            let name = format!("generator.{at}");
            let layer = Layer {
                linear: Linear::new(&mut layout, &name, given, config.width),
                gain: layout.add(format!("{name}.norm.gain"), &[config.width], Begin::Ones),
                shift: layout.add(format!("{name}.norm.shift"), &[config.width], Begin::Zeros),
            };
            given += config.width;
            layer
        });
        let layers = layers.collect();
        let answer = Linear::new(&mut layout, "generator.answer", given, width);
        let critic_from = layout.len();
        let mut seen = config.pack * (width + condition);
        let critic = (0..config.critic_layers).map(|at| {
            let name = format!("critic.{at}");
            let linear = Linear::new(&mut layout, &name, seen, config.critic_width);
            seen = config.critic_width;
            linear
        });
        let critic = critic.collect();
        let verdict = Linear::new(&mut layout, "critic.verdict", seen, 1);
        let (pack, temperature) = (config.pack, config.temperature);
        Self {
            layout,
            critic_from,
            parts,
            width,
            condition,
            pack,
            temperature,
            layers,
            answer,
            critic,
            verdict,
        }
    }

    /// Parameters of the generator.
    pub(super) fn generator_part(&self) -> Range<usize> {
        0..self.critic_from
    }

    /// Names, shapes and places of the generator's parameters.
    pub(super) fn generator(&self) -> impl Iterator<Item = (&str, Vec<usize>, Range<usize>)> {
        self.layout.parts().take_while(|(_, _, place)| place.end <= self.critic_from)
    }

    /// Layers of the generator whose numbers are normed.
    pub(super) fn norms(&self) -> usize {
        self.layers.len()
    }

    /// What the generator makes of noise and conditions, before it becomes a row; every layer is
    /// normed by the rows themselves, or by what `norms` says.
    pub(super) fn raw(
        &self,
        leaves: &Leaves,
        given: &Tensor,
        norms: Option<&[Norm]>,
    ) -> Torch<Tensor> {
        let mut x = given.shallow_clone();
        for (at, layer) in self.layers.iter().enumerate() {
            let norm = norms.and_then(|norms| norms.get(at));
            x = layer.forward(leaves, &x, norm)?;
        }
        self.answer.forward(leaves, &x)
    }

    /// The numbers of the first layer that `norms` does not speak of, before they are normed.
    pub(super) fn unnormed(
        &self,
        leaves: &Leaves,
        given: &Tensor,
        norms: &[Norm],
    ) -> Torch<Tensor> {
        let mut x = given.shallow_clone();
        for (layer, norm) in self.layers.iter().zip(norms) {
            x = layer.forward(leaves, &x, Some(norm))?;
        }
        self.layers[norms.len()].linear.forward(leaves, &x)
    }

    /// The rows of an answer: numbers within ±1, levels almost one or zero, by Gumbel noise (Jang
    /// et al., 2017; Maddison et al., 2017). `places`: uniform in (0, 1), as many as the answer.
    pub(super) fn rows(&self, raw: &Tensor, places: &Tensor) -> Torch<Tensor> {
        let noise = places.f_clamp(1e-7, 1.0 - 1e-7)?.f_log()?.f_neg()?.f_log()?.f_neg()?;
        let noisy = raw.f_add(&noise)?.f_mul_scalar(1.0 / self.temperature)?;
        let (mut from, mut rows) = (0, Vec::with_capacity(self.parts.len()));
        for part in &self.parts {
            let width = part.width() as i64;
            rows.push(match part {
                Part::Number => raw.f_narrow(1, from, width)?.f_tanh()?,
                Part::Odds(_) => noisy.f_narrow(1, from, width)?.f_softmax(-1, Kind::Float)?,
            });
            from += width;
        }
        Tensor::f_cat(&rows, 1)
    }

    /// The critic's verdict on packs of rows with their conditions; `masks`: of each layer.
    pub(super) fn verdict(
        &self,
        leaves: &Leaves,
        rows: &Tensor,
        masks: &[Option<Tensor>],
    ) -> Torch<Tensor> {
        let seen = (self.pack * (self.width + self.condition)) as i64;
        let mut x = rows.f_view([-1, seen])?;
        for (linear, mask) in self.critic.iter().zip(masks) {
            let h = linear.forward(leaves, &x)?;
            x = h.f_relu()?.f_mul_scalar(1.0 - LEAK)?.f_add(&h.f_mul_scalar(LEAK)?)?;
            if let Some(mask) = mask {
                x = x.f_mul(mask)?;
            }
        }
        self.verdict.forward(leaves, &x)
    }
}

impl Layer {
    fn forward(&self, leaves: &Leaves, x: &Tensor, norm: Option<&Norm>) -> Torch<Tensor> {
        let h = self.linear.forward(leaves, x)?;
        let tensor = |numbers: &Vec<f32>| Tensor::f_from_slice(numbers);
        let mean = norm.map(|norm| tensor(&norm.mean)).transpose()?;
        let variance = norm.map(|norm| tensor(&norm.variance)).transpose()?;
        let (gain, shift) = (Some(leaves.get(self.gain)), Some(leaves.get(self.shift)));
        let kept = (mean.as_ref(), variance.as_ref());
        let by_rows = norm.is_none();
        let h = h.f_batch_norm(gain, shift, kept.0, kept.1, by_rows, 0.0, NORM_EPSILON, false)?;
        Tensor::f_cat(&[h.f_relu()?, x.shallow_clone()], 1)
    }
}
