//! Artifacts: prepared in a folder of this node, then file by file into the database, then an entry
//! in the job's partition. Whoever opens one has a folder of its own with the same files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use tgs_protocol::{
    digest::Digest,
    id::JobId,
    job::listing::{Listing, StateClass},
    kept::Kept,
    lease::Lease,
    store::{ArtifactName, ArtifactStore, Delivered, JobStore, Sealed, StoreError, Written},
    unit::ByteCount,
};
use tokio::runtime::Handle;
use tracing::warn;

use super::{
    Scylla,
    bytes::{Named, lost},
    result::{self, is_result},
    trouble::Patience,
};
use crate::{
    blocking::blocking,
    content::{self, FileFacts},
    deliver::{self, Note, Notes},
    disk::{Readers, RealDisk, make_folders, remove_if_empty, remove_tree},
    fault,
    fence::{self, Fenced},
};

const KIND: &str = "artifact";
/// Jobs of each class, newest first, that are looked at for what their holders left.
const LATELY_ENDED: usize = 200;

/// What was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SealedRecord {
    digest: Digest,
    files: Vec<SealedFile>,
}

/// One file of it: its path from the folder, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SealedFile {
    path: String,
    bytes: Named,
}

#[async_trait]
impl ArtifactStore for Scylla {
    async fn stage(&self, lease: &Lease, name: ArtifactName) -> Result<PathBuf, StoreError> {
        let mut patience = Patience::of("prepare an artifact");
        fence::check_name(&lease.job)?;
        self.admitted(&mut patience, lease).await?.or_refused(&lease.job)?;
        let path = self.staged(lease, name);
        blocking(|| {
            let cannot = |error| fault::on_file("prepare", &path, error);
            for earlier in self.attempts(&lease.job, name)? {
                remove_tree(&RealDisk, &earlier).map_err(cannot)?;
            }
            make_folders(&RealDisk, &path, Readers::Owner).map_err(cannot)
        })?;
        Ok(path)
    }

    async fn seal(&self, lease: &Lease, name: ArtifactName) -> Result<Sealed, StoreError> {
        let mut patience = Patience::of("seal an artifact");
        if let Fenced::Overtaken(by) = self.admitted(&mut patience, lease).await? {
            return Ok(Sealed::Overtaken { by });
        }
        let staged = self.staged(lease, name);
        if !staged.is_dir() {
            return Err(fence::not_staged(&lease.job, name));
        }
        let files = blocking(|| content::of_folder(&staged));
        let files = files.map_err(|error| fault::on_file("seal", &staged, error))?;
        let home = self.home_of(&lease.job).await?;
        let kind = format!("{KIND}-{}", name.as_str());
        let named = |it: &FileFacts| self.name(&kind, &home, (it.digest, it.size));
        let record = SealedRecord::of(&files, named);
        for file in &record.files {
            self.put_file(&lease.job, &file.bytes, &staged.join(&file.path)).await?;
        }
        let before = match self.put_item(lease, &item(name), &record).await? {
            Fenced::Held(before) => before,
            Fenced::Overtaken(by) => {
                self.drop_files(&lease.job, &record).await?;
                return Ok(Sealed::Overtaken { by });
            }
        };
        // First: a folder that is found is whole.
        blocking(|| self.keep(&lease.job, name, (&staged, &record)))?;
        if let Some(before) = before {
            self.drop_files(&lease.job, &before).await?;
            if before.digest != record.digest {
                let folder = self.kept(&lease.job, name, &before);
                blocking(|| remove_tree(&RealDisk, &folder))
                    .map_err(|error| fault::on_file("remove", &folder, error))?;
            }
        }
        Ok(Sealed::Done(record.digest))
    }

    async fn unstage(&self, lease: &Lease, name: ArtifactName) -> Result<(), StoreError> {
        fence::check_name(&lease.job)?;
        // Its name carries the epoch: no other holder's attempt has it.
        let path = self.staged(lease, name);
        blocking(|| remove_tree(&RealDisk, &path))
            .map_err(|error| fault::on_file("remove", &path, error))
    }

