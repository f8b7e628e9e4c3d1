//! Leases: the right to write for one job. Every durable write carries its epoch and is refused if
//! stale.

pub mod fence;
pub mod finder;
mod recall;
pub mod rule;

use serde::{Deserialize, Serialize};

use crate::{
    id::{Incarnation, JobId},
    unit::Epoch,
};

/// The pen: proof that `owner` held `job` in `epoch`. A store refuses it once a later epoch exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// For which job.
    pub job: JobId,
    /// Who holds it.
    pub owner: Incarnation,
    /// Since which claim.
    pub epoch: Epoch,
}

/// What the store knows of a job's lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseCell {
    /// The last holder; none before the first claim and after a release.
    pub owner: Option<Incarnation>,
    /// Grows by one with each claim.
    pub epoch: Epoch,
    /// Grows by one with each renewal, back to zero with each claim.
    pub renewals: u64,
}
