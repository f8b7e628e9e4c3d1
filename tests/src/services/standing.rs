//! Services that stand until they are ended, for a person at work: `./dev services`.
//!
//! A holder, a process in the background, starts them as a test would and lives on. It holds a lock
//! while it lives, and says in a file what stands. To end it is to end all: the kernel kills the
//! servers with it, and what they leave is removed.

use std::{
    env,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Signal, setsid};
use serde_json::{Value, json};

use super::{
    cassandra::{Cassandra, CassandraRing},
    folder,
    identity::Identity,
    nats::{Nats, NatsCluster},
};

/// Longer than the kernel takes to end a process.
const END_MAX: Duration = Duration::from_secs(60);
const PERIOD: Duration = Duration::from_millis(50);
/// How often a holder tries to take the lock.
const LOOKS_MAX: usize = 20;

/// What is to stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Servers of NATS.
    pub nats: usize,
    /// Nodes of Cassandra in each data centre.
    pub cql: Vec<(&'static str, usize)>,
}

/// Where it is said what stands.
#[derive(Debug)]
pub struct Board {
    /// Locked by the holder while it lives; says which process it is.
    lock: PathBuf,
    /// Written by the holder once all are ready.
    said: PathBuf,
    /// What the holder says meanwhile.
    log: PathBuf,
}

impl Wanted {
    /// From `[--nats 1|3] [--cql 1|2dc|3dc]`; with neither, one of both.
    ///
    /// # Errors
    /// With what is wrong in them.
    pub fn read(words: &[String]) -> Result<Self, String> {
        let mut wanted = Self::default();
        for pair in words.chunks(2) {
            match [pair[0].as_str(), pair.get(1).map_or("", String::as_str)] {
                ["--nats", "1"] => wanted.nats = 1,
                ["--nats", "3"] => wanted.nats = 3,
                ["--cql", "1"] => wanted.cql = vec![("dc1", 1)],
                ["--cql", "2dc"] => wanted.cql = vec![("eu", 2), ("us", 1)],
                ["--cql", "3dc"] => wanted.cql = vec![("eu", 1), ("us", 1), ("ap", 1)],
                [option, value] => {
                    return Err(format!(
                        "{option} {value}: say --nats 1|3 or --cql 1|2dc|3dc, or nothing for one \
                         of both"
                    ));
                }
            }
        }
        if wanted == Self::default() {
            wanted = Self { nats: 1, cql: vec![("dc1", 1)] };
        }
        Ok(wanted)
    }
}

impl Board {
    /// The one that TGS_SERVICES_BOARD names without ending; `./dev` sets it.
    ///
    /// # Errors
    /// When it is not set.
    pub fn named() -> Result<Self, String> {
        let path = env::var_os("TGS_SERVICES_BOARD").map(PathBuf::from);
        let path = path.ok_or("TGS_SERVICES_BOARD is not set; run `./dev services`")?;
        Ok(Self::at(&path))
    }

    /// One whose files begin with this path.
    pub fn at(path: &Path) -> Self {
        let file = |ending| path.with_extension(ending);
        Self { lock: file("lock"), said: file("json"), log: file("log") }
    }

