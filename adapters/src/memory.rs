//! All stores in memory: the shortest thing that keeps the promises, to test against and to
//! simulate with. Nothing outlives the value; files lie in a given folder, because engines read
//! files.

mod artifact;
mod bytes;

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tgs_protocol::{
    checkpoint::CheckpointFacts,
    chunk::{ChunkNo, SealedChunk},
    id::{Incarnation, JobId},
    job::{JobRow, JobState},
    lease::{Lease, LeaseCell},
    store::{ArtifactName, JobStore, LeaseStore, StoreError, Written},
    unit::Epoch,
};

use crate::{
    deliver::Note,
    fence::{self, Fenced},
};

/// Stores in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct Memory {
    root: PathBuf,
    state: Arc<Mutex<State>>,
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
    /// What was delivered, by job and place.
    notes: HashMap<(JobId, PathBuf), Note>,
}

impl Memory {
    /// Empty stores; `root` is an existing folder for files of chunks and artifacts.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), state: Arc::default() }
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
        let ended = rows.filter_map(|row| match &row.state {
            JobState::Ended(outcome) => Some((row.id.clone(), ArtifactName::kept_after(outcome))),
            _ => None,
        });
        for (job, kept) in ended.collect::<Vec<_>>() {
            leaving.extend(self.swept(&mut state, &job, kept));
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
}

#[async_trait]
impl JobStore for Memory {
    async fn insert(&self, row: &JobRow) -> Result<bool, StoreError> {
        fence::check_name(&row.id)?;
        fence::encode_row(row)?;
        let mut state = self.state();
        if state.rows.contains_key(&row.id) {
            return Ok(false);
        }
        state.rows.insert(row.id.clone(), row.clone());
        Ok(true)
    }

    async fn read(&self, job: &JobId) -> Result<Option<JobRow>, StoreError> {
        Ok(self.state().rows.get(job).cloned())
    }

    async fn list(&self) -> Result<Vec<JobRow>, StoreError> {
        let mut rows: Vec<_> = self.state().rows.values().cloned().collect();
        fence::newest_first(&mut rows);
        Ok(rows)
    }

    async fn save(&self, lease: &Lease, row: &JobRow) -> Result<Written, StoreError> {
        fence::check_owns(lease, row)?;
        fence::encode_row(row)?;
        let mut state = self.state();
        let fenced = state.admit(lease);
        if fenced == Fenced::Held(()) {
            let held = state.rows.get_mut(&row.id).ok_or_else(|| fence::no_such_job(&row.id))?;
            *held = row.clone();
        }
        Ok(fenced.written())
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
