//! How a node that serves bears many clients: one row of a warm model, durable orders a second, the
//! status of a job at a thousand a second, pages of a long history, memory at rest.
//!
//! `serving [seconds] [history]`: a real `tgs up` is started on a folder of its own, on loopback;
//! clients are threads of this process with connections that stay. Latencies count from the moment
//! at which a request was due, not from when its client came to send it.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
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
use ureq::Agent;

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
    let node = Node::start(home);
    thread::sleep(Duration::from_secs(3));
    let id = node.child.id().to_string();
    println!("at rest             {:.0} MB", resident_memory_mb(&id).expect("it runs"));
}

/// One row at a time of a model that is open, by one client after the other.
fn rows(home: &Path, seconds: usize) {
    let node = Node::start(home);
    node.hand_in("larger", &table(2_000));
    for (model, steps) in [("seqtree", Value::Null), ("tabgraph", json!(50))] {
        let learn = json!({"model": model, "steps": steps, "threads": 1});
        let order = json!({"kind": "train", "dataset": "larger", "learn": learn});
        let told = node.client().post("/v1/jobs", &order);
        let job = told["id"].as_str().expect("a job").to_owned();
        while node.client().get(&format!("/v1/jobs/{job}"))["state"] != "published" {
            thread::sleep(Duration::from_millis(100));
        }
        let path = format!("/v1/models/{job}:sample");
        let ask = |client: &Client<'_>, no: usize| {
            client.post(&path, &json!({"rows": 1, "seed": no, "format": "json"}));
        };
        ask(&node.client(), 0);
        say(&format!("one row, {model:<8}"), &latencies(&node, seconds, ROWS_EACH_SECOND, &ask));
    }
}

fn orders(home: &Path, seconds: usize) {
    let node = Node::start(home);
    node.hand_in("small", &table(40));
    let first = node.order(0);
    let mut rates: Vec<f64> = (0..3).map(|run| order_many(&node, 1 + run * ORDERS)).collect();
    rates.sort_by(f64::total_cmp);
    println!("orders              {:.0} a second, durable, {CLIENTS} clients", median(&rates));
    let last = node.order(4 * ORDERS);
    for (what, job) in [("status, ended job  ", first), ("status, waiting job", last)] {
        let path = format!("/v1/jobs/{job}");
        let ask = |client: &Client<'_>, _: usize| drop(client.get(&path));
        say(what, &latencies(&node, seconds, STATUS_EACH_SECOND, &ask));
    }
}

fn order_many(node: &Node, from: usize) -> f64 {
    let next = AtomicUsize::new(from);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let client = node.client();
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
    node: &Node,
    seconds: usize,
    each_second: f64,
    asks: &(dyn Fn(&Client<'_>, usize) + Sync),
) -> Vec<f64> {
    let began = Instant::now() + Duration::from_millis(50);
    let all = (seconds as f64 * each_second) as usize;
    let next = AtomicUsize::new(0);
    let mut waited: Vec<f64> = thread::scope(|scope| {
        let ask = || {
            let (client, mut waited) = (node.client(), Vec::new());
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
    let node = Node::start(home);
    let client = node.client();
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
    let id = node.child.id().to_string();
    println!("memory then         {:.0} MB", resident_memory_mb(&id).expect("it runs"));
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

fn table(rows: usize) -> Vec<u8> {
    let spread = |at: usize, by: usize| at * by % 1_009;
    let rows = (0..rows).map(|at| format!("{},{},{}\n", spread(at, 37), spread(at, 101), at % 3));
    format!("a,b,c\n{}", rows.collect::<String>()).into_bytes()
}

fn order(no: usize) -> Value {
    let learn = json!({"model": "seqtree", "seed": no, "threads": 1});
    json!({"kind": "train", "dataset": "small", "learn": learn})
}

/// A real `tgs up`; ended when it is dropped.
struct Node {
    child: Child,
    url: String,
    token: String,
}

/// One client with its own connection.
struct Client<'a> {
    node: &'a Node,
    agent: Agent,
}

impl Node {
    fn start(home: &Path) -> Self {
        let own = env::current_exe().expect("a running program has a file");
        let tgs: PathBuf = own.with_file_name("tgs");
        let mut child = Command::new(tgs)
            .args(["up", "--listen", "127.0.0.1:0", "--json", "--home"])
            .arg(home)
            .env("XDG_CONFIG_HOME", home.join("no-configuration"))
            .env("TGS_HISTORY", "1000000")
            .stdout(Stdio::piped())
            .spawn()
            .expect("`tgs` stands beside this program");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let line = lines.next().and_then(Result::ok).expect("it says where it listens");
        let told: Value = serde_json::from_str(&line).expect("an object");
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        Self { child, url: text("url"), token: text("token") }
    }

    fn client(&self) -> Client<'_> {
        let agent = Agent::config_builder().http_status_as_error(false).build().into();
        Client { node: self, agent }
    }

    fn order(&self, no: usize) -> String {
        let told = self.client().post("/v1/jobs", &order(no));
        told["id"].as_str().expect("a job").to_owned()
    }

    fn hand_in(&self, dataset: &str, bytes: &[u8]) {
        let client = self.client();
        let url = format!("{}/v1/uploads?dataset={dataset}&file=t.csv", self.url);
        let begun = client.agent.post(url).header("Authorization", self.bearer());
        let begun = begun.header("Upload-Length", bytes.len().to_string()).send_empty();
        let begun = begun.expect("it runs");
        let place = begun.headers()["Location"].to_str().expect("an address").to_owned();
        let sent = client
            .agent
            .patch(format!("{}{place}", self.url))
            .header("Authorization", self.bearer())
            .header("Upload-Offset", "0")
            .header("Content-Type", "application/offset+octet-stream")
            .send(bytes);
        assert!(sent.expect("it runs").status().is_success());
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }
}

impl Client<'_> {
    fn get(&self, path: &str) -> Value {
        let asked = self.agent.get(format!("{}{path}", self.node.url));
        let mut answer = asked.header("Authorization", self.node.bearer()).call().expect("it runs");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let text = answer.body_mut().read_to_string().expect("a body");
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let asked = self.agent.post(format!("{}{path}", self.node.url));
        let asked = asked.header("Authorization", self.node.bearer());
        let mut answer = asked.send(body.to_string()).expect("it runs");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.body_mut().read_json().expect("a body")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
