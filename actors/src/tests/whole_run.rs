//! A job from its request to delivered files, and the ways it may end.

use std::time::Instant;

use tgs_protocol::{
    artifact::Manifest,
    code::Code,
    desk::{News, Terms},
    digest::Digest,
    given::Given,
    job::{JobState, Outcome, action::Tidings, listing::Listing},
    report::Verdict,
    request::Goal,
    stage::Stage,
};

use crate::tests::{
    engine::ROWS_PER_STEP,
    world::{ROWS, World, follow, submit, undisturbed},
};

fn stages(told: &[Tidings]) -> Vec<Stage> {
    let began = |tidings: &Tidings| match tidings {
        Tidings::StageBegan { stage, again: false } => Some(*stage),
        _ => None,
    };
    told.iter().filter_map(began).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stage_runs_once_and_everything_is_delivered() {
    let world = World::new();
    let node = world.node("a").await;
    let job = submit(&node, world.synthesize()).await;
    let (told, row) = follow(&node.desk(), &job).await;
    assert_eq!(stages(&told), Stage::ALL[1..], "all but the run of a program");
    let published = Outcome::Published { verdict: Some(Verdict::Pass) };
    assert_eq!(row.state, JobState::Ended(published.clone()));
    assert_eq!(told.last(), Some(&Tidings::Ended(published)));
    let files = world.delivered();
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["manifest.json", "report.html", "report.json", "table.csv"]);
    let manifest: Manifest = serde_json::from_slice(&files["manifest.json"]).expect("a manifest");
    assert_eq!(manifest.files[0].digest, Digest::of(&files["table.csv"]));
    assert_eq!(manifest.files[0].rows.map(|rows| rows.get()), Some(ROWS));
    assert_eq!(manifest.files[2].digest, Digest::of(&files["report.html"]));
    assert_eq!(world.stores.times_entered(), [1, 1, 1]);
    assert_eq!(world.script.passes("open model"), 1);
    let home = world.stores.folder.path().join(job.as_str());
    let mut left: Vec<_> =
        std::fs::read_dir(home).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["model", "report"], "nothing private is left");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn training_tells_its_rows_per_second() {
    let begun = Instant::now();
    let world = World::new();
    let node = world.node("a").await;
    let (pause, job) = world.resting_at("step 25", &node).await;
    let mut watching = node.desk().watch(&job).await.expect("a job to watch");
    let told = loop {
        if let News::Progress(told) = watching.next().await.expect("a job under way") {
            break told;
        }
    };
    // Since the first step was told, the script put the clock forward twice by 2.1 s.
    assert!((20..25).contains(&told.done), "{told:?}");
    let fastest = ((told.done - 1) * ROWS_PER_STEP) as f64 / 4.2;
    let slowest = ROWS_PER_STEP as f64 / (4.2 + begun.elapsed().as_secs_f64());
    let rate = told.rows_per_second.expect("a rate");
    assert!((slowest..=fastest).contains(&rate), "{rate} is not in {slowest} ..= {fastest}");
    pause.release();
    follow(&node.desk(), &job).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_samplers_changes_no_byte() {
    let expected = undisturbed().await;
    for samplers in [1, 4] {
        let world = World::new();
        let node = world.node_as("a", "class", |config| config.samplers = samplers).await;
        let job = submit(&node, world.synthesize()).await;
        follow(&node.desk(), &job).await;
        assert_eq!(world.delivered(), expected, "{samplers} samplers");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_table_is_withheld_and_its_report_delivered() {
    let world = World { verdict: Verdict::Block, ..World::new() };
    let node = world.node("a").await;
    let job = submit(&node, world.synthesize()).await;
    let (_, row) = follow(&node.desk(), &job).await;
    assert!(matches!(row.state, JobState::Ended(Outcome::Withheld { .. })), "{:?}", row.state);
    let names: Vec<_> = world.delivered().into_keys().collect();
    assert_eq!(names, ["manifest.json", "report.html", "report.json"]);
    assert_eq!(world.script.passes("assemble"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_trained_once_and_generates_elsewhere() {
    let world = World::new();
    let node = world.node("a").await;
    let desk = node.desk();
    let model_file = world.out().join("model.safetensors");
    let goal = Goal::Train { source: world.source(), model_file: model_file.clone() };
    let train = submit(&node, world.request(goal)).await;
    let (told, _) = follow(&desk, &train).await;
    assert_eq!(stages(&told), [Stage::Ingest, Stage::Profile, Stage::Train, Stage::Publish]);
    let (output, given) = (world.output(), Given::default());
    let goal = Goal::Generate { model_file: model_file.clone(), output, given, complete: None };
    let generate = submit(&node, world.request(goal)).await;
    let (told, row) = follow(&desk, &generate).await;
    assert_eq!(stages(&told), [Stage::Train, Stage::Sample, Stage::Publish]);
    assert_eq!(row.state, JobState::Ended(Outcome::Published { verdict: None }));
    let delivered = world.delivered();
    assert_eq!(delivered["table.csv"], undisturbed().await["table.csv"]);
    let manifest: Manifest =
        serde_json::from_slice(&delivered["manifest.json"]).expect("a manifest");
    let model = std::fs::read(&model_file).expect("was trained");
    assert_eq!(manifest.model_digest, Digest::of(&model));
    assert_eq!(manifest.files[0].digest, Digest::of(&delivered["table.csv"]));
    assert_eq!((manifest.files.len(), manifest.training), (1, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_desk_refuses_what_cannot_be() {
    let world = World::new();
    let node = world.node("a").await;
    let desk = node.desk();
    let mut request = world.synthesize();
    request.threads = 0;
    assert_eq!(desk.submit(request, Terms::default()).await.unwrap_err().code, Code::BadRequest);
    let nobody = tgs_protocol::id::JobId::new("nobody");
    let refusals = [
        desk.show(&nobody).await.err(),
        desk.resume(&nobody).await.err(),
        desk.cancel(&nobody).await.err(),
        desk.watch(&nobody).await.err(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.map(|refusal| refusal.code), Some(Code::JobNotFound));
    }
    let job = submit(&node, world.synthesize()).await;
    follow(&desk, &job).await;
    assert_eq!(desk.resume(&job).await.unwrap_err().code, Code::NothingToResume);
    assert_eq!(desk.cancel(&job).await, Ok(()), "what has ended need not be cancelled");
    assert_eq!(desk.list(&Listing::all(None)).await.map(|page| page.rows.len()), Ok(1));
}

/// A job that judges two tables, with everything that it delivered.
async fn judge(verdict: Verdict) -> (JobState, Vec<String>, Vec<Stage>) {
    let mut world = World::new();
    world.verdict = verdict;
    let synthetic = world.stores.folder.path().join("synthetic.csv");
    std::fs::write(&synthetic, "another row\n").expect("our own folder");
    let report = world.out().join("report");
    let goal = Goal::Evaluate { source: world.source(), synthetic, report };
    let node = world.node("a").await;
    let job = submit(&node, world.request(goal)).await;
    let (told, row) = follow(&node.desk(), &job).await;
    assert!(!world.stores.folder.path().join(job.as_str()).join("dataset").exists(), "no copy");
    (row.state, world.delivered().into_keys().collect(), stages(&told))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tables_are_judged_and_the_report_is_there_whatever_it_says() {
    let files = ["report.html", "report.json"];
    let (state, delivered, stages) = judge(Verdict::Pass).await;
    assert_eq!(state, JobState::Ended(Outcome::Published { verdict: Some(Verdict::Pass) }));
    assert_eq!(delivered, files);
    assert_eq!(stages, [Stage::Evaluate, Stage::Publish]);
    let (state, delivered, _) = judge(Verdict::Block).await;
    assert!(matches!(state, JobState::Ended(Outcome::Withheld { .. })), "{state:?}");
    assert_eq!(delivered, files);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_job_was_thought_to_take_is_compared_with_what_it_took() {
    let world = World::new();
    let node = world.node("a").await;
    let job = submit(&node, world.synthesize()).await;
    let thought = world.stores.row(&job).estimate.expect("it is guessed at once");
    let (_, row) = follow(&node.desk(), &job).await;
    assert_eq!(row.estimate.as_ref(), Some(&thought), "a guess is never touched up");
    assert!(row.ran.get() >= 2_100, "the clock was set forward while it trained: {}", row.ran);
    let next = submit(&node, world.synthesize()).await;
    let learned = world.stores.row(&next).estimate.expect("a guess");
    assert!(learned.because.ends_with("by the last 1 job like it"), "{}", learned.because);
    assert_ne!(learned.takes, thought.takes);
    follow(&node.desk(), &next).await;
    node.stop().await;
    let node = world.node("b").await;
    let after = submit(&node, world.synthesize()).await;
    let learned = world.stores.row(&after).estimate.expect("a guess");
    assert!(learned.because.ends_with("by the last 2 jobs like it"), "{}", learned.because);
    follow(&node.desk(), &after).await;
}
