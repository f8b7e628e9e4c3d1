//! Uploads and datasets: parts as bytes, a row per upload that says which are there, a row per
//! version that says which parts it is made of.

mod sweep;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
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
    json::{decode, encode},
    lease::{natural, whole},
    schema,
    trouble::{Patience, damaged},
};
use crate::{
    blocking::blocking,
    disk::{RealDisk, remove_tree},
    embedded::layout::Layout,
    fault, fence,
};

/// A version as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    version: DatasetVersion,
    /// The upload that made it.
    upload: UploadId,
    parts: Vec<Named>,
    /// As it stands in the database.
    #[serde(skip)]
    body: Vec<u8>,
}

/// An upload as it stands.
#[derive(Debug)]
struct Incoming {
    upload: Upload,
    received: ByteCount,
    parts: Vec<Named>,
    is_closing: bool,
    made: Option<DatasetVersion>,
}

#[async_trait]
impl DatasetStore for Scylla {
    fn regions(&self) -> Option<BTreeSet<String>> {
        let centres = schema::centres(&self.database().session);
        Some(centres.into_iter().map(|(name, _)| name).collect())
    }

    async fn begin(&self, upload: &Upload) -> Result<bool, StoreError> {
        fence::check_name(&JobId::new(upload.id.as_str()))?;
        let mut patience = Patience::of("begin an upload");
        let body = encode(upload, "an upload")?;
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
        let (job, mut written) = (owner(upload), None);
        let appended = loop {
            let Some(incoming) = self.incoming(&mut patience, upload).await? else {
                break Appended::Unknown;
            };
            let end = ByteCount(at.get().saturating_add(bytes.len() as u64));
            // A sending whose outcome was unknown is there.
            if written.as_ref().is_some_and(|part| incoming.parts.contains(part)) {
                return Ok(Appended::To(end));
            }
            if at != incoming.received || incoming.is_closing {
                break Appended::NotThere(incoming.received);
            }
            if end > incoming.upload.size {
                break Appended::TooLong;
            }
            if bytes.is_empty() {
                break Appended::To(end);
            }
            if written.is_none() {
                let part = self.name_of("part", &incoming.upload.regions, bytes);
                self.put_bytes(&job, &part, bytes).await?;
                written = Some(part);
            }
            let parts = BTreeMap::from([(whole(at.get()), encode(&written, "a part")?)]);
            let (end_at, begin_at) = (whole(end.get()), whole(at.get()));
            let values = (end_at, &parts, upload.as_str(), begin_at);
            let say = &self.database().say.append_part;
            if self.database().decide(&mut patience, say, values).await? == Decided::Applied {
                return Ok(Appended::To(end));
            }
        };
        if let Some(part) = written {
            self.drop_bytes(&job, &part.name, part.size).await?;
        }
        Ok(appended)
    }

    async fn finish(&self, upload: &UploadId, now: Timestamp) -> Result<Finished, StoreError> {
        let mut patience = Patience::of("finish an upload");
        let (database, say) = (self.database(), &self.database().say);
        loop {
            let Some(incoming) = self.incoming(&mut patience, upload).await? else {
                return Ok(Finished::Unknown);
            };
            if let Some(version) = incoming.made {
                self.drop_unused(&mut patience, upload, &version).await?;
                return Ok(Finished::As(version));
            }
            if incoming.received < incoming.upload.size {
                return Ok(Finished::NotWhole(incoming.received));
            }
            // From here on it becomes a version, whoever goes on with it: it is not given up.
            let values = (upload.as_str(), whole(incoming.received.get()));
            if database.decide(&mut patience, &say.close_upload, values).await? != Decided::Applied
            {
                continue;
            }
            let job = owner(upload);
            let Some(digest) = self.digest_of(&job, &incoming.parts).await? else {
                // Another one has ended it, and dropped parts that a version had already.
                let again = self.incoming(&mut patience, upload).await?;
                match again.is_some_and(|it| it.made.is_none()) {
                    true => return Err(lost("an upload", &job)),
                    false => continue,
                }
            };
            patience = Patience::of("finish an upload");
            let entry = self.enter_version(&mut patience, (&incoming, digest), now).await?;
            let values = (encode(&entry.version, "a version")?, upload.as_str());
            let _ = database.decide(&mut patience, &say.set_made, values).await?;
        }
    }

    async fn abandon(&self, upload: &UploadId) -> Result<bool, StoreError> {
        let mut patience = Patience::of("give up an upload");
        let (database, say) = (self.database(), &self.database().say);
        loop {
            let Some(incoming) = self.incoming(&mut patience, upload).await? else {
                return Ok(false);
            };
            if incoming.is_closing && incoming.made.is_none() {
                // Whoever began to make a version of it may have died.
                let _ = self.finish(upload, incoming.upload.began_at).await?;
                continue;
            }
            if let Some(version) = &incoming.made {
                self.drop_unused(&mut patience, upload, version).await?;
                let values = (upload.as_str(),);
                database.decide_surely(&mut patience, &say.drop_upload, values).await?;
                return Ok(true);
            }
            let values = (upload.as_str(),);
            if database.decide(&mut patience, &say.drop_open_upload, values).await?
                == Decided::Applied
            {
                self.drop_parts(upload).await?;
                return Ok(true);
            }
        }
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
            let entries = self.entries(&mut patience, &name).await;
            let entries = self.passed_over().unless_newer(name.as_str(), entries)?;
            found.extend(entries.into_iter().flatten().next());
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
        let name = format!("version {} of dataset {}", version.version, version.dataset);
        let bytes = (&*entry.parts, version.digest);
        self.file_of(&job, bytes, &path, || lost(&name, &job)).await?;
        Ok(path)
    }

