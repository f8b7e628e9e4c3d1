//! What may be said of rows that a model is to draw.

use std::path::PathBuf;

use clap::{Args, value_parser};
use tgs_protocol::{
    code::Code,
    given::{Balance, Condition, Given},
    limits::{GIVEN_TRIES, GIVEN_TRIES_MAX},
    refusal::Refusal,
};

/// Imputation and seed rows (docs/guide/conditions.md#rows-that-are-completed).
#[derive(Debug, Args)]
pub struct CompleteArguments {
    /// A model file of kind autoregressive, written by `tgs train` or found in the data folder.
    pub model_file: PathBuf,
    /// The table, with some or all columns of the model's: its missing cells are drawn given those
    /// that are there, and columns that it does not have as well.
    pub table: PathBuf,
    /// The whole table: .csv, .jsonl (also .gz, .zst) or .parquet.
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// Another seed draws other cells.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Sampler threads, as of `tgs synth`.
    #[arg(long, value_name = "N")]
    pub samplers: Option<usize>,
}

/// Conditions and shares (docs/guide/conditions.md).
#[derive(Debug, Args)]
pub struct GivenArguments {
    /// What must hold of every row: COLUMN=VALUE, or with != < <= > >= in place of =. May be
    /// repeated: several = of a column are alternatives, all else must hold at once. COLUMN= is
    /// missing, COLUMN!= is not.
    #[arg(long = "where", value_name = "CONDITION")]
    pub conditions: Vec<String>,
    /// Which share of the rows has a value of one column: COLUMN=VALUE:SHARE. Repeated for further
    /// values; what is left to one goes to the others.
    #[arg(long = "share", value_name = "COLUMN=VALUE:SHARE")]
    pub shares: Vec<String>,
    /// Rows drawn for one that fits, at most, on average; of models that cannot draw rows under
    /// conditions (all but autoregressive).
    #[arg(long, value_name = "N", default_value_t = GIVEN_TRIES)]
    #[arg(value_parser = value_parser!(u32).range(1..=i64::from(GIVEN_TRIES_MAX)))]
    pub tries: u32,
}

/// How a cell and a value are compared; the longer signs first.
const SIGNS: [&str; 6] = ["!=", "<=", ">=", "=", "<", ">"];

impl GivenArguments {
    /// # Errors
    /// `NoSuchRows` for what cannot be read.
    pub fn given(&self) -> Result<Given, Refusal> {
        let mut conditions: Vec<Condition> = Vec::new();
        for text in &self.conditions {
            let (column, sign, value) = parted(text)?;
            if sign == "=" {
                let is_same = |known: &&mut Condition| known.column == column && is_one_of(known);
                let alternatives = conditions.iter_mut().find(is_same);
                let known = match alternatives {
                    Some(known) => known,
                    None => {
                        conditions.push(Condition { column, ..Condition::default() });
                        conditions.last_mut().expect("one was put there")
                    }
                };
                match value.is_empty() {
                    true => known.missing = Some(true),
                    false => known.one_of.push(value),
                }
                continue;
            }
            let nothing = Condition { column, ..Condition::default() };
            conditions.push(match sign {
                "!=" if value.is_empty() => Condition { missing: Some(false), ..nothing },
                "!=" => Condition { none_of: vec![value], ..nothing },
                "<=" => Condition { at_most: Some(value), ..nothing },
                ">=" => Condition { at_least: Some(value), ..nothing },
                "<" => Condition { below: Some(value), ..nothing },
                _ => Condition { above: Some(value), ..nothing },
            });
        }
        let given = Given { conditions, balance: self.balance()?, tries: self.tries };
        given.check()?;
        Ok(given)
    }

    fn balance(&self) -> Result<Option<Balance>, Refusal> {
        let mut balance: Option<Balance> = None;
        for text in &self.shares {
            let (column, sign, value) = parted(text)?;
            let share = value.rsplit_once(':').and_then(|(value, share)| {
                share.trim().parse::<f64>().ok().map(|share| (value.to_owned(), share))
            });
            let Some((value, share)) = share.filter(|_| sign == "=") else {
                return refuse(text, "is no share; write COLUMN=VALUE:SHARE, as in sex=F:0.5");
            };
            let balance = balance.get_or_insert_with(|| Balance {
                column: column.clone(),
                shares: std::collections::BTreeMap::new(),
            });
            if balance.column != column {
                return refuse(text, "names a second column; one can have shares");
            }
            if balance.shares.insert(value, share).is_some() {
                return refuse(text, "names a value twice; leave one out");
            }
        }
        Ok(balance)
    }
}

