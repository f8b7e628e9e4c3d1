//! Stores in memory and a temporary folder, fenced by epoch; each call passes a scripted point.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use tempfile::TempDir;
use tgs_protocol::{
    checkpoint::CheckpointFacts,
    chunk::{ChunkNo, SealedChunk},
    code::Code,
    digest::Digest,
    id::{Incarnation, JobId},
    job::{
        JobRow,
        listing::{Listing, Page, Place, StateClass},
    },
    lease::{Lease, LeaseCell},
    store::*,
    submission::{IdempotencyKey, Inserted},
    unit::{ByteCount, Epoch, Steps},
};

use crate::tests::script::Script;

pub struct Stores {
    script: Arc<Script>,
    pub folder: TempDir,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    rows: BTreeMap<JobId, JobRow>,
    cells: BTreeMap<JobId, LeaseCell>,
    delivered: BTreeMap<(JobId, PathBuf), Vec<u8>>,
    chunks: BTreeMap<(JobId, ChunkNo), SealedChunk>,
    /// How often each chunk was entered in the manifest: CHUNK-1 says once.
    entered: BTreeMap<(JobId, ChunkNo), usize>,
    checkpoints: BTreeMap<JobId, Vec<(CheckpointFacts, Vec<u8>)>>,
}

type Answer<T> = Result<T, StoreError>;

impl Stores {
    pub fn new(script: Arc<Script>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { script, folder, table: Mutex::default() }
    }
    pub fn checkpoints_of(&self, job: &JobId) -> Vec<CheckpointFacts> {
        let table = self.table();
        let all = table.checkpoints.get(job);
        all.into_iter().flatten().map(|(facts, _)| *facts).collect()
    }
    /// Names of the folders that were begun and are not sealed.
    pub fn staged_of(&self, job: &JobId) -> Vec<String> {
        let entries = fs::read_dir(self.home(job)).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("staged-")).collect()
    }
    pub fn times_entered(&self) -> Vec<usize> {
        self.table().entered.values().copied().collect()
    }
    /// Flips a bit of every checkpoint of this job.
    pub fn tear_checkpoints(&self, job: &JobId) {
        let mut table = self.table();
        for (_, bytes) in table.checkpoints.get_mut(job).into_iter().flatten() {
            bytes[0] ^= 1;
        }
    }
    pub fn row(&self, job: &JobId) -> JobRow {
        self.table().rows[job].clone()
    }

    pub fn owner(&self, job: &JobId) -> Option<Incarnation> {
        self.table().cells.get(job).and_then(|cell| cell.owner.clone())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap()
    }
    fn pass(&self, point: &str) -> Answer<()> {
        self.script.pass(point).map_err(scripted(point))
    }
    fn later_epoch(&self, lease: &Lease) -> Option<Epoch> {
        let table = self.table();
        table.cells.get(&lease.job).map(|cell| cell.epoch).filter(|epoch| *epoch != lease.epoch)
    }
    fn guard(&self, lease: &Lease) -> Written {
        self.later_epoch(lease).map_or(Written::Done, |by| Written::Overtaken { by })
    }
    fn home(&self, job: &JobId) -> PathBuf {
        self.folder.path().join(job.as_str())
    }
}

fn scripted(point: &str) -> impl Fn(Code) -> StoreError {
    move |code| StoreError::new(code, format!("scripted at {point}"))
}

fn file(error: std::io::Error) -> StoreError {
    StoreError::because(Code::CannotWrite, "test store", error)
}

#[async_trait]
impl JobStore for Stores {
    async fn insert(&self, row: &JobRow) -> Answer<Inserted> {
        self.pass("insert")?;
        let earlier = self.table().rows.insert(row.id.clone(), row.clone());
        Ok(earlier.map_or(Inserted::New, |_| Inserted::NameTaken))
    }
    async fn read(&self, job: &JobId) -> Answer<Option<JobRow>> {
        self.pass("read row")?;
        Ok(self.table().rows.get(job).cloned())
    }
    async fn ordered(&self, key: &IdempotencyKey) -> Answer<Option<JobRow>> {
        let is_of = |row: &&JobRow| row.submission.as_ref().is_some_and(|sent| sent.key == *key);
        Ok(self.table().rows.values().find(is_of).cloned())
    }
    async fn list(&self, listing: &Listing) -> Answer<Page> {
        let is_wanted = |row: &&JobRow| {
            listing.class.is_none_or(|class| class == StateClass::of(&row.state))
                && listing.after.as_ref().is_none_or(|after| Place::of(row) < *after)
        };
        let mut rows: Vec<_> = self.table().rows.values().filter(is_wanted).cloned().collect();
        rows.sort_by_key(|row| Reverse(Place::of(row)));
        let has_more = rows.len() > listing.limit;
        rows.truncate(listing.limit);
        let next = rows.last().filter(|_| has_more).map(Place::of);
        Ok(Page { rows, next })
    }
    async fn count(&self) -> Answer<BTreeMap<StateClass, u64>> {
        let mut counts = BTreeMap::new();
        for row in self.table().rows.values() {
            *counts.entry(StateClass::of(&row.state)).or_default() += 1;
        }
        Ok(counts)
    }
    async fn forget(&self, job: &JobId) -> Answer<bool> {
        Ok(self.table().rows.remove(job).is_some())
    }
    async fn save(&self, lease: &Lease, row: &JobRow) -> Answer<Written> {
        self.pass("save")?;
        if row.state.is_final() {
            self.pass("save end")?;
        }
        let guard = self.guard(lease);
        if guard == Written::Done {
            self.table().rows.insert(row.id.clone(), row.clone());
        }
        Ok(guard)
    }
}

