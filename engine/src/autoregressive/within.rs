//! Rows under conditions: columns of which something is said are drawn first, each within what it
//! may be, and every row has the weight of what was left to it.
//!
//! Where two columns or more have something to choose from, what the first chooses makes what is
//! wanted of the second more or less likely. So more rows than are asked for are begun, and as many
//! are gone on with, drawn by their weights (sampling and importance resampling: Rubin, 1987). No
//! row is ever drawn in vain, however rare it is.

use std::sync::Arc;

use tgs_protocol::{chunk::ChunkNo, engine::EngineError};

use super::{
    drawing::Drawing,
    limit::Limit,
    sampler::{AutoregressiveSampler, Opened, Ready},
};
use crate::{
    given::{Limits, refuse},
    learn::torch::{Torch, failed},
    model::Generator,
    random::{Purpose, Stream},
    tabgraph::tokenizer::{ColumnCode, head::Meaning},
    table::{Cells, Column, Table},
};

/// Rows begun for one that is gone on with, at most, and rows begun at least, where rows differ in
/// weight.
const BEGUN: usize = 4;
const BEGUN_MIN: usize = 1_000;

/// See the module.
pub(super) struct Within {
    opened: Opened,
    limits: Vec<Limit>,
    /// Columns in the order in which they are drawn: of those first of which something is said.
    order: Vec<usize>,
    tries: usize,
}

impl Within {
    /// # Errors
    /// `NoSuchRows` where a column cannot be so.
    pub(super) fn new(opened: Opened, limits: &Limits, tries: u32) -> Result<Self, EngineError> {
        let model = opened.model();
        let mut within = Vec::new();
        for (column, allowed) in limits {
            let name = &model.tokenizer.specs[*column].name;
            let limit = match &model.tokenizer.codes[*column] {
                ColumnCode::Constant(meaning) => match is_constant_allowed(*meaning, allowed) {
                    true => continue,
                    false => None,
                },
                ColumnCode::Generated(_) => None,
                ColumnCode::Number { .. } | ColumnCode::Head(_) => {
                    Limit::new(model, *column, allowed)
                }
            };
            let Some(limit) = limit else {
                return refuse(format_args!(
                    "no row of the model has such a value of \"{name}\": {}",
                    what_it_has(model, *column)
                ));
            };
            within.push(limit);
        }
        // What has nothing to choose from is known first: it makes no row weigh more than another.
        within.sort_by_key(|limit| (!limit.allowed.is_one(), limit.link));
        let mut order: Vec<usize> = within.iter().map(|limit| limit.link).collect();
        let rest = (0..model.links.len()).filter(|link| within.iter().all(|it| it.link != *link));
        order.extend(rest);
        Ok(Self { opened, limits: within, order, tries: tries as usize })
    }

    /// Share of all rows that are so, as the model has it.
    ///
    /// # Errors
    /// `NoSuchRows` where there are none.
    pub(super) fn share(&self) -> Result<f64, EngineError> {
        let (model, ready) = self.opened.ready()?;
        let mut draws = Stream::new(0, Purpose::SampleLevel, 0);
        let rows = if self.chooses() { BEGUN_MIN } else { 1 };
        let _guard = tch::no_grad_guard();
        let weights = Drawing::new(model, &ready, rows)
            .and_then(|mut drawing| self.begin(&mut drawing, &mut draws))
            .map_err(failed("draw rows"))?;
        let share = weights.iter().sum::<f64>() / rows as f64;
        if share > 0.0 { Ok(share) } else { nothing() }
    }

    /// Whether rows may differ in weight.
    fn chooses(&self) -> bool {
        self.limits.iter().filter(|limit| !limit.allowed.is_one()).count() > 1
    }

    /// Draws the columns of which something is said; gives the weight of each row.
    fn begin(&self, drawing: &mut Drawing, draws: &mut Stream) -> Torch<Vec<f64>> {
        let rows = drawing.parts.last().map_or(0, |part| part.end);
        let mut weights = vec![1.0; rows];
        for limit in &self.limits {
            let masses = drawing.limited(limit, draws)?;
            weights.iter_mut().zip(masses).for_each(|(weight, mass)| *weight *= mass);
        }
        Ok(weights)
    }

