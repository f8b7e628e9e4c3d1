//! All durable state of a cluster in ScyllaDB, or any CQL database with lightweight transactions.
//!
//! Why it is made like this: `docs/decisions/0018-rows-in-a-cluster.md`. What is authoritative lies
//! in one partition per job and changes by lightweight transactions at SERIAL alone; lists and the
//! numbered log are copies, which whoever finds them behind brings up to date. A write whose
//! outcome is unknown is looked up before anything else happens.

mod artifact;
mod board;
mod bytes;
mod checkpoint;
mod chunk;
mod contact;
mod database;
mod dataset;
mod end_order;
mod event;
mod item;
mod job;
mod json;
mod lease;
mod notification;
mod numbering;
mod objects;
mod outbox;
mod place;
mod presence;
mod result;
mod schema;
mod shelf;
mod statements;
mod trouble;

pub use self::contact::Contact;

use std::{
    collections::{BTreeSet, HashMap},
    path::{self, Path, PathBuf},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tgs_protocol::{code::Code, id::JobId, store::StoreError, unit::EventNo};
use tokio::{
    sync::{Mutex, watch},
    time::sleep,
};
use tracing::warn;

use crate::{
    blocking::blocking,
    disk::{Readers, RealDisk, make_folders, remove_tree},
    embedded::{
        layout::Layout,
        lock::{FolderLock, wait_for_keepers},
    },
    fault,
    passed_over::PassedOver,
    ports::Ports,
};

use self::{bytes::Named, database::Database, objects::Objects, shelf::Shelves, trouble::Patience};

/// How often it is looked for events of other nodes while somebody waits for one.
const LOOK_PERIOD: Duration = Duration::from_millis(250);
/// How often it is looked for what a node wrote that then died.
const CATCH_UP_PERIOD: Duration = Duration::from_secs(5);
/// How often it is looked for copies of jobs that ended on other nodes.
const SWEEP_PERIOD: Duration = Duration::from_secs(5);
/// How often it is looked for what jobs left whose holders died when they had ended.
const SWEEP_ALL_PERIOD: Duration = Duration::from_secs(30);
/// A writer tells of its write itself within this time, if it lives.
const WRITER_MAX: Duration = Duration::from_secs(10);

/// An open keyspace. Clones share it.
#[derive(Debug, Clone)]
pub struct Scylla {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    shelves: Shelves,
    /// Where large bytes lie, if not in the database.
    objects: Option<Objects>,
    cache: PathBuf,
    /// The newest event that waiters of this process were told of.
    told: watch::Sender<EventNo>,
    /// The turn of the log whose entries this process has seen to. Held while the log grows: one
    /// task of a process numbers what all of them left.
    turn: Mutex<Option<i64>>,
    /// Jobs whose events wait for a number.
    unnumbered: std::sync::Mutex<BTreeSet<JobId>>,
    /// Marks of jobs and since when they were seen.
    marks: std::sync::Mutex<HashMap<(String, String), Instant>>,
    passed_over: PassedOver,
    _lock: FolderLock,
}

impl Scylla {
    /// Opens a keyspace, making it and its tables if they are not there. `cache`: a folder of this
    /// node alone, for files of what lies in the database; it is made if it is not there, and what
    /// an earlier process kept there of jobs is removed.
    ///
    /// # Errors
    /// `DataFolderInUse` where another process has the folder, `StoreSilent` when no node of the
    /// database answers, `StoreTooNew` when the tables are those of a later version, `CannotWrite`
    /// when this user may not, or the database has no lightweight transactions.
    // In a box: whoever awaits a plain future compiles all that it awaits once more, the
    // driver's included.
    pub fn open<'a>(
        contact: &'a Contact,
        cache: &'a Path,
    ) -> BoxFuture<'a, Result<Self, StoreError>> {
        Box::pin(Self::opened(contact, cache))
    }

    async fn opened(contact: &Contact, cache: &Path) -> Result<Self, StoreError> {
        let (cache, lock) = blocking(|| take_in_hand(cache))?;
        let objects = contact.objects.as_ref().map(|at| Objects::at(at, contact.objects_from));
        let objects = objects.transpose()?;
        if let Some(objects) = &objects {
            objects.check().await?;
        }
        let database = Database::open(contact).await?;
        let shelves = Shelves::open(contact, &database.session).await?;
        blocking(|| empty(&Layout::of(&cache)))?;
        let (told, turn) = (watch::Sender::default(), Mutex::new(None));
        let (unnumbered, marks, passed_over) = Default::default();
        let inner = Inner {
            database,
            shelves,
            objects,
            cache,
            told,
            turn,
            unnumbered,
            marks,
            passed_over,
            _lock: lock,
        };
        let opened = Self { inner: Arc::new(inner) };
        opened.mend_line().await?;
        tokio::spawn(look_again(Arc::downgrade(&opened.inner)));
        Ok(opened)
    }

    /// All its ports.
    pub fn ports(self) -> Ports {
        let it = Arc::new(self.clone());
        Ports {
            end_orders: Some(it.clone()),
            board: Some(it.clone()),
            assignments: Some(it),
            ..Ports::of(self)
        }
    }

    /// Where a file of these bytes lies on this node.
    fn cached(&self, job: &JobId, named: &Named) -> PathBuf {
        self.cache_of(job).join(&named.name)
    }

    /// The folder of a job's files on this node.
    fn cache_of(&self, job: &JobId) -> PathBuf {
        self.cache_of_all().join(job.as_str())
    }

    /// The folder of all jobs' files on this node.
    fn cache_of_all(&self) -> PathBuf {
        Layout::of(&self.inner.cache).jobs()
    }

    fn database(&self) -> &Database {
        &self.inner.database
    }

    /// Where large bytes lie.
    fn objects(&self) -> Result<&Objects, StoreError> {
        self.inner.objects.as_ref().ok_or_else(|| {
            let message = "reach bytes: they lie in object storage, and this node knows none; give \
                           all nodes the same setting `objects`";
            StoreError::new(Code::BadRequest, message)
        })
    }

    fn shelves(&self) -> &Shelves {
        &self.inner.shelves
    }

    fn passed_over(&self) -> &PassedOver {
        &self.inner.passed_over
    }
}

