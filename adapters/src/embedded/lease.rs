//! Leases: every change is one durable transaction, and redb runs one at a time.

use async_trait::async_trait;
use tgs_protocol::{
    id::{Incarnation, JobId},
    lease::{Lease, LeaseCell},
    store::{LeaseStore, StoreError, Written},
};

use crate::{
    blocking::blocking,
    embedded::{
        Embedded,
        ledger::{Commit, LEASES, cell_in, encode},
    },
    fence::{self, Fenced},
};

#[async_trait]
impl LeaseStore for Embedded {
    async fn look(&self, job: &JobId) -> Result<LeaseCell, StoreError> {
        blocking(|| self.ledger().read(|view| cell_in(&view.open_table(LEASES)?, job)))
    }

    async fn claim(
        &self,
        job: &JobId,
        owner: &Incarnation,
        seen: &LeaseCell,
    ) -> Result<Option<Lease>, StoreError> {
        blocking(|| {
            fence::check_name(job)?;
            self.ledger().write(|transaction| {
                let mut leases = transaction.open_table(LEASES)?;
                let cell = cell_in(&leases, job)?;
                let Some(claimed) = fence::claim(&cell, seen, owner) else {
                    return Ok(Commit::Leave(None));
                };
                leases.insert(job.as_str(), encode(&claimed)?.as_slice())?;
                let lease = Lease { job: job.clone(), owner: owner.clone(), epoch: claimed.epoch };
                Ok(Commit::Keep(Some(lease)))
            })
        })
    }

    async fn renew(&self, lease: &Lease) -> Result<Written, StoreError> {
        blocking(|| {
            let fenced = self.ledger().write_fenced(lease, |transaction| {
                let mut leases = transaction.open_table(LEASES)?;
                let renewed = fence::renew(cell_in(&leases, &lease.job)?);
                leases.insert(lease.job.as_str(), encode(&renewed)?.as_slice())?;
                Ok(Commit::Keep(()))
            })?;
            Ok(fenced.written())
        })
    }

    async fn release(&self, lease: &Lease) -> Result<Written, StoreError> {
        blocking(|| {
            let fenced = self.ledger().write(|transaction| {
                let mut leases = transaction.open_table(LEASES)?;
                let cell = cell_in(&leases, &lease.job)?;
                match fence::release(&cell, lease) {
                    Fenced::Overtaken(by) => Ok(Commit::Leave(Fenced::Overtaken(by))),
                    Fenced::Held(free) if free == cell => Ok(Commit::Leave(Fenced::Held(()))),
                    Fenced::Held(free) => {
                        leases.insert(lease.job.as_str(), encode(&free)?.as_slice())?;
                        Ok(Commit::Keep(Fenced::Held(())))
                    }
                }
            })?;
            Ok(fenced.written())
        })
    }
}
