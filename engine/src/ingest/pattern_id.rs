//! Texts of one fixed pattern, such as `AB-1234`, UUIDs and hashes: what machines give as names.

use crate::ingest::{
    name_hint::{is_calendar, names_rows},
    odd_cells::is_grouped,
};

/// Why distinct texts name the rows, if they do.
pub fn text_names_rows<'a, I: Iterator<Item = &'a [u8]>>(
    name: &str,
    texts: impl Fn() -> I,
) -> Option<String> {
    let is_amount = texts().take(100).any(is_grouped);
    // A quarter such as `2015Q3` has a fixed pattern, too, and is no name.
    let is_moment = is_calendar(name) && !names_rows(name);
    if let Some(pattern) = fixed_pattern(texts()).filter(|_| !is_amount && !is_moment) {
        return Some(format!("a text of its own in every row, all of the pattern {pattern}"));
    }
    let blank_free = |text: &[u8]| !text.iter().any(u8::is_ascii_whitespace);
    (names_rows(name) && texts().all(blank_free))
        .then(|| "a text of its own in every row, and the name of an id".to_owned())
}

/// The pattern that all texts follow, letter by letter, if they are equally long and hold digits
/// that vary: `9` a digit, `A` an upper-case letter, `a` a lower-case one, `x` a letter or digit,
/// anything else itself.
pub fn fixed_pattern<'a>(mut texts: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let first = texts.next()?;
    if first.len() < 4 || first.len() > 64 || !first.is_ascii() {
        return None;
    }
    let mut classes: Vec<Class> = first.iter().map(|&byte| Class::of(byte)).collect();
    let mut fixed: Vec<Option<u8>> = first.iter().map(|&byte| Some(byte)).collect();
    for text in texts {
        if text.len() != classes.len() {
            return None;
        }
        for (at, &byte) in text.iter().enumerate() {
            classes[at] = classes[at].joined(Class::of(byte))?;
            if fixed[at] != Some(byte) {
                fixed[at] = None;
            }
        }
    }
    let varies = |class: &Class, kept: &Option<u8>| {
        kept.is_none() && matches!(class, Class::Digit | Class::Any)
    };
    let moving = classes.iter().zip(&fixed).filter(|(class, kept)| varies(class, kept)).count();
    let words = classes
        .iter()
        .zip(&fixed)
        .filter(|(class, kept)| kept.is_none() && matches!(class, Class::Upper | Class::Lower));
    if moving == 0 || words.count() > moving || is_measure(&classes, &fixed) {
        return None;
    }
    let shown = classes.iter().zip(&fixed).map(|(class, kept)| match (class, kept) {
        (_, Some(byte)) => char::from(*byte),
        (Class::Digit, None) => '9',
        (Class::Upper, None) => 'A',
        (Class::Lower, None) => 'a',
        (Class::Any, None) => 'x',
        (Class::Mark(byte), None) => char::from(*byte),
    });
    Some(shown.collect())
}

/// A number, a blank and the same unit in every text: `72 kg` counts, it names nothing.
fn is_measure(classes: &[Class], fixed: &[Option<u8>]) -> bool {
    let Some(blank) = classes.iter().position(|class| *class == Class::Mark(b' ')) else {
        return false;
    };
    let of_number = |class: &Class| matches!(class, Class::Digit | Class::Mark(b'.' | b','));
    classes[..blank].iter().all(of_number)
        && fixed[blank..].iter().flatten().count() == fixed.len() - blank
        && !classes[blank..].contains(&Class::Digit)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Digit,
    Upper,
    Lower,
    /// Letters and digits.
    Any,
    Mark(u8),
}

impl Class {
    fn of(byte: u8) -> Self {
        match byte {
            b'0'..=b'9' => Self::Digit,
            b'A'..=b'Z' => Self::Upper,
            b'a'..=b'z' => Self::Lower,
            other => Self::Mark(other),
        }
    }
    fn joined(self, other: Self) -> Option<Self> {
        match (self, other) {
            (one, other) if one == other => Some(one),
            (Self::Mark(_), _) | (_, Self::Mark(_)) => None,
            _ => Some(Self::Any),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_names_have_a_pattern_and_words_have_none() {
        for (texts, pattern) in [
            (vec!["AB-0001", "AB-0002", "AC-1003"], Some("AA-9009")),
            (vec!["0af3", "9bc1", "ff02", "1111"], Some("xxx9")),
            (vec!["Anna", "Bert", "Carl"], None),
            (vec!["A-1", "A-2"], None),
            (vec!["72 kg", "81 kg"], None),
            (vec!["7.25 m", "8.10 m"], None),
            (vec!["7200 A1", "8100 A1"], Some("9900 A1")),
            (vec!["+49 7200", "+49 8111"], Some("+49 9999")),
            (vec!["A-100", "A-20"], None),
            (vec!["A-100", "A100-"], None),
            (vec!["same", "same"], None),
            (vec![], None),
        ] {
            let found = fixed_pattern(texts.iter().map(|text| text.as_bytes()));
            assert_eq!(found.as_deref(), pattern, "{texts:?}");
        }
    }
}
