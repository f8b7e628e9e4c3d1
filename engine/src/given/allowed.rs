//! What the cells of one column may be.

use arrow::array::{Array, StringArray};
use tgs_protocol::{
    column::{ColumnSpec, ValueFormat},
    engine::EngineError,
    given::Condition,
};

use super::refuse;
use crate::{
    ingest::{dress::undressed, number::numeral},
    table::{Cells, Column, cell::moment_pattern, moment::Pattern},
};

/// So many values are listed where one is not known.
const LISTED: usize = 8;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowed {
    /// They may be missing.
    pub missing: bool,
    /// What they may be where they are not.
    pub values: Values,
}

/// Values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Numbers within these intervals, their ends among them; ascending, and apart.
    Numbers(Vec<(f64, f64)>),
    /// By code, whether it may be.
    Levels(Vec<bool>),
}

impl Allowed {
    /// What a condition leaves of a column.
    ///
    /// # Errors
    /// `NoSuchRows` for a value that the column cannot have, and for an end of a range that it has
    /// no order for.
    pub(crate) fn of(condition: &Condition, column: &Column) -> Result<Self, EngineError> {
        let is_missing = condition.missing == Some(true);
        let values = match &column.cells {
            Cells::Number(_) => Values::Numbers(numbers(condition, &column.spec)?),
            Cells::Level { levels, .. } => Values::Levels(codes(condition, levels, &column.spec)?),
            Cells::Text(_) => Values::Levels(Vec::new()),
        };
        // "It is missing" and nothing else leaves no value.
        let values = if condition.is_of_values() || !is_missing { values } else { values.none() };
        Ok(Self { missing: is_missing, values })
    }

    /// These values of a column, and no other.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(crate) fn one_of(values: &[&str], column: &Column) -> Result<Self, EngineError> {
        let one_of = values.iter().map(|value| (*value).to_owned()).collect();
        let condition = Condition { one_of, ..named(&column.spec) };
        Self::of(&condition, column)
    }

    /// Any value, and not missing.
    pub(crate) fn there(column: &Column) -> Self {
        let values = match &column.cells {
            Cells::Number(_) => Values::Numbers(vec![(f64::NEG_INFINITY, f64::INFINITY)]),
            Cells::Level { levels, .. } => Values::Levels(vec![true; levels.len()]),
            Cells::Text(_) => Values::Levels(Vec::new()),
        };
        Self { missing: false, values }
    }

    /// Any other value of a column, or missing.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(crate) fn none_of(values: &[&str], column: &Column) -> Result<Self, EngineError> {
        let none_of = values.iter().map(|value| (*value).to_owned()).collect();
        let condition = Condition { none_of, missing: Some(true), ..named(&column.spec) };
        Self::of(&condition, column)
    }

    /// Leaves what both leave.
    pub(crate) fn narrow(&mut self, other: &Self) {
        self.missing &= other.missing;
        match (&mut self.values, &other.values) {
            (Values::Numbers(own), Values::Numbers(other)) => *own = common(own, other),
            (Values::Levels(own), Values::Levels(other)) => {
                own.iter_mut().zip(other).for_each(|(own, other)| *own &= other);
            }
            // Both were made for the same column.
            (own, _) => *own = own.none(),
        }
    }

    /// Whether no cell is left.
    pub(crate) fn is_nothing(&self) -> bool {
        !self.missing && self.values.is_empty()
    }

    /// Whether one cell is left, and no other.
    pub(crate) fn is_one(&self) -> bool {
        let values = match &self.values {
            Values::Numbers(intervals) => match intervals.as_slice() {
                [] => 0,
                [(low, high)] if low == high => 1,
                _ => 2,
            },
            Values::Levels(codes) => codes.iter().filter(|may| **may).count(),
        };
        values + usize::from(self.missing) == 1
    }

    /// Whether the cell of a row is allowed.
    pub(crate) fn fits(&self, cells: &Cells, row: usize) -> bool {
        if !cells.is_present(row) {
            return self.missing;
        }
        match cells {
            Cells::Number(values) => self.holds(values.value(row)),
            Cells::Level { codes, .. } => self.holds_code(codes.value(row)),
            Cells::Text(_) => false,
        }
    }

    /// Whether a number is allowed.
    pub(crate) fn holds(&self, number: f64) -> bool {
        let Values::Numbers(intervals) = &self.values else { return false };
        let at = intervals.partition_point(|(_, high)| *high < number);
        intervals.get(at).is_some_and(|(low, _)| *low <= number)
    }

    /// Whether a code is allowed.
    pub(crate) fn holds_code(&self, code: u32) -> bool {
        match &self.values {
            Values::Levels(codes) => codes.get(code as usize).copied().unwrap_or(false),
            Values::Numbers(_) => false,
        }
    }
}

