//! What files hold, by digest: of one file, and of a folder of files.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tgs_protocol::{digest::Digest, unit::ByteCount};

/// Bytes read at a time: large enough that system calls do not matter, small beside any cache.
const READ_BYTES: usize = 256 * 1024;

/// One file of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Its path from the folder, with `/` between parts.
    pub name: String,
    /// Its size.
    pub size: ByteCount,
    /// Digest of its bytes.
    pub digest: Digest,
}

/// Digest and size of a file, read as a stream.
pub fn of_file(path: &Path) -> io::Result<(Digest, ByteCount)> {
    stream(&mut File::open(path)?, |_| Ok(()))
}

/// Hands every piece of a stream on and returns digest and size of it all.
pub fn stream(
    from: &mut impl Read,
    mut hand_on: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(Digest, ByteCount)> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            return Ok((Digest::from_bytes(hash.finalize().into()), ByteCount(size)));
        }
        let piece = buffer.get(..read).unwrap_or_default();
        hash.update(piece);
        hand_on(piece)?;
        size += read as u64;
    }
}

/// Every file of a folder, in order of name. Anything but files and folders is an error.
pub fn of_folder(folder: &Path) -> io::Result<Vec<FileFacts>> {
    let sizes = sizes_of_folder(folder)?.into_keys();
    let facts = sizes.map(|name| {
        let (digest, size) = of_file(&folder.join(&name))?;
        Ok(FileFacts { name, size, digest })
    });
    facts.collect()
}

/// Names and sizes alone.
pub fn sizes_of_folder(folder: &Path) -> io::Result<BTreeMap<String, ByteCount>> {
    let mut files = BTreeMap::new();
    walk(folder, "", &mut files)?;
    Ok(files)
}

/// One digest over names and bytes of these files.
pub fn digest(files: &[FileFacts]) -> Digest {
    let mut hash = Sha256::new();
    for file in files {
        hash.update((file.name.len() as u64).to_le_bytes());
        hash.update(file.name.as_bytes());
        hash.update(file.size.get().to_le_bytes());
        hash.update(file.digest.as_bytes());
    }
    Digest::from_bytes(hash.finalize().into())
}

fn walk(folder: &Path, prefix: &str, files: &mut BTreeMap<String, ByteCount>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let name = entry.file_name().into_string().map_err(|name| {
            let message = format!("the name {} is not valid Unicode", name.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })?;
        let name = format!("{prefix}{name}");
        if kind.is_dir() {
            walk(&entry.path(), &format!("{name}/"), files)?;
        } else if kind.is_file() {
            files.insert(name, ByteCount(entry.metadata()?.len()));
        } else {
            let message = format!("{name} is neither a file nor a folder");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
    }
    Ok(())
}
