//! Apache Cassandra: one node, or several in named data centres.
//!
//! All nodes of a ring are seeds of each other, have their tokens from the start and bootstrap
//! nothing, so that they start at the same time.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    path::PathBuf,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use super::{
    cql::{Connection, Consistency, Database, Row},
    identity::Identity,
    process::{PERIOD, Process},
    site::Site,
};

use crate::network::Network;

mod program;

/// The data centre of a node alone.
const ALONE: &str = "dc1";
/// The table that shows whether nodes see each other has three replicas.
const NODES_MAX: usize = 3;
/// How long nodes may take to see each other, seconds on an idle machine, before they are started
/// again, and how often they are.
const WHOLE_MAX: Duration = Duration::from_secs(80);
const STARTS_MAX: usize = 3;

/// One node; ended when dropped.
#[derive(Debug)]
pub struct Cassandra {
    // Before what it writes to: fields are dropped in order.
    process: Process,
    address: Ipv4Addr,
    ports: Ports,
    data_centre: String,
    _site: Arc<Site>,
}

/// Several nodes; ended when dropped.
#[derive(Debug)]
pub struct CassandraRing {
    nodes: Vec<Cassandra>,
}

/// The ports of every node of one ring.
#[derive(Debug, Clone, Copy)]
struct Ports {
    native: u16,
    storage: u16,
}

impl Cassandra {
    /// Starts one node alone, in the data centre `dc1`.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        let ring = CassandraRing::go_up(Site::new(), &[(ALONE, 1)]);
        let [node] = ring.try_into().expect("a ring of one");
        node.wait_until_ready();
        node
    }

    /// One that all tests of this process share, until the process ends.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cassandra> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Where it accepts clients, `host:port`: a list of one.
    pub fn contact_points(&self) -> Vec<String> {
        vec![self.address().to_string()]
    }

    /// Where it accepts clients.
    pub const fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, self.ports.native)
    }

    /// Its data centre.
    pub fn data_centre(&self) -> &str {
        &self.data_centre
    }

    /// The database that it is.
    pub fn database(&self) -> Database {
        database(std::slice::from_ref(self))
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

    /// Starts it again on the same address, ports and data, killed before or not; returns when it
    /// accepts clients. Whether other nodes have seen it, [`CassandraRing::wait_until_whole`] says.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&self) {
        self.process.start_again();
        self.wait_until_ready();
    }

    /// A connection for statements.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn connect(&self) -> io::Result<Connection> {
        Connection::start(self.address().into())
    }

    fn wait_until_ready(&self) {
        self.process.wait_until("accepting clients", || self.connect().is_ok());
    }

    /// What it takes for the schema of the ring, if it reaches this many replicas.
    fn schema(&self, replicas: Consistency) -> io::Result<Vec<Row>> {
        let mut connection = self.connect()?;
        let of_no_view = "SELECT status FROM system_distributed.view_build_status \
                          WHERE keyspace_name = 'none' AND view_name = 'none'";
        connection.query(of_no_view, replicas)?;
        connection.query("SELECT schema_version FROM system.local", Consistency::One)
    }
}

impl CassandraRing {
    /// Starts so many nodes in each data centre; returns when every node sees every other one.
    ///
    /// # Panics
    /// When they do not come up, or there are more than three.
    pub fn start(data_centres: &[(&str, usize)]) -> Self {
        Self::start_in(Site::new(), data_centres)
    }

    /// The same, where the hosts of a network reach them.
    ///
    /// # Panics
    /// When they do not come up, or there are more than three, or more than hosts.
    pub fn start_near(network: &Network, data_centres: &[(&str, usize)]) -> Self {
        Self::start_in(Site::at(network.addresses()), data_centres)
    }

    fn start_in(site: Site, data_centres: &[(&str, usize)]) -> Self {
        let ring = Self { nodes: Self::go_up(site, data_centres) };
        ring.nodes.iter().for_each(Cassandra::wait_until_ready);
        ring.wait_until_whole();
        ring
    }

