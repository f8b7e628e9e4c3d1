//! Rows under conditions, of every model.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use tgs_protocol::{
    engine::{Device, Engine, IngestOrder, PlanOrder, TrainOrder},
    model::TrainingLength,
    progress::Unwatched,
    unit::Steps,
};

use super::*;
use crate::{
    port::{self, LocalEngine},
    random::{Purpose, Stream},
    table::{Cells, Column},
};

/// A name; an age; a group that is likelier of the old, one of them rare; a sum that is none for
/// half, and missing for some; two days of which the second is later; a column of one value.
fn table_file(path: &Path, rows: usize) {
    let mut dice = Stream::new(5, Purpose::Test, 0);
    let line = |no| {
        let age = 17 + dice.below(60);
        let old = dice.below(76) < age;
        let group = match dice.below(40) {
            0 => "rare",
            _ if old => "old",
            _ => "young",
        };
        let sum = match dice.below(10) {
            0 => String::new(),
            1..=5 => "0".to_owned(),
            _ => format!("{:.1}", 10.0 * dice.uniform() + if old { 20.0 } else { 0.0 }),
        };
        let (day, stay) = (1 + dice.below(20), dice.below(8));
        format!("p{no:05},{age},{group},{sum},2024-03-{day:02},2024-03-{:02},x\n", day + stay)
    };
    let header = "name,age,group,sum,came,left,same\n".to_owned();
    std::fs::write(path, header + &(0..rows).map(line).collect::<String>()).expect("writes");
}

/// A model of that table; each is trained once.
fn trained(model: ModelName) -> Vec<u8> {
    static TRAINED: Mutex<Vec<(ModelName, Vec<u8>)>> = Mutex::new(Vec::new());
    let mut trained = TRAINED.lock().expect("nobody failed while holding it");
    if let Some((_, bytes)) = trained.iter().find(|(name, _)| *name == model) {
        return bytes.clone();
    }
    let bytes = match model {
        ModelName::Seqtree | ModelName::Auto => fitted(model, &json!({}), 20),
        ModelName::Autoregressive => {
            let constants = json!({"width": 32, "column_width": 16, "batch": 256});
            fitted(model, &constants, 600)
        }
        ModelName::Ctgan => fitted(model, &json!({"width": 32, "critic_width": 32}), 200),
        ModelName::Tvae => fitted(model, &json!({"width": 32}), 200),
        ModelName::Tabgraph | ModelName::Original => {
            fitted(model, &json!({"width": 16, "batch": 64}), 60)
        }
    };
    trained.push((model, bytes.clone()));
    bytes
}

fn fitted(model: ModelName, constants: &Value, steps: u64) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, dataset) = (folder.path().join("table.csv"), folder.path().join("dataset"));
    table_file(&source, 2_000);
    std::fs::create_dir(&dataset).expect("a folder");
    let (engine, seed, threads, device) = (LocalEngine::new(), 1, 1, Device::Cpu);
    let into = dataset.clone();
    let order = IngestOrder { source, holdout: None, metadata: None, seed, into };
    engine.ingest(&order, &Unwatched).expect("reads");
    let order = PlanOrder {
        dataset: dataset.clone(),
        model,
        length: TrainingLength::Steps(steps),
        overrides: constants.as_object().expect("a record").clone(),
        seed,
        threads,
        device,
    };
    let plan = engine.plan(&order, &Unwatched).expect("plans");
    let order = TrainOrder { dataset, model, plan, seed, threads, device };
    let mut run = engine.trainer(&order, None, &Unwatched).expect("begins");
    run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
    run.finish(&Unwatched).expect("finishes")
}

fn asked(told: &Value) -> Given {
    serde_json::from_value(told.clone()).expect("understood")
}

/// The model under conditions, and what is said of it.
fn conditioned(model: ModelName, told: &Value) -> Result<(Vec<u8>, Vec<String>), EngineError> {
    LocalEngine::new().given(&trained(model), &asked(told))
}

fn drawn(model: &[u8], (seed, chunk): (u64, u32), rows: usize) -> Result<Table, EngineError> {
    port::generator(model)?.chunk(seed, ChunkNo(chunk), rows)
}

