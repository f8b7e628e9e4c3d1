//! What is told when a run fails: one clear error with its code, page and exit status.

use serde_json::json;
use tgs_protocol::{
    cause::with_causes, code::Code, desk::DeskError, engine::EngineError, refusal::Refusal,
    store::StoreError,
};

use crate::{
    command_line::Voice,
    leaving::ExitCode,
    voice::{say, say_aside},
};

/// Why a run ended without its result.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which error.
    pub code: Code,
    /// Act, place, remedy.
    pub message: String,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Says it once, on stderr, and gives the exit status.
    pub fn tell(&self, voice: Voice) -> ExitCode {
        match voice {
            Voice::Json => {
                let error = json!({
                    "event": "error", "code": self.code, "message": self.message,
                    "meaning": self.code.meaning(), "page": self.code.page(),
                    "exit_status": self.code.exit_status(),
                });
                say!("{error}");
            }
            Voice::Words | Voice::Quiet => {
                say_aside!("error[{}]: {}", self.code, self.message);
                say_aside!("  `tgs explain {}` says why and what to do", self.code);
            }
        }
        ExitCode::from(self.code.exit_status())
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        Self::new(error.code, error.message)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.message)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.code, with_causes(&error))
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let code = error.code().unwrap_or(Code::JobCancelled);
        Self::new(code, with_causes(&error))
    }
}
