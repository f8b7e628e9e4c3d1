//! Cells to tokens and back.
//!
//! A numeric column becomes one number token (see [`scale`]); frequent values, and *missing*, are
//! levels of a head beside it (see [`head`]). A category is a head alone. Constants pass through,
//! ids and texts are made anew by `generated`. Decoding a token of a training cell gives back the
//! cell.

pub(crate) mod fit;
pub(crate) mod head;
pub(crate) mod record;
pub(crate) mod scale;

use std::sync::Arc;

use arrow::array::{Array, Float64Array, StringArray, UInt32Array};
use serde::{Deserialize, Serialize};
use tgs_protocol::{chunk::ChunkNo, column::ColumnSpec, engine::EngineError, progress::Watch};

use self::{
    head::{Head, Meaning},
    scale::NumberScale,
};
use crate::{
    generated::Generated,
    random::Stream,
    table::{Cells, Column, Table},
};

/// What a column is to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ColumnCode {
    /// The same in every row: a number, a level, or missing.
    Constant(Meaning),
    /// A number token, and the head of its frequent values.
    Number { token: usize, head: Option<usize> },
    /// A head alone.
    Head(usize),
    /// Made anew, never learned.
    Generated(Generated),
}

/// How every column of a table is coded.
#[derive(Debug, Clone)]
pub(crate) struct Tokenizer {
    /// Columns of source and output.
    pub specs: Vec<Arc<ColumnSpec>>,
    /// Texts of levels, for columns that hold levels.
    pub levels: Vec<Option<Arc<StringArray>>>,
    /// One per column.
    pub codes: Vec<ColumnCode>,
    /// One per number token.
    pub scales: Vec<NumberScale>,
    /// One per head.
    pub heads: Vec<Head>,
}

/// A table as the model sees it.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    /// Rows.
    pub rows: usize,
    /// Run of equal numbers that a cell belongs to; rows × number tokens.
    pub groups: Vec<u32>,
    /// Level of each head; rows × heads.
    pub levels: Vec<u32>,
}

/// Fewer rows than these are not brought to the ranks and shares of the training table: they would
/// be its averages, not rows of it.
pub(crate) const RANKED_ROWS_MIN: usize = 100;
/// Group of a cell that holds no number.
pub(crate) const NO_GROUP: u32 = u32::MAX;

impl Tokenizer {
    /// Codes of a table's cells. Numbers between those of the training table take the nearest run,
    /// unknown levels the most frequent one.
    ///
    /// # Errors
    /// `Stopped`, between two columns, once `watch` says so.
    pub(crate) fn encode(&self, table: &Table, watch: &dyn Watch) -> Result<Encoded, EngineError> {
        let rows = table.rows();
        let (tokens, heads) = (self.scales.len(), self.heads.len());
        let mut out =
            Encoded { rows, groups: vec![NO_GROUP; rows * tokens], levels: vec![0; rows * heads] };
        for (column, code) in table.columns().iter().zip(&self.codes) {
            watch.go_on()?;
            let (token, head) = match code {
                ColumnCode::Number { token, head } => (Some(*token), *head),
                ColumnCode::Head(head) => (None, Some(*head)),
                ColumnCode::Constant(_) | ColumnCode::Generated(_) => (None, None),
            };
            if let (Some(token), Cells::Number(values)) = (token, &column.cells) {
                for (row, value) in values.iter().enumerate() {
                    let group = value.map_or(NO_GROUP, |value| self.scales[token].group(value));
                    out.groups[row * tokens + token] = group;
                }
            }
            if let Some(head) = head {
                let levels = self.heads[head].encode(&column.cells);
                for (row, level) in levels.into_iter().enumerate() {
                    out.levels[row * heads + head] = level;
                }
            }
        }
        Ok(out)
    }

