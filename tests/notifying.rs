//! Webhooks of a real `tgs up` that is killed while it delivers, to a receiver that fails: every
//! notice that was subscribed arrives, under one name, signed, and nothing else does.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_tests::{
    cluster::{Cluster, store},
    peers,
    receiver::{Got, Receiver, Reply},
    server::Server,
    services::Database,
    tables::numbers,
    waiting,
};

/// Longer than anything here takes on a slow machine.
const LONG: Duration = Duration::from_secs(300);

/// Pauses of days become milliseconds, and the receiver may be on this machine.
const SETTINGS: [(&str, &str); 2] =
    [("TGS_NOTIFY_PRIVATE", "true"), ("TGS_NOTIFY_PAUSE_FACTOR", "0.00002")];

fn order(no: usize) -> Value {
    let learn = json!({"model": "seqtree", "seed": no, "threads": 1});
    json!({"kind": "train", "dataset": "small", "learn": learn})
}

fn submit(server: &Server, no: usize) -> String {
    server.submit(&order(no))
}

fn subscribe(server: &Server, order: &Value) -> Value {
    let answer = server.post("/v1/webhooks", order);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body
}

/// Waits until this is so.
fn until(what: &str, is_so: impl FnMut() -> bool) {
    waiting::until(what, LONG, is_so);
}

/// Every delivery of a subscription, over all pages.
fn deliveries(server: &Server, id: &str) -> Vec<Value> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/v1/webhooks/{id}/deliveries?page_size=3{token}"));
        assert_eq!(page.status, 200, "{page:?}");
        all.extend(page.body["items"].as_array().expect("items").iter().cloned());
        let Some(next) = page.body["next_page_token"].as_str() else { return all };
        token = format!("&page_token={next}");
    }
}

fn are_delivered(server: &Server, id: &str, count: usize) -> bool {
    let all = deliveries(server, id);
    all.len() == count && all.iter().all(|it| it["state"] == "delivered")
}

/// Each name tells of one job, with one body, however often it came.
fn by_name(got: &[Got]) -> BTreeMap<String, Value> {
    let mut told: BTreeMap<String, Value> = BTreeMap::new();
    for one in got {
        let body: Value = serde_json::from_str(&one.body).expect("JSON");
        let name = one.header("webhook-id").to_owned();
        assert_eq!(told.entry(name).or_insert_with(|| body.clone()), &body, "one name, one body");
    }
    told
}

