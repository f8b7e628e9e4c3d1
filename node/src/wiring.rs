//! The one place that names concrete adapters: which stores, which engine, which clock.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use tgs_actors::{BusPorts, Node, NodeConfig, NoticePorts, Ports};
pub use tgs_adapters::content;
use tgs_adapters::{
    Nats, Ports as Stores, Scylla,
    embedded::{Embedded, layout::Layout},
    interruption,
    nats::{self, Pass},
    on_runtime::OnRuntime,
    program::{LocalPrograms, keeper},
    scylla::Contact,
    space::DiskOf,
    system::{SystemClock, SystemIds, host_name},
};
use tgs_engine::port::LocalEngine;
use tgs_protocol::{
    cause::with_causes,
    clock::Clock as _,
    code::Code,
    engine::Engine,
    id::{Incarnation, JobId},
    interruption::InterruptionSource,
    limits::{LOSS_EXPECTED_MS, LOSS_EXPECTED_SPOT_MS, ORDER_BYTES_MAX},
    presence::{self, Presence},
    queue::DeviceClass,
    residency,
    unit::{ByteCount, Millis},
};
use tgs_web::{House, TokenHash};
use tokio::runtime::Handle;

mod channel;
pub mod links;

use crate::{configuration::Settings, failure::Failure, leaving::ExitCode, log, memory, secret};

/// More threads than any machine has cores; a larger number is a slip.
const SAMPLERS_MAX: usize = 1_024;
/// More devices than any machine has; a larger number is a slip.
const DEVICES_MAX: usize = 64;
/// Threads that answer: they wait for the store, they do not compute.
const FRONT_THREADS_MAX: usize = 4;

/// Holds the password of the store's user. It is no setting: `tgs config` shows those.
const STORE_PASSWORD: &str = "TGS_STORE_PASSWORD";

/// Holds the password of the bus's user, likewise.
const NATS_PASSWORD: &str = "TGS_NATS_PASSWORD";

/// The word that makes this program a keeper of another one, and nothing else.
pub const KEEPER: &str = "keep-program";

/// Keeps a program; the words are those of `LocalPrograms`.
pub fn keep_program(words: impl Iterator<Item = OsString>) -> ExitCode {
    ExitCode::from(keeper::keep(words))
}

/// The engine of this process.
pub fn engine() -> Arc<dyn Engine> {
    Arc::new(LocalEngine::new())
}

/// Whether a data folder is there already.
pub fn is_home(folder: &Path) -> bool {
    Embedded::is_at(folder)
}

/// What a node and its front share.
pub struct Premises {
    stores: Stores,
    home: PathBuf,
    /// No other node has these stores.
    is_alone: bool,
    pub clock: Arc<SystemClock>,
    pub ids: Arc<SystemIds>,
}

/// Opens a data folder.
pub fn premises(home: &Path) -> Result<Premises, Failure> {
    let store = Embedded::open(home)?;
    let home = store.home().to_owned();
    Ok(Premises::new(Stores::of(store), home, true))
}

/// Opens the stores of a cluster; the data folder is for copies of what lies there.
pub async fn premises_of_cluster(home: &Path, settings: &Settings) -> Result<Premises, Failure> {
    let password = secret::of("the store", STORE_PASSWORD, &settings.store_password_file)?;
    let mut contact = Contact::at(&settings.store, password)?;
    residency::check_region(&settings.region)?;
    contact.region.clone_from(&settings.region);
    contact.objects = Some(settings.objects.clone()).filter(|named| !named.is_empty());
    // A node is best served by the data centre that has its region's name, if there is one.
    contact.near.get_or_insert_with(|| settings.region.clone());
    let store = Scylla::open(&contact, home).await?;
    Ok(Premises::new(store.ports(), home.to_owned(), false))
}

impl Premises {
    fn new(stores: Stores, home: PathBuf, is_alone: bool) -> Self {
        let (clock, ids) = (Arc::new(SystemClock::new()), Arc::new(SystemIds::new()));
        Self { stores, home, is_alone, clock, ids }
    }
}

/// Where a job keeps its files.
pub fn job_folder(home: &Path, job: &JobId) -> Result<PathBuf, Failure> {
    Ok(Layout::of(home).job(job)?.path().to_owned())
}

