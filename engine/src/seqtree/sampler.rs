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
            let mut pick = Stream::new(seed, Purpose::SampleLevel, index);
            let picks = drawn.tree.picks(bins.chunks_exact(width), &mut pick);
            let rows = bins.chunks_exact_mut(width).map(|row| &mut row[place]).zip(picks);
            cells[drawn.at] = Some(match &drawn.values {
                Values::Levels { levels, bin_of_code } => Cells::Level {
                    codes: drawn.levels(bin_of_code, rows),
                    levels: Arc::clone(levels),
                },
                Values::Numbers { numbers, bin_of_code } => {
                    let shift = Stream::new(seed, Purpose::SampleNumber, index);
                    let mover = Mover { numbers, bin_of_code, jitter: self.jitter, shift };
                    Cells::Number(drawn.numbers(mover, rows))
                }
            });
        }
        for (at, generated) in self.generated(seed, chunk, rows) {
            cells[at] = Some(generated);
        }
        let columns = self.specs.iter().zip(cells).filter_map(|(spec, cells)| {
            cells.map(|cells| Column { spec: Arc::clone(spec), cells })
        });
        Ok(Table::new(columns.collect()))
    }

    fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        let made = |(at, of): &(usize, Generated)| (*at, of.chunk(seed, chunk, rows));
        self.generated.iter().map(made).collect()
    }
}

/// What one row draws of a column: the leaf it ends in, and a place among the leaf's codes.
#[derive(Debug, Clone, Copy, Default)]
struct Pick {
    leaf: u32,
    code: u32,
}

impl Tree {
    /// What rows of bins draw. The rows of one leaf share its codes out among themselves, each in
    /// an equal part of them and who gets which by chance: what chance alone would add to the
    /// shares is gone, and each row still draws any code with the same probability (stratified
    /// sampling, Neyman, 1934).
    fn picks<'a>(&self, rows: impl Iterator<Item = &'a [u8]>, dice: &mut Stream) -> Vec<Pick> {
        let mut picks: Vec<Pick> =
            rows.map(|bins| Pick { leaf: self.leaf(bins) as u32, code: 0 }).collect();
        let mut ends = vec![0_u32; self.leaves.len() / 2 + 1];
        picks.iter().for_each(|pick| ends[pick.leaf as usize + 1] += 1);
        (1..ends.len()).for_each(|leaf| ends[leaf] += ends[leaf - 1]);
        let mut order = vec![0_u32; picks.len()];
        let mut next = ends.clone();
        for (row, pick) in picks.iter().enumerate() {
            let place = &mut next[pick.leaf as usize];
            order[*place as usize] = row as u32;
            *place += 1;
        }
        for (leaf, ends) in ends.windows(2).enumerate() {
            let rows = &mut order[ends[0] as usize..ends[1] as usize];
            let (first, _, end) = self.held(leaf);
            let (count, codes) = (rows.len(), end - first);
            for at in 0..count {
                // The next of those left, as in a shuffle.
                let left = (count - at) as u64;
                rows.swap(at, at + ((u64::from(dice.bits()) * left) >> 32) as usize);
                let place = ((at as u64) << 32) + u64::from(dice.bits());
                // place / count of the codes, in 32 bits after the point.
                let code = (u128::from(place) * codes as u128 / count as u128) >> 32;
                picks[rows[at] as usize].code = first as u32 + code as u32;
            }
        }
        picks
    }
}

impl Drawn {
    /// Levels of the rows; the bin of each is put where the iterator says.
    fn levels<'a>(
        &self,
        bin_of_code: &[u8],
        rows: impl Iterator<Item = (&'a mut u8, Pick)>,
    ) -> UInt32Array {
        let missing = bin_of_code.len() as u32 - 1;
        let mut codes = Vec::with_capacity(rows.size_hint().0);
        let mut gaps = false;
        for (bin, pick) in rows {
            let code = self.tree.codes[pick.code as usize];
            *bin = bin_of_code[code as usize];
            gaps |= code == missing;
            codes.push(code);
        }
        let valid = gaps.then(|| codes.iter().map(|code| *code != missing).collect::<NullBuffer>());
        if gaps {
            codes.iter_mut().filter(|code| **code == missing).for_each(|code| *code = 0);
        }
        UInt32Array::new(codes.into(), valid)
    }

    /// Numbers of the rows; the bin of each is put where the iterator says.
    fn numbers<'a>(
        &self,
        mut mover: Mover,
        rows: impl Iterator<Item = (&'a mut u8, Pick)>,
    ) -> Float64Array {
        let mut values = Vec::with_capacity(rows.size_hint().0);
        let mut gaps = false;
        for (bin, pick) in rows {
            let (_, movable, end) = self.tree.held(pick.leaf as usize);
            let at = pick.code as usize;
            let code = self.tree.codes[at] as usize;
            let (value, new) = if at < movable {
                (mover.numbers.distinct.get(code).copied(), mover.bin_of_code[code])
            } else {
                mover.moved(&self.tree.codes[movable..end], at - movable)
            };
            *bin = new;
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

/// Moves a number towards its neighbours in the leaf, or, where it stands alone there, in the
/// column.
struct Mover<'a> {
    numbers: &'a Numbers,
    bin_of_code: &'a [u8],
    jitter: f64,
    shift: Stream,
}

impl Mover<'_> {
    /// Goes a share of the way that may be gone to the left or right neighbour; at an end, inwards.
    #[inline]
    fn moved(&mut self, held: &[u32], at: usize) -> (Option<f64>, u8) {
        let shift = (f64::from(self.shift.bits()) + 0.5) * (2.0 / 4_294_967_296.0) - 1.0;
        let distinct = &self.numbers.distinct;
        let code = held[at];
        let value = distinct[code as usize];
        let other = |near: &&u32| **near != code;
        let (below, above) = held.split_at(at);
        let (below, above) = (below.iter().rev().find(other), above.iter().find(other));
        let (below, above) = match (below.copied(), above.copied()) {
            (None, None) => {
                let above = (code as usize + 1 < distinct.len()).then_some(code + 1);
                (code.checked_sub(1), above)
            }
            known => known,
        };
        let neighbour = if shift < 0.0 { below.or(above) } else { above.or(below) };
        let Some(neighbour) = neighbour else {
            return (Some(value), self.bin_of_code[code as usize]);
        };
        // Twice half the way: the whole of it may be longer than any number.
        let half_way = distinct[neighbour as usize] / 2.0 - value / 2.0;
        let half_step = shift.abs() * self.jitter * half_way;
        let moved = self.numbers.grid.round(value + half_step + half_step);
        (Some(moved), self.numbers.bin(moved))
    }
}
