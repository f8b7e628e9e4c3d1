//! Rows, column after column: of each the net says the odds given those before, and one is drawn.
//!
//! All rows of a chunk go through a column before the next one begins, so that the shares of levels
//! can be brought to those of the training table among the very rows that are asked for.
//! Sub-batches are of fixed size, so the bytes do not depend on the thread.

use std::ops::Range;

use tch::Tensor;
use tgs_protocol::{chunk::ChunkNo, engine::EngineError};

use super::{
    chain::{Bins, Link, UNTOLD},
    config::AutoregressiveConfig,
    net::{Column, Net, Ranked},
    scale::Scale,
};
use crate::{
    learn::{
        flat::Leaves,
        kept::{Kept, Shared},
        layers::Linear,
        torch::{Torch, failed, use_threads, values},
    },
    model::Generator,
    random::{Purpose, Stream},
    tabgraph::{
        sampler::{as_told, is_calibrated, told},
        tokenizer::{Tokenizer, scale::NumberScale},
    },
    table::Table,
};

/// Rows that go through the net together: activations stay in the second-level cache.
const SUB_BATCH_ROWS: usize = 500;

/// A trained model in memory.
#[derive(Debug, Clone)]
pub(super) struct AutoregressiveSampler {
    /// Constants.
    pub config: AutoregressiveConfig,
    /// Cells to levels and ranks and back.
    pub tokenizer: Tokenizer,
    /// Columns in the order in which they are drawn.
    pub links: Vec<Link>,
    /// The net.
    pub net: Net,
    /// Its parameters.
    pub weights: Vec<f32>,
}

/// What every chunk needs: it depends on the model alone.
pub(super) struct Ready {
    leaves: Leaves,
    scale: Scale,
    nothing: Tensor,
    /// What each value of a column's inputs adds to the context.
    added: Vec<[Option<Tensor>; 3]>,
}

impl Ready {
    fn of(model: &AutoregressiveSampler) -> Torch<Self> {
        let _guard = tch::no_grad_guard();
        let flat = Tensor::f_from_slice(&model.weights)?;
        let leaves = model.net.layout.split(&flat, &(0..model.weights.len()))?;
        let scale = model.net.numbers.scale()?;
        let of_column = |column: &Column| -> Torch<[Option<Tensor>; 3]> {
            let mut added = [None, None, None];
            for (added, input) in added.iter_mut().zip(&column.inputs) {
                *added = input.as_ref().map(|input| input.added(&leaves, &scale)).transpose()?;
            }
            Ok(added)
        };
        let added = model.net.columns.iter().map(of_column).collect::<Torch<_>>()?;
        Ok(Self { nothing: model.net.nothing(&leaves)?, added, scale, leaves })
    }
}

impl Shared for Ready {
    fn shared(&self) -> Self {
        let shared = |added: &[Option<Tensor>; 3]| {
            added.each_ref().map(|it| it.as_ref().map(Tensor::shallow_clone))
        };
        Self {
            leaves: self.leaves.shared(),
            scale: self.scale.shared(),
            nothing: self.nothing.shallow_clone(),
            added: self.added.iter().map(shared).collect(),
        }
    }
}

/// What was drawn of one column.
#[derive(Default)]
struct Drawn {
    /// One per row, where the column has levels.
    levels: Vec<u32>,
    /// Coarse bins, [`UNTOLD`] where a level tells.
    coarse: Vec<i64>,
    /// Places among the fine bins of all coarse ones, the same.
    places: Vec<i64>,
}

impl AutoregressiveSampler {
    /// The rows of a chunk, on this thread.
    fn drawn(
        &self,
        ready: &Ready,
        (seed, chunk): (u64, ChunkNo),
        rows: usize,
    ) -> Result<Table, EngineError> {
        let index = u64::from(chunk.0);
        let mut draws = Stream::new(seed, Purpose::SampleLevel, index);
        let (numbers, levels) =
            self.columns(ready, rows, &mut draws).map_err(failed("draw rows"))?;
        let mut members = Stream::new(seed, Purpose::SampleNumber, index);
        let rank_map = self.config.rank_map;
        let tokens = (&*numbers, &*levels);
        Ok(self.tokenizer.decode(rows, tokens, rank_map, &mut members, (seed, chunk)))
    }

