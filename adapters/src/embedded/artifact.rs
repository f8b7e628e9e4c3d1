//! Artifacts: folders that appear whole or not at all.
//!
//! A holder fills a staged folder; sealing syncs it, writes `sealed.json` into it (every file with
//! size and digest) and gives it its name. An earlier version steps aside first and is removed
//! last; if the process dies between, opening the data folder puts it back (`recover.rs`).

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tgs_protocol::{
    code::Code,
    digest::Digest,
    id::JobId,
    lease::Lease,
    store::{ArtifactName, ArtifactStore, Delivered, Sealed, StoreError, Written},
    unit::ByteCount,
};

use crate::{
    blocking::blocking,
    content::{self, FileFacts},
    deliver::{self, Note, Notes},
    disk::{Disk, Readers, remove_tree, rename_durably, write_file},
    embedded::{
        Embedded,
        layout::{JobFolder, SEALED_FILE},
        ledger::Commit,
    },
    fault,
    fence::{self, Fenced},
};

/// `sealed.json`: what was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SealedRecord {
    digest: Digest,
    files: Vec<FileFacts>,
}

#[async_trait]
impl ArtifactStore for Embedded {
    async fn stage(&self, lease: &Lease, name: ArtifactName) -> Result<PathBuf, StoreError> {
        blocking(|| self.stage_artifact(lease, name))
    }

    async fn seal(&self, lease: &Lease, name: ArtifactName) -> Result<Sealed, StoreError> {
        blocking(|| self.seal_artifact(lease, name))
    }

    async fn unstage(&self, lease: &Lease, name: ArtifactName) -> Result<(), StoreError> {
        blocking(|| {
            // Its name carries the epoch: no other holder's attempt has it.
            let path = self.layout().job(&lease.job)?.staged(lease, name);
            remove_tree(self.disk(), &path).map_err(|error| fault::on_file("remove", &path, error))
        })
    }

    async fn open(&self, job: &JobId, name: ArtifactName) -> Result<Option<PathBuf>, StoreError> {
        blocking(|| {
            let Some(path) = self.sealed(job, name)? else { return Ok(None) };
            match damage(&path, Depth::Bytes)
                .map_err(|error| fault::on_file("read", &path, error))?
            {
                None => Ok(Some(path)),
                Some(what) => Err(fault::damaged(Code::StoreCorrupt, &what, &path)),
            }
        })
    }

    async fn sizes(
        &self,
        job: &JobId,
        name: ArtifactName,
    ) -> Result<Option<BTreeMap<String, ByteCount>>, StoreError> {
        blocking(|| {
            let Some(path) = self.sealed(job, name)? else { return Ok(None) };
            let sizes = content::sizes_of_folder(&path);
            let mut sizes = sizes.map_err(|error| fault::on_file("read", &path, error))?;
            sizes.remove(SEALED_FILE);
            Ok(Some(sizes))
        })
    }

    async fn deliver(
        &self,
        lease: &Lease,
        from: &Path,
        to: &Path,
    ) -> Result<Delivered, StoreError> {
        blocking(|| {
            let notes = self.notes(&lease.job, to)?;
            let (is_newest, to) = (|| self.ledger().is_newest(lease), self.layout().place(to));
            deliver::deliver(self.disk(), &notes, &lease.job, from, &to, &is_newest)
        })
    }

    async fn take_back(&self, lease: &Lease, to: &Path) -> Result<Written, StoreError> {
        blocking(|| {
            if let Fenced::Overtaken(by) = self.ledger().is_newest(lease)? {
                return Ok(Written::Overtaken { by });
            }
            let (job, note) = (&lease.job, self.notes(&lease.job, to)?.read()?);
            deliver::take_back(self.disk(), note.as_ref(), job, &self.layout().place(to))?;
            Ok(Written::Done)
        })
    }

    async fn delivered(
        &self,
        _job: &JobId,
        files: &[PathBuf],
    ) -> Result<Vec<Option<ByteCount>>, StoreError> {
        blocking(|| deliver::sizes(files.iter().map(|file| self.layout().place(file))))
    }

