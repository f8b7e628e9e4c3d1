//! A small table whose profile is known by hand.

use tgs_protocol::{profile::Association, progress::Unwatched};

use super::*;
use crate::ingest::read_table;

fn profiled(text: &str) -> Profile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, text).unwrap();
    let (table, _) = read_table(&path, None, &Unwatched).unwrap();
    profile(&table, &Unwatched).unwrap()
}

#[test]
fn every_figure_of_a_small_table() {
    let mut text = "x,c,mail\n".to_owned();
    for row in 0..101 {
        let level = if row % 2 == 0 { "even" } else { "odd" };
        text += &format!("{}.5,{level},p{row}@mail.org\n", row);
    }
    text += ",even,\n,even,\n";
    let found = profiled(&text);
    assert_eq!((found.rows, found.duplicate_rows), (103, 1));
    let x = &found.columns[0];
    assert_eq!((x.missing, x.distinct), (2, 101));
    let numbers = x.numbers.as_ref().unwrap();
    assert_eq!(numbers.mean, 50.5);
    assert!((numbers.standard_deviation - 29.300_170_647_967_224).abs() < 1e-12);
    assert_eq!(numbers.quantiles, [0.5, 1.5, 5.5, 25.5, 50.5, 75.5, 95.5, 99.5, 100.5]);
    assert_eq!((numbers.histogram.len(), numbers.histogram.iter().sum::<u64>()), (40, 101));
    assert_eq!((x.top.len(), x.top[0].value.as_str()), (20, "0.5"));
    let levels = &found.columns[1];
    assert_eq!(levels.top[0], TopValue { value: "even".into(), count: 53 });
    assert_eq!((levels.distinct, levels.numbers.is_none()), (2, true));
    let mail = &found.columns[2];
    assert_eq!(mail.personal_data_hint.as_deref(), Some("100 % look like mail addresses"));
    assert_eq!((mail.missing, mail.distinct, mail.top[0].count), (2, 101, 1));
    assert_eq!(found.correlations.len(), 1);
    assert_eq!(found.correlations[0].measure, Association::CorrelationRatio);
    assert!(found.correlations[0].strength < 0.02);
    assert_eq!(found.key_candidates, Vec::<Vec<String>>::new());
}

#[test]
fn keys_are_single_or_pairs() {
    let single = profiled("id,v\na1,1\na2,1\na3,2\n");
    assert_eq!(single.key_candidates, [["id"]]);
    let mut text = "a,b,c\n".to_owned();
    (0..60).for_each(|row| text += &format!("{},{},{}\n", row / 6, row % 6, row % 2));
    assert_eq!(profiled(&text).key_candidates, [["a", "b"]]);
}

#[test]
fn one_row_and_an_empty_column_have_a_profile() {
    let found = profiled("a,b\n1,\n");
    assert_eq!((found.rows, found.columns[1].missing, found.columns[1].distinct), (1, 1, 0));
    assert!(found.correlations.is_empty() && found.key_candidates.is_empty());
}
