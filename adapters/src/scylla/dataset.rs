//! Uploads and datasets: parts as bytes, a row per upload that says which are there, a row per
//! version that says which parts it is made of.

use std::{collections::BTreeMap, path::PathBuf, pin::pin};

use async_trait::async_trait;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tgs_protocol::{
    code::Code,
    dataset::{Appended, DatasetName, DatasetStore, DatasetVersion, Finished, Upload},
    digest::Digest,
    id::{JobId, UploadId},
    store::StoreError,
    unit::{ByteCount, Timestamp},
};

use super::{
    Scylla,
    bytes::{Named, lost},
    database::Decided,
    lease::{natural, whole},
    trouble::{Patience, damaged},
};
use crate::{
    disk::{RealDisk, remove_tree},
    fault, fence,
};

/// A part of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    digest: Digest,
    size: ByteCount,
}

/// A version as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    version: DatasetVersion,
    /// The upload that made it.
    upload: UploadId,
    parts: Vec<Part>,
}

/// An upload as it stands.
#[derive(Debug)]
struct Incoming {
    upload: Upload,
    received: ByteCount,
    parts: Vec<Part>,
    made: Option<DatasetVersion>,
}

#[async_trait]
impl DatasetStore for Scylla {
    async fn begin(&self, upload: &Upload) -> Result<bool, StoreError> {
        fence::check_name(&JobId::new(upload.id.as_str()))?;
        let mut patience = Patience::of("begin an upload");
        let body = encode(upload)?;
        let mut is_unknown = false;
        loop {
            let values = (upload.id.as_str(), &body);
            let say = &self.database().say.begin_upload;
            match self.database().decide(&mut patience, say, values).await? {
                Decided::Applied => return Ok(true),
                Decided::Refused if !is_unknown => return Ok(false),
                // Names of uploads are made anew for each: one that is there is ours.
                Decided::Refused => return Ok(true),
                Decided::Unknown => is_unknown = true,
            }
        }
    }

    async fn look(&self, upload: &UploadId) -> Result<Option<(Upload, ByteCount)>, StoreError> {
        let incoming = self.incoming(&mut Patience::of("look at an upload"), upload).await?;
        Ok(incoming.map(|it| (it.upload, it.received)))
    }

    async fn append(
        &self,
        upload: &UploadId,
        at: ByteCount,
        bytes: &[u8],
    ) -> Result<Appended, StoreError> {
        let mut patience = Patience::of("take in a part of an upload");
        let mut is_written = false;
        loop {
            let Some(incoming) = self.incoming(&mut patience, upload).await? else {
                return Ok(Appended::Unknown);
            };
            let end = ByteCount(at.get().saturating_add(bytes.len() as u64));
            let part = Named::of(&owner(upload), &part_kind(at), bytes);
            // A sending whose outcome was unknown is there.
            if is_written && incoming.received >= end && incoming.has(at, &part) {
                return Ok(Appended::To(end));
            }
            if at != incoming.received || incoming.made.is_some() {
                return Ok(Appended::NotThere(incoming.received));
            }
            if end > incoming.upload.size {
                return Ok(Appended::TooLong);
            }
            if bytes.is_empty() {
                return Ok(Appended::To(end));
            }
            if !is_written {
                self.put_bytes(&part, bytes).await?;
                is_written = true;
            }
            let json = encode_text(&Part { digest: part.digest, size: part.size })?;
            let parts = BTreeMap::from([(whole(at.get()), json)]);
            let (end_at, begin_at) = (whole(end.get()), whole(at.get()));
            let values = (end_at, &parts, upload.as_str(), begin_at);
            let say = &self.database().say.append_part;
            if self.database().decide(&mut patience, say, values).await? == Decided::Applied {
                return Ok(Appended::To(end));
            }
        }
    }

    async fn finish(&self, upload: &UploadId, now: Timestamp) -> Result<Finished, StoreError> {
        let mut patience = Patience::of("finish an upload");
        let Some(incoming) = self.incoming(&mut patience, upload).await? else {
            return Ok(Finished::Unknown);
        };
        if let Some(version) = incoming.made {
            return Ok(Finished::As(version));
        }
        if incoming.received < incoming.upload.size {
            return Ok(Finished::NotWhole(incoming.received));
        }
        let digest = self.digest_of(upload, &incoming.parts).await?;
        let entry = self.enter_version(&mut patience, (&incoming, digest), now).await?;
        let made = encode(&entry.version)?;
        let say = &self.database().say.set_made;
        let values = (&made, upload.as_str());
        while self.database().decide(&mut patience, say, values).await? == Decided::Unknown {}
        if entry.upload != *upload {
            self.drop_parts(upload).await?;
        }
        Ok(Finished::As(entry.version))
    }

