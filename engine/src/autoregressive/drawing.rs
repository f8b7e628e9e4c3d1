//! Rows that are being drawn, column after column.
//!
//! All rows of a chunk go through a column before the next one begins, so that the shares of levels
//! can be brought to those of the training table among the very rows that are asked for.
//! Sub-batches are of fixed size, so the bytes do not depend on the thread.

use std::ops::Range;

use tch::Tensor;

use super::{
    chain::{Bins, Link, Told, UNTOLD},
    net::Ranked,
    sampler::{AutoregressiveSampler, Ready},
};
use crate::{
    learn::{
        layers::Linear,
        torch::{Torch, values},
    },
    random::Stream,
    tabgraph::{
        sampler::{as_told, is_calibrated, told},
        tokenizer::scale::NumberScale,
    },
};

/// Rows that go through the net together: activations stay in the second-level cache.
const SUB_BATCH_ROWS: usize = 500;

/// See the module.
pub(super) struct Drawing<'a> {
    pub model: &'a AutoregressiveSampler,
    pub ready: &'a Ready,
    /// Rows that go through the net together.
    pub parts: Vec<Range<usize>>,
    /// Tokens of numbers, one list per column of theirs.
    pub numbers: Vec<Vec<f32>>,
    /// Levels of heads, the same.
    pub levels: Vec<Vec<u32>>,
    /// Levels are brought to the shares of the training table.
    pub calibrates: bool,
    contexts: Vec<Tensor>,
    /// By link: which rows have a cell that was given, where any may have.
    given: Vec<Option<Vec<bool>>>,
    /// Columns that are not drawn yet.
    left: usize,
}

/// What was drawn of one column.
#[derive(Default)]
pub(super) struct Drawn {
    /// One per row, where the column has levels.
    pub levels: Vec<u32>,
    /// Coarse bins, [`UNTOLD`] where a level tells.
    pub coarse: Vec<i64>,
    /// Places among the fine bins of all coarse ones, the same.
    pub places: Vec<i64>,
}

impl<'a> Drawing<'a> {
    /// Of so many rows, of which nothing is known.
    pub(super) fn new(
        model: &'a AutoregressiveSampler,
        ready: &'a Ready,
        rows: usize,
    ) -> Torch<Self> {
        let parts = parts(rows);
        let nothing = |part: &Range<usize>| {
            // A copy, which is added to: of one row, an expanded tensor is the tensor itself.
            ready.nothing.f_repeat([part.len() as i64, 1])
        };
        let contexts = parts.iter().map(nothing).collect::<Torch<_>>()?;
        let numbers = vec![vec![0.0; rows]; model.tokenizer.scales.len()];
        let levels = vec![vec![0; rows]; model.tokenizer.heads.len()];
        let (calibrates, left) = (model.config.rank_map, model.links.len());
        let given = vec![None; left];
        Ok(Self { model, ready, parts, numbers, levels, calibrates, contexts, given, left })
    }

    /// Draws the column of a link.
    pub(super) fn column(&mut self, at: usize, draws: &mut Stream) -> Torch<()> {
        let (link, column) = (&self.model.links[at], &self.model.net.columns[at]);
        let hidden = self.hidden(at)?;
        let mut drawn = Drawn::default();
        if let (Some(head), Some(of_levels)) = (link.head, &column.levels) {
            drawn.levels = self.drawn_levels((of_levels, head), &hidden, draws)?;
        }
        if let (Some(number), Some(of_bins)) = (link.number, &column.bins) {
            let how = (link, of_bins, &self.model.tokenizer.scales[number]);
            let mut tokens = std::mem::take(&mut self.numbers[number]);
            for (part, hidden) in self.parts.iter().zip(&hidden) {
                let into = (&mut drawn, &mut *tokens);
                self.number(how, (part.clone(), hidden), into, draws)?;
            }
            self.numbers[number] = tokens;
        }
        self.know(at, drawn)
    }

    /// What the column's own layers make of what is known of the rows of each part.
    pub(super) fn hidden(&self, at: usize) -> Torch<Vec<Tensor>> {
        let column = &self.model.net.columns[at];
        let of_part = |context| column.hidden(&self.ready.leaves, context, None);
        self.contexts.iter().map(of_part).collect()
    }

    /// Takes what was drawn of a column for known.
    pub(super) fn know(&mut self, at: usize, drawn: Drawn) -> Torch<()> {
        self.left = self.left.saturating_sub(1);
        let told: Vec<i64> = drawn.levels.iter().map(|level| i64::from(*level)).collect();
        if self.left > 0 {
            let is_drawn = |given: &Vec<bool>| given.iter().map(|given| !given).collect();
            let drawn_alone: Option<Vec<bool>> = self.given[at].as_ref().map(is_drawn);
            let told = [&*told, &*drawn.coarse, &*drawn.places];
            self.add(at, told, drawn_alone.as_deref())?;
        }
        if let Some(head) = self.model.links[at].head {
            self.levels[head] = drawn.levels;
        }
        Ok(())
    }

