//! Whole runs of the published model on a small table.

use std::sync::{Arc, Mutex};

use arrow::array::{Array, Float64Array};
use serde_json::{Value, json};
use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    column::ColumnSpec,
    model::{TrainPlan, TrainingLength},
    progress::{Progress, Unwatched, Watch},
    unit::Steps,
};

use super::{curves, generator, plan, trainer};
use crate::{
    random::{Purpose, Stream},
    table::{Cells, Column, Table},
    testing::{grouped, pair},
};

fn planned(table: &Table, steps: u64, overrides: &Value) -> TrainPlan {
    let overrides = overrides.as_object().expect("a record");
    let length = TrainingLength::Steps(steps);
    plan(table, length, overrides, 1, 1, &Unwatched).expect("plans")
}

#[test]
fn interrupted_in_either_phase_the_model_is_the_same() {
    let train = pair(200);
    let overrides = json!({"width": 16, "batch": 64, "validation_looks": 5, "feed_forward": 8});
    let plan = planned(&train, 20, &overrides);
    let straight = {
        let mut run = trainer(&train, &plan, (1, 1), None, &Unwatched).expect("begins");
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        run.finish(&Unwatched).expect("finishes")
    };
    let mut snapshot: Option<Vec<u8>> = None;
    // The second phase begins at step 8.
    for segment in [3, 5, 1, 10] {
        let threads = 1 + u32::from(segment == 5);
        let resume = snapshot.as_deref();
        let mut run = trainer(&train, &plan, (1, threads), resume, &Unwatched).expect("goes on");
        run.segment(Steps(segment), &Unwatched).expect("trains");
        snapshot = Some(run.snapshot().expect("saves"));
    }
    let mut run = trainer(&train, &plan, (1, 2), snapshot.as_deref(), &Unwatched).expect("goes on");
    run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
    assert!(run.finish(&Unwatched).expect("finishes") == straight, "other bytes");
    let opened = generator(&straight).expect("opens");
    let text = |table: &Table| format!("{:?}", table.columns()[1].cells);
    let chunk = |no| opened.chunk(3, ChunkNo(no), 50).expect("samples");
    assert_eq!(text(&chunk(1)), text(&chunk(1)));
    assert_ne!(text(&chunk(0)), text(&chunk(1)));
    assert_eq!(curves(&straight).expect("reads").len(), 3);
}

/// Says stop from the first note on; tells which.
#[derive(Default)]
struct StopAtNote(Mutex<Option<String>>);

impl Watch for StopAtNote {
    fn stopped(&self) -> bool {
        self.0.lock().expect("no panic").is_some()
    }
    fn tell(&self, progress: Progress) {
        let mut heard = self.0.lock().expect("no panic");
        assert!(heard.is_none(), "nothing is told after the stop");
        *heard = progress.note;
    }
}

#[test]
fn a_stop_between_the_phases_is_obeyed_and_changes_no_byte() {
    let table = pair(1_200);
    let overrides = json!({"width": 16, "batch": 64, "validation_looks": 5, "feed_forward": 8});
    let plan = planned(&table, 20, &overrides);
    let run = |stop: bool| {
        let mut run = trainer(&table, &plan, (1, 1), None, &Unwatched).expect("begins");
        if stop {
            let watch = StopAtNote::default();
            let facts = run.segment(Steps(u64::MAX), &watch).expect("stops");
            // The second phase begins at step 8.
            assert!(facts.stopped && !facts.done && facts.at == Steps(8), "{facts:?}");
            assert_eq!(watch.0.lock().expect("no panic").as_deref(), Some("encoding rows"));
        }
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        run.finish(&Unwatched).expect("finishes")
    };
    assert!(run(true) == run(false), "other bytes");
}

#[test]
fn groups_keep_their_values() {
    let table = pair(1_000);
    let overrides = json!({"width": 64, "batch": 250, "learning_rate": 3e-3, "encoder_share": 0.5});
    let plan = planned(&table, 600, &overrides);
    let mut run = trainer(&table, &plan, (1, 2), None, &Unwatched).expect("begins");
    run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
    let model = run.finish(&Unwatched).expect("finishes");
    let copy = generator(&model).expect("opens").chunk(3, ChunkNo(0), 2_000).expect("samples");
    let (means, missing) = grouped(&copy);
    assert!((missing - 0.05).abs() < 0.03, "{missing} of the numbers are missing");
    for (mean, wanted) in means.iter().zip([0.0, 6.0]) {
        assert!((mean - wanted).abs() < 1.2, "groups have the means {means:?}");
    }
    // Rows that are asked for one by one are rows of the model too, not its medians.
    let opened = generator(&model).expect("opens");
    let alone = (0..300).map(|no| opened.chunk(3, ChunkNo(no), 1).expect("samples"));
    let alone: Vec<(u32, Option<f64>)> = alone.map(|row| (group(&row), value(&row))).collect();
    for code in [0, 1] {
        let of_code = alone.iter().filter(|(group, _)| *group == code);
        let values: Vec<f64> = of_code.filter_map(|(_, value)| *value).collect();
        assert!((80..220).contains(&values.len()), "group {code}: {} of 300", values.len());
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean - 6.0 * f64::from(code)).abs() < 1.5, "group {code} alone: mean {mean}");
        let distinct: std::collections::BTreeSet<u64> =
            values.iter().map(|value| value.to_bits()).collect();
        assert!(distinct.len() > values.len() / 2, "group {code}: {distinct:?}");
    }
}

