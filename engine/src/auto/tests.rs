//! Whole contests on a small table.

use serde_json::json;
use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    model::{ModelName, TrainPlan, TrainingLength},
    progress::Unwatched,
    unit::Steps,
};

use super::{plan, trainer};
use crate::{
    container::{self, Asides, FileKind},
    port,
    table::Table,
    testing::{Stop, grouped, pair, the_same_however_cut},
};

fn planned(table: &Table, steps: u64) -> TrainPlan {
    let set = json!({"judged_rows_min": 60}).as_object().expect("a record").clone();
    plan(table, TrainingLength::Steps(steps), &set, 1, 1, &Unwatched).expect("plans")
}

#[test]
fn interrupted_anywhere_the_same_model_wins() {
    let table = pair(400);
    let plan = planned(&table, 12);
    let begin = |threads, resume: Option<&[u8]>| {
        trainer(&table, &plan, (1, threads), resume, &Unwatched).expect("begins")
    };
    // Two trees, then twelve steps of each net.
    let straight = the_same_however_cut(begin, &[1, 1, 5, 9, 3]);
    let name = port::name_of(&straight).expect("a model");
    assert_ne!(name, ModelName::Auto);
    let said: Asides<serde_json::Value, serde_json::Value> =
        container::asides(FileKind::Model(name), &straight).expect("reads");
    let why = said.chosen.expect("it says why");
    assert!(why.starts_with(&format!("Of 3 models the best is {name} (")), "{why}");
    let copy = port::generator(&straight).expect("opens").chunk(3, ChunkNo(0), 500);
    let (means, _) = grouped(&copy.expect("draws"));
    assert!(means[1] - means[0] > 3.0, "{means:?}");
}

#[test]
fn a_stop_is_obeyed_and_changes_no_byte() {
    let table = pair(300);
    let plan = planned(&table, 6);
    let run = |stop: bool| {
        let mut run = trainer(&table, &plan, (1, 1), None, &Unwatched).expect("begins");
        for _ in 0..if stop { 20 } else { 0 } {
            let facts = run.segment(Steps(3), &Stop).expect("stops");
            assert!(facts.stopped || facts.done, "{facts:?}");
            run.segment(Steps(1), &Unwatched).expect("trains");
        }
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        if stop {
            run.finish(&Stop).expect_err("stops");
        }
        run.finish(&Unwatched).expect("finishes")
    };
    assert!(run(true) == run(false), "other bytes");
}

#[test]
fn snapshots_of_other_runs_and_wrong_constants_are_refused() {
    let table = pair(300);
    let (one, other) = (planned(&table, 6), planned(&table, 7));
    let run = trainer(&table, &one, (1, 1), None, &Unwatched).expect("begins");
    let snapshot = run.snapshot().expect("saves");
    let refused = trainer(&table, &other, (1, 1), Some(&snapshot), &Unwatched);
    let Err(error) = refused else { panic!("it belongs to another run") };
    assert_eq!(error.code(), Some(Code::CheckpointCorrupt));
    let set = json!({"dcr_share": 0.5}).as_object().expect("a record").clone();
    let error = plan(&table, TrainingLength::Default, &set, 1, 1, &Unwatched).expect_err("refused");
    assert!(error.to_string().contains("did you mean `dcr_share_max`?"), "{error}");
}
