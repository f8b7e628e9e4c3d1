//! Checkpoints: bytes in pieces, then an entry in the job's partition. Invariant kept here: CKPT-1.

use async_trait::async_trait;
use tgs_protocol::{
    checkpoint::CheckpointFacts,
    code::Code,
    id::JobId,
    lease::Lease,
    store::{CheckpointStore, StoreError},
    unit::Steps,
};

use super::{Scylla, bytes::Named, trouble::Patience};
use crate::fence;

const KIND: &str = "checkpoint";

#[async_trait]
impl CheckpointStore for Scylla {
    async fn put(
        &self,
        lease: &Lease,
        step: Steps,
        bytes: &[u8],
    ) -> Result<CheckpointFacts, StoreError> {
        let mut patience = Patience::of("write a checkpoint");
        self.admitted(&mut patience, lease).await?.or_refused(&lease.job)?;
        let named = Named::of(&lease.job, &kind(lease.epoch.get(), step), bytes);
        let (digest, size) = (named.digest, named.size);
        let facts = CheckpointFacts { epoch: lease.epoch, step, digest, size };
        self.put_bytes(&named, bytes).await?;
        self.put_item(lease, &item(&facts), &facts).await?.or_refused(&lease.job)?;
        Ok(facts)
    }

    async fn whole(&self, job: &JobId) -> Result<Vec<CheckpointFacts>, StoreError> {
        let mut patience = Patience::of("list checkpoints");
        let mut whole = Vec::new();
        for facts in self.items::<CheckpointFacts>(&mut patience, job, KIND).await? {
            if self.bytes(&named(job, &facts)).await?.is_some() {
                whole.push(facts);
            }
        }
        fence::newest_step_first(&mut whole);
        Ok(whole)
    }

    async fn get(&self, job: &JobId, facts: &CheckpointFacts) -> Result<Vec<u8>, StoreError> {
        self.bytes(&named(job, facts)).await?.ok_or_else(|| {
            let message = format!(
                "read the checkpoint of step {} of job {job}: its bytes in the database are gone \
                 or altered; restore the keyspace from a backup and resume, or cancel the job and \
                 submit it again",
                facts.step
            );
            StoreError::new(Code::CheckpointCorrupt, message)
        })
    }

    async fn prune(&self, lease: &Lease, keep: &[CheckpointFacts]) -> Result<(), StoreError> {
        let mut patience = Patience::of("remove checkpoints");
        self.admitted(&mut patience, lease).await?.or_refused(&lease.job)?;
        let all: Vec<CheckpointFacts> = self.items(&mut patience, &lease.job, KIND).await?;
        for facts in all.iter().filter(|facts| !keep.contains(facts)) {
            // The entry first: what is entered is whole.
            self.drop_item(lease, &item(facts)).await?.or_refused(&lease.job)?;
            let named = named(&lease.job, facts);
            self.drop_bytes(&lease.job, &named.name, named.size).await?;
        }
        Ok(())
    }
}

fn kind(epoch: u64, step: Steps) -> String {
    format!("{KIND}-{epoch}-{step}")
}

fn named(job: &JobId, facts: &CheckpointFacts) -> Named {
    Named::known(job, &kind(facts.epoch.get(), facts.step), facts.digest, facts.size)
}

fn item(facts: &CheckpointFacts) -> String {
    format!("{KIND}/{:020}-{:020}-{}", facts.epoch.get(), facts.step.get(), facts.digest)
}
