//! Whole runs of the model on a small table.

use std::sync::Arc;

use arrow::array::{Array, Float64Array, StringArray, UInt32Array};
use serde_json::{Value, json};
use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    column::{ColumnKind, ValueFormat},
    model::{TrainPlan, TrainingLength},
    progress::Unwatched,
    unit::Steps,
};

use super::{curves, generator, plan, trainer};
use crate::{
    random::{Purpose, Stream},
    table::{Cells, Column, Table},
    testing::spec,
};

/// A group; a value that follows it, missing in one of twenty rows; a sum that is zero in half of
/// the rows of one group, and never in those of the other.
fn table(rows: usize) -> Table {
    let mut draw = Stream::new(1, Purpose::Test, 0);
    let codes: Vec<u32> = (0..rows).map(|_| u32::from(draw.uniform() < 0.3)).collect();
    let value = |code: &u32| (draw.below(20) > 0).then(|| f64::from(*code) * 6.0 + draw.normal());
    let values: Float64Array = codes.iter().map(value).collect();
    let mut draw = Stream::new(1, Purpose::Test, 1);
    let mut sum = |code: &u32| match *code == 1 && draw.uniform() < 0.5 {
        true => 0.0,
        false => 1.0 + (1_000.0 * draw.uniform()).round() / 8.0,
    };
    let sums: Float64Array = codes.iter().map(|code| Some(sum(code))).collect();
    let levels = Arc::new(StringArray::from(vec!["a", "b"]));
    Table::new(vec![
        Column {
            spec: spec("value", ColumnKind::Real, ValueFormat::Shortest),
            cells: Cells::Number(values),
        },
        Column {
            spec: spec("sum", ColumnKind::Real, ValueFormat::Shortest),
            cells: Cells::Number(sums),
        },
        Column {
            spec: spec("group", ColumnKind::Category, ValueFormat::Verbatim),
            cells: Cells::Level { codes: UInt32Array::from(codes), levels },
        },
    ])
}

fn planned(table: &Table, length: TrainingLength, overrides: &Value) -> TrainPlan {
    let overrides = overrides.as_object().expect("a record");
    plan(table, length, overrides, 1, 1, &Unwatched).expect("plans")
}

fn trained(table: &Table, plan: &TrainPlan) -> Vec<u8> {
    let mut run = trainer(table, plan, (1, 1), None, &Unwatched).expect("begins");
    run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
    run.finish(&Unwatched).expect("finishes")
}

#[test]
fn interrupted_anywhere_the_model_is_the_same() {
    let train = table(600);
    for constants in [json!({}), json!({"dropout": 0.3, "any_order_share": 1.0})] {
        let mut overrides = json!({"width": 16, "column_width": 8, "batch": 300,
                "validation_looks": 5,
                "warmup_steps": 1});
        let all = overrides.as_object_mut().expect("a record");
        all.extend(constants.as_object().expect("a record").clone());
        let plan = planned(&train, TrainingLength::Steps(20), &overrides);
        let straight = trained(&train, &plan);
        let mut snapshot: Option<Vec<u8>> = None;
        for segment in [3, 5, 1, 10] {
            let threads = 1 + u32::from(segment == 5);
            let resume = snapshot.as_deref();
            let mut run =
                trainer(&train, &plan, (1, threads), resume, &Unwatched).expect("goes on");
            run.segment(Steps(segment), &Unwatched).expect("trains");
            snapshot = Some(run.snapshot().expect("saves"));
        }
        let resume = snapshot.as_deref();
        let mut run = trainer(&train, &plan, (1, 2), resume, &Unwatched).expect("goes on");
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        assert!(run.finish(&Unwatched).expect("finishes") == straight, "other bytes");
        assert_eq!(curves(&straight).expect("reads").len(), 3);
    }
}