    async fn open(&self, job: &JobId, name: ArtifactName) -> Result<Option<PathBuf>, StoreError> {
        fence::check_name(job)?;
        let mut patience = Patience::of("open an artifact");
        let record: Option<SealedRecord> = self.item(&mut patience, job, &item(name)).await?;
        let Some(record) = record else { return Ok(None) };
        let folder = self.kept(job, name, &record);
        blocking(|| make_folders(&RealDisk, &folder, Readers::Owner))
            .map_err(|error| fault::on_file("make", &folder, error))?;
        for SealedFile { path, bytes } in &record.files {
            let what = || lost(&format!("{path} in {}", name.as_str()), job);
            self.file(job, bytes, &folder.join(path), what).await?;
        }
        Ok(Some(folder))
    }

    async fn sizes(
        &self,
        job: &JobId,
        name: ArtifactName,
    ) -> Result<Option<BTreeMap<String, ByteCount>>, StoreError> {
        let mut patience = Patience::of("look at an artifact");
        let record: Option<SealedRecord> = self.item(&mut patience, job, &item(name)).await?;
        let size = |file: SealedFile| (file.path, file.bytes.size);
        Ok(record.map(|record| record.files.into_iter().map(size).collect()))
    }

    async fn deliver(
        &self,
        lease: &Lease,
        from: &Path,
        to: &Path,
    ) -> Result<Delivered, StoreError> {
        if let Some(Kept::Result(kept)) = Kept::of(to) {
            return self.keep_result(lease, from, &kept).await;
        }
        // Before its note is: a note is written by the holder alone.
        let mut patience = Patience::of("deliver a file");
        if let Fenced::Overtaken(by) = self.admitted(&mut patience, lease).await? {
            return Ok(Delivered::Overtaken { by });
        }
        let handle = Handle::current();
        blocking(|| {
            let notes = NoteItem { store: self, handle: &handle, lease, item: note(to) };
            let is_newest = || {
                let mut patience = Patience::of("deliver a file");
                handle.block_on(self.admitted(&mut patience, lease))
            };
            deliver::deliver(&RealDisk, &notes, &lease.job, from, to, &is_newest)
        })
    }

    async fn take_back(&self, lease: &Lease, to: &Path) -> Result<Written, StoreError> {
        if let Some(Kept::Result(kept)) = Kept::of(to) {
            return self.take_result_back(lease, &kept).await;
        }
        let mut patience = Patience::of("take back a file");
        if let Fenced::Overtaken(by) = self.admitted(&mut patience, lease).await? {
            return Ok(Written::Overtaken { by });
        }
        let note: Option<Note> = self.item(&mut patience, &lease.job, &note(to)).await?;
        blocking(|| deliver::take_back(&RealDisk, note.as_ref(), &lease.job, to))?;
        Ok(Written::Done)
    }

    async fn delivered(
        &self,
        job: &JobId,
        files: &[PathBuf],
    ) -> Result<Vec<Option<ByteCount>>, StoreError> {
        let size = |file: &PathBuf| {
            let file = file.clone();
            async move {
                match Kept::of(&file) {
                    Some(Kept::Result(kept)) => self.result_size(job, &kept).await,
                    _ => Ok(deliver::sizes(std::iter::once(file))?.pop().flatten()),
                }
            }
        };
        try_join_all(files.iter().map(size)).await
    }

    async fn fetch(&self, job: &JobId, file: &Path) -> Result<Option<PathBuf>, StoreError> {
        match Kept::of(file) {
            Some(Kept::Result(kept)) => self.fetch_result(job, &kept).await,
            _ => Ok(file.is_file().then(|| file.to_owned())),
        }
    }

    async fn drop_result(&self, job: &JobId, file: &Path) -> Result<(), StoreError> {
        match Kept::of(file) {
            Some(Kept::Result(kept)) => self.drop_kept(job, &kept).await,
            _ => Ok(()), // It is its user's.
        }
    }

