//! The transactional half of the embedded store: one redb file, its tables, and the fence.
//!
//! Every write checks the lease inside the transaction that it commits, and redb has one writer at
//! a time: so a check and the act that follows it cannot be torn apart by a claim. Small writes
//! that come at the same time are made durable together: [`group`].

mod group;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    WriteTransaction,
};
use tgs_protocol::{
    code::Code,
    id::JobId,
    lease::Lease,
    lease::LeaseCell,
    panic::message,
    store::StoreError,
    stored::{self, Unread},
};

use crate::{
    disk::{Disk, rename_durably},
    embedded::{backend::DiskBackend, schema, trouble::Trouble},
    fault,
    fence::{self, Fenced},
};

use self::group::Group;

/// Job rows as JSON, by job name.
pub const JOBS: TableDefinition<&str, &[u8]> = TableDefinition::new("jobs");
/// Lease cells as JSON, by job name.
pub const LEASES: TableDefinition<&str, &[u8]> = TableDefinition::new("leases");
/// Chunk manifests: sealed chunks as JSON, by job name and chunk number.
pub const CHUNKS: TableDefinition<(&str, u32), &[u8]> = TableDefinition::new("chunks");
/// The list of jobs: the class of each (its place in `StateClass::ALL`), by time of acceptance and
/// name.
pub const PLACES: TableDefinition<(u64, &str), u8> = TableDefinition::new("places");
/// Keys of orders, and the job that each came with.
pub const KEYS: TableDefinition<&str, &str> = TableDefinition::new("keys");
/// Events as JSON, by number.
pub const EVENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("events");
/// Which events are of which job.
pub const EVENTS_OF: TableDefinition<(&str, u64), ()> = TableDefinition::new("events_of");
/// Uploads as JSON, by name.
pub const UPLOADS: TableDefinition<&str, &[u8]> = TableDefinition::new("uploads");
/// Versions of datasets as JSON, by name and number.
pub const DATASETS: TableDefinition<(&str, u32), &[u8]> = TableDefinition::new("datasets");

/// Subscriptions as JSON, by name.
pub const SUBSCRIPTIONS: TableDefinition<&str, &[u8]> = TableDefinition::new("subscriptions");
/// Deliveries as JSON, by subscription and event.
pub const DELIVERIES: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("deliveries");
/// Which of them are not over.
pub const DELIVERIES_OPEN: TableDefinition<(&str, u64), ()> =
    TableDefinition::new("deliveries_open");

/// Memory for pages of the store; rows are a few kilobytes each.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Whether a write transaction is to be committed.
#[derive(Debug)]
pub enum Commit<T> {
    /// Make it durable.
    Keep(T),
    /// There is nothing to write.
    Leave(T),
}

/// The open redb file.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    state: RwLock<State>,
    group: Group,
}

#[derive(Debug)]
enum State {
    Open(Database),
    /// The disk was full; the next use opens the file again.
    Full,
    /// Broken for the life of this process: after a failed write or sync, what can be read may be
    /// pages that never reached the disk.
    Broken(Code, String),
}

impl Ledger {
    /// Opens the file, or makes it. A file that is half made has another name and is made anew.
    ///
    /// # Errors
    /// [`Code::StoreCorrupt`], [`Code::StoreTooNew`], [`Code::CannotWrite`], [`Code::DiskFull`].
    pub fn open(path: &Path, disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        let opened = caught(|| {
            if !path.exists() {
                make(path, &disk)?;
            }
            open(path, &disk)
        });
        let database = opened.map_err(|trouble| trouble.into_store_error("open", path))?;
        let state = RwLock::new(State::Open(database));
        Ok(Self { path: path.to_owned(), disk, state, group: Group::default() })
    }

    /// Runs `look` on one consistent view.
    pub fn read<T>(
        &self,
        look: impl FnOnce(&ReadTransaction) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        self.with("read", |database| look(&database.begin_read()?))
    }

