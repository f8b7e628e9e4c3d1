//! Rows from a chain of trees: one column after the other, all rows of the chunk at once.

use std::sync::Arc;

use arrow::{
    array::{Float64Array, StringArray, UInt32Array},
    buffer::NullBuffer,
};
use tgs_protocol::{
    chunk::ChunkNo, code::Code, column::ColumnSpec, engine::EngineError, limits::COLUMNS_MAX,
};

use super::{
    chain::{Chain, Content},
    encode::Numbers,
    tree::Tree,
};
use crate::{
    generated::Generated,
    model::Generator,
    random::{Purpose, Stream},
    table::{Cells, Column, Table},
};

/// A stream's index is the column's place above, the chunk below so many bits.
const CHUNK_BITS: u32 = 20;
const _: () = assert!(COLUMNS_MAX as u64 <= 1 << (32 - CHUNK_BITS));

/// A trained chain, ready to draw from.
pub(super) struct Sampler {
    specs: Vec<Arc<ColumnSpec>>,
    drawn: Vec<Drawn>,
    generated: Vec<(usize, Generated)>,
    jitter: f64,
}

/// One column with a tree.
struct Drawn {
    /// Its place in the source.
    at: usize,
    tree: Tree,
    values: Values,
}

enum Values {
    Levels { levels: Arc<StringArray>, bin_of_code: Vec<u8> },
    Numbers { numbers: Numbers, bin_of_code: Vec<u8> },
}

impl Sampler {
    pub(super) fn new(chain: Chain) -> Self {
        let jitter = chain.config.jitter;
        let specs = chain.columns.iter().map(|part| Arc::clone(&part.spec)).collect();
        let mut contents: Vec<Option<Content>> =
            chain.columns.into_iter().map(|part| Some(part.content)).collect();
        let mut drawn = Vec::new();
        for (at, tree) in chain.order.into_iter().zip(chain.trees) {
            let values = match contents[at].take() {
                Some(Content::Levels { levels, bin_of_code }) => {
                    Values::Levels { levels: Arc::new(StringArray::from(levels)), bin_of_code }
                }
                Some(Content::Numbers(numbers)) => {
                    let bins = numbers.distinct.iter().map(|value| numbers.bin(*value));
                    let bin_of_code = bins.chain([0]).collect();
                    Values::Numbers { numbers, bin_of_code }
                }
                Some(Content::Generated(_)) | None => continue,
            };
            drawn.push(Drawn { at, tree, values });
        }
        let generated =
            contents.into_iter().enumerate().filter_map(|(at, content)| match content {
                Some(Content::Generated(generated)) => Some((at, generated)),
                _ => None,
            });
        Self { specs, drawn, generated: generated.collect(), jitter }
    }
}

impl Generator for Sampler {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        if chunk.0 >= 1 << CHUNK_BITS {
            let message =
                format!("draw chunk {chunk}: a table has at most {} chunks", 1 << CHUNK_BITS);
            return Err(EngineError::new(Code::RowsOutOfRange, message));
        }
        let mut cells: Vec<Option<Cells>> = vec![None; self.specs.len()];
        let width = self.drawn.len();
        // Row by row, so that a walk down a tree stays within a few lines of the cache.
        let mut bins = vec![0; rows * width];
        for (place, drawn) in self.drawn.iter().enumerate() {
            let index = (place as u64) << CHUNK_BITS | u64::from(chunk.0);
            let pick = Stream::new(seed, Purpose::SampleLevel, index);
            let shift = Stream::new(seed, Purpose::SampleNumber, index);
            let mut dice = Dice { pick, shift };
            let rows = bins.chunks_exact_mut(width);
            cells[drawn.at] = Some(match &drawn.values {
                Values::Levels { levels, bin_of_code } => {
                    let levels = Arc::clone(levels);
                    Cells::Level {
                        codes: drawn.levels(bin_of_code, place, rows, &mut dice),
                        levels,
                    }
                }
                Values::Numbers { numbers, bin_of_code } => {
                    let mover = Mover { numbers, bin_of_code, jitter: self.jitter };
                    Cells::Number(drawn.numbers(&mover, place, rows, &mut dice))
                }
            });
        }
        for (at, generated) in &self.generated {
            cells[*at] = Some(generated.chunk(seed, chunk, rows));
        }
        let columns = self.specs.iter().zip(cells).filter_map(|(spec, cells)| {
            cells.map(|cells| Column { spec: Arc::clone(spec), cells })
        });
        Ok(Table::new(columns.collect()))
    }
}

