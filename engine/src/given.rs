//! Rows under conditions, of any model: what rows must be like stands in the model's file, and all
//! that it draws are so.
//!
//! | to find | open |
//! |---|---|
//! | what the cells of a column may be | `allowed` |
//! | rows drawn until enough of them fit | `rejecting` |
//! | which way where a model draws under conditions | `often` |
//! | shares of the values of a column | `balanced` |
//! | rows of which some cells are known | `incomplete` |

pub mod allowed;
mod balanced;
mod incomplete;
mod often;
mod rejecting;
#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc};

use serde::{Deserialize, Serialize, de::IgnoredAny};
use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    engine::EngineError,
    given::{Condition, Given},
    model::ModelName,
    progress::Watch,
    unit::Rows,
};

pub(crate) use self::incomplete::filled;
pub use self::{allowed::Allowed, incomplete::Incomplete};
use self::{balanced::Balanced, incomplete::Completed, rejecting::Rejecting};
use crate::{
    container::{self, Array, Asides, Container, FileKind},
    model::Generator,
    table::{Table, ipc},
};

/// What the cells of some columns may be, by their places in the table.
pub type Limits = Vec<(usize, Allowed)>;

/// Below this share, rows that fit are of so few people that a model may know them one by one.
const RARE_SHARE: f64 = 0.001;
/// Rows that are drawn to see how many fit, where the model cannot say.
const PROBE_ROWS: usize = 2_000;

/// Where the rows lie that are to be completed.
const ROWS: &str = "given.rows";

/// What the file of a model says of its rows.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Said {
    /// What they must be like.
    Like(Given),
    /// They are those of [`ROWS`], which lack these columns.
    Rows { absent: Vec<usize> },
}

/// Draws rows that all fit. Their ids and texts may come twice.
pub struct Fitting {
    /// Draws them.
    pub rows: Arc<dyn Generator>,
    /// Share of all rows that fit, if it is known.
    pub share: Option<f64>,
}

/// The model whose rows are all like this, from one of any rows, and what a user should know of it.
///
/// # Errors
/// `NoSuchRows` where no row can be so; those of opening a model.
pub(crate) fn given(
    (name, model): (ModelName, &[u8]),
    any: &Arc<dyn Generator>,
    given: &Given,
) -> Result<(Vec<u8>, Vec<String>), EngineError> {
    let kind = FileKind::Model(name);
    given.check().map_err(|refusal| EngineError::new(refusal.code, refusal.message))?;
    must_be_of_any_rows(kind, model)?;
    let rare = Balanced::new(any, given)?.rare(RARE_SHARE, PROBE_ROWS)?;
    let said = rare.into_iter().map(|(who, share)| {
        let times = if share > 0.0 { 1.0 / share } else { PROBE_ROWS as f64 };
        format!(
            "rare rows: {who} are one in {times:.0} or fewer, so they may say much of few people; \
             look at them before they are passed on"
        )
    });
    let model = container::with_given(kind, model, &Said::Like(given.clone()), None)?;
    Ok((model, said.collect()))
}

/// The model whose rows are those of a file, what they lack drawn given what they have; what a user
/// should know, and how many rows there are.
///
/// # Errors
/// Those of reading the file; `NoSuchRows` for a model that cannot draw so.
pub(crate) fn completed(
    (name, model): (ModelName, &[u8]),
    any: &Arc<dyn Generator>,
    file: &Path,
    watch: &dyn Watch,
) -> Result<(Vec<u8>, Vec<String>, Rows), EngineError> {
    let kind = FileKind::Model(name);
    must_be_of_any_rows(kind, model)?;
    let (rows, absent, notices) = incomplete::read(file, any, watch)?;
    completing(any, &rows, absent.clone(), name)?;
    let array = Array::list(&ipc::to_ipc(&rows)?);
    let said = Said::Rows { absent };
    let model = container::with_given(kind, model, &said, Some((ROWS.to_owned(), array)))?;
    Ok((model, notices, Rows(rows.rows() as u64)))
}

fn completing(
    any: &Arc<dyn Generator>,
    rows: &Table,
    absent: Vec<usize>,
    name: ModelName,
) -> Result<Completed, EngineError> {
    let incomplete = Incomplete::new(rows, absent, &sample(any)?);
    match any.completing(incomplete) {
        Some(completing) => Ok(Completed::new(completing, rows.clone())),
        None => Err(EngineError::new(
            Code::NoSuchRows,
            format!(
                "complete rows: a model of kind {name} cannot draw some cells given others; train \
                 one of kind {}",
                ModelName::Autoregressive
            ),
        )),
    }
}

