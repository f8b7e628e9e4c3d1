//! Chunks and checkpoints in memory. A sealed chunk also is a file, because engines read files.

use std::{fs, path::PathBuf};

use async_trait::async_trait;
use tgs_protocol::{
    checkpoint::CheckpointFacts,
    chunk::{ChunkNo, SealedChunk},
    code::Code,
    digest::Digest,
    id::JobId,
    lease::Lease,
    store::{CheckpointStore, ChunkStore, StoreError, Written},
    unit::{ByteCount, Steps},
};

use crate::{
    content, fault,
    fence::{self, Fenced},
    memory::Memory,
};

#[async_trait]
impl ChunkStore for Memory {
    async fn seal(
        &self,
        lease: &Lease,
        chunk: &SealedChunk,
        bytes: &[u8],
    ) -> Result<Written, StoreError> {
        fence::check_chunk(lease, chunk, bytes)?;
        fence::check_name(&lease.job)?;
        let mut state = self.state();
        let fenced = state.admit(lease);
        if fenced == Fenced::Held(()) {
            let key = (lease.job.clone(), chunk.chunk);
            fence::check_same_chunk(&lease.job, state.chunks.get(&key), chunk)?;
            let path = self.chunk_file(&lease.job, chunk.chunk);
            let folder = path.parent().unwrap_or(&self.root);
            let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, bytes));
            written.map_err(|error| fault::on_file("write chunk", &path, error))?;
            state.chunks.insert(key, *chunk);
        }
        Ok(fenced.written())
    }

    async fn sealed(&self, job: &JobId) -> Result<Vec<SealedChunk>, StoreError> {
        let all = (job.clone(), ChunkNo(0))..=(job.clone(), ChunkNo(u32::MAX));
        Ok(self.state().chunks.range(all).map(|(_, chunk)| *chunk).collect())
    }

    async fn open(&self, job: &JobId, chunk: ChunkNo) -> Result<PathBuf, StoreError> {
        fence::check_name(job)?;
        let sealed = self.state().chunks.get(&(job.clone(), chunk)).copied();
        let sealed = sealed.ok_or_else(|| fence::no_such_chunk(job, chunk))?;
        let path = self.chunk_file(job, chunk);
        match content::of_file(&path) {
            Ok((digest, _)) if digest == sealed.digest => Ok(path),
            _ => Err(fault::damaged(Code::StoreCorrupt, "it is not what was sealed", &path)),
        }
    }
}

#[async_trait]
impl CheckpointStore for Memory {
    async fn put(
        &self,
        lease: &Lease,
        step: Steps,
        bytes: &[u8],
    ) -> Result<CheckpointFacts, StoreError> {
        fence::check_name(&lease.job)?;
        let mut state = self.state();
        state.admit(lease).or_refused(&lease.job)?;
        let (epoch, size) = (lease.epoch, ByteCount(bytes.len() as u64));
        let facts = CheckpointFacts { epoch, step, digest: Digest::of(bytes), size };
        let held = state.checkpoints.entry(lease.job.clone()).or_default();
        held.retain(|(known, _)| *known != facts);
        held.push((facts, bytes.to_vec()));
        Ok(facts)
    }

    async fn whole(&self, job: &JobId) -> Result<Vec<CheckpointFacts>, StoreError> {
        fence::check_name(job)?;
        let state = self.state();
        let held = state.checkpoints.get(job).map(Vec::as_slice).unwrap_or_default();
        let mut whole: Vec<_> = held.iter().map(|(facts, _)| *facts).collect();
        fence::newest_step_first(&mut whole);
        Ok(whole)
    }

    async fn get(&self, job: &JobId, facts: &CheckpointFacts) -> Result<Vec<u8>, StoreError> {
        fence::check_name(job)?;
        let state = self.state();
        let held = state.checkpoints.get(job).map(Vec::as_slice).unwrap_or_default();
        let found = held.iter().find(|(known, _)| known == facts);
        found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| {
            let message = format!("read the checkpoint of step {} of job {job}", facts.step);
            StoreError::new(Code::CheckpointCorrupt, format!("{message}: there is none"))
        })
    }

    async fn prune(&self, lease: &Lease, keep: &[CheckpointFacts]) -> Result<(), StoreError> {
        fence::check_name(&lease.job)?;
        let mut state = self.state();
        state.admit(lease).or_refused(&lease.job)?;
        if let Some(held) = state.checkpoints.get_mut(&lease.job) {
            held.retain(|(facts, _)| keep.contains(facts));
        }
        Ok(())
    }
}

impl Memory {
    fn chunk_file(&self, job: &JobId, chunk: ChunkNo) -> PathBuf {
        self.root.join(job.as_str()).join("chunks").join(format!("{chunk}.arrow"))
    }
}
