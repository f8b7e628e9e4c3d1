//! What a leader reads of a job: one that waits, or one that has begun and that nobody may hold.

use crate::{
    engine::NumericsClass,
    id::{JobId, TenantId},
    job::{JobRow, JobState},
    queue::Turn,
    residency::Residency,
};

/// A job in line, as far as placing it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InLine {
    /// Which.
    pub job: JobId,
    /// Whose.
    pub tenant: TenantId,
    /// When its turn comes, and what it needs.
    pub turn: Turn,
    /// Where it may be.
    pub regions: Residency,
    /// It may run on a machine that may be taken away.
    pub may_use_spot: bool,
    /// Somebody has begun with it, and holds it or did.
    pub has_begun: bool,
    /// The numerics class that it is to stay in.
    pub stays_in: Option<NumericsClass>,
    /// It waits until something is mended.
    pub is_suspended: bool,
}

impl InLine {
    /// Of this job.
    pub fn of(row: &JobRow) -> Self {
        Self {
            job: row.id.clone(),
            tenant: row.tenant(),
            turn: Turn::of(row),
            regions: row.regions.clone(),
            may_use_spot: !row.stays_off_spot,
            has_begun: matches!(row.state, JobState::Running { .. }),
            stays_in: row.stays_in().map(|(class, ..)| class.clone()),
            is_suspended: row.suspended,
        }
    }
}