/// A cell as it would be written; days as seconds.
fn cell(table: &Table, name: &str, row: usize) -> Option<String> {
    let column = table.columns().iter().find(|column| column.spec.name == name).expect(name);
    column.cells.is_present(row).then(|| match &column.cells {
        Cells::Number(values) => values.value(row).to_string(),
        Cells::Level { codes, levels } => levels.value(codes.value(row) as usize).to_owned(),
        Cells::Text(texts) => texts.value(row).to_owned(),
    })
}

fn number(table: &Table, name: &str, row: usize) -> Option<f64> {
    cell(table, name, row).map(|text| text.parse().expect("a number"))
}

const DAY: f64 = 86_400.0;
/// 2024-03-01.
const MARCH: f64 = 19_783.0 * DAY;

type Check = fn(&Table, usize) -> bool;

/// Conditions, and what must hold of a row under them.
fn cases() -> Vec<(Value, Check)> {
    vec![
        (json!([{"column": "group", "one_of": ["young"]}]), |table, row| {
            cell(table, "group", row).as_deref() == Some("young")
        }),
        (json!([{"column": "age", "at_least": "30", "below": "40.5"}]), |table, row| {
            (30.0..=40.0).contains(&number(table, "age", row).expect("present"))
        }),
        (
            json!([{"column": "age", "one_of": ["42"]}, {"column": "sum", "above": "25"}]),
            |table, row| {
                number(table, "age", row) == Some(42.0) && number(table, "sum", row) > Some(25.0)
            },
        ),
        (
            json!([{"column": "sum", "missing": true}, {"column": "group", "none_of": ["old"]}]),
            |table, row| {
                number(table, "sum", row).is_none()
                    && cell(table, "group", row).is_some_and(|group| group != "old")
            },
        ),
        (json!([{"column": "sum", "one_of": ["0"], "missing": true}]), |table, row| {
            number(table, "sum", row).is_none_or(|sum| sum == 0.0)
        }),
        (
            json!([{"column": "came", "at_least": "2024-03-05", "at_most": "2024-03-06"}]),
            |table, row| {
                let came = number(table, "came", row).expect("present");
                came == MARCH + 4.0 * DAY || came == MARCH + 5.0 * DAY
            },
        ),
        (
            json!([{"column": "left", "below": "2024-03-04"}, {"column": "same", "one_of": ["x"]}]),
            |table, row| {
                number(table, "left", row) < Some(MARCH + 3.0 * DAY)
                    && number(table, "came", row) <= number(table, "left", row)
            },
        ),
    ]
}

#[test]
fn every_row_fits_whatever_model_draws_it() {
    for model in ModelName::ALL {
        // Few solver steps of `original` are many seconds.
        let (rows, cases) = match model {
            ModelName::Original => (5, &cases()[..1]),
            _ => (300, &cases()[..]),
        };
        for (conditions, fits) in cases {
            let told = json!({"conditions": conditions, "tries": 2_000});
            let (bytes, _) = conditioned(model, &told).expect("they can be met");
            let table = drawn(&bytes, (7, 3), rows).expect("they can be met");
            assert_eq!(table.rows(), rows);
            for row in 0..rows {
                let shown: Vec<_> = ["age", "group", "sum", "came", "left"]
                    .map(|name| cell(&table, name, row))
                    .into();
                assert!(fits(&table, row), "{model}, {conditions}: {shown:?}");
            }
            let again = drawn(&bytes, (7, 3), rows).expect("they can be met");
            assert_eq!(format!("{:?}", table.columns()), format!("{:?}", again.columns()));
        }
    }
}

#[test]
fn names_are_never_told_twice() {
    for model in [ModelName::Seqtree, ModelName::Autoregressive] {
        let told = json!({"conditions": [{"column": "age", "below": "40"}], "tries": 100,
                          "balance": {"column": "group", "shares": {"old": 0.5, "young": 0.5}}});
        let (bytes, _) = conditioned(model, &told).expect("they can be met");
        let of_chunk = |chunk| {
            let table = drawn(&bytes, (1, chunk), 500).expect("they can be met");
            (0..500).map(|row| cell(&table, "name", row).expect("a name")).collect::<Vec<_>>()
        };
        let names: Vec<String> = (0..3).flat_map(of_chunk).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{model}");
    }
}