/// One embedded node over a data folder.
pub async fn node(
    home: &Path,
    settings: &Settings,
    samplers: Option<usize>,
) -> Result<Node, Failure> {
    let premises = premises(home)?;
    let config = config(premises.ids.incarnation(), settings, samplers);
    start(&premises, settings, config, Outward::default()).await
}

/// A node that takes jobs from others: on several devices, within the machine's memory.
pub async fn serving_node(premises: &Premises, settings: &Settings) -> Result<Node, Failure> {
    let mut config = config(premises.ids.incarnation(), settings, None);
    config.untold_folder = Some(premises.home.clone());
    config.holder_is_gone = premises.is_alone;
    // Alone it does everything.
    config.devices = match premises.is_alone || settings.computes() {
        true => {
            let cores = settings.devices.clamp(1, DEVICES_MAX);
            let cores = std::iter::repeat_n(DeviceClass::Cpu, cores);
            let gpus = (0..engine().graphics_processors()).map(|_| DeviceClass::Gpu);
            cores.chain(gpus).collect()
        }
        false => Vec::new(),
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let shared = (cores / settings.devices.max(1)).max(1);
    config.threads = match settings.threads {
        0 => u32::try_from(shared).unwrap_or(1),
        named => named,
    };
    config.about = about(premises, settings, &config.incarnation)?;
    config.warnings = log::warnings();
    if let Some((links, at)) = links::of(settings, premises.is_alone, premises.clock.now())? {
        (config.links, config.about.links_at) = (Some(links), Some(at));
    }
    config.finds_jobs = !premises.is_alone && !config.devices.is_empty();
    config.about.is_led = config.finds_jobs;
    config.shares = settings.shares()?;
    config.memory = match settings.memory_mib {
        0 => memory::of_machine().map_or(ByteCount(u64::MAX), |all| ByteCount(all / 5 * 4)),
        mebibytes => ByteCount(mebibytes.saturating_mul(1 << 20)),
    };
    config.disk_floor = ByteCount(settings.disk_floor_mib.saturating_mul(1 << 20));
    config.notice_pause_factor = settings.notify_pause_factor;
    let Stores { events, notifications, .. } = premises.stores.clone();
    let notices = NoticePorts { events, notifications, channels: channel::all(settings)? };
    let bus = bus(premises, settings, &config.incarnation).await?;
    config.about.on_bus = bus.as_ref().is_some_and(|bus| bus.peers.is_some());
    let interruptions = match settings.spot.as_str() {
        "" => None,
        _ if premises.is_alone => {
            let message = "read the setting `spot`: nobody goes on with the jobs of a server that \
                           is alone; leave it empty, or start nodes of a cluster (`tgs node`)";
            return Err(Failure::new(Code::BadRequest, message));
        }
        named => Some(interruption::source(named)?),
    };
    let outward = Outward { notices: Some(notices), bus, interruptions };
    start(premises, settings, config, outward).await
}

/// What a node says of itself, as far as that does not change.
fn about(premises: &Premises, settings: &Settings, own: &Incarnation) -> Result<Presence, Failure> {
    let node = match settings.node_name.as_str() {
        "" => host_name(),
        named => named.to_owned(),
    };
    presence::check_name(&node).map_err(|refusal| {
        let message = format!("read the setting `node_name`: {}", refusal.message);
        Failure::new(refusal.code, message)
    })?;
    let does = |role: &str, it: bool| (it || premises.is_alone).then(|| role.to_owned());
    let roles = [does("web", settings.answers()), does("worker", settings.computes())];
    let answers = roles[0].is_some();
    let address = match settings.public_url.as_str() {
        "" => format!("http://{}", settings.listen),
        named => named.to_owned(),
    };
    Ok(Presence {
        node,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        region: settings.region.clone(),
        zone: settings.zone.clone(),
        roles: roles.into_iter().flatten().collect(),
        address: answers.then_some(address),
        started_at: premises.clock.now(),
        is_spot: !settings.spot.is_empty(),
        ..Presence::of(own.clone())
    })
}

/// The message bus, where one is named. Orders are taken by whoever answers over HTTP as well;
/// other nodes are reached by whoever has the secret of their links.
async fn bus(
    premises: &Premises,
    settings: &Settings,
    own: &Incarnation,
) -> Result<Option<BusPorts>, Failure> {
    if settings.nats.is_empty() {
        return Ok(None);
    }
    let contact = nats::contact::Contact::at(&settings.nats)?;
    let file = |name: &str| Some(name).filter(|name| !name.is_empty()).map(PathBuf::from);
    let pass = Pass {
        password: secret::of("NATS", NATS_PASSWORD, &settings.nats_password_file)?,
        credentials: file(&settings.nats_credentials),
        more_roots: file(&settings.nats_ca),
    };
    let nats = Nats::connect(contact, pass).await;
    let nats = nats.map_err(|error| Failure::new(Code::BadRequest, error.to_string()))?;
    let takes_orders = premises.is_alone || settings.answers();
    let orders = takes_orders.then(|| nats.orders());
    let peers = links::secret(settings, premises.is_alone)?;
    let peers = peers.map(|secret| nats.peers(own, &secret));
    let (outlet, events) = (nats.events(), premises.stores.events.clone());
    Ok(Some(BusPorts { orders, outlet, events, peers }))
}

/// What leads out of a node that serves others.
#[derive(Default)]
struct Outward {
    notices: Option<NoticePorts>,
    bus: Option<BusPorts>,
    interruptions: Option<Arc<dyn InterruptionSource>>,
}

/// The front of a node.
pub fn house(
    node: &Node,
    premises: &Premises,
    settings: &Settings,
    token: TokenHash,
) -> Result<House, Failure> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let metrics = tgs_web::measure()
        .map_err(|error| Failure::new(Code::Internal, format!("begin to measure: {error}")))?;
    let notices = node
        .notice_desk()
        .ok_or_else(|| Failure::new(Code::Internal, "open the front: its node sends no notices"))?;
    Ok(House {
        desk: node.desk(),
        models: node.models(),
        nodes: node.nodes(),
        events: premises.stores.events.clone(),
        datasets: Arc::new(OnRuntime::new(premises.stores.datasets.clone(), Handle::current())),
        notices,
        region: settings.region.clone(),
        clock: premises.clock.clone(),
        ids: premises.ids.clone(),
        folder: premises.home.clone(),
        token,
        settings: tgs_web::Settings {
            listen: settings.listen,
            order_bytes_max: ORDER_BYTES_MAX,
            upload_bytes_max: settings.upload_max_mib.saturating_mul(1 << 20),
            connections_max: settings.connections_max,
            threads: cores.min(FRONT_THREADS_MAX),
        },
        metrics,
    })
}

