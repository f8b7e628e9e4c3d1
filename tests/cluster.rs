//! Nodes of a cluster as real processes over a real database: whatever happens to them, and
//! whenever, a job ends with the bytes of one that nobody disturbed.
//!
//! Each fault once; `soak` does all of them at random moments, many times. A failure prints the
//! seed that repeats it.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_protocol::limits::LEASE_TTL_MS;
use tgs_simulations::dice::Dice;
use tgs_tests::{
    cluster::{Cluster, files, is_training},
    network::{Loss, Network},
    program::{in_repository, refusal},
    server::Server,
    services::{Cassandra, CassandraRing, Database, Nats, objects::Objects},
    waiting,
};

/// Longer than all jobs of a test take.
const LONG: Duration = Duration::from_secs(180);
/// How long a node is frozen and a database paused: longer than a lease lasts.
const PAUSE: Duration = Duration::from_secs(30);

/// What a provider gives a machine at least.
const NOTICE: Duration = Duration::from_secs(30);

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// SIGKILL of the node that works.
    Killed,
    /// SIGSTOP of it, SIGCONT after a while.
    Frozen,
    /// SIGTERM: it hands over.
    Stopped,
    /// Its machine will be taken away: it hands over, and is killed a while later.
    Announced,
    /// SIGKILL of every node.
    AllKilled,
    /// Every node is stopped and started, one after the other.
    Rolling,
    /// The database stands still for a while.
    DatabasePaused,
    /// The database is killed and started again.
    DatabaseKilled,
    /// The bus is killed, and started again a minute later.
    BusLost,
}

const FAULTS: [Fault; 9] = [
    Fault::Killed,
    Fault::Frozen,
    Fault::Stopped,
    Fault::Announced,
    Fault::AllKilled,
    Fault::Rolling,
    Fault::DatabasePaused,
    Fault::DatabaseKilled,
    Fault::BusLost,
];

/// What faults happen to.
struct House {
    database: Cassandra,
    bus: Nats,
    cluster: Cluster,
}

impl House {
    /// Three nodes, with a table for the task.
    fn of(task: &Task, keyspace: &str) -> Self {
        let (database, bus) = (Cassandra::start(), Nats::start());
        let url = bus.url();
        let further = [("TGS_NATS", url.as_str())];
        let cluster = Cluster::with_settings(&["all"; 3], &database.database(), keyspace, &further);
        cluster.nodes()[0].upload("trial", "trial.csv", &task.table, 1 << 20);
        Self { database, bus, cluster }
    }
}

impl Fault {
    /// Lets it happen to whoever works at a job, and ends it.
    fn happen(self, house: &House, worker: usize) {
        let House { database, bus, cluster } = house;
        let nodes = cluster.nodes();
        match self {
            Self::Killed => {
                nodes[worker].kill();
                thread::sleep(PAUSE / 2);
                nodes[worker].go_up();
            }
            Self::Frozen => {
                cluster.freeze(worker);
                thread::sleep(PAUSE);
                cluster.wake(worker);
            }
            Self::Stopped => {
                assert_eq!(nodes[worker].stop(), Some(0));
                nodes[worker].go_up();
            }
            Self::Announced => {
                let began = Instant::now();
                cluster.announce(worker, true);
                let name = format!("node-{worker}");
                let is_empty = ("leaving".to_owned(), 0);
                wait_for_list(&nodes[worker], "it hands over", |all| {
                    let own = all.iter().find(|(node, ..)| *node == name);
                    own.is_some_and(|(_, standing, jobs)| (standing.clone(), *jobs) == is_empty)
                });
                assert!(began.elapsed() < NOTICE, "{:?}", began.elapsed());
                nodes[worker].kill();
                cluster.announce(worker, false);
                nodes[worker].go_up();
            }
            Self::AllKilled => {
                nodes.iter().for_each(Server::kill);
                nodes.iter().for_each(|node| drop(node.go_up()));
            }
            Self::Rolling => {
                for node in nodes {
                    assert_eq!(node.stop(), Some(0));
                    node.go_up();
                }
            }
            Self::DatabasePaused => {
                database.pause();
                thread::sleep(PAUSE);
                database.go_on();
            }
            Self::DatabaseKilled => {
                database.kill();
                database.restart();
            }
            Self::BusLost => {
                bus.kill();
                thread::sleep(2 * PAUSE);
                bus.restart();
            }
        }
    }
}

/// A table, a job on it, and what comes of the job when nobody disturbs it.
struct Task {
    table: Vec<u8>,
    order: Value,
    files: Vec<(String, Vec<u8>)>,
    took: Duration,
}

