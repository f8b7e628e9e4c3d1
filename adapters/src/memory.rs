//! All stores in memory: the shortest thing that keeps the promises, to test against and to
//! simulate with. Nothing outlives the value; files lie in a given folder, because engines read
//! files.

mod artifact;
mod board;
mod bytes;
mod dataset;
mod notification;
mod presence;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tgs_protocol::{
    checkpoint::CheckpointFacts,
    chunk::{ChunkNo, SealedChunk},
    event::{Event, events},
    id::{Incarnation, JobId, SubscriptionId},
    job::{
        JobRow,
        listing::{Listing, Page, Place, StateClass},
    },
    lease::{Lease, LeaseCell},
    notification::{Delivery, Subscription},
    placement::board::{Assignments, Notice},
    presence::{NodeOrder, Presence},
    store::{ArtifactName, EventLog, JobStore, LeaseStore, StoreError, Written},
    submission::{IdempotencyKey, Inserted},
    unit::{Epoch, EventNo},
};
use tokio::sync::watch;

use crate::{
    deliver::Note,
    fence::{self, Fenced},
};

/// Stores in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct Memory {
    root: PathBuf,
    state: Arc<Mutex<State>>,
    /// Changes with every event.
    told: watch::Sender<()>,
}

/// Everything there is. One mutex makes every act of a store one step.
#[derive(Debug, Default)]
struct State {
    rows: HashMap<JobId, JobRow>,
    leases: HashMap<JobId, LeaseCell>,
    chunks: BTreeMap<(JobId, ChunkNo), SealedChunk>,
    checkpoints: HashMap<JobId, Vec<(CheckpointFacts, Vec<u8>)>>,
    staged: HashMap<(JobId, ArtifactName), (Epoch, PathBuf)>,
    sealed: HashMap<(JobId, ArtifactName), PathBuf>,
    folders: u64,
    /// Event number `n` is at `n - 1`; none where its job was forgotten.
    events: Vec<Option<Event>>,
    keys: HashMap<IdempotencyKey, JobId>,
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    deliveries: BTreeMap<(SubscriptionId, EventNo), Delivery>,
    /// Up to here notices were read.
    read_mark: EventNo,
    /// What was delivered, by job and place.
    notes: HashMap<(JobId, PathBuf), Note>,
    datasets: dataset::Datasets,
    /// What a leader told nodes, and all.
    assigned: HashMap<Incarnation, Assignments>,
    notice: Option<Notice>,
    /// Who is there, and what is ordered of nodes.
    present: BTreeMap<Incarnation, Presence>,
    node_orders: HashMap<String, NodeOrder>,
}

impl Memory {
    /// Empty stores; `root` is an existing folder for files of chunks and artifacts.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), state: Arc::default(), told: watch::Sender::new(()) }
    }

    /// What the death and restart of the process comes to: what was staged is gone, and jobs that
    /// ended are swept.
    ///
    /// # Errors
    /// `CannotWrite` if a folder cannot be removed.
    pub fn restart(&self) -> Result<(), StoreError> {
        let mut state = self.state();
        let mut leaving: Vec<_> = state.staged.drain().map(|(_, (_, path))| path).collect();
        let rows = state.rows.values();
        let classes = rows.map(|row| (row.id.clone(), StateClass::of(&row.state)));
        let ended = classes.filter(|(_, class)| class.is_final());
        for (job, class) in ended.collect::<Vec<_>>() {
            leaving.extend(self.swept(&mut state, &job, ArtifactName::kept_after(class)));
        }
        artifact::remove_all(&leaving)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn cell(&self, job: &JobId) -> LeaseCell {
        self.leases.get(job).cloned().unwrap_or_else(fence::unclaimed)
    }

    fn admit(&self, lease: &Lease) -> Fenced<()> {
        fence::admit(&self.cell(&lease.job), lease)
    }

    /// A row, if there is one.
    fn row(&self, job: &JobId) -> Result<Option<&JobRow>, StoreError> {
        let row = self.rows.get(job);
        row.map_or(Ok(()), fence::check_known).map(|()| row)
    }

    fn newest_event(&self) -> EventNo {
        EventNo(self.events.len() as u64)
    }

    /// A row with its events.
    fn put(&mut self, row: &JobRow) {
        let added = events(self.rows.get(&row.id), row, self.newest_event());
        self.events.extend(added.into_iter().map(Some));
        self.rows.insert(row.id.clone(), row.clone());
    }
}

#[async_trait]
impl JobStore for Memory {
    async fn insert(&self, row: &JobRow) -> Result<Inserted, StoreError> {
        fence::check_name(&row.id)?;
        fence::encode_row(row)?;
        let mut state = self.state();
        if let Some(sent) = &row.submission
            && let Some(job) = state.keys.get(&sent.key)
        {
            let known = state.row(job)?.and_then(|row| row.submission.as_ref());
            return Ok(Inserted::again(job, known, sent));
        }
        if state.rows.contains_key(&row.id) {
            return Ok(Inserted::NameTaken);
        }
        if let Some(sent) = &row.submission {
            state.keys.insert(sent.key.clone(), row.id.clone());
        }
        state.put(row);
        self.told.send_modify(|_| {});
        Ok(Inserted::New)
    }

