//! Where things lie in a data folder.
//!
//! ```text
//! <home>/lock                          held by the one process at work here
//! <home>/store.redb                    rows, leases, chunk manifests
//! <home>/uploads/<upload>.part         a table on its way in
//! <home>/datasets/<digest>.<ending>    a table that was handed in
//! <home>/results/<result>/…            what jobs of a server deliver
//! <home>/jobs/<job>/dataset, profile, model, report, output
//! <home>/jobs/<job>/checkpoints/e<epoch>-s<step>.<digest, 12 digits>.ckpt
//! <home>/jobs/<job>/chunks/<no>.arrow
//! <home>/jobs/<job>/delivered/…        notes of what stands where it was asked for
//! <home>/jobs/<job>/staging/…          half done; emptied when the folder is opened
//! ```

use std::path::{Path, PathBuf};

use tgs_protocol::{
    checkpoint::CheckpointFacts,
    chunk::ChunkNo,
    dataset::DatasetVersion,
    digest::Digest,
    id::{JobId, UploadId},
    lease::Lease,
    store::{ArtifactName, StoreError},
    unit::{Epoch, Steps},
};

use crate::{deliver, fence};

/// The record beside the files of a sealed artifact.
pub const SEALED_FILE: &str = "sealed.json";

/// The data folder.
#[derive(Debug, Clone)]
pub struct Layout {
    home: PathBuf,
}

/// The folder of one job. To have one means that the job's name is a safe folder name.
#[derive(Debug, Clone)]
pub struct JobFolder {
    folder: PathBuf,
}

impl Layout {
    /// Of this data folder.
    pub fn of(home: &Path) -> Self {
        Self { home: home.to_owned() }
    }
    /// The data folder itself.
    pub fn home(&self) -> &Path {
        &self.home
    }
    /// Held by the one process at work here.
    pub fn lock(&self) -> PathBuf {
        self.home.join("lock")
    }
    /// Held by each process that keeps a program of a job here.
    pub fn keepers_lock(&self) -> PathBuf {
        self.home.join("keepers.lock")
    }
    /// The transactional store.
    pub fn store(&self) -> PathBuf {
        self.home.join("store.redb")
    }
    /// The folder of all jobs.
    pub fn jobs(&self) -> PathBuf {
        self.home.join("jobs")
    }
    /// What jobs of a server deliver.
    pub fn results(&self) -> PathBuf {
        self.home.join("results")
    }
    /// Where a delivered file lies on this machine.
    pub fn place(&self, to: &Path) -> PathBuf {
        deliver::place_of(&self.results(), to)
    }
    /// Tables on their way in.
    pub fn uploads(&self) -> PathBuf {
        self.home.join("uploads")
    }
    /// One table on its way in.
    pub fn upload(&self, upload: &UploadId) -> PathBuf {
        self.uploads().join(format!("{upload}.part"))
    }
    /// Tables that were handed in.
    pub fn datasets(&self) -> PathBuf {
        self.home.join("datasets")
    }
    /// One table that was handed in.
    pub fn dataset(&self, version: &DatasetVersion) -> PathBuf {
        let DatasetVersion { digest, ending, .. } = version;
        self.datasets().join(format!("{digest}.{}", ending.as_str()))
    }
    /// The folder of one job; an error if its name could leave the data folder.
    pub fn job(&self, job: &JobId) -> Result<JobFolder, StoreError> {
        fence::check_name(job)?;
        Ok(JobFolder { folder: self.jobs().join(job.as_str()) })
    }
}

impl JobFolder {
    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.folder
    }
    /// Half done things.
    pub fn staging(&self) -> PathBuf {
        self.folder.join("staging")
    }
    /// All sealed chunks.
    pub fn chunks(&self) -> PathBuf {
        self.folder.join("chunks")
    }
    /// One sealed chunk.
    pub fn chunk(&self, chunk: ChunkNo) -> PathBuf {
        self.chunks().join(format!("{chunk}.arrow"))
    }
    /// Notes of what was delivered, a file for each place.
    pub fn delivered(&self) -> PathBuf {
        self.folder.join("delivered")
    }
    /// All checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }
    /// One checkpoint.
    pub fn checkpoint(&self, facts: &CheckpointFacts) -> PathBuf {
        let name = checkpoint_name(facts.epoch, facts.step, &facts.digest);
        self.checkpoints().join(name)
    }
    /// A sealed artifact.
    pub fn artifact(&self, name: ArtifactName) -> PathBuf {
        self.folder.join(name.as_str())
    }
    /// An artifact as its holder prepares it.
    pub fn staged(&self, lease: &Lease, name: ArtifactName) -> PathBuf {
        self.staging().join(format!("{}.e{}", name.as_str(), lease.epoch))
    }
    /// Where a sealed artifact waits while a newer one takes its place.
    pub fn aside(&self, name: ArtifactName) -> PathBuf {
        self.staging().join(format!("{}.aside", name.as_str()))
    }
}

/// `e3-s1200.ba7816bf8f01.ckpt`
pub fn checkpoint_name(epoch: Epoch, step: Steps, digest: &Digest) -> String {
    format!("e{epoch}-s{step}.{}.ckpt", digest.short())
}

/// Epoch and step of a checkpoint's name; none if it is no checkpoint's name.
pub fn parse_checkpoint_name(name: &str) -> Option<(Epoch, Steps)> {
    let (numbers, rest) = name.strip_prefix('e')?.split_once('.')?;
    rest.strip_suffix(".ckpt")?;
    let (epoch, step) = numbers.split_once("-s")?;
    Some((Epoch(epoch.parse().ok()?), Steps(step.parse().ok()?)))
}
