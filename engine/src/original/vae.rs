//! The auto-encoder: one token per column, tiny transformers, and the wide denoiser of its tokens.
//!
//! Shapes: numbers `rows × numbers`, places `rows · heads`, tokens `rows × columns × token`.

use std::ops::Range;

use tch::{Kind, Tensor};

use super::config::OriginalConfig;
use crate::learn::{
    flat::{Begin, Layout, Leaves, Slot},
    layers::Linear,
    torch::Torch,
};

/// All parameters of both phases.
#[derive(Debug, Clone)]
pub(super) struct Nets {
    /// Auto-encoder, then denoiser.
    pub layout: Layout,
    /// Where the denoiser begins.
    pub denoiser_from: usize,
    /// Number tokens.
    pub numbers: usize,
    /// Levels of each head.
    pub heads: Vec<usize>,
    token: usize,
    scale: Slot,
    vectors: Slot,
    shift: Slot,
    mean: Transformer,
    spread: Transformer,
    decoder: Transformer,
    read_numbers: Slot,
    read_levels: Vec<Linear>,
    input: Linear,
    time: [Linear; 2],
    trunk: [Linear; 4],
    width: usize,
}

#[derive(Debug, Clone)]
struct Transformer {
    layers: Vec<Layer>,
}

#[derive(Debug, Clone)]
struct Layer {
    /// The first layer does not norm its input.
    before: Option<[Slot; 2]>,
    between: [Slot; 2],
    query: Linear,
    key: Linear,
    value: Linear,
    widen: Linear,
    narrow: Linear,
}

impl Nets {
    /// Nets for so many number tokens and heads of so many levels.
    pub(super) fn new(numbers: usize, heads: Vec<usize>, config: &OriginalConfig) -> Self {
        let mut layout = Layout::default();
        let (d, columns, levels) = (config.token, numbers + heads.len(), heads.iter().sum());
        let begin = Begin::linear(d);
        let scale = layout.add("tokens.scale", &[numbers, d], begin.clone());
        let vectors = layout.add("tokens.vectors", &[levels, d], begin.clone());
        let shift = layout.add("tokens.shift", &[columns, d], begin.clone());
        let mean = Transformer::new(&mut layout, "mean", config);
        let spread = Transformer::new(&mut layout, "spread", config);
        let decoder = Transformer::new(&mut layout, "decoder", config);
        let read_numbers = layout.add("read.numbers", &[numbers, d], begin);
        let read = |(at, levels): (usize, &usize)| {
            Linear::new(&mut layout, &format!("read.head.{at}"), d, *levels)
        };
        let read_levels = heads.iter().enumerate().map(read).collect();
        let denoiser_from = layout.len();
        let width = config.width;
        let mut linear = |name: &str, from, to| Linear::new(&mut layout, name, from, to);
        let input = linear("denoiser.input", columns * d, width);
        let time = [linear("time.0", width, width), linear("time.1", width, width)];
        let trunk = [
            linear("denoiser.0", width, 2 * width),
            linear("denoiser.1", 2 * width, 2 * width),
            linear("denoiser.2", 2 * width, width),
            linear("denoiser.3", width, columns * d),
        ];
        Self {
            layout,
            denoiser_from,
            numbers,
            heads,
            token: d,
            scale,
            vectors,
            shift,
            mean,
            spread,
            decoder,
            read_numbers,
            read_levels,
            input,
            time,
            trunk,
            width,
        }
    }

    /// Parameters of the auto-encoder.
    pub(super) fn encoder_part(&self) -> Range<usize> {
        0..self.denoiser_from
    }

    /// Numbers in the tokens of one row.
    pub(super) fn tokens(&self) -> usize {
        (self.numbers + self.heads.len()) * self.token
    }

    /// Mean and log variance of the tokens of rows.
    pub(super) fn encode(
        &self,
        leaves: &Leaves,
        numbers: Option<&Tensor>,
        places: Option<&Tensor>,
    ) -> Torch<(Tensor, Tensor)> {
        let d = self.token as i64;
        let mut parts = Vec::with_capacity(2);
        if let Some(numbers) = numbers {
            parts.push(numbers.f_unsqueeze(2)?.f_mul(leaves.get(self.scale))?);
        }
        if let Some(places) = places {
            let vectors = leaves.get(self.vectors).f_index_select(0, places)?;
            parts.push(vectors.f_view([-1, self.heads.len() as i64, d])?);
        }
        let x = Tensor::f_cat(&parts, 1)?.f_add(leaves.get(self.shift))?;
        Ok((self.mean.forward(leaves, &x)?, self.spread.forward(leaves, &x)?))
    }

