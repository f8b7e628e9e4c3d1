//! A store that fails on plan: before the act, after it (the outcome is unknown to the caller), or
//! for want of room. Stacked on any store, to test those who use it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use tgs_protocol::{
    checkpoint::CheckpointFacts,
    chunk::{ChunkNo, SealedChunk},
    code::Code,
    digest::Digest,
    id::{Incarnation, JobId},
    job::JobRow,
    lease::{Lease, LeaseCell},
    store::{
        ArtifactName, ArtifactStore, CheckpointStore, ChunkStore, JobStore, LeaseStore, Sealed,
        StoreError, Written,
    },
    unit::Steps,
};

/// One way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done, and an error is told.
    Before,
    /// It is done, and an error is told.
    After,
    /// Nothing is done: the disk is full.
    DiskFull,
}

/// Which calls fail, counted from 0 over all ports and clones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// These.
    Calls(BTreeMap<u64, Fault>),
    /// `per_mille` of all, chosen by the seed.
    Seeded {
        /// The same seed fails the same calls in the same way.
        seed: u64,
        /// How many of a thousand.
        per_mille: u64,
    },
}

impl Plan {
    /// No call fails.
    pub fn none() -> Self {
        Self::Calls(BTreeMap::new())
    }

    /// What happens to the call of this number.
    pub fn fault(&self, call: u64) -> Option<Fault> {
        match self {
            Self::Calls(calls) => calls.get(&call).copied(),
            Self::Seeded { seed, per_mille } => {
                let chance = mix(seed.wrapping_add(mix(call)));
                let kinds = [Fault::Before, Fault::After, Fault::DiskFull];
                let kind = kinds.into_iter().nth(usize::try_from((chance >> 32) % 3).unwrap_or(0));
                kind.filter(|_| chance % 1_000 < *per_mille)
            }
        }
    }
}

/// A store in front of which a plan of faults stands.
#[derive(Debug, Clone)]
pub struct Faulty<S> {
    inner: S,
    plan: Plan,
    calls: Arc<AtomicU64>,
}

impl<S> Faulty<S> {
    /// Stacks the plan on a store.
    pub fn new(inner: S, plan: Plan) -> Self {
        Self { inner, plan, calls: Arc::default() }
    }

    /// The store behind.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Calls made so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    async fn run<T>(
        &self,
        act: &str,
        inner: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let told = |code, how: &str| {
            Err(StoreError::new(code, format!("{act}: call {call} fails on plan {how}")))
        };
        match self.plan.fault(call) {
            None => inner.await,
            Some(Fault::Before) => told(Code::CannotWrite, "before it is done"),
            Some(Fault::DiskFull) => told(Code::DiskFull, "for want of room"),
            Some(Fault::After) => {
                inner.await?;
                told(Code::CannotWrite, "after it was done")
            }
        }
    }
}

/// Finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
/// 2014): spreads a counter over all bits. Only tests depend on it.
fn mix(counter: u64) -> u64 {
    let mixed = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[async_trait]
impl<S: JobStore> JobStore for Faulty<S> {
    async fn insert(&self, row: &JobRow) -> Result<bool, StoreError> {
        self.run("insert", self.inner.insert(row)).await
    }
    async fn read(&self, job: &JobId) -> Result<Option<JobRow>, StoreError> {
        self.run("read", self.inner.read(job)).await
    }
    async fn list(&self) -> Result<Vec<JobRow>, StoreError> {
        self.run("list", self.inner.list()).await
    }
    async fn save(&self, lease: &Lease, row: &JobRow) -> Result<Written, StoreError> {
        self.run("save", self.inner.save(lease, row)).await
    }
}

#[async_trait]
impl<S: LeaseStore> LeaseStore for Faulty<S> {
    async fn look(&self, job: &JobId) -> Result<LeaseCell, StoreError> {
        self.run("look", self.inner.look(job)).await
    }
    async fn claim(
        &self,
        job: &JobId,
        owner: &Incarnation,
        seen: &LeaseCell,
    ) -> Result<Option<Lease>, StoreError> {
        self.run("claim", self.inner.claim(job, owner, seen)).await
    }
    async fn renew(&self, lease: &Lease) -> Result<Written, StoreError> {
        self.run("renew", self.inner.renew(lease)).await
    }
    async fn release(&self, lease: &Lease) -> Result<Written, StoreError> {
        self.run("release", self.inner.release(lease)).await
    }
}

#[async_trait]
impl<S: ChunkStore> ChunkStore for Faulty<S> {
    async fn seal(
        &self,
        lease: &Lease,
        chunk: &SealedChunk,
        bytes: &[u8],
    ) -> Result<Written, StoreError> {
        self.run("seal chunk", self.inner.seal(lease, chunk, bytes)).await
    }
    async fn sealed(&self, job: &JobId) -> Result<Vec<SealedChunk>, StoreError> {
        self.run("list chunks", self.inner.sealed(job)).await
    }
    async fn open(&self, job: &JobId, chunk: ChunkNo) -> Result<PathBuf, StoreError> {
        self.run("open chunk", self.inner.open(job, chunk)).await
    }
}

#[async_trait]
impl<S: CheckpointStore> CheckpointStore for Faulty<S> {
    async fn put(
        &self,
        lease: &Lease,
        step: Steps,
        bytes: &[u8],
    ) -> Result<CheckpointFacts, StoreError> {
        self.run("put checkpoint", self.inner.put(lease, step, bytes)).await
    }
    async fn whole(&self, job: &JobId) -> Result<Vec<CheckpointFacts>, StoreError> {
        self.run("list checkpoints", self.inner.whole(job)).await
    }
    async fn get(&self, job: &JobId, facts: &CheckpointFacts) -> Result<Vec<u8>, StoreError> {
        self.run("get checkpoint", self.inner.get(job, facts)).await
    }
    async fn prune(&self, lease: &Lease, keep: &[CheckpointFacts]) -> Result<(), StoreError> {
        self.run("prune checkpoints", self.inner.prune(lease, keep)).await
    }
}

#[async_trait]
impl<S: ArtifactStore> ArtifactStore for Faulty<S> {
    async fn stage(&self, lease: &Lease, name: ArtifactName) -> Result<PathBuf, StoreError> {
        self.run("stage", self.inner.stage(lease, name)).await
    }
    async fn seal(&self, lease: &Lease, name: ArtifactName) -> Result<Sealed, StoreError> {
        self.run("seal artifact", self.inner.seal(lease, name)).await
    }
    async fn open(&self, job: &JobId, name: ArtifactName) -> Result<Option<PathBuf>, StoreError> {
        self.run("open artifact", self.inner.open(job, name)).await
    }
    async fn deliver(&self, from: &Path, to: &Path) -> Result<Digest, StoreError> {
        self.run("deliver", self.inner.deliver(from, to)).await
    }
    async fn sweep(&self, job: &JobId, keep: &[ArtifactName]) -> Result<(), StoreError> {
        self.run("sweep", self.inner.sweep(job, keep)).await
    }
}
