//! Calls to stores have a bound: a silent store is an error like another. A store that does its
//! work where it is called (the embedded one) is bounded by its disk instead.

use std::{future::Future, time::Duration};

use tgs_protocol::{
    code::Code,
    limits::{STORE_ANSWER_MS, STORE_TRANSFER_MS},
    store::StoreError,
};

/// What was read; none where a newer version wrote it: nodes of that version see to it.
pub(crate) fn unless_newer<T>(
    read: Result<Option<T>, StoreError>,
) -> Result<Option<T>, StoreError> {
    match read {
        Err(error) if error.code == Code::StoreTooNew => Ok(None),
        read => read,
    }
}

/// A question or a small write.
pub(crate) async fn answer<T>(
    what: &str,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    within(STORE_ANSWER_MS, what, call).await
}

/// Many bytes on their way to or from a store.
pub(crate) async fn transfer<T>(
    what: &str,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    within(STORE_TRANSFER_MS, what, call).await
}

pub(crate) async fn within<T>(
    limit_ms: u64,
    what: &str,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(Duration::from_millis(limit_ms), call).await.unwrap_or_else(|_| {
        let said = format!("{what}: the store did not answer within {} s", limit_ms / 1_000);
        Err(StoreError::new(Code::StoreSilent, said))
    })
}