    async fn sweep(&self, job: &JobId, keep: &[ArtifactName]) -> Result<(), StoreError> {
        fence::check_name(job)?;
        let mut patience = Patience::of("remove what a job made");
        let mut kept = BTreeSet::from_iter(self.results_of(&mut patience, job).await?);
        for name in keep {
            let record: Option<SealedRecord> = self.item(&mut patience, job, &item(*name)).await?;
            let files = record.into_iter().flat_map(|record| record.files);
            kept.extend(files.map(|file| file.bytes.name));
        }
        self.sweep_items(&mut patience, job, keep).await?;
        for (name, size) in self.bytes_of(job).await? {
            if !kept.contains(&name) {
                self.drop_bytes(job, &name, size).await?;
            }
        }
        blocking(|| self.sweep_cache(job, keep))
    }
}

impl SealedRecord {
    /// Of files that are to be written, each under a name of its own.
    fn of(files: &[FileFacts], named: impl Fn(&FileFacts) -> Named) -> Self {
        let sealed = |it: &FileFacts| SealedFile { path: it.name.clone(), bytes: named(it) };
        Self { digest: content::digest(files), files: files.iter().map(sealed).collect() }
    }
}

impl Scylla {
    /// Removes the bytes that a record names: no other record names them.
    async fn drop_files(&self, job: &JobId, record: &SealedRecord) -> Result<(), StoreError> {
        for SealedFile { bytes, .. } in &record.files {
            self.drop_bytes(job, &bytes.name, bytes.size).await?;
        }
        Ok(())
    }

    /// Keeps what was staged as the folder that `open` gives.
    fn keep(
        &self,
        job: &JobId,
        name: ArtifactName,
        (staged, record): (&Path, &SealedRecord),
    ) -> Result<(), StoreError> {
        let folder = self.kept(job, name, record);
        let cannot = |error| fault::on_file("keep", &folder, error);
        remove_tree(&RealDisk, &folder).map_err(cannot)?;
        fs::rename(staged, &folder).map_err(cannot)
    }

    async fn sweep_items(
        &self,
        patience: &mut Patience,
        job: &JobId,
        keep: &[ArtifactName],
    ) -> Result<(), StoreError> {
        let (database, say) = (self.database(), &self.database().say);
        let kept: Vec<String> = keep.iter().map(|name| item(*name)).collect();
        let rows: Vec<(Option<String>, Option<Vec<u8>>)> =
            database.rows(patience, &say.item_names, (job.as_str(),)).await?;
        for (item, value) in rows {
            let is_swept =
                |item: &String| value.is_some() && !kept.contains(item) && !is_result(item);
            let Some(item) = item.filter(is_swept) else { continue };
            let values = (job.as_str(), item.as_str());
            database.decide_surely(patience, &say.sweep_item, values).await?;
        }
        Ok(())
    }

    /// Removes this node's copies of jobs that ended, wherever they did, but what outlives them.
    pub(super) async fn sweep_ended(&self) -> Result<(), StoreError> {
        let folder = self.cache_of_all();
        let all = blocking(|| entries(&folder));
        for folder in all.map_err(|error| fault::on_file("list", &folder, error))? {
            let job = JobId::new(folder.file_name().unwrap_or_default().to_string_lossy());
            let cannot = |error| fault::on_file("remove", &folder, error);
            let read = self.read(&job).await;
            match self.passed_over().unless_newer(job.as_str(), read) {
                Ok(Some(Some(row))) if row.state.is_final() => {
                    let kept = ArtifactName::kept_after(StateClass::of(&row.state));
                    blocking(|| self.sweep_cache(&job, kept))?;
                }
                Ok(Some(Some(_)) | None) => {} // It goes on, as far as this version knows.
                Ok(Some(None)) => blocking(|| remove_tree(&RealDisk, &folder)).map_err(cannot)?,
                Err(error) => warn!(%job, %error, "its private copies stay for now"),
            }
        }
        Ok(())
    }

