//! All columns of the training rows, coded and brought into the order in which they are drawn.

use std::{sync::Arc, thread};

use arrow::{
    array::{StringArray, UInt32Array},
    compute::take,
};
use tgs_protocol::{
    code::Code, column::ColumnSpec, engine::EngineError, limits::SHARED_ROWS_MIN, progress::Watch,
};

use super::{
    chain::{Content, Part},
    config::Config,
    encode::{self, Coded},
};
use crate::{
    generated::Generated,
    own_numbers::OwnNumbers,
    random::{Purpose, Stream},
    table::{Cells, Column, Table},
};

/// A table as trees see it.
pub(super) struct Encoded {
    /// Places in the source of the columns with trees: levels, then numbers, few values first.
    pub order: Vec<usize>,
    /// One per member of `order`.
    pub coded: Vec<Coded>,
    kept: Vec<(Arc<ColumnSpec>, Kept)>,
}

/// What the model keeps of a column beside its codes.
enum Kept {
    Generated(Generated),
    Levels(Arc<StringArray>),
    Numbers,
}

impl Encoded {
    /// Codes a table of at most `config.rows_max` rows; of more, as many at random.
    ///
    /// # Errors
    /// `Stopped` once `watch` says so.
    pub(super) fn new(
        table: &Table,
        config: &Config,
        (seed, threads): (u64, u32),
        watch: &dyn Watch,
    ) -> Result<Self, EngineError> {
        let sampled = sample(table, config.rows_max as usize, seed, 0)?;
        let columns = sampled.columns();
        let own = OwnNumbers::of(&sampled, SHARED_ROWS_MIN);
        let mut found: Vec<Option<(Kept, Option<Coded>)>> = Vec::new();
        found.resize_with(columns.len(), || None);
        let share = columns.len().div_ceil(threads.max(1) as usize).max(1);
        thread::scope(|scope| {
            for (part, found) in found.chunks_mut(share).enumerate() {
                scope.spawn(move || {
                    for (at, found) in (part * share..).zip(found) {
                        if watch.stopped() {
                            return;
                        }
                        *found = Some(code(&columns[at], own.in_column(at), config));
                    }
                });
            }
        });
        watch.go_on()?;
        let (mut kept, mut coded) = (Vec::new(), Vec::new());
        for (at, (column, found)) in columns.iter().zip(found).enumerate() {
            let Some((keep, codes)) = found else { continue };
            kept.push((Arc::clone(&column.spec), keep));
            coded.extend(codes.map(|codes| (at, codes)));
        }
        coded.sort_by_key(|(at, coded)| (coded.numbers.is_some(), coded.cardinality, *at));
        let (order, coded) = coded.into_iter().unzip();
        Ok(Self { order, coded, kept })
    }

    /// What the model file keeps of every column, in source order.
    pub(super) fn parts(&self) -> Vec<Part> {
        let place = |at: usize| self.order.iter().position(|drawn| *drawn == at);
        let coded = |at: usize| place(at).and_then(|place| self.coded.get(place));
        let parts = self.kept.iter().enumerate().map(|(at, (spec, kept))| {
            let content = match kept {
                Kept::Generated(generated) => Content::Generated(generated.clone()),
                Kept::Levels(levels) => Content::Levels {
                    levels: levels.iter().map(|level| level.unwrap_or("").to_owned()).collect(),
                    bin_of_code: coded(at).map_or(Vec::new(), |coded| coded.bin_of_code.clone()),
                },
                Kept::Numbers => {
                    let numbers = coded(at).and_then(|coded| coded.numbers.clone());
                    Content::Numbers(numbers.expect("a column of numbers was coded as one"))
                }
            };
            Part { spec: Arc::clone(spec), content }
        });
        parts.collect()
    }
}

/// At most `rows` rows of a table, drawn without order of their place, kept in order.
pub(super) fn sample(
    table: &Table,
    rows: usize,
    seed: u64,
    index: u64,
) -> Result<Table, EngineError> {
    if table.rows() <= rows {
        return Ok(table.clone());
    }
    let picked = Stream::new(seed, Purpose::Subsample, index).subsample(table.rows(), rows);
    let picked = UInt32Array::from_iter_values(picked.into_iter().map(|row| row as u32));
    let fault = |why| EngineError::because(Code::Internal, "sample rows of a table", why);
    let columns = table.columns().iter().map(|column| {
        let cells = match &column.cells {
            Cells::Number(values) => Cells::Number(taken(values, &picked)?),
            Cells::Level { codes, levels } => {
                Cells::Level { codes: taken(codes, &picked)?, levels: Arc::clone(levels) }
            }
            Cells::Text(texts) => Cells::Text(taken(texts, &picked)?),
        };
        Ok(Column { spec: Arc::clone(&column.spec), cells })
    });
    Ok(Table::new(columns.collect::<Result<_, arrow::error::ArrowError>>().map_err(fault)?))
}

fn taken<A: arrow::array::Array + Clone + 'static>(
    array: &A,
    picked: &UInt32Array,
) -> Result<A, arrow::error::ArrowError> {
    let taken = take(array, picked, None)?;
    let same = taken.as_any().downcast_ref::<A>().cloned();
    Ok(same.expect("taking keeps the type of an array"))
}

fn code(column: &Column, own: OwnNumbers, config: &Config) -> (Kept, Option<Coded>) {
    match &column.cells {
        Cells::Text(_) => (Kept::Generated(Generated::fit(column)), None),
        Cells::Level { codes, levels } => {
            let coded = encode::levels(codes, arrow::array::Array::len(levels.as_ref()), config);
            (Kept::Levels(Arc::clone(levels)), Some(coded))
        }
        Cells::Number(values) => {
            (Kept::Numbers, Some(encode::numbers(&column.spec, values, own, config)))
        }
    }
}
