//! Panics of the engine, faults of stores, panics of actors: tried again, then ended with a reason.

use tgs_protocol::{
    code::Code,
    job::{JobState, Outcome, action::Tidings},
};

use crate::tests::{
    script::Deed,
    world::{World, follow, submit, undisturbed},
};

const ENGINE: [&str; 11] = [
    "ingest",
    "profile",
    "plan",
    "trainer",
    "step 15",
    "snapshot",
    "finish",
    "open model",
    "chunk 1",
    "evaluate",
    "assemble",
];

/// Calls of stores on which a job hangs.
const STORES: [&str; 14] = [
    "look",
    "claim",
    "read row",
    "read manifest",
    "save",
    "stage",
    "seal",
    "seal model",
    "open",
    "put",
    "seal chunk",
    "open chunk",
    "deliver",
    "save end",
];

/// Calls of stores that a job can do without.
const BESIDE: [&str; 4] = ["prune", "sweep", "release", "renew"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_of_the_engine_is_tried_again() {
    let expected = undisturbed().await;
    for point in ENGINE {
        let world = World::new();
        world.script.at(point, 1, Deed::Panic);
        let node = world.node("a").await;
        let job = submit(&node, world.synthesize()).await;
        let (told, row) = follow(&node.desk(), &job).await;
        let tries = told.iter().filter(|t| matches!(t, Tidings::TryingAgain { .. })).count();
        assert_eq!(tries, 1, "{point}: {told:?}");
        assert!(
            matches!(row.state, JobState::Ended(Outcome::Published { .. })),
            "{point}: {row:?}"
        );
        assert_eq!(world.delivered(), expected, "panicked at {point}");
        assert_eq!(world.stores.times_entered(), [1, 1, 1], "panicked at {point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_panics_always_fails_the_job_and_not_the_node() {
    let world = World::new();
    let node = world.node("a").await;
    for point in ENGINE {
        world.script.at(point, usize::MAX, Deed::Panic);
        let job = submit(&node, world.synthesize()).await;
        let (_, row) = follow(&node.desk(), &job).await;
        world.script.heal();
        let JobState::Ended(Outcome::Failed(failure)) = row.state else {
            panic!("{point}: {:?}", row.state)
        };
        assert_eq!(failure.code, Code::DeviceFailed, "{point}");
        assert!(failure.message.contains(&format!("scripted panic at {point}")), "{failure:?}");
    }
    let job = submit(&node, world.synthesize()).await;
    let (_, row) = follow(&node.desk(), &job).await;
    assert!(matches!(row.state, JobState::Ended(Outcome::Published { .. })), "{row:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_data_fails_at_once_with_its_reason() {
    let world = World::new();
    world.script.at("ingest", 1, Deed::Fail(Code::RaggedRow));
    let node = world.node("a").await;
    let job = submit(&node, world.synthesize()).await;
    let (_, row) = follow(&node.desk(), &job).await;
    let JobState::Ended(Outcome::Failed(failure)) = row.state else { panic!("{row:?}") };
    assert_eq!((failure.code, failure.message.as_str()), (Code::RaggedRow, "scripted at ingest"));
    assert_eq!(world.script.passes("ingest"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_store_delays_a_job_and_changes_no_byte() {
    let expected = undisturbed().await;
    for point in STORES.iter().chain(&BESIDE) {
        let world = World::new();
        let node = world.node("a").await;
        let job = world.accept().await;
        world.script.at(point, 2, Deed::Fail(Code::StoreSilent));
        // Only "read row" meets the desk itself; a person asks again.
        while node.desk().resume(&job).await.is_err() {}
        let mut told = Vec::new();
        if let Ok(mut watching) = node.desk().watch(&job).await {
            while let Some(news) = watching.next().await {
                told.push(news);
            }
        }
        let row = world.stores.row(&job);
        let is_published = matches!(row.state, JobState::Ended(Outcome::Published { .. }));
        assert!(is_published, "{point}: {:?} {told:?}", row.state);
        assert_eq!(world.delivered(), expected, "silent at {point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_suspends_a_job_until_someone_made_room() {
    let expected = undisturbed().await;
    for point in STORES.iter().filter(|point| **point != "read row") {
        let world = World::new();
        world.script.at(point, 1, Deed::Fail(Code::DiskFull));
        if *point == "put" {
            world.script.await_stop_at("step 20"); // Training does not end before the put does.
        }
        let node = world.node("a").await;
        let job = submit(&node, world.synthesize()).await;
        let (told, row) = follow(&node.desk(), &job).await;
        let is_said = |t: &Tidings| matches!(t, Tidings::Suspended(f) if f.code == Code::DiskFull);
        assert_eq!(told.iter().filter(|t| is_said(t)).count(), 1, "{point}: {told:?}");
        assert_eq!(told.last(), Some(&Tidings::Interrupted), "{point}: {told:?}");
        assert!(!row.state.is_final(), "{point}: {row:?}");
        world.script.heal();
        node.desk().resume(&job).await.expect("a suspended job");
        let (told, row) = follow(&node.desk(), &job).await;
        let is_published = matches!(row.state, JobState::Ended(Outcome::Published { .. }));
        assert!(is_published, "{point}: {:?} {told:?}", row.state);
        assert_eq!(world.delivered(), expected, "full at {point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_stays_silent_leaves_the_job_as_it_was_last_saved() {
    for point in ["save", "save end"] {
        let world = World::new();
        world.script.at(point, 4, Deed::Fail(Code::StoreSilent));
        let node = world.node("a").await;
        let job = submit(&node, world.synthesize()).await;
        let (told, row) = follow(&node.desk(), &job).await;
        assert_eq!(told.last(), Some(&Tidings::Interrupted), "{point}: {told:?}");
        assert!(!row.state.is_final(), "{point}");
        node.desk().resume(&job).await.expect("an interrupted job");
        let (_, row) = follow(&node.desk(), &job).await;
        assert!(row.state.is_final(), "{point}");
        assert_eq!(world.delivered(), undisturbed().await, "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_is_heard_while_a_row_cannot_be_written() {
    let world = World::new();
    let node = world.node_as("a", "class", |config| config.back_off_factor = 0.1).await;
    world.script.at("save", 1, Deed::Fail(Code::StoreSilent));
    let job = submit(&node, world.synthesize()).await;
    world.script.passed("save", 1).await;
    let (desk, cancelled) = (node.desk(), job.clone());
    let cancel = tokio::spawn(async move { desk.cancel(&cancelled).await });
    // The first save is tried again after half a second: the ingest never begins.
    assert_eq!(cancel.await.expect("no panic"), Ok(()));
    assert_eq!(world.stores.row(&job).state, JobState::Ended(Outcome::Cancelled));
    assert_eq!(world.script.passes("ingest"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_that_panics_is_replaced_and_at_last_the_job_is_ended() {
    // Panics in a store call happen inside the supervisor. Each case: how many, and how it ends.
    for (panics, is_published) in [(1, true), (3, true), (4, false)] {
        let world = World::new();
        world.script.at("save", panics, Deed::Panic);
        let node = world.node("a").await;
        let job = submit(&node, world.synthesize()).await;
        let (_, row) = follow(&node.desk(), &job).await;
        match row.state {
            JobState::Ended(Outcome::Published { .. }) => assert!(is_published, "{panics}"),
            JobState::Ended(Outcome::Failed(failure)) => {
                assert!(!is_published, "{panics}");
                assert_eq!(failure.code, Code::Internal);
                assert!(failure.message.contains("scripted panic at save"), "{failure:?}");
            }
            state => panic!("{panics}: {state:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_cannot_even_be_ended_is_left_and_the_node_goes_on() {
    let world = World::new();
    world.script.at("save", 5, Deed::Panic);
    let node = world.node("a").await;
    let job = submit(&node, world.synthesize()).await;
    let (_, row) = follow(&node.desk(), &job).await;
    assert_eq!(row.state, JobState::Accepted);
    let next = submit(&node, world.synthesize()).await;
    let (_, row) = follow(&node.desk(), &next).await;
    assert!(matches!(row.state, JobState::Ended(Outcome::Published { .. })), "{row:?}");
}

/// A copy of the private table, half made, does not lie about until somebody tries again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failed_stage_leaves_is_removed_at_once() {
    for point in ["ingest", "evaluate", "seal model", "assemble"] {
        let world = World::new();
        world.script.at(point, 1, Deed::Fail(Code::DiskFull));
        let node = world.node("a").await;
        let job = submit(&node, world.synthesize()).await;
        let (_, row) = follow(&node.desk(), &job).await;
        assert!(!row.state.is_final(), "{point}: {row:?}");
        assert_eq!(world.stores.staged_of(&job), [""; 0], "failed at {point}");
    }
}

/// However far the delivery came: of four files, these many stood at their places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_delivered_is_taken_back_from_a_job_that_fails_or_is_cancelled() {
    for (delivered, code) in [(1, Code::Internal), (3, Code::Internal), (2, Code::CannotWrite)] {
        let world = World::new();
        world.script.after("deliver", delivered, Deed::Fail(code));
        let node = world.node("a").await;
        let job = submit(&node, world.synthesize()).await;
        let (_, row) = follow(&node.desk(), &job).await;
        if code == Code::CannotWrite {
            // A person may mend it, or be rid of it.
            assert_eq!(world.delivered().len(), delivered, "{row:?}");
            node.desk().cancel(&job).await.expect("a suspended job");
        }
        assert!(world.stores.row(&job).state.is_final(), "{row:?}");
        assert_eq!(world.delivered().len(), 0, "{delivered} delivered, then {code}");
    }
}

/// A store that is silent for a while costs a while, not a table that nobody comes back for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taking_back_is_tried_again() {
    let world = World::new();
    world.script.after("deliver", 2, Deed::Fail(Code::CannotWrite));
    world.script.at("take back", 2, Deed::Fail(Code::StoreSilent));
    let node = world.node("a").await;
    let job = submit(&node, world.synthesize()).await;
    follow(&node.desk(), &job).await;
    assert_eq!(world.delivered().len(), 2);
    node.desk().cancel(&job).await.expect("a suspended job");
    assert_eq!(world.stores.row(&job).state, JobState::Ended(Outcome::Cancelled));
    assert_eq!(world.delivered().len(), 0);
}

/// Whoever dies while it takes back leaves a job that has not ended: it is cancelled again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_while_taking_back_leaves_nothing_either() {
    let world = World::new();
    world.script.after("deliver", 2, Deed::Fail(Code::CannotWrite));
    world.script.after("take back", 1, Deed::Panic);
    let node = world.node("a").await;
    let job = submit(&node, world.synthesize()).await;
    follow(&node.desk(), &job).await;
    node.desk().cancel(&job).await.expect("a suspended job");
    assert_eq!(world.stores.row(&job).state, JobState::Ended(Outcome::Cancelled));
    assert_eq!(world.delivered().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_while_a_checkpoint_is_written_neither_stops_training_nor_a_drain() {
    let world = World::new();
    world.script.at("put", 100, Deed::Panic);
    let reached = world.script.await_stop_at("step 5");
    let node = world.node("a").await;
    let job = submit(&node, world.synthesize()).await;
    reached.reached().await;
    node.stop().await;
    assert_eq!(world.stores.row(&job).done.checkpoint, None);
    assert_eq!(world.stores.owner(&job), None);
}
