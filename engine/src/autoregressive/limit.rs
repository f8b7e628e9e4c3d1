//! One column drawn within what it may be.

use super::{
    chain::{Bins, Link, UNTOLD},
    drawing::{Drawing, Drawn, picked},
    net::{Column, Ranked},
    sampler::AutoregressiveSampler,
};
use crate::{
    given::{Allowed, allowed::Values},
    learn::torch::{Torch, values},
    random::Stream,
    tabgraph::tokenizer::{
        ColumnCode, Tokenizer,
        head::{Head, Meaning},
        scale::NumberScale,
    },
    table::Cells,
};

/// What the cells of one column may be, as the net knows them.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    /// Its place in the table.
    pub column: usize,
    /// Its place among the links.
    pub link: usize,
    /// What it may be.
    pub allowed: Allowed,
    /// Part of the rows of each level that may be.
    levels: Vec<f64>,
    /// Parts of the rank that may be, ascending and apart.
    ranks: Vec<(f64, f64)>,
    /// What may be of each coarse bin.
    coarse: Vec<Share>,
    /// Members of the group of rare values that may be, with their training rows.
    tail: Vec<(u32, u64)>,
}

/// How much of a coarse bin may be.
#[derive(Debug, Clone, PartialEq)]
enum Share {
    Nothing,
    All,
    /// This part of each of its fine bins.
    Some(Vec<f64>),
}

impl Limit {
    /// None where no cell of the column can be so.
    pub(super) fn new(
        model: &AutoregressiveSampler,
        column: usize,
        allowed: &Allowed,
    ) -> Option<Self> {
        let Tokenizer { codes, heads, scales, .. } = &model.tokenizer;
        let (number, head) = match codes[column] {
            ColumnCode::Number { token, head } => (Some(token), head),
            ColumnCode::Head(head) => (None, Some(head)),
            ColumnCode::Constant(_) | ColumnCode::Generated(_) => return None,
        };
        let link = model.links.iter().position(|link| link.tells(&codes[column]))?;
        let mut allowed = allowed.clone();
        if let (Some(token), Values::Numbers(intervals)) = (number, &allowed.values) {
            allowed.values = Values::Numbers(scales[token].reachable(intervals));
        }
        let head = head.map(|head| &heads[head]);
        let tail: Vec<(u32, u64)> = head.map_or_else(Vec::new, |head| {
            head.tail.iter().copied().filter(|(code, _)| allowed.holds_code(*code)).collect()
        });
        let levels: Vec<f64> = head.map_or_else(Vec::new, |head| {
            head.meanings.iter().map(|meaning| part(*meaning, head, &allowed)).collect()
        });
        let ranks = match (model.links[link].number, &allowed.values) {
            (Some(token), Values::Numbers(intervals)) => {
                scales[token].free_ranks(intervals, |number| is_level(head, number))
            }
            _ => Vec::new(),
        };
        let bins = Bins::of(&model.config);
        let coarse = match model.links[link].number {
            Some(_) => (0..bins.coarse).map(|bin| share(bins, bin, &ranks)).collect(),
            None => Vec::new(),
        };
        let by_rank = model.links[link].by_rank.map(|level| level as usize);
        let may_be = |(level, part): (usize, &f64)| *part > 0.0 && Some(level) != by_rank;
        let is_possible = !ranks.is_empty() || levels.iter().enumerate().any(may_be);
        is_possible.then_some(Self { column, link, allowed, levels, ranks, coarse, tail })
    }

    /// The cells, where rounding left what may be, or a rare value was drawn that may not, brought
    /// back to the nearest one that may.
    pub(super) fn mended(&self, cells: &Cells, members: &mut Stream) -> Cells {
        match (cells, &self.allowed.values) {
            (Cells::Number(numbers), Values::Numbers(intervals)) => {
                let mended = |number: f64| nearest(intervals, number);
                Cells::Number(numbers.iter().map(|number| number.map(mended)).collect())
            }
            (Cells::Level { codes, levels }, _) => {
                let mut mended = |code: u32| match self.allowed.holds_code(code) {
                    true => Some(code),
                    false => self.member(members),
                };
                let codes = codes.iter().map(|code| code.and_then(&mut mended)).collect();
                Cells::Level { codes, levels: levels.clone() }
            }
            _ => cells.clone(),
        }
    }

    /// A rare value that may be, by its frequency.
    fn member(&self, members: &mut Stream) -> Option<u32> {
        let all: u64 = self.tail.iter().map(|(_, rows)| rows).sum();
        let mut left = if all > 0 { members.below(all) } else { 0 };
        for (code, rows) in &self.tail {
            if left < *rows {
                return Some(*code);
            }
            left -= rows;
        }
        self.tail.first().map(|(code, _)| *code)
    }

