//! Datasets and uploads in memory. A version's bytes also are a file, because engines read files.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::PathBuf,
};

use async_trait::async_trait;
use tgs_protocol::{
    code::Code,
    dataset::{Appended, DatasetName, DatasetStore, DatasetVersion, Finished, Upload},
    digest::Digest,
    id::{JobId, UploadId},
    store::StoreError,
    unit::{ByteCount, Timestamp},
};

use crate::{fault, fence, memory::Memory};

/// All that was handed in.
#[derive(Debug, Default)]
pub struct Datasets {
    uploads: HashMap<UploadId, Incoming>,
    versions: BTreeMap<(DatasetName, u32), DatasetVersion>,
}

#[derive(Debug)]
struct Incoming {
    upload: Upload,
    bytes: Vec<u8>,
    finished: Option<DatasetVersion>,
}

impl Incoming {
    fn received(&self) -> ByteCount {
        match &self.finished {
            Some(_) => self.upload.size,
            None => ByteCount(self.bytes.len() as u64),
        }
    }
}

#[async_trait]
impl DatasetStore for Memory {
    async fn begin(&self, upload: &Upload) -> Result<bool, StoreError> {
        fence::check_name(&JobId::new(upload.id.as_str()))?;
        let uploads = &mut self.state().datasets.uploads;
        if uploads.contains_key(&upload.id) {
            return Ok(false);
        }
        let incoming = Incoming { upload: upload.clone(), bytes: Vec::new(), finished: None };
        uploads.insert(upload.id.clone(), incoming);
        Ok(true)
    }

    async fn look(&self, upload: &UploadId) -> Result<Option<(Upload, ByteCount)>, StoreError> {
        let state = self.state();
        let incoming = state.datasets.uploads.get(upload);
        Ok(incoming.map(|it| (it.upload.clone(), it.received())))
    }

    async fn append(
        &self,
        upload: &UploadId,
        at: ByteCount,
        bytes: &[u8],
    ) -> Result<Appended, StoreError> {
        let mut state = self.state();
        let Some(incoming) = state.datasets.uploads.get_mut(upload) else {
            return Ok(Appended::Unknown);
        };
        let received = incoming.received();
        if at != received || incoming.finished.is_some() {
            return Ok(Appended::NotThere(received));
        }
        let end = ByteCount(at.get().saturating_add(bytes.len() as u64));
        if end > incoming.upload.size {
            return Ok(Appended::TooLong);
        }
        incoming.bytes.extend_from_slice(bytes);
        Ok(Appended::To(end))
    }

    async fn finish(&self, upload: &UploadId, now: Timestamp) -> Result<Finished, StoreError> {
        let mut state = self.state();
        let Datasets { uploads, versions } = &mut state.datasets;
        let Some(incoming) = uploads.get_mut(upload) else { return Ok(Finished::Unknown) };
        if let Some(version) = &incoming.finished {
            return Ok(Finished::As(version.clone()));
        }
        if incoming.received() < incoming.upload.size {
            return Ok(Finished::NotWhole(incoming.received()));
        }
        let version = next_version(versions, incoming, now);
        let path = self.dataset_file(&version);
        let folder = path.parent().unwrap_or(&self.root);
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, &incoming.bytes));
        written.map_err(|error| fault::on_file("write", &path, error))?;
        versions.insert((version.dataset.clone(), version.version), version.clone());
        (incoming.finished, incoming.bytes) = (Some(version.clone()), Vec::new());
        Ok(Finished::As(version))
    }

    async fn abandon(&self, upload: &UploadId) -> Result<bool, StoreError> {
        Ok(self.state().datasets.uploads.remove(upload).is_some())
    }

    async fn datasets(
        &self,
        after: Option<&DatasetName>,
        limit: usize,
    ) -> Result<Vec<DatasetVersion>, StoreError> {
        let state = self.state();
        let newest: BTreeMap<_, _> =
            state.datasets.versions.values().map(|it| (it.dataset.clone(), it.clone())).collect();
        let is_after = |it: &DatasetVersion| after.is_none_or(|name| it.dataset > *name);
        Ok(newest.into_values().filter(is_after).take(limit).collect())
    }

    async fn versions(&self, dataset: &DatasetName) -> Result<Vec<DatasetVersion>, StoreError> {
        Ok(of_dataset(&self.state().datasets.versions, dataset).rev().cloned().collect())
    }

    async fn file(&self, version: &DatasetVersion) -> Result<PathBuf, StoreError> {
        let key = (version.dataset.clone(), version.version);
        if self.state().datasets.versions.get(&key) == Some(version) {
            return Ok(self.dataset_file(version));
        }
        let (name, no) = (&version.dataset, version.version);
        let message = format!("open version {no} of dataset {name}: it is not there");
        Err(StoreError::new(Code::NoSuchThing, message))
    }

    async fn remove(&self, dataset: &DatasetName, version: u32) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Datasets { uploads, versions } = &mut state.datasets;
        let Some(removed) = versions.remove(&(dataset.clone(), version)) else { return Ok(false) };
        uploads.retain(|_, it| it.finished.as_ref() != Some(&removed));
        let has_bytes =
            |it: &DatasetVersion| (it.digest, &it.ending) == (removed.digest, &removed.ending);
        if !versions.values().any(has_bytes) {
            let path = self.dataset_file(&removed);
            fs::remove_file(&path).map_err(|error| fault::on_file("remove", &path, error))?;
        }
        Ok(true)
    }
}

impl Memory {
    fn dataset_file(&self, version: &DatasetVersion) -> PathBuf {
        let name = format!("{}.{}", version.digest, version.ending.as_str());
        self.root.join("datasets").join(name)
    }
}

/// The version that has these bytes already, or the next.
fn next_version(
    versions: &BTreeMap<(DatasetName, u32), DatasetVersion>,
    incoming: &Incoming,
    now: Timestamp,
) -> DatasetVersion {
    let Upload { dataset, ending, size, regions, .. } = incoming.upload.clone();
    let digest = Digest::of(&incoming.bytes);
    let is_same = |it: &&DatasetVersion| it.is_of(digest, &ending, &regions);
    if let Some(same) = of_dataset(versions, &dataset).find(is_same) {
        return same.clone();
    }
    let version = of_dataset(versions, &dataset).last().map_or(1, |last| last.version + 1);
    DatasetVersion { dataset, version, digest, size, ending, added_at: now, regions }
}

/// Oldest first.
fn of_dataset<'a>(
    versions: &'a BTreeMap<(DatasetName, u32), DatasetVersion>,
    dataset: &DatasetName,
) -> impl DoubleEndedIterator<Item = &'a DatasetVersion> {
    let all = (dataset.clone(), 0)..=(dataset.clone(), u32::MAX);
    versions.range(all).map(|(_, version)| version)
}