    async fn read(&self, job: &JobId) -> Result<Option<JobRow>, StoreError> {
        Ok(self.state().row(job)?.cloned())
    }

    async fn ordered(&self, key: &IdempotencyKey) -> Result<Option<JobRow>, StoreError> {
        let state = self.state();
        match state.keys.get(key) {
            Some(job) => Ok(state.row(job)?.cloned()),
            None => Ok(None),
        }
    }

    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        let is_of = |row: &JobRow| listing.class.is_none_or(|it| it == StateClass::of(&row.state));
        let is_after =
            |row: &JobRow| listing.after.as_ref().is_none_or(|place| Place::of(row) < *place);
        let state = self.state();
        let known = state.rows.values().filter(|row| row.unknown().is_none());
        let found = known.filter(|row| is_of(row) && is_after(row));
        let mut rows: Vec<_> = found.cloned().collect();
        rows.sort_by_key(|row| Reverse(Place::of(row)));
        let limit = listing.limit.max(1);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| has_more).map(Place::of);
        Ok(Page { rows, next })
    }

    async fn count(&self) -> Result<BTreeMap<StateClass, u64>, StoreError> {
        let mut counts = BTreeMap::new();
        for row in self.state().rows.values() {
            *counts.entry(StateClass::of(&row.state)).or_default() += 1;
        }
        Ok(counts)
    }

    async fn save(&self, lease: &Lease, row: &JobRow) -> Result<Written, StoreError> {
        fence::check_owns(lease, row)?;
        fence::encode_row(row)?;
        let mut state = self.state();
        let fenced = state.admit(lease);
        if fenced == Fenced::Held(()) {
            let Some(before) = state.row(&row.id)? else {
                return Err(fence::no_such_job(&row.id));
            };
            if !row.may_replace(before) {
                return Ok(Written::Overtaken { by: lease.epoch });
            }
            state.put(row);
            self.told.send_modify(|_| {});
        }
        Ok(fenced.written())
    }

    async fn forget(&self, job: &JobId) -> Result<bool, StoreError> {
        let mut state = self.state();
        if !state.row(job)?.is_some_and(|row| row.state.is_final()) {
            return Ok(false);
        }
        if let Some(sent) = state.rows.remove(job).and_then(|row| row.submission) {
            state.keys.remove(&sent.key);
        }
        let is_its = |event: &Option<Event>| event.as_ref().is_some_and(|it| it.job == *job);
        state.events.iter_mut().filter(|event| is_its(event)).for_each(|event| *event = None);
        state.leases.remove(job);
        Ok(true)
    }
}

#[async_trait]
impl EventLog for Memory {
    async fn events(
        &self,
        after: EventNo,
        job: Option<&JobId>,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let state = self.state();
        let later = usize::try_from(after.get()).unwrap_or(usize::MAX);
        let is_asked = |event: &&Event| job.is_none_or(|job| event.job == *job);
        let events = state.events.iter().skip(later).flatten().filter(is_asked);
        Ok(events.take(limit).cloned().collect())
    }

    async fn newest_event(&self) -> Result<EventNo, StoreError> {
        Ok(self.state().newest_event())
    }

    async fn wait_for_event(&self, after: EventNo) {
        let mut told = self.told.subscribe();
        while self.state().newest_event() <= after {
            if told.changed().await.is_err() {
                return;
            }
        }
    }
}

#[async_trait]
impl LeaseStore for Memory {
    async fn look(&self, job: &JobId) -> Result<LeaseCell, StoreError> {
        Ok(self.state().cell(job))
    }

    async fn claim(
        &self,
        job: &JobId,
        owner: &Incarnation,
        seen: &LeaseCell,
    ) -> Result<Option<Lease>, StoreError> {
        fence::check_name(job)?;
        let mut state = self.state();
        let Some(claimed) = fence::claim(&state.cell(job), seen, owner) else { return Ok(None) };
        let lease = Lease { job: job.clone(), owner: owner.clone(), epoch: claimed.epoch };
        state.leases.insert(job.clone(), claimed);
        Ok(Some(lease))
    }

    async fn renew(&self, lease: &Lease) -> Result<Written, StoreError> {
        let mut state = self.state();
        let fenced = state.admit(lease);
        if fenced == Fenced::Held(()) {
            let renewed = fence::renew(state.cell(&lease.job));
            state.leases.insert(lease.job.clone(), renewed);
        }
        Ok(fenced.written())
    }

    async fn release(&self, lease: &Lease) -> Result<Written, StoreError> {
        let mut state = self.state();
        let fenced = fence::release(&state.cell(&lease.job), lease);
        if let Fenced::Held(free) = &fenced {
            state.leases.insert(lease.job.clone(), free.clone());
        }
        Ok(fenced.written())
    }
}
