//! Ids stay unique, looks stay, nothing of the source is in the model.

use std::{collections::HashSet, sync::Arc};

use arrow::array::StringArray;
use proptest::prelude::*;
use tgs_protocol::{
    chunk::ChunkNo,
    column::{ColumnKind, ColumnSpec, ValueFormat},
};

use super::Generated;
use crate::table::{Cells, Column};

fn column(kind: ColumnKind, values: Vec<Option<String>>) -> Column {
    let spec = ColumnSpec {
        name: "name".to_owned(),
        kind,
        reason: String::new(),
        format: ValueFormat::Verbatim,
        missing_token: None,
    };
    Column { spec: Arc::new(spec), cells: Cells::Text(StringArray::from(values)) }
}

fn ids(values: &[&str]) -> Generated {
    let values = values.iter().map(|value| Some((*value).to_owned())).collect();
    Generated::fit(&column(ColumnKind::Id, values))
}

fn texts(generated: &Generated, chunk: u32, rows: usize) -> Vec<Option<String>> {
    match generated.chunk(7, ChunkNo(chunk), rows) {
        Cells::Text(texts) => texts.iter().map(|text| text.map(str::to_owned)).collect(),
        other => panic!("texts, not {other:?}"),
    }
}

/// The look of the first id, with letters and digits folded.
fn look(generated: &Generated, chunk: u32) -> String {
    let first = texts(generated, chunk, 1).remove(0).expect("nothing is missing");
    super::word::template(&first)
}

#[test]
fn integers_count_on_after_the_largest() {
    let generated = ids(&["17", "4", "23"]);
    assert_eq!(texts(&generated, 0, 2), [Some("24".to_owned()), Some("25".to_owned())]);
    assert_eq!(texts(&generated, 2, 1), [Some("20024".to_owned())]);
}

/// The largest number of people's own would be the first of the made ones, less one.
#[test]
fn scattered_integers_are_not_counted_on() {
    let numbers: Vec<String> =
        (1..=40_u64).map(|row| (100_000_000 + row * row * 438_000 + row).to_string()).collect();
    let generated = ids(&numbers.iter().map(String::as_str).collect::<Vec<_>>());
    let made = texts(&generated, 0, 1_000);
    let made: HashSet<String> = made.into_iter().flatten().collect();
    assert_eq!(made.len(), 1_000, "ids are unique");
    let is_plain = |text: &String| text.len() == 9 && !text.starts_with('0');
    assert!(made.iter().all(|text| is_plain(text) && text.parse::<u64>().is_ok()));
    let stored = serde_json::to_string(&generated).expect("writes");
    let largest = numbers.last().expect("has numbers");
    let next = (largest.parse::<u64>().expect("a number") + 1).to_string();
    assert!(!stored.contains(largest) && !stored.contains(&next), "{stored}");
}

#[test]
fn ids_look_like_the_source() {
    let spread = ["AB-00123", "AB-90001", "AB-50777", "AB-00002", "AB-31415", "AB-27182"];
    let letters = ["x7Kq9Z", "aB3dE5", "Zz9yY8", "q1W2e3", "K0k0K0"];
    let uuid = "6F9619FF-8B86-4011-B42D-00CF4FC964FF";
    for (source, expected) in [
        (&spread[..], "AA-99999"),
        (&["AB-00123", "AB-00124", "AB-00125", "AB-00126", "AB-00130"], "AA-99999"),
        (&["C1", "C2", "C10", "C11", "C12"], "A99"),
    ] {
        assert_eq!(look(&ids(source), 0), expected, "{source:?}");
    }
    assert_eq!(texts(&ids(&letters), 0, 1)[0].as_ref().map(String::len), Some(6));
    let made = texts(&ids(&[uuid]), 0, 1).remove(0).expect("present");
    assert_eq!((made.len(), made.as_bytes()[14], made.to_uppercase() == made), (36, b'4', true));
}

#[test]
fn a_narrow_pattern_is_widened_once_it_is_full() {
    let generated = ids(&["a1", "b2", "c3", "d4", "e5"]);
    let mut met = HashSet::new();
    for chunk in [0, 1, 2, 9_999] {
        for id in texts(&generated, chunk, 10_000) {
            assert!(met.insert(id.clone()), "{id:?} stands twice");
        }
    }
    assert_eq!(look(&generated, 0), "a9");
    assert_eq!(look(&generated, 9_999), "99999999a9"[2..].to_owned());
}

