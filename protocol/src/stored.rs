//! How a record that stands in a store is read: whole, or not at all.
//!
//! While a cluster is upgraded, nodes of two versions work at one store. A node that read a record
//! without what it does not know, and wrote the rest back, would undo what a newer one decided: a
//! wall around data, whose a job is. So a record that says anything which this version does not
//! know is [`Unread::Newer`], and whoever meets one leaves it to nodes that know it.
//!
//! What this asks of every later version: a new field is left out, or empty, where it says nothing
//! new; one that was there before keeps its meaning.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Error, Value, error::Category};

/// Why a record is not read.
#[derive(Debug)]
pub enum Unread {
    /// It is not as anybody wrote it.
    Damaged(Error),
    /// A newer version wrote it: what this one does not know, in words.
    Newer(String),
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        match error.classify() {
            // Whole, and in words that are not known here.
            Category::Data => Self::Newer(error.to_string()),
            Category::Io | Category::Syntax | Category::Eof => Self::Damaged(error),
        }
    }
}

/// Reads a record as JSON.
///
/// # Errors
/// Where it is damaged, or says what `T` does not.
pub fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, Unread> {
    let read: T = serde_json::from_slice(bytes)?;
    let written = serde_json::to_vec(&read)?;
    if written == bytes {
        return Ok(read); // As most are: this version wrote it.
    }
    let (stands, known): (Value, Value) =
        (serde_json::from_slice(bytes)?, serde_json::from_slice(&written)?);
    match unknown(&stands, &known) {
        None => Ok(read),
        Some(place) => Err(Unread::Newer(format!("field `{place}`"))),
    }
}

/// The first place where something is said that is not known.
fn unknown(stands: &Value, known: &Value) -> Option<String> {
    match (stands, known) {
        (Value::Object(stands), Value::Object(known)) => {
            stands.iter().find_map(|(name, value)| match known.get(name) {
                Some(known) => unknown(value, known).map(|below| format!("{name}.{below}")),
                None => (!is_empty(value)).then(|| name.clone()),
            })
        }
        (Value::Array(stands), Value::Array(known)) => {
            stands.iter().zip(known).find_map(|(stands, known)| unknown(stands, known))
        }
        _ => None,
    }
}

/// Whether a field with this value says no more than one that is left out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_so) => !is_so,
        Value::Number(number) => number.as_f64().is_some_and(|number| number == 0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        name: String,
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        regions: BTreeSet<String>,
        #[serde(default)]
        steps: Vec<Step>,
        kind: Kind,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Step {
        no: u32,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case", tag = "kind")]
    enum Kind {
        Walk { far: u32 },
    }

    /// What reading gives, in one word.
    fn said(text: &str) -> String {
        match read::<Record>(text.as_bytes()) {
            Ok(_) => "read".to_owned(),
            Err(Unread::Damaged(_)) => "damaged".to_owned(),
            Err(Unread::Newer(what)) => what,
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let record = Record {
            name: "a".to_owned(),
            regions: ["us", "eu"].map(str::to_owned).into(),
            steps: vec![Step { no: 0 }, Step { no: 1 }],
            kind: Kind::Walk { far: 7 },
        };
        let written = serde_json::to_vec(&record).expect("is written");
        assert_eq!(read::<Record>(&written).expect("is read"), record);
    }

    /// Fields that came later are missing in it, others stand in another order or with spaces.
    #[test]
    fn what_an_earlier_version_wrote_is_read() {
        for text in [
            r#"{"name":"a","kind":{"kind":"walk","far":7}}"#,
            r#"{ "kind": {"far": 7, "kind": "walk"}, "steps": [{"no": 1}], "name": "a" }"#,
            r#"{"name":"a","regions":["us","eu"],"steps":[],"kind":{"kind":"walk","far":7}}"#,
            r#"{"name":"a","regions":[],"kind":{"kind":"walk","far":7}}"#,
        ] {
            assert_eq!(said(text), "read", "{text}");
        }
    }

    #[test]
    fn what_says_more_than_is_known_is_not_read_and_the_place_is_named() {
        for (text, place) in [
            (r#"{"name":"a","kind":{"kind":"walk","far":7},"wall":["eu"]}"#, "field `wall`"),
            (r#"{"wall":{"is":true},"name":"a","kind":{"kind":"walk","far":7}}"#, "field `wall`"),
            (r#"{"name":"a","kind":{"kind":"walk","far":7,"fast":true}}"#, "field `kind.fast`"),
            (
                r#"{"name":"a","steps":[{"no":1},{"no":2,"by":3}],"kind":{"kind":"walk","far":7}}"#,
                "field `steps.by`",
            ),
        ] {
            assert_eq!(said(text), place, "{text}");
        }
        for (text, word) in [
            (r#"{"name":"a","kind":{"kind":"swim","far":7}}"#, "swim"),
            (r#"{"name":"a","kind":{"kind":"walk","far":{"km":7}}}"#, "invalid type"),
            (r#"{"name":"a","kind":{"kind":"walk"}}"#, "far"),
        ] {
            assert!(said(text).contains(word), "{text}: {}", said(text));
        }
    }

    /// A new field that says nothing keeps nobody from a record.
    #[test]
    fn what_says_nothing_may_be_unknown() {
        for empty in ["null", "false", "0", "0.0", "\"\"", "[]", "{}", r#"{"a":null,"b":{}}"#] {
            let text = format!(r#"{{"name":"a","wall":{empty},"kind":{{"kind":"walk","far":7}}}}"#);
            assert_eq!(said(&text), "read", "{text}");
        }
        for full in ["true", "1", "0.5", "\"a\"", "[0]", r#"{"a":null,"b":1}"#] {
            let text = format!(r#"{{"name":"a","wall":{full},"kind":{{"kind":"walk","far":7}}}}"#);
            assert_eq!(said(&text), "field `wall`", "{text}");
        }
    }

    #[test]
    fn what_is_torn_is_damaged() {
        let whole = r#"{"name":"a","kind":{"kind":"walk","far":7}}"#;
        for end in 0..whole.len() {
            assert_eq!(said(&whole[..end]), "damaged", "{}", &whole[..end]);
        }
        for text in ["x", "{\"name\":\"a\"]", "\u{0}\u{0}"] {
            assert_eq!(said(text), "damaged", "{text}");
        }
    }
}
