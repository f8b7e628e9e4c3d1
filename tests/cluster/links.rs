//! Links between nodes as real processes: who is killed is noticed at once, who stands still is
//! not buried, and strangers are let in by nobody.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_protocol::limits::{KEYS_LOOK_MS, LEASE_STAND_DOWN_MS, LINK_OPEN_MS};
use tgs_tests::{
    cluster::{Cluster, certify, files, is_training, keys_of, store, undisturbed},
    program::{in_repository, refusal, run},
    server::{Server, free_address},
    services::{Database, Nats},
    waiting,
};

/// Longer than anything takes that is waited for.
const LONG: Duration = Duration::from_secs(180);

fn endless(server: &Server) -> String {
    let table = fs::read(in_repository("examples/actg175.csv")).expect("a table");
    server.upload("trial", "trial.csv", &table, 1 << 20);
    let learn = json!({"model": "tabgraph", "steps": 1_000_000, "threads": 1, "seed": 3});
    server.submit(&json!({"kind": "train", "dataset": "trial", "learn": learn}))
}

/// Long before its lease has run out; and one that stands still has not ended, so its lease
/// decides, and it is linked again when it wakes.
#[test]
fn who_is_killed_is_noticed_at_once_and_who_stands_still_is_waited_for() {
    let (cluster, _) = Cluster::linked(3, &store(&Database::shared(), "links"));
    let nodes = cluster.nodes();
    cluster.until_linked(0);
    let job = endless(&nodes[0]);
    let mut left = cluster.all();
    let first = cluster.at_work(&left, &job, is_training).expect("it does not end");
    nodes[first].kill();
    let killed = Instant::now();
    left.remove(&first);
    let second = cluster.at_work(&left, &job, is_training).expect("it does not end");
    println!("another node goes on {:?} after a SIGKILL", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_millis(LEASE_STAND_DOWN_MS / 2));
    let told = nodes[second].get(&format!("/v1/jobs/{job}")).body["timeline"].to_string();
    assert!(told.contains(&format!("claimed in epoch 2 by node node-{second}, ")), "{told}");

    cluster.freeze(second);
    let frozen = Instant::now();
    left.remove(&second);
    let third = cluster.at_work(&left, &job, is_training).expect("it does not end");
    println!("another node goes on {:?} after a SIGSTOP", frozen.elapsed());
    assert!(frozen.elapsed() > Duration::from_millis(LEASE_STAND_DOWN_MS / 2));
    cluster.wake(second);
    nodes[first].go_up();
    cluster.until_linked(third);

    // An order to end it is heard at once, wherever it is given.
    let began = Instant::now();
    let cancelled = nodes[first].post(&format!("/v1/jobs/{job}:cancel"), &json!({}));
    println!("cancelled from another node in {:?}", began.elapsed());
    assert_eq!((cancelled.status, &cancelled.body["state"]), (200, &json!("cancelled")));
    let idle = |node: &Value| node["running"].as_array().is_some_and(Vec::is_empty);
    waiting::until("nobody works", LONG, || {
        let page = nodes[first].get("/v1/nodes").body;
        page["items"].as_array().is_some_and(|all| all.len() == 3 && all.iter().all(idle))
    });
}

/// Whoever is asked to stop hands over at once, to the same bytes.
#[test]
fn what_is_handed_over_is_taken_up_at_once() {
    let table = fs::read(in_repository("examples/actg175.csv")).expect("a table");
    let learn = json!({"model": "tabgraph", "steps": 200, "threads": 1, "seed": 7});
    let order = json!({"kind": "synthesize", "dataset": "trial", "rows": 12_000, "learn": learn});
    let undisturbed = undisturbed("trial", &table, &order);
    let (cluster, _) = Cluster::linked(2, &store(&Database::shared(), "handed_over"));
    let nodes = cluster.nodes();
    cluster.until_linked(0);
    nodes[0].upload("trial", "trial.csv", &table, 1 << 20);
    let job = nodes[0].submit(&order);
    let first = cluster.at_work(&cluster.all(), &job, is_training).expect("it has not ended");
    assert_eq!(nodes[first].stop(), Some(0));
    let stopped = Instant::now();
    let other = BTreeSet::from([1 - first]);
    cluster.at_work(&other, &job, |_| true).expect("it has not ended");
    println!("another node goes on {:?} after the first one is gone", stopped.elapsed());
    nodes[1 - first].ended(&job);
    assert_eq!(files(&nodes[1 - first], &job), undisturbed.files);
}

/// Nodes that have nothing else to do sample chunks of a job that another one holds; one of them is
/// killed meanwhile. No byte and no row changes.
#[test]
fn idle_nodes_sample_chunks_of_anothers_job() {
    let (cluster, _) = Cluster::linked(3, &store(&Database::shared(), "help"));
    cluster.until_linked(0);
    all_help(&cluster);
}

