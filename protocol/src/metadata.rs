//! The metadata file: what a user says about columns, over what was inferred.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::column::ColumnKind;

/// Corrections for one table, as written by a user in JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Per column name; columns left out are inferred.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnHint>,
    /// Column to predict in the utility measure.
    #[serde(default)]
    pub target: Option<String>,
    /// Texts that mean "missing" beside the empty cell.
    #[serde(default)]
    pub missing: Vec<String>,
}

/// What a user says about one column: `"category"` or an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ColumnHint {
    /// Only the kind.
    Kind(ColumnKind),
    /// Kind and more.
    Full(FullHint),
}

/// All that may be said about one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullHint {
    /// What the values mean.
    pub kind: ColumnKind,
    /// For dates and times: a strftime pattern.
    #[serde(default)]
    pub format: Option<String>,
}

impl ColumnHint {
    /// The kind, however it was written.
    pub fn kind(&self) -> ColumnKind {
        match self {
            Self::Kind(kind) => *kind,
            Self::Full(full) => full.kind,
        }
    }
    /// The date pattern, if one was given.
    pub fn format(&self) -> Option<&str> {
        match self {
            Self::Kind(_) => None,
            Self::Full(full) => full.format.as_deref(),
        }
    }
}
