//! Rows and records as the database holds them: JSON.

use serde::{Serialize, de::DeserializeOwned};
use tgs_protocol::{
    store::StoreError,
    stored::{self, Unread},
};

use super::trouble::damaged;
use crate::fault;

/// A value as it is written; `what` names it in words that follow "write".
pub(super) fn encode(value: &impl Serialize, what: &str) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|_| fault::internal(format!("write {what}: no JSON")))
}

/// And back; `what` follows "read". It is read whole or not at all: whoever reads it may write it
/// back, or decide by it.
pub(super) fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    what: &str,
) -> Result<T, StoreError> {
    stored::read(bytes).map_err(|unread| not_read(what, unread))
}

/// The same of what is only handed on: fields of it that are not known are left out.
pub(super) fn decode_known<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| not_read(what, error.into()))
}

/// Why a record is not read; `what` follows "read".
pub(super) fn not_read(what: &str, unread: Unread) -> StoreError {
    match unread {
        Unread::Damaged(_) => damaged(what),
        Unread::Newer(unknown) => fault::too_new(what, &unknown),
    }
}