    async fn abandon(&self, upload: &UploadId) -> Result<bool, StoreError> {
        let mut patience = Patience::of("give up an upload");
        let Some(incoming) = self.incoming(&mut patience, upload).await? else { return Ok(false) };
        let say = &self.database().say.drop_upload;
        while self.database().decide(&mut patience, say, (upload.as_str(),)).await?
            == Decided::Unknown
        {}
        if incoming.made.is_none() {
            self.drop_parts(upload).await?;
        }
        Ok(true)
    }

    async fn datasets(
        &self,
        after: Option<&DatasetName>,
        limit: usize,
    ) -> Result<Vec<DatasetVersion>, StoreError> {
        let mut patience = Patience::of("list datasets");
        let after = after.map_or("", DatasetName::as_str);
        let say = &self.database().say.dataset_names;
        let names: Vec<(String,)> = self.database().rows(&mut patience, say, (after,)).await?;
        let mut found = Vec::new();
        for (name,) in names {
            if found.len() == limit {
                break;
            }
            let name = name.parse().map_err(|_| damaged("the names of datasets"))?;
            found.extend(self.entries(&mut patience, &name).await?.into_iter().next());
        }
        Ok(found.into_iter().map(|entry| entry.version).collect())
    }

    async fn versions(&self, dataset: &DatasetName) -> Result<Vec<DatasetVersion>, StoreError> {
        let all = self.entries(&mut Patience::of("list versions"), dataset).await?;
        Ok(all.into_iter().map(|entry| entry.version).collect())
    }

    async fn file(&self, version: &DatasetVersion) -> Result<PathBuf, StoreError> {
        let mut patience = Patience::of("open a dataset");
        let all = self.entries(&mut patience, &version.dataset).await?;
        let Some(entry) = all.into_iter().find(|entry| entry.version == *version) else {
            let (name, no) = (&version.dataset, version.version);
            let message = format!("open version {no} of dataset {name}: it is not there");
            return Err(StoreError::new(Code::NoSuchThing, message));
        };
        let path = self.dataset_file(&entry);
        let job = owner(&entry.upload);
        let parts = parts_of(&job, &entry.parts);
        let name = format!("version {} of dataset {}", version.version, version.dataset);
        self.file_of(&parts, version.digest, &path, || lost(&name, &job)).await?;
        Ok(path)
    }

    async fn remove(&self, dataset: &DatasetName, version: u32) -> Result<bool, StoreError> {
        let mut patience = Patience::of("remove a dataset");
        let all = self.entries(&mut patience, dataset).await?;
        let Some(entry) = all.into_iter().find(|entry| entry.version.version == version) else {
            return Ok(false);
        };
        let say = &self.database().say.drop_version;
        let values = (dataset.as_str(), version_no(version));
        while self.database().decide(&mut patience, say, values).await? == Decided::Unknown {}
        let say = &self.database().say.drop_upload;
        let values = (entry.upload.as_str(),);
        while self.database().decide(&mut patience, say, values).await? == Decided::Unknown {}
        self.drop_parts(&entry.upload).await?;
        let path = self.dataset_file(&entry);
        remove_tree(&RealDisk, &path).map_err(|error| fault::on_file("remove", &path, error))?;
        Ok(true)
    }
}

impl Incoming {
    fn has(&self, at: ByteCount, part: &Named) -> bool {
        let mut begins = 0;
        self.parts.iter().any(|it| {
            let is_it = begins == at.get() && it.digest == part.digest && it.size == part.size;
            begins += it.size.get();
            is_it
        })
    }
}

