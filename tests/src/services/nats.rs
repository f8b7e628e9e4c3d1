//! NATS with JetStream: one server, or a cluster of them.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    path::PathBuf,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;
use ureq::Agent;

use super::{
    identity::Identity,
    process::{Process, Program},
    set_up,
    site::Site,
};
use crate::network::Network;

/// Longer than a healthy server takes for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than a cluster takes to agree on a leader.
const LEADER_MAX: Duration = Duration::from_secs(60);
const WITH_JETSTREAM: [&str; 3] = ["--jetstream", "--store_dir", "data"];

/// One server; ended when dropped.
#[derive(Debug)]
pub struct Nats {
    // Before what it writes to: fields are dropped in order.
    process: Process,
    name: String,
    address: Ipv4Addr,
    ports: Ports,
    _site: Arc<Site>,
}

/// Several servers with one JetStream; ended when dropped.
#[derive(Debug)]
pub struct NatsCluster {
    servers: Vec<Nats>,
}

/// The ports of every server of one cluster.
#[derive(Debug, Clone, Copy)]
struct Ports {
    clients: u16,
    routes: u16,
    monitoring: u16,
}

impl Nats {
    /// Starts one server.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        Self::start_alone(Site::new(), &WITH_JETSTREAM)
    }

    /// The same, where the hosts of a network reach it.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_near(network: &Network) -> Self {
        Self::start_alone(Site::at(network.addresses()), &WITH_JETSTREAM)
    }

    /// Starts one server that takes messages of so many bytes, where others take a mebibyte.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_taking(bytes: usize) -> Self {
        let site = Site::new();
        let path = site.folder.path().join("large.conf");
        let text = format!("max_payload: {bytes}\nmax_pending: {}\n", 4 * bytes);
        fs::write(&path, text).expect("a file in a new folder");
        let path = path.to_str().expect("a name").to_owned();
        Self::start_alone(site, &[&WITH_JETSTREAM[..], &["--config", &path]].concat())
    }

    /// Starts one server that keeps nothing: it has no JetStream.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_without_jetstream() -> Self {
        Self::start_alone(Site::new(), &[])
    }

    /// Starts one server that speaks TLS alone, and wants a user and a password; gives the
    /// certificate that its clients must trust.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_guarded(user: &str, password: &str) -> (Self, String) {
        let site = Arc::new(Site::new());
        let address = site.addresses.of(0).to_string();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([address]).expect("a certificate");
        let files = [("server.pem", cert.pem()), ("server.key", signing_key.serialize_pem())];
        let [certificate, key] = files.map(|(name, text)| {
            let path = site.folder.path().join(name);
            fs::write(&path, text).expect("a file in a new folder");
            path.to_str().expect("a name").to_owned()
        });
        let guard = ["--user", user, "--pass", password];
        let tls = ["--tls", "--tlscert", &certificate, "--tlskey", &key];
        let more: Vec<_> =
            [&WITH_JETSTREAM[..], &guard, &tls].concat().into_iter().map(str::to_owned).collect();
        let ports = Ports::free(&site, 1);
        let server = Self::start_at(site, 0, ports, &more);
        server.wait_until_ready();
        (server, cert.pem())
    }

    fn start_alone(site: Site, more: &[&str]) -> Self {
        let site = Arc::new(site);
        let ports = Ports::free(&site, 1);
        let more: Vec<_> = more.iter().map(|&word| word.to_owned()).collect();
        let server = Self::start_at(site, 0, ports, &more);
        server.wait_until_ready();
        server
    }

    /// One that all tests of this process share, until the process ends.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Nats> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// What a client connects to: `nats://127.64.0.1:4222`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// The address itself.
    pub const fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, self.ports.clients)
    }

    /// Its name in the cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process; none while it is killed.
    pub fn identity(&self) -> Option<Identity> {
        self.process.identity()
    }

    /// What it says; in the folder of its data.
    pub fn log(&self) -> PathBuf {
        self.process.log()
    }

    /// SIGKILL; returns when it is dead.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// SIGSTOP: it keeps its connections and says nothing.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// SIGCONT.
    ///
    /// # Panics
    /// When it does not run.
    pub fn go_on(&self) {
        self.process.go_on();
    }

    /// Starts it again on the same ports and data, killed before or not; returns when it is ready.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&self) {
        self.process.start_again();
        self.wait_until_ready();
    }

    /// What a server says of itself to who connects; none if nobody answers.
    pub fn info(&self) -> Option<Value> {
        let stream = TcpStream::connect_timeout(&self.address().into(), PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        serde_json::from_str(line.strip_prefix("INFO ")?).ok()
    }

    /// The server that it takes for the leader of JetStream; none if it knows none.
    pub fn meta_leader(&self) -> Option<String> {
        let agent: Agent = Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
        let url = format!("http://{}:{}/jsz", self.address, self.ports.monitoring);
        let text = agent.get(url).call().ok()?.body_mut().read_to_string().ok()?;
        let said: Value = serde_json::from_str(&text).ok()?;
        let leader = said["meta_cluster"]["leader"].as_str().filter(|name| !name.is_empty());
        leader.map(str::to_owned)
    }

    fn start_at(site: Arc<Site>, no: usize, ports: Ports, more: &[String]) -> Self {
        let (name, address) = (format!("nats-{}", no + 1), site.addresses.of(no));
        let folder = site.folder.path().join(&name);
        std::fs::create_dir(&folder).expect("a folder in a new folder");
        let Ports { clients, monitoring, .. } = ports;
        let words =
            format!("--addr {address} --port {clients} --http_port {monitoring} --name {name}");
        let words = words.split(' ').map(str::to_owned).chain(more.iter().cloned());
        let arguments = words.map(Into::into).collect();
        let path = set_up("TGS_NATS_SERVER");
        let process = Process::start(Program { name: name.clone(), path, arguments, folder });
        Self { process, name, address, ports, _site: site }
    }

    fn wait_until_ready(&self) {
        self.process.wait_until("answering", || self.info().is_some());
    }
}

