//! Whole runs of the flagship on small tables.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use arrow::array::{Array, Float64Array, StringArray, UInt32Array};
use serde_json::{Map, Value, json};
use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    column::{ColumnKind, ColumnSpec, ValueFormat},
    engine::EngineError,
    limits::CHUNK_ROWS,
    model::{TrainPlan, TrainingLength},
    progress::{Progress, Unwatched, Watch},
    report::Curve,
    unit::Steps,
};

use super::{curves, generator, plan, trainer};
use crate::{
    learn::torch::{matrix, values},
    model::Generator,
    random::{Purpose, Stream},
    table::{Cells, Column, Table},
    testing::{self, Stop},
};

const SEED: u64 = 11;

fn spec(name: &str, kind: ColumnKind, digits: u8) -> Arc<ColumnSpec> {
    let format = if kind.is_numeric() {
        ValueFormat::Decimal { digits, least: 0 }
    } else {
        ValueFormat::Verbatim
    };
    testing::spec(name, kind, format)
}

fn numbers(name: &str, digits: u8, cells: impl Iterator<Item = Option<f64>>) -> Column {
    let cells = Cells::Number(cells.collect::<Float64Array>());
    Column { spec: spec(name, ColumnKind::Real, digits), cells }
}

fn category(name: &str, levels: &[&str], cells: impl Iterator<Item = Option<u32>>) -> Column {
    let codes = cells.collect::<UInt32Array>();
    let levels = Arc::new(StringArray::from(levels.to_vec()));
    Column { spec: spec(name, ColumnKind::Category, 0), cells: Cells::Level { codes, levels } }
}

/// A number with a spike at 0 and gaps, a category with gaps, a skewed number that follows it, an
/// id, a constant, an empty column, a number of three values.
fn mixed(rows: usize) -> Table {
    let stream = |at| Stream::new(SEED, Purpose::Test, at);
    let mut draw = stream(0);
    let group: Vec<u32> = (0..rows).map(|_| (draw.below(10) / 4) as u32).collect();
    let mut draw = stream(1);
    let spiked = (0..rows).map(|_| match draw.below(10) {
        0 => None,
        1..4 => Some(0.0),
        _ => Some((draw.normal() * 100.0).round() / 10.0),
    });
    let spiked: Vec<_> = spiked.collect();
    let mut draw = stream(2);
    let gappy: Vec<_> = group.iter().map(|code| (draw.below(8) > 0).then_some(*code)).collect();
    let mut draw = stream(3);
    let skewed: Vec<_> = group
        .iter()
        .map(|code| Some((libm::exp(draw.normal()) * 100.0).round() + f64::from(*code)))
        .collect();
    let ids: Vec<String> = (0..rows).map(|row| format!("P-{row:05}")).collect();
    Table::new(vec![
        numbers("spiked", 1, spiked.into_iter()),
        category("gappy", &["a", "b", "c", "never"], gappy.into_iter()),
        numbers("skewed", 0, skewed.into_iter()),
        Column { spec: spec("id", ColumnKind::Id, 0), cells: Cells::Text(StringArray::from(ids)) },
        category("constant", &["x"], (0..rows).map(|_| Some(0))),
        numbers("empty", 0, (0..rows).map(|_| None)),
        numbers("few", 0, group.iter().map(|code| Some(f64::from(*code)))),
    ])
}

fn small() -> Map<String, Value> {
    let overrides = json!({"width": 32, "blocks": 2, "batch": 64, "validation_looks": 5,
        "evaluations": 4, "slow_evaluations": 0, "calibration_rounds": 1, "warmup_steps": 5});
    overrides.as_object().expect("a record").clone()
}

fn planned(train: &Table, length: TrainingLength, overrides: &Map<String, Value>) -> TrainPlan {
    plan(train, length, overrides, SEED, 1, &Unwatched).expect("plans")
}

fn trained(train: &Table, plan: &TrainPlan) -> Vec<u8> {
    let mut run = trainer(train, plan, (SEED, 1), None, &Unwatched).expect("begins");
    run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
    assert!(run.is_done());
    run.finish(&Unwatched).expect("finishes")
}

/// Trains 40 steps on the table and samples `rows` rows of chunk 0.
fn copied(train: &Table, rows: usize, overrides: &Map<String, Value>) -> Table {
    let plan = planned(train, TrainingLength::Steps(40), overrides);
    let model = trained(train, &plan);
    assert!(curves(&model).is_ok());
    generator(&model).expect("opens").chunk(5, ChunkNo(0), rows).expect("samples")
}

