//! Datasets behind a plan of faults.

use std::{collections::BTreeSet, path::PathBuf};

use async_trait::async_trait;
use tgs_protocol::{
    dataset::{Appended, DatasetName, DatasetStore, DatasetVersion, Finished, Upload},
    id::UploadId,
    store::StoreError,
    unit::{ByteCount, Timestamp},
};

use super::Faulty;

#[async_trait]
impl<S: DatasetStore> DatasetStore for Faulty<S> {
    fn regions(&self) -> Option<BTreeSet<String>> {
        self.inner.regions()
    }
    async fn begin(&self, upload: &Upload) -> Result<bool, StoreError> {
        self.run("begin upload", self.inner.begin(upload)).await
    }
    async fn look(&self, upload: &UploadId) -> Result<Option<(Upload, ByteCount)>, StoreError> {
        self.run("look at upload", DatasetStore::look(&self.inner, upload)).await
    }
    async fn append(
        &self,
        upload: &UploadId,
        at: ByteCount,
        bytes: &[u8],
    ) -> Result<Appended, StoreError> {
        self.run("append", self.inner.append(upload, at, bytes)).await
    }
    async fn finish(&self, upload: &UploadId, now: Timestamp) -> Result<Finished, StoreError> {
        self.run("finish upload", self.inner.finish(upload, now)).await
    }
    async fn abandon(&self, upload: &UploadId) -> Result<bool, StoreError> {
        self.run("abandon upload", self.inner.abandon(upload)).await
    }
    async fn datasets(
        &self,
        after: Option<&DatasetName>,
        limit: usize,
    ) -> Result<Vec<DatasetVersion>, StoreError> {
        self.run("list datasets", self.inner.datasets(after, limit)).await
    }
    async fn versions(&self, dataset: &DatasetName) -> Result<Vec<DatasetVersion>, StoreError> {
        self.run("list versions", self.inner.versions(dataset)).await
    }
    async fn file(&self, version: &DatasetVersion) -> Result<PathBuf, StoreError> {
        self.run("open version", self.inner.file(version)).await
    }
    async fn remove(&self, dataset: &DatasetName, version: u32) -> Result<bool, StoreError> {
        self.run("remove version", self.inner.remove(dataset, version)).await
    }
}