#[test]
fn shares_are_those_asked_for() {
    for model in [ModelName::Seqtree, ModelName::Autoregressive] {
        for (shares, expected) in [
            (json!({"old": 0.2, "young": 0.5, "rare": 0.3}), [("old", 200), ("young", 500)]),
            (json!({"rare": 0.5}), [("rare", 500), ("old", 0)]),
        ] {
            let told = json!({"balance": {"column": "group", "shares": shares}, "tries": 1000});
            let (bytes, _) = conditioned(model, &told).expect("they can be met");
            let table = drawn(&bytes, (1, 0), 1_000).expect("they can be met");
            let count = |group: &str| {
                let is_it = |row: &usize| cell(&table, "group", *row).as_deref() == Some(group);
                (0..1_000).filter(is_it).count()
            };
            for (group, rows) in expected {
                let found = count(group);
                assert!(found == rows || rows == 0 && found > 100, "{model}: {found} of {group}");
            }
            // Not one group after the other.
            let first = (0..100).map(|row| cell(&table, "group", row)).collect::<BTreeSet<_>>();
            assert!(first.len() > 1);
        }
    }
}

/// Of those of 20 to 29, (20 … 29) / 76 are old, less one in forty that is rare; and a sum over 20
/// is one of the old.
#[test]
fn rows_under_conditions_are_like_those_of_the_table() {
    for (told, expected) in [
        (json!([{"column": "age", "at_least": "20", "below": "30"}]), 24.5 / 76.0 * 39.0 / 40.0),
        (
            json!([{"column": "age", "at_least": "20", "below": "30"},
                   {"column": "sum", "above": "20"}]),
            1.0,
        ),
    ] {
        let (bytes, _) = conditioned(ModelName::Autoregressive, &json!({"conditions": told}))
            .expect("they can be met");
        let table = drawn(&bytes, (1, 0), 2_000).expect("they can be met");
        let found = means(&table)[2];
        assert!((found - expected).abs() < 0.15, "{told}: {found}, not {expected}");
    }
}

/// Whoever draws the columns of which something is said first draws the same rows as who throws
/// away, if they are the first anyway: the weights of rows are right.
#[test]
fn rows_within_limits_are_those_that_would_not_be_thrown_away() {
    let constants = json!({"width": 16, "column_width": 8, "batch": 256, "rank_map": false});
    let any = port::generator(&fitted(ModelName::Autoregressive, &constants, 150)).expect("opens");
    let told = json!({"conditions": [{"column": "sum", "above": "3", "below": "24"},
                                     {"column": "age", "at_least": "20", "below": "50"}]});
    let given = asked(&told);
    let limits = limits(&given.conditions, &sample(&any).expect("drawn")).expect("known");
    let rows = 10_000;
    let draw = |from: Arc<dyn Generator>| from.chunk(1, ChunkNo(0), rows).expect("they can be met");
    let within = any.within(&limits, 100).expect("they can be met").expect("it can");
    let within = means(&draw(within.rows));
    let kept = means(&draw(rejecting(&any, &limits, 100)));
    // Ages and sums deviate by about 8 and 6; four errors of the difference of two means.
    for ((one, other), off) in within.iter().zip(&kept).zip([0.5, 0.35, 0.03]) {
        assert!((one - other).abs() < off, "{within:?} within, {kept:?} kept");
    }
}

/// Where many rows fit they are rows of the model as it draws any; where few do they are drawn as
/// such.
#[test]
fn many_rows_that_fit_are_taken_from_all() {
    let any = port::generator(&trained(ModelName::Autoregressive)).expect("opens");
    for (bound, tries, from_all) in [("60", 1_000, true), ("19", 1_000, false), ("60", 2, false)] {
        let given = asked(&json!({"conditions": [{"column": "age", "below": bound}]}));
        let limits = limits(&given.conditions, &sample(&any).expect("drawn")).expect("known");
        let shown = |rows: Arc<dyn Generator>| {
            let table = rows.chunk(1, ChunkNo(0), 200).expect("they can be met");
            format!("{:?}", table.columns())
        };
        let found = shown(within(&any, &limits, tries).expect("they can be met").rows);
        let kept = shown(rejecting(&any, &limits, 1_000));
        assert_eq!(found == kept, from_all, "below {bound}, {tries} tries");
    }
}

