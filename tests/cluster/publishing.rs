//! Orders that programs publish on a message bus become jobs, each once, whoever is killed; what
//! happens to jobs is told there once and in order. Real nodes, a real database, a real bus.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_simulations::dice::Dice;
use tgs_tests::{
    cluster::Cluster,
    program::{in_repository, refusal},
    publisher::Publisher,
    server::Server,
    services::{Database, Nats},
    tables::numbers,
    waiting,
};

/// Longer than all jobs of a test take on a slow machine.
const LONG: Duration = Duration::from_secs(1_800);

fn order(no: usize) -> Value {
    let learn = json!({"model": "seqtree", "seed": no, "threads": 1});
    json!({"kind": "train", "dataset": "small", "priority": no * 7 % 11, "learn": learn})
}

/// The jobs that one node lists, with their states.
fn jobs(server: &Server) -> BTreeMap<String, String> {
    let (mut listed, mut token) = (BTreeMap::new(), String::new());
    loop {
        let Some(page) = server.try_get(&format!("/v1/jobs?page_size=1000{token}")) else {
            return listed; // It is down just now.
        };
        for job in page.body["items"].as_array().into_iter().flatten() {
            let text = |name: &str| job[name].as_str().unwrap_or_default().to_owned();
            listed.insert(text("id"), text("state"));
        }
        let Some(next) = page.body["next_page_token"].as_str() else { return listed };
        token = format!("&page_token={next}");
    }
}

/// Publishes orders while nodes, and once the bus, are killed and started again.
fn kill_while_publishing(orders: usize, kills: usize, seed: u64) {
    println!("seed {seed}: {orders} orders, {kills} kills");
    let (bus, database) = (Nats::start(), Database::shared());
    let address = bus.url();
    let settings = [("TGS_NATS", address.as_str())];
    let cluster = Cluster::with_settings(&["all"; 3], &database, "publishing", &settings);
    let nodes = cluster.nodes();
    nodes[0].upload("small", "small.csv", &numbers(40), 100);
    let publisher = Publisher::at(&address, "tgs");
    let mut dice = Dice::of_seed(seed);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for no in 0..orders {
                publisher.publish(&format!("order-{no}"), &order(no));
            }
            // Whoever does not know whether it was heard says it again.
            (0..orders).step_by(7).for_each(|no| {
                publisher.publish(&format!("order-{no}"), &order(no));
            });
        });
        let (began, mut left) = (Instant::now(), kills);
        loop {
            let all = jobs(&nodes[0]);
            let ended = all.values().filter(|state| *state == "published").count();
            if ended == orders {
                break;
            }
            assert!(began.elapsed() < LONG, "{ended} of {orders} have ended");
            thread::sleep(Duration::from_millis(100 + (dice.share() * 400.0) as u64));
            if left > 0 && ended >= orders * (kills - left) / kills.max(1) {
                let no = (dice.share() * 3.0) as usize;
                nodes[no].kill();
                if left == kills / 2 {
                    bus.kill();
                    thread::sleep(Duration::from_secs(1));
                    bus.restart();
                }
                nodes[no].go_up();
                left -= 1;
            }
        }
        sender.join().expect("every order is kept");
        assert_eq!(left, 0, "so often somebody was killed");
    });
    let all = jobs(&nodes[1]);
    assert_eq!(all.len(), orders, "each order is one job");
    assert!(all.values().all(|state| state == "published"), "{all:?}");
    let is_quiet = || publisher.orders_left() == 0;
    wait_until("every order is taken off the bus", is_quiet);
    let ends = |events: &[Value]| events.iter().filter(|it| it["type"] == "job.ended").count();
    wait_until("all ends are told", || ends(&publisher.events()) >= orders);
    check_events(&publisher.events(), &all.into_keys().collect());
    assert_eq!(publisher.dead_letters(), []);
    assert_eq!(jobs(&nodes[2]).len(), orders, "an order that is said again is no other job");
}