    /// Removes what jobs left in the database that ended lately: their holders may have died before
    /// they did. `swept`: those that need not be looked at again.
    pub(super) async fn sweep_after_others(
        &self,
        swept: &mut BTreeSet<JobId>,
    ) -> Result<(), StoreError> {
        let mut listed = BTreeSet::new();
        for class in StateClass::ALL.into_iter().filter(|class| class.is_final()) {
            let listing = Listing { class: Some(class), after: None, limit: LATELY_ENDED };
            for row in self.list(&listing).await?.rows {
                listed.insert(row.id.clone());
                if !swept.contains(&row.id) {
                    self.sweep(&row.id, ArtifactName::kept_after(class)).await?;
                    swept.insert(row.id);
                }
            }
        }
        swept.retain(|job| listed.contains(job));
        Ok(())
    }

    fn sweep_cache(&self, job: &JobId, keep: &[ArtifactName]) -> Result<(), StoreError> {
        let folder = self.cache_of(job);
        let kept = keep.iter().map(|name| format!("{KIND}-{}-", name.as_str()));
        // What was delivered is no secret of the node's; somebody may be fetching it just now.
        let kept: Vec<String> = kept.chain([result::PREFIX.to_owned()]).collect();
        let cannot = |error| fault::on_file("remove", &folder, error);
        for entry in entries(&folder).map_err(cannot)? {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !kept.iter().any(|kept| name.starts_with(kept)) {
                remove_tree(&RealDisk, &entry).map_err(cannot)?;
            }
        }
        remove_if_empty(&RealDisk, &folder).map(|_| ()).map_err(cannot)
    }

    /// Where the holder of a lease prepares an artifact.
    fn staged(&self, lease: &Lease, name: ArtifactName) -> PathBuf {
        let attempt = format!("{}.e{}", name.as_str(), lease.epoch);
        self.cache_of(&lease.job).join("staging").join(attempt)
    }

    /// Every attempt at it on this node.
    fn attempts(&self, job: &JobId, name: ArtifactName) -> Result<Vec<PathBuf>, StoreError> {
        let staging = self.cache_of(job).join("staging");
        let begins = format!("{}.e", name.as_str());
        let is_one = |path: &PathBuf| {
            path.file_name().is_some_and(|it| it.to_string_lossy().starts_with(&begins))
        };
        let all = entries(&staging).map_err(|error| fault::on_file("list", &staging, error))?;
        Ok(all.into_iter().filter(is_one).collect())
    }

    /// The folder of a sealed artifact on this node.
    fn kept(&self, job: &JobId, name: ArtifactName, record: &SealedRecord) -> PathBuf {
        let folder = format!("{KIND}-{}-{}", name.as_str(), record.digest);
        self.cache_of(job).join(folder)
    }
}

/// The note of a job's deliveries to one place: an item of the job.
struct NoteItem<'store> {
    store: &'store Scylla,
    handle: &'store Handle,
    lease: &'store Lease,
    item: String,
}

impl Notes for NoteItem<'_> {
    fn read(&self) -> Result<Option<Note>, StoreError> {
        let mut patience = Patience::of("deliver a file");
        self.handle.block_on(self.store.item(&mut patience, &self.lease.job, &self.item))
    }

    fn write(&self, note: &Note) -> Result<(), StoreError> {
        let written = self.store.put_item(self.lease, &self.item, note);
        self.handle.block_on(written)?.or_refused(&self.lease.job).map(|_| ())
    }
}

fn item(name: ArtifactName) -> String {
    format!("{KIND}/{}", name.as_str())
}

fn note(to: &Path) -> String {
    format!("note/{}", Digest::of(to.as_os_str().as_encoded_bytes()).short())
}

/// What a folder holds; nothing if it is not there.
pub(super) fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read?.map(|entry| entry.map(|it| it.path())).collect(),
    }
}
