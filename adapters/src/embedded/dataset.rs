//! Uploads and datasets: bytes in files, which of them count in the transactional store.
//!
//! An upload's file grows in place; how much of it is durable is its length, since every piece is
//! synced before it is acknowledged and a torn one is cut off by the next. A finished file gets its
//! place under its digest before the row that names it, so a row without bytes is never seen; bytes
//! without a row are removed when the folder is opened.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use redb::ReadableTable;
use serde::{Deserialize, Serialize};
use tgs_protocol::{
    code::Code,
    dataset::{Appended, DatasetName, DatasetStore, DatasetVersion, Finished, Upload},
    digest::Digest,
    id::{JobId, UploadId},
    store::StoreError,
    unit::{ByteCount, Timestamp},
};

use crate::{
    blocking::blocking,
    content,
    disk::{Readers, gone_is_fine, rename_durably},
    embedded::{
        Embedded,
        at_work::Taken,
        ledger::{Commit, DATASETS, UPLOADS, decode, encode},
        trouble::Trouble,
    },
    fault, fence,
};

/// An upload as it stands in the store.
#[derive(Debug, Serialize, Deserialize)]
struct UploadRow {
    upload: Upload,
    /// How much of it is durable. The file may be longer: a piece whose answer was never sent.
    received: ByteCount,
    /// What it became.
    finished: Option<DatasetVersion>,
}

/// A version as it stands in the store.
#[derive(Debug, Serialize, Deserialize)]
struct VersionRow {
    version: DatasetVersion,
    /// Whose file it was: there it still is if the process was killed before it got its place.
    upload: UploadId,
}

#[async_trait]
impl DatasetStore for Embedded {
    async fn begin(&self, upload: &Upload) -> Result<bool, StoreError> {
        blocking(|| {
            fence::check_name(&JobId::new(upload.id.as_str()))?;
            let (upload, received) = (upload.clone(), ByteCount(0));
            let row = UploadRow { upload, received, finished: None };
            self.ledger().write(|transaction| {
                let mut uploads = transaction.open_table(UPLOADS)?;
                let name = row.upload.id.as_str();
                if uploads.get(name)?.is_some() {
                    return Ok(Commit::Leave(false));
                }
                uploads.insert(name, encode(&row)?.as_slice())?;
                Ok(Commit::Keep(true))
            })
        })
    }

    async fn look(&self, upload: &UploadId) -> Result<Option<(Upload, ByteCount)>, StoreError> {
        blocking(|| Ok(self.upload_row(upload)?.map(|row| (row.upload, row.received))))
    }

    async fn append(
        &self,
        upload: &UploadId,
        at: ByteCount,
        bytes: &[u8],
    ) -> Result<Appended, StoreError> {
        blocking(|| {
            let busy = self.inner.uploads_at_work.take(upload);
            let Some(row) = self.upload_row(upload)? else { return Ok(Appended::Unknown) };
            if busy.is_none() || at != row.received || row.finished.is_some() {
                return Ok(Appended::NotThere(row.received));
            }
            let end = ByteCount(at.get().saturating_add(bytes.len() as u64));
            if end > row.upload.size {
                return Ok(Appended::TooLong);
            }
            let path = self.layout().upload(upload);
            self.make_folders(&self.layout().uploads())?;
            self.write_piece(&path, at, bytes)
                .map_err(|error| fault::on_file("write", &path, error))?;
            self.put_upload(&UploadRow { received: end, ..row })?;
            Ok(Appended::To(end))
        })
    }

    async fn finish(&self, upload: &UploadId, now: Timestamp) -> Result<Finished, StoreError> {
        blocking(|| {
            let _busy = self.take_upload(upload)?;
            self.finish_alone(upload, now)
        })
    }

    async fn abandon(&self, upload: &UploadId) -> Result<bool, StoreError> {
        blocking(|| {
            let _busy = self.take_upload(upload)?;
            let Some(row) = self.upload_row(upload)? else { return Ok(false) };
            if let Some(version) = &row.finished {
                self.settle_version(version, upload)?;
            }
            self.ledger().write(|transaction| {
                transaction.open_table(UPLOADS)?.remove(upload.as_str())?;
                Ok(Commit::Keep(()))
            })?;
            self.remove_if_there(&self.layout().upload(upload))?;
            Ok(true)
        })
    }

