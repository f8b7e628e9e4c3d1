//! Train, holdout and synthetic rows on one footing: same columns, same order, one dictionary of
//! levels per column, missing cells marked. Every measure reads a [`Frame`], none reads a table.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, Float64Array, StringArray, UInt32Array},
    buffer::ScalarBuffer,
};
use tgs_protocol::{
    code::Code,
    column::{ColumnKind, ColumnSpec},
    engine::EngineError,
    limits::SHARED_ROWS_MIN,
};

pub use crate::association::MISSING;
use crate::table::{Cells, Column, Table};

/// The compared columns of the three tables.
#[derive(Debug)]
pub struct Frame {
    /// What is compared, in the order of the training table.
    pub fields: Vec<Field>,
    /// Rows that trained.
    pub train: Side,
    /// Rows kept aside; may be none.
    pub holdout: Side,
    /// Rows under judgement.
    pub synthetic: Side,
    /// Columns that no measure looks at, and why.
    pub left_out: Vec<(String, String)>,
    /// What the reader should know of the tables.
    pub notices: Vec<String>,
}

/// One compared column.
#[derive(Debug)]
pub struct Field {
    /// Name and kind, as the training table has them.
    pub spec: Arc<ColumnSpec>,
    /// Every level that any table knows, in ascending byte order; empty for numbers.
    pub levels: Vec<String>,
}

/// The cells of one table.
#[derive(Debug)]
pub struct Side {
    /// Number of rows.
    pub rows: usize,
    /// One per field.
    pub columns: Vec<Values>,
}

/// The cells of one column. Cells that are as they should be are shared with the table, not copied.
#[derive(Debug, Clone)]
pub enum Values {
    /// Numbers; NaN where missing, never infinite.
    Number(ScalarBuffer<f64>),
    /// Index into the levels of the field; [`MISSING`] where missing.
    Level(ScalarBuffer<u32>),
}

impl Frame {
    /// Aligns three tables by column name. The training table says what is compared.
    ///
    /// # Errors
    /// `TablesDiffer` when a table that has rows lacks a column or holds it as another kind.
    pub fn new(train: &Table, holdout: &Table, synthetic: &Table) -> Result<Self, EngineError> {
        // A table without rows fits any other, whatever its columns are.
        let empty = train.slice(0, 0);
        let holdout = if holdout.rows() == 0 { &empty } else { holdout };
        let synthetic = if synthetic.rows() == 0 { &empty } else { synthetic };
        let mut frame = Self {
            fields: Vec::new(),
            train: Side { rows: train.rows(), columns: Vec::new() },
            holdout: Side { rows: holdout.rows(), columns: Vec::new() },
            synthetic: Side { rows: synthetic.rows(), columns: Vec::new() },
            left_out: Vec::new(),
            notices: Vec::new(),
        };
        for column in train.columns() {
            let spec = &column.spec;
            if let Some(why) = left_out(spec.kind) {
                frame.left_out.push((spec.name.clone(), why.to_owned()));
                continue;
            }
            let cells = [
                &column.cells,
                &find(holdout, spec, "holdout")?.cells,
                &find(synthetic, spec, "synthetic")?.cells,
            ];
            let [real, aside, made] = frame.align(spec, cells)?;
            frame.train.columns.push(real);
            frame.holdout.columns.push(aside);
            frame.synthetic.columns.push(made);
        }
        frame.notice_extra(train, synthetic);
        Ok(frame)
    }

    /// True when rows were kept aside.
    pub fn has_holdout(&self) -> bool {
        self.holdout.rows > 0
    }

    /// Whether enough real rows hold a value of this column to compare anything with. A column of
    /// numbers that a handful of rows fill is no distribution, and models leave it empty.
    pub fn is_told(&self, column: usize) -> bool {
        let real = &self.train.columns[column];
        let missing = real.missing();
        let held = self.train.rows.saturating_sub(missing) as u64;
        real.numbers().is_none() || missing == 0 || held >= SHARED_ROWS_MIN
    }

    /// Index of the column of that name.
    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.spec.name == name)
    }

    fn align(
        &mut self,
        spec: &Arc<ColumnSpec>,
        cells: [&Cells; 3],
    ) -> Result<[Values; 3], EngineError> {
        let (levels, values) = match cells {
            [Cells::Number(a), Cells::Number(b), Cells::Number(c)] => {
                (Vec::new(), [a, b, c].map(|array| Values::Number(numbers(array))))
            }
            [
                Cells::Level { codes: a, levels: of_a },
                Cells::Level { codes: b, levels: of_b },
                Cells::Level { codes: c, levels: of_c },
            ] => {
                let pairs = [(a, &**of_a), (b, &**of_b), (c, &**of_c)];
                let levels = union(&pairs);
                let values = pairs.map(|(codes, of)| Values::Level(recode(codes, of, &levels)));
                (levels.into_keys().map(str::to_owned).collect(), values)
            }
            _ => {
                return Err(EngineError::new(
                    Code::TablesDiffer,
                    format!(
                        "column {} is held as numbers in one table and as levels in another; \
                         give both tables the same kinds",
                        spec.name
                    ),
                ));
            }
        };
        self.fields.push(Field { spec: Arc::clone(spec), levels });
        Ok(values)
    }

    fn notice_extra(&mut self, train: &Table, synthetic: &Table) {
        for column in synthetic.columns() {
            let name = &column.spec.name;
            if !train.columns().iter().any(|known| known.spec.name == *name) {
                self.notices.push(format!(
                    "The synthetic table has a column {name} that the real table lacks; \
                     no measure looks at it."
                ));
            }
        }
    }
}

