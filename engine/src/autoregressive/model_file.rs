//! The file of a trained model: one safetensors file with everything that sampling needs.

use serde::{Deserialize, Serialize};
use tgs_protocol::{engine::EngineError, model::ModelName, report::Curve};

use super::{
    chain::links,
    config::{AutoregressiveConfig, BOUNDS},
    net::Net,
    sampler::AutoregressiveSampler,
};
use crate::{
    constants,
    container::{self, Array, Container, FileKind},
    tabgraph::tokenizer::record::TokenizerRecord,
};

const KIND: FileKind = FileKind::Model(ModelName::Autoregressive);

#[derive(Serialize, Deserialize)]
struct Record {
    config: AutoregressiveConfig,
    tokenizer: TokenizerRecord,
    curves: Vec<Curve>,
}

/// The bytes of a model; the same model gives the same bytes.
pub(super) fn write(
    model: &AutoregressiveSampler,
    curves: Vec<Curve>,
) -> Result<Vec<u8>, EngineError> {
    let (tokenizer, mut arrays) = model.tokenizer.record();
    for (name, shape, range) in model.net.layout.parts() {
        let weights = Array::shaped(&model.weights[range], shape);
        arrays.push((format!("net.{name}"), weights));
    }
    let record = Record { config: model.config.clone(), tokenizer, curves };
    container::write(KIND, &record, arrays)
}

/// The model that [`write`] wrote.
pub(super) fn open(bytes: &[u8]) -> Result<AutoregressiveSampler, EngineError> {
    let mut file: Container<Record> = container::read(KIND, bytes)?;
    let config = file.record.config.clone();
    constants::check(&config, BOUNDS).map_err(|why| file.refuse(why))?;
    let record = file.record.tokenizer.clone();
    let tokenizer = record.open(&mut file, config.cells().normalisation)?;
    let links = links(&tokenizer);
    let net = Net::new(&tokenizer, &links, &config);
    let mut weights = Vec::with_capacity(net.layout.len());
    for (name, _, range) in net.layout.parts() {
        weights.extend(file.take_exactly::<f32>(&format!("net.{name}"), range.len())?);
    }
    Ok(AutoregressiveSampler { config, tokenizer, links, net, weights })
}

/// The curves of a model file.
pub(super) fn curves(bytes: &[u8]) -> Result<Vec<Curve>, EngineError> {
    let file: Container<Record> = container::read(KIND, bytes)?;
    Ok(file.record.curves)
}