impl Values {
    fn is_empty(&self) -> bool {
        match self {
            Self::Numbers(intervals) => intervals.is_empty(),
            Self::Levels(codes) => !codes.contains(&true),
        }
    }

    fn none(&self) -> Self {
        match self {
            Self::Numbers(_) => Self::Numbers(Vec::new()),
            Self::Levels(codes) => Self::Levels(vec![false; codes.len()]),
        }
    }
}

fn named(spec: &ColumnSpec) -> Condition {
    Condition { column: spec.name.clone(), ..Condition::default() }
}

/// What a condition leaves of the numbers.
fn numbers(condition: &Condition, spec: &ColumnSpec) -> Result<Vec<(f64, f64)>, EngineError> {
    let read = |text: &String| number(text, spec);
    let all = |texts: &[String]| texts.iter().map(read).collect::<Result<Vec<f64>, _>>();
    let mut left = vec![(f64::NEG_INFINITY, f64::INFINITY)];
    if !condition.one_of.is_empty() {
        let mut one_of = all(&condition.one_of)?;
        one_of.sort_by(f64::total_cmp);
        one_of.dedup();
        left = one_of.into_iter().map(|value| (value, value)).collect();
    }
    for (end, strictly) in [(&condition.at_least, false), (&condition.above, true)] {
        if let Some(end) = end {
            let low = read(end)?;
            let low = if strictly { low.next_up() } else { low };
            left = common(&left, &[(low, f64::INFINITY)]);
        }
    }
    for (end, strictly) in [(&condition.at_most, false), (&condition.below, true)] {
        if let Some(end) = end {
            let high = read(end)?;
            let high = if strictly { high.next_down() } else { high };
            left = common(&left, &[(f64::NEG_INFINITY, high)]);
        }
    }
    for value in all(&condition.none_of)? {
        let around = [(f64::NEG_INFINITY, value.next_down()), (value.next_up(), f64::INFINITY)];
        left = common(&left, &around);
    }
    Ok(left)
}

/// What lies within both.
fn common(one: &[(f64, f64)], other: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut both = Vec::new();
    for (low, high) in one {
        let after = other.partition_point(|(_, end)| end < low);
        let over = other[after..].iter().take_while(|(begin, _)| begin <= high);
        both.extend(over.map(|(begin, end)| (low.max(*begin), high.min(*end))));
    }
    both
}

/// What a condition leaves of the levels. Levels that are all numbers have an order.
fn codes(
    condition: &Condition,
    levels: &StringArray,
    spec: &ColumnSpec,
) -> Result<Vec<bool>, EngineError> {
    let name = &condition.column;
    let mut left = vec![condition.one_of.is_empty(); levels.len()];
    for value in &condition.one_of {
        left[level(value, levels, name)?] = true;
    }
    for value in &condition.none_of {
        left[level(value, levels, name)?] = false;
    }
    if condition.is_of_range() {
        let of_levels: Option<Vec<f64>> = levels.iter().map(|it| as_number(it?)).collect();
        let Some(of_levels) = of_levels else {
            return refuse(format_args!(
                "the values of \"{name}\" have no order; name those that are meant"
            ));
        };
        let (one_of, none_of) = (vec![], vec![]);
        let range = Condition { one_of, none_of, ..condition.clone() };
        let range = Values::Numbers(numbers(&range, spec)?);
        let range = Allowed { missing: false, values: range };
        left.iter_mut().zip(of_levels).for_each(|(left, number)| *left &= range.holds(number));
    }
    Ok(left)
}

/// The level that a text means: the same, or the only one that differs in case alone, or is the
/// same number.
fn level(text: &str, levels: &StringArray, name: &str) -> Result<usize, EngineError> {
    let only = |is: &dyn Fn(&str) -> bool| {
        let mut alike = (0..levels.len()).filter(|code| is(levels.value(*code)));
        alike.next().filter(|_| alike.next().is_none())
    };
    let wanted = as_number(text);
    let found = only(&|level| level == text)
        .or_else(|| only(&|level| level.eq_ignore_ascii_case(text)))
        .or_else(|| only(&|level| wanted.is_some() && as_number(level) == wanted));
    found.map_or_else(
        || {
            let known = listed(levels.iter().flatten());
            refuse(format_args!("\"{name}\" is never \"{text}\"; it is one of {known}"))
        },
        Ok,
    )
}

