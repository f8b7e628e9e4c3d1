//! Rows of an opened model: normal latents, decoded.

use serde::{Deserialize, Serialize};
use tch::Tensor;
use tgs_protocol::{chunk::ChunkNo, engine::EngineError, model::ModelName, report::Curve};

use super::{
    config::{BOUNDS, TvaeConfig},
    net::Net,
};
use crate::{
    constants,
    container::{self, Array, Container, FileKind},
    learn::torch::{Torch, failed, matrix, use_threads, values},
    model::Generator,
    modes::{Answer, ModeCoder},
    random::{Purpose, Stream},
    tabgraph::tokenizer::record::TokenizerRecord,
    table::{Cells, Table},
};

const KIND: FileKind = FileKind::Model(ModelName::Tvae);
const SUB_BATCH_ROWS: usize = 500;

/// A trained model in memory.
pub(super) struct TvaeSampler {
    /// Constants.
    pub config: TvaeConfig,
    /// Cells to rows of numbers and back.
    pub coder: ModeCoder,
    /// Of which the decoder is used.
    pub net: Net,
    /// All parameters.
    pub weights: Vec<f32>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    config: TvaeConfig,
    tokenizer: TokenizerRecord,
    curves: Vec<Curve>,
}

/// The curves of a model file.
pub(super) fn curves(bytes: &[u8]) -> Result<Vec<Curve>, EngineError> {
    let file: Container<Record> = container::read(KIND, bytes)?;
    Ok(file.record.curves)
}

impl TvaeSampler {
    /// The bytes of a model.
    pub(super) fn write(&self, curves: Vec<Curve>) -> Result<Vec<u8>, EngineError> {
        let (tokenizer, mut arrays) = self.coder.record();
        for (name, shape, range) in self.net.layout.parts() {
            arrays.push((format!("net.{name}"), Array::shaped(&self.weights[range], shape)));
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
        let net = Net::new(coder.parts(), &config);
        let mut weights = Vec::with_capacity(net.layout.len());
        for (name, _, range) in net.layout.parts() {
            weights.extend(file.take_exactly::<f32>(&format!("net.{name}"), range.len())?);
        }
        Ok(Self { config, coder, net, weights })
    }

    fn answer(&self, rows: usize, latents: &mut Stream) -> Torch<Answer> {
        let _guard = tch::no_grad_guard();
        let mut answer = Answer::new(self.net.parts.clone());
        if self.net.width == 0 {
            return Ok(answer);
        }
        let flat = Tensor::f_from_slice(&self.weights)?;
        let leaves = self.net.layout.split(&flat, &(0..self.net.layout.len()))?;
        let mut done = 0;
        while done < rows {
            let count = SUB_BATCH_ROWS.min(rows - done);
            let mut normals = vec![0.0_f32; count * self.config.latent];
            latents.fill_normal(&mut normals);
            let said = self.net.decode(&leaves, &matrix(&normals, self.config.latent)?)?;
            answer.add(&values(&said)?);
            done += count;
        }
        let deviations = values(&self.net.deviations(&leaves)?)?;
        for (told, deviation) in answer.numbers.iter_mut().zip(deviations) {
            let mut normals = vec![0.0_f32; told.len()];
            latents.fill_normal(&mut normals);
            told.iter_mut().zip(normals).for_each(|(told, normal)| *told += deviation * normal);
        }
        Ok(answer)
    }
}

impl Generator for TvaeSampler {
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
