//! Nodes of a cluster as real processes over one keyspace, and what can happen to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{SocketAddr, SocketAddrV4},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tgs_protocol::digest::Digest;

use crate::{
    network::{Host, Network},
    program::run,
    server::{Server, free_address},
    services::{Database, identity::Identity},
    waiting::{self, Looks},
};

/// What lets clients in, at every node.
pub const TOKEN: &str = "tgs_0123456789abcdef0123456789abcdef";
/// For links, on a host that has nothing else.
const LINKS_PORT: u16 = 7401;
/// Longer than it takes until another node works at a job, whatever happened.
const LONG: Duration = Duration::from_secs(180);

/// Nodes over one keyspace, each with a data folder of its own.
pub struct Cluster {
    nodes: Vec<Server>,
    /// Removed with the cluster.
    folder: TempDir,
    /// Of their links, if they have any; likewise.
    keys: Option<TempDir>,
}

impl Cluster {
    /// Starts so many nodes over a fresh keyspace of this name.
    ///
    /// # Panics
    /// When one does not come up.
    pub fn start(nodes: usize, database: &Database, keyspace: &str) -> Self {
        Self::with_roles(&vec!["all"; nodes], database, keyspace)
    }

    /// The same, with a node for each of these roles. One that does not answer cannot be asked.
    ///
    /// # Panics
    /// When one does not come up.
    pub fn with_roles(roles: &[&str], database: &Database, keyspace: &str) -> Self {
        Self::with_settings(roles, database, keyspace, &[])
    }

    /// The same, with further settings of every node.
    ///
    /// # Panics
    /// When one does not come up.
    pub fn with_settings(
        roles: &[&str],
        database: &Database,
        keyspace: &str,
        further: &[(&str, &str)],
    ) -> Self {
        let store = store(database, keyspace);
        Self::of(roles.len(), |no, folder, own| {
            let own = [own, &[("TGS_STORE", &store), ("TGS_ROLES", roles[no])], further].concat();
            Server::node(folder, &own, TOKEN)
        })
    }

    /// So many nodes over this store, alike.
    ///
    /// # Panics
    /// When one does not come up.
    pub fn with_store(nodes: usize, store: &str) -> Self {
        Self::of(nodes, |_, folder, own| {
            Server::node(folder, &[own, &[("TGS_STORE", store)]].concat(), TOKEN)
        })
    }

    /// The same, with a node in each of these regions.
    ///
    /// # Panics
    /// When one does not come up.
    pub fn in_regions(regions: &[&str], database: &Database, keyspace: &str) -> Self {
        let store = store(database, keyspace);
        Self::of(regions.len(), |no, folder, own| {
            let own = [own, &[("TGS_STORE", &store), ("TGS_REGION", regions[no])]].concat();
            Server::node(folder, &own, TOKEN)
        })
    }

    /// A node on each host of a network, each in its region, with links to each other and a bus.
    /// All that they send and hear goes over their own cables.
    ///
    /// # Panics
    /// When one does not come up.
    pub fn on(network: &Network, store: &str, regions: &[&str], bus: &str) -> Self {
        let hosts = network.hosts();
        let all_keys = TempDir::new().expect("a temporary folder");
        certify(all_keys.path(), hosts.len());
        let mut cluster = Self::of(hosts.len(), |no, folder, own| {
            let links = links_at(&hosts[no]).to_string();
            let keys = keys_of(all_keys.path(), no);
            let further = [
                ("TGS_STORE", store),
                ("TGS_REGION", regions[no]),
                ("TGS_NATS", bus),
                ("TGS_LINKS", &links),
                ("TGS_LINKS_FOLDER", keys.to_str().expect("a name")),
            ];
            Server::node_on(&hosts[no], folder, &[own, &further].concat(), TOKEN)
        });
        cluster.keys = Some(all_keys);
        cluster
    }

    /// So many nodes with links to each other; gives where each listens for them.
    ///
    /// # Panics
    /// When one does not come up.
    pub fn linked(nodes: usize, store: &str) -> (Self, Vec<SocketAddr>) {
        Self::linked_with(nodes, store, &[])
    }

    /// The same, with further settings of every node.
    ///
    /// # Panics
    /// When one does not come up.
    pub fn linked_with(nodes: usize, store: &str, all: &[(&str, &str)]) -> (Self, Vec<SocketAddr>) {
        let at: Vec<_> = (0..nodes).map(|_| free_address()).collect();
        let all_keys = TempDir::new().expect("a temporary folder");
        certify(all_keys.path(), nodes);
        let mut cluster = Self::of(nodes, |no, folder, own| {
            let (links, keys) = (at[no].to_string(), keys_of(all_keys.path(), no));
            let further = [
                ("TGS_STORE", store),
                ("TGS_LINKS", &links),
                ("TGS_LINKS_FOLDER", keys.to_str().expect("a name")),
            ];
            Server::node(folder, &[own, &further, all].concat(), TOKEN)
        });
        cluster.keys = Some(all_keys);
        (cluster, at)
    }