fn text(table: &Table) -> String {
    table.columns().iter().map(|column| format!("{:?}", column.cells)).collect()
}

fn number(table: &Table, column: usize, row: usize) -> Option<f64> {
    match &table.columns()[column].cells {
        Cells::Number(values) => values.is_valid(row).then(|| values.value(row)),
        Cells::Level { codes, .. } => codes.is_valid(row).then(|| f64::from(codes.value(row))),
        Cells::Text(_) => None,
    }
}

fn share(table: &Table, column: usize, is: impl Fn(Option<f64>) -> bool) -> f64 {
    let rows = (0..table.rows()).filter(|row| is(number(table, column, *row))).count();
    rows as f64 / table.rows() as f64
}

#[test]
fn interrupted_anywhere_the_model_is_the_same() {
    let train = mixed(300);
    for (shape, extra) in [("mlp", "dropout"), ("unet", "self_conditioning")] {
        let mut overrides = small();
        overrides.insert("denoiser".to_owned(), json!(shape));
        let on = if extra == "dropout" { json!(0.1) } else { json!(true) };
        overrides.insert(extra.to_owned(), on);
        let plan = planned(&train, TrainingLength::Steps(37), &overrides);
        let straight = trained(&train, &plan);
        // Before the first step, inside an epoch of 3 batches, at a look (8), just after it, at
        // the end.
        let mut snapshot = None;
        for segment in [0, 1, 4, 3, 1, 13, 14, 1] {
            let resume = snapshot.as_deref();
            let mut run = trainer(&train, &plan, (SEED, 1), resume, &Unwatched).expect("goes on");
            run.segment(Steps(segment), &Unwatched).expect("trains");
            snapshot = Some(run.snapshot().expect("saves"));
        }
        let resume = snapshot.as_deref();
        let mut run = trainer(&train, &plan, (SEED, 1), resume, &Unwatched).expect("goes on");
        assert!(run.is_done() && run.at() == Steps(37), "{shape}");
        assert!(run.finish(&Unwatched).expect("finishes") == straight, "{shape}: other bytes");
    }
}

#[test]
fn a_watch_stops_between_two_steps() {
    let table = mixed(100);
    let plan = planned(&table, TrainingLength::Epochs(3), &small());
    let mut run = trainer(&table, &plan, (SEED, 1), None, &Unwatched).expect("begins");
    let facts = run.segment(Steps(10), &Stop).expect("stops");
    assert!(facts.stopped && !facts.done && facts.at == Steps(0));
    let begun = trainer(&table, &plan, (SEED, 1), None, &Stop);
    assert!(matches!(begun, Err(EngineError::Stopped)), "rows are not coded to the end");
}

/// Says stop from the moment that a note like this is told.
struct StopAt {
    note: &'static str,
    told: Mutex<Vec<Progress>>,
    stopped: AtomicBool,
}

impl Watch for StopAt {
    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
    fn tell(&self, progress: Progress) {
        assert!(!self.stopped(), "nothing is told after the stop");
        let is_it = progress.note.as_ref().is_some_and(|note| note.contains(self.note));
        self.stopped.fetch_or(is_it, Ordering::SeqCst);
        self.told.lock().expect("no panic").push(progress);
    }
}

#[test]
fn a_stop_while_shares_are_calibrated_is_obeyed_and_changes_no_byte() {
    let table = mixed(300);
    let mut overrides = small();
    overrides.insert("calibration_rounds".to_owned(), json!(3));
    let plan = planned(&table, TrainingLength::Steps(12), &overrides);
    let straight = trained(&table, &plan);
    let mut run = trainer(&table, &plan, (SEED, 1), None, &Unwatched).expect("begins");
    run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
    let watch = StopAt {
        note: "calibrating shares, round 2 of 3",
        told: Mutex::default(),
        stopped: AtomicBool::new(false),
    };
    assert!(matches!(run.finish(&watch), Err(EngineError::Stopped)));
    let told = watch.told.lock().expect("no panic");
    let is_last = |told: &Progress| told.done == 12 && told.total == Some(12);
    assert!(told.len() > 2 && told.iter().all(is_last), "{told:?}");
    let snapshot = run.snapshot().expect("saves");
    assert!(run.finish(&Unwatched).expect("finishes") == straight, "asked again: other bytes");
    let mut resumed =
        trainer(&table, &plan, (SEED, 1), Some(&snapshot), &Unwatched).expect("goes on");
    assert!(resumed.is_done());
    assert!(resumed.finish(&Unwatched).expect("finishes") == straight, "resumed: other bytes");
}

