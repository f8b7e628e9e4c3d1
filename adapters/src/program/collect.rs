//! What a program leaves in its folder `out`, taken over by name: plain files, few and bounded.
//!
//! Everything that it started is dead by now, so nothing changes while it is looked at. A link is
//! refused and not followed: it could name any file of this machine.

use std::{fs, io, path::Path};

use tgs_protocol::{
    code::Code,
    engine::EngineError,
    limits::{PROGRAM_FILES_BYTES_MAX, PROGRAM_FILES_MAX},
    program::{LOG_FILE, is_plain_name},
};

/// Moves the files into the folder of results; gives their names in order.
///
/// # Errors
/// `ProgramFailed` for anything but plain files, and for too many or too much.
pub(super) fn collect(out: &Path, into: &Path) -> Result<Vec<String>, EngineError> {
    let (mut names, mut bytes) = (Vec::new(), 0_u64);
    for entry in fs::read_dir(out).map_err(cannot_read)? {
        let entry = entry.map_err(cannot_read)?;
        let name = entry.file_name();
        let shown = name.to_string_lossy().into_owned();
        let is_file = entry.file_type().map_err(cannot_read)?.is_file();
        if !is_file {
            return Err(refuse(&shown, "is no plain file; leave files, no folders and no links"));
        }
        if !name.to_str().is_some_and(is_plain_name) || shown == LOG_FILE {
            return Err(refuse(&shown, "has a name that is not taken; use letters, digits, . - _"));
        }
        bytes = bytes.saturating_add(entry.metadata().map_err(cannot_read)?.len());
        names.push(shown);
    }
    let most = PROGRAM_FILES_BYTES_MAX >> 20;
    if names.len() > PROGRAM_FILES_MAX || bytes > PROGRAM_FILES_BYTES_MAX {
        let what = format!("has {} files of {bytes} bytes", names.len());
        let limit = format!("at most {PROGRAM_FILES_MAX} files of {most} MiB are taken; pack them");
        return Err(refuse("", &format!("{what}; {limit}")));
    }
    names.sort();
    for name in &names {
        fs::rename(out.join(name), into.join(name)).map_err(cannot_read)?;
    }
    Ok(names)
}

fn refuse(name: &str, why: &str) -> EngineError {
    EngineError::new(Code::ProgramFailed, format!("take what the program left: out/{name} {why}"))
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
        let names = collect(&out, &into).map_err(|error| {
            assert_eq!(error.code(), Some(Code::ProgramFailed));
            assert_eq!(fs::read_dir(&into).expect("ours").count(), 0, "nothing or all");
            error.to_string()
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
        let many = |out: &Path| (0..PROGRAM_FILES_MAX).for_each(|no| put(out, &no.to_string()));
        refused(&many, "pack them");
    }
}
