//! The file of a trained model: one safetensors file with everything that sampling needs.

use serde::{Deserialize, Serialize};
use tgs_protocol::{engine::EngineError, model::ModelName, report::Curve};

use super::{
    config::{BOUNDS, TabgraphConfig},
    denoiser::Denoiser,
    redraw::RedrawRecord,
    sampler::{TabgraphSampler, noise_levels},
    tokenizer::{head::Head, record::TokenizerRecord},
};
use crate::{
    constants,
    container::{self, Array, Container, FileKind},
};

const KIND: FileKind = FileKind::Model(ModelName::Tabgraph);

#[derive(Serialize, Deserialize)]
struct Record {
    config: TabgraphConfig,
    tokenizer: TokenizerRecord,
    curves: Vec<Curve>,
    /// Empty in files of models that had none of their own.
    #[serde(default)]
    noise_levels: Vec<f64>,
    #[serde(default)]
    redraw: RedrawRecord,
}

/// The bytes of a model; the same model gives the same bytes.
pub(super) fn write(model: &TabgraphSampler, curves: Vec<Curve>) -> Result<Vec<u8>, EngineError> {
    let (tokenizer, mut arrays) = model.tokenizer.record();
    for (name, shape, range) in model.denoiser.layout.parts() {
        let weights = Array::shaped(&model.weights[range], shape);
        arrays.push((format!("denoiser.{name}"), weights));
    }
    arrays.push(("offsets".to_owned(), Array::list(&model.offsets)));
    let redraw = model.redraw.record(&mut arrays);
    let (config, noise_levels) = (model.config.clone(), model.noise_levels.clone());
    let record = Record { config, tokenizer, curves, noise_levels, redraw };
    container::write(KIND, &record, arrays)
}

/// The model that [`write`] wrote.
pub(super) fn open(bytes: &[u8]) -> Result<TabgraphSampler, EngineError> {
    let mut file: Container<Record> = container::read(KIND, bytes)?;
    let config = file.record.config.clone();
    constants::check(&config, BOUNDS).map_err(|why| file.refuse(why))?;
    let record = file.record.tokenizer.clone();
    let tokenizer = record.open(&mut file, config.normalisation)?;
    let shares: Vec<Vec<f64>> = tokenizer.heads.iter().map(Head::shares).collect();
    let denoiser = Denoiser::new(tokenizer.scales.len(), &shares, &config);
    let mut weights = Vec::with_capacity(denoiser.layout.len());
    for (name, _, range) in denoiser.layout.parts() {
        weights.extend(file.take_exactly::<f32>(&format!("denoiser.{name}"), range.len())?);
    }
    let offsets = file.take_exactly("offsets", denoiser.heads.iter().sum())?;
    let noise_levels = match std::mem::take(&mut file.record.noise_levels) {
        none if none.is_empty() => noise_levels(&config),
        own if are_levels(&own) => own,
        _ => return Err(file.refuse("its noise levels are not in order")),
    };
    let redraw = std::mem::take(&mut file.record.redraw).open(&tokenizer, &mut file)?;
    Ok(TabgraphSampler { config, tokenizer, denoiser, weights, noise_levels, offsets, redraw })
}

/// Whether a solver can go down these.
fn are_levels(levels: &[f64]) -> bool {
    let in_order = levels.windows(2).all(|pair| pair[0] > pair[1]);
    levels.len() > 1 && in_order && levels.iter().all(|level| level.is_finite() && *level > 0.0)
}

/// The curves of a model file.
pub(super) fn curves(bytes: &[u8]) -> Result<Vec<Curve>, EngineError> {
    let file: Container<Record> = container::read(KIND, bytes)?;
    Ok(file.record.curves)
}