impl Scylla {
    /// An upload; none if the version that it became is gone.
    async fn incoming(
        &self,
        patience: &mut Patience,
        upload: &UploadId,
    ) -> Result<Option<Incoming>, StoreError> {
        type Columns =
            (Option<Vec<u8>>, Option<i64>, Option<BTreeMap<i64, String>>, Option<Vec<u8>>);
        let say = &self.database().say.see_upload;
        let rows: Vec<Columns> = self.database().rows(patience, say, (upload.as_str(),)).await?;
        let Some((Some(body), received, parts, made)) = rows.into_iter().next() else {
            return Ok(None);
        };
        let what = || damaged(&format!("upload {upload}"));
        let read = |part: &String| serde_json::from_str(part).map_err(|_| what());
        let parts = parts.unwrap_or_default().values().map(read).collect::<Result<_, _>>()?;
        let made: Option<DatasetVersion> =
            made.map(|made| serde_json::from_slice(&made).map_err(|_| what())).transpose()?;
        if let Some(version) = &made {
            let all = self.entries(patience, &version.dataset).await?;
            if !all.iter().any(|entry| entry.version == *version) {
                return Ok(None);
            }
        }
        Ok(Some(Incoming {
            upload: serde_json::from_slice(&body).map_err(|_| what())?,
            received: ByteCount(natural(received.unwrap_or(0))),
            parts,
            made,
        }))
    }

    /// The version that has these bytes already, or a new one.
    async fn enter_version(
        &self,
        patience: &mut Patience,
        (incoming, digest): (&Incoming, Digest),
        now: Timestamp,
    ) -> Result<Entry, StoreError> {
        let Upload { id, dataset, ending, size, .. } = incoming.upload.clone();
        let (database, say) = (self.database(), &self.database().say);
        database.write(patience, &say.put_dataset_name, (dataset.as_str(),)).await?;
        loop {
            let all = self.entries(patience, &dataset).await?;
            let is_same = |it: &&Entry| it.version.digest == digest && it.version.ending == ending;
            if let Some(same) = all.iter().find(is_same) {
                return Ok(same.clone());
            }
            let version = all.first().map_or(1, |newest| newest.version.version + 1);
            let (dataset, ending) = (dataset.clone(), ending.clone());
            let version = DatasetVersion { dataset, version, digest, size, ending, added_at: now };
            let entry = Entry { version, upload: id.clone(), parts: incoming.parts.clone() };
            let no = version_no(entry.version.version);
            let values = (entry.version.dataset.as_str(), no, encode(&entry)?);
            // Whatever came of it, the next look tells.
            if database.decide(patience, &say.put_version, values).await? == Decided::Applied {
                return Ok(entry);
            }
        }
    }

    /// Versions of a dataset, newest first.
    async fn entries(
        &self,
        patience: &mut Patience,
        dataset: &DatasetName,
    ) -> Result<Vec<Entry>, StoreError> {
        let say = &self.database().say.versions;
        let rows: Vec<(Vec<u8>,)> =
            self.database().rows(patience, say, (dataset.as_str(),)).await?;
        let read = |row: &(Vec<u8>,)| {
            serde_json::from_slice(&row.0).map_err(|_| damaged(&format!("dataset {dataset}")))
        };
        rows.iter().map(read).collect()
    }

    async fn digest_of(&self, upload: &UploadId, parts: &[Part]) -> Result<Digest, StoreError> {
        let job = owner(upload);
        let mut hash = Sha256::new();
        for part in parts_of(&job, parts) {
            let mut pieces = pin!(self.pieces(&part));
            while let Some(piece) = pieces.next().await {
                hash.update(piece?);
            }
        }
        Ok(Digest::from_bytes(hash.finalize().into()))
    }

    async fn drop_parts(&self, upload: &UploadId) -> Result<(), StoreError> {
        let job = owner(upload);
        for (name, size) in self.bytes_of(&job).await? {
            self.drop_bytes(&job, &name, size).await?;
        }
        Ok(())
    }

    fn dataset_file(&self, entry: &Entry) -> PathBuf {
        let name = format!("{}.{}", entry.upload, entry.version.ending.as_str());
        self.inner.cache.join("datasets").join(name)
    }
}

/// Bytes belong to jobs; those of an upload to this one, which no job can be called.
fn owner(upload: &UploadId) -> JobId {
    JobId::new(format!("upload/{upload}"))
}

fn part_kind(at: ByteCount) -> String {
    format!("part-{:020}", at.get())
}

fn parts_of(job: &JobId, parts: &[Part]) -> Vec<Named> {
    let mut at = 0;
    let named = |part: &Part| {
        let named = Named::known(job, &part_kind(ByteCount(at)), part.digest, part.size);
        at += part.size.get();
        named
    };
    parts.iter().map(named).collect()
}

fn version_no(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|_| fault::internal("write of a dataset: no JSON"))
}

fn encode_text(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| fault::internal("write of a dataset: no JSON"))
}