#[test]
fn every_notice_arrives_although_both_ends_fail() {
    let home = TempDir::new().expect("a temporary folder");
    let server = Server::start_with(home.path(), &SETTINGS);
    assert_eq!(server.upload("small", "small.csv", &numbers(40), 1_000), "small@1");
    let unheard = submit(&server, 99);
    until("the first job ends", || state_of(&server, &unheard) == "published");
    // The first four attempts at each notice fail, each in its own way.
    let receiver = Receiver::start(|earlier| match earlier {
        0 => Reply::Status(500),
        1 => Reply::HangUp,
        2 => Reply::Late(Duration::from_millis(400), 503),
        3 => Reply::Status(302),
        _ => Reply::Status(204),
    });
    let hook = subscribe(&server, &json!({"url": receiver.url("/hook")}));
    let id = hook["id"].as_str().expect("a name").to_owned();
    let secret = hook["secret"].as_str().expect("a secret, this once").to_owned();
    assert_eq!(server.get(&format!("/v1/webhooks/{id}")).body["secret"], Value::Null);
    let others =
        subscribe(&server, &json!({"url": receiver.url("/others"), "kinds": ["job.checkpointed"]}));
    let jobs: BTreeSet<_> = (0..8).map(|no| submit(&server, no)).collect();
    for kill in 0..4 {
        let enough = receiver.got("/hook").len() + 3;
        until("attempts are made", || {
            receiver.got("/hook").len() >= enough || are_delivered(&server, &id, jobs.len())
        });
        thread::sleep(Duration::from_millis(37 * kill));
        server.kill();
        server.start_again();
    }
    until("all are delivered", || are_delivered(&server, &id, jobs.len()));
    let got = receiver.got("/hook");
    let told = by_name(&got);
    let told_jobs: Vec<_> = told.values().map(|body| subject(body).to_owned()).collect();
    assert_eq!(told_jobs.len(), jobs.len(), "one name for each job");
    assert_eq!(told_jobs.into_iter().collect::<BTreeSet<_>>(), jobs, "nothing else: {unheard}");
    for body in told.values() {
        assert_eq!(body["type"], "job.ended", "{body}");
        assert_eq!(body["data"]["outcome"], "published", "{body}");
    }
    let listed: BTreeSet<_> = deliveries(&server, &id)
        .iter()
        .map(|it| it["message_id"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(listed, told.keys().cloned().collect(), "the page agrees with what came");
    assert_eq!(receiver.got("/others").len(), 0, "{others}: a tree has no checkpoints");
    peers::verify_webhooks(&secret, &got);
    again_when_asked(&server, &receiver, &id, &told);
}

/// What arrived is sent no more, until somebody asks.
fn again_when_asked(
    server: &Server,
    receiver: &Receiver,
    id: &str,
    told: &BTreeMap<String, Value>,
) {
    let before = receiver.got("/hook").len();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(receiver.got("/hook").len(), before, "nothing is sent twice without need");
    let (name, body) = told.first_key_value().expect("one");
    let answer =
        server.post(&format!("/v1/webhooks/{id}/deliveries/{}:resend", body["id"]), &Value::Null);
    assert_eq!((answer.status, &answer.body["state"]), (200, &json!("due")), "{answer:?}");
    until("it is delivered again", || are_delivered(server, id, told.len()));
    let again: Vec<_> = receiver.got("/hook").split_off(before);
    assert!(again.iter().all(|one| one.header("webhook-id") == name), "only this one");
    assert!(!again.is_empty());
}

/// Which jobs were told of: each under one name.
fn jobs_told(got: &[Got]) -> BTreeSet<String> {
    let told = by_name(got);
    let jobs: BTreeSet<_> = told.values().map(|body| subject(body).to_owned()).collect();
    assert_eq!(told.len(), jobs.len(), "one name for each job");
    jobs
}

/// The node that has the duty to send notices.
fn sender(cluster: &Cluster, database: &Database, keyspace: &str) -> usize {
    let store = store(database, keyspace);
    let keyspace = store.rsplit('/').next().expect("a keyspace");
    let select = "SELECT DISTINCT job, owner FROM";
    let rows = database.say(&format!("{select} {keyspace}.job WHERE job = 'duty-notices'"));
    let owner = rows[0][1].clone().and_then(|owner| String::from_utf8(owner).ok());
    let page = cluster.nodes()[0].get("/v1/nodes").body;
    let mut nodes = page["items"].as_array().unwrap_or_else(|| panic!("{page}")).iter();
    let node = nodes.find(|node| node["incarnation"].as_str() == owner.as_deref());
    let name = node.unwrap_or_else(|| panic!("{owner:?}: {page}"))["node"].as_str();
    let is_it = |no: &usize| name == Some(format!("node-{no}").as_str());
    cluster.all().into_iter().find(is_it).expect("it is one of them")
}

/// One of three nodes sends, each notice once; it is killed, and another one goes on. What is sent
/// twice then has the same name.
#[test]
fn several_nodes_tell_each_notice_under_one_name() {
    let (database, keyspace) = (Database::shared(), "notices");
    let cluster = Cluster::with_settings(&["all"; 3], &database, keyspace, &SETTINGS);
    let nodes = cluster.nodes();
    assert_eq!(nodes[0].upload("small", "small.csv", &numbers(40), 1_000), "small@1");
    let receiver = Receiver::start(|_| Reply::Late(Duration::from_millis(300), 204));
    let hook = subscribe(&nodes[0], &json!({"url": receiver.url("/hook")}));
    let id = hook["id"].as_str().expect("a name");
    let mut jobs: BTreeSet<_> = (0..3).map(|no| submit(&nodes[no], no)).collect();
    until("the first are delivered", || are_delivered(&nodes[1], id, jobs.len()));
    let quiet = receiver.got("/hook");
    assert_eq!(quiet.len(), jobs.len(), "each once, where nothing happens");
    assert_eq!(jobs_told(&quiet), jobs);

    let sender = sender(&cluster, &database, keyspace);
    let other = &nodes[(sender + 1) % 3];
    jobs.extend((3..8).map(|no| submit(other, no)));
    until("one more is sent", || receiver.got("/hook").len() > quiet.len());
    nodes[sender].kill();
    until("all are delivered", || are_delivered(other, id, jobs.len()));
    nodes[sender].go_up();
    let got = receiver.got("/hook");
    assert_eq!(jobs_told(&got), jobs, "each of them, and nothing else");
    let names = |it: &Value| it["message_id"].as_str().expect("a name").to_owned();
    let listed: BTreeSet<_> = deliveries(&nodes[sender], id).iter().map(names).collect();
    assert_eq!(listed, by_name(&got).into_keys().collect(), "the page agrees with what came");
    thread::sleep(Duration::from_secs(1));
    assert_eq!(receiver.got("/hook").len(), got.len(), "what arrived is sent no more");
}

fn subject(body: &Value) -> &str {
    body["subject"].as_str().and_then(|text| text.strip_prefix("jobs/")).expect("a job")
}

fn state_of(server: &Server, job: &str) -> String {
    let shown = server.get(&format!("/v1/jobs/{job}"));
    shown.body["state"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn subscriptions_are_kept_switched_and_removed() {
    let home = TempDir::new().expect("a temporary folder");
    let server = Server::start_with(home.path(), &SETTINGS);
    let receiver = Receiver::start(|_| Reply::Status(200));
    let order = json!({"url": receiver.url("/a"), "kinds": ["job.accepted"]});
    let first = server.try_post("/v1/webhooks", &order, Some("key")).expect("it runs");
    let again = server.try_post("/v1/webhooks", &order, Some("key")).expect("it runs");
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.body, again.body, "with its secret: the first answer may be lost");
    let taken = server.try_post("/v1/webhooks", &json!({"url": receiver.url("/b")}), Some("key"));
    assert_eq!(taken.expect("it runs").body["code"], "USE-0006");
    let path = format!("/v1/webhooks/{}", first.body["id"].as_str().expect("a name"));

    let trial = server.post(&format!("{path}:test"), &Value::Null);
    assert_eq!(trial.body, json!({"delivered": true, "status": 200}));
    let rotated = server.post(&format!("{path}:rotate"), &Value::Null);
    assert_ne!(rotated.body["secret"], first.body["secret"]);
    server.post(&format!("{path}:test"), &Value::Null);
    let got = receiver.got("/a");
    assert_eq!(got[1].header("webhook-signature").split(' ').count(), 2, "both secrets sign");
    for secret in [&first.body["secret"], &rotated.body["secret"]] {
        peers::verify_webhooks(secret.as_str().expect("a secret"), &got[1..2]);
    }

    let off = server.patch(&path, &json!({"state": "disabled"}));
    assert_eq!((off.status, &off.body["state"]), (200, &json!("disabled")));
    assert_eq!(server.upload("small", "small.csv", &numbers(40), 1_000), "small@1");
    submit(&server, 1);
    server.kill();
    server.start_again();
    let on = server.patch(&path, &json!({"state": "active"}));
    assert_eq!(on.body["state"], "active");
    let second = submit(&server, 2);
    until("it is told of the second", || receiver.got("/a").len() == 3);
    assert_eq!(subject(&serde_json::from_str(&receiver.got("/a")[2].body).expect("JSON")), second);

    assert_eq!(server.get("/v1/webhooks").body["items"].as_array().expect("items").len(), 1);
    assert_eq!(server.delete(&path).status, 204);
    for (method, answer) in [
        ("GET", server.get(&path)),
        ("DELETE", server.delete(&path)),
        ("POST", server.post(&format!("{path}:test"), &Value::Null)),
        ("POST", server.post(&format!("{path}:rotate"), &Value::Null)),
        ("GET", server.get(&format!("{path}/deliveries"))),
    ] {
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!("USE-0007")), "{method}");
    }
    for bad in [
        json!({"url": "ftp://example.org"}),
        json!({"url": receiver.url("/a"), "kinds": []}),
        json!({"url": receiver.url("/a"), "kind": ["job.ended"]}),
    ] {
        assert_eq!(server.post("/v1/webhooks", &bad).body["code"], "USE-0001", "{bad}");
    }
    let mail = server.post("/v1/mail-subscriptions", &json!({"to": "ada@example.org"}));
    assert_eq!((mail.status, &mail.body["code"]), (400, &json!("USE-0001")), "no server of mail");
}

#[test]
fn a_server_does_not_knock_at_its_own_doors() {
    let home = TempDir::new().expect("a temporary folder");
    let server = Server::start(home.path());
    let receiver = Receiver::start(|_| Reply::Status(200));
    let port = receiver.port();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"] {
        let hook = subscribe(&server, &json!({"url": format!("http://{host}:{port}/")}));
        let id = hook["id"].as_str().expect("a name");
        let trial = server.post(&format!("/v1/webhooks/{id}:test"), &Value::Null);
        assert_eq!(trial.body["delivered"], false, "{host}: {trial:?}");
        let said = trial.body["error"].as_str().unwrap_or_default();
        assert!(said.contains("not a public address"), "{host}: {said}");
    }
    assert_eq!(receiver.knocks(), 0);
}