    /// Numbers and logits of each head, from tokens.
    pub(super) fn decode(
        &self,
        leaves: &Leaves,
        tokens: &Tensor,
    ) -> Torch<(Option<Tensor>, Vec<Tensor>)> {
        let h = self.decoder.forward(leaves, tokens)?;
        let numbers = self.numbers as i64;
        let read =
            |at: usize| self.read_levels[at].forward(leaves, &h.f_select(1, numbers + at as i64)?);
        let logits = (0..self.heads.len()).map(read).collect::<Torch<_>>()?;
        if numbers == 0 {
            return Ok((None, logits));
        }
        let read = h.f_narrow(1, 0, numbers)?.f_mul(leaves.get(self.read_numbers))?;
        let read = read.f_sum_dim_intlist([2_i64].as_slice(), false, Kind::Float)?;
        Ok((Some(read), logits))
    }

    /// What a noise level adds in the denoiser; ln σ / 4 is `rows × 1`.
    pub(super) fn time(&self, leaves: &Leaves, quarter_log: &Tensor) -> Torch<Tensor> {
        let half = self.width / 2;
        #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
        let wave = |at: usize| libm::pow(1e-4, at as f64 / half as f64) as f32;
        let waves: Vec<f32> = (0..half).map(wave).collect();
        let angles = quarter_log.f_mul(&Tensor::f_from_slice(&waves)?.f_view([1, -1])?)?;
        let mut parts = vec![angles.f_sin()?, angles.f_cos()?];
        if self.width % 2 == 1 {
            parts.push(quarter_log.f_zeros_like()?);
        }
        let h = self.time[0].forward(leaves, &Tensor::f_cat(&parts, 1)?)?.f_silu()?;
        self.time[1].forward(leaves, &h)
    }

    /// The denoiser's answer; `rows × tokens` in and out.
    pub(super) fn denoise(&self, leaves: &Leaves, x: &Tensor, time: &Tensor) -> Torch<Tensor> {
        let mut h = self.input.forward(leaves, x)?.f_add(time)?;
        for (at, linear) in self.trunk.iter().enumerate() {
            h = linear.forward(leaves, &h)?;
            if at + 1 < self.trunk.len() {
                h = h.f_silu()?;
            }
        }
        Ok(h)
    }
}

impl Transformer {
    fn new(layout: &mut Layout, name: &str, config: &OriginalConfig) -> Self {
        let d = config.token;
        let layer = |at: usize| {
            let name = format!("{name}.{at}");
            let mut norm = |which: &str| {
                let gain = layout.add(format!("{name}.{which}.gain"), &[d], Begin::Ones);
                [gain, layout.add(format!("{name}.{which}.shift"), &[d], Begin::Zeros)]
            };
            let (before, between) = ((at > 0).then(|| norm("before")), norm("between"));
            let mut linear =
                |part: &str, from, to| Linear::new(layout, &format!("{name}.{part}"), from, to);
            Layer {
                before,
                between,
                query: linear("query", d, d),
                key: linear("key", d, d),
                value: linear("value", d, d),
                widen: linear("widen", d, config.feed_forward),
                narrow: linear("narrow", config.feed_forward, d),
            }
        };
        Self { layers: (0..config.layers).map(layer).collect() }
    }

    fn forward(&self, leaves: &Leaves, x: &Tensor) -> Torch<Tensor> {
        let mut x = x.shallow_clone();
        for layer in &self.layers {
            let seen = match layer.before {
                Some(norm) => normed(leaves, norm, &x)?,
                None => x.shallow_clone(),
            };
            let query = layer.query.forward(leaves, &seen)?;
            let key = layer.key.forward(leaves, &seen)?.f_transpose(1, 2)?;
            let width = query.size().last().copied().unwrap_or(1) as f64;
            let weights = query.f_matmul(&key)?.f_mul_scalar(1.0 / width.sqrt())?;
            let value = layer.value.forward(leaves, &seen)?;
            x = x.f_add(&weights.f_softmax(-1, None)?.f_matmul(&value)?)?;
            let wide = layer.widen.forward(leaves, &normed(leaves, layer.between, &x)?)?;
            x = x.f_add(&layer.narrow.forward(leaves, &wide.f_relu()?)?)?;
        }
        Ok(x)
    }
}

fn normed(leaves: &Leaves, [gain, shift]: [Slot; 2], x: &Tensor) -> Torch<Tensor> {
    let (gain, shift) = (leaves.get(gain), leaves.get(shift));
    x.f_layer_norm(gain.size(), Some(gain), Some(shift), 1e-5, false)
}
