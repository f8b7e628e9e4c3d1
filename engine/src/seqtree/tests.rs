//! What the model promises, on small made tables.

use std::{collections::BTreeSet, sync::Arc};

use arrow::array::{Float64Array, StringArray, UInt32Array};
use serde_json::{Map, Value, json};
use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    column::{ColumnKind, ColumnSpec, ValueFormat},
    engine::EngineError,
    model::{TrainPlan, TrainingLength},
    progress::Unwatched,
    unit::Steps,
};

mod choice;

use super::{config::SMALL_TABLE_ROWS, generator, plan, trainer};
use crate::{
    random::{Purpose, Stream},
    table::{Cells, Column, Table},
    testing::Stop,
};

fn spec(name: &str, kind: ColumnKind, format: ValueFormat) -> Arc<ColumnSpec> {
    let (name, reason) = (name.to_owned(), String::new());
    Arc::new(ColumnSpec { name, kind, reason, format, missing_token: None })
}

fn number(name: &str, digits: u8, values: Vec<Option<f64>>) -> Column {
    let format = ValueFormat::Decimal { digits, least: 0 };
    let spec = spec(name, ColumnKind::Real, format);
    Column { spec, cells: Cells::Number(Float64Array::from(values)) }
}

fn level(name: &str, levels: usize, codes: Vec<Option<u32>>) -> Column {
    let texts: Vec<String> = (0..levels).map(|level| format!("level {level:05}")).collect();
    let cells = Cells::Level {
        codes: UInt32Array::from(codes),
        levels: Arc::new(StringArray::from(texts)),
    };
    Column { spec: spec(name, ColumnKind::Category, ValueFormat::Verbatim), cells }
}

/// Kinds of all sorts that depend on each other: a class, a yes or no, an amount with an atom at
/// zero and gaps, a price with two decimals, an id.
fn mixed(rows: usize, seed: u64) -> Table {
    let mut stream = Stream::new(seed, Purpose::Test, 0);
    let (mut class, mut yes, mut amount, mut price) = (vec![], vec![], vec![], vec![]);
    for _ in 0..rows {
        let c = stream.below(5) as u32;
        let y = stream.uniform() < 0.1 + 0.2 * f64::from(c);
        class.push((stream.uniform() > 0.1).then_some(c));
        yes.push(Some(u32::from(y)));
        amount.push((stream.uniform() > 0.25).then(|| {
            let drawn = (stream.normal() * 300.0 + 1_000.0 * f64::from(c)).round();
            if y { 0.0 } else { drawn }
        }));
        price.push(Some(((stream.normal() + f64::from(c)) * 100.0).round() / 100.0));
    }
    let ids: Vec<String> = (0..rows).map(|row| format!("P-{row:06}")).collect();
    let id = spec("id", ColumnKind::Id, ValueFormat::Verbatim);
    Table::new(vec![
        Column { spec: id, cells: Cells::Text(StringArray::from(ids)) },
        number("amount", 0, amount),
        level("class", 5, class),
        number("price", 2, price),
        level("yes", 2, yes),
    ])
}

fn set(overrides: Value) -> Map<String, Value> {
    overrides.as_object().cloned().expect("an object")
}

fn planned(table: &Table, overrides: Value) -> Result<TrainPlan, EngineError> {
    plan(table, TrainingLength::Default, &set(overrides), 3, 2, &Unwatched)
}

fn trained(table: &Table, overrides: Value) -> Vec<u8> {
    let plan = planned(table, overrides).expect("plans");
    let mut run = trainer(table, &plan, (3, 2), None, &Unwatched).expect("begins");
    run.segment(Steps(u64::MAX), &Unwatched).expect("grows");
    run.finish(&Unwatched).expect("finishes")
}

fn drawn(model: &[u8], chunk: u32, rows: usize) -> Table {
    generator(model).expect("opens").chunk(11, ChunkNo(chunk), rows).expect("draws")
}

/// Every cell as text.
fn cells(table: &Table) -> Vec<Vec<Option<String>>> {
    let texts = |column: &Column| -> Vec<Option<String>> {
        let cell = |row: usize| {
            column.cells.is_present(row).then(|| match &column.cells {
                Cells::Number(values) => values.value(row).to_string(),
                Cells::Level { codes, levels } => {
                    levels.value(codes.value(row) as usize).to_owned()
                }
                Cells::Text(texts) => texts.value(row).to_owned(),
            })
        };
        (0..table.rows()).map(cell).collect()
    };
    table.columns().iter().map(texts).collect()
}

