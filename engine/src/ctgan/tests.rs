//! Whole runs on a small table.

use serde_json::{Value, json};
use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    model::{ModelName, TrainPlan, TrainingLength},
    progress::Unwatched,
    unit::Steps,
};

use super::{curves, generator, plan, trainer};
use crate::{
    container::{self, Container, FileKind},
    table::{Cells, Table},
    testing::{grouped, pair, the_same_however_cut},
};

const SMALL: &str = r#"{"width": 16, "critic_width": 16, "latent": 8, "batch": 60, "looks": 5}"#;

fn planned(table: &Table, steps: u64, overrides: &Value) -> TrainPlan {
    let overrides = overrides.as_object().expect("a record");
    let length = TrainingLength::Steps(steps);
    plan(table, length, overrides, 1, 1, &Unwatched).expect("plans")
}

fn small() -> Value {
    serde_json::from_str(SMALL).expect("a record")
}

#[test]
fn interrupted_anywhere_the_model_is_the_same() {
    let train = pair(200);
    for critic_steps in [1, 2] {
        let mut constants = small();
        constants["critic_steps"] = json!(critic_steps);
        let plan = planned(&train, 20, &constants);
        let begin = |threads, resume: Option<&[u8]>| {
            trainer(&train, &plan, (1, threads), resume, &Unwatched).expect("begins")
        };
        let straight = the_same_however_cut(begin, &[3, 5, 1, 4]);
        assert_eq!(curves(&straight).expect("reads").len(), 1);
        let opened = generator(&straight).expect("opens");
        let text = |no| {
            let table = opened.chunk(3, ChunkNo(no), 50).expect("samples");
            format!("{:?}", table.columns()[1].cells)
        };
        assert_eq!(text(1), text(1));
        assert_ne!(text(0), text(1));
    }
}

/// Each net has its own steps: while one learns, the other rests.
#[test]
fn critic_and_generator_learn_in_turns() {
    let train = pair(200);
    let plan = planned(&train, 20, &small());
    let mut run = trainer(&train, &plan, (1, 1), None, &Unwatched).expect("begins");
    let mut parameters = || {
        let snapshot = run.snapshot().expect("saves");
        run.segment(Steps(1), &Unwatched).expect("trains");
        let file: Result<Container<Value>, _> =
            container::read(FileKind::Snapshot(ModelName::Ctgan), &snapshot);
        file.expect("reads").take::<f32>("params").expect("is there")
    };
    let seen: Vec<Vec<f32>> = (0..5).map(|_| parameters()).collect();
    let moved = |step: usize| -> Vec<usize> {
        (0..seen[0].len()).filter(|at| seen[step][*at] != seen[step + 1][*at]).collect()
    };
    // The generator's parameters come first.
    let critic_from = moved(0)[0];
    for step in 0..4 {
        let moved = moved(step);
        let (first, last) = (moved[0], moved[moved.len() - 1]);
        match step % 2 {
            0 => assert!(first == critic_from, "step {step}: {first} to {last}"),
            _ => assert!(first == 0 && last < critic_from, "step {step}: {first} to {last}"),
        }
    }
}

#[test]
fn groups_keep_their_values() {
    let table = pair(1_000);
    let constants = json!({"width": 64, "critic_width": 64, "latent": 16, "batch": 250, "pack": 5,
        "learning_rate": 2e-3});
    let plan = planned(&table, 1_600, &constants);
    let mut run = trainer(&table, &plan, (1, 2), None, &Unwatched).expect("begins");
    run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
    let model = run.finish(&Unwatched).expect("finishes");
    let opened = generator(&model).expect("opens");
    let (means, missing) = grouped(&opened.chunk(3, ChunkNo(0), 2_000).expect("samples"));
    assert!((missing - 0.05).abs() < 0.03, "{missing} of the numbers are missing");
    for (mean, wanted) in means.iter().zip([0.0, 6.0]) {
        assert!((mean - wanted).abs() < 1.5, "groups have the means {means:?}");
    }
}

/// Rows of one kind alone, and columns of one kind.
#[test]
fn tables_without_levels_and_without_numbers_are_learned() {
    let table = pair(60);
    for column in 0..2 {
        let one = Table::new(vec![table.columns()[column].clone()]);
        let plan = planned(&one, 6, &small());
        let mut run = trainer(&one, &plan, (1, 1), None, &Unwatched).expect("begins");
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        let model = run.finish(&Unwatched).expect("finishes");
        for rows in [1, 7, 700] {
            let copy = generator(&model).expect("opens").chunk(1, ChunkNo(0), rows);
            assert_eq!(copy.expect("draws").rows(), rows);
        }
    }
    let numbers = json!({"width": 16, "critic_width": 16, "batch": 20});
    let whole = Table::new(vec![table.columns()[1].clone()]);
    let Cells::Number(_) = &whole.columns()[0].cells else { panic!("numbers") };
    assert_eq!(planned(&whole, 4, &numbers).config["batch"], json!(20));
}

#[test]
fn wrong_constants_are_refused() {
    let table = pair(20);
    let overrides = json!({"packs": 4});
    let overrides = overrides.as_object().expect("a record");
    let length = TrainingLength::Steps(10);
    let error = plan(&table, length, overrides, 1, 1, &Unwatched).expect_err("refused");
    assert_eq!(error.code(), Some(Code::UnknownConstant));
    assert!(error.to_string().contains("did you mean `pack`?"), "{error}");
}
