//! How much of the disk a program's folder takes, looked at now and then.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tgs_protocol::limits::{PROGRAM_FOLDER_BYTES_MAX, PROGRAM_FOLDER_ENTRIES_MAX};

/// Looks that are dear become rare: no more than this part of the time is spent on them.
const SHARE: u32 = 20;
const PERIOD: Duration = Duration::from_secs(2);

/// The looks at one folder.
pub(super) struct Usage {
    folder: PathBuf,
    next: Instant,
}

impl Usage {
    pub(super) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), next: Instant::now() + PERIOD }
    }

    /// Whether it holds more than it may, as far as can be seen: the program is at work in it.
    pub(super) fn is_too_much(&mut self) -> bool {
        let begun = Instant::now();
        if begun < self.next {
            return false;
        }
        let is_too_much = !is_within(&self.folder, PROGRAM_FOLDER_BYTES_MAX);
        self.next = Instant::now() + PERIOD.max(begun.elapsed() * SHARE);
        is_too_much
    }
}

/// Whether a folder and all below it take no more than these bytes of the disk, and hold no more
/// than [`PROGRAM_FOLDER_ENTRIES_MAX`].
fn is_within(folder: &Path, bytes_max: u64) -> bool {
    let (mut bytes, mut entries) = (0_u64, 0_usize);
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            // Of links it is the link itself.
            let Ok(facts) = entry.metadata() else { continue };
            bytes = bytes.saturating_add(facts.blocks().saturating_mul(512));
            entries += 1;
            if bytes > bytes_max || entries > PROGRAM_FOLDER_ENTRIES_MAX {
                return false;
            }
            if facts.is_dir() {
                open.push(entry.path());
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_counts_and_holes_do_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("a/b");
        fs::create_dir_all(&below).expect("ours");
        let holes = fs::File::create(folder.path().join("holes")).expect("ours");
        holes.set_len(1 << 30).expect("a sparse file");
        assert!(is_within(folder.path(), 1 << 20));
        fs::write(below.join("full"), vec![1; 2 << 20]).expect("ours");
        assert!(!is_within(folder.path(), 1 << 20));
        assert!(is_within(folder.path(), 4 << 20));
    }
}