async fn start(
    premises: &Premises,
    settings: &Settings,
    config: NodeConfig,
    Outward { notices, bus, interruptions }: Outward,
) -> Result<Node, Failure> {
    let Premises { stores, home, clock, ids, .. } = premises;
    let stores = stores.clone();
    let Stores { jobs, leases, end_orders, board, assignments, .. } = stores.clone();
    let Stores { chunks, checkpoints, artifacts, datasets, .. } = stores;
    let ports = Ports {
        jobs,
        leases,
        end_orders,
        board,
        assignments,
        chunks,
        checkpoints,
        artifacts,
        datasets,
        notices,
        bus,
        interruptions,
        links: Arc::default(),
        engine: engine(),
        programs: Arc::new(programs(settings, home, clock)),
        space: Arc::new(DiskOf::folder(home)),
        clock: clock.clone(),
        ids: ids.clone(),
    };
    tgs_actors::start(ports, config)
        .await
        .map_err(|error| Failure::new(Code::Internal, with_causes(&error)))
}

/// Programs run under keepers, which are this very program, also after its file was replaced.
fn programs(settings: &Settings, home: &Path, clock: &Arc<SystemClock>) -> LocalPrograms {
    let keeper = vec!["/proc/self/exe".into(), KEEPER.into()];
    LocalPrograms::new(settings.external_programs(), keeper, home, clock.clone())
}

fn config(own: Incarnation, settings: &Settings, samplers: Option<usize>) -> NodeConfig {
    // The lock on the data folder proves that whoever held a lease here is gone.
    let mut config = NodeConfig::embedded(own);
    config.samplers = match samplers.unwrap_or(settings.samplers) {
        0 => thread::available_parallelism().map_or(1, usize::from),
        named => named.min(SAMPLERS_MAX),
    };
    config.loss_expected = match settings.lost_after_minutes {
        named if named > 0.0 => Millis((named * 60_000.0) as u64),
        _ if settings.spot.is_empty() => Millis(LOSS_EXPECTED_MS),
        _ => Millis(LOSS_EXPECTED_SPOT_MS),
    };
    config
}
