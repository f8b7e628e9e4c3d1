//! What a leader knows of one job in line, and of one that has just left it.

use super::InLine;
use crate::{
    id::{Incarnation, TenantId},
    lease::{LeaseCell, rule::Sighting},
    limits::{FIND_FREE_MS, FIND_TIRED_MAX, LEASE_TTL_MS, SUSPENDED_LOOK_MS},
    queue::Demand,
    unit::Millis,
};

/// A job in line.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Of its lease; none while nobody had to look.
    pub(super) sighting: Option<Sighting>,
    /// Whoever holds it is known to be gone.
    pub(super) is_orphan: bool,
    /// How often it was seen to be claimed since somebody got on with it.
    pub(super) taken: u32,
    /// Since when it is as it is.
    pub(super) since: Millis,
    pub(super) is_suspended: bool,
    pub(super) has_begun: bool,
    /// A node says that it works at it.
    pub(super) is_at_work: bool,
    /// Its lease was looked at since no node says so.
    pub(super) is_seen: bool,
    pub(super) said: LastSaid,
    pub(super) demand: Demand,
    pub(super) tenant: TenantId,
}

/// What was said of a job last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LastSaid {
    Nothing,
    Assigned(Incarnation, Millis),
    Kept(Incarnation),
}

/// A job that left the line, and the node that probably took it up.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) node: Incarnation,
    pub(super) demand: Demand,
    pub(super) tenant: TenantId,
    pub(super) since: Millis,
}

impl Known {
    pub(super) fn of(it: &InLine, now: Millis) -> Self {
        Self {
            sighting: None,
            is_orphan: false,
            taken: 0,
            since: now,
            is_suspended: it.is_suspended,
            has_begun: it.has_begun,
            is_at_work: false,
            is_seen: false,
            said: LastSaid::Nothing,
            demand: it.turn.demand,
            tenant: it.tenant.clone(),
        }
    }

    /// Nobody holds it, or whoever does is gone. One that has begun was held: that is looked at.
    pub(super) fn is_free(&self, now: Millis) -> bool {
        let Some(seen) = self.sighting.as_ref().filter(|_| self.is_seen || !self.has_begun) else {
            return !self.has_begun;
        };
        seen.cell.owner.is_none() || self.is_orphan || age(seen.since, now) >= LEASE_TTL_MS
    }

    /// The lease of a holder that is gone.
    pub(super) fn vouched(&self) -> Option<LeaseCell> {
        let seen = self.sighting.as_ref().filter(|seen| seen.cell.owner.is_some())?;
        Some(seen.cell.clone())
    }

    /// How long it is still left alone; never while it is assigned.
    pub(super) fn rests(&self, now: Millis) -> Millis {
        let wait = match (&self.said, self.is_suspended, self.taken.saturating_sub(1)) {
            (LastSaid::Assigned(..), ..) => 0,
            (_, true, _) => SUSPENDED_LOOK_MS,
            (_, false, 0) => 0,
            (_, false, tired) => FIND_FREE_MS << tired.min(FIND_TIRED_MAX),
        };
        Millis(wait.saturating_sub(age(self.since, now)))
    }
}

pub(super) fn age(since: Millis, now: Millis) -> u64 {
    now.get().saturating_sub(since.get())
}
