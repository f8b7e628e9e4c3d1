//! Hints at personal data, by what stands in the cells and by the name of the column.

use std::collections::BTreeSet;

use arrow::array::Array;
use tgs_protocol::column::ColumnKind;

use crate::{
    ingest::name_hint::words,
    table::{Cells, Column, cell::whole_of},
};

/// Cells looked at.
const LOOKED_AT: usize = 1_000;
/// Share of cells that must look alike.
const SHARE_MIN: f64 = 0.8;

/// A test of one text, and what passes it.
type Look = (fn(&str) -> bool, &'static str);

const LOOKS: [Look; 7] = [
    (is_mail, "mail addresses"),
    (is_card, "card numbers"),
    (is_iban, "bank accounts (IBAN)"),
    (is_social_security, "social security numbers"),
    (is_ip, "internet addresses"),
    (is_phone, "telephone numbers"),
    (is_uuid, "device or user identifiers (UUID)"),
];

const NAMES: [(&str, &str); 30] = [
    ("email", "mail addresses"),
    ("mail", "mail addresses"),
    ("phone", "telephone numbers"),
    ("telephone", "telephone numbers"),
    ("mobile", "telephone numbers"),
    ("fax", "telephone numbers"),
    ("firstname", "names of people"),
    ("lastname", "names of people"),
    ("surname", "names of people"),
    ("forename", "names of people"),
    ("fullname", "names of people"),
    ("address", "postal addresses"),
    ("street", "postal addresses"),
    ("zip", "postal codes"),
    ("zipcode", "postal codes"),
    ("postcode", "postal codes"),
    ("postal", "postal codes"),
    ("postalcode", "postal codes"),
    ("plz", "postal codes"),
    ("birthdate", "birth dates"),
    ("birthday", "birth dates"),
    ("dob", "birth dates"),
    ("birth", "birth dates"),
    ("ssn", "social security numbers"),
    ("passport", "passport numbers"),
    ("iban", "bank accounts (IBAN)"),
    ("ip", "internet addresses"),
    ("username", "user names"),
    ("patient", "identifiers of people"),
    ("customer", "identifiers of people"),
];

/// Words before `name` that say whose it is.
const PERSONS: [&str; 26] = [
    "first",
    "last",
    "middle",
    "given",
    "family",
    "full",
    "maiden",
    "patient",
    "customer",
    "client",
    "person",
    "employee",
    "user",
    "member",
    "student",
    "pupil",
    "teacher",
    "doctor",
    "physician",
    "nurse",
    "mother",
    "father",
    "guardian",
    "contact",
    "owner",
    "author",
];

/// What looks like personal data in a column, in one sentence.
pub fn hint(column: &Column) -> Option<String> {
    let texts = sample(column);
    if !texts.is_empty() {
        for (looks, what) in LOOKS {
            let share = texts.iter().filter(|text| looks(text)).count() as f64 / texts.len() as f64;
            if share >= SHARE_MIN {
                return Some(format!("{:.0} % look like {what}", share * 100.0));
            }
        }
    }
    by_name(column, &texts)
}

/// Whether a column that is learned looks as if each of its values led to one person: names, mail
/// addresses, telephone numbers. Postal codes and dates of birth do not by themselves, and what is
/// made anew meets a real value by chance.
pub fn identifies(column: &Column) -> bool {
    let leads_to_many = ["postal codes", "birth dates"];
    if column.spec.kind.is_generated() {
        return false;
    }
    hint(column).is_some_and(|hint| !leads_to_many.iter().any(|what| hint.ends_with(what)))
}

/// Whether a column promises names of people.
pub fn names_people(column: &Column) -> bool {
    by_name(column, &sample(column)).is_some_and(|hint| hint.ends_with("names of people"))
}

/// Whether some text of one column stands in the other.
pub fn shares(one: &Column, other: &Column) -> bool {
    let texts = texts(one);
    !texts.is_empty() && self::texts(other).iter().any(|text| texts.contains(text))
}

/// Every text of a column; none of one of numbers.
fn texts(column: &Column) -> BTreeSet<&str> {
    match &column.cells {
        Cells::Number(_) => BTreeSet::new(),
        Cells::Text(texts) => texts.iter().flatten().collect(),
        Cells::Level { codes, levels } => {
            let used: BTreeSet<_> = codes.iter().flatten().collect();
            used.into_iter().map(|code| levels.value(code as usize)).collect()
        }
    }
}

fn look_alike(texts: &[String], looks: fn(&str) -> bool) -> bool {
    let alike = texts.iter().filter(|text| looks(text)).count();
    !texts.is_empty() && alike as f64 >= SHARE_MIN * texts.len() as f64
}

fn by_name(column: &Column, texts: &[String]) -> Option<String> {
    let kind = column.spec.kind;
    let words = words(&column.spec.name);
    let joined = words.concat();
    let is_name = words.last().is_some_and(|last| last == "name") && is_name_of_texts(kind);
    if is_name && words.iter().any(|word| PERSONS.contains(&word.as_str())) {
        return Some("the column's name promises names of people".to_owned());
    }
    // A bare `name` may be that of anything; what stands there decides.
    if is_name && words.len() == 1 && look_alike(texts, is_person) {
        return Some("the column is called `name` and holds words like names of people".to_owned());
    }
    let (_, what) = NAMES.iter().find(|(word, what)| {
        let named = joined == *word || words.iter().any(|found| found == word);
        let fits = match *what {
            "birth dates" => kind.is_numeric() || kind.is_generated(),
            "identifiers of people" => kind == ColumnKind::Id,
            "postal codes" => true,
            "telephone numbers" | "social security numbers" | "passport numbers" => {
                kind == ColumnKind::Integer || is_name_of_texts(kind)
            }
            _ => is_name_of_texts(kind),
        };
        named && fits
    })?;
    Some(format!("the column's name promises {what}"))
}

/// Whether a column of this kind may hold texts that name somebody.
fn is_name_of_texts(kind: ColumnKind) -> bool {
    !kind.is_numeric() && kind != ColumnKind::Boolean && kind != ColumnKind::Constant
}

/// Up to so many texts of a column, evenly spread; whole numbers of a length that matters as texts.
fn sample(column: &Column) -> Vec<String> {
    let spread = |count: usize| {
        let taken = count.min(LOOKED_AT);
        (0..taken).map(move |at| at * count / taken.max(1))
    };
    match &column.cells {
        Cells::Level { levels, .. } => {
            spread(levels.len()).map(|at| levels.value(at).to_owned()).collect()
        }
        Cells::Text(texts) => spread(texts.len())
            .filter(|row| texts.is_valid(*row))
            .map(|row| texts.value(row).to_owned())
            .collect(),
        Cells::Number(values) => {
            let offset = column.spec.format.offset();
            let large =
                |row: &usize| values.is_valid(*row) && values.value(*row) + offset as f64 >= 1e12;
            let rows: Vec<usize> = spread(values.len()).collect();
            let found: Vec<usize> = rows.iter().copied().filter(large).collect();
            if found.len() * 2 < rows.len() {
                return Vec::new();
            }
            let shown = |row| match offset {
                0 => format!("{:.0}", values.value(row)),
                offset => whole_of(values.value(row), offset).to_string(),
            };
            found.into_iter().map(shown).collect()
        }
    }
}

fn is_mail(text: &str) -> bool {
    let Some((user, host)) = text.trim().split_once('@') else { return false };
    let host_is_whole = host.rsplit_once('.').is_some_and(|(name, end)| {
        !name.is_empty() && end.len() >= 2 && end.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    !user.is_empty() && !text.trim().contains(char::is_whitespace) && host_is_whole
}

/// Thirteen to nineteen digits whose check digit is right (Luhn, 1960).
fn is_card(text: &str) -> bool {
    let marks = |byte: &u8| matches!(byte, b' ' | b'-');
    let digits: Vec<u8> = text.trim().bytes().filter(|byte| !marks(byte)).collect();
    if !(13..=19).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = digits.iter().rev().enumerate().fold(0, |sum, (at, digit)| {
        let digit = u32::from(digit - b'0');
        let doubled = if at % 2 == 1 { digit * 2 } else { digit };
        sum + doubled / 10 + doubled % 10
    });
    sum.is_multiple_of(10)
}

/// Two letters, two check digits, the rest, whose number is one modulo 97 (ISO 13616).
fn is_iban(text: &str) -> bool {
    let text: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let shaped = (15..=34).contains(&text.len())
        && text[..2].iter().all(u8::is_ascii_uppercase)
        && text[2..4].iter().all(u8::is_ascii_digit)
        && text.iter().all(u8::is_ascii_alphanumeric);
    if !shaped {
        return false;
    }
    let rest = text[4..].iter().chain(&text[..4]).fold(0_u32, |rest, byte| {
        let byte = byte.to_ascii_uppercase();
        if byte.is_ascii_digit() {
            (rest * 10 + u32::from(byte - b'0')) % 97
        } else {
            (rest * 100 + u32::from(byte - b'A') + 10) % 97
        }
    });
    rest == 1
}

fn is_social_security(text: &str) -> bool {
    let text = text.trim().as_bytes();
    text.len() == 11
        && text.iter().enumerate().all(|(at, byte)| {
            if matches!(at, 3 | 6) { *byte == b'-' } else { byte.is_ascii_digit() }
        })
}

/// One to four words of letters, each with a capital: `Ada Lovelace`, `Jean-Luc O'Neill`.
fn is_person(text: &str) -> bool {
    let is_part = |word: &str| {
        let letters = word.chars().filter(|letter| letter.is_alphabetic()).count();
        let marks = word.chars().filter(|letter| matches!(letter, '-' | '\'' | '’' | '.')).count();
        word.starts_with(char::is_uppercase) && letters + marks == word.chars().count()
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    (1..=4).contains(&words.len()) && words.iter().all(|word| is_part(word))
}

fn is_ip(text: &str) -> bool {
    text.trim().parse::<std::net::IpAddr>().is_ok()
}

/// Seven to fifteen digits with the marks of a telephone number.
fn is_phone(text: &str) -> bool {
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let marks =
        text.bytes().filter(|byte| matches!(byte, b'+' | b'(' | b')' | b'-' | b' ' | b'.' | b'/'));
    let marks = marks.count();
    let starts =
        text.starts_with(['+', '(']) || text.starts_with(|first: char| first.is_ascii_digit());
    // A date or a decimal number also has digits and marks.
    let is_moment = text.len() >= 8
        && text.as_bytes()[..4].iter().all(u8::is_ascii_digit)
        && matches!(text.as_bytes()[4], b'-' | b'/');
    let dots = text.bytes().filter(|byte| *byte == b'.').count();
    (7..=15).contains(&digits)
        && digits + marks == text.len()
        && marks >= 2
        && dots != marks
        && starts
        && !is_moment
}

fn is_uuid(text: &str) -> bool {
    let text = text.trim().as_bytes();
    text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| {
            if matches!(at, 8 | 13 | 18 | 23) { *byte == b'-' } else { byte.is_ascii_hexdigit() }
        })
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;
    use tgs_protocol::column::{ColumnSpec, ValueFormat};

    use super::*;

    #[test]
    fn personal_data_is_told_from_other_texts() {
        for (looks, yes, no) in [
            (is_mail as fn(&str) -> bool, "a.b@c-d.org", "a@b"),
            (is_card, "4111 1111 1111 1111", "4111111111111112"),
            (is_iban, "GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 33"),
            (is_social_security, "123-45-6789", "123-456-789"),
            (is_ip, "192.168.0.1", "1.2.3"),
            (is_phone, "+49 (30) 123-4567", "2020-01-01"),
            (is_phone, "(206) 555-9857", "1.234567"),
            (is_uuid, "123e4567-e89b-12d3-a456-426614174000", "123e4567"),
            (is_person, "Jean-Luc O'Neill", "blue chair 12"),
        ] {
            assert!(looks(yes), "{yes}");
            assert!(!looks(no), "{no}");
        }
    }

    fn column(name: &str, kind: ColumnKind, cells: Cells) -> Column {
        let spec = ColumnSpec {
            name: name.to_owned(),
            kind,
            reason: String::new(),
            format: ValueFormat::Shortest,
            missing_token: None,
        };
        Column { spec: spec.into(), cells }
    }

    fn levels(name: &str, kind: ColumnKind, values: &[&str]) -> Column {
        let codes = (0..values.len() as u32).collect::<Vec<_>>();
        let levels = StringArray::from(values.to_vec());
        column(name, kind, Cells::Level { codes: codes.into(), levels: levels.into() })
    }

    #[test]
    fn names_of_people_identify_and_postal_codes_do_not() {
        let of = |name: &str, kind| identifies(&levels(name, kind, &["Ann Lee", "Bo Ray"]));
        assert!(of("patient_name", ColumnKind::Category) && of("surname", ColumnKind::Category));
        assert!(!of("surname", ColumnKind::Text), "it is made anew");
        assert!(!of("zipcode", ColumnKind::Category) && !of("ward", ColumnKind::Category));
        let real = levels("surname", ColumnKind::Category, &["Lee", "Ray"]);
        assert!(shares(&real, &levels("surname", ColumnKind::Category, &["Kim", "Ray"])));
        assert!(!shares(&real, &levels("surname", ColumnKind::Category, &["Kim"])));
    }

    #[test]
    fn a_telling_name_is_enough_for_bare_digits() {
        let of = |name: &str, kind| {
            let cells = Cells::Number(vec![2_065_559_857.0].into());
            hint(&column(name, kind, cells))
        };
        assert!(of("mobile", ColumnKind::Integer).is_some());
        assert!(of("ssn", ColumnKind::Integer).is_some());
        assert_eq!(of("mobile", ColumnKind::Real), None);
        assert_eq!(of("street", ColumnKind::Integer), None);
    }

    #[test]
    fn names_of_people_are_told_from_other_names() {
        let of = |name: &str, values: &[&str]| {
            hint(&column(name, ColumnKind::Text, Cells::Text(values.to_vec().into())))
        };
        let (people, things) = (["Ada Lovelace", "Alan Turing"], ["disc 7", "USB cable 2 m"]);
        for (name, values) in [("patient_name", things), ("CustomerName", things), ("name", people)]
        {
            assert!(
                of(name, &values).is_some_and(|hint| hint.contains("names of people")),
                "{name}"
            );
        }
        for (name, values) in [("name", things), ("product_name", people), ("filename", people)] {
            assert_eq!(of(name, &values), None, "{name}");
        }
    }
}
