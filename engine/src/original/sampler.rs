//! Noise to tokens by Heun's method (Karras et al., 2022), tokens to rows by the decoder.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use tgs_protocol::{chunk::ChunkNo, engine::EngineError, model::ModelName, report::Curve};

use super::{
    config::{BOUNDS, OriginalConfig},
    vae::Nets,
};
use crate::{
    constants,
    container::{self, Array, Container, FileKind},
    learn::{
        flat::Leaves,
        torch::{Torch, failed, matrix, use_threads, values},
    },
    model::Generator,
    random::{Purpose, Stream},
    tabgraph::{
        sampler::told,
        tokenizer::{Tokenizer, record::TokenizerRecord},
    },
    table::{Cells, Table},
};

const KIND: FileKind = FileKind::Model(ModelName::Original);
const SUB_BATCH_ROWS: usize = 500;

/// A trained model in memory.
#[derive(Debug, Clone)]
pub(super) struct OriginalSampler {
    /// Constants.
    pub config: OriginalConfig,
    /// Cells to numbers and back.
    pub tokenizer: Tokenizer,
    /// Auto-encoder and denoiser.
    pub nets: Nets,
    /// Their parameters.
    pub weights: Vec<f32>,
    /// Mean token of the training rows.
    pub centre: Vec<f32>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    config: OriginalConfig,
    tokenizer: TokenizerRecord,
    curves: Vec<Curve>,
}

/// The curves of a model file.
pub(super) fn curves(bytes: &[u8]) -> Result<Vec<Curve>, EngineError> {
    let file: Container<Record> = container::read(KIND, bytes)?;
    Ok(file.record.curves)
}

impl OriginalSampler {
    /// The bytes of a model.
    pub(super) fn write(&self, curves: Vec<Curve>) -> Result<Vec<u8>, EngineError> {
        let (tokenizer, mut arrays) = self.tokenizer.record();
        for (name, shape, range) in self.nets.layout.parts() {
            let weights = Array::shaped(&self.weights[range], shape);
            arrays.push((format!("nets.{name}"), weights));
        }
        arrays.push(("centre".to_owned(), Array::list(&self.centre)));
        let record = Record { config: self.config.clone(), tokenizer, curves };
        container::write(KIND, &record, arrays)
    }

    /// The model that [`Self::write`] wrote.
    pub(super) fn open(bytes: &[u8]) -> Result<Self, EngineError> {
        let mut file: Container<Record> = container::read(KIND, bytes)?;
        let config = file.record.config.clone();
        constants::check(&config, BOUNDS).map_err(|why| file.refuse(why))?;
        let record = file.record.tokenizer.clone();
        let tokenizer = record.open(&mut file, config.cells().normalisation)?;
        let heads = tokenizer.heads.iter().map(|head| head.meanings.len()).collect();
        let nets = Nets::new(tokenizer.scales.len(), heads, &config);
        let mut weights = Vec::with_capacity(nets.layout.len());
        for (name, _, range) in nets.layout.parts() {
            weights.extend(file.take_exactly::<f32>(&format!("nets.{name}"), range.len())?);
        }
        let centre = file.take_exactly("centre", nets.tokens())?;
        Ok(Self { config, tokenizer, nets, weights, centre })
    }

    /// Numbers (per token) and logits (per head) of a chunk.
    fn answer(&self, rows: usize, latents: &mut Stream) -> Torch<(Columns, Columns)> {
        let _guard = tch::no_grad_guard();
        let mut numbers = vec![Vec::with_capacity(rows); self.nets.numbers];
        let mut logits = vec![Vec::new(); self.nets.heads.len()];
        let width = self.nets.tokens();
        if width == 0 {
            return Ok((numbers, logits));
        }
        let flat = Tensor::f_from_slice(&self.weights)?;
        let (cut, end) = (self.nets.denoiser_from, self.weights.len());
        let encoder =
            self.nets.layout.split(&flat.f_narrow(0, 0, cut as i64)?, &self.nets.encoder_part())?;
        let denoiser = self
            .nets
            .layout
            .split(&flat.f_narrow(0, cut as i64, (end - cut) as i64)?, &(cut..end))?;
        let solver = Solver::new(self, &denoiser)?;
        let centre = Tensor::f_from_slice(&self.centre)?;
        let columns = (self.nets.numbers + self.nets.heads.len()) as i64;
        let mut done = 0;
        while done < rows {
            let count = SUB_BATCH_ROWS.min(rows - done);
            let mut noise = vec![0.0_f32; count * width];
            latents.fill_normal(&mut noise);
            let tokens = solver.solve(&matrix(&noise, width)?)?;
            let tokens = tokens.f_mul_scalar(2.0)?.f_add(&centre)?;
            let tokens = tokens.f_view([count as i64, columns, self.config.token as i64])?;
            let (read, heads) = self.nets.decode(&encoder, &tokens)?;
            if let Some(read) = read {
                for row in values(&read)?.chunks_exact(self.nets.numbers) {
                    row.iter().zip(&mut numbers).for_each(|(cell, column)| column.push(*cell));
                }
            }
            for (head, logits) in heads.iter().zip(&mut logits) {
                logits.extend(values(head)?);
            }
            done += count;
        }
        Ok((numbers, logits))
    }
}

