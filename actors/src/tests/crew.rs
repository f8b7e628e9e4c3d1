//! Actors of the node die at work: they are replaced, and jobs go on.

use std::time::Duration;

use ractor::{ActorCell, Message};
use tgs_protocol::{
    code::Code,
    job::{JobState, Outcome},
};

use crate::{
    Node,
    checkpoint_writer::message::CheckpointWriterMessage,
    chunk_sampler::message::ChunkOrder,
    gpu_worker::message::GpuWorkerMessage,
    lease_keeper::message::LeaseKeeperMessage,
    notifier::message::NotifierMessage,
    tests::{
        script::Deed,
        world::{World, follow, submit, undisturbed},
    },
};

/// Kills every actor of the node that takes these messages; returns when they are dead.
pub async fn kill<M: Message>(node: &Node) {
    let is_one = |cell: &ActorCell| cell.is_message_type_of::<M>() == Some(true);
    let children = node.supervisor.get_children();
    let victims: Vec<_> = children.into_iter().filter(is_one).collect();
    assert!(!victims.is_empty());
    for victim in victims {
        let limit = Some(Duration::from_secs(10));
        victim.kill_and_wait(limit).await.expect("a dead actor");
    }
}

async fn goes_on_without<M: Message>(point: &str, is_heard: bool) {
    let world = World::new();
    let pause = match is_heard {
        true => world.script.await_stop_at(point),
        false => world.script.pause_at(point),
    };
    let node = world.node("a").await;
    let job = submit(&node, world.synthesize()).await;
    pause.reached().await;
    let mut watching = node.desk().watch(&job).await.expect("a job to watch");
    kill::<M>(&node).await;
    pause.release();
    while watching.next().await.is_some() {}
    let (told, row) = follow(&node.desk(), &job).await;
    let is_published = matches!(row.state, JobState::Ended(Outcome::Published { .. }));
    assert!(is_published, "{point}: {:?} {told:?}", row.state);
    assert_eq!(world.delivered(), undisturbed().await, "{point}");
    assert_eq!(world.stores.times_entered(), [1, 1, 1], "{point}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_goes_on_whichever_actor_dies() {
    goes_on_without::<GpuWorkerMessage>("ingest", true).await;
    goes_on_without::<GpuWorkerMessage>("step 25", true).await;
    goes_on_without::<GpuWorkerMessage>("evaluate", true).await;
    goes_on_without::<ChunkOrder>("chunk 1", false).await;
    goes_on_without::<ChunkOrder>("open model", false).await;
    goes_on_without::<LeaseKeeperMessage>("step 5", false).await;
    goes_on_without::<CheckpointWriterMessage>("step 15", false).await;
    goes_on_without::<NotifierMessage>("step 5", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_again_and_again_fails_its_job_and_not_the_node() {
    let world = World::new();
    let node = world.node("a").await;
    let pause = std::sync::Arc::default();
    world.script.at("ingest", usize::MAX, Deed::AwaitStop(std::sync::Arc::clone(&pause)));
    let job = submit(&node, world.synthesize()).await;
    for _ in 0..4 {
        pause.reached().await;
        kill::<GpuWorkerMessage>(&node).await;
    }
    let (told, row) = follow(&node.desk(), &job).await;
    let JobState::Ended(Outcome::Failed(failure)) = &row.state else { panic!("{told:?}") };
    assert_eq!(failure.code, Code::Internal, "{told:?}");
    world.script.heal();
    let job = submit(&node, world.synthesize()).await;
    let (_, row) = follow(&node.desk(), &job).await;
    assert!(matches!(row.state, JobState::Ended(Outcome::Published { .. })), "{row:?}");
}

/// Without them no job can be kept, so the node ends: whoever starts next goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_servants_die_again_and_again_ends_and_its_jobs_are_resumed() {
    ends_without::<LeaseKeeperMessage>().await;
    ends_without::<CheckpointWriterMessage>().await;
    ends_without::<NotifierMessage>().await;
}

async fn ends_without<M: Message>() {
    let world = World::new();
    let node = world.node("a").await;
    let (pause, job) = world.resting_at("step 5", &node).await;
    let end = node.supervisor.get_cell();
    for death in 1..=4 {
        kill::<M>(&node).await;
        // The next one is in its place before it dies as well.
        tokio::time::timeout(Duration::from_secs(10), async {
            let is_one = |cell: &ActorCell| cell.is_message_type_of::<M>() == Some(true);
            while death < 4 && !node.supervisor.get_children().iter().any(is_one) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("a replacement");
    }
    let limit = Some(Duration::from_secs(10));
    end.wait(limit).await.expect("the node ends");
    pause.release();
    let next = world.node("next").await;
    next.desk().resume(&job).await.expect("an interrupted job");
    let (_, row) = follow(&next.desk(), &job).await;
    assert!(matches!(row.state, JobState::Ended(Outcome::Published { .. })), "{row:?}");
    assert_eq!(world.delivered(), undisturbed().await);
}
