//! The metadata file: what a user says about columns, over what was inferred.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};
use serde_json::Value;

use crate::{code::Code, column::ColumnKind, limits::MISSING_TOKENS_MAX, refusal::Refusal};

/// Corrections for one table, as written by a user in JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Metadata {
    /// Per column name; columns left out are inferred.
    #[serde(default, deserialize_with = "columns")]
    pub columns: BTreeMap<String, ColumnHint>,
    /// Column to predict in the utility measure.
    #[serde(default)]
    pub target: Option<String>,
    /// Texts that mean "missing" beside the empty cell.
    #[serde(default)]
    pub missing: Vec<String>,
}

/// What a user says about one column: `"category"` or an object.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ColumnHint {
    /// Only the kind.
    Kind(ColumnKind),
    /// Kind and more.
    Full(FullHint),
}

/// All that may be said about one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FullHint {
    /// What the values mean.
    pub kind: ColumnKind,
    /// For dates and times: a strftime pattern.
    #[serde(default)]
    pub format: Option<String>,
}

/// Reads the hints, so that what is wrong with one is told with the name of its column.
fn columns<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, ColumnHint>, D::Error> {
    struct Columns;
    impl<'de> Visitor<'de> for Columns {
        type Value = BTreeMap<String, ColumnHint>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of column names and kinds")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut columns = BTreeMap::new();
            while let Some((name, hint)) = map.next_entry::<String, Value>()? {
                let hint = ColumnHint::read(hint)
                    .map_err(|why| A::Error::custom(format_args!("column `{name}`: {why}")))?;
                columns.insert(name, hint);
            }
            Ok(columns)
        }
    }
    from.deserialize_map(Columns)
}

impl Metadata {
    /// The metadata with a target that was named beside it.
    ///
    /// # Errors
    /// `USE-0003` when both name a target, and not the same.
    pub fn with_target(
        metadata: Option<Self>,
        target: Option<&str>,
    ) -> Result<Option<Self>, Refusal> {
        let Some(asked) = target else { return Ok(metadata) };
        let mut metadata = metadata.unwrap_or_default();
        if let Some(noted) = metadata.target.as_deref().filter(|noted| *noted != asked) {
            let message = format!(
                "cannot tell which column to predict: the request says `{asked}`, the metadata \
                 `{noted}`; leave one out"
            );
            return Err(Refusal::new(Code::BadMetadata, message));
        }
        metadata.target = Some(asked.to_owned());
        Ok(Some(metadata))
    }

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
    /// Reads `"category"` or `{"kind": "date", "format": "%d.%m.%Y"}`.
    fn read(hint: Value) -> Result<Self, String> {
        let form = "write \"category\" or {\"kind\": \"date\", \"format\": \"%d.%m.%Y\"}";
        let kind = match &hint {
            Value::String(kind) => kind,
            Value::Object(full) => match full.get("kind") {
                Some(Value::String(kind)) => kind,
                Some(other) => {
                    return Err(format!("its kind is {other}, which is no text; {form}"));
                }
                None => return Err(format!("it has no kind; {form}")),
            },
            other => return Err(format!("it is {other}, which says no kind; {form}")),
        };
        let Some(known) = ColumnKind::ALL.into_iter().find(|known| known.to_string() == *kind)
        else {
            let all = ColumnKind::ALL.map(|kind| kind.to_string()).join(", ");
            return Err(format!("its kind `{kind}` is none of {all}"));
        };
        match hint {
            Value::Object(_) => serde_json::from_value(hint).map(Self::Full),
            _ => Ok(Self::Kind(known)),
        }
        .map_err(|error| error.to_string())
    }

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
    fn what_is_wrong_with_a_hint_is_told_with_its_column() {
        for (hint, why) in [
            (r#""colour""#, "its kind `colour` is none of integer, real, boolean, category, date,"),
            (r#""Integer""#, "its kind `Integer` is none of"),
            (r#"{"kind": "day"}"#, "its kind `day` is none of"),
            (r#"{"format": "%Y"}"#, "it has no kind; write"),
            (r#"{"kind": 3}"#, "its kind is 3, which is no text"),
            (
                r#"{"kind": "date", "fmt": "%Y"}"#,
                "unknown field `fmt`, expected `kind` or `format`",
            ),
            ("3", "it is 3, which says no kind"),
        ] {
            let json = format!(r#"{{"columns": {{"sex": "category", "born": {hint}}}}}"#);
            let error = serde_json::from_str::<Metadata>(&json).expect_err(hint).to_string();
            assert!(error.contains("column `born`: ") && error.contains(why), "{hint}: {error}");
        }
    }

    #[test]
    fn a_target_may_be_named_once_or_twice_alike() {
        let noted =
            |target: &str| Metadata { target: Some(target.to_owned()), ..Metadata::default() };
        let with = |known: Option<Metadata>, asked: Option<&str>| {
            let known = Metadata::with_target(known, asked);
            known.map(|known| known.and_then(|known| known.target)).map_err(|no| no.message)
        };
        assert_eq!(with(None, None), Ok(None));
        assert_eq!(with(None, Some("a")), Ok(Some("a".to_owned())));
        assert_eq!(with(Some(noted("a")), None), Ok(Some("a".to_owned())));
        assert_eq!(with(Some(noted("a")), Some("a")), Ok(Some("a".to_owned())));
        let refused = with(Some(noted("a")), Some("b")).expect_err("they differ");
        assert!(refused.contains("says `b`, the metadata `a`"), "{refused}");
    }

    #[test]
    fn every_kind_prints_as_metadata_says_it() {
        for kind in ColumnKind::ALL {
            assert_eq!(serde_json::json!(kind), serde_json::json!(kind.to_string()));
        }
    }
}
