//! Three nodes in two regions, each on a host of its own, over a database of three data centres, a
//! bus and links: whatever happens to any of it, and whenever, a job ends with the bytes of one
//! that nobody disturbed, on every node.
//!
//! Each fault once, one after the other; many times, at random moments and to several jobs at once
//! in `soak`.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tgs_simulations::dice::Dice;
use tgs_tests::{
    cluster::{Cluster, Files, Undisturbed, files, store, undisturbed},
    network::{Loss, Network},
    server::Server,
    services::{CassandraRing, Nats},
    waiting::{self, Looks},
};

use super::{LONG, example, wait_for_list};

/// Where each node stands.
const REGIONS: [&str; 3] = ["eu", "eu", "us"];
/// Longer than a lease lasts, and what is given back with it.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(20);
const FROZEN: Duration = Duration::from_secs(40);
const DATABASE_PAUSED: Duration = Duration::from_secs(30);
const BUS_LOST: Duration = Duration::from_secs(60);
/// A test that is run often waits for less long: still longer than a lease lasts.
const SHORTER: f64 = 0.6;
/// What a provider gives a machine at least.
const NOTICE: Duration = Duration::from_secs(30);

/// What may happen. Whoever works is one node, or several if there are several jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL of whoever works.
    Killed,
    /// SIGSTOP of them, SIGCONT after a while.
    Frozen,
    /// SIGTERM: they hand over.
    Stopped,
    /// Their machines will be taken away: they hand over, and are killed a while later.
    Announced,
    /// Their networks lose what is sent, one way or both.
    Cut(Loss),
    /// SIGKILL of the node that places jobs.
    LeaderKilled,
    /// SIGKILL of every node.
    AllKilled,
    /// Every node is stopped and started, one after the other.
    Rolling,
    /// The database stands still for a while.
    DatabasePaused,
    /// One data centre of three is killed, and started again later.
    DatabaseNodeKilled,
    /// The whole database is killed and started again.
    DatabaseKilled,
    /// The bus is killed and started again.
    BusRestarted,
    /// The same, a minute later.
    BusLost,
}

pub const FAULTS: [Fault; 15] = [
    Fault::Killed,
    Fault::Frozen,
    Fault::Stopped,
    Fault::Announced,
    Fault::Cut(Loss::Sent),
    Fault::Cut(Loss::Received),
    Fault::Cut(Loss::Both),
    Fault::LeaderKilled,
    Fault::AllKilled,
    Fault::Rolling,
    Fault::DatabasePaused,
    Fault::DatabaseNodeKilled,
    Fault::DatabaseKilled,
    Fault::BusRestarted,
    Fault::BusLost,
];

impl fmt::Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, to)
    }
}

/// What faults happen to.
pub struct House {
    // The nodes end before what they write to.
    cluster: Cluster,
    bus: Nats,
    ring: CassandraRing,
    network: Network,
    /// What is done to it lasts so much as long as it is called.
    lasting: f64,
}

impl House {
    pub fn of(tasks: &[Task], keyspace: &str, lasting: f64) -> Self {
        let network = Network::of(REGIONS.len());
        let ring = CassandraRing::start_near(&network, &[("eu", 1), ("us", 1), ("ap", 1)]);
        let bus = Nats::start_near(&network);
        let store = store(&ring.database(), keyspace);
        let cluster = Cluster::on(&network, &store, &REGIONS, &bus.url());
        for task in tasks {
            cluster.nodes()[0].upload(&task.name, "trial.csv", &task.table, 1 << 20);
        }
        cluster.until_linked(0);
        Self { cluster, bus, ring, network, lasting }
    }

    /// The nodes that work at a job; waits until one does. None if it has ended. After a fault a
    /// node may still be without its database.
    fn at_work(&self, job: &str) -> BTreeSet<usize> {
        let looks = Looks::begin();
        loop {
            let view = |no: usize| {
                let answer = self.cluster.nodes()[no].get(&format!("/v1/jobs/{job}"));
                Some(answer.body).filter(|_| answer.status == 200)
            };
            let works = |no: &usize| view(*no).is_some_and(|it| it["progress"].is_object());
            let working: BTreeSet<_> = self.cluster.all().into_iter().filter(works).collect();
            let is_open = |it: &Value| matches!(it["state"].as_str(), Some("waiting" | "running"));
            if !working.is_empty() || view(0).is_some_and(|it| !is_open(&it)) {
                return working;
            }
            assert!(looks.waited() < LONG, "nobody works at {job}");
            looks.rest();
        }
    }

