//! Rows as a generator of mode-specific numbers sees them, and back.
//!
//! A row is, for each numeric column, where its number stands in a mode and which mode that is; and
//! for each head (a category, frequent numbers, *missing*) which level. Cells become tokens by the
//! tokenizer of `tabgraph`, with every number a standard score.

use tgs_protocol::{chunk::ChunkNo, engine::EngineError, progress::Watch};

use super::Modes;
use crate::{
    container::{Array, Container},
    random::{Purpose, Stream},
    tabgraph::{
        config::{Normalisation, TabgraphConfig},
        sampler::{as_told, told},
        tokenizer::{Encoded, Tokenizer, record::TokenizerRecord},
    },
    table::{Cells, Table},
};

const LISTS: [&str; 3] = ["means", "deviations", "shares"];

/// A part of what a net answers for a row, in order: number and modes of each numeric column, then
/// the levels of each head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Where a number stands in its mode: one number, −1 to 1.
    Number,
    /// Logits of so many modes or levels.
    Odds(usize),
}

impl Part {
    /// Numbers that it takes.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Number => 1,
            Self::Odds(odds) => odds,
        }
    }
}

/// How cells become rows of numbers.
#[derive(Debug, Clone)]
pub(crate) struct ModeCoder {
    pub tokenizer: Tokenizer,
    /// Of each number token.
    pub modes: Vec<Modes>,
}

/// Some rows, part by part.
#[derive(Debug, Clone)]
pub(crate) struct Coded {
    /// Where the numbers of each numeric column stand, one per row.
    pub numbers: Vec<Vec<f32>>,
    /// Modes of each numeric column, then levels of each head, one per row.
    pub places: Vec<Vec<i64>>,
}

/// What a net answers for some rows, part by part.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    parts: Vec<Part>,
    /// Of each numeric column, one per row.
    pub numbers: Vec<Vec<f32>>,
    /// Logits of each part with odds, rows × odds.
    pub odds: Vec<Vec<f32>>,
}

/// How numbers are coded beside their modes.
pub(crate) fn cells() -> TabgraphConfig {
    TabgraphConfig { normalisation: Normalisation::Standard, ..TabgraphConfig::default() }
}

impl ModeCoder {
    /// Fits tokenizer and modes: of each column at most so many, none of less than this share of
    /// the rows.
    ///
    /// # Errors
    /// `Stopped`, between two columns, once `watch` says so.
    pub(crate) fn fit(
        train: &Table,
        (modes_max, share_min): (usize, f64),
        watch: &dyn Watch,
    ) -> Result<Self, EngineError> {
        let cells = cells();
        let tokenizer = Tokenizer::fit(train, &cells, watch)?;
        let mut modes = Vec::with_capacity(tokenizer.scales.len());
        for scale in &tokenizer.scales {
            watch.go_on()?;
            let runs = 0..u32::try_from(scale.low.len()).unwrap_or(u32::MAX);
            let numbers: Vec<f64> = runs.map(|run| scale.token(run, 0.5)).collect();
            let told_by_rank = scale.by_rank.iter().any(|rows| *rows > 0.0);
            let rows = if told_by_rank { &scale.by_rank } else { &scale.count };
            let least = (share_min, cells.shared_rows_min as f64);
            modes.push(Modes::fit(&numbers, rows, modes_max, least));
        }
        Ok(Self { tokenizer, modes })
    }

