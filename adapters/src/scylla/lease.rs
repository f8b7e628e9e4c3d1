//! Leases: cells of the job's partition, changed by lightweight transactions.

use async_trait::async_trait;
use tgs_protocol::{
    id::{Incarnation, JobId},
    lease::{Lease, LeaseCell},
    store::{LeaseStore, StoreError, Written},
    unit::Epoch,
};

use super::{Scylla, database::Decided, trouble::Patience};
use crate::fence::{self, Fenced};

#[async_trait]
impl LeaseStore for Scylla {
    async fn look(&self, job: &JobId) -> Result<LeaseCell, StoreError> {
        self.cell(&mut Patience::of("look at a lease"), job).await
    }

    async fn claim(
        &self,
        job: &JobId,
        owner: &Incarnation,
        seen: &LeaseCell,
    ) -> Result<Option<Lease>, StoreError> {
        fence::check_name(job)?;
        let mut patience = Patience::of("claim a job");
        let Some(claimed) = fence::claim(seen, seen, owner) else { return Ok(None) };
        let lease = Lease { job: job.clone(), owner: owner.clone(), epoch: claimed.epoch };
        let cells = (owner.as_str(), whole(claimed.epoch.get()), job.as_str());
        let before = cells_of(seen);
        let mut is_unknown = false;
        loop {
            let values = (cells.0, cells.1, cells.2, before.0, before.1, before.2);
            let say = &self.database().say.claim;
            match self.database().decide(&mut patience, say, values).await? {
                Decided::Applied => return Ok(Some(lease)),
                Decided::Refused if !is_unknown => return Ok(None),
                Decided::Refused | Decided::Unknown => {
                    is_unknown = true;
                    let now = self.cell(&mut patience, job).await?;
                    // Nobody else claims in the name of this incarnation.
                    if now.owner.as_ref() == Some(owner) && now.epoch == lease.epoch {
                        return Ok(Some(lease));
                    }
                    if now != *seen {
                        return Ok(None);
                    }
                }
            }
        }
    }

    async fn renew(&self, lease: &Lease) -> Result<Written, StoreError> {
        let mut patience = Patience::of("renew a lease");
        let mut seen: Option<u64> = None;
        loop {
            let cell = self.cell(&mut patience, &lease.job).await?;
            if let Fenced::Overtaken(by) = fence::admit(&cell, lease) {
                return Ok(Written::Overtaken { by });
            }
            // A renewal of unknown outcome that took place is seen by its number.
            if seen.is_some_and(|seen| cell.renewals > seen) {
                return Ok(Written::Done);
            }
            seen = Some(cell.renewals);
            let next = fence::renew(cell.clone());
            let (owner, epoch) = (lease.owner.as_str(), whole(lease.epoch.get()));
            let job = lease.job.as_str();
            let values = (whole(next.renewals), job, owner, epoch, whole(cell.renewals));
            let say = &self.database().say.renew;
            if self.database().decide(&mut patience, say, values).await? == Decided::Applied {
                return Ok(Written::Done);
            }
        }
    }

    async fn release(&self, lease: &Lease) -> Result<Written, StoreError> {
        let mut patience = Patience::of("release a lease");
        loop {
            let cell = self.cell(&mut patience, &lease.job).await?;
            match fence::release(&cell, lease) {
                Fenced::Overtaken(by) => return Ok(Written::Overtaken { by }),
                Fenced::Held(free) if free == cell => return Ok(Written::Done),
                Fenced::Held(_) => {}
            }
            let epoch = whole(lease.epoch.get());
            let values = (lease.job.as_str(), lease.owner.as_str(), epoch);
            let say = &self.database().say.release;
            if self.database().decide(&mut patience, say, values).await? == Decided::Applied {
                return Ok(Written::Done);
            }
        }
    }
}

impl Scylla {
    pub(super) async fn cell(
        &self,
        patience: &mut Patience,
        job: &JobId,
    ) -> Result<LeaseCell, StoreError> {
        type Cells = (String, Option<String>, Option<i64>, Option<i64>);
        let say = &self.database().say.look_at_lease;
        let rows: Vec<Cells> = self.database().rows(patience, say, (job.as_str(),)).await?;
        let cell = rows.into_iter().next();
        Ok(cell.map_or_else(fence::unclaimed, |(_, owner, epoch, renewals)| {
            cell_of(owner, epoch, renewals)
        }))
    }
}

/// A cell as its columns hold it.
pub(super) fn cell_of(
    owner: Option<String>,
    epoch: Option<i64>,
    renewals: Option<i64>,
) -> LeaseCell {
    LeaseCell {
        owner: owner.map(Incarnation::new),
        epoch: Epoch(natural(epoch.unwrap_or(0))),
        renewals: natural(renewals.unwrap_or(0)),
    }
}

/// The columns of a cell; those of a job that nobody claimed are empty.
fn cells_of(cell: &LeaseCell) -> (Option<&str>, Option<i64>, Option<i64>) {
    let owner = cell.owner.as_ref().map(Incarnation::as_str);
    let is_claimed = cell.epoch > Epoch(0);
    let kept = |number: u64| is_claimed.then(|| whole(number));
    (owner, kept(cell.epoch.get()), kept(cell.renewals))
}

/// A number of ours as the database holds it.
pub(super) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// And back.
pub(super) fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