/// The same where no node reaches another one but over the bus.
#[test]
fn nodes_without_links_help_each_other_over_the_bus() {
    let (bus, keys) = (Nats::shared().url(), TempDir::new().expect("a temporary folder"));
    let bus = format!("{bus}/help_over_bus");
    certify(keys.path(), 1);
    let folder = keys_of(keys.path(), 0);
    let secret = folder.to_str().expect("a name");
    let settings = [("TGS_NATS", bus.as_str()), ("TGS_LINKS_FOLDER", secret)];
    let cluster =
        Cluster::with_settings(&["all"; 3], &Database::shared(), "help_over_bus", &settings);
    let nodes = cluster.nodes();
    let page = |of: &Server| of.get("/v1/nodes").body["items"].clone();
    let are_all_on_it = |nodes: &Value| {
        let on_bus = |node: &Value| node["on_bus"] == true && node["links"] == 0;
        nodes.as_array().is_some_and(|all| all.len() == 3 && all.iter().all(on_bus))
    };
    waiting::until("all are on the bus", LONG, || are_all_on_it(&page(&nodes[0])));
    all_help(&cluster);
}

/// Of three nodes one holds a job of many chunks and two help; one of these is killed. What is
/// delivered is what one server makes that nobody disturbs, at each node.
fn all_help(cluster: &Cluster) {
    let table = fs::read(in_repository("examples/actg175.csv")).expect("a table");
    let learn = json!({"model": "tabgraph", "steps": 60, "threads": 1, "seed": 7});
    let order = json!({"kind": "synthesize", "dataset": "trial", "rows": 105_000, "learn": learn});
    let undisturbed = undisturbed("trial", &table, &order);
    let nodes = cluster.nodes();
    nodes[0].upload("trial", "trial.csv", &table, 1 << 20);
    let job = nodes[0].submit(&order);
    let samples = |view: &Value| view["progress"]["stage"] == "sample";
    let holder = cluster.at_work(&cluster.all(), &job, samples).expect("it has not ended");
    let helpers: Vec<_> = (0..3).filter(|no| *no != holder).collect();
    let helped = |no: usize| nodes[no].metric("tgs_chunks_sampled_total{whose=\"anothers\"}");
    let lent = |outcome: &str| {
        nodes[holder].metric(&format!("tgs_chunks_lent_total{{outcome=\"{outcome}\"}}"))
    };
    waiting::until("both help", LONG, || {
        if helpers.iter().all(|no| helped(*no) > Some(0)) {
            return true;
        }
        let view = nodes[holder].get(&format!("/v1/jobs/{job}")).body;
        let (sealed, returned) = (lent("sealed"), lent("returned"));
        assert_eq!(view["state"], "running", "lent {sealed:?}, returned {returned:?}: {view}");
        false
    });
    // Whoever refuses what it is asked for in time rests, and helps little.
    let (sealed, returned) = (lent("sealed"), lent("returned"));
    let takes = returned.unwrap_or(0) * 2 <= sealed.unwrap_or(0);
    assert!(takes, "idle nodes take what they are offered: {sealed:?}, but {returned:?} came back");
    nodes[helpers[0]].kill();
    nodes[holder].ended(&job);
    println!("{:?} of 11 chunks by the other helper", helped(helpers[1]));
    assert_eq!(files(&nodes[holder], &job), undisturbed.files);
    assert_eq!(files(&nodes[helpers[1]], &job), undisturbed.files);
}

/// Neither with keys of another cluster, nor with none, nor by saying nothing; and they keep
/// nobody waiting.
#[test]
fn strangers_are_let_in_by_nobody() {
    let store = store(&Database::shared(), "strangers");
    let (cluster, at) = Cluster::linked(2, &store);
    cluster.until_linked(0);
    let silent: Vec<_> = (0..80).map(|_| TcpStream::connect(at[0]).expect("a port")).collect();
    let mut plain = TcpStream::connect(at[1]).expect("a port");
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it is taken");
    plain.set_read_timeout(Some(LONG)).expect("a limit");
    let mut heard = Vec::new();
    let _ = plain.read_to_end(&mut heard);
    assert!(heard.len() < 64, "an alert at most: {}", String::from_utf8_lossy(&heard));
    // The same database, but keys of another authority.
    let keys = TempDir::new().expect("a temporary folder");
    certify(keys.path(), 1);
    let stranger = cluster.another("stranger", &store, &keys_of(keys.path(), 0));
    waiting::until("it is there", LONG, || cluster.links(0).len() == 3);
    thread::sleep(Duration::from_millis(2 * LINK_OPEN_MS));
    let mut all = cluster.links(0);
    all.sort_unstable();
    assert_eq!(all, [0, 1, 1], "the stranger has none");
    drop((silent, stranger));
}

/// Where `tgs` writes keys.
fn cert(home: &Path, words: &[&str]) {
    let _ = run(home, &[&["cert"], words].concat()).expect_status(0);
}

