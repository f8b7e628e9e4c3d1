//! Nodes of which one places the waiting jobs of all: what it assigns is taken up, what it does not
//! waits, and where nothing is heard of it nodes help themselves.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use tgs_adapters::Memory;
use tgs_protocol::{
    desk::Terms,
    engine::NumericsClass,
    id::{Incarnation, JobId, TenantId},
    job::{JobState, row::TENANT_OF_ALL},
    limits::{FIND_FREE_MS, FIND_PERIOD_MS, LEADER_SAY_MS, LEADER_SILENT_MS, LEASE_TTL_MS},
    placement::{
        Share,
        board::{AssignmentBoard, Assignments, Notice, Word},
    },
    presence::{Presence, PresenceBoard, Standing},
    queue::{DeviceClass, Waiting},
    unit::Epoch,
};

use crate::{
    Node, NodeConfig, Ports, start,
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
        let mut node = self.setting(name, "class", true);
        if quota.is_some() {
            let share = Share { weight: NonZeroU32::MIN, used: 0, quota };
            node.1.shares = [(TenantId::new(TENANT_OF_ALL), share)].into();
        }
        self.start(node).await
    }

    /// What a node is started with: one that computes in this class, and hears leaders or none.
    fn setting(&self, name: &str, class: &str, is_led: bool) -> (Ports, NodeConfig) {
        let mut ports = self.world.ports(class);
        ports.board = Some(self.board.clone() as Arc<dyn PresenceBoard>);
        let assignments = || self.board.clone() as Arc<dyn AssignmentBoard>;
        ports.assignments = is_led.then(assignments);
        let mut config = config(name);
        (config.holder_is_gone, config.finds_jobs, config.about.is_led) = (false, true, is_led);
        (ports, config)
    }

    /// A node that is at work.
    async fn start(&self, (ports, config): (Ports, NodeConfig)) -> Node {
        let name = config.about.node.clone();
        let node = start(ports, config).await.expect("a node");
        self.says(&name, |it| it.standing == Standing::Working).await;
        node
    }

    /// Waits until a node says this of itself.
    async fn says(&self, node: &str, is_so: impl Fn(&Presence) -> bool) {
        let is_it = |it: &Presence| it.node == node && is_so(it);
        while !self.board.all().await.expect("a store").iter().any(is_it) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
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

    /// Lets time go by until a job has ended.
    async fn ended_in_time(&self, job: &JobId) {
        while !self.world.stores.row(job).state.is_final() {
            self.world.clock.advance(FIND_FREE_MS);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    fn timeline(&self, job: &JobId) -> Vec<String> {
        let row = self.world.stores.row(job);
        row.timeline.into_iter().map(|entry| entry.what).collect()
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

/// While a cluster is upgraded: a leader of the earlier version names what it does not understand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_leader_cannot_read_is_taken_up_by_a_node_that_can() {
    let cluster = Cluster::new();
    // By itself it would not assign anything to itself.
    let node = cluster.node("a", Some(0)).await;
    cluster.led_by("a").await;
    let [job, other] = [cluster.world.accept().await, cluster.world.accept().await];
    let (named, cluster) = (vec![job.clone()], &cluster);
    // Again and again: a node that hears no leader takes up whatever it finds.
    let leads = async {
        for beat in 1.. {
            let word = Word { epoch: Epoch(99), beat };
            let told = Assignments { word, left: named.clone(), ..Assignments::default() };
            cluster.board.assign(&Incarnation::new("a"), &told).await.expect("a store");
            tokio::time::sleep(Duration::from_millis(2 * FIND_PERIOD_MS)).await;
            cluster.world.clock.advance(FIND_FREE_MS);
        }
    };
    tokio::select! {
        () = leads => unreachable!("it leads for ever"),
        ended = tokio::time::timeout(Duration::from_secs(60), cluster.ended(&job)) => {
            ended.expect("it is taken up");
        }
    }
    assert_eq!(cluster.world.stores.row(&other).state, JobState::Accepted, "nobody named it");
    node.stop().await;
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

/// Whether a leader places it or nodes help themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_stays_off_spot_machines_waits_for_another_one() {
    for is_led in [true, false] {
        let cluster = Cluster::new();
        let mut spot = cluster.setting("a", "class", is_led);
        spot.1.about.is_spot = true;
        let spot = cluster.start(spot).await;
        let terms = Terms { stays_off_spot: true, ..Terms::default() };
        let taken = spot.desk().submit(cluster.world.synthesize(), terms).await;
        let job = taken.expect("a job").row.id;
        if is_led {
            cluster.notice(|it| it.why(&job) == Some(Waiting::OnlySpot)).await;
            let why = spot.desk().why(&job).await.expect("a node");
            assert_eq!(why, Some(Waiting::OnlySpot));
        }
        for _ in 0..2 {
            cluster.world.clock.advance(FIND_FREE_MS);
            tokio::time::sleep(Duration::from_millis(FIND_PERIOD_MS)).await;
        }
        assert_eq!(cluster.world.stores.row(&job).state, JobState::Accepted, "led: {is_led}");
        let other = cluster.start(cluster.setting("b", "class", is_led)).await;
        cluster.ended_in_time(&job).await;
        let told = cluster.timeline(&job);
        assert!(told.iter().any(|it| it.contains("by node b")), "{told:?}");
        assert!(!told.iter().any(|it| it.contains("by node a")), "{told:?}");
        for node in [spot, other] {
            node.stop().await;
        }
    }
}

/// Whoever computes otherwise leaves it alone while a node is there that computes as it began; and
/// what becomes of its class stands in its timeline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_has_begun_stays_in_its_numerics_class_while_a_node_of_it_is_there() {
    for (third, by, changes) in [("class", "by node c", false), ("other", "by node", true)] {
        let cluster = Cluster::new();
        let killed = cluster.start(cluster.setting("a", "class", false)).await;
        let (pause, job) = cluster.world.resting_at("step 5", &killed).await;
        let (mut others, classes) = (Vec::new(), [("b", "other"), ("c", third)]);
        for (name, class) in classes {
            others.push(cluster.start(cluster.setting(name, class, false)).await);
        }
        // It is measured before anybody need know.
        for (name, class) in classes {
            let class = NumericsClass(format!("{class}-2"));
            cluster.says(name, |it| it.computes_in(DeviceClass::Cpu, &class)).await;
        }
        drop(killed);
        cluster.world.clock.advance(LEASE_TTL_MS);
        cluster.ended(&job).await;
        let told = cluster.timeline(&job);
        let claims: Vec<_> = told.iter().filter(|it| it.contains("claimed in epoch")).collect();
        assert_eq!(claims.len(), 2, "{told:?}");
        assert!(claims[1].contains(by), "{third}: {told:?}");
        let change = "numerics class other-2 instead of class-2";
        assert_eq!(told.iter().any(|it| it.contains(change)), changes, "{third}: {told:?}");
        pause.release();
        for node in others {
            node.stop().await;
        }
    }
}
