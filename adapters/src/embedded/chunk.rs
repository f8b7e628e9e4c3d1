//! Sealed chunks: a file each, and a manifest in the transactional store.
//!
//! Bytes first, then the name, then the manifest. The name is given inside the transaction that
//! enters the manifest, so an overtaken holder cannot put other bytes under a sealed name.
//! Invariant kept here: CHUNK-1.

use std::path::PathBuf;

use async_trait::async_trait;
use redb::ReadableTable;
use tgs_protocol::{
    chunk::{ChunkNo, SealedChunk},
    code::Code,
    id::JobId,
    lease::Lease,
    store::{ChunkStore, StoreError, Written},
};

use crate::{
    blocking::blocking,
    content,
    disk::rename_durably,
    embedded::{
        Embedded,
        ledger::{CHUNKS, Commit, decode, encode},
    },
    fault,
    fence::{self, Fenced},
};

#[async_trait]
impl ChunkStore for Embedded {
    async fn seal(
        &self,
        lease: &Lease,
        chunk: &SealedChunk,
        bytes: &[u8],
    ) -> Result<Written, StoreError> {
        blocking(|| self.seal_chunk(lease, chunk, bytes))
    }

    async fn sealed(&self, job: &JobId) -> Result<Vec<SealedChunk>, StoreError> {
        blocking(|| {
            self.ledger().read(|view| {
                let chunks = view.open_table(CHUNKS)?;
                let all = (job.as_str(), 0)..=(job.as_str(), u32::MAX);
                chunks.range(all)?.map(|entry| decode(entry?.1.value(), "manifest", job)).collect()
            })
        })
    }

    async fn open(&self, job: &JobId, chunk: ChunkNo) -> Result<PathBuf, StoreError> {
        blocking(|| self.open_chunk(job, chunk))
    }
}

impl Embedded {
    fn seal_chunk(
        &self,
        lease: &Lease,
        chunk: &SealedChunk,
        bytes: &[u8],
    ) -> Result<Written, StoreError> {
        fence::check_chunk(lease, chunk, bytes)?;
        let folder = self.layout().job(&lease.job)?;
        if let Fenced::Overtaken(by) = self.ledger().is_newest(lease)? {
            return Ok(Written::Overtaken { by });
        }
        let part = self.write_part(&folder, bytes)?;
        self.make_folders(&folder.chunks())?;
        let path = folder.chunk(chunk.chunk);
        let fenced = self.ledger().write_fenced(lease, |transaction| {
            let mut chunks = transaction.open_table(CHUNKS)?;
            let key = (lease.job.as_str(), chunk.chunk.0);
            let known = chunks.get(key)?.map(|bytes| decode(bytes.value(), "manifest", &lease.job));
            let known: Option<SealedChunk> = known.transpose()?;
            fence::check_same_chunk(&lease.job, known.as_ref(), chunk)?;
            // Also when it is sealed already: the bytes are the same.
            rename_durably(self.disk(), &part, &path)
                .map_err(|error| fault::on_file("write chunk", &path, error))?;
            if known.is_some() {
                return Ok(Commit::Leave(()));
            }
            chunks.insert(key, encode(chunk)?.as_slice())?;
            Ok(Commit::Keep(()))
        });
        self.forget_part(&part);
        Ok(fenced?.written())
    }

    fn open_chunk(&self, job: &JobId, chunk: ChunkNo) -> Result<PathBuf, StoreError> {
        let path = self.layout().job(job)?.chunk(chunk);
        let sealed: Option<SealedChunk> = self.ledger().read(|view| {
            let found = view.open_table(CHUNKS)?.get((job.as_str(), chunk.0))?;
            found.map(|bytes| decode(bytes.value(), "manifest", job)).transpose()
        })?;
        let sealed = sealed.ok_or_else(|| fence::no_such_chunk(job, chunk))?;
        match content::of_file(&path) {
            Ok((digest, _)) if digest == sealed.digest => Ok(path),
            Ok((digest, _)) => {
                let expected = sealed.digest.short();
                let what = format!("it has digest {} where {expected} was sealed", digest.short());
                Err(fault::damaged(Code::StoreCorrupt, &what, &path))
            }
            Err(error) => Err(fault::unread(Code::StoreCorrupt, &path, error)),
        }
    }
}
