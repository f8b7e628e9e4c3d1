//! Nodes of which one places the waiting jobs of all: what it assigns is taken up, what it does not
//! waits, and where nothing is heard of it nodes help themselves.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use tgs_adapters::Memory;
use tgs_protocol::{
    id::{Incarnation, JobId, TenantId},
    job::{JobState, row::TENANT_OF_ALL},
    limits::{LEADER_SAY_MS, LEADER_SILENT_MS, LEASE_TTL_MS},
    placement::{
        Share,
        board::{AssignmentBoard, Notice},
    },
    presence::PresenceBoard,
    queue::Waiting,
};

use crate::{
    Node, start,
    tests::world::{World, config, submit, undisturbed},
};

/// Nodes over one store, with a board.
struct Cluster {
    world: World,
    board: Arc<Memory>,
}

impl Cluster {
    fn new() -> Self {
        let world = World::new();
        let board = Arc::new(Memory::at(world.stores.folder.path()));
        Self { world, board }
    }

    /// A node that hears leaders and may lead; its tenants may have so many devices.
    async fn node(&self, name: &str, quota: Option<u32>) -> Node {
        let mut ports = self.world.ports("class");
        ports.board = Some(self.board.clone() as Arc<dyn PresenceBoard>);
        ports.assignments = Some(self.board.clone() as Arc<dyn AssignmentBoard>);
        let mut config = config(name);
        (config.holder_is_gone, config.finds_jobs, config.about.is_led) = (false, true, true);
        if quota.is_some() {
            let share = Share { weight: NonZeroU32::MIN, used: 0, quota };
            config.shares = [(TenantId::new(TENANT_OF_ALL), share)].into();
        }
        start(ports, config).await.expect("a node")
    }

    async fn notice(&self, is_so: impl Fn(&Notice) -> bool) -> Notice {
        loop {
            if let Some(notice) = self.board.notice().await.expect("a store").filter(&is_so) {
                return notice;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn led_by(&self, name: &str) {
        let _ = self.notice(|it| it.leader == Incarnation::new(name)).await;
    }

    async fn ended(&self, job: &JobId) {
        while !self.world.stores.row(job).state.is_final() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_leader_assigns_is_taken_up() {
    let cluster = Cluster::new();
    let nodes = [cluster.node("a", Some(1)).await, cluster.node("b", Some(1)).await];
    cluster.notice(|_| true).await;
    // Neither begins at once where it comes in: tenants share the cluster.
    let job = submit(&nodes[1], cluster.world.synthesize()).await;
    cluster.ended(&job).await;
    assert_eq!(cluster.world.delivered(), undisturbed().await);
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_does_not_assign_waits_until_it_is_heard_no_more() {
    let cluster = Cluster::new();
    let leader = cluster.node("a", Some(0)).await;
    cluster.led_by("a").await;
    let other = cluster.node("b", Some(0)).await;
    // Until it hears the leader as well.
    while cluster.board.assigned(&Incarnation::new("b")).await.expect("a store").is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let job = cluster.world.accept().await;
    let is_told = |it: &Notice| it.why(&job) == Some(Waiting::Quota);
    let first = cluster.notice(is_told).await;
    let why = other.desk().why(&job).await.expect("a node");
    assert_eq!(why, Some(Waiting::Quota), "any node tells");
    let mut beat = first.word.beat;
    for _ in 0..3 {
        cluster.world.clock.advance(LEADER_SAY_MS);
        beat = cluster.notice(|it| it.word.beat > beat).await.word.beat;
    }
    assert_eq!(cluster.world.stores.row(&job).state, JobState::Accepted, "devices are free");
    drop(leader);
    cluster.world.clock.advance(LEADER_SILENT_MS);
    cluster.ended(&job).await;
    cluster.world.clock.advance(LEASE_TTL_MS);
    cluster.led_by("b").await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_stops_gives_the_lead_back() {
    let cluster = Cluster::new();
    let leader = cluster.node("a", None).await;
    cluster.led_by("a").await;
    let other = cluster.node("b", None).await;
    leader.stop().await;
    cluster.led_by("b").await;
    let job = submit(&other, cluster.world.synthesize()).await;
    cluster.ended(&job).await;
    assert_eq!(cluster.world.delivered(), undisturbed().await);
    other.stop().await;
}
