//! Bytes in pieces. A name holds a digest of what it names, so whoever writes it writes the same,
//! and a writer that was overtaken can spoil nothing.

use std::{
    fs::{self, File},
    io::{Read, Write},
    ops::Range,
    path::Path,
    pin::pin,
    sync::Arc,
};

use futures_util::{
    future::try_join_all,
    stream::{self, Stream, StreamExt, TryStreamExt},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tgs_protocol::{
    code::Code, digest::Digest, id::JobId, residency::Residency, store::StoreError, unit::ByteCount,
};
use ulid::Ulid;

use super::{
    Scylla,
    lease::{natural, whole},
    trouble::Patience,
};
use crate::{
    blocking::blocking,
    content,
    disk::{Disk, Readers, RealDisk, make_folders},
    fault,
};

/// Bytes of a piece: databases of this kind want partitions of about a megabyte at most, and
/// statements well below their frame limit.
const PIECE: usize = 512 << 10;
/// Pieces on their way at the same time.
const AT_ONCE: usize = 8;
/// Their bytes.
const WINDOW: usize = PIECE * AT_ONCE;

/// Stands in a name before the regions that it may not leave, if it may not.
const HOME: char = '@';
/// Stands between regions.
const AND: char = '+';
/// The end of the name of what lies in object storage.
const OBJECT: char = '!';

/// Which bytes of a job. A name is given once: what was removed under it never comes back, and
/// whoever was overtaken removes its own and no other's. It says in which regions they lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Named {
    /// Within the job.
    pub(super) name: String,
    pub(super) digest: Digest,
    pub(super) size: ByteCount,
}

/// Whether what has this name lies in object storage.
fn is_object(name: &str) -> bool {
    name.ends_with(OBJECT)
}

/// A new name; what is pinned lies in the database alone, which knows regions.
fn new_name(kind: &str, home: &Residency, is_object: bool) -> String {
    let mut name = format!("{kind}-{}", Ulid::new());
    for (at, region) in home.0.iter().enumerate() {
        name.push(if at == 0 { HOME } else { AND });
        name.push_str(region);
    }
    if is_object && home.is_anywhere() {
        name.push(OBJECT);
    }
    name
}

/// The regions that bytes of this name may not leave.
fn home_in(name: &str) -> Residency {
    let regions = name.split_once(HOME).map(|(_, regions)| regions.split(AND));
    Residency(regions.into_iter().flatten().map(str::to_owned).collect())
}

/// Names are unique within a job.
fn whole_name(job: &JobId, name: &str) -> Arc<str> {
    format!("{job}/{name}").into()
}

/// The numbers of the pieces of so many bytes.
fn numbers(size: ByteCount) -> Range<i32> {
    0..i32::try_from(size.get().div_ceil(PIECE as u64)).unwrap_or(i32::MAX)
}

impl Scylla {
    /// A new name for these bytes.
    pub(super) fn name_of(&self, kind: &str, home: &Residency, bytes: &[u8]) -> Named {
        let digest = blocking(|| Digest::of(bytes)); // Of a gigabyte it takes a second.
        self.name(kind, home, (digest, ByteCount(bytes.len() as u64)))
    }

    /// A new name for bytes of this digest and size.
    pub(super) fn name(
        &self,
        kind: &str,
        home: &Residency,
        (digest, size): (Digest, ByteCount),
    ) -> Named {
        let is_object = self.inner.objects.as_ref().is_some_and(|it| it.takes(size));
        Named { name: new_name(kind, home, is_object), digest, size }
    }

    /// Makes bytes durable under their name.
    pub(super) async fn put_bytes(
        &self,
        job: &JobId,
        named: &Named,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        self.put_windows(job, named, bytes.chunks(WINDOW).map(Ok)).await
    }

    /// Makes bytes durable under their name, some pieces after the other.
    async fn put_windows<B: AsRef<[u8]> + Send>(
        &self,
        job: &JobId,
        named: &Named,
        windows: impl Iterator<Item = Result<B, StoreError>> + Send,
    ) -> Result<(), StoreError> {
        self.begin_bytes(job, named).await?;
        if is_object(&named.name) {
            return self.objects()?.put(&whole_name(job, &named.name), windows).await;
        }
        let mut no = 0;
        for bytes in windows {
            no = self.put_pieces(job, named, no, bytes?.as_ref()).await?;
        }
        Ok(())
    }

