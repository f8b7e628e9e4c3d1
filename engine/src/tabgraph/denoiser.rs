//! The net: noisy tokens of a row in, clean number tokens and logits of levels out.
//!
//! Shapes: features `rows × inputs`, time `rows or 1 × width`, answer `rows × (numbers + levels)`.
//! `mlp` is a row of pre-norm residual blocks of one width; `unet` narrows by half at each level
//! and widens again, with the wide side concatenated (after Ronneberger et al., 2015).

mod row;

use tch::Tensor;

use super::config::{DenoiserShape, TabgraphConfig};
use crate::learn::{
    flat::{Begin, Layout, Leaves, Slot},
    layers::{Block, Linear},
    torch::Torch,
};

const TIME_WAVES: usize = 32;

/// The net's shape and where its parameters lie.
#[derive(Debug, Clone)]
pub(super) struct Denoiser {
    /// All parameters.
    pub layout: Layout,
    /// Number tokens.
    pub numbers: usize,
    /// Levels of each head.
    pub heads: Vec<usize>,
    embedding: usize,
    octaves: usize,
    self_conditioning: bool,
    vectors: Slot,
    input: Linear,
    time: [Linear; 2],
    trunk: Trunk,
    output: Linear,
}

#[derive(Debug, Clone)]
enum Trunk {
    Mlp(Vec<Block>),
    Unet { down: Vec<(Block, Linear)>, middle: Block, up: Vec<(Linear, Linear, Block)> },
}

/// Noisy tokens, already divided by √(1 + σ²).
#[derive(Debug)]
pub(super) struct Noisy<'a> {
    /// `rows × numbers`.
    pub numbers: Option<&'a Tensor>,
    /// `rows × heads · embedding`.
    pub categories: Option<&'a Tensor>,
    /// The last answer as tokens, `rows × (numbers + heads · embedding)`, for self-conditioning.
    pub last: Option<&'a Tensor>,
}

impl Denoiser {
    /// A net for so many number tokens and heads of these shares (the first answer of the logits).
    pub(super) fn new(numbers: usize, shares: &[Vec<f64>], config: &TabgraphConfig) -> Self {
        let mut layout = Layout::default();
        let heads: Vec<usize> = shares.iter().map(Vec::len).collect();
        let levels: usize = heads.iter().sum();
        let tokens = numbers + heads.len() * config.embedding;
        let inputs =
            tokens * if config.self_conditioning { 2 } else { 1 } + 2 * numbers * config.octaves;
        let width = config.width;
        let vectors = layout.add("embedding", &[levels, config.embedding], Begin::Normal);
        let input = Linear::new(&mut layout, "input", inputs, width);
        let time = [
            Linear::new(&mut layout, "time.0", 2 * TIME_WAVES, width),
            Linear::new(&mut layout, "time.1", width, width),
        ];
        let trunk = Trunk::new(&mut layout, config);
        let mut bias = vec![0.0_f32; numbers];
        #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
        bias.extend(shares.iter().flatten().map(|share| libm::log(share + 1e-8) as f32));
        let output = Linear {
            weight: layout.add("output.weight", &[numbers + levels, width], Begin::Zeros),
            bias: layout.add("output.bias", &[numbers + levels], Begin::Values(bias)),
        };
        let (embedding, octaves) = (config.embedding, config.octaves);
        let self_conditioning = config.self_conditioning;
        Self {
            layout,
            numbers,
            heads,
            embedding,
            octaves,
            self_conditioning,
            vectors,
            input,
            time,
            trunk,
            output,
        }
    }

    /// Numbers in the tokens of one row.
    pub(super) fn tokens(&self) -> usize {
        self.numbers + self.heads.len() * self.embedding
    }

    /// The embeddings of all levels, on the sphere of radius √embedding; `levels × embedding`.
    pub(super) fn table(&self, leaves: &Leaves) -> Torch<Tensor> {
        let vectors = leaves.get(self.vectors);
        let square = vectors.f_square()?.f_sum_dim_intlist([1_i64].as_slice(), true, None)?;
        let length = square.f_add_scalar(1e-12)?.f_rsqrt()?;
        vectors.f_mul(&length.f_mul_scalar((self.embedding as f64).sqrt())?)
    }

    /// What noise level adds to the trunk; ln σ is `rows × 1`, or `1 × 1` for all rows at once.
    pub(super) fn time(&self, leaves: &Leaves, log_sigma: &Tensor) -> Torch<Tensor> {
        let wave =
            |at: usize| libm::exp(at as f64 / (TIME_WAVES - 1) as f64 * libm::log(1000.0)) / 4.0;
        #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
        let waves: Vec<f32> = (0..TIME_WAVES).map(|at| wave(at) as f32).collect();
        let angles = log_sigma.f_mul(&Tensor::f_from_slice(&waves)?.f_view([1, -1])?)?;
        let waves = Tensor::f_cat(&[angles.f_sin()?, angles.f_cos()?], 1)?;
        self.time[1].forward(leaves, &self.time[0].forward(leaves, &waves)?.f_silu()?)
    }

    /// The answer for noisy tokens. `masks`: inner activations to keep, one per block.
    pub(super) fn forward(
        &self,
        leaves: &Leaves,
        noisy: &Noisy<'_>,
        time: &Tensor,
        masks: &[Tensor],
    ) -> Torch<Tensor> {
        let features = self.features(noisy)?;
        let h = self.input.forward(leaves, &features)?.f_add(time)?;
        let h = self.trunk.forward(leaves, h, masks)?;
        self.output.forward(leaves, &h)
    }

