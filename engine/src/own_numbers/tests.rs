//! From a file to rows: no number that is one person's own comes back, nor stands in a model file.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tgs_protocol::{
    chunk::ChunkNo,
    column::ColumnKind,
    model::{ModelName, TrainingLength},
    progress::Unwatched,
    unit::Steps,
};

use crate::{
    ingest::read_table,
    model,
    port::generator,
    random::{Purpose, Stream},
    table::{Cells, Table, cell::NumberWriter},
};

fn read(csv: &str) -> (Table, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.csv");
    std::fs::write(&path, csv).expect("writes");
    read_table(&path, None, &Unwatched).expect("reads")
}

fn constants(model: ModelName) -> Map<String, Value> {
    let small = match model {
        ModelName::Tabgraph => json!({"width": 16, "blocks": 1, "batch": 64, "validation_looks": 1,
            "evaluations": 2, "slow_evaluations": 0, "calibration_rounds": 0}),
        ModelName::Seqtree | ModelName::Auto => json!({}),
        ModelName::Original => json!({"width": 16, "batch": 64, "validation_looks": 1,
            "feed_forward": 8, "solver_steps": 2}),
        ModelName::Ctgan => json!({"width": 16, "critic_width": 16, "batch": 60}),
        ModelName::Tvae => json!({"width": 16, "batch": 64, "validation_looks": 1}),
        ModelName::Autoregressive => json!({"width": 16, "column_width": 8, "batch": 64,
            "validation_looks": 1}),
    };
    small.as_object().cloned().expect("an object")
}

/// The model file of a short training.
fn trained(name: ModelName, train: &Table) -> Vec<u8> {
    let model::Model { plan, trainer: begin, .. } = model::of(name);
    let (set, length) = (constants(name), TrainingLength::Steps(8));
    let plan = plan(train, length, &set, 1, 1, &Unwatched).expect("plans");
    let mut run = begin(train, &plan, (1, 1), None, &Unwatched).expect("begins");
    run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
    run.finish(&Unwatched).expect("finishes")
}

fn drawn(file: &[u8], chunk: u32) -> Table {
    generator(file).expect("opens").chunk(3, ChunkNo(chunk), 10_000).expect("draws")
}

/// Every number of a column, levels read as numbers.
fn numbers(table: &Table, name: &str) -> Vec<Option<f64>> {
    let column = table.columns().iter().find(|column| column.spec.name == name);
    match &column.expect("is there").cells {
        Cells::Number(values) => values.iter().collect(),
        Cells::Level { codes, levels } => {
            let number = |code: u32| levels.value(code as usize).parse().ok();
            codes.iter().map(|code| code.and_then(number)).collect()
        }
        Cells::Text(texts) => texts.iter().map(|text| text.and_then(|t| t.parse().ok())).collect(),
    }
}

/// Ages, groups, and what `last` says of each row.
fn people(rows: usize, name: &str, last: impl Fn(usize, &mut Stream) -> String) -> String {
    let mut dice = Stream::new(5, Purpose::Test, 0);
    let mut csv = format!("age,group,{name}\n");
    for row in 0..rows {
        let (age, group) = (18 + dice.below(60), ["a", "b", "c"][dice.below(3) as usize]);
        let last = last(row, &mut dice);
        csv.push_str(&format!("{age},{group},{last}\n"));
    }
    csv
}

/// Whether these eight bytes stand anywhere in a model file, in a text or as a number.
fn holds(file: &[u8], number: f64) -> bool {
    let find = |bytes: &[u8]| memchr::memmem::find(file, bytes).is_some();
    find(&number.to_le_bytes()) || find(number.to_string().as_bytes())
}

#[test]
fn amounts_among_zeros_are_no_levels() {
    let own = [123_456.78, 98_765.43, 55_501.19, 870_123.55, 20_119.07, 333_222.11];
    let claim = |row: usize, _: &mut Stream| match own.get(row / 200) {
        Some(amount) if row % 200 == 7 => format!("{amount:.2}"),
        _ => "0.00".to_owned(),
    };
    let (table, _) = read(&people(1_400, "claim", claim));
    for model in ModelName::ALL {
        let file = trained(model, &table);
        let made = drawn(&file, 0);
        let claims = numbers(&made, "claim");
        for amount in own {
            assert!(!claims.contains(&Some(amount)), "{model:?} gives {amount} back");
            assert!(!holds(&file, amount), "{model:?} keeps {amount} in its file");
        }
        let zeros = claims.iter().filter(|claim| **claim == Some(0.0)).count();
        assert!(zeros > 9_500, "{model:?}: {zeros} of 10,000 claims are zero");
    }
    assert_eq!(table.columns()[2].spec.kind, ColumnKind::Real);
}