/// Takes a node's folder for this process.
fn take_in_hand(cache: &Path) -> Result<(PathBuf, FolderLock), StoreError> {
    let cache = path::absolute(cache).map_err(|error| fault::on_file("find", cache, error))?;
    make_folders(&RealDisk, &cache, Readers::Owner)
        .map_err(|error| fault::on_file("make", &cache, error))?;
    let layout = Layout::of(&cache);
    let lock = FolderLock::take(&layout)?;
    if layout.store().exists() {
        let message = format!(
            "use {} for copies of what lies in the database: it is a data folder with jobs of its \
             own, which would be lost; name another folder with --home",
            cache.display()
        );
        return Err(StoreError::new(Code::BadRequest, message));
    }
    wait_for_keepers(&layout)?;
    Ok((cache, lock))
}

/// What an earlier process kept here lies in the database as well, or was half done; jobs may have
/// ended and datasets may have gone elsewhere meanwhile.
fn empty(layout: &Layout) -> Result<(), StoreError> {
    for folder in [layout.jobs(), layout.datasets()] {
        remove_tree(&RealDisk, &folder)
            .map_err(|error| fault::on_file("remove", &folder, error))?;
    }
    Ok(())
}

/// Looks for what other nodes wrote: their events for those who wait for one, what they left when
/// they died, and jobs that they ended and of which this node has copies. Goes on while somebody
/// has the store open.
async fn look_again(store: Weak<Inner>) {
    let (mut caught_up, mut swept, mut swept_all) =
        (Instant::now(), Instant::now(), Instant::now());
    let mut done = BTreeSet::new();
    loop {
        sleep(LOOK_PERIOD).await;
        let Some(inner) = store.upgrade() else { return };
        let store = Scylla { inner };
        if store.inner.told.receiver_count() > 0 {
            let mut patience = Patience::of("look for events");
            if let Err(error) = store.newest_number(&mut patience).await {
                warn!(%error, "whoever waits for events hears nothing for now");
            }
        }
        if caught_up.elapsed() > CATCH_UP_PERIOD {
            caught_up = Instant::now();
            if let Err(error) = store.catch_up_with(WRITER_MAX).await {
                warn!(%error, "what other nodes wrote is not told yet");
            }
        }
        if swept.elapsed() > SWEEP_PERIOD {
            swept = Instant::now();
            if let Err(error) = store.sweep_ended().await {
                warn!(%error, "private copies of jobs that ended stay for now");
            }
            if let Err(error) = store.sweep_datasets().await {
                warn!(%error, "copies of datasets that are gone stay for now");
            }
        }
        if swept_all.elapsed() > SWEEP_ALL_PERIOD {
            swept_all = Instant::now();
            if let Err(error) = store.mend_line().await {
                warn!(%error, "who is not in line is not found for now");
            }
            if let Err(error) = store.sweep_after_others(&mut done).await {
                warn!(%error, "what jobs of other nodes left stays for now");
            }
        }
    }
}
