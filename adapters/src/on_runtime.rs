//! Datasets for callers whose own threads must not wait for a disk: the work is done on another
//! runtime, to its end, also if whoever asked goes away.
//!
//! The threads of a front serve many clients each, and on them [`blocking`](crate::blocking) would
//! hold all of these up: while a large upload is hashed, or a disk syncs.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use tgs_protocol::{
    dataset::{Appended, DatasetName, DatasetStore, DatasetVersion, Finished, Upload},
    id::UploadId,
    store::StoreError,
    unit::{ByteCount, Timestamp},
};
use tokio::runtime::Handle;

use crate::fault;

/// A store whose work on files is done on a runtime of its own.
#[derive(Clone)]
pub struct OnRuntime {
    inner: Arc<dyn DatasetStore>,
    runtime: Handle,
}

impl OnRuntime {
    /// On this runtime, one with several threads.
    pub fn new(inner: Arc<dyn DatasetStore>, runtime: Handle) -> Self {
        Self { inner, runtime }
    }

    async fn run<T: Send + 'static>(
        &self,
        act: &str,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = self.runtime.spawn(work).await;
        done.unwrap_or_else(|error| {
            Err(fault::internal(format!("{act}: {error}; ask again what became of it")))
        })
    }
}

#[async_trait]
impl DatasetStore for OnRuntime {
    fn regions(&self) -> Option<BTreeSet<String>> {
        self.inner.regions()
    }

    async fn begin(&self, upload: &Upload) -> Result<bool, StoreError> {
        let (inner, upload) = (self.inner.clone(), upload.clone());
        self.run("begin an upload", async move { inner.begin(&upload).await }).await
    }

    async fn look(&self, upload: &UploadId) -> Result<Option<(Upload, ByteCount)>, StoreError> {
        self.inner.look(upload).await
    }

    async fn append(
        &self,
        upload: &UploadId,
        at: ByteCount,
        bytes: &[u8],
    ) -> Result<Appended, StoreError> {
        let (inner, upload, bytes) = (self.inner.clone(), upload.clone(), bytes.to_vec());
        self.run("append", async move { inner.append(&upload, at, &bytes).await }).await
    }

    async fn finish(&self, upload: &UploadId, now: Timestamp) -> Result<Finished, StoreError> {
        let (inner, upload) = (self.inner.clone(), upload.clone());
        self.run("finish an upload", async move { inner.finish(&upload, now).await }).await
    }

    async fn abandon(&self, upload: &UploadId) -> Result<bool, StoreError> {
        let (inner, upload) = (self.inner.clone(), upload.clone());
        self.run("give up an upload", async move { inner.abandon(&upload).await }).await
    }

    async fn datasets(
        &self,
        after: Option<&DatasetName>,
        limit: usize,
    ) -> Result<Vec<DatasetVersion>, StoreError> {
        self.inner.datasets(after, limit).await
    }

    async fn versions(&self, dataset: &DatasetName) -> Result<Vec<DatasetVersion>, StoreError> {
        self.inner.versions(dataset).await
    }

    async fn file(&self, version: &DatasetVersion) -> Result<PathBuf, StoreError> {
        let (inner, version) = (self.inner.clone(), version.clone());
        self.run("open a dataset", async move { inner.file(&version).await }).await
    }

    async fn remove(&self, dataset: &DatasetName, version: u32) -> Result<bool, StoreError> {
        let (inner, dataset) = (self.inner.clone(), dataset.clone());
        self.run("remove a dataset", async move { inner.remove(&dataset, version).await }).await
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    async fn planned() -> Result<(), StoreError> {
        panic!("as planned")
    }

    #[tokio::test]
    async fn files_are_worked_at_on_the_other_runtime_and_an_end_there_is_an_error() {
        let (own, there) = (thread::current().id(), tokio::runtime::Runtime::new());
        let there = there.expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(crate::Embedded::open(folder.path()).expect("opens"));
        let beside = OnRuntime::new(store, there.handle().clone());
        let at = beside.run("look", async { Ok(thread::current().id()) }).await.expect("is done");
        assert_ne!(at, own);
        let ended = beside.run("look", planned()).await;
        assert!(ended.expect_err("it panicked").message.contains("look: "));
        there.shutdown_background();
    }
}
