//! The desk of models: how a front lists what jobs trained and draws rows from it at once.

use async_trait::async_trait;

use crate::{
    desk::DeskError,
    id::JobId,
    job::{
        JobRow,
        listing::{Page, Place},
    },
    wire::SampleOrder,
};

/// Models of this node's store. A model is named as the job that trained it.
#[async_trait]
pub trait ModelDesk: Send + Sync {
    /// Jobs that left a model, newest first: at most `limit`, perhaps fewer although more follow.
    async fn models(&self, after: Option<Place>, limit: usize) -> Result<Page, DeskError>;
    /// The job that trained this model.
    ///
    /// # Errors
    /// `NoSuchThing` if it left none.
    async fn model(&self, job: &JobId) -> Result<JobRow, DeskError>;
    /// Rows as text: those of chunk 0 of the table of this seed, exactly those that a job which
    /// generates as many rows with this seed would deliver.
    ///
    /// # Errors
    /// Those of [`may_be_sampled`](super::may_be_sampled), `RowsOutOfRange`, and `Busy` when too
    /// many wait already.
    async fn sample(&self, job: &JobId, order: SampleOrder) -> Result<Vec<u8>, DeskError>;
}