    /// The bytes of a name in one buffer; none unless they are what its digest says.
    pub(super) async fn bytes(
        &self,
        job: &JobId,
        named: &Named,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        // Of its size from the beginning: beside it stand the pieces on their way, and no more.
        let size = usize::try_from(named.size.get()).unwrap_or(0);
        let (mut pieces, mut bytes) = (pin!(self.pieces(job, named)), Vec::with_capacity(size));
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece?);
        }
        let is_it = blocking(|| Digest::of(&bytes) == named.digest);
        Ok(is_it.then_some(bytes))
    }

    /// The digest of what is there under these names after each other; none if something is gone.
    pub(super) async fn digest_of(
        &self,
        job: &JobId,
        parts: &[Named],
    ) -> Result<Option<Digest>, StoreError> {
        let mut hash = Sha256::new();
        for part in parts {
            let (mut pieces, mut left) = (pin!(self.pieces(job, part)), part.size.get());
            while let Some(piece) = pieces.next().await {
                let piece = piece?;
                left = left.saturating_sub(piece.len() as u64);
                hash.update(piece);
            }
            if left > 0 {
                return Ok(None);
            }
        }
        Ok(Some(Digest::from_bytes(hash.finalize().into())))
    }

    async fn begin_bytes(&self, job: &JobId, named: &Named) -> Result<(), StoreError> {
        let values = (job.as_str(), named.name.as_str(), whole(named.size.get()));
        let say = &self.database().say.put_bytes_of;
        self.database().write(&mut Patience::of("write bytes"), say, values).await
    }

    /// Writes pieces from this number on; the number of the next one.
    async fn put_pieces(
        &self,
        job: &JobId,
        named: &Named,
        from: i32,
        bytes: &[u8],
    ) -> Result<i32, StoreError> {
        let shelf = self.shelf_here(&home_in(&named.name)).await?;
        let name = whole_name(job, &named.name);
        let mut next = from;
        for some in bytes.chunks(WINDOW) {
            let mut writes = Vec::with_capacity(AT_ONCE);
            for piece in some.chunks(PIECE) {
                writes.push(shelf.put(&name, next, piece));
                next += 1;
            }
            try_join_all(writes).await?;
        }
        Ok(next)
    }

    /// Every piece in order; one that is gone is empty.
    pub(super) fn pieces(
        &self,
        job: &JobId,
        named: &Named,
    ) -> impl Stream<Item = Result<Vec<u8>, StoreError>> + '_ {
        if is_object(&named.name) {
            let name = whole_name(job, &named.name);
            let parts = self.objects().map(|it| it.parts(&name, named.size));
            return stream::iter([parts]).try_flatten().left_stream();
        }
        let (name, home) = (whole_name(job, &named.name), Arc::new(home_in(&named.name)));
        let reads = numbers(named.size).map(move |no| {
            let (name, home) = (Arc::clone(&name), Arc::clone(&home));
            async move { self.shelf_here(&home).await?.get(&name, no).await }
        });
        stream::iter(reads).buffered(AT_ONCE).right_stream()
    }

    /// Makes the bytes of a file durable under its name, piece by piece.
    pub(super) async fn put_file(
        &self,
        job: &JobId,
        named: &Named,
        path: &Path,
    ) -> Result<(), StoreError> {
        self.put_windows(job, named, windows(path)?).await
    }

    /// A file with the bytes of a name, made anew unless it is there and whole.
    pub(super) async fn file(
        &self,
        job: &JobId,
        named: &Named,
        path: &Path,
        missing: impl FnOnce() -> StoreError,
    ) -> Result<(), StoreError> {
        self.file_of(job, (std::slice::from_ref(named), named.digest), path, missing).await
    }

    /// The same of several names after each other, which together have this digest.
    pub(super) async fn file_of(
        &self,
        job: &JobId,
        (parts, digest): (&[Named], Digest),
        path: &Path,
        missing: impl FnOnce() -> StoreError,
    ) -> Result<(), StoreError> {
        if blocking(|| content::of_file(path)).is_ok_and(|(found, _)| found == digest) {
            return Ok(());
        }
        let cannot = |error| fault::on_file("write", path, error);
        let folder = path.parent().unwrap_or(path);
        blocking(|| make_folders(&RealDisk, folder, Readers::Owner)).map_err(cannot)?;
        // Beside its place first: whoever looks sees all of it or nothing.
        let part = folder.join(format!(".{}.part", Ulid::new()));
        let placed = match self.write_part(job, parts, &part).await {
            Ok(found) if found == digest => fs::rename(&part, path).map_err(cannot),
            Ok(_) => Err(missing()),
            Err(error) => Err(error),
        };
        if placed.is_err() {
            let _ = blocking(|| fs::remove_file(&part));
        }
        placed
    }

    /// Writes the bytes of these names to a new file; gives the digest of what was there.
    async fn write_part(
        &self,
        job: &JobId,
        parts: &[Named],
        part: &Path,
    ) -> Result<Digest, StoreError> {
        let cannot = |error| fault::on_file("write", part, error);
        let mut file = RealDisk.create(part, Readers::Owner).map_err(cannot)?;
        let mut hash = Sha256::new();
        for named in parts {
            let mut pieces = pin!(self.pieces(job, named));
            while let Some(piece) = pieces.next().await {
                let piece = piece?;
                blocking(|| {
                    hash.update(&piece);
                    file.write_all(&piece).map_err(cannot)
                })?;
            }
        }
        Ok(Digest::from_bytes(hash.finalize().into()))
    }

    /// Removes the bytes of a name.
    pub(super) async fn drop_bytes(
        &self,
        job: &JobId,
        name: &str,
        size: ByteCount,
    ) -> Result<(), StoreError> {
        let (database, say) = (self.database(), &self.database().say);
        let whole_name = whole_name(job, name);
        if is_object(name) {
            self.objects()?.remove(&whole_name).await?;
        } else {
            // Also from outside: to remove them they need not be seen.
            let shelf = self.shelf(&home_in(name)).await?;
            let drops = numbers(size).map(|no| shelf.remove(&whole_name, no));
            stream::iter(drops).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
        let mut patience = Patience::of("remove bytes");
        database.write(&mut patience, &say.drop_bytes_of, (job.as_str(), name)).await
    }

    /// Everything that was begun to be written for a job, whole or not: name and size.
    pub(super) async fn bytes_of(
        &self,
        job: &JobId,
    ) -> Result<Vec<(String, ByteCount)>, StoreError> {
        let say = &self.database().say.bytes_of;
        let mut patience = Patience::of("list bytes");
        let rows: Vec<(String, i64)> =
            self.database().rows(&mut patience, say, (job.as_str(),)).await?;
        Ok(rows.into_iter().map(|(name, size)| (name, ByteCount(natural(size)))).collect())
    }
}

