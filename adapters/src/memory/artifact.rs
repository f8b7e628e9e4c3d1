//! Artifacts of the memory store: folders under the root, each with a number of its own; which of
//! them is the sealed one is known in memory.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use tgs_protocol::{
    id::JobId,
    kept::Kept,
    lease::Lease,
    store::{ArtifactName, ArtifactStore, Delivered, Sealed, StoreError, Written},
    unit::ByteCount,
};

use crate::{
    content,
    deliver::{self, Note, Notes},
    disk::{RealDisk, remove_tree},
    fault,
    fence::{self, Fenced},
    memory::{Memory, State},
};

#[async_trait]
impl ArtifactStore for Memory {
    async fn stage(&self, lease: &Lease, name: ArtifactName) -> Result<PathBuf, StoreError> {
        fence::check_name(&lease.job)?;
        let mut state = self.state();
        state.admit(lease).or_refused(&lease.job)?;
        let key = (lease.job.clone(), name);
        if let Some((_, earlier)) = state.staged.remove(&key) {
            remove(&earlier)?;
        }
        state.folders += 1;
        let path =
            self.root.join(lease.job.as_str()).join(format!("{}.{}", name.as_str(), state.folders));
        fs::create_dir_all(&path).map_err(|error| fault::on_file("make", &path, error))?;
        state.staged.insert(key, (lease.epoch, path.clone()));
        Ok(path)
    }

    async fn seal(&self, lease: &Lease, name: ArtifactName) -> Result<Sealed, StoreError> {
        fence::check_name(&lease.job)?;
        let mut state = self.state();
        if let Fenced::Overtaken(by) = state.admit(lease) {
            return Ok(Sealed::Overtaken { by });
        }
        let key = (lease.job.clone(), name);
        let staged = state.staged.get(&key).filter(|(epoch, _)| *epoch == lease.epoch).cloned();
        let (_, path) = staged.ok_or_else(|| fence::not_staged(&lease.job, name))?;
        let files = content::of_folder(&path);
        let files = files.map_err(|error| fault::on_file("seal", &path, error))?;
        state.staged.remove(&key);
        if let Some(earlier) = state.sealed.insert(key, path) {
            remove(&earlier)?;
        }
        Ok(Sealed::Done(content::digest(&files)))
    }

    async fn unstage(&self, lease: &Lease, name: ArtifactName) -> Result<(), StoreError> {
        fence::check_name(&lease.job)?;
        let mut state = self.state();
        let key = (lease.job.clone(), name);
        let is_own = state.staged.get(&key).is_some_and(|(epoch, _)| *epoch == lease.epoch);
        match is_own.then(|| state.staged.remove(&key)).flatten() {
            Some((_, path)) => remove(&path),
            None => Ok(()),
        }
    }

    async fn open(&self, job: &JobId, name: ArtifactName) -> Result<Option<PathBuf>, StoreError> {
        fence::check_name(job)?;
        Ok(self.state().sealed.get(&(job.clone(), name)).cloned())
    }

    async fn sizes(
        &self,
        job: &JobId,
        name: ArtifactName,
    ) -> Result<Option<BTreeMap<String, ByteCount>>, StoreError> {
        let Some(path) = self.open(job, name).await? else { return Ok(None) };
        let sizes = content::sizes_of_folder(&path).map(Some);
        sizes.map_err(|error| fault::on_file("read", &path, error))
    }

    async fn deliver(
        &self,
        lease: &Lease,
        from: &Path,
        to: &Path,
    ) -> Result<Delivered, StoreError> {
        let notes = NoteOf { memory: self, key: (lease.job.clone(), to.to_owned()) };
        let (is_newest, to) = (|| Ok(self.state().admit(lease)), self.place(to));
        deliver::deliver(&RealDisk, &notes, &lease.job, from, &to, &is_newest)
    }

    async fn take_back(&self, lease: &Lease, to: &Path) -> Result<Written, StoreError> {
        if let Fenced::Overtaken(by) = self.state().admit(lease) {
            return Ok(Written::Overtaken { by });
        }
        let note = self.state().notes.get(&(lease.job.clone(), to.to_owned())).cloned();
        deliver::take_back(&RealDisk, note.as_ref(), &lease.job, &self.place(to))?;
        Ok(Written::Done)
    }

    async fn delivered(
        &self,
        _job: &JobId,
        files: &[PathBuf],
    ) -> Result<Vec<Option<ByteCount>>, StoreError> {
        deliver::sizes(files.iter().map(|file| self.place(file)))
    }

    async fn fetch(&self, _job: &JobId, file: &Path) -> Result<Option<PathBuf>, StoreError> {
        let file = self.place(file);
        Ok(file.is_file().then_some(file))
    }

    async fn drop_result(&self, _job: &JobId, file: &Path) -> Result<(), StoreError> {
        match Kept::of(file) {
            Some(Kept::Result(kept)) => deliver::drop_kept(&RealDisk, &self.results(), &kept),
            _ => Ok(()),
        }
    }

    async fn sweep(&self, job: &JobId, keep: &[ArtifactName]) -> Result<(), StoreError> {
        fence::check_name(job)?;
        let mut state = self.state();
        let leaving = self.swept(&mut state, job, keep);
        remove_all(&leaving)
    }
}

/// The note of a job's deliveries to one place.
struct NoteOf<'memory> {
    memory: &'memory Memory,
    key: (JobId, PathBuf),
}

impl Notes for NoteOf<'_> {
    fn read(&self) -> Result<Option<Note>, StoreError> {
        Ok(self.memory.state().notes.get(&self.key).cloned())
    }

    fn write(&self, note: &Note) -> Result<(), StoreError> {
        self.memory.state().notes.insert(self.key.clone(), note.clone());
        Ok(())
    }
}

impl Memory {
    fn results(&self) -> PathBuf {
        self.root.join("results")
    }

    /// Where a delivered file lies on this machine.
    fn place(&self, to: &Path) -> PathBuf {
        deliver::place_of(&self.results(), to)
    }

    /// Forgets all of a job but `keep`; the folders to remove.
    pub(super) fn swept(
        &self,
        state: &mut State,
        job: &JobId,
        keep: &[ArtifactName],
    ) -> Vec<PathBuf> {
        state.chunks.retain(|(of, _), _| of != job);
        state.checkpoints.remove(job);
        state.notes.retain(|(of, _), _| of != job);
        let is_swept = |of: &JobId, name: &ArtifactName| of == job && !keep.contains(name);
        let sealed = state.sealed.extract_if(|(of, name), _| is_swept(of, name));
        let mut leaving: Vec<_> = sealed.map(|(_, path)| path).collect();
        leaving.extend(state.staged.extract_if(|(of, _), _| of == job).map(|(_, (_, path))| path));
        leaving.push(self.root.join(job.as_str()).join("chunks"));
        leaving
    }
}

/// Removes folders, if they are there.
pub(super) fn remove_all(folders: &[PathBuf]) -> Result<(), StoreError> {
    folders.iter().try_for_each(|folder| remove(folder))
}

fn remove(folder: &Path) -> Result<(), StoreError> {
    remove_tree(&RealDisk, folder).map_err(|error| fault::on_file("remove", folder, error))
}