/// The random numbers of one column in one chunk.
struct Dice {
    pick: Stream,
    shift: Stream,
}

impl Dice {
    /// One of 0 .. `below`; the bias of 32 bits over a leaf is far below what a sample can show.
    fn pick(&mut self, below: usize) -> usize {
        ((u64::from(self.pick.bits()) * below as u64) >> 32) as usize
    }
    /// Uniform in (−1, 1).
    fn shift(&mut self) -> f64 {
        (f64::from(self.shift.bits()) + 0.5) * (2.0 / 4_294_967_296.0) - 1.0
    }
}

impl Drawn {
    fn levels<'a>(
        &self,
        bin_of_code: &[u8],
        place: usize,
        rows: impl Iterator<Item = &'a mut [u8]>,
        dice: &mut Dice,
    ) -> UInt32Array {
        let missing = bin_of_code.len() as u32 - 1;
        let mut codes = Vec::with_capacity(rows.size_hint().0);
        let mut gaps = false;
        for row in rows {
            let (first, _, end) = self.tree.held(self.tree.leaf(row));
            let code = self.tree.codes[first + dice.pick(end - first)];
            row[place] = bin_of_code[code as usize];
            gaps |= code == missing;
            codes.push(code);
        }
        let valid = gaps.then(|| codes.iter().map(|code| *code != missing).collect::<NullBuffer>());
        if gaps {
            codes.iter_mut().filter(|code| **code == missing).for_each(|code| *code = 0);
        }
        UInt32Array::new(codes.into(), valid)
    }

    fn numbers<'a>(
        &self,
        mover: &Mover,
        place: usize,
        rows: impl Iterator<Item = &'a mut [u8]>,
        dice: &mut Dice,
    ) -> Float64Array {
        let mut values = Vec::with_capacity(rows.size_hint().0);
        let mut gaps = false;
        for row in rows {
            let (first, movable, end) = self.tree.held(self.tree.leaf(row));
            let at = first + dice.pick(end - first);
            let code = self.tree.codes[at] as usize;
            let (value, bin) = if at < movable {
                (mover.numbers.distinct.get(code).copied(), mover.bin_of_code[code])
            } else {
                mover.moved(&self.tree.codes[movable..end], at - movable, dice.shift())
            };
            row[place] = bin;
            gaps |= value.is_none();
            values.push(value.unwrap_or(f64::NAN));
        }
        let valid =
            gaps.then(|| values.iter().map(|value| !value.is_nan()).collect::<NullBuffer>());
        if gaps {
            values.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 0.0);
        }
        Float64Array::new(values.into(), valid)
    }
}

/// Moves a number towards its neighbours in the leaf.
struct Mover<'a> {
    numbers: &'a Numbers,
    bin_of_code: &'a [u8],
    jitter: f64,
}

impl Mover<'_> {
    /// `shift` of −1 .. 1 is a share of the way that may be gone to the left or right neighbour.
    #[inline]
    fn moved(&self, held: &[u32], at: usize, shift: f64) -> (Option<f64>, u8) {
        let distinct = &self.numbers.distinct;
        let value = distinct[held[at] as usize];
        let neighbour = if shift < 0.0 {
            held[at.saturating_sub(1)]
        } else {
            held[(at + 1).min(held.len() - 1)]
        };
        let gap = (distinct[neighbour as usize] - value).abs();
        if gap == 0.0 {
            return (Some(value), self.bin_of_code[held[at] as usize]);
        }
        let moved = self.numbers.grid.round(value + shift * self.jitter * gap);
        (Some(moved), self.numbers.bin(moved))
    }
}
