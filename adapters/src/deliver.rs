//! Hands a file to its user: whole under its name, or not at all; and takes it back.
//!
//! Written beside its place under a name that no other job uses, synced, renamed, the folder
//! synced. An earlier file of that name is replaced in one step; a failure leaves it as it was and
//! no part behind. Before anything is left, a note of the job says what it will be, so that a job
//! that is cancelled takes back its own files, and never another's of the same name and bytes.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tgs_protocol::{
    code::Code,
    digest::Digest,
    id::JobId,
    kept::Kept,
    store::{Delivered, StoreError},
    unit::ByteCount,
};

use crate::{
    content,
    disk::{Disk, Readers, gone_is_fine, make_folders, remove_if_empty, rename_durably},
    fault,
    fence::Fenced,
};

/// What a job's deliveries to one place have left, or are about to leave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// How many folders above the file were made for it, from its own upwards.
    folders_made: usize,
    /// Files that got their place, or were about to.
    left: Vec<Left>,
}

/// One file, told from another that has its name and bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    device: u64,
    inode: u64,
    written_s: i64,
    written_ns: i64,
    digest: Digest,
}

impl Left {
    fn of(facts: &fs::Metadata, digest: Digest) -> Self {
        Self {
            device: facts.dev(),
            inode: facts.ino(),
            written_s: facts.mtime(),
            written_ns: facts.mtime_nsec(),
            digest,
        }
    }
}

/// Where the note of one place is kept, as long as the job may be taken back.
pub trait Notes {
    /// The note as it stands, if one was made.
    fn read(&self) -> Result<Option<Note>, StoreError>;
    /// Makes a note durable.
    fn write(&self, note: &Note) -> Result<(), StoreError>;
}

/// Copies `from` to `to`, making missing folders above it; gives the digest of the bytes. It gets
/// its name only if `is_newest` says just before that the lease still is.
///
/// # Errors
/// [`Code::DiskFull`]; [`Code::CannotWrite`], also if `to` is no plain file; [`Code::StoreCorrupt`]
/// if `from` cannot be read.
pub fn deliver(
    disk: &dyn Disk,
    notes: &dyn Notes,
    job: &JobId,
    from: &Path,
    to: &Path,
    is_newest: &dyn Fn() -> Result<Fenced<()>, StoreError>,
) -> Result<Delivered, StoreError> {
    let whole = resolve(to)?;
    let Place { folder, part } = place(job, &whole)?;
    let mut note = notes.read()?.unwrap_or_default();
    note.folders_made = note.folders_made.max(missing(&folder));
    notes.write(&note)?;
    make_folders(disk, &folder, Readers::AsUsual)
        .map_err(|error| fault::on_file("make folder", &folder, error))?;
    let delivered = copy(disk, from, &part).and_then(|digest| {
        let cannot = |error| fault::on_file("write", &whole, error);
        note.left.push(Left::of(&fs::metadata(&part).map_err(cannot)?, digest));
        notes.write(&note)?;
        if let Fenced::Overtaken(by) = is_newest()? {
            return Ok(Delivered::Overtaken { by });
        }
        rename_durably(disk, &part, &whole).map_err(cannot)?;
        Ok(Delivered::Done(digest))
    });
    let is_done = matches!(delivered, Ok(Delivered::Done(_)));
    if !is_done && fs::symlink_metadata(&part).is_ok() {
        // What is left when even this fails is overwritten by the next delivery.
        let _ = disk.remove_file(&part);
    }
    delivered
}

/// Undoes a job's deliveries to `to`: removes what they left beside the place when the process was
/// killed, what stands there if it is theirs and as it was, and folders that were made for it and
/// are empty. Idempotent.
///
/// # Errors
/// [`Code::CannotWrite`].
pub fn take_back(
    disk: &dyn Disk,
    note: Option<&Note>,
    job: &JobId,
    to: &Path,
) -> Result<(), StoreError> {
    // A folder may stand there now: then it is no file of ours, but a part may lie beside it.
    let whole = resolve(to).unwrap_or_else(|_| to.to_owned());
    let (Some(note), Ok(Place { folder, part })) = (note, place(job, &whole)) else {
        return Ok(());
    };
    let remove = |path: &Path| {
        gone_is_fine(disk.remove_file(path)).map_err(|error| fault::on_file("remove", path, error))
    };
    if fs::symlink_metadata(&part).is_ok() {
        remove(&part)?;
    }
    if is_one_of(&note.left, &whole).map_err(|error| fault::on_file("read", &whole, error))? {
        remove(&whole)?;
        disk.sync_folder(&folder).map_err(|error| fault::on_file("sync", &folder, error))?;
    }
    let made = folder.ancestors().take(note.folders_made);
    for folder in made.filter(|folder| folder.is_dir()) {
        remove_if_empty(disk, folder).map_err(|error| fault::on_file("remove", folder, error))?;
    }
    Ok(())
}

/// Where a delivered file lies on this machine: what the house keeps, below its folder of results.
pub fn place_of(results: &Path, to: &Path) -> PathBuf {
    match Kept::of(to) {
        Some(Kept::Result(kept)) => results.join(kept),
        _ => to.to_owned(),
    }
}

/// Removes a file below a folder of results, and folders there that it leaves empty; idempotent.
///
/// # Errors
/// [`Code::CannotWrite`].
pub fn drop_kept(disk: &dyn Disk, results: &Path, kept: &Path) -> Result<(), StoreError> {
    let file = results.join(kept);
    gone_is_fine(disk.remove_file(&file))
        .map_err(|error| fault::on_file("remove", &file, error))?;
    for folder in file.ancestors().skip(1).take_while(|it| *it != results) {
        let is_gone = remove_if_empty(disk, folder)
            .map_err(|error| fault::on_file("remove", folder, error))?;
        if !is_gone {
            break;
        }
    }
    Ok(())
}

/// The sizes of plain files, none where there is none.
///
/// # Errors
/// [`Code::CannotWrite`] if the system does not let us look.
pub fn sizes(files: impl Iterator<Item = PathBuf>) -> Result<Vec<Option<ByteCount>>, StoreError> {
    let size = |file: PathBuf| {
        let facts = fault::unless_damaged(fs::metadata(&file));
        let facts = facts.map_err(|error| fault::on_file("look at", &file, error))?;
        Ok(facts.filter(fs::Metadata::is_file).map(|facts| ByteCount(facts.len())))
    };
    files.map(size).collect()
}

/// Whether the file there is one that was left, with the bytes that it had.
fn is_one_of(left: &[Left], whole: &Path) -> io::Result<bool> {
    let Some(facts) = fault::unless_damaged(fs::symlink_metadata(whole))? else { return Ok(false) };
    let is_it = |left: &&Left| Left::of(&facts, left.digest) == **left;
    match left.iter().find(is_it) {
        Some(left) if facts.is_file() => Ok(content::of_file(whole)?.0 == left.digest),
        _ => Ok(false),
    }
}

/// How many folders would have to be made.
fn missing(folder: &Path) -> usize {
    folder.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).count()
}

/// The folder of a file, and what the file is called there until it is whole.
struct Place {
    folder: PathBuf,
    part: PathBuf,
}

fn place(job: &JobId, whole: &Path) -> Result<Place, StoreError> {
    let Some(name) = whole.file_name() else {
        return Err(refused(whole, "it names no file"));
    };
    let folder = match whole.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    // Two jobs that deliver to one place at the same time must not write into one file.
    let mark = Digest::of(&[job.as_str().as_bytes(), b"/", name.as_encoded_bytes()].concat());
    Ok(Place { part: folder.join(format!(".{}.tgs-part", mark.short())), folder })
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