fn group(row: &Table) -> u32 {
    match &row.columns()[0].cells {
        Cells::Level { codes, .. } => codes.value(0),
        other => panic!("a category, not {other:?}"),
    }
}

fn value(row: &Table) -> Option<f64> {
    match &row.columns()[1].cells {
        Cells::Number(values) => values.is_valid(0).then(|| values.value(0)),
        other => panic!("a number, not {other:?}"),
    }
}

#[test]
fn looks_stand_as_many_epochs_apart_as_asked() {
    // 300 of the rows learn: four batches of 64 to an epoch.
    let table = pair(400);
    for (epochs, steps) in [(1.5, vec![6, 12, 18, 20]), (0.0, vec![4, 8, 12, 16, 20])] {
        let overrides = json!({"width": 16, "batch": 64, "feed_forward": 8,
            "validation_looks": 5, "eval_every": epochs});
        let plan = planned(&table, 20, &overrides);
        let mut run = trainer(&table, &plan, (1, 1), None, &Unwatched).expect("begins");
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        let curves = curves(&run.finish(&Unwatched).expect("finishes")).expect("reads");
        let of = |at: usize| curves[at].points.iter().map(|(step, _)| *step).collect::<Vec<_>>();
        assert_eq!(of(0), steps, "every {epochs} epochs");
        // Nothing judges the first phase, which ends with step 8.
        let judged: Vec<u64> = steps.into_iter().filter(|step| *step > 8).collect();
        assert_eq!((of(1), of(2)), (judged.clone(), judged));
    }
}

/// Noise can only be learned by heart.
#[test]
fn a_table_that_can_only_be_copied_is_not_trained_to_the_end() {
    let mut draw = Stream::new(1, Purpose::Test, 1);
    let table = pair(60);
    let columns = ["a", "b", "c", "d"].map(|name| {
        let Column { spec, .. } = &table.columns()[1];
        let spec = Arc::new(ColumnSpec { name: name.to_owned(), ..spec.as_ref().clone() });
        let cells = (0..60).map(|_| Some(draw.normal())).collect::<Float64Array>();
        Column { spec, cells: Cells::Number(cells) }
    });
    let table = Table::new(columns.to_vec());
    let ended = |patience: u32, share: f64| {
        let overrides = json!({"width": 128, "batch": 32, "learning_rate": 3e-3, "feed_forward": 8,
            "encoder_share": 0.05, "eval_every": 10, "patience": patience,
            "validation_pairs": 1, "shared_gain_min": share});
        let plan = planned(&table, 1_500, &overrides);
        let mut run = trainer(&table, &plan, (1, 2), None, &Unwatched).expect("begins");
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        run.at().get()
    };
    assert_eq!(ended(0, -1e9), 1_500, "neither stop is asked for");
    for (what, step) in [("copying", ended(0, 0.5)), ("patience", ended(10, -1e9))] {
        assert!((75..1_000).contains(&step), "{what}: ended at {step}");
    }
}

/// Width 1,024, batches of 4,096: one step of each phase, and a few rows.
#[test]
fn the_published_constants_train_and_draw() {
    let table = pair(4_600);
    let plan = planned(&table, 2, &json!({}));
    assert_eq!((&plan.config["width"], &plan.config["batch"]), (&json!(1_024), &json!(4_096)));
    let mut run = trainer(&table, &plan, (1, 2), None, &Unwatched).expect("begins");
    assert_eq!(run.rows_per_step().get(), 4_096);
    let facts = run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
    assert!(facts.done && facts.at == Steps(2) && facts.loss.is_finite(), "{facts:?}");
    let model = run.finish(&Unwatched).expect("finishes");
    // Four layers of the denoiser alone: w² × (2 + 4 + 2), without the time's.
    assert!(model.len() > 4 * 8 * 1_024 * 1_024, "{} bytes", model.len());
    let copy = generator(&model).expect("opens").chunk(3, ChunkNo(0), 20).expect("samples");
    assert_eq!(copy.rows(), 20);
}

#[test]
fn wrong_constants_are_refused() {
    let table = pair(20);
    let overrides = json!({"tokens": 4});
    let overrides = overrides.as_object().expect("a record");
    let length = TrainingLength::Steps(10);
    let error = plan(&table, length, overrides, 1, 1, &Unwatched).expect_err("refused");
    assert_eq!(error.code(), Some(Code::UnknownConstant));
    assert!(error.to_string().contains("did you mean `token`?"), "{error}");
}
