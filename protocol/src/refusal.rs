//! A request that is refused before any work begins, and why.

use serde::{Deserialize, Serialize};

use crate::{code::Code, desk::DeskError};

/// Why something was refused: a code with a page, and a sentence with the remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Which error this is.
    pub code: Code,
    /// Act, place, remedy; lower case, no full stop.
    pub message: String,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<Refusal> for DeskError {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code, message: refusal.message }
    }
}