#[test]
fn a_column_that_few_rows_fill_is_learned_as_empty() {
    for filled in [1, 2, 4, 5] {
        let bonus = |row: usize, _: &mut Stream| match row % 300 {
            70 if row / 300 < filled => "123456.78".to_owned(),
            _ => String::new(),
        };
        let (table, notices) = read(&people(1_500, "bonus", bonus));
        assert_eq!(notices.len(), usize::from(filled < 5), "{notices:?}");
        for model in ModelName::ALL {
            let file = trained(model, &table);
            let made = drawn(&file, 0);
            let given = numbers(&made, "bonus").iter().flatten().count();
            assert_eq!(given > 0, filled == 5, "{model:?}: {given} numbers of {filled} rows");
            assert_eq!(holds(&file, 123_456.78), filled == 5, "{model:?}, {filled} rows");
        }
    }
}

/// Whoever asks for a hundred thousand rows knows no more than whoever asks for ten thousand.
#[test]
fn more_rows_do_not_tell_a_number_better() {
    let own = [(3, 400_123.37), (400, 700_456.91), (900, 1_000_000.37)];
    let income = |row: usize, dice: &mut Stream| {
        let income = own.iter().find(|(at, _)| *at == row);
        let income = income.map_or_else(|| 20_000.0 + 60_000.0 * dice.uniform(), |own| own.1);
        format!("{income:.2}")
    };
    let (table, _) = read(&people(1_500, "income", income));
    let known: Vec<f64> = numbers(&table, "income").into_iter().flatten().collect();
    for model in ModelName::ALL {
        let file = trained(model, &table);
        let kept = known.iter().filter(|income| holds(&file, **income)).count();
        assert_eq!(kept, 0, "{model:?} keeps incomes in its file");
        let most = |chunks: std::ops::Range<u32>| {
            let incomes = chunks.flat_map(|chunk| numbers(&drawn(&file, chunk), "income"));
            incomes.flatten().fold(0.0, f64::max)
        };
        let (few, many) = (most(0..4), most(4..10));
        assert!(many < 1_000_000.37 - 1.0, "{model:?}: {many} is the largest income");
        assert!(many >= 950_000.0, "{model:?}: {many} is not beside the largest income");
        if model != ModelName::Seqtree {
            assert!(few.to_bits() == many.to_bits(), "{model:?}: {few} and {many}");
        }
    }
}

/// Stamps in nanoseconds are numbers like others: within their range, nobody's own.
#[test]
fn long_whole_numbers_are_learned_as_numbers() {
    let stamp = |_: usize, dice: &mut Stream| {
        (1_700_000_000_000_000_000 + dice.below(1_000_000_000_000_000)).to_string()
    };
    let csv = people(600, "ns", stamp);
    let (table, _) = read(&csv);
    let known: BTreeSet<&str> = csv.lines().filter_map(|line| line.split(',').nth(2)).collect();
    let spec = &table.columns()[2].spec;
    for model in ModelName::ALL {
        let made = drawn(&trained(model, &table), 0);
        let Cells::Number(cells) = &made.columns()[2].cells else { panic!("{model:?}: numbers") };
        assert_eq!(made.columns()[2].spec.format, spec.format, "{model:?}");
        let mut distinct = BTreeSet::new();
        for cell in cells.iter().flatten() {
            let mut text = Vec::new();
            NumberWriter::new(spec).write(cell, &mut text);
            let text = String::from_utf8(text).expect("digits");
            let stamp: i64 = text.parse().expect("a number");
            let range = 1_700_000_000_000_000_000..1_701_000_000_000_000_000;
            assert!(range.contains(&stamp), "{model:?}: {stamp}");
            assert!(!known.contains(&*text), "{model:?} gives {stamp} back");
            distinct.insert(stamp);
        }
        assert!(distinct.len() > 400, "{model:?}: {} stamps", distinct.len());
    }
}
