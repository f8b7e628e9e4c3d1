//! A tokenizer in a model file: a record, and the runs of numbers as arrays.

use std::sync::Arc;

use arrow::array::{Array as _, StringArray};
use serde::{Deserialize, Serialize};
use tgs_protocol::{column::ColumnSpec, engine::EngineError};

use super::{
    ColumnCode, Tokenizer,
    head::{Head, Meaning},
    scale::NumberScale,
};
use crate::{
    container::{Array, Container},
    tabgraph::config::Normalisation,
    table::grid::Grid,
};

const LISTS: [&str; 4] = ["low", "high", "count", "by_rank"];

/// What the record of a model file says of its tokenizer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TokenizerRecord {
    columns: Vec<ColumnRecord>,
    heads: Vec<Head>,
    /// Of each number token.
    grids: Vec<Grid>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ColumnRecord {
    spec: ColumnSpec,
    code: ColumnCode,
    levels: Option<Vec<String>>,
}

impl Tokenizer {
    /// The record, and the arrays that belong to it. Nothing is kept of rows that did not train:
    /// neither levels that only they hold, nor the reason of a kind, which tells a column's ends.
    pub(crate) fn record(&self) -> (TokenizerRecord, Vec<(String, Array)>) {
        let mut columns = Vec::with_capacity(self.specs.len());
        let mut heads = self.heads.clone();
        for (at, (spec, code)) in self.specs.iter().zip(&self.codes).enumerate() {
            let mut code = code.clone();
            let levels = self.levels[at].as_ref().map(|levels| {
                let trained = trained_codes(&mut code, &mut heads);
                trained.into_iter().map(|code| levels.value(code as usize).to_owned()).collect()
            });
            let spec = ColumnSpec { reason: String::new(), ..spec.as_ref().clone() };
            columns.push(ColumnRecord { spec, code, levels });
        }
        let mut arrays = Vec::new();
        for (at, scale) in self.scales.iter().enumerate() {
            let lists = [&scale.low, &scale.high, &scale.count, &scale.by_rank];
            for (name, list) in LISTS.iter().zip(lists) {
                arrays.push((format!("scale.{at}.{name}"), Array::list(list)));
            }
        }
        let grids = self.scales.iter().map(|scale| scale.grid).collect();
        (TokenizerRecord { columns, heads, grids }, arrays)
    }

    /// Whether what came from a file can be used: decoding must not panic.
    fn check(&self) -> Result<(), &'static str> {
        if !self.scales.iter().all(NumberScale::is_whole) {
            return Err("the runs of a column are not in order");
        }
        if !self
            .heads
            .iter()
            .all(|head| !head.meanings.is_empty() && head.meanings.len() == head.rows.len())
        {
            return Err("a head is not whole");
        }
        for (code, levels) in self.codes.iter().zip(&self.levels) {
            let known = levels.as_ref().map_or(0, |levels| levels.len());
            let is_known = |meaning: &Meaning| match meaning {
                Meaning::Code(code) => (*code as usize) < known,
                Meaning::Number(value) => value.is_finite(),
                Meaning::ByRank | Meaning::Missing | Meaning::Tail => true,
            };
            let (token, head) = match code {
                ColumnCode::Constant(meaning) if !is_known(meaning) => {
                    return Err("a constant has no level");
                }
                ColumnCode::Constant(_) | ColumnCode::Generated(_) => (None, None),
                ColumnCode::Number { token, head } => (Some(*token), *head),
                ColumnCode::Head(head) => (None, Some(*head)),
            };
            if token.is_some_and(|token| token >= self.scales.len()) {
                return Err("a column has no scale");
            }
            let Some(head) = head else { continue };
            let head = self.heads.get(head).ok_or("a column has no head")?;
            let tail = head.tail.iter().all(|(code, _)| (*code as usize) < known);
            if !tail || !head.meanings.iter().all(is_known) {
                return Err("a level is missing");
            }
        }
        Ok(())
    }
}

/// The codes that training rows hold, ascending; they are renumbered to their places among them.
fn trained_codes(code: &mut ColumnCode, heads: &mut [Head]) -> Vec<u32> {
    let mut meant: Vec<&mut u32> = match code {
        ColumnCode::Constant(Meaning::Code(code)) => vec![code],
        ColumnCode::Head(head) => {
            let Head { meanings, tail, .. } = &mut heads[*head];
            let codes = meanings.iter_mut().filter_map(|meaning| match meaning {
                Meaning::Code(code) => Some(code),
                _ => None,
            });
            codes.chain(tail.iter_mut().map(|(code, _)| code)).collect()
        }
        _ => vec![],
    };
    let mut trained: Vec<u32> = meant.iter().map(|code| **code).collect();
    trained.sort_unstable();
    for code in &mut meant {
        let place = trained.binary_search(code).unwrap_or(0);
        **code = u32::try_from(place).unwrap_or(0);
    }
    trained
}

impl TokenizerRecord {
    /// The tokenizer of this record; takes its arrays from the file.
    pub(crate) fn open<R>(
        &self,
        file: &mut Container<R>,
        normalisation: Normalisation,
    ) -> Result<Tokenizer, EngineError> {
        let mut scales = Vec::new();
        for (at, grid) in self.grids.iter().enumerate() {
            let mut list = |name: &str| file.take::<f64>(&format!("scale.{at}.{name}"));
            let lists = [list(LISTS[0])?, list(LISTS[1])?, list(LISTS[2])?, list(LISTS[3])?];
            if lists.iter().any(|list| list.len() != lists[0].len()) {
                return Err(file.refuse("the runs of a column are ragged"));
            }
            scales.push(NumberScale::from_runs(lists, *grid, normalisation));
        }
        let (mut specs, mut levels, mut codes) = (vec![], vec![], vec![]);
        for column in self.columns.clone() {
            specs.push(Arc::new(column.spec));
            levels.push(column.levels.map(|texts| Arc::new(StringArray::from(texts))));
            codes.push(column.code);
        }
        let tokenizer = Tokenizer { specs, levels, codes, scales, heads: self.heads.clone() };
        tokenizer.check().map_err(|why| file.refuse(why))?;
        Ok(tokenizer)
    }
}
