//! What `deploy/compose.yaml` describes, started for real without containers: its words for NATS,
//! its keys, its settings of nodes and its Prometheus, over a database of three data centres. Only
//! the addresses are others. A job goes from the front to its end, and every panel has something to
//! show.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_tests::{
    deployment::{compose, file, measures, nats_server, prepared, text, with_places},
    program::{Finished, binary, in_repository},
    server::{Server, free_address},
    services::{CassandraRing, objects::Objects, process::Process, prometheus::Prometheus},
    waiting,
};

const LONG: Duration = Duration::from_secs(180);
const NODES: [&str; 4] = ["eu-1", "eu-2", "us-1", "front"];

type Places = Vec<(String, String)>;

/// Whatever runs; ended in this order.
struct Stack {
    prometheus: Prometheus,
    nodes: BTreeMap<&'static str, Server>,
    objects: Objects,
    _bus: Vec<Process>,
    _ring: CassandraRing,
    _folder: TempDir,
}

/// A free port of this machine.
fn port() -> String {
    free_address().port().to_string()
}

fn words(value: &Value) -> Vec<String> {
    let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    // Compose writes a dollar twice.
    words.map(|word| word.replace("$$", "$")).collect()
}

fn ask(url: &str, method: &str) -> Option<(u16, String)> {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = config.timeout_global(Some(Duration::from_secs(10))).build().into();
    let request = ureq::http::Request::builder().method(method).uri(url).body(()).ok()?;
    let mut answer = agent.run(request).ok()?;
    Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
}

/// The servers of NATS with the words that compose gives them; they are asked for their health as
/// it does, and put into the places.
fn start_bus(whole: &Value, folder: &Path, places: &mut Places) -> Vec<Process> {
    let names = ["nats-1", "nats-2", "nats-3"];
    let ports = names.map(|_| [port(), port(), port()]);
    let routes: Places = names
        .iter()
        .zip(&ports)
        .map(|(name, [_, route, _])| (format!("{name}:6222"), format!("127.0.0.1:{route}")))
        .collect();
    let start = |(name, [clients, route, watch]): (&&str, &[String; 3])| {
        let data = folder.join(name);
        fs::create_dir_all(&data).expect("our own folder");
        let mut own = routes.clone();
        own.push(("0.0.0.0:6222".to_owned(), format!("127.0.0.1:{route}")));
        own.push(("8222".to_owned(), watch.clone()));
        own.push(("/data".to_owned(), data.join("data").display().to_string()));
        let given = words(&whole["services"][*name]["command"]);
        let mut given: Vec<_> = given.iter().map(|word| with_places(word, &own)).collect();
        given.extend(["--addr", "127.0.0.1", "--port", clients.as_str()].map(str::to_owned));
        nats_server(name, given, data)
    };
    let servers: Vec<_> = names.iter().zip(&ports).map(start).collect();
    for (name, [clients, _, watch]) in names.iter().zip(&ports) {
        let test = words(&whole["services"][*name]["healthcheck"]["test"]);
        let url = test.last().expect("an address").replace(":8222", &format!(":{watch}"));
        waiting::until(&url, LONG, || ask(&url, "GET").is_some_and(|(status, _)| status == 200));
        places.push(((*name).to_owned(), format!("127.0.0.1:{clients}")));
    }
    servers
}

/// The keys of the nodes, by the words that compose gives to the service that makes them.
fn make_keys(whole: &Value, folder: &Path) -> PathBuf {
    let (keys, authority) = (folder.join("keys"), folder.join("authority"));
    let service = &whole["services"]["keys"];
    let (shell, given) = (words(&service["entrypoint"]), words(&service["command"]));
    let places = [("/authority", &authority), ("/keys", &keys)]
        .map(|(name, place)| (name.to_owned(), place.display().to_string()));
    let given = given.iter().map(|word| with_places(word, &places));
    fs::create_dir_all(&keys).expect("our own folder");
    let tools = binary().parent().expect("a folder").display().to_string();
    let mut command = Command::new(&shell[0]);
    command.args(&shell[1..]).args(given).env("PATH", format!("{tools}:/usr/bin:/bin"));
    command.env("HOME", folder);
    for _ in ["the first start", "a later one"] {
        let made = Finished::from(command.output().expect("a shell"));
        let _ = made.expect_status(0);
    }
    keys
}

