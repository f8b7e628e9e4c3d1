//! Rows of an opened model, each under a condition drawn by how frequent it is.

use serde::{Deserialize, Serialize};
use tch::{Reduction, Tensor};
use tgs_protocol::{chunk::ChunkNo, engine::EngineError, model::ModelName, report::Curve};

use super::{
    config::{BOUNDS, CtganConfig},
    nets::{Nets, Norm},
};
use crate::{
    constants,
    container::{self, Array, Container, FileKind},
    learn::{
        flat::Leaves,
        torch::{Torch, failed, matrix, use_threads, values},
    },
    model::Generator,
    modes::{Answer, ModeCoder},
    random::{Purpose, Stream},
    tabgraph::tokenizer::record::TokenizerRecord,
    table::{Cells, Table},
};

const KIND: FileKind = FileKind::Model(ModelName::Ctgan);
const SUB_BATCH_ROWS: usize = 500;
/// A target that is not asked for.
const UNASKED: i64 = -100;

/// A trained model in memory.
pub(super) struct CtganSampler {
    /// Constants.
    pub config: CtganConfig,
    /// Cells to rows of numbers and back.
    pub coder: ModeCoder,
    /// Of which the generator is used.
    pub nets: Nets,
    /// Its parameters.
    pub weights: Vec<f32>,
    /// What its layers are normed by.
    pub norms: Vec<Norm>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    config: CtganConfig,
    tokenizer: TokenizerRecord,
    curves: Vec<Curve>,
}

/// The curves of a model file.
pub(super) fn curves(bytes: &[u8]) -> Result<Vec<Curve>, EngineError> {
    let file: Container<Record> = container::read(KIND, bytes)?;
    Ok(file.record.curves)
}

/// Conditions: one level of one head.
#[derive(Debug, Clone)]
pub(super) struct Conditions {
    heads: Vec<Shares>,
}

/// The levels of a head.
#[derive(Debug, Clone)]
struct Shares {
    /// Training rows of this level and of those before it.
    rows: Vec<f64>,
    /// The logarithm of the rows of each, summed up likewise.
    logarithms: Vec<f64>,
}

impl CtganSampler {
    /// The bytes of a model.
    pub(super) fn write(&self, curves: Vec<Curve>) -> Result<Vec<u8>, EngineError> {
        let (tokenizer, mut arrays) = self.coder.record();
        for (name, shape, range) in self.nets.generator() {
            arrays.push((format!("net.{name}"), Array::shaped(&self.weights[range], shape)));
        }
        for (at, norm) in self.norms.iter().enumerate() {
            arrays.push((format!("norm.{at}.mean"), Array::list(&norm.mean)));
            arrays.push((format!("norm.{at}.variance"), Array::list(&norm.variance)));
        }
        let record = Record { config: self.config.clone(), tokenizer, curves };
        container::write(KIND, &record, arrays)
    }

    /// The model that [`Self::write`] wrote.
    pub(super) fn open(bytes: &[u8]) -> Result<Self, EngineError> {
        let mut file: Container<Record> = container::read(KIND, bytes)?;
        let config = file.record.config.clone();
        constants::check(&config, BOUNDS).map_err(|why| file.refuse(why))?;
        let record = file.record.tokenizer.clone();
        let coder = ModeCoder::open(&record, &mut file)?;
        let nets = Nets::new(coder.parts(), Conditions::of(&coder).width(), &config);
        let mut weights = Vec::with_capacity(nets.critic_from);
        for (name, _, range) in nets.generator() {
            weights.extend(file.take_exactly::<f32>(&format!("net.{name}"), range.len())?);
        }
        let mut norms = Vec::new();
        for at in 0..if nets.width > 0 { nets.norms() } else { 0 } {
            let mut take = |what| file.take_exactly(&format!("norm.{at}.{what}"), config.width);
            norms.push(Norm { mean: take("mean")?, variance: take("variance")? });
        }
        Ok(Self { config, coder, nets, weights, norms })
    }

    /// The generator's parameters.
    pub(super) fn leaves(nets: &Nets, weights: &[f32]) -> Torch<Leaves> {
        nets.layout.split(&Tensor::f_from_slice(weights)?, &nets.generator_part())
    }

    fn answer(&self, rows: usize, latents: &mut Stream) -> Torch<Answer> {
        let _guard = tch::no_grad_guard();
        let mut answer = Answer::new(self.nets.parts.clone());
        if self.nets.width == 0 {
            return Ok(answer);
        }
        let leaves = Self::leaves(&self.nets, &self.weights)?;
        let conditions = Conditions::of(&self.coder);
        let mut done = 0;
        while done < rows {
            let count = SUB_BATCH_ROWS.min(rows - done);
            let given = conditions.drawn(latents, count, self.config.latent)?;
            answer.add(&values(&self.nets.raw(&leaves, &given, Some(&self.norms))?)?);
            done += count;
        }
        Ok(answer)
    }
}

