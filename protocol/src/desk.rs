//! The desk: how a front (command line, web, NATS) hands in jobs and follows them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    code::Code,
    id::JobId,
    job::{JobRow, action::Tidings},
    progress::Progress,
    request::JobRequest,
};

/// Hands in, cancels, watches. The only door to the actors.
#[async_trait]
pub trait JobDesk: Send + Sync {
    /// Makes a job durable and begins it.
    async fn submit(&self, request: JobRequest) -> Result<JobId, DeskError>;
    /// Goes on with an interrupted job.
    async fn resume(&self, job: &JobId) -> Result<(), DeskError>;
    /// Ends a job for good; within one step of whatever it does.
    async fn cancel(&self, job: &JobId) -> Result<(), DeskError>;
    /// The row as stored.
    async fn show(&self, job: &JobId) -> Result<JobRow, DeskError>;
    /// All rows, newest first.
    async fn list(&self) -> Result<Vec<JobRow>, DeskError>;
    /// What happens to this job until it ends or is interrupted: first the tidings since it came
    /// into this node's hands, so that none is missed between `submit` and here, then what follows.
    /// Progress may be dropped when the watcher is slow, tidings are not.
    async fn watch(&self, job: &JobId) -> Result<Box<dyn Watching>, DeskError>;
    /// Checkpoints and stops everything; returns when it stands still.
    async fn drain(&self);
}

/// News of one job.
#[async_trait]
pub trait Watching: Send {
    /// The next piece of news; none once the supervisor has left.
    async fn next(&mut self) -> Option<News>;
}

/// What a watcher hears.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// How far it is.
    Progress(Progress),
    /// What happened.
    Tidings(Tidings),
}

/// Why the desk refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct DeskError {
    /// Which error.
    pub code: Code,
    /// Act, place, remedy.
    pub message: String,
}