impl NatsCluster {
    /// Starts so many servers; returns when they have a leader.
    ///
    /// # Panics
    /// When they do not come up.
    pub fn start(servers: usize) -> Self {
        let site = Arc::new(Site::new());
        let ports = Ports::free(&site, servers);
        let place = |no: usize| format!("nats://{}:{}", site.addresses.of(no), ports.routes);
        let routes = (0..servers).map(place).collect::<Vec<_>>().join(",");
        let start = |no| {
            let cluster = ["--cluster_name", "tgs", "--cluster", &place(no), "--routes", &routes];
            let words = [&WITH_JETSTREAM[..], &cluster[..]].concat();
            let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
            Nats::start_at(site.clone(), no, ports, &words)
        };
        let cluster = Self { servers: (0..servers).map(start).collect() };
        cluster.servers.iter().for_each(Nats::wait_until_ready);
        cluster.leader();
        cluster
    }

    /// The servers, in the order of their addresses.
    pub fn servers(&self) -> &[Nats] {
        &self.servers
    }

    /// All that a client may connect to, comma between.
    pub fn url(&self) -> String {
        self.servers.iter().map(Nats::url).collect::<Vec<_>>().join(",")
    }

    /// Waits until every server that is neither killed nor paused takes the same one of them for
    /// the leader of JetStream; gives its place among the servers.
    ///
    /// # Panics
    /// When they do not agree in a minute, as when most of them are killed or paused.
    pub fn leader(&self) -> usize {
        let began = Instant::now();
        loop {
            let running = self.servers.iter().filter(|it| it.process.runs());
            let mut named: Vec<_> = running.map(Nats::meta_leader).collect();
            named.dedup();
            let is_it = |it: &Nats| named == [Some(it.name.clone())] && it.process.runs();
            if let Some(leader) = self.servers.iter().position(is_it) {
                return leader;
            }
            if began.elapsed() > LEADER_MAX {
                let words = self.servers.iter().fold(String::new(), |mut words, it| {
                    let _ = writeln!(words, "{}: {}", it.name, it.process.last_words());
                    words
                });
                panic!("choose a leader of JetStream: the servers name {named:?}; {words}");
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for NatsCluster {
    fn drop(&mut self) {
        // All at once; each is waited for when it is dropped.
        self.servers.iter().for_each(|it| it.process.ask_to_end());
    }
}

impl Ports {
    fn free(site: &Site, servers: usize) -> Self {
        let free = |from| site.addresses.free_port(servers, from);
        Self { clients: free(4222), routes: free(6222), monitoring: free(8222) }
    }
}