/// A share that cannot be measured is not worth a round of sampling.
#[test]
fn a_table_of_rare_levels_alone_is_not_calibrated() {
    let names: Vec<String> = (0..700).map(|level| format!("l{level:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rare = category("a", &names, (0..1_400).map(|row| Some(row / 2)));
    let common = category("b", &["x", "y"], (0..1_400).map(|row| Some(row % 2)));
    for (columns, rounds) in [(vec![rare.clone()], 0), (vec![rare, common], 1)] {
        let table = Table::new(columns);
        let plan = planned(&table, TrainingLength::Steps(3), &small());
        let mut run = trainer(&table, &plan, (SEED, 1), None, &Unwatched).expect("begins");
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        let watch =
            StopAt { note: "never", told: Mutex::default(), stopped: AtomicBool::default() };
        run.finish(&watch).expect("finishes");
        let told = watch.told.lock().expect("no panic");
        let notes: std::collections::BTreeSet<_> =
            told.iter().filter_map(|told| told.note.clone()).collect();
        let calibrating = notes.iter().filter(|note| note.contains("calibrating")).count();
        assert_eq!(calibrating, rounds, "{notes:?}");
    }
}

#[test]
fn chunks_do_not_depend_on_each_other_or_on_threads() {
    let table = mixed(200);
    let plan = planned(&table, TrainingLength::Steps(10), &small());
    let model = trained(&table, &plan);
    let opened = generator(&model).expect("opens");
    let alone = text(&opened.chunk(5, ChunkNo(3), 10_000).expect("samples"));
    let others: Vec<String> = std::thread::scope(|scope| {
        let work = |no: u32| {
            let opened = &opened;
            scope.spawn(move || text(&opened.chunk(5, ChunkNo(no), 10_000).expect("samples")))
        };
        let threads: Vec<_> = [0, 1, 3, 3].map(work).into_iter().collect();
        // Training with two threads beside them must not change what they compute.
        let mut beside = trainer(&table, &plan, (SEED, 2), None, &Unwatched).expect("begins");
        beside.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
    });
    assert!(others[2] == alone && others[3] == alone);
    assert!(others[0] != others[1] && others[0] != alone);
    let short = || opened.chunk(5, ChunkNo(3), 17).expect("samples");
    assert_eq!(short().rows(), 17);
    assert_eq!(text(&short()), text(&short()));
}

/// What is kept ready of an opened model changes no bit of what it draws.
#[test]
fn an_opened_model_draws_what_one_that_was_just_read_draws() {
    let table = mixed(200);
    let plan = planned(&table, TrainingLength::Steps(10), &small());
    let model = trained(&table, &plan);
    let opened = generator(&model).expect("opens");
    for (seed, rows) in [(5, 1), (6, 1), (5, 1_200), (5, 1)] {
        let fresh = super::model_file::open(&model).expect("opens");
        let fresh = Generator::chunk(&fresh, seed, ChunkNo(0), rows).expect("samples");
        let kept = opened.chunk(seed, ChunkNo(0), rows).expect("samples");
        assert!(text(&kept) == text(&fresh), "seed {seed}, {rows} rows");
    }
}

/// A handful of rows goes without libtorch: two implementations of the net and of the solver.
#[test]
fn a_single_row_is_what_it_is_among_many() {
    for set in [
        json!({}),
        json!({"self_conditioning": true, "normalisation": "standard"}),
        json!({"denoiser": "unet", "octaves": 0}),
        json!({"evaluations": 20, "embedding": 3}),
    ] {
        let mut overrides = small();
        overrides.extend(set.as_object().expect("a record").clone());
        let plan = planned(&mixed(200), TrainingLength::Steps(40), &overrides);
        let model = super::model_file::open(&trained(&mixed(200), &plan)).expect("opens");
        let (ready, tokens) = (model.ready().expect("is made"), model.denoiser.tokens());
        let mut noise = vec![0.0; 8 * tokens];
        Stream::new(4, Purpose::Test, 0).fill_normal(&mut noise);
        let solved = ready.solve(&model, &matrix(&noise, tokens).expect("a matrix"));
        let (clean, last) = solved.expect("solves");
        let single: Vec<_> = noise.chunks(tokens).map(|row| ready.solve_row(&model, row)).collect();
        let (clean_rows, last_rows): (Vec<_>, Vec<_>) = single.into_iter().unzip();
        assert_near(&values(&clean).expect("values"), &clean_rows.concat());
        assert_near(&values(&last).expect("values"), &last_rows.concat());
    }
}

/// What is made of noise that nothing was fitted on comes nearer to what the slow sampler makes of
/// it; and the levels do not depend on how many threads looked for them.
#[test]
fn a_quick_sampler_is_fitted_to_a_slow_one() {
    let mut overrides = small();
    overrides.extend(
        [("evaluations", 5), ("slow_evaluations", 16)]
            .map(|(key, count)| (key.to_owned(), json!(count))),
    );
    let train = mixed(600);
    let plan = planned(&train, TrainingLength::Steps(150), &overrides);
    let file = |threads| {
        let mut run = trainer(&train, &plan, (SEED, threads), None, &Unwatched).expect("begins");
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        run.finish(&Unwatched).expect("finishes")
    };
    let bytes = file(1);
    assert!(bytes == file(2), "other bytes by two threads");
    let model = super::model_file::open(&bytes).expect("opens");
    let by_rule = |evaluations| {
        let config = super::config::TabgraphConfig { evaluations, ..model.config.clone() };
        super::sampler::noise_levels(&config)
    };
    let mut noise = vec![0.0; 500 * model.denoiser.tokens()];
    Stream::new(4, Purpose::Test, 1).fill_normal(&mut noise);
    let noise = matrix(&noise, model.denoiser.tokens()).expect("a matrix");
    let made = |levels: &[f64]| {
        let solved = model.solver(levels).and_then(|solver| solver.solve(&model, &noise));
        values(&solved.expect("solves").0).expect("values")
    };
    let slow = made(&by_rule(16));
    let off = |levels: &[f64]| {
        let made = made(levels);
        made.iter().zip(&slow).map(|(made, slow)| f64::from(made - slow).powi(2)).sum::<f64>()
    };
    let (fitted, ruled) = (off(&model.noise_levels), off(&by_rule(5)));
    println!("{:?}: {fitted} where levels by rule give {ruled}", model.noise_levels);
    assert!(fitted < 0.7 * ruled, "{:?}: {fitted}, {ruled}", model.noise_levels);
}

fn assert_near(many: &[f32], single: &[f32]) {
    assert_eq!(many.len(), single.len());
    let spread = many.iter().map(|cell| cell.abs()).fold(0.0, f32::max);
    assert!(spread > 0.1, "nothing to compare");
    for (at, (many, single)) in many.iter().zip(single).enumerate() {
        assert!((many - single).abs() < 1e-4 * spread, "number {at}: {many}, {single}");
    }
}

/// A net so large that the gradients of four shards are not held at once: with one thread they are
/// added two by two, with three threads three and one.
#[test]
fn a_large_net_learns_the_same_however_its_gradients_are_added() {
    let table = mixed(1_500);
    let large = serde_json::json!({"width": 1024, "blocks": 3, "expansion": 2, "batch": 1024});
    let plan = planned(&table, TrainingLength::Steps(2), large.as_object().expect("a record"));
    let run = |threads: u32| {
        let mut run = trainer(&table, &plan, (SEED, threads), None, &Unwatched).expect("begins");
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        run.snapshot().expect("snapshots")
    };
    let one = run(1);
    assert!(one.len() > 5 * 4 * 12_000_000, "it is not large: {} bytes", one.len());
    assert!(one == run(3));
}

#[test]
fn training_beside_training_gives_the_same_bytes() {
    let table = mixed(300);
    let plan = planned(&table, TrainingLength::Steps(12), &small());
    let run = |threads: u32| {
        let mut run = trainer(&table, &plan, (SEED, threads), None, &Unwatched).expect("begins");
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        run.finish(&Unwatched).expect("finishes")
    };
    let (one, two) = (run(1), run(2));
    assert!(one == two, "threads share the work, they do not change it");
    std::thread::scope(|scope| {
        let threads = [(1, &one), (2, &two), (2, &two)];
        let threads = threads.map(|(threads, model)| scope.spawn(move || run(threads) == *model));
        assert!(threads.into_iter().all(|thread| thread.join().expect("ends")));
    });
}

#[test]
fn spikes_gaps_constants_and_ids_come_back() {
    let table = mixed(400);
    let copy = copied(&table, 10_000, &small());
    assert_eq!(copy.columns().len(), 7);
    for (column, is_it) in [
        (0, (|cell: Option<f64>| cell.is_none()) as fn(Option<f64>) -> bool),
        (0, |cell| cell == Some(0.0)),
        (1, |cell| cell.is_none()),
        (1, |cell| cell == Some(2.0)),
        (6, |cell| cell == Some(1.0)),
    ] {
        let (real, made) = (share(&table, column, is_it), share(&copy, column, is_it));
        assert!((real - made).abs() < 0.03, "column {column}: {made} where {real} was learned");
    }
    assert!(share(&copy, 1, |cell| cell == Some(3.0)) == 0.0, "a level that never trained");
    let known = |column: usize| {
        let mut cells: Vec<_> = (0..400).filter_map(|row| number(&table, column, row)).collect();
        cells.sort_by(f64::total_cmp);
        cells
    };
    let known_6 = known(6);
    let new = |cell: Option<f64>| cell.is_some_and(|c| !known_6.contains(&c));
    assert_eq!(share(&copy, 6, new), 0.0, "numbers that many rows hold come back as they are");
    for column in [0, 2] {
        // Numbers of few rows come back beside where they stood, within their range.
        let known = known(column);
        let (low, high) = (known[0], known[known.len() - 1]);
        let beyond = |cell: Option<f64>| cell.is_some_and(|c| !(low..=high).contains(&c));
        assert_eq!(share(&copy, column, beyond), 0.0, "column {column} leaves its range");
    }
    assert_eq!(share(&copy, 4, |cell| cell == Some(0.0)), 1.0);
    assert_eq!(copy.columns()[5].cells.missing(), 10_000);
    let Cells::Text(ids) = &copy.columns()[3].cells else { panic!("ids are texts") };
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), 10_000);
}

