//! The servers that tests work with: they come up, bear faults, and leave nothing behind.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddrV4, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::TempDir;
use tgs_tests::{
    program::in_repository,
    services::{
        Cassandra, CassandraRing, Nats, NatsCluster,
        cql::Consistency,
        folder,
        identity::Identity,
        objects::{BUCKET, Objects},
        standing::Board,
    },
};

/// Longer than anything takes that a test waits for.
const LONG: Duration = Duration::from_secs(60);
/// So long nothing comes from a server that is paused.
const SHORT: Duration = Duration::from_millis(300);

fn connect(to: SocketAddrV4, patience: Duration) -> TcpStream {
    let stream = TcpStream::connect(to).expect("it listens");
    stream.set_read_timeout(Some(patience)).expect("an open connection");
    stream
}

/// Publishes on one server what is subscribed to on another; gives what comes.
fn carried(from: &Nats, to: &Nats) -> String {
    let subscriber = connect(to.address(), LONG);
    let mut lines = BufReader::new(&subscriber).lines().map(|line| line.expect("a line"));
    // PONG says that the subscription is known; NATS of a cluster may take a moment to tell others.
    (&subscriber)
        .write_all(b"CONNECT {\"verbose\":false}\r\nSUB greetings 1\r\nPING\r\n")
        .expect("open");
    assert!(lines.by_ref().any(|line| line == "PONG"));
    let mut publisher = connect(from.address(), LONG);
    subscriber.set_read_timeout(Some(LONG)).expect("an open connection");
    publisher.write_all(b"CONNECT {\"verbose\":false}\r\n").expect("open");
    // Again and again: servers of a cluster take a moment to tell each other who listens.
    let is_heard = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let began = Instant::now();
            while !is_heard.load(Ordering::SeqCst) && began.elapsed() < LONG {
                publisher.write_all(b"PUB greetings 5\r\nhello\r\n").expect("open");
                thread::sleep(Duration::from_millis(50));
            }
        });
        // A server asks now and then whether its client lives.
        let heard = lines.find(|line| line != "PING").zip(lines.next());
        is_heard.store(true, Ordering::SeqCst);
        let (head, said) = heard.expect("what was sent");
        assert_eq!(head, "MSG greetings 1 5");
        said
    })
}

#[test]
fn a_nats_server_carries_messages_and_has_jetstream() {
    let nats = Nats::shared();
    let info = nats.info().expect("it says what it is");
    assert_eq!(info["jetstream"], true, "{info}");
    assert_eq!(carried(nats, nats), "hello");
    assert_eq!(nats.url(), format!("nats://{}", nats.address()));
}

#[test]
fn a_nats_cluster_outlives_its_leader() {
    let cluster = NatsCluster::start(3);
    let servers = cluster.servers();
    assert_eq!(carried(&servers[0], &servers[2]), "hello");
    let first = cluster.leader();
    servers[first].kill();
    assert!(TcpStream::connect(servers[first].address()).is_err());
    let second = cluster.leader();
    assert_ne!(first, second);
    let third = 3 - first - second;
    assert_eq!(carried(&servers[second], &servers[third]), "hello");
    servers[first].restart();
    assert!(cluster.leader() < servers.len());
    // One that is killed is not waited for at the end.
    servers[third].kill();
    assert_eq!(cluster.url().split(',').count(), 3);
}

/// Head and body of one frame as they stand on the wire: version 4, stream 0.
fn frame(opcode: u8, body: &[u8]) -> Vec<u8> {
    let head = [4, 0, 0, 0, opcode, 0, 0, 0, u8::try_from(body.len()).expect("a short one")];
    [head.as_slice(), body].concat()
}

fn answer(mut stream: &TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let [0x84, 0, 0, 0, opcode, length @ ..] = head else { panic!("no frame: {head:?}") };
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body)?;
    Ok((opcode, body))
}

const OPTIONS: u8 = 5;
const SUPPORTED: u8 = 6;