    async fn fetch(&self, _job: &JobId, file: &Path) -> Result<Option<PathBuf>, StoreError> {
        blocking(|| {
            let file = self.layout().place(file);
            Ok(file.is_file().then_some(file))
        })
    }

    async fn drop_result(&self, _job: &JobId, file: &Path) -> Result<(), StoreError> {
        let (results, file) = (self.layout().results(), self.layout().place(file));
        match file.strip_prefix(&results) {
            Ok(kept) => blocking(|| deliver::drop_kept(self.disk(), &results, kept)),
            Err(_) => Ok(()),
        }
    }

    async fn sweep(&self, job: &JobId, keep: &[ArtifactName]) -> Result<(), StoreError> {
        blocking(|| self.sweep_job(job, keep))
    }
}

/// The note of a job's deliveries to one place: a file in the job's folder.
struct NoteFile<'store> {
    store: &'store Embedded,
    folder: JobFolder,
    path: PathBuf,
}

impl Notes for NoteFile<'_> {
    fn read(&self) -> Result<Option<Note>, StoreError> {
        let cannot = |error| fault::on_file("read", &self.path, error);
        match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => {
                let note = serde_json::from_slice(&read.map_err(cannot)?).map_err(|error| {
                    fault::damaged(Code::StoreCorrupt, &error.to_string(), &self.path)
                })?;
                Ok(Some(note))
            }
        }
    }

    fn write(&self, note: &Note) -> Result<(), StoreError> {
        let json = serde_json::to_vec(note)
            .map_err(|error| fault::internal(format!("write the note of a delivery: {error}")))?;
        self.store.make_folders(&self.folder.delivered())?;
        let part = self.store.write_part(&self.folder, &json)?;
        rename_durably(self.store.disk(), &part, &self.path).map_err(|error| {
            self.store.forget_part(&part);
            fault::on_file("write", &self.path, error)
        })
    }
}

impl Embedded {
    /// The folder of a sealed artifact; none if it is not there.
    fn sealed(&self, job: &JobId, name: ArtifactName) -> Result<Option<PathBuf>, StoreError> {
        let path = self.layout().job(job)?.artifact(name);
        let is_there = path.try_exists().map_err(|error| fault::on_file("read", &path, error))?;
        Ok(is_there.then_some(path))
    }

    fn notes(&self, job: &JobId, to: &Path) -> Result<NoteFile<'_>, StoreError> {
        let folder = self.layout().job(job)?;
        let name = Digest::of(to.as_os_str().as_encoded_bytes()).short();
        let path = folder.delivered().join(format!("{name}.json"));
        Ok(NoteFile { store: self, folder, path })
    }

    fn stage_artifact(&self, lease: &Lease, name: ArtifactName) -> Result<PathBuf, StoreError> {
        let folder = self.layout().job(&lease.job)?;
        self.ledger().is_newest(lease)?.or_refused(&lease.job)?;
        let staging = folder.staging();
        self.make_folders(&staging)?;
        let path = folder.staged(lease, name);
        let fenced = self.ledger().write_fenced(lease, |_| {
            let cannot = |error| fault::on_file("prepare", &path, error);
            let attempt = format!("{}.e", name.as_str());
            for entry in fs::read_dir(&staging).map_err(cannot)? {
                let entry = entry.map_err(cannot)?;
                if entry.file_name().to_string_lossy().starts_with(&attempt) {
                    remove_tree(self.disk(), &entry.path()).map_err(cannot)?;
                }
            }
            self.disk().make_folder(&path, Readers::Owner).map_err(cannot)?;
            Ok(Commit::Leave(()))
        })?;
        fenced.or_refused(&lease.job)?;
        Ok(path)
    }

    fn seal_artifact(&self, lease: &Lease, name: ArtifactName) -> Result<Sealed, StoreError> {
        let folder = self.layout().job(&lease.job)?;
        if let Fenced::Overtaken(by) = self.ledger().is_newest(lease)? {
            return Ok(Sealed::Overtaken { by });
        }
        let staged = folder.staged(lease, name);
        if !staged.is_dir() {
            return Err(fence::not_staged(&lease.job, name));
        }
        let digest = complete(self.disk(), &staged)
            .map_err(|error| fault::on_file("seal", &staged, error))?;
        let fenced = self.ledger().write_fenced(lease, |_| {
            take_the_name(self.disk(), &folder, &staged, name)
                .map_err(|error| fault::on_file("seal", &folder.artifact(name), error))?;
            Ok(Commit::Leave(()))
        })?;
        Ok(match fenced {
            Fenced::Held(()) => Sealed::Done(digest),
            Fenced::Overtaken(by) => Sealed::Overtaken { by },
        })
    }
}

