//! What ended jobs have taught about how long others take: the desk guesses by it, supervisors tell
//! how it came out.
//!
//! It is read off stored rows when a node starts, so nothing is lost with the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tgs_protocol::{
    job::{
        JobRow,
        listing::{Listing, StateClass},
    },
    limits::EXPERIENCE_ROWS_MAX,
    metric_definitions::JOB_RAN_TO_ESTIMATE,
    queue::estimate::{Estimate, Experience, ran_to_estimate},
    request::JobRequest,
    store::{JobStore, StoreError},
};

use crate::store_call::answer;

/// Shared by a node's actors.
#[derive(Clone, Default)]
pub(crate) struct Learned(Arc<Mutex<Experience>>);

impl Learned {
    /// From what stands in the store. A store that does not answer costs the node nothing but worse
    /// guesses.
    pub(crate) async fn from_store(jobs: &dyn JobStore) -> Self {
        let learned = Self::default();
        match ended(jobs).await {
            Ok(rows) => rows.iter().for_each(|row| learned.known().learn(row)),
            Err(error) => tracing::warn!(%error, "how long jobs take is guessed without history"),
        }
        learned
    }

    /// How long this will take.
    pub(crate) fn estimate(&self, request: &JobRequest) -> Estimate {
        self.known().estimate(request)
    }

    /// A job has ended.
    pub(crate) fn take_in(&self, row: &JobRow) {
        if let Some(ratio) = ran_to_estimate(row) {
            metrics::histogram!(JOB_RAN_TO_ESTIMATE).record(ratio);
        }
        self.known().learn(row);
    }

    fn known(&self) -> MutexGuard<'_, Experience> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Jobs that came to their end, in the order in which they did.
async fn ended(jobs: &dyn JobStore) -> Result<Vec<JobRow>, StoreError> {
    let mut rows = Vec::new();
    for class in [StateClass::Published, StateClass::Withheld] {
        let listing = Listing { limit: EXPERIENCE_ROWS_MAX, ..Listing::all(Some(class)) };
        let page = answer("list jobs", jobs.list(&listing)).await?;
        rows.extend(page.rows);
    }
    rows.sort_by_key(|row| row.changed_at);
    Ok(rows)
}
