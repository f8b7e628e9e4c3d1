//! What rows that are asked of a model must be like: conditions, and shares of a column.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[cfg(feature = "schema")]
use crate::limits::GIVEN_TRIES_MAX;
use crate::{
    code::Code,
    limits::{CONDITION_VALUES_MAX, CONDITIONS_MAX, GIVEN_TRIES, GIVEN_TRIES_MAX as TRIES_MAX},
    refusal::Refusal,
};

/// What every row must be like. By default, anything goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Given {
    /// What must hold of every row, all at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Shares of the values of one column, in place of those of the training table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<Balance>,
    /// How many rows may be drawn for one that is kept, on average, where the model cannot draw
    /// rows under conditions and those that do not fit are thrown away.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = GIVEN_TRIES_MAX)))]
    pub tries: u32,
}

/// What must hold of the cells of one column. Values are written as the table writes them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Condition {
    /// Its name, as in the header.
    pub column: String,
    /// One of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<String>,
    /// None of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub none_of: Vec<String>,
    /// This or more; of numbers, dates and times, as all that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<String>,
    /// This or less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<String>,
    /// More than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<String>,
    /// Less than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<String>,
    /// Whether the cell may be missing: with nothing else said of the column, it must be (true) or
    /// must not be (false). Cells that something else is said of are there, unless this is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<bool>,
}

/// Shares of the values of one column among the rows that are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Balance {
    /// Its name, as in the header.
    pub column: String,
    /// Share of each value, written as the table writes it; what is left to one goes to the other
    /// values, as the model has them.
    pub shares: BTreeMap<String, f64>,
}

impl Default for Given {
    fn default() -> Self {
        Self { conditions: Vec::new(), balance: None, tries: GIVEN_TRIES }
    }
}

impl Given {
    /// Whether anything goes.
    pub fn is_nothing(&self) -> bool {
        self.conditions.is_empty() && self.balance.is_none()
    }

    /// What can be known to be wrong without the model.
    ///
    /// # Errors
    /// `NoSuchRows` for what says nothing, too much, or shares of more than one.
    pub fn check(&self) -> Result<(), Refusal> {
        let values = |it: &Condition| it.one_of.len() + it.none_of.len();
        if self.conditions.len() > CONDITIONS_MAX {
            return refuse(format_args!("there are more than {CONDITIONS_MAX}; give fewer"));
        }
        if self.conditions.iter().map(values).sum::<usize>() > CONDITION_VALUES_MAX {
            return refuse(format_args!(
                "they name more than {CONDITION_VALUES_MAX} values; give a range, or fewer"
            ));
        }
        if !(1..=TRIES_MAX).contains(&self.tries) {
            let tries = self.tries;
            return refuse(format_args!("{tries} tries are none; give 1 to {TRIES_MAX}"));
        }
        for condition in &self.conditions {
            if condition.says_nothing() {
                let column = &condition.column;
                return refuse(format_args!(
                    "of the column \"{column}\" nothing is said; name values, an end of a range, \
                     or whether it is missing"
                ));
            }
        }
        self.balance.as_ref().map_or(Ok(()), Balance::check)
    }
}

impl Condition {
    /// Whether something is said of cells that are there.
    pub fn is_of_values(&self) -> bool {
        !self.one_of.is_empty() || !self.none_of.is_empty() || self.is_of_range()
    }

    /// Whether an end of a range is said.
    pub fn is_of_range(&self) -> bool {
        let ends = [&self.at_least, &self.at_most, &self.above, &self.below];
        ends.iter().any(|end| end.is_some())
    }

    fn says_nothing(&self) -> bool {
        !self.is_of_values() && self.missing.is_none()
    }
}

impl Balance {
    fn check(&self) -> Result<(), Refusal> {
        let column = &self.column;
        let is_share = |share: &f64| (0.0..=1.0).contains(share);
        if let Some((value, share)) = self.shares.iter().find(|(_, share)| !is_share(share)) {
            return refuse(format_args!(
                "the share {share} of \"{value}\" in \"{column}\" is none; give 0 to 1"
            ));
        }
        // Of nothing it is minus zero.
        let sum = self.shares.values().sum::<f64>() + 0.0;
        if self.shares.is_empty() || sum > 1.0 + SLACK {
            return refuse(format_args!(
                "the shares of \"{column}\" sum to {sum}; name some, of 1 together at most"
            ));
        }
        Ok(())
    }
}

/// Thirds are written with some digits.
const SLACK: f64 = 1e-6;

fn refuse<T>(why: std::fmt::Arguments<'_>) -> Result<T, Refusal> {
    Err(Refusal::new(Code::NoSuchRows, format!("cannot draw rows under conditions: {why}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> Given {
        serde_json::from_value(value).expect("it is understood")
    }

    #[test]
    fn what_is_asked_reads_back() {
        for value in [
            json!({"tries": 7}),
            json!({"conditions": [{"column": "age", "at_least": "30", "below": "40"}], "tries": 1}),
            json!({"conditions": [{"column": "a", "one_of": ["b", ""], "missing": true}],
                   "balance": {"column": "c", "shares": {"no": 0.25, "yes": 0.75}}, "tries": 9}),
        ] {
            let given = read(value.clone());
            assert_eq!(given.check(), Ok(()));
            assert_eq!(serde_json::to_value(given).expect("written"), value);
        }
        assert!(read(json!({})).is_nothing());
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_column() {
        for (value, told) in [
            (json!({"conditions": [{"column": "age"}]}), "\"age\" nothing"),
            (json!({"tries": 0}), "0 tries"),
            (json!({"balance": {"column": "c", "shares": {}}}), "\"c\" sum to 0"),
            (json!({"balance": {"column": "c", "shares": {"a": 0.7, "b": 0.7}}}), "sum to 1.4"),
            (json!({"balance": {"column": "c", "shares": {"a": -0.1}}}), "share -0.1"),
        ] {
            let refusal = read(value).check().expect_err(told);
            assert_eq!(refusal.code, Code::NoSuchRows);
            assert!(refusal.message.contains(told), "{told}: {refusal}");
        }
    }
}
