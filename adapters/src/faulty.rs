//! A store that fails on plan: before the act, after it (the outcome is unknown to the caller), or
//! for want of room. Stacked on any store, to test those who use it.

mod dataset;

use std::{
    collections::{BTreeMap, BTreeSet},
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
    event::Event,
    id::{Incarnation, JobId, SubscriptionId},
    job::{
        JobRow,
        listing::{Listing, Page, StateClass},
    },
    lease::{Lease, LeaseCell},
    notification::{
        Delivery, NotificationStore, Subscription,
        store::{Change, Changed, Subscribed},
    },
    residency::Ground,
    store::{
        ArtifactName, ArtifactStore, CheckpointStore, ChunkStore, Delivered, EventLog, JobStore,
        LeaseStore, Sealed, StoreError, Written,
    },
    submission::{IdempotencyKey, Inserted},
    unit::{ByteCount, EventNo, Steps, Timestamp},
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
    async fn insert(&self, row: &JobRow) -> Result<Inserted, StoreError> {
        self.run("insert", self.inner.insert(row)).await
    }
    async fn read(&self, job: &JobId) -> Result<Option<JobRow>, StoreError> {
        self.run("read", self.inner.read(job)).await
    }
    async fn ordered(&self, key: &IdempotencyKey) -> Result<Option<JobRow>, StoreError> {
        self.run("ordered", self.inner.ordered(key)).await
    }
    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        self.run("list", self.inner.list(listing)).await
    }
    async fn first_in_line(
        &self,
        class: StateClass,
        ground: Option<&Ground>,
        but: &BTreeSet<JobId>,
        limit: usize,
    ) -> Result<Vec<JobRow>, StoreError> {
        let looking = self.inner.first_in_line(class, ground, but, limit);
        self.run("look who is first in line", looking).await
    }
    async fn count(&self) -> Result<BTreeMap<StateClass, u64>, StoreError> {
        self.run("count", self.inner.count()).await
    }
    async fn save(&self, lease: &Lease, row: &JobRow) -> Result<Written, StoreError> {
        self.run("save", self.inner.save(lease, row)).await
    }
    async fn forget(&self, job: &JobId) -> Result<bool, StoreError> {
        self.run("forget", self.inner.forget(job)).await
    }
}

#[async_trait]
impl<S: EventLog> EventLog for Faulty<S> {
    async fn events(
        &self,
        after: EventNo,
        job: Option<&JobId>,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        self.run("events", self.inner.events(after, job, limit)).await
    }
    async fn newest_event(&self) -> Result<EventNo, StoreError> {
        self.run("newest event", self.inner.newest_event()).await
    }
    async fn wait_for_event(&self, after: EventNo) {
        self.inner.wait_for_event(after).await;
    }
}

#[async_trait]
impl<S: NotificationStore> NotificationStore for Faulty<S> {
    async fn subscribe(&self, row: &Subscription) -> Result<Subscribed, StoreError> {
        self.run("subscribe", self.inner.subscribe(row)).await
    }
    async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        self.run("list subscriptions", self.inner.subscriptions()).await
    }
    async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        self.run("read subscription", self.inner.subscription(id)).await
    }
    async fn change(&self, change: &Change) -> Result<Changed, StoreError> {
        self.run("change subscription", self.inner.change(change)).await
    }
    async fn unsubscribe(&self, id: &SubscriptionId) -> Result<bool, StoreError> {
        self.run("unsubscribe", self.inner.unsubscribe(id)).await
    }
    async fn open_deliveries(&self, id: &SubscriptionId) -> Result<Vec<Delivery>, StoreError> {
        self.run("open deliveries", self.inner.open_deliveries(id)).await
    }
    async fn deliveries(
        &self,
        id: &SubscriptionId,
        before: Option<EventNo>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.run("deliveries", self.inner.deliveries(id, before, limit)).await
    }
    async fn delivery(
        &self,
        id: &SubscriptionId,
        event: EventNo,
    ) -> Result<Option<Delivery>, StoreError> {
        self.run("delivery", self.inner.delivery(id, event)).await
    }
    async fn prune_deliveries(
        &self,
        id: &SubscriptionId,
        before: Timestamp,
        keep: usize,
    ) -> Result<usize, StoreError> {
        self.run("prune deliveries", self.inner.prune_deliveries(id, before, keep)).await
    }
    async fn endings(
        &self,
        before: Option<EventNo>,
        after: EventNo,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        self.run("endings", self.inner.endings(before, after, limit)).await
    }
    async fn read_mark(&self) -> Result<EventNo, StoreError> {
        self.run("read mark", self.inner.read_mark()).await
    }
    async fn mark_read(&self, through: EventNo) -> Result<EventNo, StoreError> {
        self.run("mark read", self.inner.mark_read(through)).await
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
    async fn unstage(&self, lease: &Lease, name: ArtifactName) -> Result<(), StoreError> {
        self.run("unstage", self.inner.unstage(lease, name)).await
    }
    async fn open(&self, job: &JobId, name: ArtifactName) -> Result<Option<PathBuf>, StoreError> {
        self.run("open artifact", self.inner.open(job, name)).await
    }
    async fn sizes(
        &self,
        job: &JobId,
        name: ArtifactName,
    ) -> Result<Option<BTreeMap<String, ByteCount>>, StoreError> {
        self.run("look at artifact", self.inner.sizes(job, name)).await
    }
    async fn deliver(
        &self,
        lease: &Lease,
        from: &Path,
        to: &Path,
    ) -> Result<Delivered, StoreError> {
        self.run("deliver", self.inner.deliver(lease, from, to)).await
    }
    async fn take_back(&self, lease: &Lease, to: &Path) -> Result<Written, StoreError> {
        self.run("take back", self.inner.take_back(lease, to)).await
    }
    async fn delivered(
        &self,
        job: &JobId,
        files: &[PathBuf],
    ) -> Result<Vec<Option<ByteCount>>, StoreError> {
        self.run("look at results", self.inner.delivered(job, files)).await
    }
    async fn fetch(&self, job: &JobId, file: &Path) -> Result<Option<PathBuf>, StoreError> {
        self.run("fetch result", self.inner.fetch(job, file)).await
    }
    async fn drop_result(&self, job: &JobId, file: &Path) -> Result<(), StoreError> {
        self.run("drop result", self.inner.drop_result(job, file)).await
    }
    async fn sweep(&self, job: &JobId, keep: &[ArtifactName]) -> Result<(), StoreError> {
        self.run("sweep", self.inner.sweep(job, keep)).await
    }
}

