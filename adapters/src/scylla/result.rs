//! What jobs of a cluster deliver into the house: bytes of the job and an entry in its partition,
//! so that every node can hand them out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tgs_protocol::{
    code::Code,
    digest::Digest,
    id::JobId,
    lease::Lease,
    store::{Delivered, StoreError, Written},
    unit::ByteCount,
};

use super::{
    Scylla,
    bytes::{Named, lost},
    trouble::Patience,
};
use crate::{
    blocking::blocking,
    content,
    disk::{RealDisk, remove_tree},
    fault,
    fence::{self, Fenced},
};

/// Names of the entries begin so.
const KIND: &str = "result";
/// Names of their bytes begin so, and so do the folders of a node's copies.
pub(super) const PREFIX: &str = "result-";

impl Scylla {
    /// Keeps a copy of a file as what a job delivers under this name.
    pub(super) async fn keep_result(
        &self,
        lease: &Lease,
        from: &Path,
        kept: &Path,
    ) -> Result<Delivered, StoreError> {
        let unreadable = |error| fault::unread(Code::StoreCorrupt, from, error);
        let (digest, size) = blocking(|| content::of_file(from)).map_err(unreadable)?;
        let named = self.name(KIND, &self.home_of(&lease.job).await?, (digest, size));
        self.put_file(&lease.job, &named, from).await?;
        let before = match self.put_item(lease, &item(kept), &named).await? {
            Fenced::Held(before) => before,
            Fenced::Overtaken(by) => {
                self.drop_bytes(&lease.job, &named.name, named.size).await?;
                return Ok(Delivered::Overtaken { by });
            }
        };
        if let Some(before) = before {
            self.drop_bytes(&lease.job, &before.name, before.size).await?;
        }
        Ok(Delivered::Done(digest))
    }

    /// What a job keeps under a name.
    async fn result(&self, job: &JobId, kept: &Path) -> Result<Option<Named>, StoreError> {
        fence::check_name(job)?;
        self.item(&mut Patience::of("look at a result"), job, &item(kept)).await
    }

    /// Its size.
    pub(super) async fn result_size(
        &self,
        job: &JobId,
        kept: &Path,
    ) -> Result<Option<ByteCount>, StoreError> {
        Ok(self.result(job, kept).await?.map(|named| named.size))
    }

    /// A file of this node with it. One that is there is not read again: this node made it whole.
    pub(super) async fn fetch_result(
        &self,
        job: &JobId,
        kept: &Path,
    ) -> Result<Option<PathBuf>, StoreError> {
        let Some(named) = self.result(job, kept).await? else { return Ok(None) };
        let file = self.result_file(job, kept, &named);
        if !fs::metadata(&file).is_ok_and(|facts| facts.len() == named.size.get()) {
            self.file(job, &named, &file, || lost(&kept.display().to_string(), job)).await?;
        }
        Ok(Some(file))
    }

    /// The same by the holder of its lease, and by nobody who was overtaken.
    pub(super) async fn take_result_back(
        &self,
        lease: &Lease,
        kept: &Path,
    ) -> Result<Written, StoreError> {
        // The entry that was there is the one that goes, or none does.
        let before = self.result(&lease.job, kept).await?;
        if let Fenced::Overtaken(by) = self.drop_item(lease, &item(kept)).await? {
            return Ok(Written::Overtaken { by });
        }
        if let Some(named) = before {
            self.drop_result_bytes(&lease.job, &named).await?;
        }
        Ok(Written::Done)
    }

    /// Removes what a job keeps under a name; idempotent.
    pub(super) async fn drop_kept(&self, job: &JobId, kept: &Path) -> Result<(), StoreError> {
        let Some(named) = self.result(job, kept).await? else { return Ok(()) };
        let mut patience = Patience::of("remove a result");
        let (database, item) = (self.database(), item(kept));
        let values = (job.as_str(), item.as_str());
        database.decide_surely(&mut patience, &database.say.sweep_item, values).await?;
        self.drop_result_bytes(job, &named).await
    }

    async fn drop_result_bytes(&self, job: &JobId, named: &Named) -> Result<(), StoreError> {
        self.drop_bytes(job, &named.name, named.size).await?;
        let folder = self.cached(job, named);
        blocking(|| remove_tree(&RealDisk, &folder))
            .map_err(|error| fault::on_file("remove", &folder, error))
    }

    /// Names of the bytes of all that a job keeps.
    pub(super) async fn results_of(
        &self,
        patience: &mut Patience,
        job: &JobId,
    ) -> Result<Vec<String>, StoreError> {
        let all: Vec<Named> = self.items(patience, job, KIND).await?;
        Ok(all.into_iter().map(|named| named.name).collect())
    }

    /// Where it lies on this node. The name of its bytes is part of the place: other bytes that
    /// took its place are another file.
    fn result_file(&self, job: &JobId, kept: &Path, named: &Named) -> PathBuf {
        let name = kept.file_name().unwrap_or_default();
        self.cached(job, named).join(name)
    }
}

/// Whether an entry of a job is of a result.
pub(super) fn is_result(item: &str) -> bool {
    item.strip_prefix(KIND).is_some_and(|rest| rest.starts_with('/'))
}

fn item(kept: &Path) -> String {
    format!("{KIND}/{}", Digest::of(kept.as_os_str().as_encoded_bytes()).short())
}