    async fn datasets(
        &self,
        after: Option<&DatasetName>,
        limit: usize,
    ) -> Result<Vec<DatasetVersion>, StoreError> {
        blocking(|| {
            self.ledger().read(|view| {
                let table = view.open_table(DATASETS)?;
                let mut found: Vec<DatasetVersion> = Vec::new();
                let mut from = after.map(|name| name.as_str().to_owned());
                while found.len() < limit {
                    // The first version of the next dataset, then the last one of the same.
                    let first = match &from {
                        Some(name) => table.range((name.as_str(), u32::MAX)..)?.next(),
                        None => table.iter()?.next(),
                    };
                    let Some(first) = first else { break };
                    let name = first?.0.value().0.to_owned();
                    let all = (name.as_str(), 0)..=(name.as_str(), u32::MAX);
                    if let Some(newest) = table.range(all)?.next_back() {
                        let row: VersionRow = read_version(newest?.1.value(), &name)?;
                        found.push(row.version);
                    }
                    from = Some(name);
                }
                Ok(found)
            })
        })
    }

    async fn versions(&self, dataset: &DatasetName) -> Result<Vec<DatasetVersion>, StoreError> {
        blocking(|| {
            self.ledger().read(|view| {
                let rows = version_rows(&view.open_table(DATASETS)?, dataset)?;
                Ok(rows.into_iter().rev().map(|row| row.version).collect())
            })
        })
    }

    async fn file(&self, version: &DatasetVersion) -> Result<PathBuf, StoreError> {
        blocking(|| {
            let row = self.ledger().read(|view| {
                let rows = version_rows(&view.open_table(DATASETS)?, &version.dataset)?;
                Ok(rows.into_iter().find(|row| row.version == *version))
            })?;
            let Some(row) = row else {
                let (name, no) = (&version.dataset, version.version);
                let message = format!("open version {no} of dataset {name}: it is not there");
                return Err(StoreError::new(Code::NoSuchThing, message));
            };
            self.settle_version(version, &row.upload)
        })
    }

    async fn remove(&self, dataset: &DatasetName, version: u32) -> Result<bool, StoreError> {
        blocking(|| {
            let removed = self.ledger().write(|transaction| {
                let mut table = transaction.open_table(DATASETS)?;
                let removed = table.remove((dataset.as_str(), version))?;
                let row: Option<VersionRow> = removed
                    .map(|bytes| read_version(bytes.value(), dataset.as_str()))
                    .transpose()?;
                let Some(row) = row else { return Ok(Commit::Leave(None)) };
                transaction.open_table(UPLOADS)?.remove(row.upload.as_str())?;
                let is_last = !has_bytes(&table, &row.version)?;
                Ok(Commit::Keep(Some((row, is_last))))
            })?;
            let Some((row, is_last)) = removed else { return Ok(false) };
            self.remove_if_there(&self.layout().upload(&row.upload))?;
            if is_last {
                self.remove_if_there(&self.layout().dataset(&row.version))?;
            }
            Ok(true)
        })
    }
}