/// Of the rows of a group: how many, their mean value, the share whose value is missing, and the
/// share whose sum is zero.
fn of_group(table: &Table, group: &str) -> [f64; 4] {
    let Cells::Level { codes, levels } = &table.columns()[2].cells else { panic!("levels") };
    let [Cells::Number(values), Cells::Number(sums)] =
        [&table.columns()[0].cells, &table.columns()[1].cells]
    else {
        panic!("numbers")
    };
    let is_in = |row: &usize| levels.value(codes.value(*row) as usize) == group;
    let rows: Vec<usize> = (0..table.rows()).filter(is_in).collect();
    let count = rows.len() as f64;
    let known: Vec<f64> =
        rows.iter().filter(|row| values.is_valid(**row)).map(|row| values.value(*row)).collect();
    let zeros = rows.iter().filter(|row| sums.value(**row) == 0.0).count() as f64;
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    [count, mean, 1.0 - known.len() as f64 / count, zeros / count]
}

#[test]
fn rows_are_like_those_it_learned() {
    let train = table(3_000);
    for any_order_share in [0.0, 0.5] {
        let overrides = json!({"any_order_share": any_order_share});
        let plan = planned(&train, TrainingLength::Steps(500), &overrides);
        let file = trained(&train, &plan);
        let opened = generator(&file).expect("opens");
        let made = opened.chunk(3, ChunkNo(0), 3_000).expect("draws");
        for group in ["a", "b"] {
            let [real, made] = [&train, &made].map(|table| of_group(table, group));
            assert!((real[0] - made[0]).abs() < 30.0, "rows: {real:?}, {made:?}");
            assert!((real[1] - made[1]).abs() < 0.3, "value: {real:?}, {made:?}");
            assert!((real[2] - made[2]).abs() < 0.02, "missing: {real:?}, {made:?}");
            assert!((real[3] - made[3]).abs() < 0.05, "zeros: {real:?}, {made:?}");
        }
    }
}

#[test]
fn a_chunk_depends_on_seed_number_and_rows_alone() {
    let train = table(600);
    let overrides = json!({"width": 16, "column_width": 8});
    let plan = planned(&train, TrainingLength::Steps(5), &overrides);
    let opened = generator(&trained(&train, &plan)).expect("opens");
    let text = |table: &Table| format!("{:?}", table.columns()[0].cells);
    for rows in [1, 3, 50, 1_200] {
        let chunk = |seed, no| opened.chunk(seed, ChunkNo(no), rows).expect("draws");
        assert_eq!(chunk(3, 1).rows(), rows);
        assert_eq!(text(&chunk(3, 1)), text(&chunk(3, 1)));
        assert_ne!(text(&chunk(3, 0)), text(&chunk(3, 1)));
        assert_ne!(text(&chunk(3, 0)), text(&chunk(4, 0)));
    }
}

#[test]
fn a_table_with_nothing_to_learn_is_drawn_as_it_is() {
    let same = Column {
        spec: spec("same", ColumnKind::Real, ValueFormat::Shortest),
        cells: Cells::Number(Float64Array::from(vec![7.0; 40])),
    };
    let train = Table::new(vec![same]);
    let plan = planned(&train, TrainingLength::BudgetSeconds(3), &json!({}));
    let opened = generator(&trained(&train, &plan)).expect("opens");
    let made = opened.chunk(1, ChunkNo(0), 9).expect("draws");
    let Cells::Number(cells) = &made.columns()[0].cells else { panic!("numbers") };
    assert!(cells.len() == 9 && cells.iter().all(|cell| cell == Some(7.0)));
}

#[test]
fn a_damaged_model_is_refused() {
    let train = table(100);
    let overrides = json!({"width": 16, "column_width": 8});
    let plan = planned(&train, TrainingLength::Steps(2), &overrides);
    let file = trained(&train, &plan);
    for cut in [0, 10, file.len() / 2, file.len() - 1] {
        let Err(error) = generator(&file[..cut]) else { panic!("{cut} bytes are opened") };
        assert_eq!(error.code(), Some(Code::ModelUnreadable));
    }
}
