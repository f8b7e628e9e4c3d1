//! More than one node at one job: the store decides, and whoever loses says so and leaves.

use std::{sync::Arc, time::Duration};

use tgs_protocol::{
    code::Code,
    desk::{JobDesk, News},
    id::JobId,
    job::{JobState, Outcome, action::Tidings},
    limits::LEASE_TICK_MS,
};

use crate::tests::{
    script::Deed,
    world::{World, follow, submit, undisturbed},
};

/// Everything told, from a watching that began earlier or begins now; without looking at the row.
async fn told(desk: &Arc<dyn JobDesk>, job: &JobId) -> Vec<Tidings> {
    let mut told = Vec::new();
    let mut watching = desk.watch(job).await.expect("a job to watch");
    while let Some(news) = watching.next().await {
        if let News::Tidings(tidings) = news {
            told.push(tidings);
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_one_works_and_the_other_leaves() {
    let world = World::new();
    let holder = world.node_as("holder", "class", |config| config.holder_is_gone = false).await;
    let (pause, job) = world.resting_at("step 5", &holder).await;
    let other = world.node_as("other", "class", |config| config.holder_is_gone = false).await;
    other.desk().resume(&job).await.expect("a job of somebody else");
    world.script.passed("look", 2).await;
    world.clock.advance(6_000); // The holder renews, and the other one sees it.
    let heard = told(&other.desk(), &job).await;
    assert_eq!(heard.last(), Some(&Tidings::Interrupted), "{heard:?}");
    assert_eq!(world.script.passes("claim"), 1);
    pause.release();
    follow(&holder.desk(), &job).await;
    assert_eq!(world.delivered(), undisturbed().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_holder_is_followed_after_one_ttl() {
    let world = World::new();
    let dead = world.node_as("dead", "class", |config| config.holder_is_gone = false).await;
    let (pause, job) = world.resting_at("step 5", &dead).await;
    drop(dead);
    let next = world.node_as("next", "class", |config| config.holder_is_gone = false).await;
    next.desk().resume(&job).await.expect("an interrupted job");
    world.script.passed("look", 2).await;
    assert_eq!(world.script.passes("claim"), 1, "not before a TTL has passed");
    world.clock.advance(15_000);
    world.script.passed("claim", 2).await;
    follow(&next.desk(), &job).await;
    assert_eq!(world.delivered(), undisturbed().await);
    pause.release();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_cannot_renew_stands_down() {
    let world = World::new();
    let node = world.node_as("a", "class", |config| config.holder_is_gone = false).await;
    let (pause, job) = world.resting_at("step 5", &node).await;
    world.script.at("renew", usize::MAX, Deed::Fail(Code::StoreSilent));
    world.clock.advance(12_000);
    let heard = told(&node.desk(), &job).await;
    assert_eq!(heard.last(), Some(&Tidings::Interrupted), "{heard:?}");
    assert!(!world.stores.row(&job).state.is_final());
    pause.release();
}

/// As after Ctrl-Z: where nobody else can claim, a lease that is overdue is simply renewed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_alone_that_was_frozen_goes_on() {
    let world = World::new();
    let node = world.node("a").await;
    let (pause, job) = world.resting_at("step 5", &node).await;
    world.clock.advance(60_000);
    tokio::time::sleep(Duration::from_millis(3 * LEASE_TICK_MS)).await;
    pause.release();
    let (_, row) = follow(&node.desk(), &job).await;
    assert!(matches!(row.state, JobState::Ended(Outcome::Published { .. })), "{row:?}");
}

/// The owner is frozen where it works, another one takes over and ends the job; then it wakes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_owner_that_wakes_is_refused_everything() {
    let expected = undisturbed().await;
    let points = ["ingest", "plan", "step 5", "finish", "chunk 1", "evaluate", "assemble"];
    for point in points {
        let world = World::new();
        let frozen = world.node("frozen").await;
        let (pause, job) = world.resting_at(point, &frozen).await;
        let next = world.node("next").await;
        next.desk().resume(&job).await.expect("an interrupted job");
        let (_, row) = follow(&next.desk(), &job).await;
        assert!(
            matches!(row.state, JobState::Ended(Outcome::Published { .. })),
            "{point}: {row:?}"
        );
        pause.release();
        let heard = told(&frozen.desk(), &job).await;
        assert_eq!(heard.last(), Some(&Tidings::Interrupted), "{point}: {heard:?}");
        assert_eq!(world.stores.row(&job), row, "{point}: the row is the successor's");
        assert_eq!(world.delivered(), expected, "{point}");
        assert_eq!(world.stores.times_entered(), [1, 1, 1], "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_take_turns_on_one_device() {
    let world = World::new();
    world.clock.keep_real();
    let node = world.node("a").await;
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(submit(&node, world.synthesize()).await);
    }
    for job in &jobs {
        let (_, row) = follow(&node.desk(), job).await;
        assert!(matches!(row.state, JobState::Ended(Outcome::Published { .. })), "{row:?}");
    }
    // Each job has a plan of its own, but they agree on the table.
    assert_eq!(world.delivered()["table.csv"], undisturbed().await["table.csv"]);
    assert_eq!(world.stores.times_entered(), [1; 12]);
}
