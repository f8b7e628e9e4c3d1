//! What hangs on a job: rows of its partition, each written by the holder of the lease alone.

use scylla::response::PagingState;
use serde::{Serialize, de::DeserializeOwned};
use tgs_protocol::{id::JobId, lease::Lease, store::StoreError};

use super::{
    Scylla,
    database::Decided,
    json::{decode, encode},
    lease::whole,
    trouble::Patience,
};
use crate::fence::{self, Fenced};

impl Scylla {
    /// Enters an item if the lease is the newest; gives what it took the place of.
    pub(super) async fn put_item<T: Serialize + DeserializeOwned>(
        &self,
        lease: &Lease,
        item: &str,
        value: &T,
    ) -> Result<Fenced<Option<T>>, StoreError> {
        let what = what(item, &lease.job);
        let value = encode(value, &what)?;
        Ok(match self.replace_item(lease, item, Some(&value)).await? {
            Fenced::Overtaken(by) => Fenced::Overtaken(by),
            Fenced::Held(before) => {
                Fenced::Held(before.map(|before| decode(&before, &what)).transpose()?)
            }
        })
    }

    /// Removes an item if the lease is the newest.
    pub(super) async fn drop_item(
        &self,
        lease: &Lease,
        item: &str,
    ) -> Result<Fenced<()>, StoreError> {
        Ok(match self.replace_item(lease, item, None).await? {
            Fenced::Overtaken(by) => Fenced::Overtaken(by),
            Fenced::Held(_) => Fenced::Held(()),
        })
    }

    /// Puts one value in place of another, which it gives. The condition names the other one: a
    /// statement that was given up may still arrive, after later ones of the same holder.
    async fn replace_item(
        &self,
        lease: &Lease,
        item: &str,
        value: Option<&Vec<u8>>,
    ) -> Result<Fenced<Option<Vec<u8>>>, StoreError> {
        let mut patience = Patience::of("enter what a job made");
        let mut replaced = None;
        loop {
            if let Fenced::Overtaken(by) = self.admitted(&mut patience, lease).await? {
                return Ok(Fenced::Overtaken(by));
            }
            let before = self.item_bytes(&mut patience, &lease.job, item).await?;
            // Also what a sending of unknown outcome left when it did take place.
            if before.as_ref() == value {
                return Ok(Fenced::Held(replaced));
            }
            let (job, owner) = (lease.job.as_str(), lease.owner.as_str());
            let values = (value, job, item, owner, whole(lease.epoch.get()), &before);
            let say = &self.database().say.put_item;
            if self.database().decide(&mut patience, say, values).await? == Decided::Applied {
                return Ok(Fenced::Held(before));
            }
            replaced = before;
        }
    }

    /// Enters an item unless there is one; what stands there then.
    pub(super) async fn put_item_once<T: Serialize + DeserializeOwned>(
        &self,
        lease: &Lease,
        item: &str,
        value: &T,
    ) -> Result<Fenced<Option<T>>, StoreError> {
        let mut patience = Patience::of("enter what a job made");
        let encoded = encode(value, &what(item, &lease.job))?;
        let nothing: Option<Vec<u8>> = None;
        loop {
            let (job, owner) = (lease.job.as_str(), lease.owner.as_str());
            let values = (&encoded, job, item, owner, whole(lease.epoch.get()), &nothing);
            let say = &self.database().say.put_item;
            if self.database().decide(&mut patience, say, values).await? == Decided::Applied {
                return Ok(Fenced::Held(None));
            }
            if let Fenced::Overtaken(by) = self.admitted(&mut patience, lease).await? {
                return Ok(Fenced::Overtaken(by));
            }
            let known: Option<T> = self.item(&mut patience, &lease.job, item).await?;
            if known.is_some() {
                return Ok(Fenced::Held(known));
            }
        }
    }

    /// One item, after everything that was decided before this call.
    pub(super) async fn item<T: Serialize + DeserializeOwned>(
        &self,
        patience: &mut Patience,
        job: &JobId,
        item: &str,
    ) -> Result<Option<T>, StoreError> {
        let value = self.item_bytes(patience, job, item).await?;
        value.map(|value| decode(&value, &what(item, job))).transpose()
    }

    async fn item_bytes(
        &self,
        patience: &mut Patience,
        job: &JobId,
        item: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let say = &self.database().say.see_item;
        let rows: Vec<(Option<Vec<u8>>,)> =
            self.database().rows(patience, say, (job.as_str(), item)).await?;
        Ok(rows.into_iter().next().and_then(|row| row.0))
    }

    /// All items whose names begin so, in the order of their names.
    pub(super) async fn items<T: Serialize + DeserializeOwned>(
        &self,
        patience: &mut Patience,
        job: &JobId,
        kind: &str,
    ) -> Result<Vec<T>, StoreError> {
        // `0` comes after `/`.
        let (from, to) = (format!("{kind}/"), format!("{kind}0"));
        let say = &self.database().say.see_items;
        let (mut values, mut begins) = (Vec::new(), Some(PagingState::start()));
        while let Some(state) = begins {
            let rows: Vec<(Option<Vec<u8>>,)>;
            let asked = (job.as_str(), &from, &to);
            (rows, begins) = self.database().page(patience, say, asked, state).await?;
            for value in rows.into_iter().filter_map(|row| row.0) {
                values.push(decode(&value, &what(kind, job))?);
            }
        }
        Ok(values)
    }

    /// Whether the lease is the newest.
    pub(super) async fn admitted(
        &self,
        patience: &mut Patience,
        lease: &Lease,
    ) -> Result<Fenced<()>, StoreError> {
        Ok(fence::admit(&self.cell(patience, &lease.job).await?, lease))
    }
}

/// How messages call it.
fn what(item: &str, job: &JobId) -> String {
    format!("{item} of job {job}")
}