    /// One more node over a store, which has links by these keys.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn another(&self, name: &str, store: &str, keys: &Path) -> Server {
        let links = free_address().to_string();
        let keys = keys.to_str().expect("a name");
        let settings = [("TGS_STORE", store), ("TGS_LINKS", &links), ("TGS_LINKS_FOLDER", keys)];
        self.further(name, &settings)
    }

    /// One more node with these settings.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn further(&self, name: &str, settings: &[(&str, &str)]) -> Server {
        let token = self.folder.path().join("token");
        let token = token.to_str().expect("a name");
        let own = [("TGS_NODE_NAME", name), ("TGS_TOKEN_FILE", token)];
        Server::node(&self.folder.path().join(name), &[&own, settings].concat(), TOKEN)
    }

    /// So many nodes, each started with its folder and the settings that it has for itself.
    fn of(nodes: usize, start: impl Fn(usize, &Path, &[(&str, &str)]) -> Server) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let token = folder.path().join("token");
        fs::write(&token, TOKEN).expect("write");
        let token = token.to_str().expect("a name").to_owned();
        let node = |no: usize| {
            let name = format!("node-{no}");
            let notice = format!("file:{}", notice(&folder, no).display());
            let own =
                [("TGS_TOKEN_FILE", &*token), ("TGS_NODE_NAME", &*name), ("TGS_SPOT", &*notice)];
            start(no, &folder.path().join(&name), &own)
        };
        let nodes = (0..nodes).map(node).collect();
        Self { nodes, folder, keys: None }
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The folder of a node.
    pub fn folder_of(&self, no: usize) -> PathBuf {
        self.folder.path().join(format!("node-{no}"))
    }

    /// Where [`certify`] has put what its links are made with.
    ///
    /// # Panics
    /// When it has no links.
    pub fn keys(&self) -> &Path {
        self.keys.as_ref().expect("it has links").path()
    }

    /// The node that places jobs, as this one says; none if it knows of none, or is not there.
    pub fn leader(&self, seen_by: &Server) -> Option<usize> {
        let page = seen_by.try_get("/v1/nodes").filter(|it| it.status == 200)?;
        let mut nodes = page.body["items"].as_array()?.iter();
        let leader = nodes.find(|node| node["leads"] == Value::Bool(true))?["node"].as_str()?;
        self.all().into_iter().find(|no| leader == format!("node-{no}"))
    }

    /// To how many others each node that is there says that it has a link, as this one sees them.
    ///
    /// # Panics
    /// When this one does not run.
    pub fn links(&self, seen_by: usize) -> Vec<u64> {
        let page = self.nodes[seen_by].get("/v1/nodes").body;
        let nodes = page["items"].as_array().unwrap_or_else(|| panic!("{page}")).iter();
        nodes.map(|node| node["links"].as_u64().expect("a number")).collect()
    }

    /// Waits until each node has a link to all others.
    ///
    /// # Panics
    /// When one has not.
    pub fn until_linked(&self, seen_by: usize) {
        let all = vec![self.nodes.len() as u64 - 1; self.nodes.len()];
        waiting::until("all are linked", LONG, || self.links(seen_by) == all);
    }

    /// The numbers of all nodes.
    pub fn all(&self) -> BTreeSet<usize> {
        (0..self.nodes.len()).collect()
    }

    /// The one of these nodes that works at a job and shows this; waits until one does. None if the
    /// job ends before.
    ///
    /// # Panics
    /// When nobody works at it.
    pub fn at_work(
        &self,
        among: &BTreeSet<usize>,
        job: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Option<usize> {
        let looks = Looks::begin();
        loop {
            for no in among {
                let view = self.nodes[*no].try_get(&format!("/v1/jobs/{job}"));
                let Some(view) = view.filter(|answer| answer.status == 200) else { continue };
                if matches!(view.body["state"].as_str(), Some("waiting" | "running")) {
                    if view.body["progress"].is_object() && is_so(&view.body) {
                        return Some(*no);
                    }
                } else {
                    return None;
                }
            }
            assert!(looks.waited() < LONG, "nobody of {among:?} works at {job}");
            looks.rest();
        }
    }

    /// Says to a node that its machine will be taken away, or that it stays after all.
    ///
    /// # Panics
    /// When it cannot be said.
    pub fn announce(&self, no: usize, is_taken: bool) {
        let notice = notice(&self.folder, no);
        let said = if is_taken { fs::write(notice, "price") } else { fs::remove_file(notice) };
        said.expect("our own folder");
    }

    /// Stops a node where it stands, as SIGSTOP does.
    ///
    /// # Panics
    /// When it does not run.
    pub fn freeze(&self, no: usize) {
        self.signal(no, Signal::STOP);
    }

    /// Lets a frozen node go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn wake(&self, no: usize) {
        self.signal(no, Signal::CONT);
    }

    fn signal(&self, no: usize, signal: Signal) {
        let id = self.nodes[no].id().expect("it runs");
        Identity::of(id).expect("it is there").signal(signal);
    }
}

