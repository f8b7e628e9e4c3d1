//! Which levels are numbers, for formats that have a type for it.

use arrow::array::{Array, StringArray};
use serde_json::Number;

/// Whole numbers up to here are doubles as well.
const EXACT_MAX: u64 = 1 << 53;

/// The levels of a column as numbers.
pub(super) enum Numbers {
    /// All of them whole.
    Whole(Vec<i64>),
    /// Some with a fraction.
    Real(Vec<f64>),
}

/// What the levels mean; none unless every level is a number as JSON writes it, so that `007` and
/// `1,5` stay texts.
pub(super) fn numbers(levels: &StringArray) -> Option<Numbers> {
    if levels.is_empty() {
        return None;
    }
    let number = |level: Option<&str>| {
        let level = level?;
        let plain = level.starts_with(|c: char| c == '-' || c.is_ascii_digit())
            && level.ends_with(|c: char| c.is_ascii_digit());
        plain.then(|| serde_json::from_str::<Number>(level).ok()).flatten()
    };
    let numbers = levels.iter().map(number).collect::<Option<Vec<Number>>>()?;
    if let Some(whole) = numbers.iter().map(Number::as_i64).collect::<Option<Vec<i64>>>() {
        return Some(Numbers::Whole(whole));
    }
    let real = |number: &Number| match number.as_i64() {
        Some(whole) => (whole.unsigned_abs() <= EXACT_MAX).then_some(whole as f64),
        None => number.as_f64().filter(|_| number.is_f64()),
    };
    numbers.iter().map(real).collect::<Option<Vec<f64>>>().map(Numbers::Real)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(levels: &[&str]) -> Option<Vec<f64>> {
        Some(match numbers(&StringArray::from(levels.to_vec()))? {
            Numbers::Whole(whole) => whole.iter().map(|value| *value as f64).collect(),
            Numbers::Real(real) => real,
        })
    }

    #[test]
    fn numbers_are_numbers_and_names_are_not() {
        for (levels, expected) in [
            (&["0", "1"][..], Some(vec![0.0, 1.0])),
            (&["-3", "12"], Some(vec![-3.0, 12.0])),
            (&["1", "2.5"], Some(vec![1.0, 2.5])),
            (&["1e3", "2"], Some(vec![1_000.0, 2.0])),
            (&["007", "1"], None),
            (&["1,5"], None),
            (&["1."], None),
            (&["+1"], None),
            (&[" 1"], None),
            (&["1", "low"], None),
            (&["18446744073709551615", "0.5"], None),
            (&["9007199254740993", "0.5"], None),
            (&[], None),
        ] {
            assert_eq!(meant(levels), expected, "{levels:?}");
        }
    }
}