fn as_number(text: &str) -> Option<f64> {
    numeral(text.trim().as_bytes(), false).map(|numeral| numeral.value)
}

/// The cell that a text of this column stands for.
fn number(text: &str, spec: &ColumnSpec) -> Result<f64, EngineError> {
    let trimmed = text.trim();
    let plain = |bytes: &[u8], comma| numeral(bytes, comma).map(|numeral| numeral.value);
    let read = match &spec.format {
        _ if spec.kind.is_moment() => moment(trimmed, spec),
        ValueFormat::Whole { offset } => {
            let whole: Option<i64> = trimmed.parse().ok();
            whole.and_then(|whole| whole.checked_sub(*offset)).map(|cell| cell as f64)
        }
        ValueFormat::Dressed { dress, .. } => undressed(trimmed.as_bytes(), dress)
            .and_then(|bare| plain(&bare, false))
            .or_else(|| plain(trimmed.as_bytes(), dress.comma)),
        _ => plain(trimmed.as_bytes(), false),
    };
    read.map_or_else(
        || {
            let (name, kind) = (&spec.name, spec.kind);
            refuse(format_args!(
                "\"{text}\" is no {kind} as \"{name}\" has them; write it as the table does"
            ))
        },
        Ok,
    )
}

/// As the table writes them, or as ISO 8601 does.
fn moment(text: &str, spec: &ColumnSpec) -> Option<f64> {
    let iso = ["%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%H:%M:%S"];
    let patterns = iso.iter().filter_map(|pattern| Pattern::new(pattern));
    let mut patterns = std::iter::once(moment_pattern(spec)).chain(patterns);
    patterns.find_map(|pattern| pattern.parse(text.as_bytes()))
}