    /// Lets it happen to whoever works, and ends it.
    fn suffer(&self, fault: Fault, working: &BTreeSet<usize>, dice: &mut Dice) {
        let Self { cluster, bus, ring, network, lasting } = self;
        let wait = |long: Duration| thread::sleep(long.mul_f64(*lasting));
        let nodes = cluster.nodes();
        let working = || working.iter().copied();
        match fault {
            Fault::Killed => {
                working().for_each(|no| nodes[no].kill());
                thread::sleep(LONGER_THAN_A_LEASE);
                working().for_each(|no| drop(nodes[no].go_up()));
            }
            Fault::Frozen => {
                working().for_each(|no| cluster.freeze(no));
                wait(FROZEN);
                working().for_each(|no| cluster.wake(no));
            }
            Fault::Stopped => {
                for no in working() {
                    assert_eq!(nodes[no].stop(), Some(0));
                    nodes[no].go_up();
                }
            }
            Fault::Announced => working().for_each(|no| self.take_away(no)),
            Fault::Cut(loss) => {
                working().for_each(|no| network.hosts()[no].lose(loss));
                thread::sleep(LONGER_THAN_A_LEASE);
                working().for_each(|no| network.hosts()[no].mend());
            }
            Fault::LeaderKilled => {
                waiting::until("a node leads", LONG, || cluster.leader(&nodes[0]).is_some());
                let leader = cluster.leader(&nodes[0]).expect("there is one");
                nodes[leader].kill();
                let other = &nodes[(leader + 1) % nodes.len()];
                waiting::until("another node leads", LONG, || {
                    cluster.leader(other).is_some_and(|it| it != leader)
                });
                nodes[leader].go_up();
            }
            Fault::AllKilled => {
                nodes.iter().for_each(Server::kill);
                nodes.iter().for_each(|node| drop(node.go_up()));
            }
            Fault::Rolling => {
                for node in nodes {
                    assert_eq!(node.stop(), Some(0));
                    node.go_up();
                }
            }
            Fault::DatabasePaused => {
                ring.nodes().iter().for_each(|it| it.pause());
                wait(DATABASE_PAUSED);
                ring.nodes().iter().for_each(|it| it.go_on());
            }
            Fault::DatabaseNodeKilled => {
                let lost = &ring.nodes()[dice.below(3) as usize];
                lost.kill();
                thread::sleep(LONGER_THAN_A_LEASE);
                lost.restart();
                ring.wait_until_whole();
            }
            Fault::DatabaseKilled => {
                ring.nodes().iter().for_each(|it| it.kill());
                ring.restart();
            }
            Fault::BusRestarted => bus.restart(),
            Fault::BusLost => {
                bus.kill();
                wait(BUS_LOST);
                bus.restart();
            }
        }
    }

    /// Its machine goes, with a notice.
    fn take_away(&self, no: usize) {
        let node = &self.cluster.nodes()[no];
        let began = Instant::now();
        self.cluster.announce(no, true);
        let (name, is_empty) = (format!("node-{no}"), ("leaving".to_owned(), 0));
        wait_for_list(node, "it hands over", |all| {
            let own = all.iter().find(|(node, ..)| *node == name);
            own.is_some_and(|(_, standing, jobs)| (standing.clone(), *jobs) == is_empty)
        });
        assert!(began.elapsed() < NOTICE, "{:?}", began.elapsed());
        node.kill();
        self.cluster.announce(no, false);
        node.go_up();
    }

    /// Orders these tasks, so that all are as far at one moment; then lets something happen to
    /// whoever works at them. Does not wait for their ends.
    pub fn strike(&self, tasks: &[Task], fault: Fault, dice: &mut Dice, share: f64) -> Struck {
        let began = Instant::now();
        let wait = |until: Duration| thread::sleep(until.saturating_sub(began.elapsed()));
        let mut by_length: Vec<_> = tasks.iter().collect();
        by_length.sort_by_key(|task| Reverse(task.same.took));
        let longest = by_length[0].same.took;
        let order = |task: &Task| {
            wait((longest - task.same.took).mul_f64(share));
            (task.name.clone(), self.order(task))
        };
        let jobs: BTreeMap<_, _> = by_length.into_iter().map(order).collect();
        jobs.values().for_each(|job| drop(self.at_work(job)));
        wait(longest.mul_f64(share));
        let workers = jobs.iter().map(|(name, job)| (name.clone(), self.at_work(job)));
        let workers: BTreeMap<_, _> = workers.filter(|(_, nodes)| !nodes.is_empty()).collect();
        let happens = Instant::now();
        self.suffer(fault, &workers.values().flatten().copied().collect(), dice);
        let took = happens.elapsed().as_secs_f64();
        println!("{fault} at {share:.2} of {jobs:?} at {workers:?}: {took:.0} s");
        Struck { jobs, at_work: workers.into_keys().collect() }
    }

    /// Orders a task, once, however long it takes until that is heard.
    fn order(&self, task: &Task) -> String {
        static ORDERS: AtomicU64 = AtomicU64::new(0);
        let key = ORDERS.fetch_add(1, Ordering::Relaxed).to_string();
        let mut job = None;
        waiting::until("the order is taken", LONG, || {
            let taken = self.cluster.nodes()[0].try_post("/v1/jobs", &task.order, Some(&key));
            let taken = taken.filter(|it| matches!(it.status, 200 | 201));
            job = taken.and_then(|it| it.body["id"].as_str().map(str::to_owned));
            job.is_some()
        });
        job.expect("it was waited for")
    }