fn check_events(events: &[Value], jobs: &BTreeSet<String>) {
    let numbers: Vec<_> = events.iter().map(|event| event["no"].as_u64().unwrap_or(0)).collect();
    let without_gaps: Vec<_> = (1..=events.len() as u64).collect();
    assert_eq!(numbers, without_gaps);
    for kind in ["job.accepted", "job.ended"] {
        let of_kind = events.iter().filter(|event| event["type"] == kind);
        let told: Vec<_> =
            of_kind.map(|event| event["job"].as_str().expect("a job").to_owned()).collect();
        assert_eq!(told.len(), jobs.len(), "{kind}: each once");
        assert_eq!(&BTreeSet::from_iter(told), jobs, "{kind}");
    }
}

fn wait_until(what: &str, is_so: impl FnMut() -> bool) {
    waiting::until(what, Duration::from_secs(120), is_so);
}

#[test]
fn published_orders_become_jobs_once_whoever_is_killed() {
    kill_while_publishing(40, 4, 20_261_129);
}

/// `./dev soak`: the full number.
#[test]
#[ignore = "takes many minutes"]
fn soak_a_thousand_published_orders() {
    let number =
        |name: &str, usual| env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(usual);
    kill_while_publishing(
        number("TGS_SOAK_JOBS", 1_000),
        number("TGS_SOAK_SERVER_KILLS", 10),
        number("TGS_SOAK_SEED", 1) as u64,
    );
}

/// What cannot be done is a dead letter with its reason, and whoever asked is told.
#[test]
fn what_cannot_be_done_is_said_to_its_publisher_and_kept_with_the_reason() {
    let (bus, home) = (Nats::start_taking(32 << 20), TempDir::new().expect("a temporary folder"));
    let address = format!("{}/lab", bus.url());
    let server = Server::start_with(home.path(), &[("TGS_NATS", &address)]);
    server.upload("small", "small.csv", &numbers(40), 100);
    let publisher = Publisher::at(&bus.url(), "lab");
    wait_until("the queue is there", || publisher.has_stream("lab_orders"));
    let good = order(1).to_string();
    let taken = publisher.ask(&[("Nats-Msg-Id", "a")], &good);
    let job = taken["id"].as_str().expect("a job").to_owned();
    assert_eq!(server.ended(&job)["state"], "published");
    // The bus itself forgets keys after two minutes; the store does not.
    let over_http = server.try_post("/v1/jobs", &order(1), Some("a")).expect("an answer");
    assert_eq!((over_http.status, &over_http.body["id"]), (200, &json!(job)), "one key, one job");
    let missing = good.replace("small", "absent");
    let padded = |bytes: usize| format!("{good}{}", " ".repeat(bytes));
    let too_large = padded(20 << 20);
    let refused = [
        (vec![], &"{".to_owned(), "USE-0001", "send what POST /v1/jobs takes"),
        (vec![], &missing, "USE-0007", "no dataset \"absent\" is here"),
        (vec![("Tgs-Version", "2")], &good, "USE-0001", "version \"2\" is not known"),
        (vec![("Nats-Msg-Id", "two words")], &good, "USE-0001", "idempotency key"),
        (vec![], &too_large, "USE-0009", "are taken"),
    ];
    for (headers, body, code, why) in &refused {
        let told = publisher.ask(headers, body);
        assert_eq!(told["code"], *code, "{told}");
        assert!(told["detail"].as_str().is_some_and(|it| it.contains(why)), "{told}");
    }
    assert!(publisher.ask(&[], &padded(900_000))["id"].is_string(), "as much as is taken");
    let letters = publisher.dead_letters();
    assert_eq!(letters.len(), refused.len());
    for ((code, reason, body), (_, sent, wanted, why)) in letters.iter().zip(&refused) {
        assert_eq!((code.as_str(), body.as_slice()), (*wanted, sent.as_bytes()));
        assert!(reason.contains(why), "{reason}");
    }
    assert_eq!(publisher.orders_left(), 0);
    let metrics = server.get("/v1/metrics").body;
    let metrics = metrics.as_str().expect("text");
    assert!(metrics.contains("tgs_orders_published_total{outcome=\"refused\"} 5"), "{metrics}");
}

