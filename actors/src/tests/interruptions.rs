//! Kills, drains and cancels, at every point where a job can be met.

use std::{sync::Arc, time::Duration};

use tgs_protocol::{
    engine::NumericsClass,
    job::{JobState, Outcome, action::Tidings},
    unit::Steps,
};

use crate::tests::script::{Deed, Pause};
use crate::tests::world::{STEPS, World, follow, submit, undisturbed};

/// Points where a device's thread or a sampler is met.
const ANYWHERE: [&str; 15] = [
    "ingest",
    "profile",
    "plan",
    "numerics class",
    "trainer",
    "step 5",
    "step 25",
    "snapshot",
    "finish",
    "open model",
    "chunk 0",
    "chunk 1",
    "chunk 2",
    "evaluate",
    "assemble",
];

/// Points where work hears its watch.
const STOPPABLE: [&str; 8] =
    ["ingest", "profile", "plan", "step 5", "step 25", "finish", "evaluate", "assemble"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_job_is_resumed_and_delivers_the_same_bytes() {
    let expected = undisturbed().await;
    for point in ANYWHERE {
        let world = World::new();
        let killed = world.node("killed").await;
        let (pause, job) = world.resting_at(point, &killed).await;
        drop(killed);
        let node = world.node("next").await;
        node.desk().resume(&job).await.expect("an interrupted job");
        let (_, row) = follow(&node.desk(), &job).await;
        assert!(
            matches!(row.state, JobState::Ended(Outcome::Published { .. })),
            "{point}: {row:?}"
        );
        assert_eq!(world.delivered(), expected, "killed at {point}");
        assert_eq!(world.stores.times_entered(), [1, 1, 1], "killed at {point}");
        pause.release();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_killed_again_and_again_still_delivers_the_same_bytes() {
    let world = World::new();
    let mut node = world.node("boot-0").await;
    // Before the job is handed in: it may be beyond its plan when `submit` returns.
    let first = world.script.pause_at("plan");
    let job = submit(&node, world.synthesize()).await;
    first.reached().await;
    let mut pauses = vec![first];
    for (boot, point) in
        ["step 15", "step 30", "chunk 2", "evaluate", "assemble"].iter().enumerate()
    {
        node = world.node(&format!("boot-{}", boot + 1)).await; // The earlier one is dropped.
        let pause = world.script.pause_at(point);
        node.desk().resume(&job).await.expect("an interrupted job");
        pause.reached().await;
        pauses.push(pause);
    }
    node = world.node("last").await;
    node.desk().resume(&job).await.expect("an interrupted job");
    follow(&node.desk(), &job).await;
    assert_eq!(world.delivered(), undisturbed().await);
    pauses.iter().for_each(|pause| pause.release());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn training_goes_on_from_the_committed_checkpoint() {
    let world = World::new();
    let killed = world.node("killed").await;
    let (pause, job) = world.resting_at("step 29", &killed).await;
    world.script.passed("prune", 1).await; // The pointer to step 10 or later is durable.
    drop(killed);
    let committed = world.stores.row(&job).done.checkpoint.expect("a checkpoint");
    let node = world.node("next").await;
    node.desk().resume(&job).await.expect("an interrupted job");
    follow(&node.desk(), &job).await;
    // Until its lease is claimed the killed node may still commit a later one.
    let from = |step: u64| world.script.passes(&format!("train from {step}"));
    assert_eq!((committed.step.get()..29).map(from).sum::<usize>(), 1);
    assert_eq!(world.delivered(), undisturbed().await);
    pause.release();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_checkpoint_costs_time_and_no_byte() {
    let world = World::new();
    let reached = world.script.await_stop_at("step 25");
    let node = world.node("a").await;
    let job = submit(&node, world.synthesize()).await;
    reached.reached().await;
    node.stop().await;
    world.stores.tear_checkpoints(&job);
    let node = world.node("b").await;
    node.desk().resume(&job).await.expect("an interrupted job");
    let (told, _) = follow(&node.desk(), &job).await;
    let is_said =
        |tidings: &Tidings| matches!(tidings, Tidings::Notice(said) if said.contains("damaged"));
    assert!(told.iter().any(is_said), "{told:?}");
    assert_eq!(world.script.passes("train from 0"), 2);
    assert_eq!(world.delivered(), undisturbed().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_job_stands_still_saved_and_is_resumed() {
    let expected = undisturbed().await;
    for point in STOPPABLE {
        let world = World::new();
        let reached = world.script.await_stop_at(point);
        let node = world.node("a").await;
        let job = submit(&node, world.synthesize()).await;
        reached.reached().await;
        let desk = node.desk();
        node.stop().await;
        let mut watching = desk.watch(&job).await;
        assert!(watching.is_err(), "the node is gone: {:?}", watching.as_mut().err());
        assert_eq!(world.stores.owner(&job), None, "{point}: the lease is given back");
        if let Some(step) = point.strip_prefix("step ") {
            let at = Steps(step.parse().expect("a step"));
            let checkpoint = world.stores.row(&job).done.checkpoint.expect("a checkpoint");
            assert_eq!(checkpoint.step, at, "saved where it stopped");
            assert_eq!(world.script.passes("step") as u64, at.get(), "stopped within one step");
        }
        if point == "finish" {
            let saved = world.stores.row(&job).done.checkpoint.map(|checkpoint| checkpoint.step);
            assert_eq!(saved, Some(Steps(STEPS)), "no step is lost to a stop after the last one");
        }
        let node = world.node("b").await;
        node.desk().resume(&job).await.expect("an interrupted job");
        let (_, row) = follow(&node.desk(), &job).await;
        assert!(
            matches!(row.state, JobState::Ended(Outcome::Published { .. })),
            "{point}: {row:?}"
        );
        assert_eq!(world.delivered(), expected, "drained at {point}");
        let steps_once = world.script.passes("step") as u64 == STEPS;
        assert!(steps_once, "drained at {point}: no step is done twice");
    }
}

/// A snapshot that was handed out, and waits while the one before it is written, is dropped with
/// the job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_right_behind_a_snapshot_saves_its_step() {
    let world = World::new();
    let (writing, snapshot) = (world.script.pause_at("put"), Arc::new(Pause::default()));
    world.script.after("snapshot", 1, Deed::Pause(snapshot.clone()));
    let node = world.node("a").await;
    let job = submit(&node, world.synthesize()).await;
    snapshot.reached().await;
    let stopping = tokio::spawn(async move { node.stop().await });
    // Long enough for the stop to be heard first; else this is one more drained job.
    let a_while = || tokio::time::sleep(Duration::from_millis(100));
    a_while().await;
    snapshot.release();
    a_while().await;
    writing.release();
    stopping.await.expect("no panic");
    let saved = world.stores.row(&job).done.checkpoint.map(|checkpoint| checkpoint.step);
    assert_eq!(saved, Some(Steps(world.script.passes("step") as u64)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_submitted_to_a_draining_node_waits_for_the_next() {
    let world = World::new();
    let node = world.node("a").await;
    node.desk().drain().await;
    let job = submit(&node, world.synthesize()).await;
    assert_eq!(follow(&node.desk(), &job).await.1.state, JobState::Accepted);
    node.stop().await;
    let node = world.node("b").await;
    node.desk().resume(&job).await.expect("an accepted job");
    follow(&node.desk(), &job).await;
    assert_eq!(world.delivered(), undisturbed().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_ends_within_one_step_and_leaves_nothing() {
    for point in STOPPABLE {
        let world = World::new();
        let reached = world.script.await_stop_at(point);
        let node = world.node("a").await;
        let job = submit(&node, world.synthesize()).await;
        reached.reached().await;
        node.desk().cancel(&job).await.expect("a running job");
        let (told, row) = follow(&node.desk(), &job).await;
        assert_eq!(row.state, JobState::Ended(Outcome::Cancelled), "{point}");
        assert_eq!(told.last(), Some(&Tidings::Ended(Outcome::Cancelled)), "{point}");
        if let Some(step) = point.strip_prefix("step ") {
            assert_eq!(world.script.passes("step").to_string(), step);
        }
        assert_eq!(world.stores.checkpoints_of(&job), [], "{point}");
        assert_eq!(world.delivered().len(), 0, "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sampling_is_cancelled_within_one_chunk() {
    let world = World::new();
    let pause = world.script.pause_at("chunk 1");
    // Should the cancel come only after the chunk, it meets the job here.
    let _reached = world.script.await_stop_at("evaluate");
    let node = world.node("a").await;
    let job = submit(&node, world.synthesize()).await;
    pause.reached().await;
    let (desk, cancelled) = (node.desk(), job.clone());
    let cancel = tokio::spawn(async move { desk.cancel(&cancelled).await });
    pause.release();
    assert_eq!(cancel.await.expect("no panic"), Ok(()));
    assert_eq!(world.stores.row(&job).state, JobState::Ended(Outcome::Cancelled));
    assert_eq!(world.delivered().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_job_is_cancelled_without_being_begun_again() {
    let world = World::new();
    let killed = world.node("killed").await;
    let (pause, job) = world.resting_at("step 5", &killed).await;
    drop(killed);
    let node = world.node("next").await;
    node.desk().cancel(&job).await.expect("an interrupted job");
    assert_eq!(world.stores.row(&job).state, JobState::Ended(Outcome::Cancelled));
    assert_eq!(world.script.passes("trainer"), 1);
    pause.release();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_on_in_another_numerics_class_is_said_once() {
    for point in ["step 5", "chunk 1"] {
        let world = World::new();
        let killed = world.node("a").await;
        let (pause, job) = world.resting_at(point, &killed).await;
        drop(killed);
        let node = world.node_as("b", "other", |_| {}).await;
        node.desk().resume(&job).await.expect("an interrupted job");
        let (told, row) = follow(&node.desk(), &job).await;
        let is_it = |said: &str| said.contains("class-2") && said.contains("other-2");
        let told = told
            .iter()
            .filter(|tidings| matches!(tidings, Tidings::Notice(said) if is_it(said)))
            .count();
        let noted = row.timeline.iter().filter(|entry| is_it(&entry.what)).count();
        assert_eq!((told, noted), (1, 1), "{point}: {row:?}");
        let training = world.manifest().training.expect("it was trained here");
        assert_eq!(training.went_on_in, [NumericsClass("other-2".to_owned())], "{point}");
        pause.release();
    }
}
