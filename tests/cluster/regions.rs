//! A cluster over three regions, as real processes and data centres: what is pinned to a region
//! stays there, and work goes on elsewhere when a region is gone and it may.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tgs_tests::{
    cluster::{Cluster, Undisturbed, files, is_training, undisturbed},
    program::in_repository,
    server::Server,
    services::CassandraRing,
    waiting,
};

const LONG: Duration = Duration::from_secs(180);
/// Stands in the table that may not leave, and nowhere else.
const SECRET: &str = "Zebrafinch-7731-Quartz";
/// Where each node stands. Data centres have the names of regions, one node each.
const REGIONS: [&str; 3] = ["eu", "eu", "us"];

/// The example, with a word in it that can be found again.
fn table() -> Vec<u8> {
    let text = fs::read_to_string(in_repository("examples/actg175.csv")).expect("the example");
    let mut lines = text.lines();
    let head = lines.next().expect("a header");
    let site = |(no, line): (usize, &str)| {
        format!("{line},{}\n", if no % 3 == 0 { SECRET } else { "elsewhere" })
    };
    let rows: String = lines.enumerate().map(site).collect();
    format!("{head},site\n{rows}").into_bytes()
}

fn order(dataset: &str, regions: &Value) -> Value {
    let learn = json!({"model": "tabgraph", "steps": 150, "threads": 1, "seed": 7});
    json!({"kind": "synthesize", "dataset": dataset, "rows": 12_000, "learn": learn,
           "regions": regions})
}

/// A cluster over three data centres, and a table.
struct Sites {
    // The nodes end before their database.
    cluster: Cluster,
    ring: CassandraRing,
    table: Vec<u8>,
}

impl Sites {
    fn of(keyspace: &str) -> Self {
        let ring = CassandraRing::start(&[("eu", 1), ("us", 1), ("ap", 1)]);
        let cluster = Cluster::in_regions(&REGIONS, &ring.database(), keyspace);
        Self { cluster, ring, table: table() }
    }

    /// What comes of an order on a dataset of the table.
    fn undisturbed(&self, dataset: &str) -> Arc<Undisturbed> {
        undisturbed(dataset, &self.table, &order(dataset, &json!([])))
    }
}

/// The files below a folder that hold the secret.
fn found_in(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() => {
                    let bytes = fs::read(&path).unwrap_or_default();
                    let secret = SECRET.as_bytes();
                    if bytes.windows(secret.len()).any(|part| part == secret) {
                        found.push(path.display().to_string());
                    }
                }
                _ => {}
            }
        }
    }
    found
}

fn refused(answer: (u16, Value)) {
    assert_eq!((answer.0, &answer.1["code"]), (403, &json!("USE-0014")), "{}", answer.1);
}