/// One node through all that a test may do to it: starting one costs seconds.
#[test]
fn a_node_of_cassandra_bears_faults_and_leaves_nothing() {
    let node = Cassandra::start();
    let mut stream = connect(node.address(), LONG);
    stream.write_all(&frame(OPTIONS, &[])).expect("open");
    let (opcode, body) = answer(&stream).expect("an answer");
    assert_eq!(opcode, SUPPORTED);
    assert!(String::from_utf8_lossy(&body).contains("CQL_VERSION"));
    stream.write_all(&frame(1, b"\0\x01\0\x0bCQL_VERSION\0\x053.0.0")).expect("open");
    assert_eq!(answer(&stream).expect("an answer").0, 2, "READY");

    let identity = node.identity().expect("it runs");
    node.pause();
    assert_eq!(identity.state(), Some('T'));
    stream.set_read_timeout(Some(SHORT)).expect("open");
    stream.write_all(&frame(OPTIONS, &[])).expect("the kernel still takes it");
    assert!(answer(&stream).is_err(), "it is paused");
    node.go_on();
    stream.set_read_timeout(Some(LONG)).expect("open");
    assert_eq!(answer(&stream).expect("it goes on where it was").0, SUPPORTED);

    let mut connection = node.connect().expect("it accepts");
    let mut run = |statement: &str| connection.query(statement, Consistency::One);
    let replicas = "{'class': 'NetworkTopologyStrategy', 'dc1': 1}";
    run(&format!("CREATE KEYSPACE kept WITH replication = {replicas}")).expect("made");
    run("CREATE TABLE kept.rows (no int PRIMARY KEY)").expect("made");
    for no in 0..50 {
        run(&format!("INSERT INTO kept.rows (no) VALUES ({no}) IF NOT EXISTS")).expect("done");
    }
    node.kill();
    assert!(!identity.is_alive());
    assert!(TcpStream::connect(node.address()).is_err());
    node.restart();
    let mut connection = node.connect().expect("it accepts");
    let rows = connection.query("SELECT no FROM kept.rows", Consistency::One).expect("kept");
    assert_eq!(rows.len(), 50, "what was acknowledged before the kill is there");

    let (identity, log) = (node.identity().expect("it runs"), node.log());
    node.pause();
    drop(node);
    assert!(!identity.is_alive());
    assert!(!site_of(&log).exists());
}

/// The folder of a service, from the log of one of its servers.
fn site_of(log: &Path) -> PathBuf {
    log.ancestors().nth(2).expect("a folder in the site").to_owned()
}

#[test]
fn a_ring_in_two_data_centres_answers_without_one_node() {
    let ring = CassandraRing::start(&[("eu", 2), ("us", 1)]);
    let nodes = ring.nodes();
    assert_eq!(ring.data_centres(), [("eu".to_owned(), 2), ("us".to_owned(), 1)]);
    assert_eq!(ring.contact_points().len(), 3);
    assert_eq!(nodes[2].data_centre(), "us");
    let mut connection = nodes[0].connect().expect("it accepts");
    let mut run = |statement: &str| connection.query(statement, Consistency::Quorum);
    let replicas = "{'class': 'NetworkTopologyStrategy', 'eu': 2, 'us': 1}";
    run(&format!("CREATE KEYSPACE kept WITH replication = {replicas}")).expect("made");
    run("CREATE TABLE kept.rows (no int PRIMARY KEY)").expect("made");
    nodes[2].kill();
    // A timeout says nothing of what became of it; asked again, it is done once.
    let began = Instant::now();
    while let Err(why) = run("INSERT INTO kept.rows (no) VALUES (1) IF NOT EXISTS") {
        assert!(began.elapsed() < LONG, "two of three agree in the end: {why}");
    }
    nodes[2].restart();
    ring.wait_until_whole();
    let mut other = nodes[2].connect().expect("it accepts");
    let rows = other.query("SELECT no FROM kept.rows", Consistency::Three).expect("all answer");
    assert_eq!(rows, [[Some(vec![0, 0, 0, 1])]]);
}

/// `./dev services`, with a board of its own.
struct Services(TempDir);

impl Services {
    fn board(&self) -> PathBuf {
        self.0.path().join("services")
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_services"));
        command.args(words).env("TGS_SERVICES_BOARD", self.board());
        command.output().expect("it runs")
    }