impl Task {
    fn of(table: &Path, steps: u64) -> Self {
        let table = fs::read(table).unwrap_or_else(|error| panic!("{}: {error}", table.display()));
        let learn = json!({"model": "tabgraph", "steps": steps, "threads": 1, "seed": 7});
        let order =
            json!({"kind": "synthesize", "dataset": "trial", "rows": 25_000, "learn": learn});
        let home = TempDir::new().expect("a temporary folder");
        let server = Server::start(home.path());
        server.upload("trial", "trial.csv", &table, 1 << 20);
        let began = Instant::now();
        let job = server.submit(&order);
        assert!(server.ended(&job)["state"].is_string());
        Self { table, order, files: files(&server, &job), took: began.elapsed() }
    }

    /// Orders it, lets something happen after a share of its time, and looks at what comes of it.
    fn disturbed(&self, house: &House, fault: Fault, share: f64) {
        let cluster = &house.cluster;
        let nodes = cluster.nodes();
        let job = nodes[0].submit(&self.order);
        let _ = cluster.at_work(&cluster.all(), &job, |_| true);
        thread::sleep(self.took.mul_f64(share));
        if let Some(worker) = cluster.at_work(&cluster.all(), &job, |_| true) {
            fault.happen(house, worker);
        }
        let began = Instant::now();
        let view = nodes[0].ended(&job);
        println!("{fault:?} at {share:.2}: {} s more", began.elapsed().as_secs());
        for node in nodes {
            assert_eq!(files(node, &job), self.files, "{fault:?} at {share}: {view}");
        }
    }
}

fn example() -> PathBuf {
    in_repository("examples/actg175.csv")
}

#[test]
fn a_job_ends_with_the_same_bytes_whatever_happens() {
    let task = Task::of(&example(), 400);
    let house = House::of(&task, "faults");
    for (no, fault) in FAULTS.into_iter().enumerate() {
        task.disturbed(&house, fault, 0.15 + 0.08 * no as f64);
    }
}

/// Three copies of everything: two of them are enough.
#[test]
fn a_job_survives_a_database_that_loses_one_node_of_three() {
    let task = Task::of(&example(), 400);
    let ring = CassandraRing::start(&[("dc1", 3)]);
    let cluster = Cluster::start(2, &ring.database(), "ring");
    let nodes = cluster.nodes();
    nodes[0].upload("trial", "trial.csv", &task.table, 1 << 20);
    let job = nodes[0].submit(&task.order);
    let worker = cluster.at_work(&cluster.all(), &job, is_training).expect("it has not ended");
    ring.nodes()[0].kill();
    // And the one that works, so that another must read what is there.
    nodes[worker].kill();
    nodes[1 - worker].ended(&job);
    nodes[worker].go_up();
    for node in nodes {
        assert_eq!(files(node, &job), task.files);
    }
}

/// Whichever way the network of the node that works loses what is sent: another one goes on once
/// the lease has run out; the first one stands down by itself, and what it still wants to write
/// when it is heard again is refused.
#[test]
fn a_job_survives_networks_that_lose_what_is_sent() {
    let task = Task::of(&example(), 400);
    let network = Network::of(3);
    let database = Cassandra::start_near(&network);
    let cluster = Cluster::on(&network, &database.database(), "cut");
    let nodes = cluster.nodes();
    nodes[0].upload("trial", "trial.csv", &task.table, 1 << 20);
    for loss in [Loss::Sent, Loss::Received, Loss::Both] {
        let job = nodes[0].submit(&task.order);
        let first = cluster.at_work(&cluster.all(), &job, is_training).expect("it has not ended");
        network.hosts()[first].lose(loss);
        let lost = Instant::now();
        let mut others = cluster.all();
        others.remove(&first);
        let next = cluster.at_work(&others, &job, is_training).expect("it has not ended");
        println!("{loss:?}: another node goes on after {:?}", lost.elapsed());
        network.hosts()[first].mend();
        nodes[next].ended(&job);
        for node in nodes {
            assert_eq!(files(node, &job), task.files, "{loss:?}");
        }
        let told = nodes[next].get(&format!("/v1/jobs/{job}")).body["timeline"].to_string();
        assert!(told.contains(&format!("claimed in epoch 2 by node node-{next}, ")), "{told}");
        assert!(!told.contains("epoch 3"), "who came back wrote nothing more: {told}");
        wait_for_list(&nodes[first], "nobody works any more", |all| {
            all.len() == 3 && all.iter().all(|(_, _, running)| *running == 0)
        });
    }
}

