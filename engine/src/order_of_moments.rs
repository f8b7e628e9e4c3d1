//! Moments that follow each other, kept in their order: discharged is never before admitted.
//!
//! Models learn columns by rank, and two dates a day apart of a range of years have nearly the same
//! one: drawn anew, either may come first. So a moment that hardly ever lies before another is
//! learned as the time since it, a number like any other, and told as a moment again when rows are
//! drawn. It is done around the models, which know nothing of it; what must be known to tell
//! moments again stands in the model file, beside its record.
//!
//! | to find | open |
//! |---|---|
//! | which moments come after which | `pairs` |
//! | whether and how a gap is learned | `gap` |
//! | training and sampling around a model | `around` |

mod around;
mod gap;
mod pairs;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::Float64Array;
use serde::{Deserialize, Serialize};
use tgs_protocol::{
    column::{ColumnSpec, ValueFormat},
    limits::SHARED_ROWS_MIN,
};

use self::gap::Gap;
pub(crate) use self::{
    around::{generator, trainer},
    pairs::{pairs, share_kept},
};
use crate::{
    own_numbers::{OwnNumbers, runs},
    table::{Cells, Column, Table, grid::Grid},
};

/// What is known of the order of moments of a table. Empty for most tables.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OrderOfMoments(Vec<Later>);

/// A column that comes after others; each stands behind those it comes after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Later {
    /// Its place in the table.
    column: usize,
    /// How it is written; models see a column of numbers instead where there is a gap.
    spec: ColumnSpec,
    /// Multiples that it lies on.
    grid: Grid,
    /// First and last moment, as they may be kept.
    range: (f64, f64),
    /// Places of the columns that it lies before in no training row.
    never_before: Vec<usize>,
    /// How it is learned; as it stands if there is none.
    gap: Option<Gap>,
}

/// The cells of every column, with something in place of what is missing: what gaps count from.
type Known = Vec<Option<Vec<f64>>>;

impl OrderOfMoments {
    /// What training rows tell of it. Rows kept aside have no say.
    pub(crate) fn of(train: &Table) -> Self {
        let pairs = pairs(train);
        if pairs.is_empty() {
            return Self::default();
        }
        let own = OwnNumbers::of(train, SHARED_ROWS_MIN);
        let of_one = pairs.chunk_by(|one, other| one.later == other.later);
        Self(of_one.filter_map(|pairs| Later::of(train, own, pairs)).collect())
    }

    /// Whether no moment comes after another.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The table as models see it: gaps in place of later moments. A gap is missing where its
    /// moment is; where only the moment that it counts from is missing, it counts from the usual
    /// one.
    pub(crate) fn learned(&self, train: &Table) -> Table {
        let mut columns = train.columns().to_vec();
        let mut known: Known = vec![None; columns.len()];
        for later in &self.0 {
            let (Some(gap), Cells::Number(moments)) =
                (&later.gap, &train.columns()[later.column].cells)
            else {
                continue;
            };
            let since = since(&mut known, train.columns(), gap);
            let from = |row: usize| later.grid.down(since[row]);
            let gaps = moments.iter().enumerate();
            let gaps = gaps.map(|(row, to)| to.map(|to| later.grid.steps(from(row), to)));
            let name = &train.columns()[gap.since].spec.name;
            columns[later.column] = Column {
                spec: gap::learned_spec(&later.spec, name, later.grid),
                cells: Cells::Number(gaps.collect()),
            };
            let filled = later.filled(gap, moments, since);
            known[later.column] = Some(filled);
        }
        Table::new(columns)
    }

