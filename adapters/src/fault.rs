//! From what the operating system says to errors that users can act upon: code, act, place, remedy.

use std::{io, path::Path};

use tgs_protocol::{code::Code, store::StoreError};

/// A failed act on a file.
pub fn on_file(act: &str, path: &Path, error: io::Error) -> StoreError {
    let (code, remedy) = if is_full(&error) {
        (Code::DiskFull, "make room there, then resume")
    } else {
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                (Code::CannotWrite, "give this user the right to read and write there, then resume")
            }
            io::ErrorKind::NotFound => {
                (Code::CannotWrite, "put back the folder that is gone, then resume")
            }
            _ => (Code::CannotWrite, "check that disk, then resume"),
        }
    };
    StoreError::because(code, format!("{act} {}: {error}; {remedy}", path.display()), error)
}

/// A file of the store that is missing, short or altered.
pub fn damaged(code: Code, what: &str, path: &Path) -> StoreError {
    let remedy = "restore the data folder from a copy and resume, or cancel the job and submit it \
                  again";
    StoreError::new(code, format!("read {}: {what}; {remedy}", path.display()))
}

/// A file of the store that could not be read: damage if the error tells of it, else something
/// that may pass or be mended.
pub fn unread(code: Code, path: &Path, error: io::Error) -> StoreError {
    if is_damage(&error) {
        damaged(code, &error.to_string(), path)
    } else {
        on_file("read", path, error)
    }
}

/// What was read; none if the error tells that it is gone or torn.
pub fn unless_damaged<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if is_damage(&error) => Ok(None),
        read => read.map(Some),
    }
}

/// Whether an error tells that bytes are others than were written.
pub fn is_torn(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn is_damage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || is_torn(error)
}

/// A record of a store that a newer version wrote: what of it this one does not know.
pub fn too_new(what: &str, unknown: &str) -> StoreError {
    let message = format!(
        "read {what}: a newer version of tgs wrote it, and this one does not know {unknown}; use \
         the newer version, in a cluster go on with the upgrade"
    );
    StoreError::new(Code::StoreTooNew, message)
}

/// A fault of ours.
pub fn internal(message: impl Into<String>) -> StoreError {
    StoreError::new(Code::Internal, message.into())
}

/// Whether the disk or the user's share of it is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
