//! Checkpoints: bytes in pieces, then an entry in the job's partition. Invariant kept here: CKPT-1.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tgs_protocol::{
    checkpoint::CheckpointFacts,
    code::Code,
    id::JobId,
    lease::Lease,
    store::{CheckpointStore, StoreError},
    unit::Steps,
};

use super::{Scylla, bytes::Named, trouble::Patience};
use crate::fence::{self, Fenced};

const KIND: &str = "checkpoint";

/// A checkpoint as it is entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    facts: CheckpointFacts,
    bytes: Named,
}

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
        let job = &lease.job;
        let home = self.home_of(job).await?;
        let named = self.name_of(&format!("{KIND}-{}-{step}", lease.epoch), &home, bytes);
        let (digest, size) = (named.digest, named.size);
        let facts = CheckpointFacts { epoch: lease.epoch, step, digest, size };
        let known: Option<Entry> = self.item(&mut patience, job, &item(&facts)).await?;
        if known.is_some() {
            return Ok(facts); // The digest is in its name.
        }
        let entry = Entry { facts, bytes: named };
        self.put_bytes(job, &entry.bytes, bytes).await?;
        let entered = self.put_item_once(lease, &item(&facts), &entry).await?;
        let is_ours = match &entered {
            Fenced::Held(known) => known.as_ref().is_none_or(|known| *known == entry),
            Fenced::Overtaken(_) => false,
        };
        if !is_ours {
            self.drop_bytes(job, &entry.bytes.name, size).await?;
        }
        entered.or_refused(job)?;
        Ok(facts)
    }

    async fn whole(&self, job: &JobId) -> Result<Vec<CheckpointFacts>, StoreError> {
        let mut patience = Patience::of("list checkpoints");
        let mut whole = Vec::new();
        for Entry { facts, bytes } in self.items(&mut patience, job, KIND).await? {
            if self.digest_of(job, &[bytes]).await? == Some(facts.digest) {
                whole.push(facts);
            }
        }
        fence::newest_step_first(&mut whole);
        Ok(whole)
    }

    /// In one buffer, since whoever goes on reads it as one: the engine takes tensors out of it
    /// where they lie. By way of a file it would be in memory just the same, and on a disk as well.
    async fn get(&self, job: &JobId, facts: &CheckpointFacts) -> Result<Vec<u8>, StoreError> {
        let mut patience = Patience::of("read a checkpoint");
        let entry: Option<Entry> = self.item(&mut patience, job, &item(facts)).await?;
        let bytes = match entry {
            Some(entry) => self.bytes(job, &entry.bytes).await?,
            None => None,
        };
        bytes.ok_or_else(|| {
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
        let all: Vec<Entry> = self.items(&mut patience, &lease.job, KIND).await?;
        for Entry { facts, bytes } in all.iter().filter(|entry| !keep.contains(&entry.facts)) {
            // The entry first: what is entered is whole.
            self.drop_item(lease, &item(facts)).await?.or_refused(&lease.job)?;
            self.drop_bytes(&lease.job, &bytes.name, bytes.size).await?;
        }
        Ok(())
    }
}

fn item(facts: &CheckpointFacts) -> String {
    format!("{KIND}/{:020}-{:020}-{}", facts.epoch.get(), facts.step.get(), facts.digest)
}