#[test]
fn texts_keep_their_look_and_their_missing_share() {
    let row = |at: usize| match at % 4 {
        0 => None,
        1 => Some(format!("jane{}@clinic-{at}.de", "abcdef".get(at % 6..).unwrap_or(""))),
        2 => Some(format!("+49 {} {}", 100 + at % 900, 10_000 + at)),
        _ => Some("Patient felt well today, no pain.".repeat(at % 3 + 2)),
    };
    let generated = Generated::fit(&column(ColumnKind::Text, (0..4_000).map(row).collect()));
    let made = texts(&generated, 3, 10_000);
    let share = |test: &dyn Fn(&Option<String>) -> bool| {
        made.iter().filter(|text| test(text)).count() as f64 / made.len() as f64
    };
    let phone = |text: &Option<String>| {
        text.as_ref().is_some_and(|text| super::word::template(text) == "+99 999 99999")
    };
    let mail = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains("@example."));
    let shares = [share(&Option::is_none), share(&mail), share(&phone)];
    assert!(shares.iter().all(|share| (share - 0.25).abs() < 0.02), "{shares:?}");
    let model = serde_json::to_string(&generated).expect("serialises");
    for secret in ["jane", "clinic", "Patient", "pain"] {
        assert!(!model.contains(secret), "{secret} is in {model}");
        assert!(!made.iter().flatten().any(|text| text.contains("clinic")));
    }
    assert_eq!(serde_json::from_str::<Generated>(&model).expect("reads back"), generated);
}

/// A person stands in the source, not in the copy.
#[test]
fn names_come_from_our_own_lists_in_the_forms_of_the_source() {
    let (firsts, lasts) = (["Wolfgang", "Nannerl", "Leopold"], ["Mozart", "Pertl", "Weberin"]);
    for (name, form, expected) in [
        ("patient_name", 0, "Aaaa Aaaa"),
        ("surname", 1, "AAAA"),
        ("customer_name", 2, "Aaaa, Aaaa A."),
    ] {
        let row = |at: usize| {
            let (first, last) = (firsts[at % 3], lasts[at / 3 % 3]);
            Some(match form {
                0 => format!("{first} {last}"),
                1 => last.to_uppercase(),
                _ => format!("{last}, {first} B."),
            })
        };
        let mut column = column(ColumnKind::Text, (0..900).map(row).collect());
        Arc::make_mut(&mut column.spec).name = name.to_owned();
        let generated = Generated::fit(&column);
        let made = texts(&generated, 0, 2_000);
        let made: HashSet<&str> = made.iter().flatten().map(String::as_str).collect();
        assert!(made.len() > 40, "{name}: {} names", made.len());
        for text in &made {
            let look = super::word::template(text);
            let short =
                |part: &str| part.trim_start_matches('A').trim_start_matches('a').to_owned();
            assert_eq!(look.contains(", "), expected.contains(", "), "{text}");
            assert_eq!(look.contains('a'), expected.contains('a'), "{text}");
            assert_eq!(look.split(' ').count(), expected.split(' ').count(), "{text}");
            assert!(short(&look).len() < look.len(), "{text}");
            let known = firsts.iter().chain(&lasts).map(|name| name.to_lowercase());
            for secret in known {
                assert!(!text.to_lowercase().contains(&secret), "{text}");
            }
        }
        let model = serde_json::to_string(&generated).expect("serialises");
        assert!(!model.to_lowercase().contains("mozart"), "{model}");
    }
}

#[test]
fn nothing_seen_gives_nothing() {
    let generated = Generated::fit(&column(ColumnKind::Id, vec![None; 9]));
    assert_eq!(texts(&generated, 0, 3), [None, None, None]);
}

#[test]
fn columns_of_one_table_differ() {
    let source: Vec<_> = (0..50).map(|at| Some(format!("{:08x}", at * 77_777_777_u64))).collect();
    let mut other = column(ColumnKind::Id, source.clone());
    Arc::make_mut(&mut other.spec).name = "other".to_owned();
    let one = Generated::fit(&column(ColumnKind::Id, source));
    assert_ne!(texts(&one, 0, 1), texts(&Generated::fit(&other), 0, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn ids_are_unique_over_chunks(
        values in prop_oneof![
            prop::collection::vec("[0-9]{1,6}", 1..40),
            prop::collection::vec("[A-Z]{2}-[0-9]{3}", 1..40),
            prop::collection::vec("[a-z0-9]{4,10}", 1..40),
            prop::collection::vec("ID_[0-9a-f]{12}", 1..40),
            prop::collection::vec("\\PC{1,8}", 1..40),
        ],
        chunk in 0_u32..9_998,
    ) {
        let borrowed: Vec<&str> = values.iter().map(String::as_str).collect();
        let generated = ids(&borrowed);
        let mut met = HashSet::new();
        for chunk in [chunk, chunk + 1, 9_999] {
            let made = texts(&generated, chunk, 3_000);
            prop_assert_eq!(&texts(&generated, chunk, 50)[..], &made[..50]);
            for id in made {
                prop_assert!(met.insert(id.clone()), "{:?} stands twice", id);
            }
        }
    }
}
