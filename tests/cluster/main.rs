//! Nodes of a cluster as real processes over a real database: whatever happens to them, and
//! whenever, a job ends with the bytes of one that nobody disturbed.
//!
//! What may happen to all that a node works with is in `faults`; here is what operators do, what
//! one node after another goes through, and what is refused. It is one program, so that its tests
//! share a database and what undisturbed servers deliver, and wait beside each other.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_protocol::limits::LEASE_TTL_MS;
use tgs_tests::{
    cluster::{Cluster, files, is_training, store},
    network::Network,
    program::{in_repository, refusal},
    server::Server,
    services::{CassandraRing, Database, Nats, objects::Objects},
    waiting,
};

use faults::Task;

mod bad_days;
mod faults;
mod hands;
mod links;
mod newer;
mod placement;
mod publishing;
mod regions;
mod soak;

/// Longer than all jobs of a test take.
const LONG: Duration = Duration::from_secs(180);
fn example() -> PathBuf {
    in_repository("examples/actg175.csv")
}

/// The woken node does not know that it was frozen: its job went on elsewhere, and what it writes
/// is refused.
#[test]
fn a_job_survives_one_node_after_another() {
    let task = Task::on_example();
    let cluster = Cluster::start(3, &Database::shared(), "takeover");
    let nodes = cluster.nodes();
    nodes[0].upload(&task.name, "trial.csv", &task.table, 1 << 20);
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
        assert_eq!(files(node, &job), *task.files());
    }
}

/// The bus and the database answer the second node .08 s later than the first one.
#[test]
fn a_job_goes_on_far_away() {
    let task = Task::on_example();
    let network = Network::of(2);
    let ring = CassandraRing::start_near(&network, &[("dc1", 1)]);
    let bus = Nats::start_near(&network);
    let far = &network.hosts()[1];
    let servers = [ring.nodes()[0].address(), bus.address()];
    let _way = far.move_away(&servers, Duration::from_millis(40));
    let store = store(&ring.database(), "far");
    let cluster = Cluster::on(&network, &store, &["eu", "us"], &bus.url());
    let [near, far] = cluster.nodes() else { panic!("two nodes") };
    near.upload(&task.name, "trial.csv", &task.table, 1 << 20);
    cluster.until_linked(0);
    let cordoned = far.post("/v1/nodes/node-1:cordon", &json!({}));
    assert_eq!(cordoned.status, 200, "{}", cordoned.body);
    let job = far.submit(&task.order);
    assert_eq!(cluster.at_work(&cluster.all(), &job, is_training), Some(0));
    let open = near.post("/v1/nodes/node-1:uncordon", &json!({}));
    assert_eq!(open.status, 200, "{}", open.body);
    near.kill();
    let killed = Instant::now();
    assert_eq!(cluster.at_work(&BTreeSet::from([1]), &job, is_training), Some(1));
    println!("another node goes on {:?} after a SIGKILL, far away", killed.elapsed());
    let view = far.ended(&job);
    assert_eq!(files(far, &job), *task.files(), "{view}");
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

/// Three nodes and six jobs that one of them took: all are at work at the same time.
#[test]
fn jobs_that_wait_are_begun_by_whoever_has_a_device_free() {
    let cluster = Cluster::start(3, &Database::shared(), "spread");
    let nodes = cluster.nodes();
    nodes[0].upload("trial", "trial.csv", &fs::read(example()).expect("a table"), 1 << 20);
    let learn = |seed| json!({"model": "tabgraph", "steps": 60, "threads": 1, "seed": seed});
    let order = |seed| json!({"kind": "train", "dataset": "trial", "learn": learn(seed)});
    let jobs: Vec<_> = (0..6).map(|seed| nodes[0].submit(&order(seed))).collect();
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
