//! `tgs up` under kill -9: what it accepted ends once, and whoever watches sees every event once
//! and in order.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::BufRead,
    net::TcpStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_protocol::limits::AGEING_MS;
use tgs_tests::{cluster::files, server::Server, tables::numbers};
use tungstenite::WebSocket;

/// Longer than all jobs of a test take on a slow machine.
const LONG: Duration = Duration::from_secs(1_800);

fn order(no: usize) -> Value {
    let learn = json!({"model": "seqtree", "seed": no, "threads": 1});
    json!({"kind": "train", "dataset": "small", "priority": no * 7 % 11, "learn": learn})
}

/// Follows all events over SSE, whatever happens to the server.
fn follow(server: &Arc<Server>, is_over: &Arc<AtomicBool>) -> thread::JoinHandle<Vec<Value>> {
    let (server, is_over) = (server.clone(), is_over.clone());
    thread::spawn(move || {
        let mut heard: Vec<Value> = Vec::new();
        while !is_over.load(Ordering::SeqCst) {
            let last = heard.last().and_then(|event| event["no"].as_u64()).unwrap_or(0);
            let Some(stream) = server.events("/v1/events", last) else {
                thread::sleep(Duration::from_millis(30));
                continue;
            };
            for line in stream.lines().map_while(Result::ok) {
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
                let data = line.strip_prefix("data: ");
                let event = data.and_then(|data| serde_json::from_str::<Value>(data).ok());
                heard.extend(event.filter(|event| event["no"].is_u64()));
            }
        }
        heard
    })
}

/// The same over a WebSocket: a pass for each connection, and on from the last number.
fn follow_by_socket(
    server: &Arc<Server>,
    is_over: &Arc<AtomicBool>,
) -> thread::JoinHandle<Vec<Value>> {
    let (server, is_over) = (server.clone(), is_over.clone());
    thread::spawn(move || {
        let mut heard: Vec<Value> = Vec::new();
        while !is_over.load(Ordering::SeqCst) {
            let last = heard.last().and_then(|event| event["no"].as_u64()).unwrap_or(0);
            let Some(mut socket) = open_socket(&server, last) else {
                thread::sleep(Duration::from_millis(30));
                continue;
            };
            // Until the server is killed, which ends the connection.
            while let Ok(message) = socket.read() {
                let text = message.into_text().map(|text| text.to_string()).unwrap_or_default();
                let event = serde_json::from_str::<Value>(&text).ok();
                heard.extend(event.filter(|event| event["no"].is_u64()));
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
            }
        }
        heard
    })
}

fn open_socket(server: &Server, after: u64) -> Option<WebSocket<TcpStream>> {
    let ticket = server.try_post("/v1/tickets", &json!({}), None)?;
    let ticket = ticket.body["ticket"].as_str()?.to_owned();
    let address = server.address();
    let url = format!("ws://{address}/events/socket?ticket={ticket}&after={after}");
    let stream = TcpStream::connect(address).ok()?;
    tungstenite::client(url, stream).ok().map(|(socket, _)| socket)
}

/// Orders jobs until each is taken, while the server is killed so often.
fn kill_while_ordering(jobs: usize, kills: usize) {
    let home = TempDir::new().expect("a temporary folder");
    let server = Arc::new(Server::start(home.path()));
    assert_eq!(server.upload("small", "small.csv", &numbers(40), 100), "small@1");
    let is_over = Arc::new(AtomicBool::new(false));
    let watchers = [follow(&server, &is_over), follow_by_socket(&server, &is_over)];
    let taken = Arc::new(Mutex::new(BTreeMap::new()));
    let sender = {
        let (server, taken) = (server.clone(), taken.clone());
        thread::spawn(move || {
            for no in 0..jobs {
                let job = send_until_taken(&server, no);
                taken.lock().unwrap_or_else(PoisonError::into_inner).insert(no, job);
            }
        })
    };
    let mut left = kills;
    let began = Instant::now();
    while count(&server, &["published"]) < jobs as u64 {
        assert!(began.elapsed() < LONG, "the jobs do not end");
        thread::sleep(Duration::from_millis(150 + 97 * (left as u64 % 7)));
        // Spread over the whole of it: one kill for each share of the jobs that has ended.
        let due = kills - kills * count(&server, &["published"]) as usize / jobs;
        if left > 0 && left >= due {
            server.kill();
            server.start_again();
            left -= 1;
        }
    }
    sender.join().expect("every order is taken");
    let taken = taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(taken.values().collect::<BTreeSet<_>>().len(), jobs, "no job is another's");
    thread::sleep(Duration::from_millis(500));
    is_over.store(true, Ordering::SeqCst);
    let all = all_events(&server);
    server.kill(); // Ends the streams that the watchers read.
    for watcher in watchers {
        let heard = watcher.join().expect("a watcher");
        assert_eq!(heard, all, "the watcher heard every event once and in order");
    }
    check_events(&all, jobs);
    server.start_again();
    check_list(&server, jobs);
    assert_eq!(left, 0, "it was killed so often");
}

fn send_until_taken(server: &Server, no: usize) -> String {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < LONG, "order {no} is not taken");
        let key = format!("order-{no}");
        let Some(answer) = server.try_post("/v1/jobs", &order(no), Some(&key)) else {
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        assert!(matches!(answer.status, 200 | 201 | 503), "{answer:?}");
        if let Some(job) = answer.body["id"].as_str() {
            return job.to_owned();
        }
    }
}

/// How many jobs the metrics count in these states; zero while the server is away.
fn count(server: &Server, states: &[&str]) -> u64 {
    let name = |state: &&str| format!("tgs_jobs{{state=\"{state}\"}}");
    states.iter().map(|state| server.metric(&name(state)).unwrap_or(0)).sum()
}

