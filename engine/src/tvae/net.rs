//! Encoder and decoder.
//!
//! Shapes: a row as the net sees it `rows × width`, latents `rows × latent`.

use tch::Tensor;

use super::config::TvaeConfig;
use crate::{
    learn::{
        flat::{Begin, Layout, Leaves, Slot},
        layers::Linear,
        torch::Torch,
    },
    modes::Part,
};

/// Deviations of where numbers stand in their modes begin here …
const DEVIATION_FIRST: f32 = 0.1;
/// … and stay within these.
const DEVIATIONS: (f64, f64) = (0.01, 1.0);

/// All parameters.
#[derive(Debug, Clone)]
pub(super) struct Net {
    pub layout: Layout,
    /// What a row consists of.
    pub parts: Vec<Part>,
    /// Numbers of a row.
    pub width: usize,
    encoder: Vec<Linear>,
    mean: Linear,
    spread: Linear,
    decoder: Vec<Linear>,
    answer: Linear,
    deviations: Slot,
}

impl Net {
    /// A net for rows of these parts.
    pub(super) fn new(parts: Vec<Part>, config: &TvaeConfig) -> Self {
        let mut layout = Layout::default();
        let width = parts.iter().map(|part| part.width()).sum();
        let mut chain = |name: &str, from: usize| {
            let mut inputs = from;
            let layer = |at: usize| {
                let layer = Linear::new(&mut layout, &format!("{name}.{at}"), inputs, config.width);
                inputs = config.width;
                layer
            };
            (0..config.layers).map(layer).collect::<Vec<Linear>>()
        };
        let (encoder, decoder) = (chain("encoder", width), chain("decoder", config.latent));
        let mean = Linear::new(&mut layout, "encoder.mean", config.width, config.latent);
        let spread = Linear::new(&mut layout, "encoder.spread", config.width, config.latent);
        let answer = Linear::new(&mut layout, "decoder.answer", config.width, width);
        let numbers = parts.iter().filter(|part| **part == Part::Number).count();
        let first = Begin::Values(vec![DEVIATION_FIRST; numbers]);
        let deviations = layout.add("decoder.deviations", &[numbers], first);
        Self { layout, parts, width, encoder, mean, spread, decoder, answer, deviations }
    }

    /// Mean and log variance of the latents of rows.
    pub(super) fn encode(&self, leaves: &Leaves, rows: &Tensor) -> Torch<(Tensor, Tensor)> {
        let h = through(&self.encoder, leaves, rows)?;
        Ok((self.mean.forward(leaves, &h)?, self.spread.forward(leaves, &h)?))
    }

    /// What latents say of rows.
    pub(super) fn decode(&self, leaves: &Leaves, latents: &Tensor) -> Torch<Tensor> {
        self.answer.forward(leaves, &through(&self.decoder, leaves, latents)?)
    }

    /// Deviation of each number.
    pub(super) fn deviations(&self, leaves: &Leaves) -> Torch<Tensor> {
        leaves.get(self.deviations).f_clamp(DEVIATIONS.0, DEVIATIONS.1)
    }
}

fn through(layers: &[Linear], leaves: &Leaves, x: &Tensor) -> Torch<Tensor> {
    let mut x = x.shallow_clone();
    for layer in layers {
        x = layer.forward(leaves, &x)?.f_relu()?;
    }
    Ok(x)
}