impl Field {
    /// True for numbers and moments.
    pub fn is_number(&self) -> bool {
        self.spec.kind.is_numeric()
    }
    /// True for dates, times and both.
    pub fn is_moment(&self) -> bool {
        self.spec.kind.is_moment()
    }
}

impl Values {
    /// The cells as numbers, if they are.
    pub fn numbers(&self) -> Option<&[f64]> {
        match self {
            Self::Number(values) => Some(values),
            Self::Level(_) => None,
        }
    }
    /// The cells as levels, if they are.
    pub fn levels(&self) -> Option<&[u32]> {
        match self {
            Self::Number(_) => None,
            Self::Level(codes) => Some(codes),
        }
    }
    /// Number of missing cells.
    pub fn missing(&self) -> usize {
        match self {
            Self::Number(values) => values.iter().filter(|value| value.is_nan()).count(),
            Self::Level(codes) => codes.iter().filter(|&&code| code == MISSING).count(),
        }
    }
    /// The cells of these rows.
    pub fn pick(&self, rows: &[usize]) -> Self {
        match self {
            Self::Number(values) => Self::Number(rows.iter().map(|&row| values[row]).collect()),
            Self::Level(codes) => Self::Level(rows.iter().map(|&row| codes[row]).collect()),
        }
    }
}

impl Side {
    /// The rows named, in that order.
    pub fn pick(&self, rows: &[usize]) -> Self {
        let columns = self.columns.iter().map(|column| column.pick(rows)).collect();
        Self { rows: rows.len(), columns }
    }
}

fn left_out(kind: ColumnKind) -> Option<&'static str> {
    match kind {
        ColumnKind::Id => Some("an id names its row and means nothing"),
        ColumnKind::Text => Some("free text is replaced by look-alikes, not learned"),
        _ => None,
    }
}

/// The column of that name; an empty one when the whole table holds no row.
fn find<'a>(table: &'a Table, spec: &ColumnSpec, which: &str) -> Result<&'a Column, EngineError> {
    table.columns().iter().find(|column| column.spec.name == spec.name).ok_or_else(|| {
        EngineError::new(
            Code::TablesDiffer,
            format!(
                "the {which} table has no column {}; give a table with the columns of the real one",
                spec.name
            ),
        )
    })
}

fn numbers(array: &Float64Array) -> ScalarBuffer<f64> {
    if array.null_count() == 0 && array.values().iter().all(|value| value.is_finite()) {
        return array.values().clone();
    }
    array.iter().map(|cell| cell.filter(|value| value.is_finite()).unwrap_or(f64::NAN)).collect()
}

/// Every level that stands in a dictionary and in at least one cell, ascending, with its new code.
fn union<'a>(tables: &[(&UInt32Array, &'a StringArray); 3]) -> BTreeMap<&'a str, u32> {
    let mut names = BTreeMap::new();
    for (codes, levels) in tables {
        let mut used = vec![false; levels.len()];
        codes.iter().flatten().for_each(|code| {
            if let Some(seen) = used.get_mut(code as usize) {
                *seen = true;
            }
        });
        for (level, _) in used.iter().enumerate().filter(|(_, used)| **used) {
            names.insert(levels.value(level), 0);
        }
    }
    names.values_mut().zip(0..).for_each(|(code, next)| *code = next);
    names
}

fn recode(
    codes: &UInt32Array,
    levels: &StringArray,
    names: &BTreeMap<&str, u32>,
) -> ScalarBuffer<u32> {
    let table: Vec<u32> = (0..levels.len())
        .map(|level| names.get(levels.value(level)).copied().unwrap_or(MISSING))
        .collect();
    let count = u32::try_from(table.len()).unwrap_or(u32::MAX);
    let unchanged = table.iter().zip(0..).all(|(new, old)| *new == old);
    if unchanged && codes.null_count() == 0 && codes.values().iter().all(|c| *c < count) {
        return codes.values().clone();
    }
    let new = |code: u32| table.get(code as usize).copied().unwrap_or(MISSING);
    codes.iter().map(|cell| cell.map_or(MISSING, new)).collect()
}
