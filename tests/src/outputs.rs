//! Everything a job released, by digest: what "the same bytes" is checked on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use tgs_protocol::digest::Digest;

/// Every file below a folder, by its path inside and the digest of its bytes.
///
/// # Panics
/// When a file cannot be read.
pub fn digests(folder: &Path) -> BTreeMap<PathBuf, Digest> {
    let mut found = BTreeMap::new();
    collect(folder, folder, &mut found);
    found
}

/// Every file of a data folder by its path inside, with the job's name left out.
///
/// # Panics
/// When a folder cannot be read.
pub fn names_at_home(home: &Path) -> BTreeSet<String> {
    let without_job = |path: PathBuf| {
        let parts = path.iter().enumerate().filter(|(at, _)| *at != 1);
        parts.map(|(_, part)| part.to_string_lossy()).collect::<Vec<_>>().join("/")
    };
    digests(home).into_keys().map(without_job).collect()
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Digest>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| {
        panic!("read {}: {error}", folder.display());
    });
    for entry in entries {
        let path = entry.expect("a folder of this test").path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            let bytes = fs::read(&path).expect("a file of this test");
            let inside = path.strip_prefix(root).expect("found below the root").to_owned();
            found.insert(inside, Digest::of(&bytes));
        }
    }
}
