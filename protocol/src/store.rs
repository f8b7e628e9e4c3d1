//! Ports of everything durable. One conformance suite (`adapters/src/conformance`) runs against
//! every implementation; behaviour such as injected faults is stacked as wrappers.
//!
//! Every guarded write carries its [`Lease`] and answers [`Written::Overtaken`] once a later epoch
//! exists. A write that returned `Ok(Written::Done)` survives a kill and a power cut.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use async_trait::async_trait;

use crate::{
    checkpoint::CheckpointFacts,
    chunk::{ChunkNo, SealedChunk},
    code::Code,
    digest::Digest,
    event::Event,
    id::{Incarnation, JobId},
    job::{
        JobRow,
        listing::{Listing, Page, StateClass},
    },
    lease::{Lease, LeaseCell},
    queue::Turn,
    refusal::Refusal,
    residency::Ground,
    submission::{IdempotencyKey, Inserted},
    unit::{ByteCount, Epoch, EventNo, Steps},
};

/// Whether a guarded write took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It is durable.
    Done,
    /// A later epoch exists, or a later write of this one; nothing was written.
    Overtaken {
        /// That epoch.
        by: Epoch,
    },
}

/// Durable job rows. One that says what this version does not know ([`JobRow::read`]) is left to
/// newer versions: to read it, to save over it or to forget it is `StoreTooNew`, and lists go on
/// without it.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Adds a row with its events, unless its name or the key of its order is there.
    async fn insert(&self, row: &JobRow) -> Result<Inserted, StoreError>;
    /// Reads one row.
    async fn read(&self, job: &JobId) -> Result<Option<JobRow>, StoreError>;
    /// The row that an order of this key made; none if there is none, or not any more.
    async fn ordered(&self, key: &IdempotencyKey) -> Result<Option<JobRow>, StoreError>;
    /// A part of the list of all rows.
    async fn list(&self, listing: &Listing) -> Result<Page, StoreError>;
    /// The first rows of a class that is not final in the order of their turns, without those that
    /// are named, and only those that may run on this ground, if it is said; at most `limit`. As
    /// new as lists are.
    async fn first_in_line(
        &self,
        class: StateClass,
        ground: Option<&Ground>,
        but: &BTreeSet<JobId>,
        limit: usize,
    ) -> Result<Vec<JobRow>, StoreError> {
        let mut rows = self.list(&Listing::all(Some(class))).await?.rows;
        let may_be_there = |row: &JobRow| ground.is_none_or(|ground| row.may_be_on(ground));
        rows.retain(|row| !but.contains(&row.id) && may_be_there(row));
        rows.sort_by_key(|row| (Turn::of(row).rank_ms(), row.id.clone()));
        rows.truncate(limit);
        Ok(rows)
    }
    /// The names of the first rows of a class that is not final, in the order of their turns, and
    /// the rows of those that are not `known`; at most `limit`. As new as lists are. A name that is
    /// not known and has no row is of a job that only a newer version understands.
    async fn line(
        &self,
        class: StateClass,
        known: &BTreeSet<JobId>,
        limit: usize,
    ) -> Result<(Vec<JobId>, Vec<JobRow>), StoreError> {
        let mut rows = self.first_in_line(class, None, &BTreeSet::new(), limit).await?;
        let names = rows.iter().map(|row| row.id.clone()).collect();
        rows.retain(|row| !known.contains(&row.id));
        Ok((names, rows))
    }
    /// How many rows there are of each class; a class without rows may be left out.
    async fn count(&self) -> Result<BTreeMap<StateClass, u64>, StoreError>;
    /// Replaces a row and appends what [`happenings`](crate::event::happenings) finds new in it,
    /// in one act guarded by the lease, and by the number of writes
    /// ([`JobRow::may_replace`]).
    async fn save(&self, lease: &Lease, row: &JobRow) -> Result<Written, StoreError>;
    /// Removes a job that ended: row, events and key (FORGET-1). False if there is none or it has
    /// not ended. Its files go by [`ArtifactStore::sweep`], before.
    async fn forget(&self, job: &JobId) -> Result<bool, StoreError>;
}