    /// Tokens of numbers and levels of heads, one list per column of theirs.
    fn columns(&self, ready: &Ready, rows: usize, draws: &mut Stream) -> Torch<Columns> {
        let _guard = tch::no_grad_guard();
        let mut numbers = vec![vec![0.0_f32; rows]; self.tokenizer.scales.len()];
        let mut levels = vec![vec![0_u32; rows]; self.tokenizer.heads.len()];
        let part = |begin: usize| begin..rows.min(begin + SUB_BATCH_ROWS);
        let parts: Vec<_> = (0..rows).step_by(SUB_BATCH_ROWS).map(part).collect();
        let nothing = |part: &Range<usize>| {
            // A copy, which is added to: of one row, an expanded tensor is the tensor itself.
            ready.nothing.f_repeat([part.len() as i64, 1])
        };
        let mut contexts = parts.iter().map(nothing).collect::<Torch<Vec<Tensor>>>()?;
        for (at, link) in self.links.iter().enumerate() {
            let column = &self.net.columns[at];
            let hidden = contexts.iter().map(|context| column.hidden(&ready.leaves, context, None));
            let hidden = hidden.collect::<Torch<Vec<Tensor>>>()?;
            let mut drawn = Drawn::default();
            if let (Some(head), Some(of_levels)) = (link.head, &column.levels) {
                drawn.levels = self.levels(ready, (of_levels, head), &hidden, draws)?;
            }
            if let (Some(number), Some(of_bins)) = (link.number, &column.bins) {
                let how = (link, of_bins, &self.tokenizer.scales[number]);
                for (part, hidden) in parts.iter().zip(&hidden) {
                    let into = (&mut drawn, &mut *numbers[number]);
                    self.number(ready, how, (part.clone(), hidden), into, draws)?;
                }
            }
            if at + 1 < self.links.len() {
                let told: Vec<i64> = drawn.levels.iter().map(|level| i64::from(*level)).collect();
                let told = [&*told, &*drawn.coarse, &*drawn.places];
                for (part, context) in parts.iter().zip(&mut contexts) {
                    column.add(&ready.added[at], told, part, context)?;
                }
            }
            if let Some(head) = link.head {
                levels[head] = drawn.levels;
            }
        }
        Ok((numbers, levels))
    }

    /// Bins and tokens of the rows of a part that are told by rank.
    fn number(
        &self,
        ready: &Ready,
        (link, of_bins, scale): (&Link, &Ranked, &NumberScale),
        (part, hidden): (Range<usize>, &Tensor),
        (drawn, tokens): (&mut Drawn, &mut [f32]),
        draws: &mut Stream,
    ) -> Torch<()> {
        let bins = Bins::of(&self.config);
        let of_level = |row: usize| drawn.levels.get(row).copied();
        let by_rank: Vec<usize> =
            part.clone().filter(|row| link.is_by_rank(of_level(*row))).collect();
        let of_rows = self.bins(ready, of_bins, (hidden, part.start, &by_rank), draws)?;
        drawn.coarse.resize(part.end, UNTOLD);
        drawn.places.resize(part.end, UNTOLD);
        for (row, (coarse, fine)) in by_rank.into_iter().zip(of_rows) {
            drawn.coarse[row] = i64::from(coarse);
            drawn.places[row] = bins.place(coarse.into(), fine.into());
            let rank = bins.rank((coarse, fine), draws.uniform());
            #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
            let token = scale.of_free_rank(rank) as f32;
            tokens[row] = token;
        }
        Ok(())
    }

    /// One level per row.
    fn levels(
        &self,
        ready: &Ready,
        (of_levels, head): (&Linear, usize),
        hidden: &[Tensor],
        draws: &mut Stream,
    ) -> Torch<Vec<u32>> {
        let shares = self.tokenizer.heads[head].shares();
        let calibrated = self.config.rank_map && is_calibrated(shares.len());
        let (mut logits, mut levels) = (vec![], vec![]);
        for hidden in hidden {
            let of_part = values(&of_levels.forward(&ready.leaves, hidden)?)?;
            match calibrated {
                true => logits.extend(of_part),
                // Logits of very many levels would fill the memory.
                false => levels.extend(as_told(of_part, shares.len(), draws)),
            }
        }
        Ok(if calibrated { told(logits, &shares, draws) } else { levels })
    }

    /// Coarse and fine bins of these rows of a part that begins there.
    fn bins(
        &self,
        ready: &Ready,
        of_bins: &Ranked,
        (hidden, begin, rows): (&Tensor, usize, &[usize]),
        draws: &mut Stream,
    ) -> Torch<Vec<(u32, u32)>> {
        if rows.is_empty() {
            return Ok(vec![]);
        }
        let picked: Vec<i64> = rows.iter().map(|row| (row - begin) as i64).collect();
        let hidden = match picked.len() as i64 == hidden.size()[0] {
            true => hidden.shallow_clone(),
            false => hidden.f_index_select(0, &Tensor::f_from_slice(&picked)?)?,
        };
        let (leaves, scale) = (&ready.leaves, &ready.scale);
        let said = (&hidden, &of_bins.mixture(leaves, &hidden)?);
        let logits = of_bins.coarse(leaves, scale, said)?;
        let coarse = as_told(values(&logits)?, self.config.coarse_bins, draws);
        let places: Vec<i64> = coarse.iter().map(|bin| i64::from(*bin)).collect();
        let logits = of_bins.fine(leaves, scale, said, &Tensor::f_from_slice(&places)?)?;
        let fine = as_told(values(&logits)?, self.config.fine_bins, draws);
        Ok(coarse.into_iter().zip(fine).collect())
    }
}

/// Tokens of numbers, levels of heads: one list per column, one entry per row.
type Columns = (Vec<Vec<f32>>, Vec<Vec<u32>>);

/// A model that was opened for sampling: what every chunk would compute first is computed once.
pub(super) struct Opened {
    sampler: AutoregressiveSampler,
    ready: Kept<Ready>,
}

impl Opened {
    pub(super) fn new(sampler: AutoregressiveSampler) -> Self {
        Self { sampler, ready: Kept::default() }
    }
}

impl Generator for Opened {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        use_threads(1);
        let make = || Ready::of(&self.sampler).map_err(failed("make a model ready"));
        self.sampler.drawn(&self.ready.or_make(make)?, (seed, chunk), rows)
    }
}