#[test]
fn odd_tables_work() {
    let stream = || Stream::new(SEED, Purpose::Test, 9);
    let only_categories = {
        let mut draw = stream();
        let cells: Vec<_> = (0..90).map(|_| Some(draw.below(3) as u32)).collect();
        let other: Vec<_> = cells.iter().map(|cell| cell.map(|code| code % 2)).collect();
        Table::new(vec![
            category("a", &["x", "y", "z"], cells.into_iter()),
            category("b", &["x", "y"], other.into_iter()),
        ])
    };
    let only_numbers = {
        let mut draw = stream();
        let cells: Vec<_> = (0..90).map(|_| Some(draw.normal())).collect();
        Table::new(vec![
            numbers("a", 15, cells.iter().copied()),
            numbers("b", 15, cells.into_iter()),
        ])
    };
    let many_levels = {
        let names: Vec<String> = (0..700).map(|level| format!("l{level:04}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Table::new(vec![category("a", &names, (0..1400).map(|row| Some(row / 2)))])
    };
    let nothing_to_learn = {
        let table = mixed(50);
        Table::new(table.columns()[3..6].to_vec())
    };
    for (name, table) in [
        ("only categories", only_categories),
        ("only numbers", only_numbers),
        ("8 rows", mixed(8)),
        ("many levels", many_levels),
        ("nothing to learn", nothing_to_learn),
    ] {
        for normalisation in ["quantile", "standard", "cdf"] {
            let mut overrides = small();
            overrides.insert("normalisation".to_owned(), json!(normalisation));
            overrides.insert("rank_map".to_owned(), json!(normalisation == "quantile"));
            overrides.insert("levels_max".to_owned(), json!(500));
            overrides.insert("clip_quantile".to_owned(), json!(0.02));
            let copy = copied(&table, 100, &overrides);
            assert_eq!(copy.rows(), 100, "{name}");
            for (real, made) in table.columns().iter().zip(copy.columns()) {
                let told = ColumnSpec { reason: String::new(), ..real.spec.as_ref().clone() };
                assert_eq!(told, *made.spec, "{name}: all but the reason is kept");
                assert!(real.cells.missing() > 0 || made.cells.missing() == 0, "{name}");
            }
        }
    }
}

/// Whatever the normalisation, a cut column keeps to its cut, and by rank it has the very shape.
#[test]
fn numbers_have_their_shape_and_their_cut_under_every_normalisation() {
    let mut draw = Stream::new(SEED, Purpose::Test, 6);
    let cells: Vec<_> = (0..500).map(|_| Some(libm::exp(2.0 * draw.normal()))).collect();
    let mut known: Vec<f64> = cells.iter().flatten().copied().collect();
    known.sort_by(f64::total_cmp);
    let table = Table::new(vec![numbers("skewed", 15, cells.into_iter())]);
    for normalisation in ["quantile", "standard", "cdf"] {
        for (clip_quantile, rank_map) in [(0.1, false), (0.1, true), (0.0, true)] {
            let mut overrides = small();
            overrides.insert("normalisation".to_owned(), json!(normalisation));
            overrides.insert("clip_quantile".to_owned(), json!(clip_quantile));
            overrides.insert("rank_map".to_owned(), json!(rank_map));
            let copy = copied(&table, 500, &overrides);
            let mut made: Vec<f64> = (0..500).filter_map(|row| number(&copy, 0, row)).collect();
            made.sort_by(f64::total_cmp);
            let name = format!("{normalisation}, cut {clip_quantile}, by rank {rank_map}");
            let cut = if clip_quantile > 0.0 { 50 } else { 0 };
            let (low, high) = (known[cut], known[499 - cut]);
            assert!(low <= made[0] && made[499] <= high, "{name}: {} to {}", made[0], made[499]);
            if !rank_map {
                continue;
            }
            for rank in [0, 49, 51, 120, 250, 380, 448, 450, 499] {
                let (made, known) = (made[rank], known[rank].clamp(low, high));
                let near = 0.006 * (high - low);
                assert!((made - known).abs() <= near, "{name}: {made} of rank {rank}, not {known}");
            }
        }
    }
}

#[test]
fn what_depends_on_each_other_is_learned_together() {
    let mut draw = Stream::new(SEED, Purpose::Test, 4);
    let codes: Vec<u32> = (0..2_000).map(|_| draw.below(3) as u32).collect();
    let means: Vec<_> =
        codes.iter().map(|code| Some(f64::from(*code) * 4.0 + draw.normal())).collect();
    let table = Table::new(vec![
        category("group", &["a", "b", "c"], codes.iter().map(|code| Some(*code))),
        numbers("value", 15, means.into_iter()),
    ]);
    for shape in ["mlp", "unet"] {
        let mut overrides = small();
        overrides.insert("evaluations".to_owned(), json!(10));
        overrides.insert("denoiser".to_owned(), json!(shape));
        let plan = planned(&table, TrainingLength::Steps(300), &overrides);
        assert_learned(&trained(&table, &plan), shape);
    }
}

/// A group, and a number that is four times its code on average.
fn assert_learned(model: &[u8], shape: &str) {
    let copy = generator(model).expect("opens").chunk(5, ChunkNo(0), 2_000).expect("samples");
    for code in [0.0, 1.0, 2.0] {
        let rows = || (0..2_000).filter(|row| number(&copy, 0, *row) == Some(code));
        let mean =
            rows().filter_map(|row| number(&copy, 1, row)).sum::<f64>() / rows().count() as f64;
        assert!((mean - 4.0 * code).abs() < 0.8, "{shape}, group {code}: mean {mean}");
    }
    // Rows that are asked for one by one are rows of the model too, not its medians.
    let opened = generator(model).expect("opens");
    let alone = |no| opened.chunk(5, ChunkNo(no), 1).expect("samples");
    let alone: Vec<_> =
        (0..300).map(alone).map(|row| (number(&row, 0, 0), number(&row, 1, 0))).collect();
    for code in [0.0, 2.0] {
        let of_code = || alone.iter().filter(|(group, _)| *group == Some(code));
        let values: Vec<f64> = of_code().filter_map(|(_, value)| *value).collect();
        assert!(
            (60..140).contains(&values.len()),
            "{shape}, group {code}: {} of 300",
            values.len()
        );
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean - 4.0 * code).abs() < 1.0, "group {code} alone: mean {mean}");
        let distinct: std::collections::BTreeSet<_> =
            values.iter().map(|value| value.to_bits()).collect();
        assert!(distinct.len() > values.len() / 2, "group {code}: {distinct:?}");
    }
    let curves = curves(model).expect("reads");
    let names: Vec<_> = curves.iter().map(|curve| &*curve.name).collect();
    assert_eq!(names, ["training loss", "validation loss", "loss on training rows"]);
    for curve in &curves {
        let (first, last) = (curve.points[0], curve.points[curve.points.len() - 1]);
        assert!(last.1 < 0.95 * first.1 && last.0 == 300, "{curve:?}");
    }
}