    /// Ids and texts of a chunk, by the places of their columns.
    pub(crate) fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        let made = |(at, code): (usize, &ColumnCode)| match code {
            ColumnCode::Generated(generated) => Some((at, generated.chunk(seed, chunk, rows))),
            ColumnCode::Constant(_) | ColumnCode::Number { .. } | ColumnCode::Head(_) => None,
        };
        self.codes.iter().enumerate().filter_map(made).collect()
    }

    /// The table that tokens stand for. `numbers`: per token, one per row; `levels`: per head, one
    /// per row; `draws` picks members of grouped levels; ids and texts are those of `place`.
    pub(crate) fn decode(
        &self,
        rows: usize,
        (numbers, levels): (&[Vec<f32>], &[Vec<u32>]),
        rank_map: bool,
        draws: &mut Stream,
        (seed, chunk): (u64, ChunkNo),
    ) -> Table {
        let ranked = rank_map && rows >= RANKED_ROWS_MIN;
        let rank_offset = ranked.then(|| rank_offset(chunk));
        let mut columns = Vec::with_capacity(self.codes.len());
        for (at, code) in self.codes.iter().enumerate() {
            let meanings: Vec<Meaning> = match code {
                ColumnCode::Constant(meaning) => vec![*meaning; rows],
                ColumnCode::Generated(generated) => {
                    let (spec, cells) = (&self.specs[at], generated.chunk(seed, chunk, rows));
                    columns.push(Column { spec: Arc::clone(spec), cells });
                    continue;
                }
                ColumnCode::Head(head) => self.heads[*head].decode(&levels[*head], draws),
                ColumnCode::Number { token, head } => {
                    let mut meanings = match head {
                        Some(head) => self.heads[*head].decode(&levels[*head], draws),
                        None => vec![Meaning::ByRank; rows],
                    };
                    let tokens = &numbers[*token];
                    self.scales[*token].decode(tokens, &mut meanings, rank_offset);
                    meanings
                }
            };
            columns.push(self.column(at, &meanings));
        }
        Table::new(columns)
    }

    fn column(&self, at: usize, meanings: &[Meaning]) -> Column {
        let spec = Arc::clone(&self.specs[at]);
        let code = |meaning: &Meaning| match meaning {
            Meaning::Code(code) => Some(*code),
            _ => None,
        };
        let number = |meaning: &Meaning| match meaning {
            Meaning::Number(value) => Some(*value),
            _ => None,
        };
        let cells = match &self.levels[at] {
            Some(levels) => Cells::Level {
                codes: meanings.iter().map(code).collect::<UInt32Array>(),
                levels: Arc::clone(levels),
            },
            None if spec.kind.is_numeric() => {
                Cells::Number(meanings.iter().map(number).collect::<Float64Array>())
            }
            None => Cells::Text(StringArray::new_null(meanings.len())),
        };
        Column { spec, cells }
    }
}

/// Where in its rank a row of this chunk stands: the golden-ratio sequence. Chunks that all took
/// the middle would all hold the same numbers, and never the largest of a larger table. It begins
/// where a table of up to five chunks that is copied at its own size reaches both its ends.
fn rank_offset(chunk: ChunkNo) -> f64 {
    const BEGIN: f64 = 0.52;
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    (BEGIN + f64::from(chunk.0) * GOLDEN).fract()
}

/// Numbers of a column that are present, in row order.
fn present(values: &Float64Array) -> Vec<f64> {
    (0..values.len()).filter(|row| values.is_valid(*row)).map(|row| values.value(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_copied_at_its_size_reaches_both_ends() {
        for chunks in 1..=5 {
            let offsets = (0..chunks).map(|chunk| rank_offset(ChunkNo(chunk)));
            let (least, most) =
                offsets.fold((1.0_f64, 0.0_f64), |(least, most), at| (least.min(at), most.max(at)));
            // One row of the source is this part of a row of a chunk.
            let part = 1.0 / f64::from(chunks);
            assert!(least < part && most > 1.0 - part, "{chunks} chunks: {least} to {most}");
        }
    }
}
