//! A temporary folder that is removed even if the process that made it was killed.
//!
//! Its owner holds a lock in it, which the kernel releases when the owner dies. Whoever makes the
//! next folder removes those whose lock is free.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::process::getuid;

/// How their names begin.
const PREFIX: &str = "tgs-services-";
/// The lock in each.
const LOCK: &str = "owner";
/// A server that was killed may still be writing for a moment.
const REMOVALS_MAX: usize = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// A folder; removed when dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _owner: File,
}

impl Folder {
    /// Makes one, and removes those that nobody owns any more.
    ///
    /// # Panics
    /// When there is no room for it.
    pub fn new() -> Self {
        sweep();
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir().expect("a temporary folder");
        let path = made.keep();
        // The lock has its name only once it is held: nobody finds it free before.
        let beside = path.join("owner.new");
        let owner = File::create(&beside).expect("a file in a new folder");
        owner.lock().expect("the lock of a new file");
        fs::rename(&beside, path.join(LOCK)).expect("a name in a new folder");
        Self { path, _owner: owner }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes the folders whose owners are gone.
pub fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let is_named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // Of another user's no lock is ours to take.
        let is_ours = || entry.metadata().is_ok_and(|it| it.uid() == getuid().as_raw());
        if is_named && is_ours() {
            let lock = File::open(entry.path().join(LOCK));
            if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
                remove(&entry.path());
            }
        }
    }
}

/// What is left after the last attempt is removed by the next sweep: the lock goes last.
fn remove(path: &Path) {
    for _ in 0..REMOVALS_MAX {
        match remove_all_but_the_lock(path).and_then(|()| fs::remove_dir_all(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => thread::sleep(PAUSE),
            _ => return,
        }
    }
}

fn remove_all_but_the_lock(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false if entry.file_name() == LOCK => {}
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

#[test]
fn a_folder_is_removed_once_it_has_no_owner() {
    let owned = Folder::new();
    let orphan = Folder::new();
    let path = orphan.path().to_owned();
    fs::create_dir(path.join("data")).expect("a folder");
    // As if its owner had been killed: the lock is free, the folder stands.
    let Folder { _owner, .. } = &orphan;
    _owner.unlock().expect("our own lock");
    // Other tests sweep, too, and may be about to remove it.
    for _ in 0..REMOVALS_MAX {
        sweep();
        if !path.exists() {
            break;
        }
        thread::sleep(PAUSE);
    }
    assert!(!path.exists());
    assert!(owned.path().exists());
}
