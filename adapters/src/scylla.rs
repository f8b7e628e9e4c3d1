//! All durable state of a cluster in ScyllaDB, or any CQL database with lightweight transactions.
//!
//! Why it is made like this: `docs/decisions/0018-rows-in-a-cluster.md`. What is authoritative lies
//! in one partition per job and changes by lightweight transactions at SERIAL alone; lists and the
//! numbered log are copies, which whoever finds them behind brings up to date. A write whose
//! outcome is unknown is looked up before anything else happens.

mod artifact;
mod bytes;
mod checkpoint;
mod chunk;
mod database;
mod dataset;
mod event;
mod item;
mod job;
mod lease;
mod notification;
mod outbox;
mod place;
mod schema;
mod statements;
mod trouble;

pub use self::database::Contact;

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use tgs_protocol::{id::JobId, store::StoreError, unit::EventNo};
use tokio::{
    sync::{Mutex, watch},
    time::sleep,
};
use tracing::warn;

use self::{bytes::Named, database::Database};

/// How often it is looked for what a node wrote that then died.
const CATCH_UP_PERIOD: Duration = Duration::from_secs(5);

/// An open keyspace. Clones share it.
#[derive(Debug, Clone)]
pub struct Scylla {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
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
}

impl Scylla {
    /// Opens a keyspace, making it and its tables if they are not there. `cache`: a folder of this
    /// node alone, for files of what lies in the database.
    ///
    /// # Errors
    /// `StoreSilent` when no node of the database answers, `StoreTooNew` when the tables are those
    /// of a later version, `CannotWrite` when this user may not, or the database has no lightweight
    /// transactions.
    pub async fn open(contact: &Contact, cache: &Path) -> Result<Self, StoreError> {
        let database = Database::open(contact).await?;
        let (told, turn) = (watch::Sender::default(), Mutex::new(None));
        let (unnumbered, marks) = Default::default();
        let cache = cache.to_owned();
        let inner = Inner { database, cache, told, turn, unnumbered, marks };
        let opened = Self { inner: Arc::new(inner) };
        opened.catch_up().await?;
        tokio::spawn(catch_up_again(Arc::downgrade(&opened.inner)));
        Ok(opened)
    }

    /// Where a file of these bytes lies on this node.
    fn cached(&self, named: &Named) -> PathBuf {
        self.inner.cache.join(named.job.as_str()).join(&named.name)
    }

    fn database(&self) -> &Database {
        &self.inner.database
    }
}

/// Goes on while somebody has the store open.
async fn catch_up_again(store: Weak<Inner>) {
    loop {
        sleep(CATCH_UP_PERIOD).await;
        let Some(inner) = store.upgrade() else { return };
        if let Err(error) = (Scylla { inner }).catch_up().await {
            warn!(%error, "what other nodes wrote is not told yet");
        }
    }
}