    /// Whether what a file says of the order can be meant of rows that its model draws.
    ///
    /// # Errors
    /// What cannot be.
    pub(crate) fn check(&self, drawn: &Table) -> Result<(), &'static str> {
        let holds_numbers = |at: &usize| {
            drawn.columns().get(*at).is_some_and(|it| matches!(it.cells, Cells::Number(_)))
        };
        for Later { column, range: (low, high), never_before, gap, .. } in &self.0 {
            let since = gap.iter().map(|gap| &gap.since);
            if ![column].into_iter().chain(never_before).chain(since).all(holds_numbers) {
                return Err("its order of moments names a column that holds no numbers");
            }
            let numbers = gap.iter().flat_map(|gap| [gap.reference, gap.usual]);
            let is_range = low <= high && numbers.chain([*low, *high]).all(f64::is_finite);
            if !is_range {
                return Err("its order of moments has a range that is none");
            }
        }
        Ok(())
    }

    /// The table of moments again, of rows that a model drew. What leaves the range of a column
    /// comes back to its end; what comes before its turn is put off to the first possible moment.
    pub(crate) fn told(&self, drawn: &Table) -> Table {
        let mut columns = drawn.columns().to_vec();
        let mut known: Known = vec![None; columns.len()];
        for later in &self.0 {
            let Some(Cells::Number(cells)) = columns.get(later.column).map(|of| &of.cells) else {
                continue;
            };
            let since = later.gap.as_ref().map(|gap| (gap, since(&mut known, &columns, gap)));
            let (low, high) = later.range;
            let moment = |row: usize, cell: f64| {
                let moment = since.map_or(cell, |(_, since)| {
                    let from = later.grid.down(since[row]);
                    later.grid.after(from, cell).clamp(low, high)
                });
                let before = later.never_before.iter().filter_map(|at| number(&columns[*at], row));
                let first = before.fold(f64::NEG_INFINITY, f64::max);
                if moment < first { later.grid.up(first) } else { moment }
            };
            let cells = cells.iter().enumerate();
            let moments: Float64Array =
                cells.map(|(row, cell)| cell.map(|cell| moment(row, cell))).collect();
            if let Some((gap, since)) = since {
                let filled = later.filled(gap, &moments, since);
                known[later.column] = Some(filled);
            }
            let spec = Arc::new(later.spec.clone());
            columns[later.column] = Column { spec, cells: Cells::Number(moments) };
        }
        Table::new(columns)
    }
}

impl Later {
    /// Of pairs with the same later column.
    fn of(train: &Table, own: OwnNumbers, pairs: &[pairs::Pair]) -> Option<Self> {
        let column = pairs.first()?.later;
        let moments = pairs::moments(train, column)?;
        let spec = train.columns()[column].spec.as_ref().clone();
        let (distinct, rows) = runs(&gap::ascending(moments.iter().flatten()));
        let grid = grid(&spec.format, &distinct);
        let kept = own.in_column(column).moved(&distinct, &rows, grid);
        let range = (*kept.first()?, *kept.last()?);
        let earlier =
            |pair: &pairs::Pair| Some((pair.earlier, pairs::moments(train, pair.earlier)?));
        let nearest = pairs
            .iter()
            .filter_map(earlier)
            .map(|(at, from)| (gap::median(from, moments), (at, from)))
            .min_by(|one, other| one.0.total_cmp(&other.0));
        let gap = nearest.and_then(|(_, earlier)| Gap::between(earlier, moments, grid));
        let never = pairs.iter().filter(|pair| pair.kept >= 1.0);
        let never_before = never.map(|pair| pair.earlier).collect();
        Some(Self { column, spec, grid, range, never_before, gap })
    }

    /// Its moments, the usual one after `since` where they are missing.
    fn filled(&self, gap: &Gap, moments: &Float64Array, since: &[f64]) -> Vec<f64> {
        let usual = |from: f64| self.grid.after(self.grid.down(from), gap.usual);
        moments.iter().zip(since).map(|(cell, from)| cell.unwrap_or(usual(*from))).collect()
    }
}

/// What a gap counts from, row by row.
fn since<'a>(known: &'a mut Known, columns: &[Column], gap: &Gap) -> &'a Vec<f64> {
    known[gap.since].get_or_insert_with(|| match &columns[gap.since].cells {
        Cells::Number(cells) => cells.iter().map(|cell| cell.unwrap_or(gap.reference)).collect(),
        _ => Vec::new(),
    })
}

fn number(column: &Column, row: usize) -> Option<f64> {
    match &column.cells {
        Cells::Number(cells) => column.cells.is_present(row).then(|| cells.value(row)),
        _ => None,
    }
}

fn grid(format: &ValueFormat, values: &[f64]) -> Grid {
    match format {
        ValueFormat::Moment { .. } => Grid::of(format, values),
        // Typed sources say nothing of how moments are written.
        _ => Grid::of(&ValueFormat::Moment { pattern: "%Y-%m-%d".to_owned() }, values),
    }
}