    /// Takes the cells of a column for known that were given: of these rows.
    pub(super) fn given(&mut self, at: usize, told: &Told, rows: Vec<bool>) -> Torch<()> {
        if rows.contains(&true) {
            self.add(at, [&told.levels, &told.coarse, &told.places], Some(&rows))?;
        }
        if !rows.contains(&false) {
            self.left = self.left.saturating_sub(1);
        }
        self.given[at] = Some(rows);
        Ok(())
    }

    /// Whether every row has a cell of this column that was given.
    pub(super) fn is_given(&self, at: usize) -> bool {
        self.given[at].as_ref().is_some_and(|rows| !rows.contains(&false))
    }

    /// Adds what cells of a column say to the contexts of rows: of all, or of these.
    fn add(&mut self, at: usize, told: [&[i64]; 3], rows: Option<&[bool]>) -> Torch<()> {
        let (column, added) = (&self.model.net.columns[at], &self.ready.added[at]);
        for (part, context) in self.parts.iter().zip(&mut self.contexts) {
            let Some(rows) = rows else {
                column.add(added, told, part, context)?;
                continue;
            };
            let mut more = context.f_zeros_like()?;
            column.add(added, told, part, &mut more)?;
            let mask: Vec<f32> = rows[part.clone()].iter().map(|row| f32::from(*row)).collect();
            let mask = Tensor::f_from_slice(&mask)?.f_unsqueeze(1)?;
            let _ = context.f_add_(&more.f_mul(&mask)?)?;
        }
        Ok(())
    }

    /// Goes on with these rows, in this order; one may stand in it several times.
    pub(super) fn keep(&mut self, rows: &[usize]) -> Torch<()> {
        let all = Tensor::f_cat(&self.contexts, 0)?;
        self.parts = parts(rows.len());
        let places: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
        let part = |part: &Range<usize>| {
            all.f_index_select(0, &Tensor::f_from_slice(&places[part.clone()])?)
        };
        self.contexts = self.parts.iter().map(part).collect::<Torch<_>>()?;
        for tokens in &mut self.numbers {
            *tokens = rows.iter().map(|row| tokens[*row]).collect();
        }
        for levels in self.levels.iter_mut().filter(|levels| !levels.is_empty()) {
            *levels = rows.iter().map(|row| levels[*row]).collect();
        }
        Ok(())
    }

    /// Bins and tokens of the rows of a part that are told by rank.
    fn number(
        &self,
        (link, of_bins, scale): (&Link, &Ranked, &NumberScale),
        (part, hidden): (Range<usize>, &Tensor),
        (drawn, tokens): (&mut Drawn, &mut [f32]),
        draws: &mut Stream,
    ) -> Torch<()> {
        let bins = Bins::of(&self.model.config);
        let of_level = |row: usize| drawn.levels.get(row).copied();
        let by_rank: Vec<usize> =
            part.clone().filter(|row| link.is_by_rank(of_level(*row))).collect();
        let of_rows = self.bins(of_bins, (hidden, part.start, &by_rank), draws)?;
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
    fn drawn_levels(
        &self,
        (of_levels, head): (&Linear, usize),
        hidden: &[Tensor],
        draws: &mut Stream,
    ) -> Torch<Vec<u32>> {
        let shares = self.model.tokenizer.heads[head].shares();
        let calibrated = self.calibrates && is_calibrated(shares.len());
        let (mut logits, mut levels) = (vec![], vec![]);
        for hidden in hidden {
            let of_part = values(&of_levels.forward(&self.ready.leaves, hidden)?)?;
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
        of_bins: &Ranked,
        (hidden, begin, rows): (&Tensor, usize, &[usize]),
        draws: &mut Stream,
    ) -> Torch<Vec<(u32, u32)>> {
        if rows.is_empty() {
            return Ok(vec![]);
        }
        let hidden = picked(hidden, begin, rows)?;
        let (leaves, scale) = (&self.ready.leaves, &self.ready.scale);
        let said = (&hidden, &of_bins.mixture(leaves, &hidden)?);
        let logits = of_bins.coarse(leaves, scale, said)?;
        let coarse = as_told(values(&logits)?, self.model.config.coarse_bins, draws);
        let places: Vec<i64> = coarse.iter().map(|bin| i64::from(*bin)).collect();
        let logits = of_bins.fine(leaves, scale, said, &Tensor::f_from_slice(&places)?)?;
        let fine = as_told(values(&logits)?, self.model.config.fine_bins, draws);
        Ok(coarse.into_iter().zip(fine).collect())
    }
}

/// What the net made of these rows of a part that begins there.
pub(super) fn picked(hidden: &Tensor, begin: usize, rows: &[usize]) -> Torch<Tensor> {
    let picked: Vec<i64> = rows.iter().map(|row| (row - begin) as i64).collect();
    match picked.len() as i64 == hidden.size()[0] {
        true => Ok(hidden.shallow_clone()),
        false => hidden.f_index_select(0, &Tensor::f_from_slice(&picked)?),
    }
}

fn parts(rows: usize) -> Vec<Range<usize>> {
    let part = |begin: usize| begin..rows.min(begin + SUB_BATCH_ROWS);
    (0..rows).step_by(SUB_BATCH_ROWS).map(part).collect()
}
