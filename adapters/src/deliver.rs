//! Hands a file to its user: whole under its name, or not at all.
//!
//! Written beside its place as `.<name>.tgs-part`, synced, renamed, the folder synced. An earlier
//! file of that name is replaced in one step; a failure leaves it as it was and no part behind.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use tgs_protocol::{code::Code, digest::Digest, store::StoreError};

use crate::{
    content,
    disk::{Disk, Readers, gone_is_fine, make_folders, rename_durably},
    fault,
};

/// Copies `from` to `to`, making missing folders above it; returns the digest of the bytes.
///
/// # Errors
/// [`Code::DiskFull`]; [`Code::CannotWrite`], also if `to` is no plain file; [`Code::StoreCorrupt`]
/// if `from` cannot be read.
pub fn deliver(disk: &dyn Disk, from: &Path, to: &Path) -> Result<Digest, StoreError> {
    let to = resolve(to)?;
    let Place { folder, whole, part } = place(&to)?;
    make_folders(disk, &folder, Readers::AsUsual)
        .map_err(|error| fault::on_file("make folder", &folder, error))?;
    let delivered = copy(disk, from, &part).and_then(|digest| {
        rename_durably(disk, &part, &whole).map_err(|error| fault::on_file("write", &to, error))?;
        Ok(digest)
    });
    if delivered.is_err() && fs::symlink_metadata(&part).is_ok() {
        // What is left when even this fails is overwritten by the next delivery.
        let _ = disk.remove_file(&part);
    }
    delivered
}

/// Undoes a delivery to `to`: removes what it left beside it when the process was killed, and what
/// stands there if it is `from`, byte for byte.
///
/// # Errors
/// [`Code::CannotWrite`].
pub fn take_back(disk: &dyn Disk, from: Option<&Path>, to: &Path) -> Result<(), StoreError> {
    // Where a delivery is refused nothing was ever written.
    let Ok(Place { folder, whole, part }) = resolve(to).and_then(|to| place(&to)) else {
        return Ok(());
    };
    let remove = |path: &Path| {
        gone_is_fine(disk.remove_file(path)).map_err(|error| fault::on_file("remove", path, error))
    };
    remove(&part)?;
    let Some(from) = from else { return Ok(()) };
    if are_alike(from, &whole).map_err(|error| fault::on_file("read", &whole, error))? {
        remove(&whole)?;
        disk.sync_folder(&folder).map_err(|error| fault::on_file("sync", &folder, error))?;
    }
    Ok(())
}

/// Whether both are there and hold the same bytes.
fn are_alike(one: &Path, other: &Path) -> io::Result<bool> {
    let facts = |path: &Path| fault::unless_damaged(fs::metadata(path));
    match (facts(one)?, facts(other)?) {
        (Some(a), Some(b)) if a.len() == b.len() => {
            Ok(content::of_file(one)? == content::of_file(other)?)
        }
        _ => Ok(false),
    }
}

/// Where a file goes: its folder, its name there, and what it is called until it is whole.
struct Place {
    folder: PathBuf,
    whole: PathBuf,
    part: PathBuf,
}

fn place(to: &Path) -> Result<Place, StoreError> {
    let Some(name) = to.file_name() else {
        return Err(refused(to, "it names no file"));
    };
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut part = OsString::from(".");
    part.push(name);
    part.push(".tgs-part");
    Ok(Place { whole: folder.join(name), part: folder.join(part), folder })
}

fn copy(disk: &dyn Disk, from: &Path, part: &Path) -> Result<Digest, StoreError> {
    let unreadable = |error| fault::unread(Code::StoreCorrupt, from, error);
    let cannot = |error| fault::on_file("write", part, error);
    let mut source = fs::File::open(from).map_err(unreadable)?;
    let file = disk.create(part, Readers::AsUsual).map_err(cannot)?;
    let (mut offset, mut failed) = (0, None);
    let copied = content::stream(&mut source, |piece| {
        let written = disk.write(&file, part, offset, piece);
        offset += piece.len() as u64;
        written.map_err(|error| {
            let kind = error.kind();
            failed = Some(error);
            io::Error::from(kind)
        })
    });
    let digest = match (copied, failed) {
        (_, Some(error)) => return Err(cannot(error)),
        (copied, None) => copied.map_err(unreadable)?.0,
    };
    disk.sync(&file, part).map_err(cannot)?;
    Ok(digest)
}

/// The plain file meant, with links followed; a folder, a device or a pipe is never replaced.
fn resolve(to: &Path) -> Result<PathBuf, StoreError> {
    let is_link = fs::symlink_metadata(to).is_ok_and(|facts| facts.is_symlink());
    let to = if is_link {
        fs::canonicalize(to).map_err(|error| fault::on_file("follow link", to, error))?
    } else {
        to.to_owned()
    };
    match fs::metadata(&to) {
        Ok(facts) if facts.is_dir() => Err(refused(&to, "a folder has that name")),
        Ok(facts) if !facts.is_file() => Err(refused(&to, "it is not a plain file")),
        _ => Ok(to),
    }
}

fn refused(to: &Path, why: &str) -> StoreError {
    let message = format!("write {}: {why}; choose another name", to.display());
    StoreError::new(Code::CannotWrite, message)
}
