//! A tokenizer in a model file: a record, and the runs of numbers as arrays.

use std::sync::Arc;

use arrow::array::{Array as _, StringArray};
use serde::{Deserialize, Serialize};
use tgs_protocol::{column::ColumnSpec, engine::EngineError};

use super::{
    ColumnCode, Tokenizer,
    head::Head,
    scale::{NumberScale, ScaleConstants},
};
use crate::container::{Array, Container};

const LISTS: [&str; 4] = ["low", "high", "count", "by_rank"];

/// What the record of a model file says of its tokenizer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TokenizerRecord {
    columns: Vec<ColumnRecord>,
    heads: Vec<Head>,
    /// Column of each number token.
    tokens: Vec<usize>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ColumnRecord {
    spec: ColumnSpec,
    code: ColumnCode,
    levels: Option<Vec<String>>,
}

impl Tokenizer {
    /// The record, and the arrays that belong to it.
    pub(crate) fn record(&self) -> (TokenizerRecord, Vec<(String, Array)>) {
        let mut tokens = vec![0; self.scales.len()];
        let mut columns = Vec::with_capacity(self.specs.len());
        for (at, (spec, code)) in self.specs.iter().zip(&self.codes).enumerate() {
            if let ColumnCode::Number { token, .. } = code {
                tokens[*token] = at;
            }
            let texts = |levels: &Arc<StringArray>| {
                (0..levels.len()).map(|level| levels.value(level).to_owned()).collect()
            };
            columns.push(ColumnRecord {
                spec: spec.as_ref().clone(),
                code: code.clone(),
                levels: self.levels[at].as_ref().map(texts),
            });
        }
        let mut arrays = Vec::new();
        for (at, scale) in self.scales.iter().enumerate() {
            let lists = [&scale.low, &scale.high, &scale.count, &scale.by_rank];
            for (name, list) in LISTS.iter().zip(lists) {
                arrays.push((format!("scale.{at}.{name}"), Array::list(list)));
            }
        }
        (TokenizerRecord { columns, heads: self.heads.clone(), tokens }, arrays)
    }
}

impl TokenizerRecord {
    /// The tokenizer of this record; takes its arrays from the file.
    pub(crate) fn open<R>(
        &self,
        file: &mut Container<R>,
        constants: ScaleConstants,
    ) -> Result<Tokenizer, EngineError> {
        let mut scales = Vec::new();
        for (at, column) in self.tokens.iter().enumerate() {
            let mut list = |name: &str| file.take::<f64>(&format!("scale.{at}.{name}"));
            let lists = [list(LISTS[0])?, list(LISTS[1])?, list(LISTS[2])?, list(LISTS[3])?];
            let record = self.columns.get(*column);
            let record = record.ok_or_else(|| file.refuse("a column is missing"))?;
            scales.push(NumberScale::from_runs(lists, &record.spec.format, constants));
        }
        let (mut specs, mut levels, mut codes) = (vec![], vec![], vec![]);
        for column in self.columns.clone() {
            specs.push(Arc::new(column.spec));
            levels.push(column.levels.map(|texts| Arc::new(StringArray::from(texts))));
            codes.push(column.code);
        }
        Ok(Tokenizer { specs, levels, codes, scales, heads: self.heads.clone() })
    }
}
