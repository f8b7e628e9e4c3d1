//! Who places the jobs of a cluster, as real processes over a real database: whoever leads may be
//! killed, and jobs wait for nobody; tenants get their shares; what is bound to a region, or to
//! machines that stay, waits for one.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_protocol::limits::{LEADER_SILENT_MS, LEASE_TTL_MS};
use tgs_tests::{
    cluster::{Cluster, files, store, undisturbed},
    program::{in_repository, refusal},
    server::Server,
    services::{CassandraRing, Database},
    waiting,
};

/// Longer than anything takes that is waited for.
const LONG: Duration = Duration::from_secs(400);

fn table() -> Vec<u8> {
    fs::read(in_repository("examples/actg175.csv")).expect("a table")
}

fn order(steps: u64, more: &[(&str, Value)]) -> Value {
    let learn = json!({"model": "tabgraph", "steps": steps, "threads": 1, "seed": 7});
    let mut order = json!({"kind": "train", "dataset": "trial", "learn": learn});
    for (name, value) in more {
        order[name] = value.clone();
    }
    order
}

/// Waits until a node leads that is not this one; gives its number.
fn until_led(cluster: &Cluster, by: &Server, but: Option<usize>) -> usize {
    let other = || cluster.leader(by).filter(|it| Some(*it) != but);
    let mut found = None;
    waiting::until("a node leads", LONG, || {
        found = other();
        found.is_some()
    });
    found.expect("it was waited for")
}

/// Lets every node hear its leader.
fn until_heard() {
    std::thread::sleep(Duration::from_millis(LEADER_SILENT_MS));
}

fn view(server: &Server, job: &str) -> Value {
    server.get(&format!("/v1/jobs/{job}")).body
}

/// When it was claimed first; none if it was not.
fn claimed_at(view: &Value) -> Option<u64> {
    let mut told = view["timeline"].as_array()?.iter();
    let is_claim = |it: &&Value| it["what"].as_str().is_some_and(|it| it.contains("claimed"));
    told.find(is_claim)?["at"].as_u64()
}

fn claims(view: &Value) -> usize {
    view["timeline"].to_string().matches("claimed in epoch").count()
}

/// Twelve jobs for three devices, and the node that places them is killed while most of them wait;
/// whoever leads then is killed as well, and comes back.
#[test]
fn jobs_wait_for_no_leader() {
    let order = order(80, &[]);
    let same = undisturbed("trial", &table(), &order);
    let (cluster, _) = Cluster::linked(3, &store(&Database::shared(), "led"));
    let nodes = cluster.nodes();
    nodes[0].upload("trial", "trial.csv", &table(), 1 << 20);
    let first = until_led(&cluster, &nodes[0], None);
    until_heard();
    let front = &nodes[(first + 1) % 3];
    let jobs: Vec<_> = (0..12).map(|_| front.submit(&order)).collect();
    let states = |is: &str| jobs.iter().filter(|job| view(front, job)["state"] == is).count();
    waiting::until("all nodes are at work", LONG, || states("running") == 3);
    let waits = jobs.iter().find(|job| view(front, job)["waiting"].is_object());
    let why = view(front, waits.expect("most of them wait"))["waiting"].clone();
    assert!(["room", "assigned"].map(Value::from).contains(&why["for"]), "{why}");

    nodes[first].kill();
    let killed = Instant::now();
    let second = until_led(&cluster, front, Some(first));
    println!("another node leads {:?} after a SIGKILL", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_millis(LEASE_TTL_MS / 2), "a link tells at once");
    if second != (first + 1) % 3 {
        nodes[second].kill();
        until_led(&cluster, front, Some(second));
        nodes[second].go_up();
    }
    nodes[first].go_up();
    for job in &jobs {
        let view = front.ended(job);
        assert_eq!(view["state"], "published", "{view}");
        assert!(claims(&view) <= 3, "one node works at it, and those that take over: {view}");
        assert_eq!(files(front, job), same.files, "{view}");
    }
}

/// Without links nobody is told of a death: until the lead has run out, nodes take up what they
/// find.
#[test]
fn jobs_go_on_while_nobody_leads() {
    let cluster = Cluster::start(2, &Database::shared(), "unled");
    let nodes = cluster.nodes();
    nodes[0].upload("trial", "trial.csv", &table(), 1 << 20);
    let first = until_led(&cluster, &nodes[0], None);
    until_heard();
    let other = &nodes[1 - first];
    nodes[first].kill();
    let killed = Instant::now();
    let jobs: Vec<_> = (0..3).map(|_| other.submit(&order(20, &[]))).collect();
    assert_eq!(until_led(&cluster, other, Some(first)), 1 - first);
    println!("another node leads {:?} after a SIGKILL", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_millis(2 * LEASE_TTL_MS));
    jobs.iter().for_each(|job| drop(other.ended(job)));
    println!("three jobs have ended {:?} after a SIGKILL", killed.elapsed());
    nodes[first].go_up();
    let more = other.submit(&order(20, &[]));
    assert_eq!(nodes[first].ended(&more)["state"], "published");
}

