//! The file of a trained model: one safetensors file with everything that sampling needs.

use serde::{Deserialize, Serialize};
use tgs_protocol::{engine::EngineError, report::Curve};

use super::{
    config::TabgraphConfig,
    denoiser::Denoiser,
    sampler::TabgraphSampler,
    tokenizer::{head::Head, record::TokenizerRecord},
};
use crate::learn::container::{self, Blob, Container};

const KIND: &str = "tabgraph model";

#[derive(Serialize, Deserialize)]
struct Header {
    config: TabgraphConfig,
    tokenizer: TokenizerRecord,
    curves: Vec<Curve>,
}

/// The bytes of a model; the same model gives the same bytes.
pub(super) fn write(model: &TabgraphSampler, curves: Vec<Curve>) -> Result<Vec<u8>, EngineError> {
    let (tokenizer, mut tensors) = model.tokenizer.record();
    for (name, shape, range) in model.denoiser.layout.parts() {
        let values = model.weights[range].to_vec();
        tensors.push((format!("denoiser.{name}"), Blob::Single(values, shape)));
    }
    let offsets = model.offsets.clone();
    let shape = vec![offsets.len()];
    tensors.push(("offsets".to_owned(), Blob::Single(offsets, shape)));
    container::write(KIND, &Header { config: model.config.clone(), tokenizer, curves }, tensors)
}

/// The model that [`write`] wrote.
pub(super) fn open(bytes: &[u8]) -> Result<TabgraphSampler, EngineError> {
    let mut file: Container<Header> = container::read(KIND, bytes)?;
    let config = file.header.config.clone();
    let record = file.header.tokenizer.clone();
    let tokenizer = record.open(&mut file, config.normalisation)?;
    let shares: Vec<Vec<f64>> = tokenizer.heads.iter().map(Head::shares).collect();
    let denoiser = Denoiser::new(tokenizer.scales.len(), &shares, &config);
    let mut weights = Vec::with_capacity(denoiser.layout.len());
    for (name, _, range) in denoiser.layout.parts() {
        weights.extend(file.single(&format!("denoiser.{name}"), range.len())?);
    }
    let offsets = file.single("offsets", denoiser.heads.iter().sum())?;
    Ok(TabgraphSampler { config, tokenizer, denoiser, weights, offsets })
}

/// The curves of a model file.
pub(super) fn curves(bytes: &[u8]) -> Result<Vec<Curve>, EngineError> {
    let file: Container<Header> = container::read(KIND, bytes)?;
    Ok(file.header.curves)
}
