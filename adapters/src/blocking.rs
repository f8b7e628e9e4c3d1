//! Work that waits for a disk, run where it does not hold up a runtime.
//!
//! On a multi-thread tokio runtime the worker thread hands its other tasks away first; elsewhere
//! the work simply runs. The work is done when the call returns and cannot be half cancelled:
//! dropping the future of a store never leaves a write with an unknown outcome. (Not for a
//! `LocalSet`: tokio refuses to block there.)

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs `work` to its end.
pub fn blocking<T>(work: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
    match flavor {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