/// Mean age, mean sum, share of the old.
fn means(table: &Table) -> [f64; 3] {
    let rows = 0..table.rows();
    let mean = |name| {
        let present: Vec<f64> = rows.clone().filter_map(|row| number(table, name, row)).collect();
        present.iter().sum::<f64>() / present.len() as f64
    };
    let is_old = |row: &usize| cell(table, "group", *row).as_deref() == Some("old");
    let old = rows.clone().filter(is_old).count() as f64 / table.rows() as f64;
    [mean("age"), mean("sum"), old]
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    for model in [ModelName::Seqtree, ModelName::Autoregressive] {
        for (conditions, told) in [
            (
                json!([{"column": "ages", "above": "3"}]),
                "no column \"ages\"; it has \"name\", \"age\"",
            ),
            (json!([{"column": "name", "one_of": ["p1"]}]), "\"name\" is made anew"),
            (
                json!([{"column": "group", "one_of": ["new"]}]),
                "never \"new\"; it is one of \"old\"",
            ),
            (
                json!([{"column": "age", "above": "40", "below": "30"}]),
                "of \"age\" leaves no value",
            ),
            (json!([{"column": "age", "above": "old"}]), "\"old\" is no integer"),
        ] {
            let error = conditioned(model, &json!({"conditions": conditions})).expect_err(told);
            assert!(error.to_string().contains(told), "{told}: {error}");
        }
    }
    let beyond = json!({"conditions": [{"column": "age", "above": "200"}]});
    let error = conditioned(ModelName::Autoregressive, &beyond).expect_err("none is so old");
    assert!(error.to_string().contains("\"age\": it goes from 1"), "{error}");
    // Who cannot be told conditions finds out by trying, and stops when it is enough.
    let (bytes, _) = conditioned(ModelName::Seqtree, &beyond).expect("it is tried");
    let error = drawn(&bytes, (1, 0), 50).expect_err("none is so old");
    assert!(error.to_string().contains("of 5000 rows drawn, 0 fit, where 50"), "{error}");
    let (once, _) = conditioned(ModelName::Seqtree, &json!({"tries": 3})).expect("anything goes");
    let twice = LocalEngine::new().given(&once, &asked(&json!({})));
    assert!(twice.expect_err("once").to_string().contains("under conditions already"));
}

#[test]
fn rare_rows_are_told_of() {
    let rare = json!({"conditions": [{"column": "group", "one_of": ["rare"]},
                                     {"column": "age", "one_of": ["42"]},
                                     {"column": "sum", "missing": true}]});
    for model in [ModelName::Seqtree, ModelName::Autoregressive] {
        let (_, said) = conditioned(model, &rare).expect("they can be met");
        assert!(said.len() == 1 && said[0].starts_with("rare rows: "), "{model}: {said:?}");
        let (_, said) = conditioned(
            model,
            &cases()[0].0.as_array().map(|it| json!({"conditions": it})).expect("a list"),
        )
        .expect("they can be met");
        assert!(said.is_empty(), "{model}: {said:?}");
    }
}

/// A table to complete: every other cell of each column but the name is missing; one group is
/// unknown to every model.
fn incomplete_file(path: &Path, rows: usize) {
    let line = |no: usize| {
        let or_none = |cell: String, at: usize| {
            if (no / at).is_multiple_of(2) { cell } else { String::new() }
        };
        let (old, day) = (no / 16 % 2 == 1, 1 + no % 20);
        let age = or_none((if old { 75 } else { 19 }).to_string(), 1);
        let group = match no {
            8 => "new".to_owned(),
            _ => or_none((if old { "old" } else { "young" }).to_owned(), 2),
        };
        let came = or_none(format!("2024-03-{day:02}"), 4);
        let left = or_none(format!("2024-03-{:02}", day + 3), 8);
        format!("{left},q{no},{came},{group},{age}\n")
    };
    let header = "left,name,came,group,age\n".to_owned();
    std::fs::write(path, header + &(0..rows).map(line).collect::<String>()).expect("writes");
}