/// Noise can only be learned by heart: training must end early, and keep what did not copy.
#[test]
fn a_table_that_can_only_be_copied_is_not_trained_to_the_end() {
    let mut draw = Stream::new(SEED, Purpose::Test, 5);
    let names = ["a", "b", "c", "d", "e", "f"];
    let columns = names.map(|name| numbers(name, 15, (0..60).map(|_| Some(draw.normal()))));
    let table = Table::new(columns.to_vec());
    let train = table;
    let copying = |share: f64| {
        let mut overrides = small();
        overrides.insert("patience".to_owned(), json!(0));
        overrides.insert("shared_gain_min".to_owned(), json!(share));
        // What holds small tables back from copying would hide what the ending is for.
        overrides.insert("dropout".to_owned(), json!(0.0));
        overrides.insert("weight_decay".to_owned(), json!(0.0));
        let plan = planned(&train, TrainingLength::Steps(2_000), &overrides);
        let curves = curves(&trained(&train, &plan)).expect("reads");
        let points = |name: &str| {
            let curve = curves.iter().find(|curve| curve.name == name).expect("is there");
            curve.points.clone()
        };
        (points("validation loss"), points("loss on training rows"))
    };
    let last = |points: &[(u64, f64)]| points[points.len() - 1];
    let (unseen, seen) = copying(-1e9);
    let ((to_the_end, unseen), (_, seen)) = (last(&unseen), last(&seen));
    assert!(to_the_end == 2_000 && unseen > 1.03 * seen, "all passes copy: {unseen} and {seen}");
    let (early, _) = last(&copying(0.5).0);
    assert!(early < 1_000, "ended after {early} passes of 2,000");
}

