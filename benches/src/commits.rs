//! How many jobs a second a leader places with what it reads from and writes to a real database,
//! and how many nodes then claim.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    time::Instant,
};

use futures_util::{StreamExt, stream};
use tgs_adapters::{Scylla, conformance::sample::row, scylla::Contact};
use tgs_protocol::{
    id::{Incarnation, JobId},
    job::listing::StateClass,
    lease::{Lease, fence::unclaimed},
    placement::{
        board::{AssignmentBoard, Assignments},
        leader::{InLine, Leader, Said, Seen},
        leadership::office,
    },
    presence::{DeviceAt, Presence, PresenceBoard},
    queue::{DeviceClass, Use},
    store::{JobStore, LeaseStore},
    unit::{ByteCount, Epoch, Millis},
};
use tgs_tests::services::Database;

/// Calls that are under way at the same time, as of a scheduler.
const AT_ONCE: usize = 32;
/// Devices of each node.
const DEVICES: u64 = 10;

/// Places so many jobs on nodes that have room for all of them.
///
/// # Panics
/// When the database does not do what it is told.
pub async fn measure(jobs: u64) {
    let database = Database::shared();
    let keyspace = format!("commits_{}", std::process::id());
    let contact = Contact::of(database.contact_points, database.data_centres, keyspace);
    let folder = env::temp_dir().join(format!("tgs-bench-commits-{}", std::process::id()));
    let store = Scylla::open(&contact, &folder).await.expect("opens");
    let nodes = jobs.div_ceil(DEVICES);
    println!("{jobs} jobs, {nodes} nodes of {DEVICES} devices");
    let insert = async |no: u64| {
        let inserted = store.insert(&row(&format!("job{no:06}"), no)).await;
        assert!(inserted.is_ok(), "{inserted:?}");
    };
    timed("orders are taken", jobs, stream::iter(0..jobs).for_each_concurrent(AT_ONCE, insert))
        .await;
    let say = async |no: u64| store.say(&node(no)).await.expect("it is said");
    timed(
        "nodes say that they are there",
        nodes,
        stream::iter(0..nodes).for_each_concurrent(AT_ONCE, say),
    )
    .await;

    let owner = Incarnation::new("leader");
    let lease = Lease { job: office(), owner, epoch: Epoch(1) };
    let (mut leader, mut known) = (Leader::default(), BTreeMap::new());
    let began = Instant::now();
    let rows = cycle(&store, (&mut leader, &mut known), &lease, 0).await;
    let assigned: Vec<_> = rows
        .iter()
        .flat_map(|(node, told)| told.jobs.iter().map(move |it| (node.clone(), it.job.clone())))
        .collect();
    assert_eq!(assigned.len() as u64, jobs, "there is room for all");
    say_rate("placed by a leader that was just elected", jobs, began);
    let began = Instant::now();
    let again = cycle(&store, (&mut leader, &mut known), &lease, 1_000).await;
    assert_eq!(again.len(), 0, "nothing has changed");
    println!(
        "{:<42} {:>8.0} ms",
        "a look when nothing has changed",
        began.elapsed().as_secs_f64() * 1e3
    );
    let read = async |no: u64| {
        let told = store.assigned(&node(no).incarnation).await.expect("a look");
        assert!(told.is_some());
    };
    timed(
        "nodes read what they are told",
        nodes,
        stream::iter(0..nodes).for_each_concurrent(AT_ONCE, read),
    )
    .await;
    let claim = async |(node, job): (Incarnation, JobId)| {
        let claimed = store.claim(&job, &node, &unclaimed()).await.expect("a claim");
        assert!(claimed.is_some(), "nobody else claims");
    };
    timed(
        "claimed by those nodes",
        jobs,
        stream::iter(assigned).for_each_concurrent(AT_ONCE, claim),
    )
    .await;
    let _ = fs::remove_dir_all(&folder);
}

/// One look of a leader: as `actors/src/scheduler.rs` does.
async fn cycle(
    store: &Scylla,
    (leader, known): (&mut Leader, &mut BTreeMap<JobId, InLine>),
    lease: &Lease,
    now_ms: u64,
) -> Vec<(Incarnation, Assignments)> {
    let nodes = store.all().await.expect("a list");
    let names: BTreeSet<_> = known.keys().cloned().collect();
    let line = store.line(StateClass::Waiting, &names, usize::MAX).await.expect("a line");
    known.extend(line.1.iter().map(|row| (row.id.clone(), InLine::of(row))));
    let line: Vec<_> = known.values().collect();
    let nodes: Vec<_> = nodes.iter().collect();
    let shares = BTreeMap::new();
    let seen = Seen {
        now: Millis(now_ms),
        nodes: &nodes,
        line: &line,
        cells: Vec::new(),
        running: BTreeMap::new(),
        shares: &shares,
    };
    let Said { rows, notice, .. } = leader.look(seen, lease);
    let tell = async |(node, told): &(Incarnation, Assignments)| {
        store.assign(node, told).await.expect("it is told");
    };
    stream::iter(&rows).for_each_concurrent(AT_ONCE, tell).await;
    store.post(&notice).await.expect("it is told");
    rows
}

fn node(no: u64) -> Presence {
    let device = DeviceAt { class: DeviceClass::Cpu, used: Use::Free };
    Presence {
        node: format!("node-{no}"),
        devices: (0..DEVICES).map(|_| device).collect(),
        is_led: true,
        memory: ByteCount(1 << 40),
        free_memory: ByteCount(1 << 40),
        ..Presence::of(Incarnation::new(format!("node-{no}")))
    }
}

async fn timed(what: &str, count: u64, work: impl Future<Output = ()>) {
    let began = Instant::now();
    work.await;
    say_rate(what, count, began);
}

fn say_rate(what: &str, count: u64, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    println!("{what:<42} {:>8.0} a second", count as f64 / seconds);
}