/// Another certificate, then another authority, as the guide says; and what is broken meanwhile
/// changes nothing. Whoever is certified by the new one alone is linked to nodes that run.
#[test]
fn certificates_are_renewed_while_nodes_run() {
    let store = store(&Database::shared(), "renewed");
    let (cluster, _) = Cluster::linked(2, &store);
    let nodes = cluster.nodes();
    cluster.until_linked(0);
    let (keys, path) = (cluster.keys(), |path: &Path| path.to_str().expect("a name").to_owned());
    let [old, next] = ["authority", "authority-2"].map(|name| keys.join(name));
    let issue = |name: &str, authority: &Path, out: &Path| {
        let (authority, out) = (path(authority), path(out));
        cert(keys, &["node", name, "--authority", &authority, "--out", &out, "--renew"]);
    };
    let ends = |no: usize| nodes[no].metric("tgs_certificate_expiration_timestamp_seconds");
    let until_renewed = |no: usize, before: Option<u64>| {
        waiting::until("it is renewed", LONG, || ends(no) > before);
    };
    waiting::until("it is told", LONG, || (0..2).all(|no| ends(no) > Some(0)));

    // Another certificate of the same authority.
    let before = ends(0);
    issue("node-0", &old, &keys_of(keys, 0));
    until_renewed(0, before);

    // Another authority: both are trusted, and a third node is certified by the new one.
    cert(keys, &["authority", "--out", &path(&next)]);
    fs::copy(old.join("secret"), next.join("secret")).expect("a copy");
    let alone = fs::read(next.join("ca.pem")).expect("PEM");
    let earlier = fs::read(old.join("ca.pem")).expect("PEM");
    fs::write(next.join("ca.pem"), [&*alone, &earlier].concat()).expect("our own");
    for no in 0..2 {
        fs::copy(next.join("ca.pem"), keys_of(keys, no).join("ca.pem")).expect("a copy");
    }
    issue("third", &next, &keys_of(keys, 2));
    let third = cluster.another("third", &store, &keys_of(keys, 2));
    let all_linked = || cluster.links(0) == [2, 2, 2];
    waiting::until("the third is linked", LONG, all_linked);
    let link_anew = || {
        assert_eq!(third.stop(), Some(0));
        waiting::until("it is gone", LONG, || cluster.links(0) == [1, 1]);
        third.go_up();
        waiting::until("the third is linked again", LONG, all_linked);
    };

    // What is broken is told of once, and what was there before is used on.
    fs::write(keys_of(keys, 0).join("node.key"), "no key").expect("our own");
    let from = "tgs_log_warnings_total{from=\"tgs_actors::key_watch\"}";
    waiting::until("it is told", LONG, || nodes[0].metric(from) == Some(1));
    let is_shown = || nodes[1].get("/v1/nodes").body.to_string().contains("the earlier ones are");
    waiting::until("it is shown", LONG, is_shown);
    link_anew();
    assert_eq!(nodes[0].metric(from), Some(1), "it is told once");

    // All are certified by the new one, and it alone is trusted.
    let before = [ends(0), ends(1)];
    for no in 0..2 {
        issue(&format!("node-{no}"), &next, &keys_of(keys, no));
    }
    (0..2).for_each(|no| until_renewed(no, before[no]));
    for no in 0..3 {
        fs::write(keys_of(keys, no).join("ca.pem"), &alone).expect("our own");
    }
    thread::sleep(Duration::from_millis(2 * KEYS_LOOK_MS));
    link_anew();
    assert_eq!(nodes[0].metric(from), Some(1), "nothing else was wrong");
    assert_eq!(nodes[1].metric(from).unwrap_or_default(), 0);
}

/// One clear error each.
#[test]
fn what_links_cannot_be_made_of_is_said() {
    let home = TempDir::new().expect("a temporary folder");
    let store = store(&Database::shared(), "no_links");
    let free = free_address().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("it has one").to_string();
    certify(home.path(), 2);
    let path = |path: &Path| path.to_str().expect("a name").to_owned();
    let good = path(&keys_of(home.path(), 0));
    let mixed = keys_of(home.path(), 1);
    fs::copy(keys_of(home.path(), 0).join("node.key"), mixed.join("node.key")).expect("a copy");
    let mixed = path(&mixed);
    for (settings, told) in [
        (vec![("TGS_LINKS", "7401")], "such as 0.0.0.0:7401"),
        (vec![("TGS_LINKS", &*taken), ("TGS_LINKS_FOLDER", &*good)], "name a free port"),
        (vec![("TGS_LINKS", &*free)], "`tgs cert node` made for this node"),
        (vec![("TGS_LINKS", &*free), ("TGS_LINKS_FOLDER", "/no")], "/no/"),
        (vec![("TGS_LINKS", &*free), ("TGS_LINKS_FOLDER", &*mixed)], "do not go together"),
    ] {
        let settings = [&[("TGS_STORE", store.as_str())], &settings[..]].concat();
        let (error, _) = refusal(&home.path().join("node"), "node", &settings);
        assert_eq!(error["code"], "USE-0001", "{error}");
        assert!(error["message"].as_str().is_some_and(|it| it.contains(told)), "{told}: {error}");
    }
    let alone = [("TGS_LINKS", &*free), ("TGS_LINKS_FOLDER", &*good)];
    let (error, _) = refusal(&home.path().join("alone"), "up", &alone);
    assert!(error["message"].as_str().is_some_and(|it| it.contains("`tgs node`")), "{error}");
}
