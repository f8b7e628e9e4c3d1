//! How a node that serves bears many clients: one row of a warm model, durable orders a second, the
//! status of a job at a thousand a second, pages of a long history, memory at rest.
//!
//! `serving [seconds] [history]`: a real `tgs up` is started on a folder of its own, on loopback;
//! clients are threads of this process with connections that stay. Latencies count from the moment
//! at which a request was due, not from when its client came to send it.

use std::{
    env,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tgs_adapters::embedded::Embedded;
use tgs_benches::{median, resident_memory_mb};
use tgs_protocol::{
    gate::Gates,
    id::JobId,
    job::{JobRow, JobState, Outcome},
    model::{ModelName, TrainingLength},
    request::{Goal, JobRequest, Source},
    store::JobStore,
    unit::Timestamp,
};
use tgs_tests::{server::Server, tables::numbers};
use ureq::{Agent, Body, http::Response};

const ORDERS: usize = 2_000;
const CLIENTS: usize = 32;
const STATUS_EACH_SECOND: f64 = 1_000.0;
const ROWS_EACH_SECOND: f64 = 100.0;

fn main() {
    let mut arguments = env::args().skip(1);
    let mut number = |default: usize| {
        arguments.next().map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (seconds, history) = (number(10), number(100_000));
    let folder = env::temp_dir().join(format!("tgs-bench-serving-{}", std::process::id()));
    at_rest(&folder.join("rest"));
    rows(&folder.join("rows"), seconds);
    orders(&folder.join("orders"), seconds);
    pages(&folder.join("pages"), history);
    std::fs::remove_dir_all(&folder).expect("our own folder");
}

fn at_rest(home: &Path) {
    let node = node(home);
    thread::sleep(Duration::from_secs(3));
    println!("at rest             {:.0} MB", memory(&node));
}

/// One row at a time of a model that is open, by one client after the other.
fn rows(home: &Path, seconds: usize) {
    let node = node(home);
    node.upload("larger", "t.csv", &numbers(2_000), 1 << 20);
    for (model, steps) in [("seqtree", Value::Null), ("tabgraph", json!(50))] {
        let learn = json!({"model": model, "steps": steps, "threads": 1});
        let order = json!({"kind": "train", "dataset": "larger", "learn": learn});
        let job = ordered(&Client::of(&node), &order);
        assert_eq!(node.ended(&job)["state"], "published");
        let path = format!("/v1/models/{job}:sample");
        let ask = |client: &Client<'_>, no: usize| {
            client.post(&path, &json!({"rows": 1, "seed": no, "format": "json"}));
        };
        ask(&Client::of(&node), 0);
        say(&format!("one row, {model:<8}"), &latencies(&node, seconds, ROWS_EACH_SECOND, &ask));
    }
}

fn orders(home: &Path, seconds: usize) {
    let node = node(home);
    node.upload("small", "t.csv", &numbers(40), 1 << 20);
    let first = ordered(&Client::of(&node), &order(0));
    let mut rates: Vec<f64> = (0..3).map(|run| order_many(&node, 1 + run * ORDERS)).collect();
    rates.sort_by(f64::total_cmp);
    println!("orders              {:.0} a second, durable, {CLIENTS} clients", median(&rates));
    let last = ordered(&Client::of(&node), &order(4 * ORDERS));
    for (what, job) in [("status, ended job  ", first), ("status, waiting job", last)] {
        let path = format!("/v1/jobs/{job}");
        let ask = |client: &Client<'_>, _: usize| drop(client.get(&path));
        say(what, &latencies(&node, seconds, STATUS_EACH_SECOND, &ask));
    }
}

fn order_many(node: &Server, from: usize) -> f64 {
    let next = AtomicUsize::new(from);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let client = Client::of(node);
                loop {
                    let no = next.fetch_add(1, Ordering::SeqCst);
                    if no >= from + ORDERS {
                        return;
                    }
                    client.post("/v1/jobs", &order(no));
                }
            });
        }
    });
    ORDERS as f64 / began.elapsed().as_secs_f64()
}