/// How closely a sealed folder is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Names and sizes: enough after a crash, since all was synced before the folder got its name.
    Sizes,
    /// Every byte, before anything is computed from them.
    Bytes,
}

/// Whether a folder holds every file that was sealed in it, by name and size. Fails when the system
/// does not let us look.
pub(super) fn is_whole(folder: &Path) -> io::Result<bool> {
    Ok(damage(folder, Depth::Sizes)?.is_none())
}

/// What is not as it was sealed, in words; none if all is.
fn damage(folder: &Path, depth: Depth) -> io::Result<Option<String>> {
    let sealed = fault::unless_damaged(fs::read(folder.join(SEALED_FILE)))?;
    let record = sealed.and_then(|bytes| serde_json::from_slice::<SealedRecord>(&bytes).ok());
    let record = record.filter(|record| content::digest(&record.files) == record.digest);
    let Some(record) = record else {
        return Ok(Some(format!("{SEALED_FILE}, which names its files, is gone or altered")));
    };
    for FileFacts { name, size, digest } in &record.files {
        let path = folder.join(name);
        let facts = fault::unless_damaged(fs::metadata(&path))?;
        if !facts.is_some_and(|facts| facts.is_file() && facts.len() == size.get()) {
            return Ok(Some(format!("{name} is gone or of another size than was sealed")));
        }
        if depth == Depth::Bytes {
            let found = fault::unless_damaged(content::of_file(&path))?;
            if found.is_none_or(|(found, _)| found != *digest) {
                return Ok(Some(format!("{name} holds other bytes than were sealed")));
            }
        }
    }
    Ok(None)
}

/// Makes all that was staged durable and private, and writes the record of it.
fn complete(disk: &dyn Disk, staged: &Path) -> std::io::Result<Digest> {
    // A record left by an earlier try of this seal is no part of the content.
    remove_tree(disk, &staged.join(SEALED_FILE))?;
    let files = content::of_folder(staged)?;
    for file in &files {
        let path = staged.join(&file.name);
        disk.keep_private(&path)?;
        disk.sync(&fs::File::open(&path)?, &path)?;
    }
    sync_folders_below(disk, staged)?;
    let record = SealedRecord { digest: content::digest(&files), files };
    write_file(disk, &staged.join(SEALED_FILE), &serde_json::to_vec_pretty(&record)?)?;
    disk.sync_folder(staged)?;
    Ok(record.digest)
}

fn sync_folders_below(disk: &dyn Disk, folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            disk.keep_private(&entry.path())?;
            sync_folders_below(disk, &entry.path())?;
            disk.sync_folder(&entry.path())?;
        }
    }
    Ok(())
}

/// Old aside, new in, old away. Each step is durable before the next begins.
fn take_the_name(
    disk: &dyn Disk,
    folder: &JobFolder,
    staged: &Path,
    name: ArtifactName,
) -> std::io::Result<()> {
    let (sealed, aside) = (folder.artifact(name), folder.aside(name));
    if sealed.exists() {
        remove_tree(disk, &aside)?;
        rename_durably(disk, &sealed, &aside)?;
    }
    if let Err(error) = rename_durably(disk, staged, &sealed) {
        // The earlier version is still the sealed one: put it back, as opening would.
        if !sealed.exists() && aside.exists() {
            let _ = disk.rename(&aside, &sealed);
        }
        return Err(error);
    }
    // Opening removes what cannot be removed now; the seal stands.
    let _ = remove_tree(disk, &aside);
    Ok(())
}
