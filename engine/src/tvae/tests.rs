//! Whole runs on a small table.

use serde_json::{Value, json};
use tgs_protocol::{
    chunk::ChunkNo,
    model::{TrainPlan, TrainingLength},
    progress::Unwatched,
    unit::Steps,
};

use super::{curves, generator, plan, trainer};
use crate::{
    table::Table,
    testing::{grouped, pair, the_same_however_cut},
};

fn planned(table: &Table, steps: u64, overrides: &Value) -> TrainPlan {
    let overrides = overrides.as_object().expect("a record");
    let length = TrainingLength::Steps(steps);
    plan(table, length, overrides, 1, 1, &Unwatched).expect("plans")
}

#[test]
fn interrupted_anywhere_the_model_is_the_same() {
    let train = pair(200);
    let constants = json!({"width": 16, "latent": 8, "batch": 64, "validation_looks": 5});
    let plan = planned(&train, 20, &constants);
    let begin = |threads, resume: Option<&[u8]>| {
        trainer(&train, &plan, (1, threads), resume, &Unwatched).expect("begins")
    };
    let straight = the_same_however_cut(begin, &[3, 5, 1, 4]);
    assert_eq!(curves(&straight).expect("reads").len(), 3);
    let opened = generator(&straight).expect("opens");
    let text = |no| {
        let table = opened.chunk(3, ChunkNo(no), 50).expect("samples");
        format!("{:?}", table.columns()[1].cells)
    };
    assert_eq!(text(1), text(1));
    assert_ne!(text(0), text(1));
}

#[test]
fn groups_keep_their_values() {
    let table = pair(1_000);
    let constants = json!({"width": 64, "latent": 16, "batch": 250, "learning_rate": 3e-3});
    let plan = planned(&table, 600, &constants);
    let mut run = trainer(&table, &plan, (1, 2), None, &Unwatched).expect("begins");
    run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
    let model = run.finish(&Unwatched).expect("finishes");
    let opened = generator(&model).expect("opens");
    let (means, missing) = grouped(&opened.chunk(3, ChunkNo(0), 2_000).expect("samples"));
    assert!((missing - 0.05).abs() < 0.03, "{missing} of the numbers are missing");
    for (mean, wanted) in means.iter().zip([0.0, 6.0]) {
        assert!((mean - wanted).abs() < 1.2, "groups have the means {means:?}");
    }
}

#[test]
fn tables_without_levels_and_without_numbers_are_learned() {
    let table = pair(60);
    for column in 0..2 {
        let one = Table::new(vec![table.columns()[column].clone()]);
        let plan = planned(&one, 6, &json!({"width": 16, "batch": 20}));
        let mut run = trainer(&one, &plan, (1, 1), None, &Unwatched).expect("begins");
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        let model = run.finish(&Unwatched).expect("finishes");
        for rows in [1, 7, 700] {
            let copy = generator(&model).expect("opens").chunk(1, ChunkNo(0), rows);
            assert_eq!(copy.expect("draws").rows(), rows);
        }
    }
}
