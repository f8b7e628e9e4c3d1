//! Rows and records as the database holds them: JSON.

use serde::{Serialize, de::DeserializeOwned};
use tgs_protocol::store::StoreError;

use super::trouble::damaged;
use crate::fault;

/// A value as it is written; `what` names it in words that follow "write".
pub(super) fn encode(value: &impl Serialize, what: &str) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|_| fault::internal(format!("write {what}: no JSON")))
}

/// And back; `what` follows "read".
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|_| damaged(what))
}