fn numbers(table: &Table, column: usize) -> Vec<Option<f64>> {
    match &table.columns()[column].cells {
        Cells::Number(values) => values.iter().collect(),
        other => panic!("numbers, not {other:?}"),
    }
}

fn share<T>(of: &[T], test: impl Fn(&T) -> bool) -> f64 {
    of.iter().filter(|one| test(one)).count() as f64 / of.len().max(1) as f64
}

#[test]
fn an_interrupted_run_ends_with_the_same_bytes() {
    let table = mixed(600, 1);
    let plan = planned(&table, json!({"min_leaf": 10})).expect("plans");
    let mut whole = trainer(&table, &plan, (3, 2), None, &Unwatched).expect("begins");
    whole.segment(Steps(u64::MAX), &Unwatched).expect("grows");
    let whole = whole.finish(&Unwatched).expect("finishes");
    let mut snapshot: Option<Vec<u8>> = None;
    for threads in [1, 3, 2, 1] {
        let mut run =
            trainer(&table, &plan, (3, threads), snapshot.as_deref(), &Unwatched).expect("resumes");
        assert!(!run.is_done());
        run.segment(Steps(1), &Unwatched).expect("grows");
        snapshot = Some(run.snapshot().expect("saves"));
        assert_eq!(run.snapshot().ok(), snapshot);
    }
    let mut run = trainer(&table, &plan, (3, 2), snapshot.as_deref(), &Unwatched).expect("resumes");
    assert!(run.is_done());
    assert_eq!(run.finish(&Unwatched).expect("finishes"), whole);
}

#[test]
fn a_stop_is_heard_while_rows_are_coded() {
    let table = mixed(200, 1);
    let plan = planned(&table, json!({"min_leaf": 10})).expect("plans");
    let begun = trainer(&table, &plan, (3, 2), None, &Stop);
    assert!(matches!(begun, Err(EngineError::Stopped)));
}

#[test]
fn damaged_files_are_refused() {
    let table = mixed(200, 1);
    let plan = planned(&table, json!({"min_leaf": 10})).expect("plans");
    let mut run = trainer(&table, &plan, (3, 1), None, &Unwatched).expect("begins");
    run.segment(Steps(9), &Unwatched).expect("grows");
    let (snapshot, model) =
        (run.snapshot().expect("saves"), run.finish(&Unwatched).expect("finishes"));
    let refused = |bytes: &[u8]| {
        let resumed = trainer(&table, &plan, (3, 1), Some(bytes), &Unwatched);
        let (resumed, opened) = (resumed.err(), generator(bytes).err());
        let code = |error: Option<EngineError>| error.and_then(|error| error.code());
        code(resumed) == Some(Code::CheckpointCorrupt)
            && code(opened) == Some(Code::ModelUnreadable)
    };
    for file in [&snapshot, &model] {
        for at in (0..file.len()).step_by(file.len() / 97) {
            let mut torn = file.clone();
            torn[at] ^= 0x10;
            assert!(refused(&torn), "byte {at} of {}", file.len());
            assert!(refused(&file[..at]));
        }
    }
    let other = planned(&table, json!({"min_leaf": 11})).expect("plans");
    assert!(trainer(&table, &other, (3, 1), Some(&snapshot), &Unwatched).is_err());
}

#[test]
fn chunks_are_functions_of_their_number() {
    let model = trained(&mixed(400, 2), json!({"min_leaf": 10}));
    let (alone, first) = (cells(&drawn(&model, 3, 500)), cells(&drawn(&model, 0, 500)));
    assert_eq!(cells(&drawn(&model, 3, 500)), alone);
    assert_ne!(alone, first);
    let short = || cells(&drawn(&model, 3, 60));
    assert_eq!(short(), short());
    assert!(short().iter().all(|column| column.len() == 60));
}

