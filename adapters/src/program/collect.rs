//! What a program leaves in its folder `out`, taken over by name: plain files, few and bounded.
//!
//! Everything that it started is dead by now, so nothing changes while it is looked at. A link is
//! refused and not followed: it could name any file of this machine.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

use tgs_protocol::{
    code::Code,
    engine::EngineError,
    limits::{PROGRAM_FILES_BYTES_MAX, PROGRAM_FILES_MAX},
    program::{LOG_FILE, is_plain_name},
};

use crate::embedded::layout::SEALED_FILE;

/// Names that mean something among the results.
const TAKEN: [&str; 2] = [LOG_FILE, SEALED_FILE];

/// Moves the files into the folder of results; gives their names in order, or why none is taken.
///
/// # Errors
/// `CannotWrite` where they cannot be looked at or moved.
pub(super) fn collect(out: &Path, into: &Path) -> Result<Result<Vec<String>, String>, EngineError> {
    let (mut names, mut bytes) = (Vec::new(), 0_u64);
    for entry in fs::read_dir(out).map_err(cannot_read)? {
        let entry = entry.map_err(cannot_read)?;
        let (name, facts) = (entry.file_name(), entry.metadata().map_err(cannot_read)?);
        let shown = name.to_string_lossy().into_owned();
        // Another name of a file may lie anywhere, and be written to later.
        if !facts.is_file() || facts.nlink() != 1 {
            let why = "is no plain file of its own; leave files, no folders and no links";
            return Ok(Err(format!("out/{shown} {why}")));
        }
        if !name.to_str().is_some_and(is_plain_name) || TAKEN.contains(&&*shown) {
            let why = "has a name that is not taken; use letters, digits, . - _";
            return Ok(Err(format!("out/{shown} {why}")));
        }
        bytes = bytes.saturating_add(facts.len());
        names.push(shown);
        if names.len() > PROGRAM_FILES_MAX || bytes > PROGRAM_FILES_BYTES_MAX {
            let most = PROGRAM_FILES_BYTES_MAX >> 20;
            let limit = format!("{PROGRAM_FILES_MAX} files of {most} MiB");
            return Ok(Err(format!("out/ has more than {limit}; pack them")));
        }
    }
    names.sort();
    for name in &names {
        fs::rename(out.join(name), into.join(name)).map_err(cannot_read)?;
    }
    Ok(Ok(names))
}

fn cannot_read(error: io::Error) -> EngineError {
    let message = format!("take what the program left: {error}; check the data folder");
    EngineError::because(Code::CannotWrite, message, error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What is taken of a folder that this fills, or why nothing is.
    fn collected(fill: impl Fn(&Path)) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let (out, into) = (folder.path().join("out"), folder.path().join("into"));
        fs::create_dir(&out).expect("a folder");
        fs::create_dir(&into).expect("a folder");
        fill(&out);
        let names = collect(&out, &into).expect("it can be looked at").inspect_err(|_| {
            assert_eq!(fs::read_dir(&into).expect("ours").count(), 0, "nothing or all");
        })?;
        for name in &names {
            assert_eq!(fs::read(into.join(name)).expect("it was moved"), name.as_bytes());
        }
        Ok(names)
    }

    fn put(out: &Path, name: &str) {
        fs::write(out.join(name), name).expect("writes");
    }

    #[test]
    fn plain_files_are_taken_by_name() {
        assert_eq!(collected(|_| {}), Ok(vec![]));
        let two = collected(|out| ["b.bin", "a"].iter().for_each(|name| put(out, name)));
        assert_eq!(two, Ok(vec!["a".to_owned(), "b.bin".to_owned()]));
    }

    #[test]
    fn links_folders_and_odd_names_are_refused() {
        let refused = |fill: &dyn Fn(&Path), why: &str| {
            let told = collected(|out| {
                put(out, "fine");
                fill(out);
            });
            let told = told.expect_err(why);
            assert!(told.contains(why), "{told}");
        };
        refused(&|out| symlink("/etc/passwd", out.join("link")).expect("links"), "no plain file");
        refused(&|out| symlink("fine", out.join("link")).expect("links"), "no plain file");
        refused(&|out| fs::create_dir(out.join("folder")).expect("makes"), "no plain file");
        refused(&|out| put(out, ".hidden"), "not taken");
        refused(&|out| put(out, "two words"), "not taken");
        refused(&|out| put(out, LOG_FILE), "not taken");
        refused(&|out| put(out, SEALED_FILE), "not taken");
        let twice = |out: &Path| fs::hard_link(out.join("fine"), out.join("again"));
        refused(&|out| twice(out).expect("links"), "no plain file");
        let many = |out: &Path| (0..PROGRAM_FILES_MAX).for_each(|no| put(out, &no.to_string()));
        refused(&many, "pack them");
    }
}