    /// Waits for the ends of all that was struck.
    pub fn check_all(&self, struck: &Struck, tasks: &[Task], what: &str) {
        tasks.iter().for_each(|task| self.check(&struck.jobs[&task.name], task, what));
    }

    /// Waits for the end of a job: the same bytes at every node, and no epoch is two nodes'.
    fn check(&self, job: &str, task: &Task, what: &str) {
        let nodes = self.cluster.nodes();
        let view = nodes[0].ended(job);
        for (no, node) in nodes.iter().enumerate() {
            let differs = differing(&files(node, job), task.files());
            assert_eq!(differs, [""; 0], "{what} at node {no}: {view}");
        }
        let epochs = epochs(&view);
        let once: BTreeSet<_> = epochs.iter().collect();
        assert_eq!(once.len(), epochs.len(), "{what}: an epoch is one node's: {view}");
    }

    /// Nobody works any more, and nobody has seen a broken promise.
    pub fn check_rest(&self) {
        let nodes = self.cluster.nodes();
        wait_for_list(&nodes[0], "nobody works any more", |all| {
            all.len() == nodes.len() && all.iter().all(|(_, _, running)| *running == 0)
        });
        for node in nodes {
            assert_eq!(node.metric("tgs_invariant_violations_total"), Some(0));
        }
    }
}

/// Jobs to which something happened, by the tables that they are on.
pub struct Struck {
    jobs: BTreeMap<String, String>,
    /// Those that somebody worked at just then.
    pub at_work: Vec<String>,
}

/// A table, a job on it, and what comes of the job when nobody disturbs it.
pub struct Task {
    /// Of the dataset.
    pub name: String,
    pub table: Vec<u8>,
    pub order: Value,
    same: Arc<Undisturbed>,
}

impl Task {
    pub fn of(table: &Path, steps: u64, rows: u64) -> Self {
        let name = table.file_stem().expect("a file").to_string_lossy().into_owned();
        let table = fs::read(table).unwrap_or_else(|error| panic!("{}: {error}", table.display()));
        let learn = json!({"model": "tabgraph", "steps": steps, "threads": 1, "seed": 7});
        let order = json!({"kind": "synthesize", "dataset": name, "rows": rows, "learn": learn});
        let same = undisturbed(&name, &table, &order);
        Self { name, table, order, same }
    }

    pub fn files(&self) -> &Files {
        &self.same.files
    }

    pub fn on_example() -> Self {
        Self::of(&example(), 150, 12_000)
    }
}

/// The epochs in which a job was claimed, as its timeline tells.
fn epochs(view: &Value) -> Vec<String> {
    let told = view["timeline"].as_array().unwrap_or_else(|| panic!("no timeline: {view}")).iter();
    let told = told.filter_map(|it| it["what"].as_str()?.strip_prefix("claimed in epoch "));
    told.map(|it| it.split(' ').next().unwrap_or_default().to_owned()).collect()
}

/// The names of files that are not the same.
fn differing(some: &Files, others: &Files) -> Vec<String> {
    let (some, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (some.iter().cloned().collect(), others.iter().cloned().collect());
    let names: BTreeSet<_> = some.keys().chain(others.keys()).collect();
    names.into_iter().filter(|name| some.get(*name) != others.get(*name)).cloned().collect()
}

/// Each fault once, one after the other, each at a job of its own: of jobs before it some still
/// run, so that one meets what another one left behind.
#[test]
fn jobs_end_with_the_same_bytes_whatever_happens() {
    let tasks = [Task::on_example()];
    let house = House::of(&tasks, "faults", SHORTER);
    let mut dice = Dice::of_seed(1);
    let mut all = Vec::new();
    for (no, fault) in (0_u8..).zip(FAULTS) {
        // What was measured beside other tests may be longer than a job takes now.
        let shares = [1, 4, 16].map(|part| 0.04 * f64::from(no) / f64::from(part));
        let met = shares.into_iter().any(|share| {
            let struck = house.strike(&tasks, fault, &mut dice, share);
            let is_met = !struck.at_work.is_empty();
            all.push((fault, struck));
            is_met
        });
        assert!(met, "{fault}: every job has ended before it");
    }
    all.iter().for_each(|(fault, struck)| house.check_all(struck, &tasks, &fault.to_string()));
    house.check_rest();
    // What is ended stays so, and nobody works at it.
    let nodes = house.cluster.nodes();
    let mut order = tasks[0].order.clone();
    order["learn"]["steps"] = json!(1_000_000);
    let job = nodes[0].submit(&order);
    house.at_work(&job);
    let cancelled = nodes[2].post(&format!("/v1/jobs/{job}:cancel"), &json!({}));
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    house.check_rest();
}
