//! Jobs that change hands because a person asks for something: one is to end while nobody holds it,
//! one waits for something to be mended, one is to be done again.

use std::{collections::BTreeSet, fs, time::Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_tests::{
    cluster::{Cluster, TOKEN, files, is_training},
    program::tgs,
    server::Server,
    services::Database,
};

use super::{faults::Task, wait_for_list};

/// Well into its training, so that something would be lost with it.
fn is_well_into_training(view: &Value) -> bool {
    is_training(view) && view["progress"]["done"].as_u64().is_some_and(|done| done >= 50)
}

/// What happened to a job, in words.
fn told(view: &Value) -> Vec<String> {
    let entries = view["timeline"].as_array().unwrap_or_else(|| panic!("no timeline: {view}"));
    entries.iter().map(|it| it["what"].as_str().expect("words").to_owned()).collect()
}

/// Tells a node something by another one, and waits until it is so.
fn order_node(by: &Server, node: usize, order: &str, standing: &str) {
    let answer = by.post(&format!("/v1/nodes/node-{node}:{order}"), &json!({}));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let name = format!("node-{node}");
    wait_for_list(by, standing, |all| {
        all.iter().any(|(node, is, _)| (node, is.as_str()) == (&name, standing))
    });
}

/// Its node was killed and its lease runs still: whoever claims it next ends it and begins nothing.
#[test]
fn an_order_to_end_is_found_at_the_next_claim() {
    let cluster = Cluster::start(2, &Database::shared(), "ending");
    let nodes = cluster.nodes();
    nodes[0].upload("trial", "trial.csv", &fs::read(super::example()).expect("a table"), 1 << 20);
    let endless = json!({"model": "tabgraph", "steps": 1_000_000, "threads": 1, "seed": 3});
    let order = json!({"kind": "train", "dataset": "trial", "learn": endless});
    let job = nodes[0].submit(&order);
    let path = format!("/v1/jobs/{job}");
    let first = cluster.at_work(&cluster.all(), &job, is_training).expect("it does not end");
    let other = &nodes[1 - first];
    nodes[first].kill();
    let killed = Instant::now();
    let cancelled = other.post(&format!("{path}:cancel"), &json!({}));
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    println!("it has ended {:?} after its node was killed", killed.elapsed());
    let view = other.get(&path).body;
    assert_eq!((&view["state"], &view["files"]), (&json!("cancelled"), &Value::Null), "{view}");
    let said = told(&view);
    let begun = said.iter().rposition(|it| it.ends_with(" begins")).expect("it had begun");
    assert!(said[begun].starts_with("train "), "{said:?}");
    assert_eq!(said.iter().filter(|it| it.starts_with("train ")).count(), 1, "{said:?}");
    assert_eq!(said.last().expect("the end"), "ended: cancelled");
    let claimed = other.metric("tgs_leases_claimed_total{why=\"silent\"}");
    assert_eq!(claimed, Some(1), "the lease ran out, and nobody worked under it: {said:?}");

    nodes[first].go_up();
    wait_for_list(&nodes[first], "nobody works at it", |all| {
        all.len() == 2 && all.iter().all(|(_, _, running)| *running == 0)
    });
    assert_eq!(told(&nodes[first].get(&path).body), said, "it ends once");
}

/// By another node than the one that worked: a job that was cancelled is done again, and one that
/// was suspended goes on, both with the bytes of one that nobody disturbed.
#[test]
fn another_node_goes_on_and_does_again() {
    let task = Task::on_example();
    let cluster = Cluster::start(2, &Database::shared(), "again");
    cluster.nodes()[0].upload(&task.name, "trial.csv", &task.table, 1 << 20);
    does_again(&cluster, &task);
    goes_on(&cluster, &task);
}

fn does_again(cluster: &Cluster, task: &Task) {
    let nodes = cluster.nodes();
    let job = nodes[0].submit(&task.order);
    let first = cluster.at_work(&cluster.all(), &job, is_well_into_training);
    let first = first.expect("it has not ended");
    let other = 1 - first;
    let cancelled = nodes[other].post(&format!("/v1/jobs/{job}:cancel"), &json!({}));
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    order_node(&nodes[other], first, "cordon", "cordoned");
    let again = nodes[other].post(&format!("/v1/jobs/{job}:retry"), &json!({}));
    assert_eq!((again.status, &again.body["retry_of"]), (201, &json!(job)), "{}", again.body);
    let again = again.body["id"].as_str().expect("a name");
    let view = nodes[other].ended(again);
    is_done_by(&view, other);
    for node in nodes {
        assert_eq!(files(node, again), *task.files(), "{view}");
    }
    order_node(&nodes[other], first, "uncordon", "working");
}

/// Where the first node keeps files of jobs there is no folder any more: it can end no stage.
fn goes_on(cluster: &Cluster, task: &Task) {
    let nodes = cluster.nodes();
    let job = nodes[0].submit(&task.order);
    let first = cluster.at_work(&cluster.all(), &job, is_well_into_training);
    let first = first.expect("it has not ended");
    let other = 1 - first;
    let home = cluster.folder_of(first);
    let (folder, aside) = (home.join("jobs"), home.join("aside"));
    fs::rename(&folder, &aside).expect("our own folder");
    fs::write(&folder, "no folder").expect("our own folder");
    let view = nodes[first]
        .wait_for(&job, |view| view["timeline"].to_string().contains("suspended; resume goes on"));
    assert!(told(&view).iter().any(|it| it.contains("STORE-0004")), "{view}");
    order_node(&nodes[other], first, "cordon", "cordoned");

    resume(&nodes[other], &job);
    let at_work = cluster.at_work(&BTreeSet::from([other]), &job, |_| true);
    assert_eq!(at_work, Some(other));
    let view = nodes[other].ended(&job);
    is_done_by(&view, other);
    assert_eq!(files(&nodes[other], &job), *task.files(), "{view}");
    fs::remove_file(&folder).expect("our own file");
    fs::rename(&aside, &folder).expect("our own folder");
    assert_eq!(files(&nodes[first], &job), *task.files(), "{view}");
}

/// `tgs job resume`, as a person would.
fn resume(server: &Server, job: &str) {
    let (home, url) = (TempDir::new().expect("a temporary folder"), server.url(""));
    let words = ["job", "resume", job, "--json", "--server", &url];
    let ended = tgs(home.path(), &words).env("TGS_TOKEN", TOKEN).output().expect("it runs");
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
}

/// It is published, and this node claimed it last.
fn is_done_by(view: &Value, node: usize) {
    assert_eq!(view["state"], "published", "{view}");
    let said = told(view);
    let last = said.iter().rfind(|it| it.starts_with("claimed in epoch ")).expect("it was claimed");
    assert!(last.contains(&format!(" by node node-{node}")), "{said:?}");
}