#[async_trait]
impl LeaseStore for Stores {
    async fn look(&self, job: &JobId) -> Answer<LeaseCell> {
        self.pass("look")?;
        let empty = LeaseCell { owner: None, epoch: Epoch(0), renewals: 0 };
        Ok(self.table().cells.get(job).cloned().unwrap_or(empty))
    }
    async fn claim(
        &self,
        job: &JobId,
        owner: &Incarnation,
        seen: &LeaseCell,
    ) -> Answer<Option<Lease>> {
        self.pass("claim")?;
        let mut table = self.table();
        let empty = LeaseCell { owner: None, epoch: Epoch(0), renewals: 0 };
        let cell = table.cells.entry(job.clone()).or_insert(empty);
        if cell != seen {
            return Ok(None);
        }
        let epoch = cell.epoch.next();
        *cell = LeaseCell { owner: Some(owner.clone()), epoch, renewals: 0 };
        Ok(Some(Lease { job: job.clone(), owner: owner.clone(), epoch }))
    }
    async fn renew(&self, lease: &Lease) -> Answer<Written> {
        self.pass("renew")?;
        let guard = self.guard(lease);
        if let (Written::Done, Some(cell)) = (guard, self.table().cells.get_mut(&lease.job)) {
            cell.renewals += 1;
        }
        Ok(guard)
    }
    async fn release(&self, lease: &Lease) -> Answer<Written> {
        self.pass("release")?;
        let guard = self.guard(lease);
        if let (Written::Done, Some(cell)) = (guard, self.table().cells.get_mut(&lease.job)) {
            cell.owner = None;
        }
        Ok(guard)
    }
}

#[async_trait]
impl ChunkStore for Stores {
    async fn seal(&self, lease: &Lease, chunk: &SealedChunk, bytes: &[u8]) -> Answer<Written> {
        self.pass("seal chunk")?;
        assert_eq!(chunk.digest, Digest::of(bytes));
        if let Some(by) = self.later_epoch(lease) {
            return Ok(Written::Overtaken { by });
        }
        let path = self.home(&lease.job).join(format!("chunk-{}", chunk.chunk));
        fs::create_dir_all(self.home(&lease.job)).map_err(file)?;
        fs::write(path, bytes).map_err(file)?;
        let key = (lease.job.clone(), chunk.chunk);
        let mut table = self.table();
        match table.chunks.get(&key) {
            Some(sealed) => assert_eq!(sealed, chunk, "CHUNK-1: sealed again, the same"),
            None => {
                table.chunks.insert(key.clone(), *chunk);
                *table.entered.entry(key).or_default() += 1;
            }
        }
        Ok(Written::Done)
    }
    async fn sealed(&self, job: &JobId) -> Answer<Vec<SealedChunk>> {
        self.pass("read manifest")?;
        let table = self.table();
        Ok(table.chunks.iter().filter(|((of, _), _)| of == job).map(|(_, c)| *c).collect())
    }
    async fn open(&self, job: &JobId, chunk: ChunkNo) -> Answer<PathBuf> {
        self.pass("open chunk")?;
        Ok(self.home(job).join(format!("chunk-{chunk}")))
    }
}

#[async_trait]
impl CheckpointStore for Stores {
    async fn put(&self, lease: &Lease, step: Steps, bytes: &[u8]) -> Answer<CheckpointFacts> {
        self.script.pass_slowly("put").await.map_err(scripted("put"))?;
        let size = ByteCount(bytes.len() as u64);
        let facts = CheckpointFacts { epoch: lease.epoch, step, digest: Digest::of(bytes), size };
        let mut table = self.table();
        table.checkpoints.entry(lease.job.clone()).or_default().push((facts, bytes.to_vec()));
        Ok(facts)
    }
    async fn whole(&self, job: &JobId) -> Answer<Vec<CheckpointFacts>> {
        self.pass("list checkpoints")?;
        let table = self.table();
        let all = table.checkpoints.get(job).into_iter().flatten();
        Ok(all.filter(|(f, b)| f.digest == Digest::of(b)).map(|(f, _)| *f).collect())
    }
    async fn get(&self, job: &JobId, facts: &CheckpointFacts) -> Answer<Vec<u8>> {
        self.pass("get")?;
        let table = self.table();
        let found = table.checkpoints.get(job).into_iter().flatten().find(|(f, _)| f == facts);
        let missing = || StoreError::new(Code::CheckpointCorrupt, "no such checkpoint");
        found.map(|(_, bytes)| bytes.clone()).ok_or_else(missing)
    }
    async fn prune(&self, lease: &Lease, keep: &[CheckpointFacts]) -> Answer<()> {
        self.pass("prune")?;
        if let Some(all) = self.table().checkpoints.get_mut(&lease.job) {
            all.retain(|(facts, _)| keep.contains(facts));
        }
        Ok(())
    }
}

