//! Constants of a model: defaults, merged with what the user set, checked key by key.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tgs_protocol::{code::Code, engine::EngineError};

use crate::ingest::name_hint::{distance, nearest};

/// The values a numeric constant may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// Its key.
    pub key: &'static str,
    /// Smallest valid value.
    pub least: f64,
    /// Largest valid value.
    pub most: f64,
}

/// A constant may be `least` to `most`, both included.
pub(crate) const fn bound(key: &'static str, least: f64, most: f64) -> Bound {
    Bound { key, least, most }
}

/// `defaults` with `overrides` laid over them.
///
/// # Errors
/// `UnknownConstant`: a key that is not a constant (names the nearest one), a value of another
/// type, a number outside its bound (names the nearest valid value).
pub(crate) fn resolve<C: Serialize + DeserializeOwned>(
    defaults: &C,
    overrides: &Map<String, Value>,
    bounds: &[Bound],
) -> Result<C, EngineError> {
    let Ok(Value::Object(mut merged)) = serde_json::to_value(defaults) else {
        return Err(EngineError::new(Code::Internal, "constants are not a record"));
    };
    for (key, value) in overrides {
        let Some(known) = merged.get(key) else {
            return Err(unknown(key, merged.keys()));
        };
        let value = fitting(known, value);
        within(key, &value, bounds)?;
        let mut trial = merged.clone();
        trial.insert(key.clone(), value);
        // One key at a time, so that the message names the one that does not fit.
        serde_json::from_value::<C>(Value::Object(trial.clone())).map_err(|error| {
            let takes = match takes(key, known, bounds) {
                Some(takes) => format!("it takes {takes}"),
                // Of words, the record itself knows which there are.
                None => error.to_string(),
            };
            let given = overrides.get(key).unwrap_or(&Value::Null);
            let message =
                format!("set constant `{key}` to {given}: {takes}; its default is {known}");
            EngineError::because(Code::UnknownConstant, message, error)
        })?;
        merged = trial;
    }
    read(&Value::Object(merged), bounds)
}

/// Reads constants that were resolved before.
///
/// # Errors
/// `UnknownConstant`: they are those of another model, or outside their bounds.
pub(crate) fn read<C: DeserializeOwned>(
    config: &Value,
    bounds: &[Bound],
) -> Result<C, EngineError> {
    let read = C::deserialize(config).map_err(|error| {
        let message = format!("read the constants of the plan: {error}; plan the job again");
        EngineError::because(Code::UnknownConstant, message, error)
    })?;
    all_within(config, bounds)?;
    Ok(read)
}

/// Whether constants that came with a file are within their bounds.
///
/// # Errors
/// Which is not.
pub(crate) fn check<C: Serialize>(config: &C, bounds: &[Bound]) -> Result<(), String> {
    let config = serde_json::to_value(config).map_err(|error| error.to_string())?;
    all_within(&config, bounds).map_err(|error| error.to_string())
}

fn all_within(config: &Value, bounds: &[Bound]) -> Result<(), EngineError> {
    let mut constants = config.as_object().into_iter().flatten();
    constants.try_for_each(|(key, value)| within(key, value, bounds))
}

/// A whole number where the default has a fraction, and the other way round, is what was meant.
fn fitting(known: &Value, given: &Value) -> Value {
    match (known.is_f64(), known.is_u64(), given.as_f64()) {
        (true, _, Some(number)) => Value::from(number),
        (_, true, Some(number)) if number >= 0.0 && number.fract() == 0.0 && number < 1e15 =>
        {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole")]
            Value::from(number as u64)
        }
        _ => given.clone(),
    }
}

fn within(key: &str, value: &Value, bounds: &[Bound]) -> Result<(), EngineError> {
    let (Some(bound), Some(number)) =
        (bounds.iter().find(|bound| bound.key == key), value.as_f64())
    else {
        return Ok(());
    };
    if number >= bound.least && number <= bound.most {
        return Ok(());
    }
    let nearest = number.clamp(bound.least, bound.most);
    let message = format!(
        "set constant `{key}` to {value}: valid is {} to {}; the nearest valid value is {nearest}",
        bound.least, bound.most
    );
    Err(EngineError::new(Code::UnknownConstant, message))
}

