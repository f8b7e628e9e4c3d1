//! Levels of one column: values of a category, frequent numbers, *missing*.

use arrow::array::Array;
use serde::{Deserialize, Serialize};

use crate::{random::Stream, table::Cells};

/// What one level stands for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Meaning {
    /// No frequent value: the number token tells.
    ByRank,
    /// The cell is missing.
    Missing,
    /// This number, exactly.
    Number(f64),
    /// This code of the column's levels.
    Code(u32),
    /// One of the rare values that are learned as a group.
    Tail,
}

/// The levels of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// What each level stands for.
    pub meanings: Vec<Meaning>,
    /// Training rows of each level.
    pub rows: Vec<u64>,
    /// Codes learned as a group, with their training rows.
    pub tail: Vec<(u32, u64)>,
}

impl Head {
    /// Share of each level among the training rows.
    pub(crate) fn shares(&self) -> Vec<f64> {
        let total = self.rows.iter().sum::<u64>().max(1) as f64;
        self.rows.iter().map(|rows| *rows as f64 / total).collect()
    }

    /// Level of each cell.
    pub(crate) fn encode(&self, cells: &Cells) -> Vec<u32> {
        let most = self.level(|meaning| matches!(meaning, Meaning::ByRank)).unwrap_or_else(|| {
            (0..self.rows.len())
                .max_by_key(|level| (self.rows[*level], usize::MAX - level))
                .unwrap_or(0)
        });
        let missing = self.level(|meaning| *meaning == Meaning::Missing).unwrap_or(most);
        let tail = self.level(|meaning| *meaning == Meaning::Tail).unwrap_or(most);
        let levels: Vec<usize> = match cells {
            Cells::Number(values) => {
                let known = self.numbers();
                let find = |value: f64| {
                    let found = known.binary_search_by(|(number, _)| number.total_cmp(&value));
                    found.map_or(most, |at| known[at].1)
                };
                values.iter().map(|value| value.map_or(missing, find)).collect()
            }
            Cells::Level { codes, levels } => {
                let mut known = vec![tail; levels.len()];
                for (level, meaning) in self.meanings.iter().enumerate() {
                    if let Meaning::Code(code) = meaning
                        && let Some(place) = known.get_mut(*code as usize)
                    {
                        *place = level;
                    }
                }
                let find = |code: u32| known.get(code as usize).copied().unwrap_or(tail);
                codes.iter().map(|code| code.map_or(missing, find)).collect()
            }
            Cells::Text(texts) => vec![missing; texts.len()],
        };
        levels.into_iter().map(|level| u32::try_from(level).unwrap_or(0)).collect()
    }

    /// What the levels stand for; members of the group are drawn by frequency.
    pub(crate) fn decode(&self, levels: &[u32], draws: &mut Stream) -> Vec<Meaning> {
        let below: Vec<u64> = self
            .tail
            .iter()
            .scan(0, |sum, (_, rows)| {
                *sum += rows;
                Some(*sum)
            })
            .collect();
        let all = below.last().copied().unwrap_or(0);
        let mut member = || {
            if all == 0 {
                return Meaning::Missing;
            }
            let pick = draws.below(all);
            let at = below.partition_point(|rows| *rows <= pick);
            Meaning::Code(self.tail[at].0)
        };
        let meaning = |level: &u32| match self.meanings.get(*level as usize) {
            Some(Meaning::Tail) => member(),
            Some(meaning) => *meaning,
            None => Meaning::Missing,
        };
        levels.iter().map(meaning).collect()
    }

    fn level(&self, is: impl Fn(&Meaning) -> bool) -> Option<usize> {
        self.meanings.iter().position(is)
    }

    fn numbers(&self) -> Vec<(f64, usize)> {
        let number = |(level, meaning): (usize, &Meaning)| match meaning {
            Meaning::Number(value) => Some((*value, level)),
            _ => None,
        };
        let mut known: Vec<_> = self.meanings.iter().enumerate().filter_map(number).collect();
        known.sort_by(|a, b| a.0.total_cmp(&b.0));
        known
    }
}
