//! A node of an earlier version beside newer ones. There is one version here: what a newer one
//! would write is written into the database by hand.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tgs_tests::{
    cluster::{Cluster, files, store},
    server::Server,
    services::Database,
    tables::numbers,
    waiting,
};

use super::{LONG, wait_for_list};

/// Nodes look at all jobs each second; so long they must leave one alone.
const LOOKS: Duration = Duration::from_secs(8);

/// A keyspace as whoever reads it beside the nodes.
struct Beside {
    database: Database,
    keyspace: String,
}

impl Beside {
    fn of(database: Database, name: &str) -> Self {
        let store = store(&database, name);
        let keyspace = store.rsplit('/').next().expect("a keyspace").to_owned();
        Self { database, keyspace }
    }

    /// A cell of a job.
    fn cell(&self, name: &str, job: &str) -> Option<Vec<u8>> {
        let from = format!("{}.job WHERE job = '{job}'", self.keyspace);
        let mut rows = self.database.say(&format!("SELECT DISTINCT job, {name} FROM {from}"));
        rows.remove(0).remove(1)
    }

    /// Its row as it stands.
    fn body(&self, job: &str) -> Vec<u8> {
        self.cell("body", job).expect("a row")
    }

    /// What nodes are told to take up.
    fn assignments(&self) -> Vec<Value> {
        let rows = self.database.say(&format!("SELECT body FROM {}.assignment", self.keyspace));
        let bodies = rows.into_iter().filter_map(|mut row| row.remove(0));
        bodies.map(|body| serde_json::from_slice(&body).expect("JSON")).collect()
    }

    /// Puts another one in its place.
    fn replace(&self, job: &str, body: &[u8]) {
        let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        let table = format!("{}.job", self.keyspace);
        self.database
            .say(&format!("UPDATE {table} SET body = 0x{hex} WHERE job = '{job}' IF version = 1"));
        assert_eq!(self.body(job), body);
    }
}

fn order_all(nodes: &[Server], order: &str, standing: &str) {
    for no in 0..nodes.len() {
        let answer = nodes[0].post(&format!("/v1/nodes/node-{no}:{order}"), &json!({}));
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    wait_for_list(&nodes[0], standing, |all| {
        all.len() == nodes.len() && all.iter().all(|(_, is, _)| is == standing)
    });
}

fn listed(server: &Server) -> Vec<String> {
    let page = server.get("/v1/jobs").body;
    let jobs = page["items"].as_array().unwrap_or_else(|| panic!("no list: {page}")).iter();
    jobs.map(|job| job["id"].as_str().expect("a name").to_owned()).collect()
}

/// A wall of which these nodes know nothing stands in the row: they do not claim the job, write
/// nothing of it and say so, while other jobs go on. A node that knows all of it takes it up.
#[test]
fn a_job_of_a_newer_version_is_left_to_newer_nodes() {
    let (database, name) = (Database::shared(), "left_alone");
    let cluster = Cluster::start(2, &database, name);
    let nodes = cluster.nodes();
    nodes[0].upload("small", "small.csv", &numbers(40), 1_000);
    order_all(nodes, "cordon", "cordoned");
    let learn = json!({"model": "seqtree", "threads": 1, "seed": 7});
    let order = json!({"kind": "train", "dataset": "small", "learn": learn});
    let (newer, known) = (nodes[0].submit(&order), nodes[1].submit(&order));
    let beside = Beside::of(database, name);
    let body = beside.body(&newer);
    let mut row: Value = serde_json::from_slice(&body).expect("a row");
    row["walls"] = json!(["eu"]);
    let walled = row.to_string().into_bytes();
    beside.replace(&newer, &walled);
    order_all(nodes, "uncordon", "working");

    assert_eq!(nodes[0].ended(&known)["state"], "published");
    let began = Instant::now();
    while began.elapsed() < LOOKS {
        assert_eq!(beside.cell("epoch", &newer), None, "nobody claims it");
        thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(beside.body(&newer), walled, "nobody writes it");
    for node in nodes {
        assert_eq!(listed(node), [known.as_str()]);
        for refused in [
            node.get(&format!("/v1/jobs/{newer}")),
            node.post(&format!("/v1/jobs/{newer}:cancel"), &json!({})),
            node.delete(&format!("/v1/jobs/{newer}")),
        ] {
            let code = &refused.body["code"];
            assert_eq!((refused.status, code), (503, &json!("STORE-0006")), "{}", refused.body);
            assert!(refused.body.to_string().contains("`walls`"), "{}", refused.body);
        }
    }
    waiting::until("all nodes say so", LONG, || {
        let page = nodes[0].get("/v1/nodes").body;
        let all = page["items"].as_array().expect("nodes").iter();
        let warn = all.map(|node| node["warnings"].to_string());
        warn.filter(|it| it.contains("left to nodes of that version")).count() == nodes.len()
    });
    waiting::until("whoever leads names it to those who may know more", LONG, || {
        beside.assignments().iter().any(|row| row["left"] == json!([newer]))
    });

    beside.replace(&newer, &body);
    let view = nodes[1].ended(&newer);
    assert_eq!(view["state"], "published", "{view}");
    assert_eq!(files(&nodes[1], &newer), files(&nodes[0], &known));
}