/// Some of many names, in quotes.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    let more = names.len().saturating_sub(LISTED);
    let some = names[..names.len() - more].join(", ");
    if more > 0 { format!("{some} and {more} more") } else { some }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, UInt32Array};
    use tgs_protocol::column::{ColumnKind, Dress};

    use super::*;
    use crate::testing::spec;

    fn numeric(kind: ColumnKind, format: ValueFormat) -> Column {
        Column { spec: spec("x", kind, format), cells: Cells::Number(Float64Array::new_null(1)) }
    }

    fn condition(told: serde_json::Value) -> Condition {
        serde_json::from_value(told).expect("a condition")
    }

    #[test]
    fn ranges_and_values_leave_intervals() {
        use serde_json::json;
        let column = numeric(ColumnKind::Real, ValueFormat::Shortest);
        for (told, within, without) in [
            (json!({"at_least": "3", "below": "5"}), &[3.0, 4.5][..], &[2.9, 5.0, 7.0][..]),
            (json!({"above": "3", "at_most": "5"}), &[3.1, 5.0], &[3.0, 5.1]),
            (json!({"one_of": ["7", "2", "7"]}), &[2.0, 7.0], &[3.0, 6.9]),
            (json!({"one_of": ["7", "2"], "below": "5"}), &[2.0], &[7.0]),
            (json!({"none_of": ["2"]}), &[1.9, 2.1], &[2.0]),
            (json!({"none_of": ["2", "3"], "at_least": "2"}), &[2.5, 4.0], &[1.0, 2.0, 3.0]),
        ] {
            let allowed = Allowed::of(&condition(told.clone()), &column).expect("understood");
            assert!(within.iter().all(|number| allowed.holds(*number)), "{told}: {allowed:?}");
            assert!(!without.iter().any(|number| allowed.holds(*number)), "{told}: {allowed:?}");
            assert!(!allowed.missing && !allowed.is_nothing());
        }
        let never = Allowed::of(&condition(json!({"above": "5", "below": "4"})), &column);
        assert!(never.expect("understood").is_nothing());
        let missing = Allowed::of(&condition(json!({"missing": true})), &column);
        let missing = missing.expect("understood");
        assert!(missing.missing && missing.is_one() && !missing.holds(1.0));
        let present = Allowed::of(&condition(json!({"missing": false})), &column);
        let present = present.expect("understood");
        assert!(!present.missing && present.holds(-1e300));
        let both = Allowed::of(&condition(json!({"missing": true, "one_of": ["1"]})), &column);
        let both = both.expect("understood");
        assert!(both.missing && both.holds(1.0) && !both.is_one() && !both.holds(2.0));
    }

    #[test]
    fn values_are_read_as_the_table_writes_them() {
        let euros =
            Dress { suffix: " €".to_owned(), comma: true, group: Some('.'), ..Dress::default() };
        let dressed = ValueFormat::Dressed { digits: 2, least: 2, dress: euros };
        let moment = ValueFormat::Moment { pattern: "%d.%m.%Y".to_owned() };
        let big = ValueFormat::Whole { offset: 1_700_000_000_000_000_000 };
        let decimal = ValueFormat::Decimal { digits: 1, least: 0 };
        for (kind, format, text, cell) in [
            (ColumnKind::Real, decimal.clone(), " 2.5", Some(2.5)),
            (ColumnKind::Real, decimal, "two", None),
            (ColumnKind::Real, dressed.clone(), "1.033,39 €", Some(1_033.39)),
            (ColumnKind::Real, dressed, "1033,39", Some(1_033.39)),
            (ColumnKind::Date, moment.clone(), "02.01.1970", Some(86_400.0)),
            (ColumnKind::Date, moment.clone(), "1970-01-02", Some(86_400.0)),
            (ColumnKind::Date, moment, "tomorrow", None),
            (ColumnKind::Integer, big.clone(), "1700000000000000007", Some(7.0)),
            (ColumnKind::Integer, big, "7.5", None),
        ] {
            let column = numeric(kind, format);
            match (Allowed::one_of(&[text], &column), cell) {
                (Ok(allowed), Some(cell)) => assert!(allowed.holds(cell), "{text}: {allowed:?}"),
                (Err(error), None) => {
                    assert!(error.to_string().contains("\"x\" has them"), "{error}");
                }
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn categories_are_named_and_have_no_order() {
        use serde_json::json;
        let levels = Arc::new(StringArray::from(vec!["a", "b", "c"]));
        let cells = Cells::Level { codes: UInt32Array::from(vec![Some(1), None]), levels };
        let spec = spec("x", ColumnKind::Category, ValueFormat::Verbatim);
        let column = Column { spec, cells };
        let mut allowed = Allowed::none_of(&["a"], &column).expect("known");
        assert!(allowed.fits(&column.cells, 0) && allowed.fits(&column.cells, 1));
        allowed.narrow(&Allowed::one_of(&["b", "a"], &column).expect("known"));
        assert!(allowed.is_one() && allowed.fits(&column.cells, 0));
        assert!(!allowed.fits(&column.cells, 1));
        for (told, why) in [
            (json!({"column": "x", "one_of": ["d"]}), "one of \"a\", \"b\", \"c\""),
            (json!({"column": "x", "above": "a"}), "\"x\" have no order"),
        ] {
            let error = Allowed::of(&condition(told), &column).expect_err(why);
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn levels_that_are_numbers_have_an_order_and_are_found_as_such() {
        use serde_json::json;
        let of = |texts: &[&str]| {
            let levels = Arc::new(StringArray::from(texts.to_vec()));
            let cells = Cells::Level { codes: UInt32Array::from(vec![0]), levels };
            Column { spec: spec("x", ColumnKind::Category, ValueFormat::Verbatim), cells }
        };
        let codes = |told: serde_json::Value, column: &Column| {
            let allowed = Allowed::of(&condition(told), column).expect("understood");
            (0..6).filter(|code| allowed.holds_code(*code)).collect::<Vec<u32>>()
        };
        let days = of(&["0.0", "0.2", "0.4", "1.0", "10"]);
        assert_eq!(codes(json!({"at_least": "0.4", "below": "10"}), &days), [2, 3]);
        assert_eq!(codes(json!({"one_of": ["1", "0.20"]}), &days), [1, 3]);
        assert_eq!(codes(json!({"none_of": ["0"], "at_most": "1"}), &days), [1, 2, 3]);
        let words = of(&["True", "False", "no", "NO"]);
        assert_eq!(codes(json!({"one_of": ["true", "no"]}), &words), [0, 2]);
        for text in ["No", "1"] {
            Allowed::one_of(&[text], &words).expect_err("it may be either, or none");
        }
    }
}