/// Jobs go on while there is no bus; orders are taken and events told once there is one.
#[test]
fn a_server_works_without_its_bus_and_finds_it_when_it_is_there() {
    let (bus, home) = (Nats::start(), TempDir::new().expect("a temporary folder"));
    let address = bus.url();
    bus.kill();
    let server = Server::start_with(home.path(), &[("TGS_NATS", &address)]);
    server.upload("small", "small.csv", &numbers(40), 100);
    let taken = server.post("/v1/jobs", &order(1));
    let first = taken.body["id"].as_str().expect("a job").to_owned();
    assert_eq!(server.ended(&first)["state"], "published");
    bus.restart();
    let publisher = Publisher::at(&address, "tgs");
    wait_until("the queue is there", || publisher.has_stream("tgs_orders"));
    let taken = publisher.ask(&[], &order(2).to_string());
    let second = taken["id"].as_str().expect("a job").to_owned();
    assert_eq!(server.ended(&second)["state"], "published");
    let ends = || publisher.events().iter().filter(|it| it["type"] == "job.ended").count();
    wait_until("both ends are told", || ends() == 2);
    check_events(&publisher.events(), &BTreeSet::from([first, second]));
}

/// The programs of `examples/`, as a reader would run them.
#[test]
fn the_examples_publish_an_order_and_show_the_job() {
    let (bus, home) = (Nats::start(), TempDir::new().expect("a temporary folder"));
    let server = Server::start_with(home.path(), &[("TGS_NATS", &bus.url())]);
    server.upload("small", "small.csv", &numbers(40), 100);
    let publisher = Publisher::at(&bus.url(), "tgs");
    wait_until("the queue is there", || publisher.has_stream("tgs_orders"));
    let python = env::var_os("TGS_NATS_PYTHON").expect("TGS_NATS_PYTHON: run `./dev test`");
    let script = in_repository("examples/publish_order.py");
    let mut in_python = Command::new(python);
    in_python.arg(script);
    let in_rust = Command::new(env!("CARGO_BIN_EXE_publish_order"));
    for (no, mut example) in [in_python, in_rust].into_iter().enumerate() {
        let words = [bus.url(), format!("key-{no}"), order(no).to_string()];
        let Output { status, stdout, stderr } = example.args(words).output().expect("it runs");
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        let job: Value = serde_json::from_slice(&stdout).expect("a job");
        let job = job["id"].as_str().expect("a name");
        assert_eq!(server.ended(job)["state"], "published");
    }
}

/// One clear error each, and no password in any.
#[test]
fn a_bus_that_cannot_be_meant_is_refused() {
    let home = TempDir::new().expect("a temporary folder");
    let absent = home.path().join("absent.creds");
    let absent = absent.to_str().expect("a name");
    for (settings, told) in [
        (vec![("TGS_NATS", "bus:4222")], "write nats://user@host:port"),
        (vec![("TGS_NATS", "nats://ada:secret@bus")], "TGS_NATS_PASSWORD"),
        (vec![("TGS_NATS", "nats://bus"), ("TGS_NATS_CREDENTIALS", absent)], "absent.creds"),
        (vec![("TGS_NATS", "nats://ada@bus")], "a user without a password"),
    ] {
        let (error, said) = refusal(&home.path().join("up"), "up", &settings);
        assert_eq!(error["code"], "USE-0001", "{error}");
        assert!(error["message"].as_str().is_some_and(|it| it.contains(told)), "{error}");
        assert!(!said.contains(":secret"), "{said}");
    }
}