impl Generator for CtganSampler {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        use_threads(1);
        let mut latents = Stream::new(seed, Purpose::SampleLatent, u64::from(chunk.0));
        let answer = self.answer(rows, &mut latents).map_err(failed("sample a chunk"))?;
        Ok(self.coder.table(rows, answer, (seed, chunk)))
    }

    fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        self.coder.generated(seed, chunk, rows)
    }
}

impl Conditions {
    /// On the levels of a table.
    pub(super) fn of(coder: &ModeCoder) -> Self {
        let summed = |numbers: &mut dyn Iterator<Item = f64>| {
            let sums = numbers.scan(0.0, |sum, number| {
                *sum += number;
                Some(*sum)
            });
            sums.collect::<Vec<f64>>()
        };
        let shares = |rows: &Vec<u64>| Shares {
            rows: summed(&mut rows.iter().map(|rows| *rows as f64)),
            logarithms: summed(&mut rows.iter().map(|rows| libm::log1p(*rows as f64))),
        };
        Self { heads: coder.tokenizer.heads.iter().map(|head| shares(&head.rows)).collect() }
    }

    /// Levels of all heads.
    pub(super) fn width(&self) -> usize {
        self.heads.iter().map(|head| head.rows.len()).sum()
    }

    /// One for each row: any head, and a level of it by the logarithm of how frequent it is.
    pub(super) fn rarely(&self, stream: &mut Stream, rows: usize) -> Vec<Option<(usize, usize)>> {
        (0..rows).map(|_| self.one(stream, |head| &head.logarithms)).collect()
    }

    fn one(
        &self,
        stream: &mut Stream,
        by: impl Fn(&Shares) -> &Vec<f64>,
    ) -> Option<(usize, usize)> {
        let heads = u64::try_from(self.heads.len()).unwrap_or(0);
        let head = usize::try_from((heads > 0).then(|| stream.below(heads))?).ok()?;
        let below = by(&self.heads[head]);
        let place = stream.uniform() * below.last()?;
        Some((head, below.partition_point(|sum| *sum <= place).min(below.len() - 1)))
    }

    /// A one where the condition of each row stands; none where there are no heads.
    pub(super) fn matrix(&self, asked: &[Option<(usize, usize)>]) -> Torch<Option<Tensor>> {
        let width = self.width();
        if width == 0 {
            return Ok(None);
        }
        let mut ones = vec![0.0_f32; asked.len() * width];
        for (row, asked) in ones.chunks_exact_mut(width).zip(asked) {
            if let Some((head, level)) = asked {
                let before: usize = self.heads[..*head].iter().map(|head| head.rows.len()).sum();
                row[before + level] = 1.0;
            }
        }
        matrix(&ones, width).map(Some)
    }

    /// Noise, rows × latent, beside these conditions.
    pub(super) fn beside(&self, noise: &[f32], asked: &[Option<(usize, usize)>]) -> Torch<Tensor> {
        let noise = matrix(noise, noise.len() / asked.len().max(1))?;
        match self.matrix(asked)? {
            Some(asked) => Tensor::f_cat(&[noise, asked], 1),
            None => Ok(noise),
        }
    }

    /// What rows are drawn from: noise, beside conditions as frequent as in the training table.
    pub(super) fn drawn(&self, stream: &mut Stream, rows: usize, latent: usize) -> Torch<Tensor> {
        let asked: Vec<_> = (0..rows).map(|_| self.one(stream, |head| &head.rows)).collect();
        let mut noise = vec![0.0_f32; rows * latent];
        stream.fill_normal(&mut noise);
        self.beside(&noise, &asked)
    }

    /// How much the levels that were asked for surprise the answer, over the rows.
    pub(super) fn missed(
        &self,
        raw: &Tensor,
        asked: &[Option<(usize, usize)>],
    ) -> Torch<Option<Tensor>> {
        let mut terms = vec![];
        let (mut at, none) = (raw.size2()?.1 - self.width() as i64, None::<&Tensor>);
        for (head, shares) in self.heads.iter().enumerate() {
            let levels = shares.rows.len() as i64;
            let wanted = |asked: &Option<(usize, usize)>| match asked {
                Some((of, level)) if *of == head => *level as i64,
                _ => UNASKED,
            };
            let wanted: Vec<i64> = asked.iter().map(wanted).collect();
            let (logits, wanted) = (raw.f_narrow(1, at, levels)?, Tensor::f_from_slice(&wanted)?);
            terms.push(logits.f_cross_entropy_loss(&wanted, none, Reduction::Sum, UNASKED, 0.0)?);
            at += levels;
        }
        if terms.is_empty() {
            return Ok(None);
        }
        let sum = Tensor::f_stack(&terms, 0)?.f_sum(tch::Kind::Float)?;
        sum.f_div_scalar(asked.len().max(1) as f64).map(Some)
    }
}