/// Milliseconds of each of so many requests a second, shortest first.
fn latencies(
    node: &Server,
    seconds: usize,
    each_second: f64,
    asks: &(dyn Fn(&Client<'_>, usize) + Sync),
) -> Vec<f64> {
    let began = Instant::now() + Duration::from_millis(50);
    let all = (seconds as f64 * each_second) as usize;
    let next = AtomicUsize::new(0);
    let mut waited: Vec<f64> = thread::scope(|scope| {
        let ask = || {
            let (client, mut waited) = (Client::of(node), Vec::new());
            loop {
                let no = next.fetch_add(1, Ordering::SeqCst);
                if no >= all {
                    return waited;
                }
                let due = began + Duration::from_secs_f64(no as f64 / each_second);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                asks(&client, no);
                waited.push(due.elapsed().as_secs_f64() * 1e3);
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().flat_map(|it| it.join().expect("no client fails")).collect()
    });
    waited.sort_by(f64::total_cmp);
    waited
}

/// A history of jobs that ended, and every page of it.
fn pages(home: &Path, history: usize) {
    fill(home, history);
    let node = node(home);
    let client = Client::of(&node);
    let (mut waited, mut token, mut seen) = (Vec::new(), String::new(), 0);
    loop {
        let began = Instant::now();
        let page = client.get(&format!("/v1/jobs?page_size=50{token}"));
        waited.push(began.elapsed().as_secs_f64() * 1e3);
        seen += page["items"].as_array().map_or(0, Vec::len);
        let Some(next) = page["next_page_token"].as_str() else { break };
        token = format!("&page_token={next}");
    }
    assert_eq!(seen, history, "every job is on one page");
    waited.sort_by(f64::total_cmp);
    say(&format!("page of 50 of {history}"), &waited);
    let began = Instant::now();
    client.get("/v1/metrics");
    println!("metrics of {history}  {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    println!("memory then         {:.0} MB", memory(&node));
}

fn fill(home: &Path, history: usize) {
    let store = Embedded::open(home).expect("a new folder");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CLIENTS)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let tasks: Vec<_> = (0..CLIENTS)
            .map(|first| {
                let store = store.clone();
                tokio::spawn(async move {
                    for no in (first..history).step_by(CLIENTS) {
                        let _ = store.insert(&ended(no)).await.expect("it is inserted");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no task fails");
        }
    });
}

fn ended(no: usize) -> JobRow {
    let source = Source { table: "t.csv".into(), holdout: None, metadata: None, target: None };
    let request = JobRequest {
        goal: Goal::Train { source, model_file: "m".into() },
        model: ModelName::Seqtree,
        length: TrainingLength::Default,
        overrides: serde_json::Map::new(),
        seed: 1,
        threads: 1,
        devices: 1,
        gates: Gates::default(),
        inputs: Vec::new(),
    };
    // Of now, so that the history does not forget them.
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let at = Timestamp(u64::try_from(now.as_millis()).unwrap_or_default() + no as u64);
    let row = JobRow::accepted(JobId::new(format!("job-{no:08}")), request, at);
    JobRow { state: JobState::Ended(Outcome::Cancelled), ..row }
}

fn say(what: &str, sorted: &[f64]) {
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
    let (half, most, worst) = (at(0.5), at(0.99), at(1.0));
    println!("{what}  p50 {half:.2} ms, p99 {most:.2} ms, longest {worst:.1} ms");
}

fn order(no: usize) -> Value {
    let learn = json!({"model": "seqtree", "seed": no, "threads": 1});
    json!({"kind": "train", "dataset": "small", "learn": learn})
}

/// A node that forgets nothing meanwhile.
fn node(home: &Path) -> Server {
    Server::start_with(home, &[("TGS_HISTORY", "1000000")])
}

fn memory(node: &Server) -> f64 {
    let id = node.id().expect("it runs").to_string();
    resident_memory_mb(&id).expect("it runs")
}

/// Orders a job; gives its name.
fn ordered(client: &Client<'_>, order: &Value) -> String {
    client.post("/v1/jobs", order)["id"].as_str().expect("a job").to_owned()
}

/// One client with its own connection.
struct Client<'a> {
    node: &'a Server,
    agent: Agent,
}

impl<'a> Client<'a> {
    fn of(node: &'a Server) -> Self {
        let agent = Agent::config_builder().http_status_as_error(false).build().into();
        Self { node, agent }
    }

    fn get(&self, path: &str) -> Value {
        let asked = self.agent.get(self.node.url(path));
        read(path, asked.header("Authorization", self.bearer()).call())
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let asked = self.agent.post(self.node.url(path));
        read(path, asked.header("Authorization", self.bearer()).send(body.to_string()))
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.node.token())
    }
}

fn read(path: &str, answered: Result<Response<Body>, ureq::Error>) -> Value {
    let mut answer = answered.expect("it runs");
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    let text = answer.body_mut().read_to_string().expect("a body");
    serde_json::from_str(&text).unwrap_or_default()
}