/// Whether a condition is one of alternatives, and nothing else.
fn is_one_of(condition: &Condition) -> bool {
    !condition.is_of_range() && condition.none_of.is_empty() && condition.missing != Some(false)
}

/// Column, sign and value; a column whose name holds a sign stands in double quotes.
fn parted(text: &str) -> Result<(String, &'static str, String), Refusal> {
    let quoted = text.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
    let (column, rest) = match quoted {
        Some((column, rest)) => (Some(column.to_owned()), rest),
        None => (None, text),
    };
    let sign = |at: usize| SIGNS.into_iter().find(|sign| rest[at..].starts_with(sign));
    let found = rest.char_indices().find_map(|(at, _)| sign(at).map(|sign| (at, sign)));
    let Some((at, sign)) = found else {
        return refuse(text, "says nothing of a column; write COLUMN=VALUE, as in 'age>=30'");
    };
    let (before, value) = (rest[..at].trim(), rest[at + sign.len()..].trim());
    let column = match column {
        Some(column) if before.is_empty() => column,
        Some(_) => return refuse(text, "has something between the column and the sign"),
        None => before.to_owned(),
    };
    Ok((column, sign, value.to_owned()))
}

fn refuse<T>(text: &str, why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(
        Code::NoSuchRows,
        format!("cannot draw rows under conditions: `{text}` {why}"),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn typed(conditions: &[&str], shares: &[&str]) -> Result<serde_json::Value, String> {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let asked = GivenArguments {
            conditions: texts(conditions),
            shares: texts(shares),
            tries: GIVEN_TRIES,
        };
        let given = asked.given().map_err(|refusal| refusal.message)?;
        let mut value = serde_json::to_value(given).expect("written");
        value.as_object_mut().expect("a record").remove("tries");
        Ok(value)
    }

    #[test]
    fn conditions_are_read_as_they_are_meant() {
        for (conditions, expected) in [
            (&["sex=F"][..], json!([{"column": "sex", "one_of": ["F"]}])),
            (
                &["sex=F", "age>=30", "sex=M", "sex="],
                json!([
                {"column": "sex", "one_of": ["F", "M"], "missing": true},
                {"column": "age", "at_least": "30"}]),
            ),
            (
                &["age > 30", "age<=40", "age!=35"],
                json!([
                {"column": "age", "above": "30"}, {"column": "age", "at_most": "40"},
                {"column": "age", "none_of": ["35"]}]),
            ),
            (
                &["a b<3", "x!="],
                json!([
                {"column": "a b", "below": "3"}, {"column": "x", "missing": false}]),
            ),
            (&["\"a=b\" = c=d"], json!([{"column": "a=b", "one_of": ["c=d"]}])),
        ] {
            assert_eq!(typed(conditions, &[]), Ok(json!({"conditions": expected})));
        }
        let shares = typed(&[], &["t=a:b:0.25", "t=c:0.75"]).expect("understood");
        assert_eq!(shares["balance"], json!({"column": "t", "shares": {"a:b": 0.25, "c": 0.75}}));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (conditions, shares, told) in [
            (&["age"][..], &[][..], "`age` says nothing"),
            (&["\"a\" b=3"], &[], "between the column and the sign"),
            (&[], &["sex=F"], "`sex=F` is no share"),
            (&[], &["a=x:0.5", "b=y:0.5"], "a second column"),
            (&[], &["a=x:0.5", "a=x:0.5"], "a value twice"),
            (&[], &["a=x:0.7", "a=y:0.7"], "sum to 1.4"),
        ] {
            let message = typed(conditions, shares).expect_err(told);
            assert!(message.contains(told), "{told}: {message}");
        }
    }
}
