//! A machine that will be taken away: what its provider says of it, some seconds before.

use async_trait::async_trait;

/// Why the machine will be gone soon, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interruption(pub String);

/// Whoever knows that the machine will be taken away.
#[async_trait]
pub trait InterruptionSource: Send + Sync {
    /// What it says now; none if the machine stays.
    ///
    /// # Errors
    /// In words, if it does not answer.
    async fn look(&self) -> Result<Option<Interruption>, String>;
}