/// The woken node does not know that it was frozen: its job went on elsewhere, and what it writes
/// is refused.
#[test]
fn a_job_survives_one_node_after_another() {
    let task = Task::of(&example(), 400);
    let cluster = Cluster::start(3, &Database::shared(), "takeover");
    let nodes = cluster.nodes();
    nodes[0].upload("trial", "trial.csv", &task.table, 1 << 20);
    let job = nodes[0].submit(&task.order);
    let mut left = cluster.all();
    let killed = cluster.at_work(&left, &job, is_training).expect("it has not ended");
    nodes[killed].kill();
    left.remove(&killed);
    let frozen = cluster.at_work(&left, &job, |_| true).expect("it has not ended");
    cluster.freeze(frozen);
    left.remove(&frozen);
    let last = cluster.at_work(&left, &job, |_| true).expect("it has not ended");
    cluster.wake(frozen);
    nodes[last].ended(&job);
    nodes[killed].go_up();
    for node in nodes {
        assert_eq!(files(node, &job), task.files);
    }
}

#[test]
fn a_node_that_is_asked_to_stop_hands_over_and_any_node_cancels() {
    let cluster = Cluster::start(2, &Database::shared(), "handover");
    let nodes = cluster.nodes();
    nodes[0].upload("trial", "trial.csv", &fs::read(example()).expect("a table"), 1 << 20);
    let endless = json!({"model": "tabgraph", "steps": 1_000_000, "threads": 1, "seed": 3});
    let order = json!({"kind": "train", "dataset": "trial", "learn": endless});
    let job = nodes[0].submit(&order);
    let first = cluster.at_work(&cluster.all(), &job, is_training).expect("it does not end");
    let other = 1 - first;
    assert_eq!(nodes[first].stop(), Some(0));
    let left = Instant::now();
    assert_eq!(cluster.at_work(&BTreeSet::from([other]), &job, is_training), Some(other));
    assert!(left.elapsed() < Duration::from_millis(LEASE_TTL_MS), "nobody waits for a lease");
    nodes[first].go_up();
    let cancelled = nodes[first].post(&format!("/v1/jobs/{job}:cancel"), &json!({}));
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    for node in nodes {
        let view = node.get(&format!("/v1/jobs/{job}")).body;
        assert_eq!((&view["state"], &view["files"]), (&json!("cancelled"), &Value::Null), "{view}");
    }
}

/// Three nodes and nine jobs that one of them took: all are at work at the same time.
#[test]
fn jobs_that_wait_are_begun_by_whoever_has_a_device_free() {
    let cluster = Cluster::start(3, &Database::shared(), "spread");
    let nodes = cluster.nodes();
    nodes[0].upload("trial", "trial.csv", &fs::read(example()).expect("a table"), 1 << 20);
    let learn = |seed| json!({"model": "tabgraph", "steps": 150, "threads": 1, "seed": seed});
    let order = |seed| json!({"kind": "train", "dataset": "trial", "learn": learn(seed)});
    let jobs: Vec<_> = (0..9).map(|seed| nodes[0].submit(&order(seed))).collect();
    let works = |node: &Server| {
        let busy = |job: &String| node.get(&format!("/v1/jobs/{job}")).body["progress"].is_object();
        jobs.iter().any(busy)
    };
    let began = Instant::now();
    let mut helpers = BTreeSet::new();
    while helpers.len() < 3 {
        assert!(began.elapsed() < LONG, "only {helpers:?} work");
        let at_work = nodes.iter().enumerate().filter(|(_, node)| works(node));
        helpers.extend(at_work.map(|(no, _)| no));
    }
    for job in &jobs {
        let view = nodes[1].ended(job);
        assert_eq!(view["state"], "published", "{view}");
        let claims = view["timeline"].as_array().expect("a timeline").iter();
        let claims = claims.filter(|it| it["what"].as_str().is_some_and(|it| it.contains("claim")));
        assert_eq!(claims.count(), 1, "one node works at it, once: {view}");
    }
}

/// A front takes the order and hands out the result; what works cannot even be asked.
#[test]
fn a_front_that_never_computes_leaves_its_jobs_to_workers() {
    let cluster = Cluster::with_roles(&["web", "worker"], &Database::shared(), "roles");
    let front = &cluster.nodes()[0];
    front.upload("trial", "trial.csv", &fs::read(example()).expect("a table"), 1 << 20);
    let learn = json!({"model": "seqtree", "threads": 1});
    let job = front.submit(&json!({"kind": "train", "dataset": "trial", "learn": learn}));
    let view = front.ended(&job);
    assert_eq!(view["state"], "published", "{view}");
    assert_eq!(files(front, &job).len(), 1);
    assert!(cluster.nodes()[1].try_get("/v1/jobs").is_none(), "it does not listen");
    assert_eq!(cluster.nodes()[1].stop(), Some(0));
}