    /// Two nodes in `eu` and one in `us` that all tests of this process share, until it ends.
    ///
    /// # Panics
    /// When they do not come up.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<CassandraRing> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[("eu", 2), ("us", 1)]))
    }

    /// The nodes, in the order of their data centres.
    pub fn nodes(&self) -> &[Cassandra] {
        &self.nodes
    }

    /// Where they accept clients, `host:port`.
    pub fn contact_points(&self) -> Vec<String> {
        self.database().contact_points
    }

    /// Each data centre with how many nodes it has.
    pub fn data_centres(&self) -> Vec<(String, usize)> {
        self.database().data_centres
    }

    /// The database that they are.
    pub fn database(&self) -> Database {
        database(&self.nodes)
    }

    /// Starts all nodes again on their data, killed before or not; returns when they see each
    /// other.
    ///
    /// # Panics
    /// When they do not come up.
    pub fn restart(&self) {
        self.nodes.iter().for_each(|it| it.process.start_again());
        self.nodes.iter().for_each(Cassandra::wait_until_ready);
        self.wait_until_whole();
    }

    /// Waits until every node sees every other one, and all have the same schema.
    ///
    /// A node that hears of another one asks it once whether it is alive, and where that question
    /// is lost, as on a machine too busy to reply in time, it takes the other one for dead until
    /// that starts anew (`Gossiper.inflightEcho` of Cassandra 5.0.8). So all are started again.
    ///
    /// # Panics
    /// When they do not come to that, as when one is killed or paused.
    pub fn wait_until_whole(&self) {
        for _ in 0..STARTS_MAX {
            let began = Instant::now();
            while began.elapsed() < WHOLE_MAX {
                if self.is_whole() {
                    return;
                }
                let all = || self.nodes.iter().map(|it| &it.process);
                all().for_each(|it| it.must_run("seeing the whole ring"));
                thread::sleep(PERIOD);
            }
            eprintln!("The nodes of a ring do not see each other; all are started again");
            self.nodes.iter().for_each(|it| it.process.start_again());
            self.nodes.iter().for_each(Cassandra::wait_until_ready);
        }
        let words: String = self.nodes.iter().map(|it| it.process.last_words() + "\n").collect();
        panic!("start a ring: its nodes, started {STARTS_MAX} times, see not each other; {words}");
    }

    fn is_whole(&self) -> bool {
        let replicas = match self.nodes.len() {
            1 => Consistency::One,
            2 => Consistency::Two,
            _ => Consistency::Three,
        };
        let mut schemas = self.nodes.iter().map(|it| it.schema(replicas).ok());
        let first = schemas.next().flatten();
        first.is_some() && schemas.all(|it| it == first)
    }

    fn go_up(site: Site, data_centres: &[(&str, usize)]) -> Vec<Cassandra> {
        let each = |(name, nodes): &(&str, usize)| vec![(*name).to_owned(); *nodes];
        let centres: Vec<_> = data_centres.iter().flat_map(each).collect();
        let count = centres.len();
        assert!(
            (1..=NODES_MAX).contains(&count),
            "start a ring: of one to three nodes, not {count}"
        );
        let site = Arc::new(site);
        let free = |from| site.addresses.free_port(count, from);
        let ports = Ports { native: free(9042), storage: free(7000) };
        let addresses: Vec<_> = (0..count).map(|no| site.addresses.of(no)).collect();
        let start = |(no, data_centre): (usize, String)| {
            let place =
                program::Place { no, addresses: &addresses, ports, data_centre: &data_centre };
            let process = Process::start(place.program(site.folder.path()));
            Cassandra { process, address: addresses[no], ports, data_centre, _site: site.clone() }
        };
        centres.into_iter().enumerate().map(start).collect()
    }
}

impl Drop for CassandraRing {
    fn drop(&mut self) {
        // All at once; each is waited for when it is dropped.
        self.nodes.iter().for_each(|it| it.process.ask_to_end());
    }
}

fn database(nodes: &[Cassandra]) -> Database {
    let contact_points = nodes.iter().flat_map(Cassandra::contact_points).collect();
    let mut data_centres: Vec<(String, usize)> = Vec::new();
    for node in nodes {
        match data_centres.iter_mut().find(|(name, _)| *name == node.data_centre) {
            Some((_, nodes)) => *nodes += 1,
            None => data_centres.push((node.data_centre.clone(), 1)),
        }
    }
    Database { contact_points, data_centres }
}
