//! How long a job of a cluster stands still when its node is asked to stop, told that its machine
//! goes, killed or frozen: until another node shows progress of it.
//!
//! Without links between the nodes, and with them. `takeover [rounds]`: three nodes over one
//! Cassandra on loopback (`./dev services variables` says where it is), or over the one that
//! TGS_CQL_URI names.

use std::{
    env, fs, thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tgs_benches::median;
use tgs_tests::{
    cluster::{Cluster, is_training, store},
    program::in_repository,
    services::Database,
};

/// So long a job is at work before something happens: a checkpoint or two, and whoever was away is
/// linked again.
const AT_WORK: Duration = Duration::from_secs(5);

/// What happens to the node, and how it is there again.
type Fault = (&'static str, fn(&Cluster, usize), fn(&Cluster, usize));

const FAULTS: [Fault; 4] = [
    (
        "asked to stop",
        |cluster, no| assert_eq!(cluster.nodes()[no].stop(), Some(0)),
        |cluster, no| drop(cluster.nodes()[no].go_up()),
    ),
    (
        "told to go",
        |cluster, no| cluster.announce(no, true),
        |cluster, no| cluster.announce(no, false),
    ),
    (
        "killed",
        |cluster, no| cluster.nodes()[no].kill(),
        |cluster, no| drop(cluster.nodes()[no].go_up()),
    ),
    ("frozen", Cluster::freeze, Cluster::wake),
];

fn main() {
    let rounds = env::args().nth(1).map_or(5, |text| text.parse().expect("rounds"));
    let database = Database::shared();
    println!("seconds until another node goes on, of {rounds} rounds; no links");
    measure(&Cluster::start(3, &database, "takeover"), rounds);
    println!("the same with links");
    measure(&Cluster::linked(3, &store(&database, "linked")).0, rounds);
}

fn measure(cluster: &Cluster, rounds: usize) {
    let table = fs::read(in_repository("examples/actg175.csv")).expect("the example");
    cluster.nodes()[0].upload("trial", "trial.csv", &table, 1 << 20);
    for (name, happen, mend) in FAULTS {
        let seen = (0..rounds).map(|_| stands_still(cluster, happen, mend));
        let (mut seconds, mut lost): (Vec<_>, Vec<_>) = seen.unzip();
        seconds.sort_by(f64::total_cmp);
        lost.sort_by(f64::total_cmp);
        let longest = |of: &[f64]| of.last().copied().unwrap_or_default();
        let (median_s, longest_s) = (median(&seconds), longest(&seconds));
        let (median_lost, most) = (median(&lost), longest(&lost));
        println!(
            "{name:<14} median {median_s:.1}, longest {longest_s:.1}; work lost {median_lost:.1}, \
             at most {most:.1}"
        );
    }
}

/// Seconds until another node goes on, and seconds of work that were lost.
fn stands_still(
    cluster: &Cluster,
    happen: fn(&Cluster, usize),
    mend: fn(&Cluster, usize),
) -> (f64, f64) {
    let learn = json!({"model": "tabgraph", "steps": 1_000_000, "threads": 1});
    let order = json!({"kind": "train", "dataset": "trial", "learn": learn});
    let job = cluster.nodes()[0].submit(&order);
    let node = cluster.at_work(&cluster.all(), &job, is_training).expect("it does not end");
    thread::sleep(AT_WORK);
    let began = Instant::now();
    happen(cluster, node);
    let mut others = cluster.all();
    others.remove(&node);
    let other = cluster.at_work(&others, &job, is_training).expect("it does not end");
    let seconds = began.elapsed().as_secs_f64();
    let view = cluster.nodes()[other].get(&format!("/v1/jobs/{job}")).body;
    // Not there where nothing was lost.
    let lost = view["lost_s"].as_f64().unwrap_or_default();
    mend(cluster, node);
    let cancelled = cluster.nodes()[other].post(&format!("/v1/jobs/{job}:cancel"), &json!({}));
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    (seconds, lost)
}
