//! Rows of several groups, each with its part: the values of a column in shares that were asked
//! for. One group holds all where none were.

use std::sync::Arc;

use tgs_protocol::{
    chunk::ChunkNo,
    engine::EngineError,
    given::{Balance, Given},
};

use super::{Allowed, Fitting, Limits, fits, limit, limits, place, refuse, sample, within};
use crate::{
    model::Generator,
    random::{Purpose, Stream},
    table::{Cells, Column, Table, stack::Stack},
};

/// Shares below this are those of rounding.
const SHARE_MIN: f64 = 1e-6;

/// See the module.
pub(super) struct Balanced {
    any: Arc<dyn Generator>,
    groups: Vec<Group>,
}

/// Rows of one value.
struct Group {
    part: f64,
    /// What they are called where something is said of them.
    name: String,
    limits: Limits,
    fitting: Fitting,
}

impl Balanced {
    /// Of a model that draws any rows.
    ///
    /// # Errors
    /// `NoSuchRows` where no row can be so.
    pub(super) fn new(any: &Arc<dyn Generator>, given: &Given) -> Result<Self, EngineError> {
        let sample = sample(any)?;
        let asked = limits(&given.conditions, &sample)?;
        let all = "rows under these conditions".to_owned();
        let parts = match &given.balance {
            Some(balance) => parts(balance, &asked, &sample)?,
            None => vec![(1.0, all, asked)],
        };
        let group = |(part, name, limits): (f64, String, Limits)| {
            let fitting = within(any, &limits, given.tries)?;
            Ok(Group { part, name, limits, fitting })
        };
        let groups = parts.into_iter().map(group).collect::<Result<_, EngineError>>()?;
        Ok(Self { any: Arc::clone(any), groups })
    }

    /// Groups whose rows are rarer than this among all rows of the model, with their shares. Some
    /// rows are drawn where a share is not known.
    pub(super) fn rare(&self, than: f64, rows: usize) -> Result<Vec<(String, f64)>, EngineError> {
        let mut drawn: Option<Table> = None;
        let mut rare = Vec::new();
        for group in &self.groups {
            let share = match group.fitting.share {
                Some(share) => share,
                None => {
                    let table = match drawn.take() {
                        Some(table) => table,
                        None => self.any.chunk(0, ChunkNo(0), rows)?,
                    };
                    let fit = (0..rows).filter(|row| fits(&group.limits, &table, *row)).count();
                    drawn = Some(table);
                    fit as f64 / rows as f64
                }
            };
            if share < than {
                rare.push((group.name.clone(), share));
            }
        }
        Ok(rare)
    }

    /// How many of so many rows are of each group: the largest remainders get what is left.
    fn counts(&self, rows: usize) -> Vec<usize> {
        let exact = |group: &Group| group.part * rows as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "≥ 0")]
        let mut counts: Vec<usize> =
            self.groups.iter().map(|group| exact(group) as usize).collect();
        let mut order: Vec<usize> = (0..counts.len()).collect();
        let left = |at: &usize| exact(&self.groups[*at]).fract();
        order.sort_by(|one, other| left(other).total_cmp(&left(one)));
        let missing = rows.saturating_sub(counts.iter().sum());
        order.iter().cycle().take(missing).for_each(|at| counts[*at] += 1);
        counts
    }
}

/// What rows of each value must be like, and what those of the others.
fn parts(
    balance: &Balance,
    asked: &Limits,
    sample: &Table,
) -> Result<Vec<(f64, String, Limits)>, EngineError> {
    let name = &balance.column;
    let at = place(name, sample)?;
    let column = &sample.columns()[at];
    let with = |allowed: &Allowed| {
        let mut limits = asked.clone();
        limit(&mut limits, at, allowed);
        limits
    };
    let is_empty = |limits: &Limits| limits.iter().any(|(_, allowed)| allowed.is_nothing());
    let total: f64 = balance.shares.values().sum();
    let mut parts = Vec::new();
    for (value, share) in balance.shares.iter().filter(|(_, share)| **share > 0.0) {
        let limits = with(&Allowed::one_of(&[value], column)?);
        if is_empty(&limits) {
            return refuse(format_args!(
                "\"{name}\" is to be \"{value}\" in some rows, which the conditions rule out; take \
                 one of both away"
            ));
        }
        let part = if total > 1.0 - SHARE_MIN { share / total } else { *share };
        parts.push((part, format!("rows where \"{name}\" is \"{value}\""), limits));
    }
    if total <= 1.0 - SHARE_MIN {
        let named: Vec<&str> = balance.shares.keys().map(String::as_str).collect();
        let limits = with(&Allowed::none_of(&named, column)?);
        if is_empty(&limits) {
            return refuse(format_args!(
                "the shares of \"{name}\" sum to {total}, and no other value is left; give shares \
                 of 1 together"
            ));
        }
        parts.push((1.0 - total, format!("rows with other values of \"{name}\""), limits));
    }
    Ok(parts)
}

impl Generator for Balanced {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        let mut stack: Option<Stack> = None;
        for ((group, count), index) in self.groups.iter().zip(self.counts(rows)).zip(0_u64..) {
            if count == 0 && (rows > 0 || index > 0) {
                continue;
            }
            // Groups of one seed would be alike, row by row.
            let seed = match index {
                0 => seed,
                index => Stream::new(seed, Purpose::Given, u64::MAX - index).long_bits(),
            };
            let table = group.fitting.rows.chunk(seed, chunk, count)?;
            stack.get_or_insert_with(|| Stack::like(&table, rows)).push(&table)?;
        }
        let Some(stack) = stack else { return self.any.chunk(seed, chunk, 0) };
        let mut table = stack.table();
        if self.groups.len() > 1 {
            let mut order = Stream::new(seed, Purpose::GivenOrder, u64::from(chunk.0));
            table = table.picked(&order.permutation(rows));
        }
        let mut columns = table.columns().to_vec();
        for (at, cells) in self.generated(seed, chunk, rows) {
            columns[at] = Column { spec: Arc::clone(&columns[at].spec), cells };
        }
        Ok(Table::new(columns))
    }

    fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        self.any.generated(seed, chunk, rows)
    }
}
