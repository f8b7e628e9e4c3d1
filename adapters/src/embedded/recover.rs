//! What opening a data folder puts right, and how a job's leftovers go.
//!
//! The folder's lock is held, so whatever is half done belongs to nobody: staged attempts and parts
//! are removed, a sealed artifact that stepped aside is put back, and a job that ended without
//! being swept (the process died between) is swept now, so that nothing private outlives it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tgs_protocol::{
    id::JobId,
    store::{ArtifactName, StoreError},
};

use crate::{
    disk::{Readers, remove_if_empty, remove_tree, rename_durably},
    embedded::{
        Embedded,
        artifact::is_whole,
        layout::JobFolder,
        ledger::{CHUNKS, Commit},
    },
    fault,
};

/// How often a sweep is begun again when a part came in between.
const SWEEPS_MAX: u32 = 10;

impl Embedded {
    /// Puts the whole data folder right. Called once, when it is opened.
    pub(super) fn recover(&self) -> Result<(), StoreError> {
        let jobs = self.layout().jobs();
        for path in entries(&jobs).map_err(|error| fault::on_file("list", &jobs, error))? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // A folder whose name is no job's name is none of ours.
            let Ok(folder) = self.layout().job(&JobId::new(name)) else { continue };
            self.settle(&folder)
                .map_err(|error| fault::on_file("recover", folder.path(), error))?;
        }
        for (job, class) in self.all_places()?.iter().filter(|(_, class)| class.is_final()) {
            self.sweep_job(job, ArtifactName::kept_after(*class))?;
        }
        Ok(())
    }

    /// Removes everything of a job but the artifacts in `keep`. Each artifact leaves in one step,
    /// by a rename into staging; killed anywhere, the next sweep or opening goes on.
    pub(super) fn sweep_job(&self, job: &JobId, keep: &[ArtifactName]) -> Result<(), StoreError> {
        let folder = self.layout().job(job)?;
        self.forget_chunks(job)?;
        self.sweep_files(&folder, keep)
            .map_err(|error| fault::on_file("sweep", folder.path(), error))
    }

    fn forget_chunks(&self, job: &JobId) -> Result<(), StoreError> {
        self.ledger().write(|transaction| {
            let mut chunks = transaction.open_table(CHUNKS)?;
            let all = (job.as_str(), 0)..=(job.as_str(), u32::MAX);
            let mut forgotten = 0_usize;
            for entry in chunks.extract_from_if(all, |_, _| true)? {
                entry?;
                forgotten += 1;
            }
            Ok(if forgotten > 0 { Commit::Keep(()) } else { Commit::Leave(()) })
        })
    }

    /// A writer of the job that has just ended may still put a part into staging, to be refused
    /// and to remove it again: so what is in the way is removed more than once.
    fn sweep_files(&self, folder: &JobFolder, keep: &[ArtifactName]) -> io::Result<()> {
        let mut left = SWEEPS_MAX;
        loop {
            left -= 1;
            match self.sweep_once(folder, keep) {
                Err(error) if left > 0 && is_in_the_way(&error) => {}
                swept => return swept,
            }
        }
    }

    fn sweep_once(&self, folder: &JobFolder, keep: &[ArtifactName]) -> io::Result<()> {
        let has_staging = folder.staging().exists();
        remove_tree(self.disk(), &folder.staging())?;
        let swept = ArtifactName::ALL.iter().filter(|name| !keep.contains(name));
        let swept = swept.map(|name| folder.artifact(*name));
        let leaving = swept.chain([folder.chunks(), folder.checkpoints(), folder.delivered()]);
        let leaving: Vec<PathBuf> = leaving.filter(|path| path.exists()).collect();
        let is_clean = leaving.is_empty() && !has_staging;
        if !leaving.is_empty() {
            tracing::info!(folder = %folder.path().display(), parts = leaving.len(), "sweep");
            self.disk().make_folder(&folder.staging(), Readers::Owner)?;
            for path in leaving {
                let name = path.file_name().unwrap_or_default();
                rename_durably(self.disk(), &path, &folder.staging().join(name))?;
            }
            remove_tree(self.disk(), &folder.staging())?;
        }
        if keep.is_empty() {
            // Not even a name is left of a cancelled job, unless a person put something there.
            return match remove_if_empty(self.disk(), folder.path())? {
                true => self.disk().sync_folder(&self.layout().jobs()),
                false => Ok(()),
            };
        }
        if is_clean { Ok(()) } else { self.disk().sync_folder(folder.path()) }
    }

    /// Puts artifacts that stepped aside back, and empties staging.
    fn settle(&self, folder: &JobFolder) -> io::Result<()> {
        let staging = folder.staging();
        if !staging.exists() {
            return Ok(());
        }
        for name in ArtifactName::ALL {
            let (sealed, aside) = (folder.artifact(name), folder.aside(name));
            if !is_whole(&sealed)? && is_whole(&aside)? {
                tracing::warn!(artifact = %sealed.display(), "put back the earlier version");
                remove_tree(self.disk(), &sealed)?;
                rename_durably(self.disk(), &aside, &sealed)?;
            }
        }
        remove_tree(self.disk(), &staging)?;
        self.disk().sync_folder(folder.path())
    }
}

fn is_in_the_way(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}