    /// The parts of a row.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let numbers = self.modes.iter().flat_map(|of| [Part::Number, Part::Odds(of.len())]);
        let heads = self.tokenizer.heads.iter().map(|head| Part::Odds(head.meanings.len()));
        numbers.chain(heads).collect()
    }

    /// These rows of a table; `draws` says where in its run a number stands, and by which of its
    /// modes it is told.
    pub(crate) fn rows(&self, table: &Encoded, picked: &[usize], draws: &mut Stream) -> Coded {
        let (tokens, heads) = (self.modes.len(), self.tokenizer.heads.len());
        let mut numbers = vec![Vec::with_capacity(picked.len()); tokens];
        let mut places = vec![Vec::with_capacity(picked.len()); tokens + heads];
        for row in picked {
            let groups = &table.groups[row * tokens..(row + 1) * tokens];
            for (token, group) in groups.iter().enumerate() {
                let number = self.tokenizer.scales[token].token(*group, draws.uniform());
                let (told, mode) = self.modes[token].told(number, draws.uniform());
                #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
                numbers[token].push(told as f32);
                places[token].push(mode as i64);
            }
            for (head, level) in table.levels[row * heads..(row + 1) * heads].iter().enumerate() {
                places[tokens + head].push(i64::from(*level));
            }
        }
        Coded { numbers, places }
    }

    /// The table that answers stand for: modes and levels are drawn, numbers brought to the ranks
    /// and levels to the shares of the training table.
    pub(crate) fn table(
        &self,
        rows: usize,
        answer: Answer,
        (seed, chunk): (u64, ChunkNo),
    ) -> Table {
        let index = u64::from(chunk.0);
        let mut draws = Stream::new(seed, Purpose::SampleLevel, index);
        let mut odds = answer.odds.into_iter();
        let mut numbers = Vec::with_capacity(self.modes.len());
        for ((modes, told), logits) in self.modes.iter().zip(answer.numbers).zip(&mut odds) {
            let drawn = as_told(logits, modes.len(), &mut draws);
            let number = |(told, mode): (f32, u32)| {
                #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
                let number = modes.number(f64::from(told), mode as usize) as f32;
                number
            };
            numbers.push(told.into_iter().zip(drawn).map(number).collect::<Vec<f32>>());
        }
        let heads = odds.zip(&self.tokenizer.heads);
        let levels: Vec<Vec<u32>> =
            heads.map(|(logits, head)| told(logits, &head.shares(), &mut draws)).collect();
        let mut members = Stream::new(seed, Purpose::SampleNumber, index);
        self.tokenizer.decode(rows, (&numbers, &levels), true, &mut members, (seed, chunk))
    }

    /// Ids and texts of a chunk, by the places of their columns.
    pub(crate) fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        self.tokenizer.generated(seed, chunk, rows)
    }

    /// What a model file says of it.
    pub(crate) fn record(&self) -> (TokenizerRecord, Vec<(String, Array)>) {
        let (record, mut arrays) = self.tokenizer.record();
        for (at, modes) in self.modes.iter().enumerate() {
            let lists = [&modes.means, &modes.deviations, &modes.shares];
            for (name, list) in LISTS.iter().zip(lists) {
                arrays.push((format!("modes.{at}.{name}"), Array::list(list)));
            }
        }
        (record, arrays)
    }

    /// What [`Self::record`] recorded; takes its arrays from the file.
    pub(crate) fn open<R>(
        record: &TokenizerRecord,
        file: &mut Container<R>,
    ) -> Result<Self, EngineError> {
        let tokenizer = record.open(file, cells().normalisation)?;
        let mut modes = Vec::with_capacity(tokenizer.scales.len());
        for at in 0..tokenizer.scales.len() {
            let mut list = |name: &str| file.take::<f64>(&format!("modes.{at}.{name}"));
            let (means, deviations) = (list(LISTS[0])?, list(LISTS[1])?);
            let of_column = Modes { means, deviations, shares: list(LISTS[2])? };
            if !of_column.are_whole() {
                return Err(file.refuse("the modes of a column are not whole"));
            }
            modes.push(of_column);
        }
        Ok(Self { tokenizer, modes })
    }
}

impl Coded {
    /// As numbers, rows × the width of all parts: numbers as they are, ones where modes and levels
    /// stand.
    pub(crate) fn flat(&self, parts: &[Part]) -> Vec<f32> {
        let rows = self.places.first().map_or(0, Vec::len);
        let width: usize = parts.iter().map(|part| part.width()).sum();
        let mut out = vec![0.0; rows * width];
        let (mut numbers, mut places) = (self.numbers.iter(), self.places.iter());
        let mut from = 0;
        for part in parts {
            let rows = out.chunks_exact_mut(width.max(1));
            match part {
                Part::Number => {
                    let told = numbers.next().into_iter().flatten();
                    rows.zip(told).for_each(|(row, told)| row[from] = *told);
                }
                Part::Odds(_) => {
                    let places = places.next().into_iter().flatten();
                    let place = |place: &i64| from + usize::try_from(*place).unwrap_or(0);
                    rows.zip(places).for_each(|(row, at)| row[place(at)] = 1.0);
                }
            }
            from += part.width();
        }
        out
    }
}

impl Answer {
    /// For no row yet.
    pub(crate) fn new(parts: Vec<Part>) -> Self {
        let of_kind = |is_number: bool| {
            parts.iter().filter(|part| (**part == Part::Number) == is_number).count()
        };
        Self {
            numbers: vec![Vec::new(); of_kind(true)],
            odds: vec![Vec::new(); of_kind(false)],
            parts,
        }
    }

    /// Adds what a net gave for some rows, rows × the width of all parts; numbers come through the
    /// hyperbolic tangent.
    pub(crate) fn add(&mut self, raw: &[f32]) {
        let width: usize = self.parts.iter().map(|part| part.width()).sum();
        for row in raw.chunks_exact(width.max(1)) {
            let (mut number, mut odds, mut from) = (0, 0, 0);
            for part in &self.parts {
                let cells = &row[from..from + part.width()];
                match part {
                    Part::Number => {
                        self.numbers[number].push(libm::tanhf(cells[0]));
                        number += 1;
                    }
                    Part::Odds(_) => {
                        self.odds[odds].extend(cells);
                        odds += 1;
                    }
                }
                from += part.width();
            }
        }
    }
}