/// What a constant takes, in words; none for one of words.
fn takes(key: &str, default: &Value, bounds: &[Bound]) -> Option<String> {
    let what = match default {
        Value::Bool(_) => return Some("true or false".to_owned()),
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "a whole number",
        _ => return None,
    };
    let bound = bounds.iter().find(|bound| bound.key == key);
    let range = bound.map(|bound| format!(" from {} to {}", bound.least, bound.most));
    Some(format!("{what}{}", range.unwrap_or_default()))
}

fn unknown<'a>(key: &str, known: impl Iterator<Item = &'a String>) -> EngineError {
    let known: Vec<&str> = known.map(String::as_str).collect();
    // Another name is no help when it takes as many letters as were typed.
    let near = nearest(key, known.iter().copied())
        .filter(|name| 2 * distance(key, name) <= key.chars().count());
    let near = near.map_or(String::new(), |name| format!("; did you mean `{name}`?"));
    let all = known.join(", ");
    let message = format!("set constant `{key}`: there is none of this name{near} ({all})");
    EngineError::new(Code::UnknownConstant, message)
}

/// Every number among the constants has a bound that holds its default, every bound a number.
#[cfg(test)]
pub(crate) fn assert_bounded<C: Serialize>(defaults: &C, bounds: &[Bound]) {
    let record = serde_json::to_value(defaults).expect("a record");
    let numbers = record.as_object().expect("a record").iter().filter(|(_, v)| v.is_number());
    let keys: Vec<&str> = numbers.map(|(key, _)| key.as_str()).collect();
    for key in &keys {
        let bound = bounds.iter().find(|bound| bound.key == *key).expect(key);
        let number = record[key].as_f64().expect("a number");
        assert!((bound.least..=bound.most).contains(&number), "{key}");
    }
    assert_eq!(bounds.len(), keys.len(), "a bound without a constant, or two of one");
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Some3 {
        width: usize,
        dropout: f64,
        deep: bool,
    }

    const BOUNDS: [Bound; 1] = [bound("width", 16.0, 4096.0)];

    fn check(overrides: &Value) -> Result<Some3, String> {
        let defaults = Some3 { width: 256, dropout: 0.0, deep: false };
        resolve(&defaults, overrides.as_object().expect("a record"), &BOUNDS)
            .map_err(|error| format!("{:?}: {error}", error.code()))
    }

    #[test]
    fn merges_and_refuses() {
        let merged = check(&json!({"width": 64.0, "dropout": 1}));
        assert_eq!(merged, Ok(Some3 { width: 64, dropout: 1.0, deep: false }));
        for (overrides, part) in [
            (json!({"widht": 64}), "did you mean `width`?"),
            (json!({"width": 5}), "the nearest valid value is 16"),
            (json!({"width": 99999}), "the nearest valid value is 4096"),
            (json!({"deep": "yes"}), "set constant `deep` to \"yes\": it takes true or false; its"),
            (
                json!({"width": "abc"}),
                "set constant `width` to \"abc\": it takes a whole number from 16 to 4096; its \
                 default is 256",
            ),
            (json!({"leaves": 7}), "there is none of this name (width, dropout, deep)"),
            (json!({"width": -3.5}), "nearest valid value is 16"),
        ] {
            let refusal = check(&overrides).expect_err("must be refused");
            assert!(refusal.contains(part) && refusal.contains("UnknownConstant"), "{refusal}");
        }
    }

    #[test]
    fn a_plan_is_read_within_its_bounds() {
        let whole = json!({"width": 64, "dropout": 0.5, "deep": true});
        let read = |config: &Value| read::<Some3>(config, &BOUNDS);
        let expected = Some3 { width: 64, dropout: 0.5, deep: true };
        assert_eq!(read(&whole).expect("was resolved"), expected);
        for (config, part) in [
            (json!({"width": 3, "dropout": 0.5, "deep": true}), "nearest valid value is 16"),
            (json!({"min_leaf": 20}), "plan the job again"),
            (Value::Null, "plan the job again"),
        ] {
            let error = read(&config).expect_err("must be refused");
            assert_eq!(error.code(), Some(Code::UnknownConstant));
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