    fn say(&self, words: &[&str]) -> (Option<i32>, String) {
        let done = self.run(words);
        let said = [done.stdout, done.stderr].concat();
        (done.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Everything that stands: processes and the folders of their data.
    fn standing(&self) -> (Vec<Identity>, Vec<PathBuf>) {
        let said = Board::at(&self.board()).standing().expect("they stand");
        let servers = said["servers"].as_array().expect("a list");
        let logs = servers.iter().map(|it| PathBuf::from(it["log"].as_str().expect("a path")));
        let processes = servers.iter().map(|it| Identity::from_json(&it["process"]));
        let processes: Option<Vec<_>> = processes.collect();
        (processes.expect("each is a process"), logs.map(|log| site_of(&log)).collect())
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        let _ = self.run(&["down"]);
    }
}

#[test]
fn standing_services_are_shown_and_ended() {
    let services = Services(TempDir::new().expect("a temporary folder"));
    assert_eq!(services.say(&["status"]), (Some(1), "# nothing runs\n".to_owned()));
    let (status, said) = services.say(&["up", "--nats", "3"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("export TGS_NATS_URL='nats://127."), "{said}");
    assert_eq!(services.say(&["status"]), (Some(0), said));
    let (status, said) = services.say(&["up"]);
    assert_eq!(status, Some(2));
    assert!(said.contains("up already") && said.contains("./dev services down"), "{said}");
    let (processes, folders) = services.standing();
    assert_eq!(processes.len(), 3);
    assert!(processes.iter().all(Identity::is_alive));
    assert_eq!(services.say(&["down"]), (Some(0), "# ended\n".to_owned()));
    assert!(!processes.iter().any(Identity::is_alive));
    assert!(!folders.iter().any(|folder| folder.exists()), "{folders:?}");
    assert_eq!(services.say(&["down"]), (Some(0), "# nothing ran\n".to_owned()));
}

#[test]
fn servers_do_not_outlive_an_owner_that_is_killed() {
    let services = Services(TempDir::new().expect("a temporary folder"));
    let (status, said) = services.say(&["up", "--nats", "1"]);
    assert_eq!(status, Some(0), "{said}");
    let (processes, folders) = services.standing();
    let holder = Board::at(&services.board()).holder().expect("it holds them");
    // A server that stands still cannot end itself.
    processes[0].signal(Signal::STOP);
    holder.signal(Signal::KILL);
    assert!(holder.wait_for_end(LONG) && processes[0].wait_for_end(LONG));
    assert_eq!(services.say(&["status"]).0, Some(1));
    // Other tests start servers at this time, and may be about to remove it.
    let began = Instant::now();
    while folders[0].exists() {
        folder::sweep();
        assert!(began.elapsed() < LONG, "{folders:?} stands");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_failed_start_says_what_to_do() {
    let services = Services(TempDir::new().expect("a temporary folder"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_services"));
    command.args(["up", "--nats", "1"]).env("TGS_SERVICES_BOARD", services.board());
    let output = command.env_remove("TGS_NATS_SERVER").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("TGS_NATS_SERVER is not set; run `./dev test`"), "{said}");
    // A program that is no server, and does not know its words.
    let mut command = Command::new(env!("CARGO_BIN_EXE_services"));
    command.args(["up", "--nats", "1"]).env("TGS_SERVICES_BOARD", services.board());
    let output = command.env("TGS_NATS_SERVER", "/bin/sh").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("start nats-1: it ended (exit status: 2)"), "{said}");
    assert!(said.contains("option") && said.contains("look for the cause"), "{said}");
}

/// Says a rule in the words of S3's own client, which refuses what is none, and asks for it.
const SAY_RULE: &str = r#"
import boto3, json, os, sys
rule, bucket = json.loads(sys.argv[1]), sys.argv[2]
where = {"endpoint_url": os.environ["AWS_ENDPOINT"], "region_name": os.environ["AWS_REGION"]}
s3 = boto3.client("s3", **where)
s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rule)
assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rule["Rules"]
"#;

/// Parts of an upload whose writer was killed stay, until this rule removes them.
#[test]
fn the_rule_that_the_guide_gives_a_bucket_is_one_of_s3() {
    let page = in_repository("docs/guide/deploying.md");
    let page = std::fs::read_to_string(page).expect("a page of ours");
    let rule = page.split("```json\n").nth(1).and_then(|it| it.split("```").next());
    let rule = rule.expect("a rule");
    assert!(rule.contains("AbortIncompleteMultipartUpload"), "{rule}");
    let storage = Objects::start();
    let python = std::env::var_os("TGS_MOTO_PYTHON").expect("moto runs");
    let mut command = Command::new(python);
    command.args(["-c", SAY_RULE, rule, BUCKET]).envs(storage.variables());
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