/// One list per column.
type Columns = Vec<Vec<f32>>;

impl Generator for OriginalSampler {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        use_threads(1);
        let index = u64::from(chunk.0);
        let mut latents = Stream::new(seed, Purpose::SampleLatent, index);
        let (numbers, logits) =
            self.answer(rows, &mut latents).map_err(failed("sample a chunk"))?;
        let mut draws = Stream::new(seed, Purpose::SampleLevel, index);
        let heads = logits.into_iter().zip(&self.tokenizer.heads);
        let levels: Vec<Vec<u32>> =
            heads.map(|(logits, head)| told(logits, &head.shares(), &mut draws)).collect();
        let mut members = Stream::new(seed, Purpose::SampleNumber, index);
        let tokens = (&*numbers, &*levels);
        Ok(self.tokenizer.decode(rows, tokens, true, &mut members, (seed, chunk)))
    }

    fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        self.tokenizer.generated(seed, chunk, rows)
    }
}

struct Solver<'a> {
    model: &'a OriginalSampler,
    leaves: &'a Leaves,
    sigmas: Vec<f64>,
    times: Vec<Tensor>,
}

impl<'a> Solver<'a> {
    fn new(model: &'a OriginalSampler, leaves: &'a Leaves) -> Torch<Self> {
        let c = &model.config;
        let root = |sigma: f64| libm::pow(sigma, 1.0 / c.rho);
        let (first, last) = (root(c.sigma_max), root(c.sigma_min));
        let way = |at: usize| first + at as f64 / (c.solver_steps - 1) as f64 * (last - first);
        let sigmas: Vec<f64> = (0..c.solver_steps).map(|at| libm::pow(way(at), c.rho)).collect();
        let time = |sigma: &f64| {
            let device = (Kind::Float, tch::Device::Cpu);
            model.nets.time(leaves, &Tensor::f_full([1, 1], libm::log(*sigma) / 4.0, device)?)
        };
        let times = sigmas.iter().map(time).collect::<Torch<_>>()?;
        Ok(Self { model, leaves, sigmas, times })
    }

    fn solve(&self, noise: &Tensor) -> Torch<Tensor> {
        let mut x = noise.f_mul_scalar(self.sigmas[0])?;
        for (at, sigma) in self.sigmas.iter().enumerate() {
            let slope = self.slope(&x, at)?;
            let next = self.sigmas.get(at + 1).copied().unwrap_or(0.0);
            let ahead = x.f_add(&slope.f_mul_scalar(next - sigma)?)?;
            x = if next > 0.0 {
                let both = slope.f_add(&self.slope(&ahead, at + 1)?)?;
                x.f_add(&both.f_mul_scalar((next - sigma) / 2.0)?)?
            } else {
                ahead
            };
        }
        Ok(x)
    }

    /// (x − denoised) / σ.
    fn slope(&self, x: &Tensor, at: usize) -> Torch<Tensor> {
        let (sigma, data) = (self.sigmas[at], self.model.config.sigma_data);
        let square = sigma * sigma + data * data;
        let input = x.f_mul_scalar(1.0 / square.sqrt())?;
        let answer = self.model.nets.denoise(self.leaves, &input, &self.times[at])?;
        let kept = x.f_mul_scalar(data * data / square)?;
        let clean = kept.f_add(&answer.f_mul_scalar(sigma * data / square.sqrt())?)?;
        x.f_sub(&clean)?.f_mul_scalar(1.0 / sigma)
    }
}
