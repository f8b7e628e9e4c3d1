//! Sealed chunks: bytes in pieces, and a manifest of rows in the job's partition. Invariant kept
//! here: CHUNK-1.

use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tgs_protocol::{
    chunk::{ChunkNo, SealedChunk},
    id::JobId,
    lease::Lease,
    store::{ChunkStore, StoreError, Written},
    unit::ByteCount,
};

use super::{
    Scylla,
    bytes::{Named, lost},
    trouble::Patience,
};
use crate::fence::{self, Fenced};

const KIND: &str = "chunk";

/// A chunk as the manifest has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    sealed: SealedChunk,
    size: ByteCount,
}

#[async_trait]
impl ChunkStore for Scylla {
    async fn seal(
        &self,
        lease: &Lease,
        chunk: &SealedChunk,
        bytes: &[u8],
    ) -> Result<Written, StoreError> {
        fence::check_chunk(lease, chunk, bytes)?;
        let mut patience = Patience::of("seal a chunk");
        if let Fenced::Overtaken(by) = self.admitted(&mut patience, lease).await? {
            return Ok(Written::Overtaken { by });
        }
        let known: Option<Entry> = self.item(&mut patience, &lease.job, &item(chunk.chunk)).await?;
        fence::check_same_chunk(&lease.job, known.as_ref().map(|it| &it.sealed), chunk)?;
        let entry = Entry { sealed: *chunk, size: ByteCount(bytes.len() as u64) };
        self.put_bytes(&named(&lease.job, &entry), bytes).await?;
        match self.put_item_once(lease, &item(chunk.chunk), &entry).await? {
            Fenced::Overtaken(by) => Ok(Written::Overtaken { by }),
            Fenced::Held(known) => {
                fence::check_same_chunk(&lease.job, known.as_ref().map(|it| &it.sealed), chunk)?;
                Ok(Written::Done)
            }
        }
    }

    async fn sealed(&self, job: &JobId) -> Result<Vec<SealedChunk>, StoreError> {
        let mut patience = Patience::of("read the manifest");
        let entries: Vec<Entry> = self.items(&mut patience, job, KIND).await?;
        Ok(entries.into_iter().map(|it| it.sealed).collect())
    }

    async fn open(&self, job: &JobId, chunk: ChunkNo) -> Result<PathBuf, StoreError> {
        let entry: Option<Entry> =
            self.item(&mut Patience::of("open a chunk"), job, &item(chunk)).await?;
        let entry = entry.ok_or_else(|| fence::no_such_chunk(job, chunk))?;
        let named = named(job, &entry);
        let path = self.cached(&named);
        self.file(&named, &path, || lost(&format!("chunk {chunk}"), job)).await?;
        Ok(path)
    }
}

fn named(job: &JobId, entry: &Entry) -> Named {
    let kind = format!("{KIND}-{}", entry.sealed.chunk);
    Named::known(job, &kind, entry.sealed.digest, entry.size)
}

/// Names in the order of their numbers.
fn item(chunk: ChunkNo) -> String {
    format!("{KIND}/{:010}", chunk.0)
}