#[async_trait]
impl ArtifactStore for Stores {
    async fn stage(&self, lease: &Lease, name: ArtifactName) -> Answer<PathBuf> {
        self.pass("stage")?;
        let staged = format!("staged-{}-{}", name.as_str(), lease.epoch);
        let path = self.home(&lease.job).join(staged);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).map_err(file)?;
        Ok(path)
    }
    async fn seal(&self, lease: &Lease, name: ArtifactName) -> Answer<Sealed> {
        self.pass("seal")?;
        self.pass(&format!("seal {}", name.as_str()))?;
        if let Some(by) = self.later_epoch(lease) {
            return Ok(Sealed::Overtaken { by });
        }
        let home = self.home(&lease.job);
        let staged = home.join(format!("staged-{}-{}", name.as_str(), lease.epoch));
        let sealed = home.join(name.as_str());
        let _ = fs::remove_dir_all(&sealed);
        fs::rename(staged, &sealed).map_err(file)?;
        let mut names: Vec<_> = fs::read_dir(&sealed).map_err(file)?.flatten().collect();
        names.sort_by_key(fs::DirEntry::file_name);
        let bytes: Vec<_> = names.iter().flat_map(|e| fs::read(e.path()).unwrap()).collect();
        Ok(Sealed::Done(Digest::of(&bytes)))
    }
    async fn unstage(&self, lease: &Lease, name: ArtifactName) -> Answer<()> {
        self.pass("unstage")?;
        let staged = format!("staged-{}-{}", name.as_str(), lease.epoch);
        let _ = fs::remove_dir_all(self.home(&lease.job).join(staged));
        Ok(())
    }
    async fn sizes(
        &self,
        job: &JobId,
        name: ArtifactName,
    ) -> Answer<Option<BTreeMap<String, ByteCount>>> {
        let opened = ArtifactStore::open(self, job, name).await?;
        let Some(folder) = opened else { return Ok(None) };
        let size = |file: fs::DirEntry| {
            let name = file.file_name().to_string_lossy().into_owned();
            Some((name, ByteCount(file.metadata().ok()?.len())))
        };
        Ok(Some(fs::read_dir(folder).map_err(file)?.flatten().filter_map(size).collect()))
    }
    async fn open(&self, job: &JobId, name: ArtifactName) -> Answer<Option<PathBuf>> {
        self.pass("open")?;
        let path = self.home(job).join(name.as_str());
        Ok(path.exists().then_some(path))
    }
    async fn deliver(&self, lease: &Lease, from: &Path, to: &Path) -> Answer<Delivered> {
        self.pass("deliver")?;
        if let Written::Overtaken { by } = self.guard(lease) {
            return Ok(Delivered::Overtaken { by });
        }
        let bytes = fs::read(from).map_err(file)?;
        fs::create_dir_all(to.parent().expect("tests deliver into folders")).map_err(file)?;
        fs::write(to, &bytes).map_err(file)?;
        let digest = Digest::of(&bytes);
        self.table().delivered.insert((lease.job.clone(), to.to_owned()), bytes);
        Ok(Delivered::Done(digest))
    }
    async fn take_back(&self, lease: &Lease, to: &Path) -> Answer<Written> {
        self.pass("take back")?;
        if let Written::Overtaken { by } = self.guard(lease) {
            return Ok(Written::Overtaken { by });
        }
        let left = self.table().delivered.remove(&(lease.job.clone(), to.to_owned()));
        if left.is_some_and(|left| fs::read(to).is_ok_and(|found| found == left)) {
            fs::remove_file(to).map_err(file)?;
        }
        Ok(Written::Done)
    }
    async fn delivered(&self, _job: &JobId, files: &[PathBuf]) -> Answer<Vec<Option<ByteCount>>> {
        let size = |file: &PathBuf| fs::metadata(file).ok().map(|facts| ByteCount(facts.len()));
        Ok(files.iter().map(size).collect())
    }
    async fn fetch(&self, _job: &JobId, file: &Path) -> Answer<Option<PathBuf>> {
        Ok(file.is_file().then(|| file.to_owned()))
    }
    async fn drop_result(&self, _job: &JobId, _file: &Path) -> Answer<()> {
        Ok(()) // Every file that tests deliver is its user's.
    }
    async fn sweep(&self, job: &JobId, keep: &[ArtifactName]) -> Answer<()> {
        self.pass("sweep")?;
        let kept: Vec<_> = keep.iter().map(|name| name.as_str()).collect();
        for entry in fs::read_dir(self.home(job)).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_name().to_str().is_some_and(|name| kept.contains(&name)) {
                true => {}
                false if path.is_dir() => fs::remove_dir_all(path).map_err(file)?,
                false => fs::remove_file(path).map_err(file)?,
            }
        }
        self.table().checkpoints.remove(job);
        Ok(())
    }
}
