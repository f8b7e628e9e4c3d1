//! One process per data folder: an operating system lock on `<home>/lock`, which a killed process
//! cannot leave behind. The file holds the process id, for people.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{ErrorKind, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use tgs_protocol::{code::Code, limits::PROGRAM_GRACE_MS, store::StoreError};

use crate::{embedded::layout::Layout, fault};

/// How long programs of an earlier process may take to be ended: twice what they are given.
const KEEPERS_WAIT: Duration = Duration::from_millis(2 * PROGRAM_GRACE_MS + 5_000);

/// The held lock; released when dropped, or by the operating system when the process ends.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

impl FolderLock {
    /// Takes the lock, or says who has it.
    ///
    /// # Errors
    /// [`Code::DataFolderInUse`] if another process (or this one) has it, [`Code::CannotWrite`].
    pub fn take(layout: &Layout) -> Result<Self, StoreError> {
        let path = layout.lock();
        let cannot = |error| fault::on_file("lock", &path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(layout.home(), &path)),
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        file.set_len(0).map_err(cannot)?;
        file.rewind().map_err(cannot)?;
        // Only people read it: a full disk must not keep anyone out of their data.
        let _ = writeln!(file, "{}", std::process::id());
        Ok(Self { file })
    }
}

/// Waits until no program of an earlier process runs any more: each is being ended, and what it
/// still writes must not meet what is put right here, nor its next run.
///
/// # Errors
/// [`Code::DataFolderInUse`] if that takes longer than it may, [`Code::CannotWrite`].
pub fn wait_for_keepers(layout: &Layout) -> Result<(), StoreError> {
    let path = layout.keepers_lock();
    let cannot = |error| fault::on_file("lock", &path, error);
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(cannot)?,
    };
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return file.unlock().map_err(cannot),
            Err(TryLockError::WouldBlock) if began.elapsed() < KEEPERS_WAIT => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                let message = format!(
                    "open data folder {}: a program that an earlier process ran for a job is \
                     still being ended; try again, or end it yourself",
                    layout.home().display()
                );
                return Err(StoreError::new(Code::DataFolderInUse, message));
            }
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
    }
}

impl Drop for FolderLock {
    /// Said explicitly: closing alone releases it only once no process that was being started just
    /// now has a copy of the open file.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

fn in_use(home: &Path, path: &Path) -> StoreError {
    let mut text = String::new();
    let _ = fs::File::open(path).and_then(|file| file.take(32).read_to_string(&mut text));
    let holder = match text.trim().parse::<u32>() {
        Ok(pid) => format!("process {pid}"),
        Err(_) => "another process".to_owned(),
    };
    let message = format!(
        "open data folder {}: {holder} works in it; wait for it, or choose another folder",
        home.display()
    );
    StoreError::new(Code::DataFolderInUse, message)
}