#[test]
fn marginals_atoms_decimals_and_missing_cells_are_kept() {
    let source = mixed(4_000, 5);
    let made = drawn(&trained(&source, json!({"min_leaf": 20})), 0, 10_000);
    for column in 1..5 {
        let (source, made) = (&source.columns()[column].cells, &made.columns()[column].cells);
        let shares = [source, made].map(|cells| cells.missing() as f64 / cells.len() as f64);
        assert!((shares[0] - shares[1]).abs() < 0.02, "column {column}: {shares:?}");
    }
    let zeros = [&source, &made].map(|table| share(&numbers(table, 1), |cell| *cell == Some(0.0)));
    assert!(zeros[0] > 0.2 && (zeros[0] - zeros[1]).abs() < 0.02, "{zeros:?}");
    for (column, scale) in [(1, 1.0), (3, 100.0)] {
        let kept =
            |cell: &Option<f64>| cell.is_none_or(|value| (value * scale).round() / scale == value);
        assert_eq!(share(&numbers(&made, column), kept), 1.0, "column {column}");
    }
    let known: BTreeSet<_> = cells(&source)[1].iter().cloned().collect();
    let new = share(&cells(&made)[1], |cell| !known.contains(cell));
    assert!(new > 0.15, "only {new} of the amounts are new");
}

/// Incomes to the cent are somebody's own, in a table of any size, at the ends and between zeros.
#[test]
fn numbers_of_few_rows_do_not_come_back_as_they_stood() {
    for rows in [100, 240, 3_000] {
        let mut dice = Stream::new(9, Purpose::Test, rows);
        let mut income = |share: f64| {
            let paid = dice.uniform() < share;
            Some(if paid { (3e6 + 4e6 * dice.uniform()).round() / 100.0 } else { 0.0 })
        };
        let incomes: Vec<_> = (0..rows).map(|_| income(1.0)).collect();
        let claims: Vec<_> = (0..rows).map(|_| income(0.05)).collect();
        let table = Table::new(vec![number("income", 2, incomes), number("claim", 2, claims)]);
        let made = drawn(&trained(&table, json!({})), 0, 4_000);
        for column in [0, 1] {
            let known: BTreeSet<u64> =
                numbers(&table, column).into_iter().flatten().map(f64::to_bits).collect();
            let paid: Vec<f64> =
                numbers(&made, column).into_iter().flatten().filter(|cell| *cell > 0.0).collect();
            assert!(!paid.is_empty(), "{rows} rows");
            let again = share(&paid, |cell| known.contains(&cell.to_bits()));
            assert!(again < 0.02, "{rows} rows, column {column}: {again} came back to the cent");
        }
    }
}

/// The way from −1e308 to 1.7e308 is longer than any double.
#[test]
fn numbers_of_all_sizes_stay_numbers() {
    let mut dice = Stream::new(9, Purpose::Test, 0);
    let mut size = |size: f64| {
        let sign = if dice.uniform() < 0.5 { -1.0 } else { 1.0 };
        Some(sign * (1.0 + 0.7 * dice.uniform()) * size)
    };
    let table = Table::new(vec![
        number("huge", 0, (0..600).map(|_| size(1e308)).collect()),
        number("tiny", 255, (0..600).map(|_| size(1e-310)).collect()),
    ]);
    let made = drawn(&trained(&table, json!({})), 0, 10_000);
    for column in [0, 1] {
        let found = share(&numbers(&made, column), |cell| cell.is_some_and(f64::is_finite));
        assert_eq!(found, 1.0, "column {column}");
    }
}

#[test]
fn columns_stay_tied_to_each_other() {
    let source = mixed(4_000, 6);
    let made = drawn(&trained(&source, json!({"min_leaf": 20})), 0, 10_000);
    for class in 0..5 {
        let means = [&source, &made].map(|table| {
            let classes = &cells(table)[2];
            let of_class = |row: &usize| classes[*row] == Some(format!("level {class:05}"));
            let prices = numbers(table, 3);
            let held: Vec<f64> =
                (0..table.rows()).filter(of_class).filter_map(|row| prices[row]).collect();
            held.iter().sum::<f64>() / held.len() as f64
        });
        assert!((means[0] - means[1]).abs() < 0.15, "class {class}: {means:?}");
    }
}

