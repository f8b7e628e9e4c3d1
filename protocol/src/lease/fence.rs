//! Who may write: every decision on a lease cell, as pure functions.
//!
//! A store calls them inside whatever makes its reads and writes one act (a transaction, a mutex, a
//! conditional write). Invariants kept here: LEASE-1 (epochs only grow), LEASE-2 (no write of an
//! earlier epoch).

use crate::{
    code::Code,
    id::{Incarnation, JobId},
    lease::{Lease, LeaseCell},
    store::{StoreError, Written},
    unit::Epoch,
};

/// What a guarded act came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fenced<T> {
    /// The lease was the newest; the act took place.
    Held(T),
    /// A later epoch exists; nothing took place.
    Overtaken(Epoch),
}

impl<T> Fenced<T> {
    /// The same, for acts whose only answer is that they took place.
    pub fn written(self) -> Written {
        match self {
            Self::Held(_) => Written::Done,
            Self::Overtaken(by) => Written::Overtaken { by },
        }
    }

    /// The same, for acts that have no other way to say that they were refused.
    pub fn or_refused(self, job: &JobId) -> Result<T, StoreError> {
        match self {
            Self::Held(done) => Ok(done),
            Self::Overtaken(by) => Err(StoreError::new(
                Code::Overtaken,
                format!("write for job {job}: epoch {by} holds it now; leave it to its new owner"),
            )),
        }
    }
}

/// The cell of a job that nobody claimed yet.
pub fn unclaimed() -> LeaseCell {
    LeaseCell { owner: None, epoch: Epoch(0), renewals: 0 }
}

/// Whether a write under this lease is let through.
pub fn admit(cell: &LeaseCell, lease: &Lease) -> Fenced<()> {
    if cell.epoch == lease.epoch && cell.owner.as_ref() == Some(&lease.owner) {
        Fenced::Held(())
    } else {
        Fenced::Overtaken(cell.epoch)
    }
}

/// The cell after a claim; none if the cell is not what the claimant saw.
pub fn claim(cell: &LeaseCell, seen: &LeaseCell, owner: &Incarnation) -> Option<LeaseCell> {
    (cell == seen).then(|| LeaseCell {
        owner: Some(owner.clone()),
        epoch: cell.epoch.next(),
        renewals: 0,
    })
}

/// The cell after a renewal.
pub fn renew(cell: LeaseCell) -> LeaseCell {
    LeaseCell { renewals: cell.renewals + 1, ..cell }
}

/// The cell after a release. Releasing what is released already changes nothing, so that a release
/// whose outcome is unknown may be sent again.
pub fn release(cell: &LeaseCell, lease: &Lease) -> Fenced<LeaseCell> {
    let is_free = cell.owner.is_none() && cell.epoch == lease.epoch && cell.epoch > Epoch(0);
    match admit(cell, lease) {
        Fenced::Held(()) => Fenced::Held(LeaseCell { owner: None, ..cell.clone() }),
        Fenced::Overtaken(_) if is_free => Fenced::Held(cell.clone()),
        Fenced::Overtaken(by) => Fenced::Overtaken(by),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(owner: &str, epoch: u64) -> LeaseCell {
        let owner = (!owner.is_empty()).then(|| Incarnation::new(owner));
        LeaseCell { owner, epoch: Epoch(epoch), renewals: 0 }
    }

    #[test]
    fn only_the_newest_holder_is_admitted() {
        let lease = |owner: &str, epoch| Lease {
            job: JobId::new("j"),
            owner: Incarnation::new(owner),
            epoch: Epoch(epoch),
        };
        for (now, by, is_admitted, may_release) in [
            (cell("a", 3), lease("a", 3), true, true),
            (cell("a", 3), lease("b", 3), false, false),
            (cell("b", 4), lease("a", 3), false, false),
            (cell("a", 4), lease("a", 3), false, false),
            (cell("", 3), lease("a", 3), false, true),
            (cell("", 0), lease("a", 0), false, false),
            (cell("a", 3), lease("a", 9), false, false),
        ] {
            assert_eq!(admit(&now, &by) == Fenced::Held(()), is_admitted, "{now:?} {by:?}");
            let is_released = matches!(release(&now, &by), Fenced::Held(_));
            assert_eq!(is_released, may_release, "{now:?} {by:?}");
        }
    }
}
