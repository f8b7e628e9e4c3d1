//! What can go wrong inside a transaction, and which of our codes it is.

use std::{io, path::Path};

use tgs_protocol::{code::Code, store::StoreError};

use crate::fault;

/// A failure inside a transaction.
#[derive(Debug)]
pub enum Trouble {
    /// Already in our words; the transaction is undone, the store goes on.
    Store(StoreError),
    /// In redb's words; the store must be opened again.
    Redb(redb::Error),
    /// redb met what it thought impossible: the file is damaged.
    Panic(String),
}

impl Trouble {
    /// Turns a failed act on a file of the store into trouble.
    pub fn on(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Store(fault::on_file("open", path, error))
    }

    /// Whether redb will not go on after it.
    pub fn is_redbs(&self) -> bool {
        !matches!(self, Self::Store(_))
    }

    /// Whether it only tells of an earlier one: whoever met that knows what it was.
    pub fn is_echo(&self) -> bool {
        use redb::Error::{DatabaseClosed, PreviousIo};
        matches!(self, Self::Redb(PreviousIo | DatabaseClosed))
    }

    /// In our words.
    pub fn into_store_error(self, act: &str, path: &Path) -> StoreError {
        let error = match self {
            Self::Store(error) => return error,
            Self::Panic(said) => return corrupt(act, path, said.into()),
            Self::Redb(error) => error,
        };
        match error {
            redb::Error::Io(error) if fault::is_torn(&error) => corrupt(act, path, error.into()),
            redb::Error::Io(error) => fault::on_file(act, path, error),
            redb::Error::DatabaseAlreadyOpen => {
                let message =
                    format!("{act} {}: another process has it open; wait for it", path.display());
                StoreError::new(Code::DataFolderInUse, message)
            }
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
                let message = format!(
                    "{act} {}: an earlier write failed; check that disk, then resume",
                    path.display()
                );
                StoreError::because(Code::CannotWrite, message, error)
            }
            error => corrupt(act, path, error.into()),
        }
    }
}

fn corrupt(act: &str, path: &Path, source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    let remedy = "restore the data folder from a copy, or work in a new one";
    let message = format!("{act} {}: the store is damaged ({source}); {remedy}", path.display());
    StoreError::because(Code::StoreCorrupt, message, source)
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for Trouble {
            fn from(error: redb::$error) -> Self {
                Self::Redb(error.into())
            }
        })*
    };
}

from_redb!(
    CommitError,
    DatabaseError,
    SetDurabilityError,
    StorageError,
    TableError,
    TransactionError
);
