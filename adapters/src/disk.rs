//! Everything that changes a file goes through this port, so that tests can fail, stop or lose any
//! single step of it. The methods given here are the real thing; a test overrides them.
//!
//! The commit protocol of every file: written under a temporary name, synced, renamed, the folder
//! synced. Files and folders of the store are for their owner only: they hold private data.

pub mod power_cut;
pub mod stepped;

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Permissions of files in the store.
const FILE_MODE: u32 = 0o600;
/// Permissions of folders in the store.
const FOLDER_MODE: u32 = 0o700;

/// Who may read a new file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner.
    Owner,
    /// Whoever the user's settings (umask) permit: for files a user asked for.
    AsUsual,
}

/// The acts that change a file system.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Makes one folder; it must not exist.
    fn make_folder(&self, folder: &Path, readers: Readers) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        if readers == Readers::Owner {
            builder.mode(FOLDER_MODE);
        }
        builder.create(folder)
    }
    /// Makes an empty file, or empties the one of this name, and opens it.
    fn create(&self, file: &Path, readers: Readers) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        if readers == Readers::Owner {
            options.mode(FILE_MODE);
        }
        options.open(file)
    }
    /// Writes all of these bytes at this place; `path` is the name that `file` was opened by.
    fn write(&self, file: &File, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let _ = path;
        file.write_all_at(bytes, offset)
    }
    /// Shortens or lengthens a file; what is new is zero.
    fn set_len(&self, file: &File, path: &Path, len: u64) -> io::Result<()> {
        let _ = path;
        file.set_len(len)
    }
    /// Returns when the file's bytes survive a power cut.
    fn sync(&self, file: &File, path: &Path) -> io::Result<()> {
        let _ = path;
        file.sync_all()
    }
    /// Returns when the names in a folder survive a power cut.
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
    /// Gives another name, in place of what has that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
    /// Removes a file.
    fn remove_file(&self, file: &Path) -> io::Result<()> {
        fs::remove_file(file)
    }
    /// Removes an empty folder.
    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        fs::remove_dir(folder)
    }
    /// Keeps a file or folder that others made for its owner.
    fn keep_private(&self, path: &Path) -> io::Result<()> {
        let mode = if path.is_dir() { FOLDER_MODE } else { FILE_MODE };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }
}

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {}

/// Makes a folder and all above it that are missing; they survive a power cut.
pub fn make_folders(disk: &dyn Disk, folder: &Path, readers: Readers) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make_folders(disk, above, readers)?;
    }
    match disk.make_folder(folder, readers) {
        // Another thread was faster; both sync.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        made => made?,
    }
    disk.sync_folder(above.unwrap_or(Path::new(".")))
}

/// Writes a whole file under this name and syncs it; its name is not durable yet.
pub fn write_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = disk.create(path, Readers::Owner)?;
    disk.write(&file, path, 0, bytes)?;
    disk.sync(&file, path)
}

/// Renames, and returns when both folders survive a power cut.
pub fn rename_durably(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    disk.rename(from, to)?;
    let (left, entered) = (from.parent(), to.parent());
    if let Some(entered) = entered {
        disk.sync_folder(entered)?;
    }
    match left.filter(|left| Some(*left) != entered) {
        Some(left) => disk.sync_folder(left),
        None => Ok(()),
    }
}

/// A removal that found nothing has done what was asked.
pub fn gone_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes a folder if nothing is in it; true if it is gone.
pub fn remove_if_empty(disk: &dyn Disk, folder: &Path) -> io::Result<bool> {
    use io::ErrorKind::{DirectoryNotEmpty, NotFound};
    match disk.remove_folder(folder) {
        Err(error) if error.kind() == DirectoryNotEmpty => Ok(false),
        Err(error) if error.kind() != NotFound => Err(error),
        _ => Ok(true),
    }
}

/// Removes a file or a folder with all in it; nothing there is fine. What a program made may be
/// closed to its owner, or deeper than a path may be long.
pub fn remove_tree(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidFilename, PermissionDenied};
    match remove_tame_tree(disk, path) {
        Err(error) if matches!(error.kind(), InvalidFilename | PermissionDenied) => {
            remove_wild_tree(path)
        }
        removed => removed,
    }
}

/// The same of whatever anybody made: each folder is opened to its owner, and what is below it
/// comes up beside the whole before its turn, so that no path is longer than the first ones.
pub fn remove_wild_tree(path: &Path) -> io::Result<()> {
    let is_folder = |path: &Path| fs::symlink_metadata(path).map(|facts| facts.is_dir());
    match is_folder(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(false) => return gone_is_fine(fs::remove_file(path)),
        known => drop(known?),
    }
    let mut raised = 0_u64;
    open_up(path)?;
    loop {
        let mut is_flat = true;
        for entry in fs::read_dir(path)? {
            let folder = entry?.path();
            if !is_folder(&folder)? {
                fs::remove_file(folder)?;
                continue;
            }
            is_flat = false;
            open_up(&folder)?;
            for entry in fs::read_dir(&folder)? {
                let entry = entry?.path();
                if is_folder(&entry)? {
                    open_up(&entry)?; // A folder must be writable itself to get another parent.
                }
                // Whoever filled the folder may have thought of our names.
                let mut names = (raised..).map(|no| (no, path.join(format!("raised-{no}"))));
                let free = names.find(|(_, name)| fs::symlink_metadata(name).is_err());
                if let Some((no, name)) = free {
                    raised = no + 1;
                    fs::rename(entry, name)?;
                }
            }
            fs::remove_dir(folder)?;
        }
        if is_flat {
            return fs::remove_dir(path);
        }
    }
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(FOLDER_MODE))
}

fn remove_tame_tree(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let facts = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        facts => facts?,
    };
    if !facts.is_dir() {
        return gone_is_fine(disk.remove_file(path));
    }
    for entry in fs::read_dir(path)? {
        remove_tame_tree(disk, &entry?.path())?;
    }
    gone_is_fine(disk.remove_folder(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Closed, deep, full of links, and of the very names that folders are given on their way up.
    #[test]
    fn whatever_anybody_made_is_removed() {
        let beside = tempfile::tempdir().expect("a folder");
        let (tree, kept) = (beside.path().join("tree"), beside.path().join("kept"));
        fs::write(&kept, "x").expect("ours");
        let mut deep = tree.clone();
        for _ in 0..200 {
            deep.push("a-folder");
        }
        fs::create_dir_all(&deep).expect("ours");
        for no in 0..5 {
            let taken = tree.join(format!("raised-{no}/full"));
            fs::create_dir_all(&taken).expect("ours");
        }
        fs::write(tree.join("raised-5"), "x").expect("ours");
        std::os::unix::fs::symlink(&kept, deep.join("link")).expect("ours");
        for closed in [&deep, &tree.join("raised-1"), &tree] {
            fs::set_permissions(closed, fs::Permissions::from_mode(0o500)).expect("ours");
        }
        remove_wild_tree(&tree).expect("it is removed");
        assert!(!tree.exists());
        assert!(kept.exists(), "a link is not followed");
        remove_wild_tree(&tree).expect("nothing there is fine");
    }
}