impl Embedded {
    fn take_upload(&self, upload: &UploadId) -> Result<Taken<'_, UploadId>, StoreError> {
        self.inner.uploads_at_work.take(upload).ok_or_else(|| {
            let message = format!("work on upload {upload}: another request does; try again");
            StoreError::new(Code::StoreSilent, message)
        })
    }

    fn upload_row(&self, upload: &UploadId) -> Result<Option<UploadRow>, StoreError> {
        self.ledger().read(|view| {
            let found = view.open_table(UPLOADS)?.get(upload.as_str())?;
            found.map(|bytes| read_upload(bytes.value(), upload)).transpose()
        })
    }

    fn put_upload(&self, row: &UploadRow) -> Result<(), StoreError> {
        self.ledger().write(|transaction| {
            let name = row.upload.id.as_str();
            transaction.open_table(UPLOADS)?.insert(name, encode(row)?.as_slice())?;
            Ok(Commit::Keep(()))
        })
    }

    fn write_piece(&self, path: &Path, at: ByteCount, bytes: &[u8]) -> io::Result<()> {
        let is_new = !path.exists();
        let file = match is_new {
            true => self.disk().create(path, Readers::Owner)?,
            false => OpenOptions::new().write(true).open(path)?,
        };
        // What an earlier try left behind the durable part is no part of the table.
        self.disk().set_len(&file, path, at.get())?;
        self.disk().write(&file, path, at.get(), bytes)?;
        self.disk().sync(&file, path)?;
        if is_new { self.disk().sync_folder(&self.layout().uploads()) } else { Ok(()) }
    }

    /// The one that has taken the upload; nobody appends meanwhile.
    fn finish_alone(&self, upload: &UploadId, now: Timestamp) -> Result<Finished, StoreError> {
        let Some(row) = self.upload_row(upload)? else { return Ok(Finished::Unknown) };
        if let Some(version) = row.finished {
            self.settle_version(&version, upload)?;
            return Ok(Finished::As(version));
        }
        if row.received < row.upload.size {
            return Ok(Finished::NotWhole(row.received));
        }
        let path = self.layout().upload(upload);
        if row.received == ByteCount(0) {
            self.make_folders(&self.layout().uploads())?;
            self.write_piece(&path, ByteCount(0), &[])
                .map_err(|error| fault::on_file("write", &path, error))?;
        }
        let (digest, size) =
            content::of_file(&path).map_err(|error| fault::on_file("read", &path, error))?;
        let version = self.enter_version(row, digest, size, now)?;
        self.settle_version(&version, upload)?;
        Ok(Finished::As(version))
    }

    /// Gives an upload its version: the one that has these bytes already, or the next.
    fn enter_version(
        &self,
        row: UploadRow,
        digest: Digest,
        size: ByteCount,
        now: Timestamp,
    ) -> Result<DatasetVersion, StoreError> {
        let Upload { id, dataset, ending, regions, .. } = row.upload.clone();
        self.ledger().write(|transaction| {
            let mut table = transaction.open_table(DATASETS)?;
            let known = version_rows(&table, &dataset)?;
            let same =
                known.iter().map(|row| &row.version).find(|it| it.is_of(digest, &ending, &regions));
            let version = same.cloned().unwrap_or_else(|| DatasetVersion {
                dataset: dataset.clone(),
                version: known.last().map_or(1, |last| last.version.version + 1),
                digest,
                size,
                ending: ending.clone(),
                added_at: now,
                regions: regions.clone(),
            });
            if same.is_none() {
                let row = VersionRow { version: version.clone(), upload: id.clone() };
                let key = (dataset.as_str(), version.version);
                table.insert(key, encode(&row)?.as_slice())?;
            }
            let row = UploadRow { finished: Some(version.clone()), ..row };
            transaction.open_table(UPLOADS)?.insert(id.as_str(), encode(&row)?.as_slice())?;
            Ok(Commit::Keep(version))
        })
    }

    /// Brings a version's bytes to their place, if they are not there yet.
    fn settle_version(
        &self,
        version: &DatasetVersion,
        upload: &UploadId,
    ) -> Result<PathBuf, StoreError> {
        let (place, part) = (self.layout().dataset(version), self.layout().upload(upload));
        if place.exists() {
            self.remove_if_there(&part)?;
            return Ok(place);
        }
        self.make_folders(&self.layout().datasets())?;
        match rename_durably(self.disk(), &part, &place) {
            // Another request was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound && place.exists() => Ok(place),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(fault::damaged(Code::StoreCorrupt, "it is gone", &place))
            }
            Err(error) => Err(fault::on_file("rename", &part, error)),
            Ok(()) => Ok(place),
        }
    }

    fn remove_if_there(&self, path: &Path) -> Result<(), StoreError> {
        gone_is_fine(self.disk().remove_file(path))
            .map_err(|error| fault::on_file("remove", path, error))
    }
}

fn read_upload(bytes: &[u8], upload: &UploadId) -> Result<UploadRow, Trouble> {
    decode(bytes, "upload", &JobId::new(upload.as_str()))
}

fn read_version(bytes: &[u8], dataset: &str) -> Result<VersionRow, Trouble> {
    decode(bytes, "dataset", &JobId::new(dataset))
}

/// Oldest first.
fn version_rows(
    table: &impl ReadableTable<(&'static str, u32), &'static [u8]>,
    dataset: &DatasetName,
) -> Result<Vec<VersionRow>, Trouble> {
    let all = (dataset.as_str(), 0)..=(dataset.as_str(), u32::MAX);
    let mut rows = Vec::new();
    for entry in table.range(all)? {
        rows.push(read_version(entry?.1.value(), dataset.as_str())?);
    }
    Ok(rows)
}

/// Whether some version has the bytes of this one.
fn has_bytes(
    table: &impl ReadableTable<(&'static str, u32), &'static [u8]>,
    version: &DatasetVersion,
) -> Result<bool, Trouble> {
    for entry in table.iter()? {
        let (key, bytes) = entry?;
        let other = read_version(bytes.value(), key.value().0)?.version;
        if (other.digest, &other.ending) == (version.digest, &version.ending) {
            return Ok(true);
        }
    }
    Ok(false)
}