/// Events of all jobs, in the order in which they became durable.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Events after this one, oldest first: of one job, or of all; at most `limit`.
    async fn events(
        &self,
        after: EventNo,
        job: Option<&JobId>,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError>;
    /// The newest event; zero if there never was one.
    async fn newest_event(&self) -> Result<EventNo, StoreError>;
    /// Returns once there is an event after this one; may return without one.
    async fn wait_for_event(&self, after: EventNo);
}

/// Durable leases. Implementors owe linearizable `claim`: of two concurrent claims one loses.
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// The present cell; the empty cell of epoch 0 before the first claim.
    async fn look(&self, job: &JobId) -> Result<LeaseCell, StoreError>;
    /// Takes the lease if the cell still is `seen`: the epoch grows by one. None if it changed.
    async fn claim(
        &self,
        job: &JobId,
        owner: &Incarnation,
        seen: &LeaseCell,
    ) -> Result<Option<Lease>, StoreError>;
    /// Says that the holder lives.
    async fn renew(&self, lease: &Lease) -> Result<Written, StoreError>;
    /// Gives the lease back; the epoch stays.
    async fn release(&self, lease: &Lease) -> Result<Written, StoreError>;
}

/// Durable orders to end jobs that are in other nodes' hands: whoever holds a job, now or next,
/// ends it.
#[async_trait]
pub trait EndOrders: Send + Sync {
    /// Orders a job to end. Idempotent, and never taken back.
    async fn order_end(&self, job: &JobId) -> Result<(), StoreError>;
    /// Whether that was ordered.
    async fn is_end_ordered(&self, job: &JobId) -> Result<bool, StoreError>;
}

/// The manifest of sealed chunks and their bytes.
#[async_trait]
pub trait ChunkStore: Send + Sync {
    /// Makes the bytes durable, then enters the chunk in the manifest if absent, guarded by the
    /// lease. A chunk that already is sealed stays as it is; another digest for it is an error.
    async fn seal(
        &self,
        lease: &Lease,
        chunk: &SealedChunk,
        bytes: &[u8],
    ) -> Result<Written, StoreError>;
    /// The manifest, in order of chunk number.
    async fn sealed(&self, job: &JobId) -> Result<Vec<SealedChunk>, StoreError>;
    /// A local file with the chunk's bytes, checked against the manifest.
    async fn open(&self, job: &JobId, chunk: ChunkNo) -> Result<PathBuf, StoreError>;
}

/// Checkpoint bytes. The pointer to the newest one is in the job row.
#[async_trait]
pub trait CheckpointStore: Send + Sync {
    /// Makes the bytes durable under a name that carries lease epoch and step.
    async fn put(
        &self,
        lease: &Lease,
        step: Steps,
        bytes: &[u8],
    ) -> Result<CheckpointFacts, StoreError>;
    /// Every checkpoint of the job whose bytes match their digest.
    async fn whole(&self, job: &JobId) -> Result<Vec<CheckpointFacts>, StoreError>;
    /// The bytes, checked against the digest.
    async fn get(&self, job: &JobId, facts: &CheckpointFacts) -> Result<Vec<u8>, StoreError>;
    /// Removes all but these.
    async fn prune(&self, lease: &Lease, keep: &[CheckpointFacts]) -> Result<(), StoreError>;
}