    /// All columns of so many rows; none where no row can be so.
    fn drawn<'a>(
        &self,
        (model, ready): (&'a AutoregressiveSampler, &'a Ready),
        rows: usize,
        draws: &mut Stream,
    ) -> Torch<Option<Drawing<'a>>> {
        let _guard = tch::no_grad_guard();
        let chooses = self.chooses() && rows > 0;
        let begun = match chooses {
            true => (rows * BEGUN).max(BEGUN_MIN).min(rows.saturating_mul(self.tries)).max(rows),
            false => rows,
        };
        let mut drawing = Drawing::new(model, ready, begun)?;
        drawing.calibrates = false;
        let weights = self.begin(&mut drawing, draws)?;
        if rows > 0 && weights.iter().sum::<f64>() <= 0.0 {
            return Ok(None);
        }
        if chooses {
            drawing.keep(&resampled(&weights, rows, draws))?;
        }
        for at in &self.order[self.limits.len()..] {
            drawing.column(*at, draws)?;
        }
        Ok(Some(drawing))
    }
}

impl Generator for Within {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        let (model, ready) = self.opened.ready()?;
        let index = u64::from(chunk.0);
        let mut draws = Stream::new(seed, Purpose::SampleLevel, index);
        let drawing = self.drawn((model, &ready), rows, &mut draws).map_err(failed("draw rows"))?;
        let Some(drawing) = drawing else { return nothing() };
        let mut members = Stream::new(seed, Purpose::SampleNumber, index);
        let tokens = (&*drawing.numbers, &*drawing.levels);
        // Ranks of rows under conditions are not those of the table.
        let table = model.tokenizer.decode(rows, tokens, false, &mut members, (seed, chunk));
        let mut columns = table.columns().to_vec();
        for limit in &self.limits {
            let Column { spec, cells } = &columns[limit.column];
            let cells = limit.mended(cells, &mut members);
            columns[limit.column] = Column { spec: Arc::clone(spec), cells };
        }
        Ok(Table::new(columns))
    }

    fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        self.opened.generated(seed, chunk, rows)
    }
}

fn nothing<T>() -> Result<T, EngineError> {
    refuse("no row of the model fits all of them at once; say less")
}

fn is_constant_allowed(meaning: Meaning, allowed: &crate::given::Allowed) -> bool {
    match meaning {
        Meaning::Missing => allowed.missing,
        Meaning::Number(number) => allowed.holds(number),
        Meaning::Code(code) => allowed.holds_code(code),
        Meaning::ByRank | Meaning::Tail => true,
    }
}

/// What a column may be asked for, for people.
fn what_it_has(model: &AutoregressiveSampler, column: usize) -> String {
    let spec = &model.tokenizer.specs[column];
    let shown = |number: f64| {
        let mut text = Vec::new();
        crate::table::cell::NumberWriter::new(spec).write(number, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    match &model.tokenizer.codes[column] {
        ColumnCode::Number { token, .. } => {
            let scale = &model.tokenizer.scales[*token];
            match (scale.low.first(), scale.high.last()) {
                (Some(low), Some(high)) => {
                    format!("it goes from {} to {}", shown(*low), shown(*high))
                }
                _ => "it is always missing".to_owned(),
            }
        }
        ColumnCode::Constant(Meaning::Number(number)) => format!("it is always {}", shown(*number)),
        _ => "it has others, or is never missing".to_owned(),
    }
}

/// So many rows drawn by weight, each about as often as its weight says, in a random order.
fn resampled(weights: &[f64], rows: usize, draws: &mut Stream) -> Vec<usize> {
    let step = weights.iter().sum::<f64>() / rows as f64;
    let mut next = draws.uniform() * step;
    let (mut below, mut picked) = (0.0, Vec::with_capacity(rows));
    for (row, weight) in weights.iter().enumerate() {
        below += weight;
        while next < below && picked.len() < rows {
            picked.push(row);
            next += step;
        }
    }
    // Rounding may leave the last place open.
    let last = weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
    picked.resize(rows, last);
    draws.shuffle(&mut picked);
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_drawn_by_their_weights() {
        let mut draws = Stream::new(1, Purpose::Test, 0);
        let weights = [0.0, 1.0, 3.0, 0.0];
        let picked = resampled(&weights, 1_000, &mut draws);
        let of = |row| picked.iter().filter(|it| **it == row).count();
        assert_eq!((of(0), of(3)), (0, 0));
        assert!((249..=251).contains(&of(1)) && of(1) + of(2) == 1_000, "{} and {}", of(1), of(2));
        assert!(picked.windows(2).any(|pair| pair[0] > pair[1]), "in no order");
    }
}