    /// Starts a holder in the background (this program with the word `hold` in front of the same
    /// words), and waits until all is ready; gives what stands.
    ///
    /// # Errors
    /// When something stands already, or does not come up.
    pub fn up(&self, words: &[String]) -> Result<Value, String> {
        if let Some(holder) = self.holder() {
            return Err(format!(
                "services are up already (process {}); end them with `./dev services down`",
                holder.id
            ));
        }
        let failed = |what: &str, why: io::Error| format!("{what} {}: {why}", self.log.display());
        let _ = fs::remove_file(&self.said);
        let log = File::create(&self.log).map_err(|why| failed("write", why))?;
        let mut holder = Command::new(env::current_exe().expect("a running program has a file"))
            // What went wrong stands in the message.
            .env("RUST_BACKTRACE", "0")
            .arg("hold")
            .args(words)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(|why| failed("write", why))?)
            .stderr(log)
            .spawn()
            .map_err(|why| format!("start a holder of services: {why}"))?;
        loop {
            if let Some(said) = self.said() {
                return Ok(said);
            }
            if let Ok(Some(status)) = holder.try_wait() {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                return Err(format!("services did not come up ({status}):\n{log}"));
            }
            thread::sleep(PERIOD);
        }
    }

    /// Starts what is wanted, says so, and holds it for ever.
    ///
    /// # Errors
    /// When another holder lives.
    ///
    /// # Panics
    /// When something does not come up.
    pub fn hold(&self, wanted: &Wanted) -> Result<(), String> {
        let failed = |why: io::Error| format!("write beside {}: {why}", self.lock.display());
        // The terminal that it was started from may close.
        let _ = setsid();
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut lock = options.open(&self.lock).map_err(failed)?;
        // Whoever looks whether it is held holds it for a moment.
        let mut looks = 0..LOOKS_MAX;
        while lock.try_lock().is_err() {
            looks.next().ok_or("another holder of services lives")?;
            thread::sleep(PERIOD);
        }
        let own = Identity::of(std::process::id()).expect("this process runs").to_json();
        let written = lock.set_len(0).and_then(|()| lock.write_all(own.to_string().as_bytes()));
        written.map_err(failed)?;
        let held = Held::start(wanted);
        // Whole or not at all.
        let beside = self.said.with_extension("part");
        fs::write(&beside, held.said().to_string()).map_err(failed)?;
        fs::rename(&beside, &self.said).map_err(failed)?;
        loop {
            thread::park();
        }
    }

    /// Ends the holder and with it everything; false if there was none.
    ///
    /// # Errors
    /// When something does not end.
    pub fn down(&self) -> Result<bool, String> {
        let holder = self.holder();
        let servers = self.said().map(|said| identities(&said)).unwrap_or_default();
        if let Some(holder) = holder {
            holder.signal(Signal::TERM);
        }
        for process in holder.iter().chain(&servers) {
            if !process.wait_for_end(END_MAX) {
                return Err(format!("process {} does not end; kill it", process.id));
            }
        }
        let _ = fs::remove_file(&self.said);
        folder::sweep();
        Ok(holder.is_some())
    }

    /// What stands; none if there is no holder, or not all is ready.
    pub fn standing(&self) -> Option<Value> {
        self.holder().and_then(|_| self.said())
    }

    /// The process that holds the lock.
    pub fn holder(&self) -> Option<Identity> {
        let mut lock = File::open(&self.lock).ok()?;
        if lock.try_lock().is_ok() {
            return None;
        }
        let mut text = String::new();
        lock.read_to_string(&mut text).ok()?;
        let holder = Identity::from_json(&serde_json::from_str(&text).ok()?)?;
        holder.is_alive().then_some(holder)
    }

    fn said(&self) -> Option<Value> {
        serde_json::from_str(&fs::read_to_string(&self.said).ok()?).ok()
    }
}

/// What a holder holds.
struct Held {
    /// A server alone is no cluster: it needs nobody to agree with.
    alone: Option<Nats>,
    cluster: Option<NatsCluster>,
    ring: Option<CassandraRing>,
}

impl Held {
    fn start(wanted: &Wanted) -> Self {
        let alone = (wanted.nats == 1).then(Nats::start);
        let cluster = (wanted.nats > 1).then(|| NatsCluster::start(wanted.nats));
        let ring = (!wanted.cql.is_empty()).then(|| CassandraRing::start(&wanted.cql));
        Self { alone, cluster, ring }
    }

    fn said(&self) -> Value {
        let (mut servers, mut variables) = (Vec::new(), json!({}));
        if let Some(server) = &self.alone {
            servers.push(of_nats(server));
            variables["TGS_NATS_URL"] = server.url().into();
        }
        if let Some(cluster) = &self.cluster {
            servers.extend(cluster.servers().iter().map(of_nats));
            variables["TGS_NATS_URL"] = cluster.url().into();
        }
        if let Some(ring) = &self.ring {
            servers.extend(ring.nodes().iter().map(of_cassandra));
            variables["TGS_CQL_URI"] = ring.database().to_string().into();
        }
        json!({"servers": servers, "variables": variables})
    }
}

/// The processes of what is said to stand.
pub fn identities(said: &Value) -> Vec<Identity> {
    let servers = said["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
    servers.iter().filter_map(|server| Identity::from_json(&server["process"])).collect()
}

fn of_nats(server: &Nats) -> Value {
    let process = server.identity().map(|it| it.to_json());
    json!({"name": server.name(), "process": process, "at": server.url(), "log": server.log()})
}

fn of_cassandra(node: &Cassandra) -> Value {
    let process = node.identity().map(|it| it.to_json());
    let name = format!("cassandra in {}", node.data_centre());
    json!({"name": name, "process": process, "at": node.address().to_string(), "log": node.log()})
}

#[test]
fn what_is_wanted_is_read_from_words() {
    let read = |text: &str| {
        let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        Wanted::read(&words)
    };
    assert_eq!(read(""), Ok(Wanted { nats: 1, cql: vec![("dc1", 1)] }));
    assert_eq!(read("--nats 3"), Ok(Wanted { nats: 3, cql: vec![] }));
    assert_eq!(read("--cql 2dc").map(|it| it.cql), Ok(vec![("eu", 2), ("us", 1)]));
    assert!(read("--cql").is_err() && read("--nats 2").is_err());
}
