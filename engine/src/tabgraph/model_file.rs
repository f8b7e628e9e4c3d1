//! The file of a trained model: one safetensors file with everything that sampling needs.

use std::sync::Arc;

use arrow::array::StringArray;
use serde::{Deserialize, Serialize};
use tgs_protocol::{column::ColumnSpec, engine::EngineError, report::Curve};

use super::{
    config::TabgraphConfig,
    denoiser::Denoiser,
    sampler::TabgraphSampler,
    tokenizer::{ColumnCode, Tokenizer, head::Head, scale::NumberScale},
};
use crate::learn::container::{self, Blob, Container};

const KIND: &str = "tabgraph model";

#[derive(Serialize, Deserialize)]
struct Header {
    config: TabgraphConfig,
    columns: Vec<ColumnRecord>,
    heads: Vec<Head>,
    /// Column of each number token.
    tokens: Vec<usize>,
    curves: Vec<Curve>,
}

#[derive(Serialize, Deserialize)]
struct ColumnRecord {
    spec: ColumnSpec,
    code: ColumnCode,
    levels: Option<Vec<String>>,
}

/// The bytes of a model; the same model gives the same bytes.
pub(super) fn write(model: &TabgraphSampler, curves: Vec<Curve>) -> Result<Vec<u8>, EngineError> {
    let tokenizer = &model.tokenizer;
    let mut tokens = vec![0; tokenizer.scales.len()];
    let mut columns = Vec::with_capacity(tokenizer.specs.len());
    for (at, (spec, code)) in tokenizer.specs.iter().zip(&tokenizer.codes).enumerate() {
        if let ColumnCode::Number { token, .. } = code {
            tokens[*token] = at;
        }
        let levels = tokenizer.levels[at].as_ref();
        columns.push(ColumnRecord {
            spec: spec.as_ref().clone(),
            code: code.clone(),
            levels: levels.map(|texts| texts.iter().map(|t| t.unwrap_or("").to_owned()).collect()),
        });
    }
    let mut tensors = Vec::new();
    for (name, shape, range) in model.denoiser.layout.parts() {
        let values = model.weights[range].to_vec();
        tensors.push((format!("denoiser.{name}"), Blob::Single(values, shape)));
    }
    let offsets = model.offsets.clone();
    let shape = vec![offsets.len()];
    tensors.push(("offsets".to_owned(), Blob::Single(offsets, shape)));
    for (at, scale) in tokenizer.scales.iter().enumerate() {
        let lists = [&scale.low, &scale.high, &scale.count, &scale.by_rank];
        for (name, list) in ["low", "high", "count", "by_rank"].iter().zip(lists) {
            tensors.push((format!("scale.{at}.{name}"), Blob::list(list.clone())));
        }
    }
    let heads = tokenizer.heads.clone();
    let header = Header { config: model.config.clone(), columns, heads, tokens, curves };
    container::write(KIND, &header, tensors)
}

/// The model that [`write`] wrote.
pub(super) fn open(bytes: &[u8]) -> Result<TabgraphSampler, EngineError> {
    let mut file: Container<Header> = container::read(KIND, bytes)?;
    let config = file.header.config.clone();
    let mut scales = Vec::new();
    for (at, column) in file.header.tokens.clone().into_iter().enumerate() {
        let mut list = |name: &str| file.double(&format!("scale.{at}.{name}"));
        let lists = [list("low")?, list("high")?, list("count")?, list("by_rank")?];
        let record = file.header.columns.get(column);
        let record = record.ok_or_else(|| container::corrupt(KIND, &"a column is missing"))?;
        let [low, high, count, by_rank] = lists;
        let (format, how) = (&record.spec.format, config.normalisation);
        scales.push(NumberScale::from_runs(low, high, count, by_rank, format, how));
    }
    let heads = file.header.heads.clone();
    let shares: Vec<Vec<f64>> = heads.iter().map(Head::shares).collect();
    let denoiser = Denoiser::new(scales.len(), &shares, &config);
    let mut weights = Vec::with_capacity(denoiser.layout.len());
    for (name, _, range) in denoiser.layout.parts() {
        weights.extend(file.single(&format!("denoiser.{name}"), range.len())?);
    }
    let offsets = file.single("offsets", denoiser.heads.iter().sum())?;
    let (mut specs, mut levels, mut codes) = (vec![], vec![], vec![]);
    for column in file.header.columns {
        specs.push(Arc::new(column.spec));
        levels.push(column.levels.map(|texts| Arc::new(StringArray::from(texts))));
        codes.push(column.code);
    }
    let tokenizer = Tokenizer { specs, levels, codes, scales, heads };
    Ok(TabgraphSampler { config, tokenizer, denoiser, weights, offsets })
}

/// The curves of a model file.
pub(super) fn curves(bytes: &[u8]) -> Result<Vec<Curve>, EngineError> {
    let file: Container<Header> = container::read(KIND, bytes)?;
    Ok(file.header.curves)
}