#[test]
fn what_ended_is_unread_until_it_is_read() {
    let home = TempDir::new().expect("a temporary folder");
    let server = Server::start(home.path());
    assert_eq!(server.upload("small", "small.csv", &numbers(40), 1_000), "small@1");
    let jobs: Vec<_> = (0..3).map(|no| submit(&server, no)).collect();
    let notices = || server.get("/v1/notices?page_size=2").body;
    until("they end", || notices()["unread"] == 3);
    let first = notices();
    let items = first["items"].as_array().expect("items");
    assert_eq!(items.len(), 2);
    let token = first["next_page_token"].as_str().expect("there is more");
    let rest = server.get(&format!("/v1/notices?page_token={token}")).body;
    let rest = rest["items"].as_array().expect("items");
    let all = items.iter().chain(rest).map(|item| item["job"].as_str().expect("a job").to_owned());
    assert_eq!(all.collect::<BTreeSet<_>>(), jobs.into_iter().collect());
    let read = server.post("/v1/notices:read", &json!({"through": items[1]["no"]}));
    assert_eq!(read.body, json!({"through": items[1]["no"]}));
    assert_eq!(notices()["unread"], 1);
    server.kill();
    server.start_again();
    assert_eq!(notices()["unread"], 1, "the mark is durable");
    let future = server.post("/v1/notices:read", &json!({"through": u64::MAX}));
    assert_eq!(future.body["through"], items[0]["no"], "no further than there are events");
    server.post("/v1/notices:read", &json!({"through": 0}));
    assert_eq!(notices()["unread"], 0, "it never goes back");
}
