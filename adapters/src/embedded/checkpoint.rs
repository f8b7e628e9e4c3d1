//! Checkpoints: files whose names carry epoch, step and digest; the bytes prove themselves.
//!
//! A name is given while the store's only writer checks the lease, so an overtaken holder can leave
//! nothing behind but an unnamed part, which the next opening removes. Invariant kept here: CKPT-1.

use std::{fs, io};

use async_trait::async_trait;
use tgs_protocol::{
    checkpoint::CheckpointFacts,
    code::Code,
    digest::Digest,
    id::JobId,
    lease::Lease,
    store::{CheckpointStore, StoreError},
    unit::{ByteCount, Steps},
};

use crate::{
    blocking::blocking,
    content,
    disk::rename_durably,
    embedded::{
        Embedded,
        layout::{checkpoint_name, parse_checkpoint_name},
        ledger::Commit,
    },
    fault, fence,
};

#[async_trait]
impl CheckpointStore for Embedded {
    async fn put(
        &self,
        lease: &Lease,
        step: Steps,
        bytes: &[u8],
    ) -> Result<CheckpointFacts, StoreError> {
        blocking(|| self.put_checkpoint(lease, step, bytes))
    }

    async fn whole(&self, job: &JobId) -> Result<Vec<CheckpointFacts>, StoreError> {
        blocking(|| self.whole_checkpoints(job))
    }

    async fn get(&self, job: &JobId, facts: &CheckpointFacts) -> Result<Vec<u8>, StoreError> {
        blocking(|| {
            let path = self.layout().job(job)?.checkpoint(facts);
            let bytes = fs::read(&path)
                .map_err(|error| fault::unread(Code::CheckpointCorrupt, &path, error))?;
            if Digest::of(&bytes) == facts.digest {
                return Ok(bytes);
            }
            let what = "its bytes do not match its digest";
            Err(fault::damaged(Code::CheckpointCorrupt, what, &path))
        })
    }

    async fn prune(&self, lease: &Lease, keep: &[CheckpointFacts]) -> Result<(), StoreError> {
        blocking(|| self.prune_checkpoints(lease, keep))
    }
}

impl Embedded {
    fn put_checkpoint(
        &self,
        lease: &Lease,
        step: Steps,
        bytes: &[u8],
    ) -> Result<CheckpointFacts, StoreError> {
        let folder = self.layout().job(&lease.job)?;
        self.ledger().is_newest(lease)?.or_refused(&lease.job)?;
        let facts = CheckpointFacts {
            epoch: lease.epoch,
            step,
            digest: Digest::of(bytes),
            size: ByteCount(bytes.len() as u64),
        };
        let part = self.write_part(&folder, bytes)?;
        self.make_folders(&folder.checkpoints())?;
        let path = folder.checkpoint(&facts);
        let fenced = self.ledger().write_fenced(lease, |_| {
            rename_durably(self.disk(), &part, &path)
                .map_err(|error| fault::on_file("write checkpoint", &path, error))?;
            Ok(Commit::Leave(()))
        });
        self.forget_part(&part);
        fenced?.or_refused(&lease.job)?;
        Ok(facts)
    }

    fn whole_checkpoints(&self, job: &JobId) -> Result<Vec<CheckpointFacts>, StoreError> {
        let folder = self.layout().job(job)?.checkpoints();
        let mut whole = Vec::new();
        for name in names_in(&folder)? {
            let Some((epoch, step)) = parse_checkpoint_name(&name) else { continue };
            let path = folder.join(&name);
            let found = fault::unless_damaged(content::of_file(&path))
                .map_err(|error| fault::on_file("read", &path, error))?;
            // One that is damaged is not whole; an older one may be.
            let Some((digest, size)) = found else { continue };
            if checkpoint_name(epoch, step, &digest) == name {
                whole.push(CheckpointFacts { epoch, step, digest, size });
            }
        }
        fence::newest_step_first(&mut whole);
        Ok(whole)
    }

    fn prune_checkpoints(&self, lease: &Lease, keep: &[CheckpointFacts]) -> Result<(), StoreError> {
        let folder = self.layout().job(&lease.job)?.checkpoints();
        let keep: Vec<_> =
            keep.iter().map(|kept| checkpoint_name(kept.epoch, kept.step, &kept.digest)).collect();
        let fenced = self.ledger().write_fenced(lease, |_| {
            let mut is_changed = false;
            for name in names_in(&folder)? {
                if !keep.contains(&name) {
                    let path = folder.join(&name);
                    let removed = self.disk().remove_file(&path);
                    removed.map_err(|error| fault::on_file("remove", &path, error))?;
                    is_changed = true;
                }
            }
            if is_changed {
                let synced = self.disk().sync_folder(&folder);
                synced.map_err(|error| fault::on_file("sync", &folder, error))?;
            }
            Ok(Commit::Leave(()))
        })?;
        fenced.or_refused(&lease.job)
    }
}

/// Names in a folder, in order; none if there is no folder.
fn names_in(folder: &std::path::Path) -> Result<Vec<String>, StoreError> {
    let cannot = |error| fault::on_file("list", folder, error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(cannot)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is not Unicode is none of ours.
        names.extend(entry.map_err(cannot)?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}