    async fn remove(&self, dataset: &DatasetName, version: u32) -> Result<bool, StoreError> {
        let mut patience = Patience::of("remove a dataset");
        let (database, say) = (self.database(), &self.database().say);
        let mut is_unknown = false;
        let entry = loop {
            let all = self.entries(&mut patience, dataset).await?;
            let Some(entry) = all.into_iter().find(|entry| entry.version.version == version) else {
                return Ok(is_unknown);
            };
            // The very version that was found: its number may be given again.
            let values = (dataset.as_str(), version_no(version), &entry.body);
            match database.decide(&mut patience, &say.drop_version, values).await? {
                Decided::Applied => break entry,
                Decided::Refused => {}
                Decided::Unknown => is_unknown = true,
            }
        };
        let values = (entry.upload.as_str(),);
        database.decide_surely(&mut patience, &say.drop_upload, values).await?;
        self.drop_parts(&entry.upload).await?;
        let path = self.dataset_file(&entry);
        blocking(|| remove_tree(&RealDisk, &path))
            .map_err(|error| fault::on_file("remove", &path, error))?;
        Ok(true)
    }
}

impl Scylla {
    /// An upload; none if the version that it became is gone.
    async fn incoming(
        &self,
        patience: &mut Patience,
        upload: &UploadId,
    ) -> Result<Option<Incoming>, StoreError> {
        type Parts = Option<BTreeMap<i64, Vec<u8>>>;
        type Columns = (Option<Vec<u8>>, Option<i64>, Parts, Option<bool>, Option<Vec<u8>>);
        let say = &self.database().say.see_upload;
        let rows: Vec<Columns> = self.database().rows(patience, say, (upload.as_str(),)).await?;
        let Some((Some(body), received, parts, closing, made)) = rows.into_iter().next() else {
            return Ok(None);
        };
        let what = format!("upload {upload}");
        let read = |part: &Vec<u8>| decode(part, &what);
        let parts = parts.unwrap_or_default().values().map(read).collect::<Result<_, _>>()?;
        let made: Option<DatasetVersion> = made.map(|made| decode(&made, &what)).transpose()?;
        if let Some(version) = &made {
            let all = self.entries(patience, &version.dataset).await?;
            if !all.iter().any(|entry| entry.version == *version) {
                return Ok(None);
            }
        }
        Ok(Some(Incoming {
            upload: decode(&body, &what)?,
            received: ByteCount(natural(received.unwrap_or(0))),
            parts,
            is_closing: closing.unwrap_or(false),
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
        let Upload { id, dataset, ending, size, regions, .. } = incoming.upload.clone();
        let (database, say) = (self.database(), &self.database().say);
        database.write(patience, &say.put_dataset_name, (dataset.as_str(),)).await?;
        loop {
            let all = self.entries(patience, &dataset).await?;
            let is_same = |it: &&Entry| it.version.is_of(digest, &ending, &regions);
            if let Some(same) = all.iter().find(is_same) {
                return Ok(same.clone());
            }
            let version = all.first().map_or(1, |newest| newest.version.version + 1);
            let (dataset, ending) = (dataset.clone(), ending.clone());
            let (regions, added_at) = (regions.clone(), now);
            let version =
                DatasetVersion { dataset, version, digest, size, ending, added_at, regions };
            let (upload, parts) = (id.clone(), incoming.parts.clone());
            let entry = Entry { version, upload, parts, body: Vec::new() };
            let no = version_no(entry.version.version);
            let values = (entry.version.dataset.as_str(), no, encode(&entry, "a version")?);
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
        let read = |(body,): (Vec<u8>,)| {
            let entry: Entry = decode(&body, &format!("dataset {dataset}"))?;
            Ok(Entry { body, ..entry })
        };
        rows.into_iter().map(read).collect()
    }

    /// Removes the parts of an upload whose bytes another one had handed in before.
    async fn drop_unused(
        &self,
        patience: &mut Patience,
        upload: &UploadId,
        version: &DatasetVersion,
    ) -> Result<(), StoreError> {
        let all = self.entries(patience, &version.dataset).await?;
        let entry = all.into_iter().find(|entry| entry.version == *version);
        match entry.is_some_and(|entry| entry.upload != *upload) {
            true => self.drop_parts(upload).await,
            false => Ok(()),
        }
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
        Layout::of(&self.inner.cache).datasets().join(name)
    }
}

/// Bytes belong to jobs; those of an upload to this one, which no job can be called.
fn owner(upload: &UploadId) -> JobId {
    JobId::new(format!("upload/{upload}"))
}

fn version_no(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}
