//! Three nodes in two regions, each on a host of its own, over a database of three data centres, a
//! bus and links: whatever happens to any of it, and whenever, a job ends with the bytes of one
//! that nobody disturbed, on every node.
//!
//! Each fault once; `soak` lets all of them happen at random moments, many times, to several jobs
//! at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fmt,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_simulations::dice::Dice;
use tgs_tests::{
    cluster::{Cluster, files, store},
    network::{Loss, Network},
    server::Server,
    services::{CassandraRing, Nats},
    waiting,
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
/// Of further tables of the soak, which are larger than the example.
const STEPS_OF_LARGE: u64 = 120;

/// What may happen. Whoever works is one node, or several if there are several jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
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

const FAULTS: [Fault; 15] = [
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
struct House {
    // The nodes end before what they write to.
    cluster: Cluster,
    bus: Nats,
    ring: CassandraRing,
    network: Network,
    /// What is done to it lasts so much as long as it is called.
    lasting: f64,
}

impl House {
    fn of(tasks: &[Task], keyspace: &str, lasting: f64) -> Self {
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

    /// The nodes that work at one of these jobs; waits until one does. None if all have ended.
    fn at_work(&self, jobs: &[String]) -> BTreeSet<usize> {
        let began = Instant::now();
        loop {
            let view = |no: usize, job: &str| {
                let answer = self.cluster.nodes()[no].get(&format!("/v1/jobs/{job}"));
                assert_eq!(answer.status, 200, "{}", answer.body);
                answer.body
            };
            let works = |no: &usize| jobs.iter().any(|job| view(*no, job)["progress"].is_object());
            let working: BTreeSet<_> = self.cluster.all().into_iter().filter(works).collect();
            let is_open = |job: &String| {
                matches!(view(0, job)["state"].as_str(), Some("waiting" | "running"))
            };
            if !working.is_empty() || !jobs.iter().any(is_open) {
                return working;
            }
            assert!(began.elapsed() < LONG, "nobody works at {jobs:?}");
            thread::sleep(Duration::from_millis(50));
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

    /// Orders every task at once, lets something happen after a share of the time of the longest,
    /// and looks at what comes of them.
    fn disturb(&self, tasks: &[Task], fault: Fault, dice: &mut Dice, share: f64) -> Duration {
        let nodes = self.cluster.nodes();
        let began = Instant::now();
        let jobs: Vec<_> = tasks.iter().map(|task| nodes[0].submit(&task.order)).collect();
        self.at_work(&jobs);
        let longest = tasks.iter().map(|task| task.took).max().expect("a task");
        thread::sleep(longest.mul_f64(share));
        let working = self.at_work(&jobs);
        self.suffer(fault, &working, dice);
        let happened = began.elapsed();
        for (job, task) in jobs.iter().zip(tasks) {
            let view = nodes[0].ended(job);
            for (no, node) in nodes.iter().enumerate() {
                let differs = differing(&files(node, job), &task.files);
                assert_eq!(differs, [""; 0], "{fault} at {share} at node {no}: {view}");
            }
            let epochs = epochs(&view);
            let once: BTreeSet<_> = epochs.iter().collect();
            assert_eq!(
                once.len(),
                epochs.len(),
                "{fault} at {share}: an epoch is one node's: {view}"
            );
        }
        wait_for_list(&nodes[0], "nobody works any more", |all| {
            all.len() == nodes.len() && all.iter().all(|(_, _, running)| *running == 0)
        });
        for node in nodes {
            assert_eq!(node.metric("tgs_invariant_violations_total"), Some(0), "{fault}");
        }
        let all = began.elapsed();
        println!(
            "{fault} at {share:.2} to {working:?}: {:.0} s, {:.0} s of them after it",
            all.as_secs_f64(),
            (all - happened).as_secs_f64()
        );
        all
    }
}

/// A table, a job on it, and what comes of the job when nobody disturbs it.
pub struct Task {
    /// Of the dataset.
    pub name: String,
    pub table: Vec<u8>,
    pub order: Value,
    pub files: Vec<(String, Vec<u8>)>,
    took: Duration,
}

impl Task {
    fn of(table: &Path, steps: u64, rows: u64) -> Self {
        let name = table.file_stem().expect("a file").to_string_lossy().into_owned();
        let table = fs::read(table).unwrap_or_else(|error| panic!("{}: {error}", table.display()));
        let learn = json!({"model": "tabgraph", "steps": steps, "threads": 1, "seed": 7});
        let order = json!({"kind": "synthesize", "dataset": name, "rows": rows, "learn": learn});
        let home = TempDir::new().expect("a temporary folder");
        let server = Server::start(home.path());
        server.upload(&name, "trial.csv", &table, 1 << 20);
        let began = Instant::now();
        let job = server.submit(&order);
        assert!(server.ended(&job)["state"].is_string());
        let (files, took) = (files(&server, &job), began.elapsed());
        Self { name, table, order, files, took }
    }

    pub fn on_example() -> Self {
        Self::of(&example(), 300, 12_000)
    }
}

/// The epochs in which a job was claimed, as its timeline tells.
fn epochs(view: &Value) -> Vec<String> {
    let told = view["timeline"].as_array().unwrap_or_else(|| panic!("no timeline: {view}")).iter();
    let told = told.filter_map(|it| it["what"].as_str()?.strip_prefix("claimed in epoch "));
    told.map(|it| it.split(' ').next().unwrap_or_default().to_owned()).collect()
}

/// The names of files that are not the same.
fn differing(some: &[(String, Vec<u8>)], others: &[(String, Vec<u8>)]) -> Vec<String> {
    let (some, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (some.iter().cloned().collect(), others.iter().cloned().collect());
    let names: BTreeSet<_> = some.keys().chain(others.keys()).collect();
    names.into_iter().filter(|name| some.get(*name) != others.get(*name)).cloned().collect()
}

#[test]
fn a_job_ends_with_the_same_bytes_whatever_happens() {
    let task = [Task::of(&example(), 150, 12_000)];
    let house = House::of(&task, "faults", SHORTER);
    let mut dice = Dice::of_seed(1);
    for (no, fault) in FAULTS.into_iter().enumerate() {
        house.disturb(&task, fault, &mut dice, 0.1 + 0.05 * no as f64);
    }
    // What is ended stays so, and nobody works at it.
    let nodes = house.cluster.nodes();
    let mut order = task[0].order.clone();
    order["learn"]["steps"] = json!(1_000_000);
    let job = nodes[0].submit(&order);
    house.at_work(std::slice::from_ref(&job));
    let cancelled = nodes[2].post(&format!("/v1/jobs/{job}:cancel"), &json!({}));
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    wait_for_list(&nodes[1], "nothing is left running", |all| {
        all.len() == nodes.len() && all.iter().all(|(_, _, running)| *running == 0)
    });
}

/// Every fault at random moments, so often for each (TGS_SOAK_KILLS, TGS_SOAK_SEED), with a job on
/// the example and one on each further table (TGS_SOAK_TABLES) at work at the same time. What was
/// seen is appended to a file (TGS_SOAK_LOG), and not done again.
#[test]
#[ignore = "takes hours; ./dev soak runs it"]
fn soak() {
    let number = |name: &str, default: u64| {
        env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (rounds, seed) = (number("TGS_SOAK_KILLS", 20), number("TGS_SOAK_SEED", 1));
    let further = env::var("TGS_SOAK_TABLES").unwrap_or_default();
    let further = env::split_paths(&further).filter(|path| !path.as_os_str().is_empty());
    let mut tasks = vec![Task::on_example()];
    tasks.extend(further.map(|path| Task::of(&path, STEPS_OF_LARGE, 12_000)));
    let names: Vec<_> = tasks.iter().map(|task| task.name.clone()).collect();
    println!("seed {seed}, {rounds} rounds of {} faults, jobs on {names:?}", FAULTS.len());
    let log = env::var_os("TGS_SOAK_LOG").map(PathBuf::from);
    let mut seen = BTreeSet::new();
    if let Some(text) = log.as_ref().and_then(|log| fs::read_to_string(log).ok()) {
        seen.extend(text.lines().filter_map(|line| line.split(" at ").next().map(str::to_owned)));
    }
    let (house, mut done) = (House::of(&tasks, &format!("soak_{seed}"), 1.0), BTreeMap::new());
    for round in 0..rounds {
        for (no, fault) in FAULTS.into_iter().enumerate() {
            let mut dice = Dice::of_seed((seed * 1_000 + round) * 100 + no as u64);
            let share = dice.share();
            let what = format!("seed {seed} round {round}: {fault}, jobs on {}", names.join(", "));
            if !seen.contains(&what) {
                let took = house.disturb(&tasks, fault, &mut dice, share).as_secs();
                if let Some(log) = &log {
                    let mut log = OpenOptions::new().create(true).append(true).open(log);
                    let line = format!("{what} at {share:.3} in {took} s");
                    let written = log.as_mut().map(|log| writeln!(log, "{line}"));
                    written.expect("the log of the soak").expect("room on the disk");
                }
            }
            *done.entry(fault).or_insert(0) += 1;
        }
    }
    println!("all bytes identical: {done:?}");
}