#[test]
fn odd_tables_train_and_draw() {
    let many = |rows: u32, levels: u32| (0..rows).map(|row| Some(row * 7 % levels)).collect();
    let line = |rows: u32| (0..rows).map(|row| Some(f64::from(row))).collect();
    for (name, columns) in [
        ("eight rows", mixed(8, 1).columns().to_vec()),
        ("only levels", vec![level("a", 3, many(90, 3)), level("b", 9, many(90, 9))]),
        ("only numbers", vec![number("a", 0, line(90)), number("b", 0, line(90))]),
        ("constant", vec![level("a", 1, many(50, 1)), number("b", 0, vec![Some(4.0); 50])]),
        ("missing", vec![level("a", 0, vec![None; 50]), number("b", 0, vec![None; 50])]),
        (
            "half missing",
            vec![level("a", 1, (0..50).map(|row| (row % 2 == 0).then_some(0)).collect())],
        ),
        (
            "many levels",
            vec![
                level("a", 10_000, many(12_000, 10_000)),
                level("b", 2_000, many(12_000, 2_000)),
                number("c", 0, line(12_000)),
            ],
        ),
    ] {
        let table = Table::new(columns);
        let made = drawn(&trained(&table, json!({})), 0, 100);
        let missing = |table: &Table| -> Vec<bool> {
            table.columns().iter().map(|column| column.cells.missing() == table.rows()).collect()
        };
        assert_eq!(made.rows(), 100, "{name}");
        assert_eq!(missing(&made), missing(&table), "{name}");
    }
    let lone = drawn(&trained(&mixed(1, 1), json!({})), 0, 100);
    assert_eq!(lone.columns()[3].cells.missing(), 100, "the numbers of one row are its own");
    assert_eq!(lone.columns()[4].cells.missing(), 0);
}

#[test]
fn a_pair_of_many_levels_stays_a_pair() {
    let rows: Vec<u32> = (0..40_000).map(|row| row * 13 % 2_000).collect();
    let table = Table::new(vec![
        level("group", 40, rows.iter().map(|level| Some(level / 50)).collect()),
        level("member", 2_000, rows.iter().map(|level| Some(*level)).collect()),
    ]);
    let made = cells(&drawn(&trained(&table, json!({"min_leaf": 20})), 0, 4_000));
    let number = |cell: &Option<String>| {
        cell.as_ref().and_then(|text| text[6..].parse::<u32>().ok()).expect("a level")
    };
    let fits =
        made[0].iter().zip(&made[1]).filter(|(group, member)| number(group) == number(member) / 50);
    assert!(fits.count() > 3_990);
}

#[test]
fn a_thousand_columns_train() {
    let column = |at: usize| {
        let mut stream = Stream::new(9, Purpose::Test, at as u64);
        number(&format!("c{at}"), 2, (0..60).map(|_| Some(stream.normal())).collect())
    };
    let table = Table::new((0..300).map(column).collect());
    let model = trained(&table, json!({"min_leaf": 5, "predictors_max": 20}));
    assert_eq!(drawn(&model, 0, 10).columns().len(), 300);
}

#[test]
fn wrong_constants_are_refused_by_name() {
    let table = mixed(20, 1);
    for (overrides, named) in [
        (json!({"min_leaves": 5}), "min_leaves"),
        (json!({"bins": 1}), "bins"),
        (json!({"bins": "many"}), "bins"),
        (json!({"min_leaf": -1}), "min_leaf"),
        (json!({"jitter": 1.5}), "jitter"),
    ] {
        let refused = planned(&table, overrides).expect_err("refuses");
        assert_eq!(refused.code(), Some(Code::UnknownConstant));
        assert!(refused.to_string().contains(named), "{refused}");
    }
    let unknown = planned(&table, json!({"leaf": 5})).expect_err("refuses").to_string();
    assert!(unknown.contains("min_leaf") && unknown.contains("atom_share"), "{unknown}");
}

#[test]
fn copying_makes_the_plan_take_larger_leaves() {
    let leaf = |rows: usize, share: f64| {
        let overrides = set(json!({ "dcr_share_max": share }));
        let plan = plan(&mixed(rows, 1), TrainingLength::Default, &overrides, 3, 2, &Unwatched);
        plan.expect("plans").config["min_leaf"].as_u64()
    };
    assert_eq!(leaf(SMALL_TABLE_ROWS, 1.0), Some(20));
    assert!(leaf(SMALL_TABLE_ROWS, 0.5) >= leaf(SMALL_TABLE_ROWS, 0.55));
    assert_eq!(leaf(SMALL_TABLE_ROWS - 1, 1.0), Some(50), "a small table needs larger leaves");
}