fn must_be_of_any_rows(kind: FileKind, model: &[u8]) -> Result<(), EngineError> {
    let said: Asides<IgnoredAny, Said> = container::asides(kind, model)?;
    match said.given {
        Some(_) => {
            refuse("its rows are under conditions already; take the model that it was made of")
        }
        None => Ok(()),
    }
}

/// Wraps the generator of a model file, if the file says what its rows must be like.
///
/// # Errors
/// `NoSuchRows` where no row can be so; `ModelUnreadable` when the file is damaged.
pub(crate) fn generator(
    (name, model): (ModelName, &[u8]),
    any: Arc<dyn Generator>,
    said: Option<Said>,
) -> Result<Arc<dyn Generator>, EngineError> {
    Ok(match said {
        Some(Said::Like(given)) => Arc::new(Balanced::new(&any, &given)?),
        Some(Said::Rows { absent }) => {
            let kind = FileKind::Model(name);
            let mut file: Container<IgnoredAny> = container::read(kind, model)?;
            let rows = ipc::from_ipc(&file.take::<u8>(ROWS)?)?;
            Arc::new(completing(&any, &rows, absent, name)?)
        }
        None => any,
    })
}

/// Rows within these limits: as the model draws them, or thrown away until enough fit.
pub(crate) fn within(
    any: &Arc<dyn Generator>,
    limits: &Limits,
    tries: u32,
) -> Result<Fitting, EngineError> {
    if limits.is_empty() {
        return Ok(Fitting { rows: Arc::clone(any), share: Some(1.0) });
    }
    if let Some(fitting) = any.within(limits, tries)? {
        return Ok(often::better(any, limits, tries, fitting));
    }
    Ok(Fitting { rows: rejecting(any, limits, tries), share: None })
}

/// Rows within these limits, the others thrown away.
pub(crate) fn rejecting(
    any: &Arc<dyn Generator>,
    limits: &Limits,
    tries: u32,
) -> Arc<dyn Generator> {
    Arc::new(Rejecting::new(any, limits, tries))
}

/// What the conditions leave of the cells of each column that they name. `sample`: rows of the
/// model.
fn limits(conditions: &[Condition], sample: &Table) -> Result<Limits, EngineError> {
    let mut limits: Limits = Vec::new();
    for condition in conditions {
        let at = place(&condition.column, sample)?;
        limit(&mut limits, at, &Allowed::of(condition, &sample.columns()[at])?);
    }
    for (at, allowed) in &limits {
        if allowed.is_nothing() {
            let name = &sample.columns()[*at].spec.name;
            return refuse(format_args!(
                "what is said of \"{name}\" leaves no value; say less of it"
            ));
        }
    }
    Ok(limits)
}

/// Narrows what the cells of a column may be.
fn limit(limits: &mut Limits, at: usize, allowed: &Allowed) {
    match limits.iter_mut().find(|(of, _)| *of == at) {
        Some((_, known)) => known.narrow(allowed),
        None => limits.push((at, allowed.clone())),
    }
    limits.sort_by_key(|(at, _)| *at);
}

/// Where a column stands that may be named in a condition.
fn place(name: &str, sample: &Table) -> Result<usize, EngineError> {
    let columns = sample.columns();
    let Some(at) = columns.iter().position(|column| column.spec.name == name) else {
        let known = allowed::listed(columns.iter().map(|column| column.spec.name.as_str()));
        return refuse(format_args!("the model has no column \"{name}\"; it has {known}"));
    };
    if columns[at].spec.kind.is_generated() {
        return refuse(format_args!(
            "the column \"{name}\" is made anew in every row, not drawn; leave it out"
        ));
    }
    Ok(at)
}

/// Whether a row fits.
fn fits(limits: &Limits, table: &Table, row: usize) -> bool {
    limits.iter().all(|(at, allowed)| allowed.fits(&table.columns()[*at].cells, row))
}

/// A refusal that names the act.
pub(crate) fn refuse<T>(why: impl std::fmt::Display) -> Result<T, EngineError> {
    Err(EngineError::new(Code::NoSuchRows, format!("draw rows under conditions: {why}")))
}

/// A row of the model, which says what its columns are.
fn sample(any: &Arc<dyn Generator>) -> Result<Table, EngineError> {
    any.chunk(0, ChunkNo(0), 1)
}