/// The whole log, up to the newest event that the metrics name.
fn all_events(server: &Server) -> Vec<Value> {
    let newest = server.metric("tgs_newest_event").expect("the server runs");
    let stream = server.events("/v1/events", 0).expect("the server runs");
    let mut all: Vec<Value> = Vec::new();
    for line in stream.lines().map_while(Result::ok) {
        let data = line.strip_prefix("data: ");
        let event = data.and_then(|data| serde_json::from_str::<Value>(data).ok());
        all.extend(event.filter(|event| event["no"].is_u64()));
        if all.last().is_some_and(|last| last["no"] == newest) {
            break;
        }
    }
    all
}

fn check_events(all: &[Value], jobs: usize) {
    let numbers: Vec<_> = all.iter().map(|event| event["no"].as_u64().unwrap_or(0)).collect();
    let without_gaps: Vec<_> = (1..=all.len() as u64).collect();
    assert_eq!(numbers, without_gaps);
    let of_type = |kind: &str| -> Vec<&str> {
        let of_kind = all.iter().filter(|event| event["type"] == kind);
        of_kind.map(|event| event["job"].as_str().expect("a job")).collect()
    };
    for kind in ["job.accepted", "job.ended"] {
        let told = of_type(kind);
        assert_eq!(told.len(), jobs, "{kind}");
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), jobs, "{kind}: each once");
    }
    for event in all.iter().filter(|event| event["type"] == "job.ended") {
        assert_eq!(event["data"]["outcome"], "published", "{event}");
    }
    check_turns(all);
}

/// Nobody begins before another whose turn is earlier and that waits since the fourth last ended:
/// between the write of an order and its place in line a busy machine may end a job or two.
fn check_turns(all: &[Value]) {
    let mut waiting: BTreeMap<&str, (i128, usize)> = BTreeMap::new();
    let (mut ended, mut begun) = (Vec::new(), BTreeSet::new());
    for (at, event) in all.iter().enumerate() {
        let job = event["job"].as_str().expect("a job");
        match event["type"].as_str() {
            Some("job.accepted") => {
                let priority = event["data"]["priority"].as_u64().expect("a priority");
                let accepted = i128::from(event["at"].as_u64().expect("a time"));
                let rank = accepted - i128::from(priority) * i128::from(AGEING_MS);
                waiting.insert(job, (rank, at));
            }
            Some("job.stage_began") if begun.insert(job) => {
                let (rank, _) = waiting.remove(job).expect("it was accepted");
                let [.., fourth_last, _, _, _] = ended.as_slice() else { continue };
                let passed =
                    waiting.iter().find(|(_, (other, since))| *other < rank && since < fourth_last);
                assert_eq!(passed, None, "{job} of rank {rank} began at {at}");
            }
            Some("job.ended") => ended.push(at),
            _ => {}
        }
    }
}

/// The list, page by page, and the metrics say the same as the events.
fn check_list(server: &Server, jobs: usize) {
    let (mut listed, mut token) = (BTreeSet::new(), String::new());
    loop {
        let page = server.get(&format!("/v1/jobs?page_size=7{token}"));
        assert_eq!(page.status, 200, "{page:?}");
        for job in page.body["items"].as_array().expect("items") {
            assert_eq!(job["state"], "published", "{job}");
            assert!(listed.insert(job["id"].as_str().expect("a name").to_owned()), "{job}: twice");
        }
        let Some(next) = page.body["next_page_token"].as_str() else { break };
        token = format!("&page_token={next}");
    }
    assert_eq!(listed.len(), jobs);
    assert_eq!(count(server, &["published"]), jobs as u64);
    let others = ["waiting", "running", "withheld", "failed", "cancelled"];
    assert_eq!(count(server, &others), 0);
}

/// The model and what it draws, whether one device trained it or two.
#[test]
fn devices_that_share_a_training_change_no_byte() {
    let home = TempDir::new().expect("a temporary folder");
    let server = Server::start_with(home.path(), &[("TGS_DEVICES", "2")]);
    server.upload("small", "small.csv", &numbers(400), 1 << 20);
    let ordered = |devices: u32| {
        let learn = json!({"model": "tabgraph", "steps": 60, "threads": 1, "devices": devices});
        let order = json!({"kind": "synthesize", "dataset": "small", "rows": 200, "learn": learn});
        server.submit(&order)
    };
    let alone = ordered(1);
    server.ended(&alone);
    let shared = ordered(2);
    let trains = |view: &Value| view["progress"]["stage"] == "train";
    server.wait_for(&shared, trains);
    assert_eq!(server.metric("tgs_devices{use=\"busy\"}"), Some(2));
    server.ended(&shared);
    let table = |job: &str| {
        let all = files(&server, job);
        all.into_iter().find(|(name, _)| name.ends_with(".csv")).expect("a table")
    };
    assert_eq!(table(&shared), table(&alone));
    let refused = json!({"kind": "train", "dataset": "small", "learn": {"devices": 17}});
    let refused = server.post("/v1/jobs", &refused);
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.body["detail"].to_string().contains("1 to 16"), "{}", refused.body);
}

#[test]
fn orders_end_once_whatever_is_killed() {
    kill_while_ordering(40, 4);
}

/// `./dev soak`: the full number.
#[test]
#[ignore = "takes many minutes"]
fn soak_a_thousand_orders_and_ten_kills() {
    let number =
        |name: &str, usual| env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(usual);
    kill_while_ordering(number("TGS_SOAK_JOBS", 1_000), number("TGS_SOAK_SERVER_KILLS", 10));
}