    /// The clean tokens that an answer means: numbers, then expected embeddings. `noisy`: number
    /// tokens over √(1 + σ²); `shrink`: 1 / √(1 + σ²) and `grow`: σ / √(1 + σ²), one for all rows
    /// or `rows × 1`.
    pub(super) fn clean(
        &self,
        answer: &Tensor,
        noisy: Option<&Tensor>,
        (shrink, grow): (&Tensor, &Tensor),
        table: &Tensor,
    ) -> Torch<Tensor> {
        let pieces = self.pieces(answer)?;
        let mut parts = Vec::with_capacity(pieces.len());
        if let Some(noisy) = noisy {
            parts.push(noisy.f_mul(shrink)?.f_addcmul(&pieces[0], grow)?);
        }
        let mut begins = 0;
        for (logits, levels) in pieces[1..].iter().zip(&self.heads) {
            let vectors = table.f_narrow(0, begins, *levels as i64)?;
            parts.push(logits.f_softmax(1, None)?.f_mm(&vectors)?);
            begins += *levels as i64;
        }
        Tensor::f_cat(&parts, 1)
    }

    /// Number outputs, then the logits of each head.
    pub(super) fn pieces(&self, answer: &Tensor) -> Torch<Vec<Tensor>> {
        let sizes = std::iter::once(self.numbers).chain(self.heads.iter().copied());
        let sizes: Vec<i64> = sizes.map(|size| size as i64).collect();
        answer.f_split_with_sizes(sizes, 1)
    }

    /// Inner width of each block, in the order in which masks are used.
    pub(super) fn inner_widths(&self) -> Vec<usize> {
        match &self.trunk {
            Trunk::Mlp(blocks) => blocks.iter().map(|block| block.inner).collect(),
            Trunk::Unet { down, middle, up } => down
                .iter()
                .map(|(block, _)| block.inner)
                .chain([middle.inner])
                .chain(up.iter().map(|(_, _, block)| block.inner))
                .collect(),
        }
    }

    /// What a number is multiplied with before its sine and cosine of an octave.
    fn turns(octave: usize) -> f64 {
        f64::from(1_u32 << octave.min(31)) * std::f64::consts::FRAC_PI_4
    }

    fn features(&self, noisy: &Noisy<'_>) -> Torch<Tensor> {
        let mut parts: Vec<Tensor> = Vec::new();
        parts.extend(noisy.numbers.map(Tensor::shallow_clone));
        parts.extend(noisy.categories.map(Tensor::shallow_clone));
        if let Some(numbers) = noisy.numbers {
            for octave in 0..self.octaves {
                let angle = numbers.f_mul_scalar(Self::turns(octave))?;
                parts.push(angle.f_sin()?);
                parts.push(angle.f_cos()?);
            }
        }
        if self.self_conditioning {
            let rows = parts.first().map_or(0, |part| part.size().first().copied().unwrap_or(0));
            parts.push(match noisy.last {
                Some(last) => last.shallow_clone(),
                None => Tensor::f_zeros(
                    [rows, self.tokens() as i64],
                    (tch::Kind::Float, tch::Device::Cpu),
                )?,
            });
        }
        Tensor::f_cat(&parts, 1)
    }
}

impl Trunk {
    fn new(layout: &mut Layout, config: &TabgraphConfig) -> Self {
        let block = |layout: &mut Layout, name: &str, width: usize| {
            Block::new(layout, name, width, width * config.expansion)
        };
        match config.denoiser {
            DenoiserShape::Mlp => Self::Mlp(
                (0..config.blocks)
                    .map(|at| block(layout, &format!("block.{at}"), config.width))
                    .collect(),
            ),
            DenoiserShape::Unet => {
                let width = |level: usize| (config.width >> level.min(31)).max(16);
                let down = (0..config.blocks).map(|level| {
                    let wide = block(layout, &format!("down.{level}.block"), width(level));
                    let name = format!("down.{level}.narrow");
                    (wide, Linear::new(layout, &name, width(level), width(level + 1)))
                });
                let down = down.collect();
                let middle = block(layout, "middle", width(config.blocks));
                let up = (0..config.blocks).rev().map(|level| {
                    let (from, to) = (width(level + 1), width(level));
                    let widen = Linear::new(layout, &format!("up.{level}.widen"), from, to);
                    let join = Linear::new(layout, &format!("up.{level}.join"), 2 * to, to);
                    (widen, join, block(layout, &format!("up.{level}.block"), to))
                });
                let up = up.collect();
                Self::Unet { down, middle, up }
            }
        }
    }

    fn forward(&self, leaves: &Leaves, mut h: Tensor, masks: &[Tensor]) -> Torch<Tensor> {
        let mut masks = masks.iter();
        match self {
            Self::Mlp(blocks) => {
                for block in blocks {
                    h = block.forward(leaves, &h, masks.next())?;
                }
            }
            Self::Unet { down, middle, up } => {
                let mut skips = Vec::with_capacity(down.len());
                for (block, narrow) in down {
                    let wide = block.forward(leaves, &h, masks.next())?;
                    h = narrow.forward(leaves, &wide)?;
                    skips.push(wide);
                }
                h = middle.forward(leaves, &h, masks.next())?;
                for (widen, join, block) in up {
                    h = widen.forward(leaves, &h)?;
                    if let Some(skip) = skips.pop() {
                        let both = Tensor::f_cat(&[&h, &skip], 1)?;
                        h = skip.f_add(&join.forward(leaves, &both)?)?;
                    }
                    h = block.forward(leaves, &h, masks.next())?;
                }
            }
        }
        Ok(h)
    }
}