/// Of four devices one tenant has three as long as the other wants more as well; a third one has
/// no more than it may.
#[test]
fn tenants_get_their_shares() {
    let settings = [
        ("TGS_TENANTS", "research:3, billing:1, trials:9:1"),
        ("TGS_DEVICES", "2"),
        ("TGS_EXTERNAL_PROGRAMS", "/bin/sleep"),
    ];
    let cluster = Cluster::with_settings(&["all"; 2], &Database::shared(), "tenants", &settings);
    let nodes = cluster.nodes();
    until_led(&cluster, &nodes[0], None);
    until_heard();
    let rest = json!({"kind": "external", "program": "/bin/sleep", "arguments": ["4"]});
    let of = |tenant: &str| {
        let mut order = rest.clone();
        order["tenant"] = json!(tenant);
        order
    };
    // Who may have one device only comes first, and does not get all.
    let capped: Vec<_> = (0..3).map(|_| nodes[0].submit(&of("trials"))).collect();
    let billing: Vec<_> = (0..8).map(|_| nodes[0].submit(&of("billing"))).collect();
    let research: Vec<_> = (0..12).map(|_| nodes[1].submit(&of("research"))).collect();
    let last = view(&nodes[1], &research[11])["accepted_at"].as_u64().expect("a time");
    let runs = |job: &String| view(&nodes[0], job)["state"] == "running";
    let mut reasons = BTreeSet::new();
    waiting::until("those with a quota have ended", LONG, || {
        let running = capped.iter().filter(|job| runs(job)).count();
        assert!(running <= 1, "{running} of a tenant that may have one device");
        let whys = capped.iter().map(|job| view(&nodes[0], job)["waiting"]["for"].clone());
        reasons.extend(whys.filter_map(|why| why.as_str().map(str::to_owned)));
        capped.iter().all(|job| view(&nodes[0], job)["state"] == "published")
    });
    assert!(reasons.contains("quota"), "{reasons:?}");
    let ended = |jobs: &[String]| {
        let times = jobs.iter().map(|job| {
            let view = nodes[0].ended(job);
            assert_eq!(view["state"], "published", "{view}");
            claimed_at(&view).expect("it was claimed")
        });
        let mut times: Vec<_> = times.collect();
        times.sort_unstable();
        times
    };
    let (billing, research) = (ended(&billing), ended(&research));
    // While both wanted more: from when all had come until all of one had begun.
    let until = (*billing.last().expect("some")).min(*research.last().expect("some"));
    let begun = |all: &[u64]| all.iter().filter(|at| (last..=until).contains(at)).count();
    let (of_one, of_three) = (begun(&billing), begun(&research));
    println!("{of_three} of research and {of_one} of billing began while both wanted more");
    assert!(of_three >= 2 * of_one && of_one > 0, "{of_three} to {of_one}");
}

/// It waits for a node that stands there, and is told why.
#[test]
fn a_job_that_is_bound_to_a_region_waits_for_it() {
    let ring = CassandraRing::start(&[("eu", 1), ("us", 1)]);
    let cluster = Cluster::in_regions(&["eu", "us"], &ring.database(), "bound");
    let [eu, us] = cluster.nodes() else { panic!("two nodes") };
    us.upload("trial", "trial.csv", &table(), 1 << 20);
    until_led(&cluster, us, None);
    until_heard();
    eu.kill();
    // The other one leads by now or soon, and no node of that region is left.
    until_led(&cluster, us, Some(0));
    let bound = us.submit(&order(20, &[("regions", json!(["eu"]))]));
    let free = us.submit(&order(20, &[]));
    assert_eq!(us.ended(&free)["state"], "published");
    waiting::until("it is told why", LONG, || view(us, &bound)["waiting"]["for"] == "region");
    eu.go_up();
    let view = eu.ended(&bound);
    assert_eq!(view["state"], "published", "{view}");
    assert!(!view["timeline"].to_string().contains("node-1"), "{view}");
}

/// It waits for a machine that stays, is told why, and stays off the others once it has begun.
#[test]
fn a_job_that_stays_off_spot_machines_waits_for_another_one() {
    let store = store(&Database::shared(), "steady");
    let cluster = Cluster::with_store(1, &store);
    let spot = &cluster.nodes()[0];
    spot.upload("trial", "trial.csv", &table(), 1 << 20);
    until_led(&cluster, spot, None);
    until_heard();
    let bound = spot.submit(&order(200, &[("spot", json!(false))]));
    assert_eq!(spot.ended(&spot.submit(&order(20, &[])))["state"], "published");
    let waits = || view(spot, &bound)["waiting"]["for"] == "only_spot";
    waiting::until("it is told why", LONG, waits);

    let steady = cluster.further("steady", &[("TGS_STORE", &store)]);
    waiting::until("it is trained", LONG, || view(spot, &bound)["stage"] == "train");
    steady.stop();
    waiting::until("it is told why again", LONG, waits);
    steady.go_up();
    let view = spot.ended(&bound);
    assert_eq!((&view["state"], &view["spot"]), (&json!("published"), &json!(false)), "{view}");
    assert!(!view["timeline"].to_string().contains("node-0"), "{view}");
}

/// One clear error each.
#[test]
fn what_is_no_share_is_said() {
    let home = TempDir::new().expect("a temporary folder");
    for (tenants, told) in [
        ("research", "`research` is no share"),
        ("research:0", "`research:0` is no share"),
        ("research:1:many", "`research:1:many` is no share"),
        ("a b:1", "cannot call a tenant \"a b\""),
        ("a:1,a:2", "tenant a is named twice"),
    ] {
        let (error, _) = refusal(home.path(), "up", &[("TGS_TENANTS", tenants)]);
        assert_eq!(error["code"], "USE-0001", "{error}");
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains("`tenants`") && message.contains(told), "{told}: {message}");
    }
}
