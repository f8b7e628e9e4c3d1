//! The redb file behind the [`Disk`] port, so that a test can fail or lose each of its writes too.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::StorageBackend;

use crate::disk::{Disk, Readers};

/// One open redb file. It takes no lock: the data folder's lock keeps everyone else out.
#[derive(Debug)]
pub struct DiskBackend {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: File,
}

impl DiskBackend {
    /// A new file, emptied if there is one.
    pub fn create(disk: Arc<dyn Disk>, path: &Path) -> io::Result<Self> {
        let file = disk.create(path, Readers::Owner)?;
        Ok(Self { disk, path: path.to_owned(), file })
    }
    /// An existing file.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self { disk, path: path.to_owned(), file })
    }
}

impl StorageBackend for DiskBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(&self.file, &self.path, len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.disk.sync(&self.file, &self.path)
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write(&self.file, &self.path, offset, data)
    }
}