    /// Runs `act` as the only writer and commits it durably if it says so.
    pub fn write<T>(
        &self,
        act: impl FnOnce(&WriteTransaction) -> Result<Commit<T>, Trouble>,
    ) -> Result<T, StoreError> {
        self.with("write", |database| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            match act(&transaction) {
                Ok(Commit::Keep(done)) => {
                    transaction.commit()?;
                    Ok(done)
                }
                Ok(Commit::Leave(done)) => {
                    transaction.abort()?;
                    Ok(done)
                }
                Err(trouble) => {
                    // The first trouble is the one to tell.
                    let _ = transaction.abort();
                    Err(trouble)
                }
            }
        })
    }

    /// Like [`Ledger::write`], in one commit with others that wait for theirs. `act` must leave
    /// everything as it was where it says [`Commit::Leave`], and may be run more than once: only
    /// the last time counts.
    pub fn write_grouped<T: Send + 'static>(
        &self,
        act: impl Fn(&WriteTransaction) -> Result<Commit<T>, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.group.write(self, act)
    }

    /// Like [`Ledger::write`], but only if the lease is the newest.
    pub fn write_fenced<T>(
        &self,
        lease: &Lease,
        act: impl FnOnce(&WriteTransaction) -> Result<Commit<T>, Trouble>,
    ) -> Result<Fenced<T>, StoreError> {
        self.write(|transaction| {
            let cell = cell_in(&transaction.open_table(LEASES)?, &lease.job)?;
            if let Fenced::Overtaken(by) = fence::admit(&cell, lease) {
                return Ok(Commit::Leave(Fenced::Overtaken(by)));
            }
            Ok(match act(transaction)? {
                Commit::Keep(done) => Commit::Keep(Fenced::Held(done)),
                Commit::Leave(done) => Commit::Leave(Fenced::Held(done)),
            })
        })
    }

    /// Whether the lease is the newest now: spares large writes that would be refused at the end.
    pub fn is_newest(&self, lease: &Lease) -> Result<Fenced<()>, StoreError> {
        self.read(|view| Ok(fence::admit(&cell_in(&view.open_table(LEASES)?, &lease.job)?, lease)))
    }

    fn with<T>(
        &self,
        act: &str,
        run: impl FnOnce(&Database) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        self.open_again_if_full()?;
        let done = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            match &*state {
                State::Open(database) => caught(|| run(database)),
                State::Full => Err(Trouble::Store(self.still_full())),
                State::Broken(code, message) => {
                    return Err(StoreError::new(*code, message.clone()));
                }
            }
        };
        done.map_err(|trouble| self.shut_after(act, trouble))
    }

    /// After a full disk the redb file must be opened again; its last commit stands.
    fn open_again_if_full(&self) -> Result<(), StoreError> {
        let is_full = |state: &State| matches!(state, State::Full);
        if !is_full(&self.state.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if is_full(&state) {
            let opened = caught(|| open(&self.path, &self.disk));
            let opened = opened.map_err(|trouble| trouble.into_store_error("open", &self.path));
            *state = State::Open(opened?);
        }
        Ok(())
    }

    /// Closes the file after trouble that redb itself will not go on from.
    fn shut_after(&self, act: &str, trouble: Trouble) -> StoreError {
        // A call beside the one that met a full disk must not call the store broken for that.
        let shuts = trouble.is_redbs() && !trouble.is_echo();
        let error = trouble.into_store_error(act, &self.path);
        if shuts {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            if matches!(*state, State::Open(_)) {
                let next = match error.code {
                    Code::DiskFull => State::Full,
                    code => State::Broken(code, error.message.clone()),
                };
                let shut = std::mem::replace(&mut *state, next);
                // Closing writes, and may fail as the act before it did.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(shut)));
            }
        }
        error
    }

    fn still_full(&self) -> StoreError {
        let message = format!("open {}: the disk is full; make room there", self.path.display());
        StoreError::new(Code::DiskFull, message)
    }
}

/// The lease cell of a job; the unclaimed one if there is none.
pub fn cell_in(
    leases: &impl ReadableTable<&'static str, &'static [u8]>,
    job: &JobId,
) -> Result<LeaseCell, Trouble> {
    match leases.get(job.as_str())? {
        Some(bytes) => decode(bytes.value(), "lease", job),
        None => Ok(fence::unclaimed()),
    }
}

/// A value as its table holds it.
pub fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Trouble> {
    let encoded = serde_json::to_vec(value);
    encoded.map_err(|error| Trouble::Store(fault::internal(format!("encode a row: {error}"))))
}

/// A value as its table holds it, back: whole or not at all, since whoever reads it may write it
/// back, or decide by it.
pub fn decode<T: serde::Serialize + serde::de::DeserializeOwned>(
    bytes: &[u8],
    what: &str,
    job: &JobId,
) -> Result<T, Trouble> {
    stored::read(bytes).map_err(|unread| not_read(&format!("the {what} of job {job}"), unread))
}

/// The same of what is only handed on: fields of it that are not known are left out.
pub fn decode_known<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    what: &str,
    job: &JobId,
) -> Result<T, Trouble> {
    let read = serde_json::from_slice(bytes);
    read.map_err(|error| not_read(&format!("the {what} of job {job}"), error.into()))
}

/// Why a record is not read; `what` follows "read".
pub fn not_read(what: &str, unread: Unread) -> Trouble {
    Trouble::Store(match unread {
        Unread::Newer(unknown) => fault::too_new(what, &unknown),
        Unread::Damaged(error) => {
            let remedy = "restore the data folder from a copy, or work in a new one";
            let message = format!("read {what}: {error}; {remedy}");
            StoreError::because(Code::StoreCorrupt, message, error)
        }
    })
}

/// A new file appears under its name only when it is whole.
fn make(path: &Path, disk: &Arc<dyn Disk>) -> Result<(), Trouble> {
    let half_made = path.with_extension("redb.new");
    let backend = DiskBackend::create(disk.clone(), &half_made).map_err(Trouble::on(&half_made))?;
    let database = builder().create_with_backend(backend)?;
    let transaction = database.begin_write()?;
    schema::create(&transaction)?;
    transaction.commit()?;
    database.close()?;
    rename_durably(&**disk, &half_made, path).map_err(Trouble::on(path))
}

fn open(path: &Path, disk: &Arc<dyn Disk>) -> Result<Database, Trouble> {
    let backend = DiskBackend::open(disk.clone(), path).map_err(Trouble::on(path))?;
    // redb would make an empty file a new, empty store.
    if redb::StorageBackend::len(&backend).map_err(Trouble::on(path))? == 0 {
        return Err(Trouble::Store(fault::damaged(Code::StoreCorrupt, "it is empty", path)));
    }
    let database = builder().create_with_backend(backend)?;
    schema::bring_up_to_date(&database, path)?;
    Ok(database)
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

/// redb panics on some damaged files; no panic passes this boundary.
fn caught<T>(run: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let text = message(payload.as_ref()).unwrap_or("it is damaged");
        Err(Trouble::Panic(text.to_owned()))
    })
}