/// Where a node on a host listens for links.
const fn links_at(host: &Host) -> SocketAddrV4 {
    SocketAddrV4::new(host.address(), LINKS_PORT)
}

/// Makes an authority in a folder, and keys for so many nodes, as operators do.
///
/// # Panics
/// When that is refused.
pub fn certify(folder: &Path, nodes: usize) {
    let authority = folder.join("authority");
    let path = |path: &Path| path.to_str().expect("a name").to_owned();
    let made = run(folder, &["cert", "authority", "--out", &path(&authority)]);
    let _ = made.expect_status(0);
    for no in 0..nodes {
        let (name, out) = (format!("node-{no}"), path(&keys_of(folder, no)));
        let words = ["cert", "node", &name, "--authority", &path(&authority), "--out", &out];
        let _ = run(folder, &words).expect_status(0);
    }
}

/// Where [`certify`] puts the keys of a node.
pub fn keys_of(folder: &Path, no: usize) -> PathBuf {
    folder.join(format!("keys-{no}"))
}

/// What a node's setting `store` says: a keyspace that no other process has.
pub fn store(database: &Database, keyspace: &str) -> String {
    format!("cql://{}/{}", database.contact_points.join(","), unique(keyspace))
}

/// A keyspace that no other process has.
fn unique(keyspace: &str) -> String {
    format!("{keyspace}_{}", std::process::id())
}

/// The file whose being there says that a machine goes.
fn notice(folder: &TempDir, no: usize) -> PathBuf {
    folder.path().join(format!("notice-{no}"))
}

/// Whether a job is being trained.
pub fn is_training(view: &Value) -> bool {
    view["progress"]["stage"] == "train"
}

/// What an order comes to: files by name, with their bytes.
pub type Files = Vec<(String, Vec<u8>)>;

/// What comes of an order that nobody disturbs.
pub struct Undisturbed {
    /// What is delivered.
    pub files: Files,
    /// How long that took.
    pub took: Duration,
}

/// What one server delivers of an order on this table that nobody disturbs. Tests of one process
/// that ask for the same share it.
///
/// # Panics
/// When it cannot be had.
pub fn undisturbed(dataset: &str, table: &[u8], order: &Value) -> Arc<Undisturbed> {
    type Cell = Arc<OnceLock<Arc<Undisturbed>>>;
    static KNOWN: Mutex<BTreeMap<String, Cell>> = Mutex::new(BTreeMap::new());
    let asked = format!("{dataset} {} {order}", Digest::of(table));
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let cell = known.entry(asked).or_default().clone();
    drop(known);
    let deliver = || {
        let home = TempDir::new().expect("a temporary folder");
        let server = Server::start(home.path());
        server.upload(dataset, "trial.csv", table, 1 << 20);
        let began = Instant::now();
        let job = server.submit(order);
        server.ended(&job);
        let took = began.elapsed();
        Arc::new(Undisturbed { files: files(&server, &job), took })
    };
    cell.get_or_init(deliver).clone()
}

/// The files that a job delivered, by name, with their bytes.
///
/// # Panics
/// When one cannot be fetched.
pub fn files(server: &Server, job: &str) -> Files {
    let view = server.get(&format!("/v1/jobs/{job}")).body;
    let names = view["files"].as_array().unwrap_or_else(|| panic!("no files: {view}")).iter();
    let names = names.map(|file| file["name"].as_str().expect("a name").to_owned());
    let mut files: Vec<_> = names
        .map(|name| {
            let place = format!("/v1/jobs/{job}/files/{name}");
            let (status, bytes) = server.bytes(&place, 0).expect("the server runs");
            assert!(matches!(status, 200 | 206), "{name}: {status}");
            (name, bytes)
        })
        .collect();
    files.sort();
    files
}