/// The steps at which a curve's points stand, and the spacing that the plan holds.
fn looked_at(table: &Table, steps: u64, eval_every: f64) -> (Vec<u64>, f64) {
    let mut overrides = small();
    overrides.insert("eval_every".to_owned(), json!(eval_every));
    let plan = planned(table, TrainingLength::Steps(steps), &overrides);
    let curves = curves(&trained(table, &plan)).expect("reads");
    let of = |curve: &Curve| curve.points.iter().map(|(step, _)| *step).collect::<Vec<_>>();
    assert!(curves.len() == 3 && curves.iter().all(|curve| of(curve) == of(&curves[0])));
    (of(&curves[0]), plan.config["eval_every"].as_f64().expect("a number"))
}

#[test]
fn looks_stand_as_many_epochs_apart_as_asked() {
    // 300 of the rows learn: four batches of 64 to an epoch.
    let table = mixed(400);
    for (epochs, steps, held) in [
        (1.5, vec![6, 12, 18, 20], 1.5),
        (0.5, (1..=10).map(|look| 2 * look).collect(), 0.5),
        (0.01, (1..=20).collect(), 0.01),
        (100.0, vec![20], 100.0),
        // Five looks in a run, as `validation_looks` says.
        (0.0, vec![4, 8, 12, 16, 20], 1.0),
    ] {
        assert_eq!(looked_at(&table, 20, epochs), (steps, held), "every {epochs} epochs");
    }
}