fn start_node(whole: &Value, name: &str, folder: &Path, places: &Places) -> Server {
    let path = whole["configs"][name]["file"].as_str().expect("a file");
    let given = fs::read_to_string(path).expect("its settings");
    let settings = folder.join(format!("{name}.toml"));
    let own = [("0.0.0.0:7401".to_owned(), format!("{name}:7401"))];
    fs::write(&settings, with_places(&with_places(&given, &own), places)).expect("our own folder");
    let given = whole["services"][name]["environment"].as_object().expect("variables");
    let mut variables: Places = given
        .iter()
        .map(|(key, value)| (key.clone(), with_places(value.as_str().expect("text"), places)))
        .collect();
    variables.push(("TGS_CONFIG".to_owned(), settings.display().to_string()));
    let variables: Vec<_> = variables.iter().map(|(key, value)| (&**key, &**value)).collect();
    let token = fs::read_to_string(folder.join("deploy/secrets/token")).expect("a secret");
    Server::node(&folder.join("home").join(name), &variables, token.trim())
}

fn start_prometheus(
    copy: &Path,
    nodes: &BTreeMap<&'static str, Server>,
    places: &Places,
) -> Prometheus {
    let path = copy.join("prometheus/prometheus.yaml");
    let given = fs::read_to_string(&path).expect("a file");
    let at = nodes.iter().map(|(name, node)| (format!("{name}:7400"), node.address()));
    let mut places: Places = at.chain(places.iter().cloned()).collect();
    // A test has no minutes to wait.
    places.push(("15s".to_owned(), "1s".to_owned()));
    fs::write(&path, with_places(&given, &places)).expect("our own copy");
    Prometheus::start(&path)
}

impl Stack {
    fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let copy = prepared(folder.path());
        let whole = compose(&copy, &["compose.yaml"]);
        let ring = CassandraRing::start(&[("eu", 1), ("us", 1), ("ap", 1)]);
        let mut places: Places = Vec::new();
        for (centre, point) in ["eu", "us", "ap"].iter().zip(ring.database().contact_points) {
            places.push((format!("db-{centre}"), point));
        }
        let bus = start_bus(&whole, folder.path(), &mut places);
        let objects = Objects::start();
        let endpoint = objects.endpoint();
        let made = ask(&format!("{endpoint}/tabgraphsyn"), "PUT");
        assert_eq!(made.map(|(status, _)| status), Some(200), "a bucket as compose makes it");
        places.push(("http://objects:8333".to_owned(), endpoint));
        let keys = make_keys(&whole, folder.path());
        let token = copy.join("secrets/token").display().to_string();
        places.push(("/run/secrets/token".to_owned(), token));
        let links: Places =
            NODES.map(|name| (format!("{name}:7401"), free_address().to_string())).into();
        places.extend(links);
        let start = |name| {
            let mut own = places.clone();
            own.push(("/keys".to_owned(), keys.join(name).display().to_string()));
            (name, start_node(&whole, name, folder.path(), &own))
        };
        let nodes = NODES.map(start).into_iter().collect();
        let prometheus = start_prometheus(&copy, &nodes, &places);
        Self { prometheus, nodes, objects, _bus: bus, _ring: ring, _folder: folder }
    }

    /// The number that an expression gives; none while it gives none.
    fn number(&self, expression: &str) -> Option<f64> {
        let found = self.prometheus.query(expression).unwrap_or_else(|why| panic!("{why}"));
        found.first()?["value"][1].as_str()?.parse().ok()
    }

    fn until(&self, what: &str, expression: &str, wanted: f64) {
        waiting::until(what, LONG, || self.number(expression) == Some(wanted));
    }
}