/// Whichever node is asked hands large files out, and they go with their job and dataset.
#[test]
fn large_files_lie_in_object_storage() {
    let storage = Objects::start();
    let variables = storage.variables();
    let mut further = vec![("TGS_OBJECTS", "s3://tgs/cluster")];
    further.extend(variables.iter().map(|(name, value)| (*name, value.as_str())));
    let cluster = Cluster::with_settings(&["all"; 2], &Database::shared(), "objects", &further);
    let [one, other] = cluster.nodes() else { panic!("two nodes") };
    let example = fs::read_to_string(example()).expect("a table");
    let (head, rows) = example.split_once('\n').expect("a header");
    let table = format!("{head}\n{}", rows.repeat(30));
    assert!(table.len() > 4 << 20, "{}", table.len());
    one.upload("trial", "trial.csv", table.as_bytes(), 8 << 20);
    let learn = json!({"model": "seqtree", "threads": 1, "seed": 7});
    let order = json!({"kind": "synthesize", "dataset": "trial", "learn": learn});
    let job = one.submit(&order);
    let view = one.ended(&job);
    assert_eq!(files(one, &job), files(other, &job), "{view}");
    let sizes = view["files"].as_array().expect("files").iter().map(|file| &file["size"]);
    assert!(sizes.filter_map(Value::as_u64).any(|size| size > 4 << 20), "{view}");
    assert!(storage.count("cluster/") >= 2, "the dataset and the result");
    for place in [format!("/v1/jobs/{job}"), "/v1/datasets/trial/versions/1".to_owned()] {
        let gone = other.delete(&place);
        assert_eq!(gone.status, 204, "{}", gone.body);
    }
    assert_eq!(storage.count("cluster/"), 0);
}

/// The nodes as one of them lists them: names, standings, and how many jobs each works at.
fn listed(server: &Server) -> Vec<(String, String, usize)> {
    let page = server.get("/v1/nodes");
    assert_eq!(page.status, 200, "{}", page.body);
    let nodes = page.body["items"].as_array().expect("nodes").iter();
    nodes
        .map(|node| {
            let text = |name: &str| node[name].as_str().expect("text").to_owned();
            (text("node"), text("standing"), node["running"].as_array().expect("jobs").len())
        })
        .collect()
}

fn wait_for_list(server: &Server, what: &str, is_so: impl Fn(&[(String, String, usize)]) -> bool) {
    let wanted = || {
        let nodes = listed(server);
        println!("{what}: {nodes:?}"); // Shown where it is in vain.
        is_so(&nodes)
    };
    waiting::until(what, LONG, wanted);
}

