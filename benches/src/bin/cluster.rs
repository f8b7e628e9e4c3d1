//! What a cluster costs and brings: chunks of one job sampled by one, two and four nodes, and what
//! checkpoints cost a training.
//!
//! `cluster [rounds] [rows]`: nodes over one Cassandra on loopback (`./dev services variables` says
//! where it is), or over the one that TGS_CQL_URI names. Each node has one sampler of one thread,
//! so that more of them bring more as long as the machine has cores.

use std::{env, fs};

use serde_json::{Value, json};
use tgs_benches::median;
use tgs_tests::{
    cluster::{Cluster, store},
    program::in_repository,
    server::Server,
    services::Database,
};

/// Steps of the training that is measured: half a minute or so.
const STEPS: u64 = 6_000;
/// Mean time between losses that makes checkpoints frequent, and one that leaves them out.
const MINUTES: [(&str, &str); 2] = [("every minute", "1"), ("never", "100000000")];

fn main() {
    let number = |at: usize| env::args().nth(at).map(|text| text.parse().expect("a number"));
    let (rounds, rows) = (number(1).unwrap_or(3), number(2).unwrap_or(400_000));
    let database = Database::shared();
    println!("rows a second of a job of {rows} rows, median of {rounds}");
    for nodes in [1, 2, 4] {
        let store = store(&database, &format!("spread_{nodes}"));
        let (cluster, _) = Cluster::linked_with(nodes, &store, &[("TGS_SAMPLERS", "1")]);
        cluster.until_linked(0);
        let all = cluster.nodes();
        let model = trained(&all[0], 60);
        let order = json!({"kind": "generate", "model": model, "rows": rows});
        let mut speeds: Vec<f64> = (0..rounds).map(|_| rows as f64 / ran(all, &order)).collect();
        let share = all.iter().map(|node| sampled(node, "anothers")).sum::<f64>()
            / all.iter().map(|node| sampled(node, "anothers") + sampled(node, "ours")).sum::<f64>();
        speeds.sort_by(f64::total_cmp);
        println!(
            "{nodes} nodes  {:.0} rows/s; {:.0} % of chunks lent",
            median(&speeds),
            share * 100.0
        );
    }
    println!("seconds of a training of {STEPS} steps, median of {rounds}");
    let mut clusters = MINUTES.map(|(said, minutes)| {
        let store = store(&database, &format!("saves_{}", said.replace(' ', "_")));
        let settings = [("TGS_LOST_AFTER_MINUTES", minutes)];
        (said, Cluster::linked_with(1, &store, &settings).0, Vec::new())
    });
    for _ in 0..rounds {
        for (_, cluster, seconds) in &mut clusters {
            let node = &cluster.nodes()[0];
            seconds.push(view(node, &trained(node, STEPS))["ran_s"].as_f64().expect("seconds"));
        }
    }
    for (said, cluster, seconds) in &mut clusters {
        seconds.sort_by(f64::total_cmp);
        let saves = cluster.nodes()[0].metric("tgs_checkpoint_seconds_count").unwrap_or_default();
        println!("lost {said}: {:.2} s, {saves} checkpoints in all", median(seconds));
    }
}

/// A job that trained a model of the example in so many steps.
fn trained(node: &Server, steps: u64) -> String {
    if node.get("/v1/datasets/trial").status != 200 {
        let table = fs::read(in_repository("examples/actg175.csv")).expect("the example");
        node.upload("trial", "trial.csv", &table, 1 << 20);
    }
    let learn = json!({"model": "tabgraph", "steps": steps, "threads": 1});
    let job = node.submit(&json!({"kind": "train", "dataset": "trial", "learn": learn}));
    node.ended(&job);
    job
}

/// How long a job was in the hands of nodes.
fn ran(all: &[Server], order: &Value) -> f64 {
    let job = all[0].submit(order);
    all[0].ended(&job);
    view(&all[0], &job)["ran_s"].as_f64().expect("seconds")
}

fn view(node: &Server, job: &str) -> Value {
    node.get(&format!("/v1/jobs/{job}")).body
}

fn sampled(node: &Server, whose: &str) -> f64 {
    let name = format!("tgs_chunks_sampled_total{{whose=\"{whose}\"}}");
    node.metric(&name).unwrap_or_default() as f64
}