#[test]
fn a_default_run_fits_its_seconds() {
    let table = mixed(200);
    let steps = |seconds: u64| {
        let mut overrides = small();
        overrides.insert("epochs_max".to_owned(), json!(1e9));
        overrides.insert("default_seconds_max".to_owned(), json!(seconds));
        planned(&table, TrainingLength::Default, &overrides).steps.get()
    };
    assert!((1..10_000).contains(&steps(1)));
    assert_eq!(steps(1_000_000), 10_000);
}

#[test]
fn a_budget_is_the_steps_it_resolves_to() {
    let table = mixed(200);
    let mut overrides = small();
    overrides.insert("epochs_max".to_owned(), json!(20));
    let budget = planned(&table, TrainingLength::BudgetSeconds(1), &overrides);
    let steps = planned(&table, TrainingLength::Steps(budget.steps.get()), &overrides);
    assert_eq!((&budget.config, budget.steps), (&steps.config, steps.steps));
    assert!(budget.steps.get() > 0 && budget.steps.get() <= 20 * 3, "{}", budget.because);
    assert!(trained(&table, &budget) == trained(&table, &steps));
}

#[test]
fn wrong_constants_and_tables_are_refused() {
    let table = mixed(40);
    let refuse = |table: &Table, overrides: &Value, length| {
        let overrides = overrides.as_object().expect("a record");
        let plan = plan(table, length, overrides, SEED, 1, &Unwatched);
        plan.and_then(|plan| trainer(table, &plan, (SEED, 1), None, &Unwatched).map(|_| ()))
            .expect_err("must be refused")
    };
    let ten = TrainingLength::Steps(10);
    for (error, code, part) in [
        (refuse(&table, &json!({"widht": 3}), ten), Code::UnknownConstant, "`width`"),
        (refuse(&table, &json!({"width": 1e9}), ten), Code::UnknownConstant, "4096"),
        (refuse(&table, &json!({"denoiser": "gan"}), ten), Code::UnknownConstant, "`denoiser`"),
        (refuse(&table, &json!({}), TrainingLength::Steps(0)), Code::BadRequest, "one step"),
        (refuse(&table.slice(0, 7), &json!({}), ten), Code::TooFewRows, "7 rows"),
    ] {
        assert_eq!(error.code(), Some(code), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn damaged_snapshots_are_refused() {
    let table = mixed(100);
    let plan = planned(&table, TrainingLength::Steps(10), &small());
    let mut run = trainer(&table, &plan, (SEED, 1), None, &Unwatched).expect("begins");
    run.segment(Steps(5), &Unwatched).expect("trains");
    let bytes = run.snapshot().expect("saves");
    let corrupt = |result: Result<(), EngineError>| {
        result.expect_err("must be refused").code() == Some(Code::CheckpointCorrupt)
    };
    let resume =
        |bytes: &[u8]| trainer(&table, &plan, (SEED, 1), Some(bytes), &Unwatched).map(|_| ());
    for at in (0..bytes.len()).step_by(bytes.len() / 50) {
        let mut torn = bytes.clone();
        torn[at] ^= 1;
        assert!(corrupt(resume(&torn)), "byte {at}");
        assert!(corrupt(resume(&bytes[..at])), "cut at {at}");
    }
    let other = trainer(&table, &plan, (SEED + 1, 1), Some(&bytes), &Unwatched).map(|_| ());
    assert!(corrupt(other), "another seed");
    let opened = generator(&bytes).err().and_then(|error| error.code());
    assert_eq!(opened, Some(Code::ModelUnreadable), "a snapshot is not a model");
    assert!(CHUNK_ROWS == 10_000 && resume(&bytes).is_ok());
}

/// A label that is an exclusive or of two numbers, a number that is another's size: a net learns
/// neither in so few steps.
fn entangled(rows: usize) -> Table {
    let mut dice = Stream::new(SEED, Purpose::Test, 9);
    let mut normal = || (0..rows).map(|_| (dice.normal() * 100.0).round()).collect::<Vec<f64>>();
    let (a, b, noise) = (normal(), normal(), normal());
    let label = a.iter().zip(&b).map(|(a, b)| Some(u32::from((*a > 0.0) != (*b > 0.0))));
    let size = a.iter().zip(&noise).map(|(a, noise)| Some((10.0 * a.abs() + 0.1 * noise).round()));
    let (label, size): (Vec<_>, Vec<_>) = (label.collect(), size.collect());
    let present = |cells: &[f64]| cells.iter().map(|cell| Some(*cell)).collect::<Vec<_>>();
    Table::new(vec![
        numbers("a", 0, present(&a).into_iter()),
        category("label", &["no", "yes"], label.into_iter()),
        numbers("b", 0, present(&b).into_iter()),
        numbers("size", 0, size.into_iter()),
    ])
}

#[test]
fn what_trees_know_better_is_drawn_once_more() {
    let train = entangled(3_000);
    let known = |gain_min: f64| {
        let mut overrides = small();
        overrides.insert("redraw_gain_min".to_owned(), json!(gain_min));
        let drawn = copied(&train, 2_000, &overrides);
        let cell = |column: usize, row: usize| number(&drawn, column, row).expect("no gaps");
        let share =
            |is: &dyn Fn(usize) -> bool| (0..2_000).filter(|row| is(*row)).count() as f64 / 2_000.0;
        let label =
            |row: usize| ((cell(0, row) > 0.0) != (cell(2, row) > 0.0)) == (cell(1, row) > 0.0);
        let size = |row: usize| (cell(3, row) - 10.0 * cell(0, row).abs()).abs() < 150.0;
        (share(&label), share(&size))
    };
    let (label, size) = known(1.0);
    assert!(label < 0.7 && size < 0.5, "the net alone: {label} {size}");
    let (label, size) = known(0.02);
    assert!(label > 0.9 && size > 0.8, "with trees: {label} {size}");
}