    /// A rank within a fine bin that may be; `uniform` in (0, 1) says where.
    fn rank(&self, bins: Bins, bin: (usize, usize), uniform: f64) -> f64 {
        let (low, high) = bins.ends(bin);
        let over = |(begin, end): &(f64, f64)| (begin.max(low), end.min(high));
        let over: Vec<(f64, f64)> =
            self.ranks.iter().map(over).filter(|(begin, end)| begin < end).collect();
        let width: f64 = over.iter().map(|(begin, end)| end - begin).sum();
        let mut left = uniform * width;
        for (begin, end) in &over {
            if left <= end - begin {
                return begin + left;
            }
            left -= end - begin;
        }
        over.last().map_or(low + uniform * (high - low), |(_, end)| *end)
    }
}

/// Part of the rows of a level that may be.
fn part(meaning: Meaning, head: &Head, allowed: &Allowed) -> f64 {
    let may_be = match meaning {
        Meaning::ByRank => true,
        Meaning::Missing => allowed.missing,
        Meaning::Number(number) => allowed.holds(number),
        Meaning::Code(code) => allowed.holds_code(code),
        Meaning::Tail => {
            let rows = |(_, rows): &(u32, u64)| *rows as f64;
            let all: f64 = head.tail.iter().map(rows).sum();
            let left = head.tail.iter().filter(|(code, _)| allowed.holds_code(*code));
            return left.map(rows).sum::<f64>() / all.max(1.0);
        }
    };
    if may_be { 1.0 } else { 0.0 }
}

/// Whether a number is told by a level.
fn is_level(head: Option<&Head>, number: (f64, f64)) -> bool {
    let within = |meaning: &Meaning| match meaning {
        Meaning::Number(value) => (number.0..=number.1).contains(value),
        _ => false,
    };
    head.is_some_and(|head| head.meanings.iter().any(within))
}

fn share(bins: Bins, coarse: usize, ranks: &[(f64, f64)]) -> Share {
    let all = (bins.coarse * bins.fine) as f64;
    let of_fine = |fine: usize| {
        let (low, high) = bins.ends((coarse, fine));
        let over = ranks.iter().map(|(begin, end)| (end.min(high) - begin.max(low)).max(0.0));
        (over.sum::<f64>() * all).min(1.0)
    };
    let parts: Vec<f64> = (0..bins.fine).map(of_fine).collect();
    if parts.iter().all(|part| *part <= 0.0) {
        Share::Nothing
    } else if parts.iter().all(|part| *part >= 1.0 - 1e-9) {
        Share::All
    } else {
        Share::Some(parts)
    }
}

/// The nearest number that may be.
fn nearest(intervals: &[(f64, f64)], number: f64) -> f64 {
    let at = intervals.partition_point(|(_, high)| *high < number);
    let above = intervals.get(at).map(|(low, high)| number.clamp(*low, *high));
    let below = at.checked_sub(1).and_then(|at| intervals.get(at)).map(|(_, high)| *high);
    match (below, above) {
        (Some(below), Some(above)) if number - below < above - number => below,
        (_, Some(above)) => above,
        (Some(below), None) => below,
        (None, None) => number,
    }
}

