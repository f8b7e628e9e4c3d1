//! Rows of which some cells are known: the others are drawn given those.

use tgs_protocol::{chunk::ChunkNo, engine::EngineError, progress::Unwatched};

use super::{
    chain::{self, Bins, Link},
    drawing::Drawing,
    limit::Limit,
    sampler::{AutoregressiveSampler, Opened, Ready},
};
use crate::{
    given::{Allowed, Incomplete, filled},
    learn::torch::{Torch, failed},
    model::Generator,
    random::{Purpose, Stream},
    tabgraph::tokenizer::{Encoded, head::Meaning},
    table::{Cells, Table},
};

/// See the module.
pub(super) struct Completing {
    opened: Opened,
    rows: Incomplete,
    /// By link: the column that it tells, and that a cell of it is there, if its missing cells are
    /// to be filled.
    links: Vec<(usize, Option<Limit>)>,
}

impl Completing {
    pub(super) fn new(opened: Opened, rows: Incomplete) -> Self {
        let model = opened.model();
        let column = |link: &Link| model.tokenizer.codes.iter().position(|code| link.tells(code));
        let link = |column: usize| {
            let is_there = Allowed::there(&rows.table.columns()[column]);
            let is_filled = !rows.absent.contains(&column);
            (column, is_filled.then(|| Limit::new(model, column, &is_there)).flatten())
        };
        let links = model.links.iter().filter_map(column).map(link).collect();
        Self { opened, rows, links }
    }

    /// Which of the rows have a cell of this link that the model knows.
    fn known(
        &self,
        (model, at): (&AutoregressiveSampler, usize),
        rows: &Table,
        encoded: &Encoded,
    ) -> Vec<bool> {
        let (link, column) = (&model.links[at], &rows.columns()[self.links[at].0]);
        let heads = model.tokenizer.heads.len();
        let is_known = |row: usize| {
            let level = link.head.map(|head| {
                let level = encoded.levels[row * heads + head];
                model.tokenizer.heads[head].meanings[level as usize]
            });
            match (&column.cells, level) {
                _ if !column.cells.is_present(row) => false,
                (Cells::Number(values), Some(Meaning::Number(known))) => values.value(row) == known,
                (Cells::Number(_), level) => {
                    link.number.is_some() && level.is_none_or(|it| it == Meaning::ByRank)
                }
                (Cells::Level { codes, .. }, Some(Meaning::Code(known))) => {
                    codes.value(row) == known
                }
                // What the model has not seen is like its rare values.
                (Cells::Level { .. }, level) => level == Some(Meaning::Tail),
                (Cells::Text(_), _) => false,
            }
        };
        (0..rows.rows()).map(is_known).collect()
    }

    fn drawn<'a>(
        &self,
        (model, ready): (&'a AutoregressiveSampler, &'a Ready),
        rows: &Table,
        encoded: &Encoded,
        (places, draws): (&mut Stream, &mut Stream),
    ) -> Torch<Drawing<'a>> {
        let _guard = tch::no_grad_guard();
        let mut drawing = Drawing::new(model, ready, rows.rows())?;
        drawing.calibrates = false;
        let (bins, all) = (Bins::of(&model.config), (0..rows.rows()).collect::<Vec<usize>>());
        for (at, link) in model.links.iter().enumerate() {
            let known = self.known((model, at), rows, encoded);
            let told = chain::told((&model.tokenizer, encoded), link, bins, &all, places);
            drawing.given(at, &told, known)?;
        }
        for (at, (_, limit)) in self.links.iter().enumerate() {
            match limit {
                _ if drawing.is_given(at) => {}
                Some(limit) => drop(drawing.limited(limit, draws)?),
                None => drawing.column(at, draws)?,
            }
        }
        Ok(drawing)
    }
}

impl Generator for Completing {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        let (model, ready) = self.opened.ready()?;
        let given = self.rows.of_chunk(chunk, rows);
        let encoded = model.tokenizer.encode(&given, &Unwatched)?;
        let stream = |purpose| Stream::new(seed, purpose, u64::from(chunk.0));
        let (mut places, mut draws) = (stream(Purpose::Given), stream(Purpose::SampleLevel));
        let drawing = self
            .drawn((model, &ready), &given, &encoded, (&mut places, &mut draws))
            .map_err(failed("complete rows"))?;
        let mut members = stream(Purpose::SampleNumber);
        let tokens = (&*drawing.numbers, &*drawing.levels);
        let rows = given.rows();
        let drawn = model.tokenizer.decode(rows, tokens, false, &mut members, (seed, chunk));
        Ok(filled(&given, &drawn))
    }

    fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        self.opened.generated(seed, chunk, rows)
    }
}
