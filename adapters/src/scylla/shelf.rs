//! Where pieces of bytes lie: in the keyspace of everything else, or, of what may not leave its
//! regions, in a keyspace that has copies in these alone.
//!
//! A pinned piece is written and read over connections to nodes of its regions alone, so no other
//! node of the database holds it for a moment, and no node of ours that stands elsewhere asks for
//! it. The name of what it is a piece of says where it lies.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use scylla::{
    client::session::Session, cluster::metadata::Peer, policies::host_filter::HostFilter,
};
use tgs_protocol::{code::Code, id::JobId, residency::Residency, store::StoreError};
use tokio::sync::OnceCell;
use tracing::warn;

use super::{
    Scylla,
    contact::Contact,
    database::{self, Database},
    schema,
    statements::Pieces,
    trouble::{Patience, Trouble},
};

/// A region that could not be written to is left alone for so long.
const AWAY: Duration = Duration::from_secs(30);
/// Jobs whose regions are remembered.
const HOMES_MAX: usize = 10_000;

/// All shelves that a node has seen.
#[derive(Debug)]
pub(super) struct Shelves {
    contact: Contact,
    main: Arc<Shelf>,
    /// Each is opened when it is first needed; one whose regions do not answer holds up no other.
    pinned: Mutex<HashMap<Residency, Arc<OnceCell<Arc<Shelf>>>>>,
    homes: Mutex<HashMap<JobId, Residency>>,
}

/// A keyspace with pieces.
#[derive(Debug)]
pub(super) struct Shelf {
    database: Database<Pieces>,
    began: Instant,
    /// Until when nothing is written to other regions, in milliseconds since it was opened.
    nearby_until: AtomicU64,
}

impl Shelves {
    pub(super) async fn open(
        contact: &Contact,
        session: &Arc<Session>,
    ) -> Result<Self, StoreError> {
        let main = Arc::new(Shelf::of(session.clone(), false).await?);
        let (pinned, homes) = Default::default();
        Ok(Self { contact: contact.clone(), main, pinned, homes })
    }
}

impl Shelf {
    async fn of(session: Arc<Session>, is_spread: bool) -> Result<Self, StoreError> {
        let say = Pieces::prepare(&session, is_spread).await.map_err(database::unprepared)?;
        let (database, began) = (Database::with(session, say), Instant::now());
        Ok(Self { database, began, nearby_until: AtomicU64::new(0) })
    }

    /// Makes a piece durable: in every region that it may be in; if others cannot be reached, in
    /// this one, and there once they are back.
    pub(super) async fn put(&self, name: &str, no: i32, piece: &[u8]) -> Result<(), StoreError> {
        let (database, mut patience) = (&self.database, Patience::of("write bytes"));
        let (say, values) = (&database.say, (name, no, piece));
        let Some(put_nearby) = &say.put_nearby else {
            return database.write(&mut patience, &say.put, values).await;
        };
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now >= self.nearby_until.load(Ordering::Relaxed) {
            match database.write_once(&say.put, values).await {
                Err(trouble @ Trouble::Final(_)) => patience.after(trouble).await?,
                Err(_) => {
                    warn!(name, "not every region takes what may be there; this one does");
                    let until = now + AWAY.as_millis() as u64;
                    self.nearby_until.store(until, Ordering::Relaxed);
                }
                Ok(()) => return Ok(()),
            }
        }
        database.write(&mut patience, put_nearby, values).await
    }

    /// A piece; nothing if it is gone, or lies in a region that cannot be reached.
    pub(super) async fn get(&self, name: &str, no: i32) -> Result<Vec<u8>, StoreError> {
        let (database, mut patience) = (&self.database, Patience::of("read bytes"));
        let found = database.rows(&mut patience, &database.say.get, (name, no)).await?;
        // Whoever wrote it could not reach this region then.
        let found = match &database.say.get_anywhere {
            Some(get_anywhere) if found.is_empty() => {
                let found = database.rows_once(get_anywhere, (name, no)).await?;
                found.unwrap_or_else(|| {
                    warn!(name, "it is not in this region, and the others do not answer");
                    Vec::new()
                })
            }
            _ => found,
        };
        Ok(found.into_iter().next().map(|(piece,): (Vec<u8>,)| piece).unwrap_or_default())
    }

    pub(super) async fn remove(&self, name: &str, no: i32) -> Result<(), StoreError> {
        let (database, mut patience) = (&self.database, Patience::of("remove bytes"));
        database.write(&mut patience, &database.say.drop, (name, no)).await
    }
}

impl Scylla {
    /// Regions that what a job makes may not leave; a name that is no job's has none.
    pub(super) async fn home_of(&self, job: &JobId) -> Result<Residency, StoreError> {
        let homes = || held(&self.shelves().homes);
        if let Some(known) = homes().get(job) {
            return Ok(known.clone());
        }
        let Some(row) = self.body_of(job).await? else { return Ok(Residency::default()) };
        let mut homes = homes();
        if homes.len() >= HOMES_MAX {
            homes.clear();
        }
        homes.insert(job.clone(), row.regions.clone());
        Ok(row.regions)
    }

    /// Where bytes lie of which a name says that they may be in these regions alone.
    pub(super) async fn shelf(&self, home: &Residency) -> Result<Arc<Shelf>, StoreError> {
        let shelves = self.shelves();
        if home.is_anywhere() {
            return Ok(shelves.main.clone());
        }
        let place = held(&shelves.pinned).entry(home.clone()).or_default().clone();
        let open = async || self.open_shelf(home).await.map(Arc::new);
        place.get_or_try_init(open).await.cloned()
    }

    /// The same for whoever reads or writes them, which only nodes that stand there do.
    pub(super) async fn shelf_here(&self, home: &Residency) -> Result<Arc<Shelf>, StoreError> {
        home.check(&self.shelves().contact.region, "read or write bytes")?;
        self.shelf(home).await
    }

    async fn open_shelf(&self, home: &Residency) -> Result<Shelf, StoreError> {
        let (contact, session) = (&self.shelves().contact, &self.database().session);
        let keyspace = schema::bring_up_pinned(session, contact, home).await?;
        let cluster = session.get_cluster_state();
        let is_there = |centre: &Option<String>| centre.as_ref().is_some_and(|it| home.allows(it));
        let there = cluster.get_nodes_info().iter().filter(|node| is_there(&node.datacenter));
        let nodes = there.map(|node| format!("{}:{}", node.address.ip(), node.address.port()));
        let near = Some(contact.region.clone()).filter(|region| home.allows(region));
        let contact = Contact { nodes: nodes.collect(), near, ..contact.clone() };
        let session = database::connected(&contact, Some(Arc::new(Within(home.clone())))).await?;
        session.use_keyspace(&keyspace, true).await.map_err(|error| {
            let message = format!(
                "use keyspace {keyspace}: its nodes do not know it yet; try again in a moment"
            );
            StoreError::because(Code::StoreSilent, message, error)
        })?;
        Shelf::of(Arc::new(session), home.0.len() > 1).await
    }
}

/// What stands in it is right also after a panic.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nodes of these regions alone.
struct Within(Residency);

impl HostFilter for Within {
    fn accept(&self, peer: &Peer) -> bool {
        peer.datacenter.as_ref().is_some_and(|centre| self.0.allows(centre))
    }
}
