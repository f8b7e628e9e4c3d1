//! What may be wrong with a cluster from its first day on, or a worse one later: it is told where
//! operators look (`tgs node show`, the metrics, the timeline of a job), and nothing is lost.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_tests::{
    cluster::{Cluster, certify, files, is_training, keys_of, store},
    program::{refusal, tgs},
    server::Server,
    services::{
        Cassandra, Database,
        cql::{Connection, Consistency, Row},
    },
    waiting,
};

use super::{LONG, Task};

/// How wrong the clock of a machine is.
const CLOCK_BEHIND_S: i64 = 600;

/// A library that sets a program's clock back, for its time of day alone: what a machine is that
/// nobody told the time.
fn wrong_clock(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    let text = format!(
        "#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *to) {{
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, \"clock_gettime\");
  int failed = real(id, to);
  if (!failed && id == CLOCK_REALTIME) to->tv_sec -= {CLOCK_BEHIND_S};
  return failed;
}}
"
    );
    fs::write(&source, text).expect("our own folder");
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .output()
        .expect("the compiler that builds this program");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    library
}

/// What a node shows of each, by name.
fn nodes(server: &Server) -> Vec<Value> {
    let page = server.get("/v1/nodes").body;
    page["items"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

/// One whose clock is wrong, two of one name and a stranger with keys of his own: each is seen at
/// the node that it concerns, whoever is asked, and jobs end as ever.
#[test]
fn what_is_wrong_with_nodes_is_seen_at_them() {
    let task = Task::on_example();
    let store = store(&Database::shared(), "trouble");
    let (cluster, _) = Cluster::linked(2, &store);
    cluster.until_linked(0);
    let [one, other] = cluster.nodes() else { panic!("two nodes") };
    let place = TempDir::new().expect("a temporary folder");
    let clock = wrong_clock(place.path());
    let clock = clock.to_str().expect("a name");
    let late = cluster.further("late", &[("TGS_STORE", &store), ("LD_PRELOAD", clock)]);
    let twin = [("TGS_STORE", store.as_str()), ("TGS_NODE_NAME", "node-0")];
    let twin = cluster.further("twin", &twin);
    certify(place.path(), 1);
    let stranger = cluster.another("stranger", &store, &keys_of(place.path(), 0));
    waiting::until("all troubles are seen", LONG, || {
        let all = nodes(one);
        let has = |name: &str, list: &str, words: &str| {
            let named = all.iter().filter(|node| node["node"] == name);
            named.filter(|node| node[list].to_string().contains(words)).count()
        };
        println!("{}", json!(all));
        has("late", "troubles", "behind ours; jobs are safe") == 1
            && has("node-0", "troubles", "another node is called node-0") == 2
            && all.iter().any(|node| node["warnings"].to_string().contains("turned away"))
            && all.len() == 5
    });
    waiting::until("they are counted", LONG, || one.metric("tgs_nodes_in_trouble") == Some(3));
    let warned = one.get("/v1/metrics").body;
    let warned = warned.as_str().expect("text").to_owned();
    assert!(warned.contains("tgs_log_warnings_total{from="), "{warned}");
    let said = shown(other, "late", place.path());
    assert!(said.contains(" s behind ours; jobs are safe"), "{said}");

    other.upload(&task.name, "trial.csv", &task.table, 1 << 20);
    let job = other.submit(&task.order);
    let view = other.ended(&job);
    assert_eq!(files(other, &job), *task.files(), "{view}");
    drop((late, twin, stranger));
}

/// What `tgs node show` says.
fn shown(server: &Server, node: &str, home: &Path) -> String {
    let mut show = tgs(home, &["node", "show", node, "--server", &server.url("")]);
    let said = show.env("TGS_TOKEN", server.token()).output().expect("it runs");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned()
}

/// Statements for the keyspace of a store, as somebody says them who should not.
fn query(store: &str, statement: &str) -> Vec<Row> {
    let keyspace = store.rsplit('/').next().expect("a keyspace");
    let at = Cassandra::shared().address();
    let mut connection = Connection::start(at.into()).expect("it runs");
    let statement = statement.replace("KEYSPACE", keyspace);
    connection.query(&statement, Consistency::One).unwrap_or_else(|error| panic!("{error}"))
}

/// A node that finds tables of a program that is newer does not begin; those that run go on.
#[test]
fn tables_of_a_newer_program_are_left_alone() {
    let home = TempDir::new().expect("a temporary folder");
    let store = store(&Cassandra::shared().database(), "newer");
    let settings = [("TGS_STORE", store.as_str())];
    let cluster = Cluster::with_store(1, &store);
    query(
        &store,
        "INSERT INTO KEYSPACE.schema_step (list, no, holder, done) VALUES ('all', 99, '', true)",
    );
    let (error, _) = refusal(&home.path().join("late"), "node", &settings);
    assert_eq!(error["code"], "STORE-0006", "{error}");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("version 99") && message.contains("newer program"), "{message}");
    assert_eq!(cluster.nodes()[0].get("/v1/jobs").status, 200);
}

/// A bit of the newest checkpoint flips while nobody works: whoever goes on says so, begins from
/// what is whole, and ends with the same bytes.
#[test]
fn a_checkpoint_with_a_flipped_bit_is_found() {
    let task = Task::on_example();
    let store = store(&Cassandra::shared().database(), "flipped");
    let cluster = Cluster::with_store(2, &store);
    let nodes = cluster.nodes();
    nodes[0].upload(&task.name, "trial.csv", &task.table, 1 << 20);
    let job = nodes[0].submit(&task.order);
    let worker = cluster.at_work(&cluster.all(), &job, is_training).expect("it has not ended");
    nodes[worker].wait_for(&job, |view| view["checkpoint_step"].as_u64() > Some(0));
    nodes[worker].kill();
    let killed = Instant::now();
    let pieces = query(&store, "SELECT name, no, bytes FROM KEYSPACE.piece");
    let mut flipped = 0;
    for piece in pieces {
        let [Some(name), Some(no), Some(bytes)] = piece.as_slice() else { panic!("{piece:?}") };
        let name = String::from_utf8_lossy(name);
        if !name.contains("checkpoint") {
            continue;
        }
        let mut bytes = bytes.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let no = i32::from_be_bytes(no.as_slice().try_into().expect("a number"));
        query(
            &store,
            &format!(
                "UPDATE KEYSPACE.piece SET bytes = 0x{hex} WHERE name = '{name}' AND no = {no}"
            ),
        );
        flipped += 1;
    }
    assert!(flipped > 0, "a checkpoint is there");
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
    let other = 1 - worker;
    assert_eq!(cluster.at_work(&BTreeSet::from([other]), &job, |_| true), Some(other));
    let view = nodes[other].ended(&job);
    assert_eq!(files(&nodes[other], &job), *task.files(), "{view}");
    let told = view["timeline"].to_string();
    assert!(told.contains("is damaged; training goes on from step"), "{told}");
}