#[cfg(test)]
mod tests {
    use tgs_protocol::store::ChunkStore as _;

    use super::*;
    use crate::{
        conformance::sample::{chunk, claim, job, row},
        memory::Memory,
        ports::Ports,
    };

    #[tokio::test]
    async fn a_fault_is_told_and_only_after_means_done() {
        let folder = tempfile::tempdir().expect("folder");
        for (fault, code, is_done) in [
            (None, None, true),
            (Some(Fault::Before), Some(Code::CannotWrite), false),
            (Some(Fault::After), Some(Code::CannotWrite), true),
            (Some(Fault::DiskFull), Some(Code::DiskFull), false),
        ] {
            let memory = Memory::at(folder.path());
            let plan = Plan::Calls(fault.map(|fault| (1, fault)).into_iter().collect());
            let faulty = Faulty::new(memory.clone(), plan);
            assert_eq!(faulty.read(&job("a")).await.expect("call 0 is not planned"), None);
            let told = faulty.insert(&row("a", 1)).await.err().map(|error| error.code);
            assert_eq!(told, code);
            let is_there = memory.read(&job("a")).await.expect("read").is_some();
            assert_eq!(is_there, is_done, "{fault:?}");
            assert_eq!(faulty.calls(), 2);
        }
    }

    #[test]
    fn a_seed_fails_its_share_of_calls_in_all_ways_and_always_the_same() {
        let plan = Plan::Seeded { seed: 7, per_mille: 200 };
        let faults: Vec<_> = (0..30_000).map(|call| plan.fault(call)).collect();
        assert!(faults.iter().enumerate().all(|(no, fault)| *fault == plan.fault(no as u64)));
        for fault in [Fault::Before, Fault::After, Fault::DiskFull] {
            let share = faults.iter().filter(|found| **found == Some(fault)).count();
            assert!((1_600..2_400).contains(&share), "{fault:?}: {share} of 30,000");
        }
        let other = Plan::Seeded { seed: 8, per_mille: 200 };
        assert!((0..1_000).any(|call| plan.fault(call) != other.fault(call)));
        assert!((0..1_000).all(|call| Plan::none().fault(call).is_none()));
    }

    /// Whoever tries again until it is told "done" ends where no faults would have led.
    #[tokio::test]
    async fn guarded_writes_may_be_tried_again() {
        let folder = tempfile::tempdir().expect("folder");
        for seed in 0..50 {
            let memory = Memory::at(folder.path());
            let lease = claim(&Ports::of(memory.clone()), &job("a"), "me").await;
            let faulty = Faulty::new(memory.clone(), Plan::Seeded { seed, per_mille: 500 });
            while faulty.insert(&row("a", 1)).await.is_err() {}
            for no in 0..5 {
                let sealed = chunk(no, b"rows");
                while ChunkStore::seal(&faulty, &lease, &sealed, b"rows").await.is_err() {}
                while faulty.save(&lease, &row("a", u64::from(no))).await.is_err() {}
            }
            while faulty.release(&lease).await.is_err() {}
            assert_eq!(memory.read(&job("a")).await.expect("read"), Some(row("a", 4)));
            assert_eq!(memory.sealed(&job("a")).await.expect("sealed").len(), 5, "seed {seed}");
            assert_eq!(memory.look(&job("a")).await.expect("look").owner, None);
        }
    }
}
