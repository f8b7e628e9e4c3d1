//! A small file system of its own, to be really full; gone when dropped.

use std::{path::Path, process::Command};

use tempfile::TempDir;

use crate::skipping::skipped;

/// A mounted tmpfs.
#[derive(Debug)]
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// One of this size; none where this user may not mount, which it says.
    ///
    /// # Panics
    /// When there is no room for a temporary folder.
    pub fn of_kibibytes(size: u32) -> Option<Self> {
        let disk = Self(TempDir::new().expect("a temporary folder"));
        let is_mounted = disk.mount(&format!("size={size}k"));
        if !is_mounted {
            skipped("a disk that really is full", "this user may not mount a small file system");
        }
        is_mounted.then_some(disk)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes it larger.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn grow_to_kibibytes(&self, size: u32) {
        assert!(self.mount(&format!("remount,size={size}k")), "it was mounted before");
    }

    fn mount(&self, options: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tgs-small"]).arg(self.path());
        mount.output().is_ok_and(|done| done.status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).output();
    }
}