/// Bytes of a server, or why there are none.
fn asked(server: &Server, path: &str) -> (u16, Value) {
    let (status, bytes) = server.bytes(path, 0).expect("the server runs");
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

/// One after the other at the same sites, which take as long to come up as to be tried.
#[test]
fn what_is_pinned_never_leaves_and_work_goes_on_where_it_may() {
    let sites = Sites::of("regions");
    never_leaves(&sites);
    goes_on_without_a_region(&sites);
}

/// Nothing of it is on any disk of another region, whichever node was asked for it and whoever was
/// killed on the way.
fn never_leaves(sites: &Sites) {
    let Sites { table, ring, cluster } = sites;
    let same = sites.undisturbed("pinned");
    let (eu, us) = (&cluster.nodes()[0], &cluster.nodes()[2]);
    let pinned = "trial.csv&regions=eu";
    let begun = us.begin_upload("pinned", pinned, table.len());
    refused((begun.status, begun.body));
    eu.upload("pinned", pinned, table, 1 << 20);
    let place = eu.begin("half", "half.csv&regions=eu", table.len());
    let sent = us.append(&place, 0, &table[..1000]).expect("the server runs");
    assert_eq!(sent.status(), 403, "the rest of an upload goes where it was begun");
    for regions in [json!(["us"]), json!(["us", "ap"]), json!(["moon"])] {
        let taken = us.post("/v1/jobs", &order("pinned", &regions));
        refused((taken.status, taken.body));
    }

    // Any node takes the order; one of those that may begins with it.
    let job = us.submit(&order("pinned", &json!([])));
    let view = us.get(&format!("/v1/jobs/{job}")).body;
    assert_eq!(view["regions"], json!(["eu"]), "{view}");
    let worker = cluster.at_work(&BTreeSet::from([0, 1]), &job, is_training).expect("it runs");
    cluster.nodes()[worker].kill();
    let other = 1 - worker;
    let other = &cluster.nodes()[other];
    let view = other.ended(&job);
    assert!(!view["timeline"].to_string().contains("node-2"), "{view}");
    assert_eq!(files(other, &job), same.files, "{view}");
    let view = us.get(&format!("/v1/jobs/{job}"));
    assert!(view.status == 200 && view.body["files"][0]["size"].is_u64(), "{}", view.body);
    refused(asked(us, &format!("/v1/jobs/{job}/files/table.csv")));
    refused(asked(us, &format!("/v1/jobs/{job}/report")));
    let sampled = us.post(&format!("/v1/models/{job}:sample"), &json!({"rows": 10}));
    refused((sampled.status, sampled.body));
    let generate = json!({"kind": "generate", "model": job, "rows": 20_000});
    let more = us.submit(&generate);
    let view = other.ended(&more);
    assert_eq!((&view["state"], &view["regions"]), (&json!("published"), &json!(["eu"])));
    refused(asked(us, &format!("/v1/jobs/{more}/files/table.csv")));

    let database = |no: usize| ring.nodes()[no].log().parent().expect("a folder").to_owned();
    assert!(!found_in(&database(0)).is_empty(), "it is there, and can be found");
    for no in [1, 2] {
        assert_eq!(found_in(&database(no)), [""; 0], "a data centre elsewhere");
    }
    assert_eq!(found_in(&cluster.folder_of(2)), [""; 0], "a node elsewhere");

    // Whoever may not read it may forget it.
    for job in [&more, &job] {
        let forgotten = us.delete(&format!("/v1/jobs/{job}"));
        assert_eq!(forgotten.status, 204, "{}", forgotten.body);
    }
    cluster.nodes()[worker].go_up();
}

/// Every process of a region is killed, its data centre as well: what may be elsewhere goes on
/// there to the same bytes, what may not waits for it.
fn goes_on_without_a_region(sites: &Sites) {
    let Sites { table, ring, cluster } = sites;
    let same = sites.undisturbed("trial");
    let nodes = cluster.nodes();
    let us = &nodes[2];
    nodes[0].upload("trial", "trial.csv&regions=eu,us", table, 1 << 20);
    let free = nodes[0].submit(&order("trial", &json!([])));
    let in_eu = BTreeSet::from([0, 1]);
    let _ = cluster.at_work(&in_eu, &free, is_training).expect("it has not ended");
    let bound = us.submit(&order("trial", &json!(["eu"])));
    ring.nodes()[0].kill();
    nodes[0].kill();
    nodes[1].kill();
    let lost = Instant::now();
    let next = cluster.at_work(&BTreeSet::from([2]), &free, |_| true);
    println!("another region goes on after {:?}", lost.elapsed());
    assert_eq!(next, Some(2), "it has not ended");
    let view = us.ended(&free);
    assert_eq!(view["regions"], json!(["eu", "us"]));
    assert_eq!(files(us, &free), same.files, "{view}");
    let state = us.get(&format!("/v1/jobs/{bound}")).body;
    assert!(matches!(state["state"].as_str(), Some("waiting" | "running")), "{state}");
    assert!(!state["timeline"].to_string().contains("node-2"), "{state}");

    ring.nodes()[0].restart();
    ring.wait_until_whole();
    nodes[0].go_up();
    let view = nodes[0].ended(&bound);
    assert_eq!(files(&nodes[0], &bound), same.files, "{view}");
    waiting::until("both jobs have ended everywhere", LONG, || {
        [&free, &bound]
            .iter()
            .all(|job| us.get(&format!("/v1/jobs/{job}")).body["state"] == json!("published"))
    });
}
