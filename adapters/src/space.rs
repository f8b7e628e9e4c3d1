//! Room on a real disk.

use std::path::{Path, PathBuf};

use tgs_protocol::{code::Code, space::Space, store::StoreError, unit::ByteCount};

/// The disk that a folder lies on.
#[derive(Debug, Clone)]
pub struct DiskOf(PathBuf);

impl DiskOf {
    /// The disk of this folder.
    pub fn folder(folder: &Path) -> Self {
        Self(folder.to_owned())
    }
}

impl Space for DiskOf {
    fn free(&self) -> Result<ByteCount, StoreError> {
        let facts = rustix::fs::statvfs(&self.0).map_err(|error| {
            let said = format!("look at the disk of {}; check that it is there", self.0.display());
            StoreError::because(Code::CannotWrite, said, std::io::Error::from(error))
        })?;
        // What only the system's own user may use is not ours.
        Ok(ByteCount(facts.f_bavail.saturating_mul(facts.f_frsize)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_room_and_a_folder_that_is_not_there_has_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let free = DiskOf::folder(folder.path()).free().expect("a disk");
        assert!(free > ByteCount(0));
        let gone = DiskOf::folder(&folder.path().join("gone")).free();
        assert_eq!(gone.expect_err("no disk").code, Code::CannotWrite);
    }
}