/// A node that is drained hands over and takes up nothing, also after a restart; the timeline of a
/// job says who took it from whom.
#[test]
fn operators_see_nodes_and_empty_them() {
    let cluster = Cluster::start(2, &Database::shared(), "operators");
    let nodes = cluster.nodes();
    nodes[0].upload("trial", "trial.csv", &fs::read(example()).expect("a table"), 1 << 20);
    let standing = |of: &[(String, String, usize)], no: usize| {
        let name = format!("node-{no}");
        of.iter()
            .find(|(node, ..)| *node == name)
            .map(|(_, standing, running)| (standing.clone(), *running))
    };
    wait_for_list(&nodes[0], "both are there", |all| all.len() == 2);
    let endless = json!({"model": "tabgraph", "steps": 1_000_000, "threads": 1, "seed": 3});
    let order = json!({"kind": "train", "dataset": "trial", "learn": endless});
    let job = nodes[0].submit(&order);
    let first = cluster.at_work(&cluster.all(), &job, is_training).expect("it does not end");
    let other = 1 - first;
    let drained = nodes[other].post(&format!("/v1/nodes/node-{first}:drain"), &json!({}));
    assert_eq!(drained.status, 200, "{}", drained.body);
    assert_eq!(cluster.at_work(&BTreeSet::from([other]), &job, is_training), Some(other));
    let is_empty = |all: &[_]| standing(all, first) == Some(("draining".to_owned(), 0));
    wait_for_list(&nodes[other], "it is empty", is_empty);
    wait_for_list(&nodes[other], "the other works", |all| {
        standing(all, other) == Some(("working".to_owned(), 1))
    });
    let view = nodes[other].get(&format!("/v1/jobs/{job}")).body;
    let told = view["timeline"].to_string();
    assert!(told.contains(&format!("claimed in epoch 1 by node node-{first}")), "{told}");
    assert!(told.contains(&format!("claimed in epoch 2 by node node-{other}, ")), "{told}");
    assert!(told.contains("after its last change: it was given back"), "{told}");
    // Another job waits rather than go to a node that was emptied, also when that starts anew.
    nodes[first].kill();
    nodes[first].go_up();
    let next = nodes[first].submit(&order);
    wait_for_list(&nodes[other], "it is back", is_empty);
    thread::sleep(Duration::from_secs(5));
    assert_eq!(nodes[first].get(&format!("/v1/jobs/{next}")).body["state"], "waiting");
    let back = nodes[first].post(&format!("/v1/nodes/node-{first}:uncordon"), &json!({}));
    assert_eq!(back.status, 200, "{}", back.body);
    assert_eq!(cluster.at_work(&BTreeSet::from([first]), &next, is_training), Some(first));
    for job in [&job, &next] {
        let cancelled = nodes[other].post(&format!("/v1/jobs/{job}:cancel"), &json!({}));
        assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    }
    let absent = nodes[first].post("/v1/nodes/absent:cordon", &json!({}));
    assert_eq!((absent.status, &absent.body["code"]), (404, &json!("USE-0007")));
    nodes[first].stop();
    wait_for_list(&nodes[other], "it has left", |all| all.len() == 1);
}

/// One clear error each, and no password in any.
#[test]
fn what_a_node_cannot_start_with_is_said() {
    let home = TempDir::new().expect("a temporary folder");
    let short = home.path().join("short-token");
    fs::write(&short, "guess").expect("write");
    let (short, nobody) = (short.to_str().expect("a name"), "cql://127.0.0.1:1/tgs");
    let database = Database::shared();
    let store = format!("cql://{}/refused", database.contact_points.join(","));
    for (settings, code, told) in [
        (vec![], "USE-0001", "the setting `store` names no database"),
        (vec![("TGS_STORE", "db-1")], "USE-0001", "write cql://user@host:port"),
        (vec![("TGS_STORE", "cql://ada:secret@db-1/tgs")], "USE-0001", "TGS_STORE_PASSWORD"),
        (vec![("TGS_STORE", nobody)], "STORE-", "no node answers there"),
        (vec![("TGS_STORE", nobody), ("TGS_ROLES", "boss")], "USE-0001", "`boss` is none"),
        (vec![("TGS_STORE", &store), ("TGS_NODE_NAME", "a b")], "USE-0001", "`node_name`"),
        (vec![("TGS_STORE", &store), ("TGS_TOKEN_FILE", short)], "USE-0001", "less than 32"),
        (vec![("TGS_STORE", &store), ("TGS_TOKEN_FILE", "/no")], "USE-0001", "secret of clients"),
    ] {
        let (error, said) = refusal(&home.path().join("node"), "node", &settings);
        assert!(error["code"].as_str().is_some_and(|it| it.starts_with(code)), "{error}");
        assert!(error["message"].as_str().is_some_and(|it| it.contains(told)), "{error}");
        assert!(!said.contains("secret@") && !said.contains(":secret"), "{said}");
    }
}

/// Every fault at random moments, so often for each (TGS_SOAK_KILLS, TGS_SOAK_SEED), on the example
/// and on further tables (TGS_SOAK_TABLES).
#[test]
#[ignore = "takes hours; ./dev soak runs it"]
fn soak() {
    let number = |name: &str, default: u64| {
        env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (rounds, seed) = (number("TGS_SOAK_KILLS", 20), number("TGS_SOAK_SEED", 1));
    let mut tables = vec![example()];
    tables.extend(env::var("TGS_SOAK_TABLES").iter().flat_map(|all| env::split_paths(all)));
    let (mut dice, mut done) = (Dice::of_seed(seed), BTreeMap::new());
    println!("seed {seed}, {rounds} rounds of {} faults on {} tables", FAULTS.len(), tables.len());
    for table in tables {
        let task = Task::of(&table, 400);
        let house = House::of(&task, "soak");
        for _ in 0..rounds {
            for fault in FAULTS {
                task.disturbed(&house, fault, dice.share());
                *done.entry(fault).or_insert(0) += 1;
            }
        }
    }
    println!("all bytes identical: {done:?}");
}
