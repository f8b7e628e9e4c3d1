//! How the engine says no: stopped as asked, or failed with a code that has a page.

use crate::code::Code;

/// Why a call to the engine failed: a code with a page, and a sentence that names act, place and
/// remedy.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The watch said stop; nothing is wrong.
    #[error("stopped between two steps, as asked")]
    Stopped,
    /// Something a user can mend or must know.
    #[error("{message}")]
    Failed {
        /// Which error this is.
        code: Code,
        /// Act, place, remedy; lower case, no full stop.
        message: String,
        /// The cell that the message quotes, as it stands there.
        cell: Option<String>,
        /// What the operating system or a library said.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl EngineError {
    /// A failure without a deeper cause.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self::Failed { code, message: message.into(), cell: None, source: None }
    }
    /// A failure whose message quotes a cell of a private table: it may be told, never kept.
    pub fn quoting(code: Code, message: impl Into<String>, cell: impl Into<String>) -> Self {
        Self::Failed { code, message: message.into(), cell: Some(cell.into()), source: None }
    }
    /// A failure that keeps its cause.
    pub fn because(
        code: Code,
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let source = Some(source.into());
        Self::Failed { code, message: message.into(), cell: None, source }
    }
    /// The cell that the message quotes.
    pub fn cell(&self) -> Option<&str> {
        match self {
            Self::Stopped => None,
            Self::Failed { cell, .. } => cell.as_deref(),
        }
    }
    /// The code, unless it only was stopped.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Stopped => None,
            Self::Failed { code, .. } => Some(*code),
        }
    }
}
