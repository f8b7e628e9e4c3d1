//! Which node of a cluster places its waiting jobs: whoever holds a lease of a reserved name.
//!
//! It is claimed, renewed and lost as a job's lease is, by the very rule of `lease/rule.rs`. What a
//! leader says is a hint: two at a time, or none, cost time and nothing else.

use crate::{
    id::JobId,
    lease::{
        Lease, LeaseCell,
        rule::{Duty, Holding, Sighting},
    },
    unit::Millis,
};

/// The name whose lease a leader holds. No job is called so: those have names of 26 letters.
pub fn office() -> JobId {
    JobId::new("placement-leader")
}

/// One node's part in it.
#[derive(Debug, Clone, Default)]
pub struct Leadership {
    held: Option<(Lease, Holding)>,
    seen: Option<Sighting>,
}

/// What a node has to do about it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Office {
    /// To look who leads.
    Look,
    /// To say that it lives: it leads.
    Renew(Lease),
    /// Nothing: it leads.
    Lead(Lease),
}

impl Leadership {
    /// What is due at `now`. Who did not renew in time leads no more.
    pub fn duty(&mut self, now: Millis) -> Office {
        let Some((lease, holding)) = &self.held else { return Office::Look };
        match holding.duty(now) {
            Duty::WaitUntil(_) => Office::Lead(lease.clone()),
            Duty::Renew => Office::Renew(lease.clone()),
            Duty::StandDown => {
                self.held = None;
                Office::Look
            }
        }
    }

    /// Takes in a look at the lease; gives the cell to claim, if it may be claimed. `now` is read
    /// after the answer came.
    pub fn looked(&mut self, cell: LeaseCell, now: Millis, is_orphan: bool) -> Option<LeaseCell> {
        let sighting = match self.seen.take() {
            Some(seen) => seen.look(cell, now),
            None => Sighting::first(cell, now),
        };
        let may_claim = sighting.may_claim(now, is_orphan);
        let cell = sighting.cell.clone();
        self.seen = Some(sighting);
        may_claim.then_some(cell)
    }

    /// It was claimed or renewed, by a call sent at `sent`.
    pub fn is_held(&mut self, lease: Lease, sent: Millis) {
        (self.held, self.seen) = (Some((lease, Holding { sent })), None);
    }

    /// It is another's, or was given back.
    pub fn is_lost(&mut self) -> Option<Lease> {
        self.held.take().map(|(lease, _)| lease)
    }

    /// Whether this node leads, as far as it knows.
    pub fn leads(&self) -> bool {
        self.held.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::Incarnation,
        lease::fence::unclaimed,
        limits::{LEASE_RENEW_MS, LEASE_STAND_DOWN_MS, LEASE_TTL_MS},
        unit::Epoch,
    };

    fn lease(owner: &str) -> Lease {
        Lease { job: office(), owner: Incarnation::new(owner), epoch: Epoch(1) }
    }

    fn of(owner: &str, renewals: u64) -> LeaseCell {
        LeaseCell { owner: Some(Incarnation::new(owner)), epoch: Epoch(1), renewals }
    }

    #[test]
    fn whoever_comes_first_leads_and_renews_or_leads_no_more() {
        let mut own = Leadership::default();
        assert_eq!(own.duty(Millis(0)), Office::Look);
        assert_eq!(own.looked(unclaimed(), Millis(0), false), Some(unclaimed()));
        own.is_held(lease("a"), Millis(0));
        assert_eq!(own.duty(Millis(1)), Office::Lead(lease("a")));
        assert_eq!(own.duty(Millis(LEASE_RENEW_MS)), Office::Renew(lease("a")));
        own.is_held(lease("a"), Millis(LEASE_RENEW_MS));
        assert_eq!(own.duty(Millis(LEASE_RENEW_MS + 1)), Office::Lead(lease("a")));
        assert_eq!(own.duty(Millis(LEASE_RENEW_MS + LEASE_STAND_DOWN_MS)), Office::Look);
        assert!(!own.leads());
    }

    #[test]
    fn a_leader_that_says_nothing_is_replaced_after_a_ttl_and_one_that_is_gone_at_once() {
        let mut own = Leadership::default();
        assert_eq!(own.looked(of("a", 1), Millis(0), false), None);
        assert_eq!(own.looked(of("a", 2), Millis(LEASE_TTL_MS), false), None);
        assert_eq!(own.looked(of("a", 2), Millis(2 * LEASE_TTL_MS - 1), false), None);
        let last = Millis(2 * LEASE_TTL_MS);
        assert_eq!(own.looked(of("a", 2), last, false), Some(of("a", 2)));
        let mut other = Leadership::default();
        assert_eq!(other.looked(of("a", 2), Millis(0), true), Some(of("a", 2)));
    }
}
