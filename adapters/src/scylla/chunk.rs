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
    bytes: Named,
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
        let (job, item) = (&lease.job, item(chunk.chunk));
        let known: Option<Entry> = self.item(&mut patience, job, &item).await?;
        fence::check_same_chunk(job, known.as_ref().map(|it| &it.sealed), chunk)?;
        if known.is_some() {
            return Ok(Written::Done);
        }
        let (home, holds) = (self.home_of(job).await?, (chunk.digest, size_of(bytes)));
        let named = self.name(&format!("{KIND}-{}", chunk.chunk), &home, holds);
        let entry = Entry { sealed: *chunk, bytes: named };
        self.put_bytes(job, &entry.bytes, bytes).await?;
        match self.put_item_once(lease, &item, &entry).await? {
            Fenced::Held(None) => Ok(Written::Done),
            // Ours, from a statement of unknown outcome.
            Fenced::Held(Some(known)) if known == entry => Ok(Written::Done),
            refused => {
                self.drop_bytes(job, &entry.bytes.name, entry.bytes.size).await?;
                match refused {
                    Fenced::Overtaken(by) => Ok(Written::Overtaken { by }),
                    Fenced::Held(known) => {
                        fence::check_same_chunk(job, known.as_ref().map(|it| &it.sealed), chunk)?;
                        Ok(Written::Done)
                    }
                }
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
        let path = self.cached(job, &entry.bytes);
        self.file(job, &entry.bytes, &path, || lost(&format!("chunk {chunk}"), job)).await?;
        Ok(path)
    }
}

fn size_of(bytes: &[u8]) -> ByteCount {
    ByteCount(bytes.len() as u64)
}

/// Names in the order of their numbers.
fn item(chunk: ChunkNo) -> String {
    format!("{KIND}/{:010}", chunk.0)
}
