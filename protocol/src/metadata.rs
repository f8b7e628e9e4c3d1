//! The metadata file: what a user says about columns, over what was inferred.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{code::Code, column::ColumnKind, limits::MISSING_TOKENS_MAX, refusal::Refusal};

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

impl Metadata {
    /// Refuses what no table can fit. Whether the columns exist is known only at ingest.
    pub fn check(&self) -> Result<(), Refusal> {
        for (name, hint) in &self.columns {
            if name.is_empty() {
                return refuse("it names a column without a name; remove that entry");
            }
            let Some(format) = hint.format() else { continue };
            if !hint.kind().is_moment() {
                let message = format!(
                    "column `{name}` has the format `{format}`, but only date, time and datetime \
                     have one; remove it or change the kind"
                );
                return refuse(message);
            }
            if !format.contains('%') {
                let message = format!(
                    "the format `{format}` of column `{name}` holds no field; write it like \
                     %Y-%m-%d"
                );
                return refuse(message);
            }
        }
        if self.missing.len() > MISSING_TOKENS_MAX {
            let held = self.missing.len();
            let message = format!(
                "it declares {held} texts that mean missing; declare at most {MISSING_TOKENS_MAX}"
            );
            return refuse(message);
        }
        self.target.as_deref().map_or(Ok(()), |target| self.check_target(target))
    }

    /// Refuses a target column that this metadata says cannot be predicted.
    pub fn check_target(&self, target: &str) -> Result<(), Refusal> {
        match self.columns.get(target).map(ColumnHint::kind) {
            Some(kind @ (ColumnKind::Id | ColumnKind::Text | ColumnKind::Constant)) => {
                refuse(format!(
                    "the target `{target}` is declared {kind}, which cannot be predicted; name \
                     another target"
                ))
            }
            _ => Ok(()),
        }
    }
}

fn refuse(why: impl std::fmt::Display) -> Result<(), Refusal> {
    Err(Refusal::new(Code::BadMetadata, format!("cannot use the metadata: {why}")))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Result<(), Refusal> {
        serde_json::from_str::<Metadata>(json).expect("well-formed metadata").check()
    }

    #[test]
    fn plausible_metadata_passes() {
        let cases = [
            "{}",
            r#"{"columns": {"age": "integer", "born": {"kind": "date", "format": "%d.%m.%Y"}}}"#,
            r#"{"columns": {"born": {"kind": "date"}}, "missing": ["NA", "?"], "target": "age"}"#,
            r#"{"columns": {"sex": "category"}, "target": "sex"}"#,
        ];
        for json in cases {
            assert_eq!(check(json), Ok(()), "{json}");
        }
    }

    #[test]
    fn implausible_metadata_is_refused() {
        let many = serde_json::json!({ "missing": vec!["x"; MISSING_TOKENS_MAX + 1] }).to_string();
        let cases = [
            (r#"{"columns": {"": "integer"}}"#, "without a name"),
            (r#"{"columns": {"a": {"kind": "real", "format": "%Y"}}}"#, "only date, time"),
            (r#"{"columns": {"a": {"kind": "date", "format": "dd.mm"}}}"#, "holds no field"),
            (r#"{"columns": {"a": {"kind": "date", "format": ""}}}"#, "holds no field"),
            (r#"{"columns": {"a": "id"}, "target": "a"}"#, "declared id"),
            (r#"{"columns": {"a": "text"}, "target": "a"}"#, "declared text"),
            (&many, "at most 64"),
        ];
        for (json, why) in cases {
            let refusal = check(json).expect_err(json);
            assert_eq!(refusal.code, Code::BadMetadata, "{json}");
            assert!(refusal.message.contains(why), "{json}: {refusal}");
        }
    }

    #[test]
    fn every_kind_prints_as_metadata_says_it() {
        use ColumnKind::*;
        for kind in [Integer, Real, Boolean, Category, Date, Time, Datetime, Id, Text, Constant] {
            assert_eq!(serde_json::json!(kind), serde_json::json!(kind.to_string()));
        }
    }
}