/// As an image asks itself.
fn health(what: &str, node: &Server) -> bool {
    let asked = Command::new(file("health")).args([what, &node.address()]).output();
    asked.expect("bash runs").status.success()
}

/// Panels and rules ask for what there is, in words that Prometheus knows.
fn all_is_shown(prometheus: &Prometheus) {
    let dashboard: Value = serde_json::from_str(&text("grafana/tabgraphsyn.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|it| it["targets"].as_array().into_iter().flatten());
    let variables = [("$__rate_interval", "20s"), ("$instance", ".+"), ("$region", ".+")];
    let empty: Vec<_> = targets
        .map(|target| target["expr"].as_str().expect("text"))
        .filter(|expression| {
            let mut asked = (*expression).to_owned();
            for (name, value) in variables {
                asked = asked.replace(name, value);
            }
            assert!(!asked.contains('$'), "{expression}: a variable that nobody sets");
            let found = prometheus.query(&asked);
            found.unwrap_or_else(|why| panic!("{expression}: {why}")).is_empty()
        })
        .collect();
    assert_eq!(empty, [""; 0], "panels with nothing to show");
    for name in measures(&text("prometheus/alerts.yaml")) {
        let found = prometheus.query(&name).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(!found.is_empty(), "a rule asks for {name}, which nobody tells");
    }
}

#[test]
fn the_cluster_of_compose_works() {
    let stack = Stack::start();
    let front = &stack.nodes["front"];
    waiting::until("all are ready", LONG, || {
        stack.nodes.values().all(|node| health("ready", node))
    });
    stack.until("all are measured", "count(up{job=\"tgs\"} == 1)", 4.0);
    stack.until("all are seen", "min(tgs_nodes)", 4.0);
    stack.until("all are linked", "min(tgs_links)", 3.0);

    let example = fs::read_to_string(in_repository("examples/actg175.csv")).expect("a table");
    let (head, rows) = example.split_once('\n').expect("a header");
    // Large enough to lie among the objects.
    let large = format!("{head}\n{}", rows.repeat(30));
    front.upload("trial", "trial.csv", large.as_bytes(), 8 << 20);
    let learn = json!({"model": "seqtree", "threads": 1, "seed": 7});
    let order = json!({"kind": "synthesize", "dataset": "trial", "rows": 3_000, "learn": learn});
    let job = front.submit(&order);
    let view = front.ended(&job);
    assert_eq!(view["state"], "published", "{view}");
    let worker = view["timeline"].to_string();
    assert!(!worker.contains("node front"), "the front computes nothing: {view}");
    let endpoint = stack.objects.endpoint();
    let listed = ask(&format!("{endpoint}/tabgraphsyn?list-type=2&prefix=cluster/"), "GET");
    assert!(listed.expect("it answers").1.contains("<Key>cluster/"), "the table lies there");
    stack.until("the job is counted", "max(tgs_jobs{state=\"published\"})", 1.0);
    stack.until("somebody took it up", "sum(tgs_leases_claimed_total{why=\"new\"})", 1.0);

    all_is_shown(&stack.prometheus);
    let called = stack.prometheus.query("ALERTS{alertstate=\"firing\"}").expect("it answers");
    assert!(called.is_empty(), "all is well: {called:?}");

    // Who is gone is called for, and the others see it.
    let gone = &stack.nodes["eu-2"];
    gone.kill();
    assert!(!health("live", gone));
    let pending = "count(ALERTS{alertname=\"TgsNodeDown\", alertstate=\"pending\", region=\"eu\"})";
    stack.until("the alert waits for its time", pending, 1.0);
    stack.until("it is seen no more", "max(tgs_nodes)", 3.0);
}