/// The bytes of a file, a few pieces at a time.
fn windows(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Vec<u8>, StoreError>> + Send + use<>, StoreError> {
    let path = path.to_owned();
    let opened = File::open(&path).map_err(|error| fault::on_file("read", &path, error));
    let mut file = opened?;
    let next = move || {
        let mut bytes = Vec::with_capacity(WINDOW);
        let mut some = Read::by_ref(&mut file).take(WINDOW as u64);
        match blocking(|| some.read_to_end(&mut bytes)) {
            Ok(0) => None,
            Ok(_) => Some(Ok(bytes)),
            Err(error) => Some(Err(fault::on_file("read", &path, error))),
        }
    };
    Ok(std::iter::from_fn(next))
}

/// The bytes are gone or altered.
pub(super) fn lost(what: &str, job: &JobId) -> StoreError {
    let message = format!(
        "read {what} of job {job}: its bytes in the database are gone or altered; restore the \
         keyspace from a backup, or cancel the job and submit it again"
    );
    StoreError::new(Code::StoreCorrupt, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_where_its_bytes_lie() {
        for regions in ["", "eu", "eu-west.1,us_2"] {
            let home: Residency = regions.parse().expect(regions);
            let name = new_name("artifact-model", &home, false);
            assert_eq!((home_in(&name), is_object(&name)), (home.clone(), false), "{name}");
            let name = new_name("artifact-model", &home, true);
            assert_eq!(is_object(&name), home.is_anywhere(), "what is pinned is no object: {name}");
        }
        assert_eq!(home_in("checkpoint-3-100-01J9ZKT3"), Residency::default());
    }
}
