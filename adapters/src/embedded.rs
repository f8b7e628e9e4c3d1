//! All durable state of one machine in one data folder: redb for rows, files for bytes.
//!
//! Why it is made like this: `docs/decisions/0002-embedded-store.md`. What lies where:
//! [`layout`]. A write that returned is synced; a write that did not return happened whole or not
//! at all; one process at a time works in a folder.

pub mod layout;

mod artifact;
mod at_work;
mod backend;
mod checkpoint;
mod chunk;
mod dataset;
mod event;
mod job;
mod lease;
mod ledger;
pub(crate) mod lock;
mod notification;
mod recover;
mod schema;
mod trouble;

pub use self::schema::SCHEMA_VERSION;

use std::{
    path::{self, Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tgs_protocol::{id::UploadId, store::StoreError, unit::EventNo};
use tokio::sync::watch;

use self::{
    at_work::AtWork,
    layout::{JobFolder, Layout},
    ledger::Ledger,
    lock::FolderLock,
};
use crate::{
    disk::{Disk, Readers, RealDisk, make_folders, write_file},
    fault,
    passed_over::PassedOver,
};

/// An open data folder. Clones share it; the last one dropped releases the folder.
#[derive(Debug, Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

// Fields drop in this order: the lock outlives the open redb file.
#[derive(Debug)]
struct Inner {
    ledger: Ledger,
    layout: Layout,
    disk: Arc<dyn Disk>,
    parts: AtomicU64,
    /// The newest event that waiters were told of.
    told: watch::Sender<EventNo>,
    uploads_at_work: AtWork<UploadId>,
    passed_over: PassedOver,
    _lock: FolderLock,
}

impl Embedded {
    /// Opens a data folder, making it if it is not there; puts right what a killed process left.
    /// Blocks for as long as that takes: milliseconds, unless private leftovers are large.
    ///
    /// # Errors
    /// `DataFolderInUse`, `StoreCorrupt`, `StoreTooNew`, `CannotWrite`, `DiskFull`.
    pub fn open(home: &Path) -> Result<Self, StoreError> {
        Self::open_on(home, Arc::new(RealDisk))
    }

    /// The same on another disk, for tests that fail or lose single writes.
    ///
    /// # Errors
    /// As [`Embedded::open`].
    pub fn open_on(home: &Path, disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        // A later change of the working folder must not move the data folder.
        let home = &path::absolute(home).map_err(|error| fault::on_file("find", home, error))?;
        let layout = Layout::of(home);
        make_folders(&*disk, home, Readers::Owner)
            .map_err(|error| fault::on_file("make", home, error))?;
        let lock = FolderLock::take(&layout)?;
        lock::wait_for_keepers(&layout)?;
        let jobs = layout.jobs();
        make_folders(&*disk, &jobs, Readers::Owner)
            .map_err(|error| fault::on_file("make", &jobs, error))?;
        let ledger = Ledger::open(&layout.store(), disk.clone())?;
        let (parts, told) = (AtomicU64::new(0), watch::Sender::default());
        let (uploads_at_work, passed_over) = Default::default();
        let inner =
            Inner { ledger, layout, disk, parts, told, uploads_at_work, passed_over, _lock: lock };
        let opened = Self { inner: Arc::new(inner) };
        opened.recover()?;
        opened.tell(opened.newest_event_now()?);
        Ok(opened)
    }

    /// Whether a data folder was begun there.
    pub fn is_at(home: &Path) -> bool {
        Layout::of(home).store().is_file()
    }

    /// The folder this store lives in.
    pub fn home(&self) -> &Path {
        self.inner.layout.home()
    }

    fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }

    fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    fn disk(&self) -> &dyn Disk {
        &*self.inner.disk
    }

    fn make_folders(&self, folder: &Path) -> Result<(), StoreError> {
        let made = make_folders(self.disk(), folder, Readers::Owner);
        made.map_err(|error| fault::on_file("make", folder, error))
    }

    /// Writes synced bytes under a name in staging that nobody else has.
    fn write_part(&self, folder: &JobFolder, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        let staging = folder.staging();
        self.make_folders(&staging)?;
        let no = self.inner.parts.fetch_add(1, Ordering::Relaxed);
        let part = staging.join(format!("{no}.part"));
        write_file(self.disk(), &part, bytes).map_err(|error| {
            self.forget_part(&part);
            fault::on_file("write", &part, error)
        })?;
        Ok(part)
    }

    /// Removes a part that got no name; opening removes what cannot be removed now.
    fn forget_part(&self, part: &Path) {
        if part.exists() {
            let _ = self.disk().remove_file(part);
        }
    }
}