#[test]
fn what_is_known_stays_and_the_rest_is_drawn_given_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, rows) = (folder.path().join("part.csv"), 640);
    incomplete_file(&file, rows);
    let engine = LocalEngine::new();
    let complete = |model| engine.complete(&trained(model), &file, &Unwatched);
    let error = complete(ModelName::Seqtree).expect_err("trees have an order");
    assert!(error.to_string().contains("train one of kind autoregressive"), "{error}");
    let (bytes, _, counted) = complete(ModelName::Autoregressive).expect("it can");
    assert_eq!(counted.get(), rows as u64);
    let table = drawn(&bytes, (1, 0), rows).expect("there are as many");
    let given = std::fs::read_to_string(&file).expect("it was written");
    let mut guesses = [(0_u32, 0_u32); 2];
    for (row, line) in given.lines().skip(1).enumerate() {
        let [left, name, came, group, age] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("five cells: {line}");
        };
        let day = |text: &str| MARCH + DAY * (text[8..].parse::<f64>().expect("a day") - 1.0);
        assert_eq!(cell(&table, "name", row).as_deref(), Some(name));
        let whole_age = number(&table, "age", row).expect("it is filled");
        let whole_group = cell(&table, "group", row).expect("it is filled");
        let whole_came = number(&table, "came", row).expect("it is filled");
        let whole_left = number(&table, "left", row).expect("it is filled");
        assert!(age.is_empty() || whole_age.to_string() == age, "{line}");
        assert!(group.is_empty() || whole_group == group, "{line}");
        assert!(came.is_empty() || whole_came == day(came), "{line}");
        assert!(left.is_empty() || whole_left == day(left), "{line}");
        assert!(whole_came <= whole_left || came.is_empty(), "{line}: {whole_came}");
        if group.is_empty() && !age.is_empty() {
            let (old, all) = &mut guesses[usize::from(age == "19")];
            *all += 1;
            *old += u32::from(whole_group == "old");
        }
    }
    // Of those of 75 nearly all are old, of those of 19 a quarter.
    let [of_old, of_young] = guesses.map(|(old, all)| f64::from(old) / f64::from(all));
    println!("{of_old} of the old, {of_young} of the young");
    assert!(of_old > of_young + 0.15, "{of_old} of the old, {of_young} of the young");
    let sums = (0..rows).filter(|row| number(&table, "sum", *row).is_none()).count();
    assert!((20..130).contains(&sums), "a tenth of the sums is missing: {sums}");
    let again = drawn(&bytes, (1, 0), rows).expect("there are as many");
    assert_eq!(format!("{:?}", table.columns()), format!("{:?}", again.columns()));
    assert!(drawn(&bytes, (1, 1), 1).is_err(), "there is no second chunk");
    let twice = engine.complete(&bytes, &file, &Unwatched);
    assert!(twice.expect_err("once").to_string().contains("under conditions already"));
}

/// Counts the rows that it draws; one in ten is a one.
struct Counted(AtomicUsize);

impl Generator for Counted {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        self.0.fetch_add(rows, Ordering::Relaxed);
        let mut dice = Stream::new(seed, Purpose::Test, u64::from(chunk.0));
        let spec = crate::testing::spec(
            "x",
            tgs_protocol::column::ColumnKind::Real,
            tgs_protocol::column::ValueFormat::Shortest,
        );
        let one = |_| Some(if dice.below(10) == 0 { 1.0 } else { 0.0 });
        let cells = Cells::Number((0..rows).map(one).collect());
        Ok(Table::new(vec![Column { spec, cells }]))
    }

    fn generated(&self, _: u64, _: ChunkNo, _: usize) -> Vec<(usize, Cells)> {
        Vec::new()
    }
}

#[test]
fn no_more_rows_are_drawn_than_there_are_tries() {
    for (rows, tries, fits) in [(100, 30, true), (100, 3, false), (1, 1, false), (0, 1, true)] {
        let counted = Arc::new(Counted(AtomicUsize::new(0)));
        let any: Arc<dyn Generator> = counted.clone();
        let column = counted.chunk(0, ChunkNo(0), 1).expect("drawn").columns()[0].clone();
        let limits = vec![(0, Allowed::one_of(&["1"], &column).expect("a number"))];
        counted.0.store(0, Ordering::Relaxed);
        let found = rejecting(&any, &limits, tries).chunk(11, ChunkNo(2), rows);
        assert_eq!(found.is_ok(), fits, "{rows} rows of {tries} tries");
        let drawn = counted.0.load(Ordering::Relaxed);
        assert!(drawn <= rows.max(1) * tries as usize, "{drawn} for {rows} rows of {tries} tries");
        if let Ok(table) = found {
            assert_eq!(table.rows(), rows);
        }
    }
}
