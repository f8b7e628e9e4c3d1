//! A duty that one node of a cluster has at a time: a lease like that of a job, by the same rules.
//!
//! Its effects must bear that two nodes have it for a moment: it spares work, it fences nothing.

use std::sync::Arc;

use tgs_protocol::{
    clock::Clock,
    id::{Incarnation, JobId},
    lease::{
        Lease,
        rule::{Duty as Due, Holding, Sighting},
    },
    limits::LEASE_RENEW_ANSWER_MS,
    store::{LeaseStore, StoreError, Written},
};

use crate::{ports::Ports, store_call::within};

/// One node's part in it.
pub(crate) struct Duty {
    name: JobId,
    leases: Arc<dyn LeaseStore>,
    clock: Arc<dyn Clock>,
    own: Incarnation,
    sighting: Option<Sighting>,
    held: Option<(Lease, Holding)>,
}

impl Duty {
    /// Of this name; no job has it.
    pub(crate) fn new(name: &str, ports: &Ports, own: Incarnation) -> Self {
        let (leases, clock) = (ports.leases.clone(), ports.clock.clone());
        Self { name: JobId::new(name), leases, clock, own, sighting: None, held: None }
    }

    /// Whether it is this node's now. It is claimed when nobody has it and renewed when that is
    /// due, so it must be asked for more often than a lease is renewed.
    pub(crate) async fn is_ours(&mut self) -> bool {
        let is_ours = self.see_to_it().await;
        is_ours.unwrap_or_else(|error| {
            tracing::warn!(duty = %self.name, %error, "the store does not say who has a duty");
            let now = self.clock.monotonic();
            self.held.as_ref().is_some_and(|(_, holding)| holding.duty(now) != Due::StandDown)
        })
    }

    async fn see_to_it(&mut self) -> Result<bool, StoreError> {
        let sent = self.clock.monotonic();
        if let Some((lease, holding)) = &mut self.held {
            let renewed = match holding.duty(sent) {
                Due::WaitUntil(_) => return Ok(true),
                Due::StandDown => false,
                Due::Renew => {
                    let renewal = self.leases.renew(lease);
                    within(LEASE_RENEW_ANSWER_MS, "renew a duty", renewal).await? == Written::Done
                }
            };
            if renewed {
                *holding = Holding { sent };
                return Ok(true);
            }
            self.held = None;
        }
        let look = self.leases.look(&self.name);
        let cell = within(LEASE_RENEW_ANSWER_MS, "look at a duty", look).await?;
        let now = self.clock.monotonic();
        let sighting = match self.sighting.take() {
            Some(earlier) => earlier.look(cell, now),
            None => Sighting::first(cell, now),
        };
        // An earlier holder of this very boot is dead: there is one of each kind.
        let is_own = sighting.cell.owner.as_ref() == Some(&self.own);
        let (may_claim, cell) = (sighting.may_claim(now, is_own), sighting.cell.clone());
        self.sighting = Some(sighting);
        if !may_claim {
            return Ok(false);
        }
        let claim = self.leases.claim(&self.name, &self.own, &cell);
        let claimed = within(LEASE_RENEW_ANSWER_MS, "claim a duty", claim).await?;
        self.held = claimed.map(|lease| (lease, Holding { sent: now }));
        Ok(self.held.is_some())
    }
}