/// Results of stages that are folders of files: dataset, profile, model, report.
#[async_trait]
pub trait ArtifactStore: Send + Sync {
    /// A fresh empty folder for one attempt of the holder; an older attempt's folder is removed.
    async fn stage(&self, lease: &Lease, name: ArtifactName) -> Result<PathBuf, StoreError>;
    /// Makes the staged folder durable under its name, in place of an earlier one; the digest is
    /// over names and bytes of its files.
    async fn seal(&self, lease: &Lease, name: ArtifactName) -> Result<Sealed, StoreError>;
    /// Removes what the holder's attempt has left there; idempotent, and nothing where it was
    /// sealed or another attempt has begun.
    async fn unstage(&self, lease: &Lease, name: ArtifactName) -> Result<(), StoreError>;
    /// A local folder with the sealed files, each checked against the digest that was sealed; none
    /// if it was never sealed.
    async fn open(&self, job: &JobId, name: ArtifactName) -> Result<Option<PathBuf>, StoreError>;
    /// The sealed files with their sizes, by their paths from the folder; none if it was never
    /// sealed. Nothing of them is read.
    async fn sizes(
        &self,
        job: &JobId,
        name: ArtifactName,
    ) -> Result<Option<BTreeMap<String, ByteCount>>, StoreError>;
    /// Copies a sealed file to where a user asked for it: written beside it, synced, and renamed if
    /// the lease still is the newest. A [`Kept::Result`](crate::kept::Kept::Result) is kept in the
    /// store, for every node.
    async fn deliver(&self, lease: &Lease, from: &Path, to: &Path)
    -> Result<Delivered, StoreError>;
    /// Undoes the job's deliveries to `to`, guarded by the lease: removes what stands half-written
    /// beside it, what stands there whole if this job put it there and it is as it was, and folders
    /// that were made for it and are empty; idempotent.
    async fn take_back(&self, lease: &Lease, to: &Path) -> Result<Written, StoreError>;
    /// The sizes of what a job delivered to these paths, as it stands there; none where nothing
    /// does.
    async fn delivered(
        &self,
        job: &JobId,
        files: &[PathBuf],
    ) -> Result<Vec<Option<ByteCount>>, StoreError>;
    /// A local file with what a job delivered to this path; none if nothing stands there.
    async fn fetch(&self, job: &JobId, file: &Path) -> Result<Option<PathBuf>, StoreError>;
    /// Removes a file that a job delivered into the store's own keeping, and folders there that it
    /// leaves empty; idempotent. Files elsewhere are their user's and stay.
    async fn drop_result(&self, job: &JobId, file: &Path) -> Result<(), StoreError>;
    /// Removes everything of the job but the artifacts named in `keep` and what it delivered;
    /// idempotent.
    async fn sweep(&self, job: &JobId, keep: &[ArtifactName]) -> Result<(), StoreError>;
}

/// Names of the folders a job has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArtifactName {
    /// The canonical dataset: private.
    Dataset,
    /// `profile.json`.
    Profile,
    /// `model.safetensors`.
    Model,
    /// `report.json`, `report.html`.
    Report,
    /// The assembled table on its way out.
    Output,
    /// What a program of the user's left.
    Files,
}

impl ArtifactName {
    /// Every artifact.
    pub const ALL: [Self; 6] =
        [Self::Dataset, Self::Profile, Self::Model, Self::Report, Self::Output, Self::Files];

    /// What outlives a job: nothing that holds cells of the source as they stand (a profile does),
    /// nothing half done.
    pub const KEPT_AFTER_END: &'static [Self] = &[Self::Model, Self::Report];

    /// What outlives a job that ended so: of a cancelled one, nothing.
    pub const fn kept_after(end: StateClass) -> &'static [Self] {
        match end {
            StateClass::Cancelled => &[],
            _ => Self::KEPT_AFTER_END,
        }
    }

    /// Folder name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Profile => "profile",
            Self::Model => "model",
            Self::Report => "report",
            Self::Output => "output",
            Self::Files => "files",
        }
    }
}

/// What [`ArtifactStore::seal`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Sealed {
    /// It is durable.
    Done(Digest),
    /// A later epoch exists; nothing was sealed.
    Overtaken {
        /// That epoch.
        by: Epoch,
    },
}

/// What [`ArtifactStore::deliver`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Delivered {
    /// It stands there; the digest is of its bytes.
    Done(Digest),
    /// A later epoch exists, or the job has ended; what stood there stands as it stood.
    Overtaken {
        /// That epoch.
        by: Epoch,
    },
}

/// Why a store failed: a code with a page, and a sentence that names act, place and remedy.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// Which error this is.
    pub code: Code,
    /// Act, place, remedy; lower case, no full stop.
    pub message: String,
    /// What the operating system or a library said.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.message)
    }
}

impl StoreError {
    /// A failure without a deeper cause.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), source: None }
    }
    /// A failure that keeps its cause.
    pub fn because(
        code: Code,
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { code, message: message.into(), source: Some(source.into()) }
    }
}