impl Drawing<'_> {
    /// Draws the column of a limit within it; gives for each row how likely the net had it to be
    /// so. A row that cannot be so has none.
    pub(super) fn limited(&mut self, limit: &Limit, draws: &mut Stream) -> Torch<Vec<f64>> {
        let (model, at) = (self.model, limit.link);
        let (link, column) = (&model.links[at], &model.net.columns[at]);
        let hidden = self.hidden(at)?;
        let (mut drawn, mut masses) = (Drawn::default(), Vec::new());
        for (part, hidden) in self.parts.clone().into_iter().zip(&hidden) {
            let levels = match &column.levels {
                Some(of_levels) => {
                    let logits = values(&of_levels.forward(&self.ready.leaves, hidden)?)?;
                    Some(probabilities(logits, limit.levels.len()))
                }
                None => None,
            };
            let bins = match &column.bins {
                Some(of_bins) if !limit.ranks.is_empty() => {
                    Some(self.coarse_masses((of_bins, limit), hidden)?)
                }
                _ => None,
            };
            let mut by_rank = Vec::new();
            for (row, at) in part.clone().zip(0_usize..) {
                let of_bins = bins.as_ref().map(|(odds, width)| &odds[at * width..][..*width]);
                let ranked: f64 = of_bins.map_or(0.0, |odds| odds.iter().sum());
                let level = levels.as_ref().map(|odds| {
                    let odds = &odds[at * limit.levels.len()..][..limit.levels.len()];
                    limit.level(link, odds, ranked, draws)
                });
                let (level, mass) = level.map_or((None, ranked), |(level, mass)| (level, mass));
                masses.push(mass);
                drawn.levels.extend(column.levels.as_ref().map(|_| level.unwrap_or(0)));
                if let Some(of_bins) = of_bins.filter(|_| link.is_by_rank(level)) {
                    by_rank.push((row, pick(of_bins, draws)));
                }
            }
            if column.bins.is_some() {
                drawn.coarse.resize(part.end, UNTOLD);
                drawn.places.resize(part.end, UNTOLD);
                self.ranks((limit, column), (part.start, hidden), &by_rank, &mut drawn, draws)?;
            }
        }
        self.know(at, drawn)?;
        Ok(masses)
    }

    /// How likely each coarse bin is, as far as it may be, and how many there are.
    fn coarse_masses(
        &self,
        (of_bins, limit): (&Ranked, &Limit),
        hidden: &tch::Tensor,
    ) -> Torch<(Vec<f64>, usize)> {
        let (leaves, scale) = (&self.ready.leaves, &self.ready.scale);
        let said = (hidden, &of_bins.mixture(leaves, hidden)?);
        let width = limit.coarse.len();
        let mut odds = probabilities(values(&of_bins.coarse(leaves, scale, said)?)?, width);
        let rows = odds.len() / width;
        for (bin, share) in limit.coarse.iter().enumerate() {
            match share {
                Share::All => {}
                Share::Nothing => (0..rows).for_each(|row| odds[row * width + bin] = 0.0),
                Share::Some(parts) => {
                    let bins = tch::Tensor::f_from_slice(&vec![bin as i64; rows])?;
                    let fine = values(&of_bins.fine(leaves, scale, said, &bins)?)?;
                    let fine = probabilities(fine, parts.len());
                    for (row, fine) in fine.chunks_exact(parts.len()).enumerate() {
                        let part: f64 =
                            fine.iter().zip(parts).map(|(odds, part)| odds * part).sum();
                        odds[row * width + bin] *= part;
                    }
                }
            }
        }
        Ok((odds, width))
    }

    /// Fine bins and tokens of rows whose coarse bins are drawn.
    fn ranks(
        &mut self,
        (limit, column): (&Limit, &Column),
        (begin, hidden): (usize, &tch::Tensor),
        rows: &[(usize, usize)],
        drawn: &mut Drawn,
        draws: &mut Stream,
    ) -> Torch<()> {
        let (Some(of_bins), Some(number)) = (&column.bins, self.model.links[limit.link].number)
        else {
            return Ok(());
        };
        if rows.is_empty() {
            return Ok(());
        }
        let (leaves, scale) = (&self.ready.leaves, &self.ready.scale);
        let of_rows: Vec<usize> = rows.iter().map(|(row, _)| *row).collect();
        let hidden = picked(hidden, begin, &of_rows)?;
        let said = (&hidden, &of_bins.mixture(leaves, &hidden)?);
        let coarse: Vec<i64> = rows.iter().map(|(_, coarse)| *coarse as i64).collect();
        let coarse = tch::Tensor::f_from_slice(&coarse)?;
        let bins = Bins::of(&self.model.config);
        let fine = values(&of_bins.fine(leaves, scale, said, &coarse)?)?;
        let mut fine = probabilities(fine, bins.fine);
        let of_number: &NumberScale = &self.model.tokenizer.scales[number];
        for ((row, coarse), fine) in rows.iter().zip(fine.chunks_exact_mut(bins.fine)) {
            if let Share::Some(parts) = &limit.coarse[*coarse] {
                fine.iter_mut().zip(parts).for_each(|(odds, part)| *odds *= part);
            }
            let bin = pick(fine, draws);
            drawn.coarse[*row] = *coarse as i64;
            drawn.places[*row] = bins.place(*coarse as i64, bin as i64);
            let rank = limit.rank(bins, (*coarse, bin), draws.uniform());
            #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
            let token = of_number.of_free_rank(rank) as f32;
            self.numbers[number][*row] = token;
        }
        Ok(())
    }
}

impl Limit {
    /// A level that may be, and how likely it was that one may be. `ranked`: how likely a rank may
    /// be, where a rank tells.
    fn level(
        &self,
        link: &Link,
        odds: &[f64],
        ranked: f64,
        draws: &mut Stream,
    ) -> (Option<u32>, f64) {
        let by_rank = link.by_rank.map(|level| level as usize);
        let weight = |(level, (odds, part)): (usize, (&f64, &f64))| {
            odds * if Some(level) == by_rank { ranked } else { *part }
        };
        let odds: Vec<f64> = odds.iter().zip(&self.levels).enumerate().map(weight).collect();
        let level = pick(&odds, draws);
        (u32::try_from(level).ok(), odds.iter().sum())
    }
}

/// e to the logits over their sum, row by row.
fn probabilities(logits: Vec<f32>, width: usize) -> Vec<f64> {
    let mut odds: Vec<f64> = logits.into_iter().map(f64::from).collect();
    for row in odds.chunks_exact_mut(width.max(1)) {
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.iter_mut().for_each(|cell| *cell = libm::exp(*cell - most));
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|cell| *cell /= sum);
    }
    odds
}

/// A place, by odds that need not sum to one; the last that may be where rounding leaves none.
fn pick(odds: &[f64], draws: &mut Stream) -> usize {
    let mut left = draws.uniform() * odds.iter().sum::<f64>();
    let mut last = 0;
    for (at, odds) in odds.iter().enumerate().filter(|(_, odds)| **odds > 0.0) {
        last = at;
        left -= odds;
        if left < 0.0 {
            break;
        }
    }
    last
}
