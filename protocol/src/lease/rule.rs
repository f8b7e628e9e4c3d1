//! When a lease may be claimed, when it must be renewed, when its holder must stand down.
//!
//! Time is each process's own monotonic clock; no two clocks are ever compared. After Gray &
//! Cheriton, "Leases" (SOSP 1989), with fencing epochs at the sink. Invariants kept here: LEASE-1
//! (epochs only grow), LEASE-2 (never two holders within a margin).

use crate::{
    lease::LeaseCell,
    limits::{LEASE_RENEW_MS, LEASE_STAND_DOWN_MS, LEASE_TTL_MS},
    unit::Millis,
};

/// What a would-be claimant saw of a lease: the cell, and since when it did not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The cell as it was first seen like this.
    pub cell: LeaseCell,
    /// When it was first seen like this, on the claimant's own clock.
    pub since: Millis,
}

impl Sighting {
    /// The first look at a cell. `now` is read after the answer came, as in [`Sighting::look`].
    pub fn first(cell: LeaseCell, now: Millis) -> Self {
        Self { cell, since: now }
    }

    /// Takes a new look: the same cell keeps its age, another one starts anew. `now` is read
    /// *after* the answer came: read before, a slow answer would make the cell look older than it
    /// is.
    #[must_use]
    pub fn look(self, cell: LeaseCell, now: Millis) -> Self {
        if cell == self.cell { self } else { Self { cell, since: now } }
    }

    /// Whether a claim is permitted now. `holder_is_gone`: the caller holds other proof that no
    /// earlier holder can write, such as the exclusive lock on a data folder.
    pub fn may_claim(&self, now: Millis, holder_is_gone: bool) -> bool {
        self.cell.owner.is_none()
            || holder_is_gone
            || now.get().saturating_sub(self.since.get()) >= LEASE_TTL_MS
    }
}

/// A holder's own view of its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// When the claim, or the last renewal that succeeded, was *sent*.
    pub sent: Millis,
}

/// What a holder must do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Nothing before this moment.
    WaitUntil(Millis),
    /// Send a renewal.
    Renew,
    /// Stop writing: the lease may be lost.
    StandDown,
}

impl Holding {
    /// What is due at `now`.
    pub fn duty(self, now: Millis) -> Duty {
        let age = now.get().saturating_sub(self.sent.get());
        if age >= LEASE_STAND_DOWN_MS {
            Duty::StandDown
        } else if age >= LEASE_RENEW_MS {
            Duty::Renew
        } else {
            Duty::WaitUntil(Millis(self.sent.get().saturating_add(LEASE_RENEW_MS)))
        }
    }
}

#[cfg(test)]
mod contest;
#[cfg(test)]
mod tests;
