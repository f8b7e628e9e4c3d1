//! A disk that fails at one chosen step: to show that no single step of a store is the one that
//! must not fail.

use std::{
    fs::File,
    io,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::disk::{Disk, Readers, RealDisk};

/// How the chosen step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It fails like this; the steps after it succeed.
    Once(io::ErrorKind),
    /// The process dies there: no later step takes place either. A write is torn in the middle.
    Death,
}

/// The real disk, until one step.
#[derive(Debug)]
pub struct Stepped {
    fails_at: u64,
    failure: Failure,
    taken: AtomicU64,
    syncs: bool,
}

impl Stepped {
    /// Fails at this step, counted from 0.
    pub fn new(fails_at: u64, failure: Failure) -> Self {
        Self { fails_at, failure, taken: AtomicU64::new(0), syncs: true }
    }

    /// Never fails, and leaves syncing out: for looking at what another disk left.
    pub fn quick() -> Self {
        let failure = Failure::Death;
        Self { fails_at: u64::MAX, failure, taken: AtomicU64::new(0), syncs: false }
    }

    /// The same, without syncing: nothing a killed process does can be told apart by it.
    #[must_use]
    pub fn without_syncing(mut self) -> Self {
        self.syncs = false;
        self
    }

    /// Whether the chosen step was reached.
    pub fn has_failed(&self) -> bool {
        self.taken.load(Ordering::SeqCst) > self.fails_at
    }

    /// Counts a step; fails if it is one that must.
    fn step(&self) -> io::Result<()> {
        let no = self.taken.fetch_add(1, Ordering::SeqCst);
        match self.failure {
            Failure::Once(kind) if no == self.fails_at => Err(kind.into()),
            Failure::Death if no >= self.fails_at => Err(io::Error::other("the process is dead")),
            _ => Ok(()),
        }
    }
}

impl Disk for Stepped {
    fn make_folder(&self, folder: &Path, readers: Readers) -> io::Result<()> {
        self.step()?;
        RealDisk.make_folder(folder, readers)
    }
    fn create(&self, file: &Path, readers: Readers) -> io::Result<File> {
        self.step()?;
        RealDisk.create(file, readers)
    }
    fn write(&self, file: &File, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let is_torn = self.taken.load(Ordering::SeqCst) == self.fails_at;
        if is_torn {
            let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
            RealDisk.write(file, path, offset, half)?;
        }
        self.step()?;
        RealDisk.write(file, path, offset, bytes)
    }
    fn set_len(&self, file: &File, path: &Path, len: u64) -> io::Result<()> {
        self.step()?;
        RealDisk.set_len(file, path, len)
    }
    fn sync(&self, file: &File, path: &Path) -> io::Result<()> {
        self.step()?;
        if self.syncs { RealDisk.sync(file, path) } else { Ok(()) }
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        if self.syncs { RealDisk.sync_folder(folder) } else { Ok(()) }
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.rename(from, to)
    }
    fn remove_file(&self, file: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.remove_file(file)
    }
    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.remove_folder(folder)
    }
}
