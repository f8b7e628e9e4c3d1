//! From errors of ports to what the job machine understands.

use std::any::Any;

use tgs_protocol::{
    cause::with_causes, code::Code, desk::DeskError, engine::EngineError, job::outcome::Failure,
    panic, refusal::Refusal, stage::Stage, store::StoreError,
};

use crate::gpu_worker::message::Snapshot;

/// Why a piece of work ended without its result.
#[derive(Debug)]
pub(crate) enum Halt {
    /// As asked; the snapshot is there if training was to be kept.
    Stopped(Option<Snapshot>),
    /// A later epoch exists: nothing more may be written.
    Overtaken,
    /// It failed.
    Failed(Fault),
}

/// A code and a sentence, before anyone said in which stage.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// The cell that the message quotes.
    cell: Option<String>,
}

impl Fault {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), cell: None }
    }

    /// A panic that was caught around work on a device thread.
    pub(crate) fn of_panic(payload: &(dyn Any + Send)) -> Self {
        let said = panic::message(payload).unwrap_or("no message");
        let remedy = "please report it with the log";
        Self::new(
            Code::DeviceFailed,
            format!("the compute device's work panicked: {said}; {remedy}"),
        )
    }

    /// An error of the operating system on a file of ours.
    pub(crate) fn of_file(act: &str, error: &std::io::Error) -> Self {
        let code = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Code::DiskFull,
            _ => Code::CannotWrite,
        };
        Self::new(code, format!("{act}: {error}"))
    }

    pub(crate) fn at(self, stage: Stage) -> Failure {
        Failure { stage, code: self.code, message: self.message, cell: self.cell }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.message)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::new(error.code, with_causes(&error))
    }
}

impl From<Fault> for DeskError {
    fn from(fault: Fault) -> Self {
        Self { code: fault.code, message: fault.message }
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<EngineError> for Halt {
    fn from(error: EngineError) -> Self {
        match error.code() {
            None => Self::Stopped(None),
            Some(code) => {
                let cell = error.cell().map(str::to_owned);
                Self::Failed(Fault { cell, ..Fault::new(code, with_causes(&error)) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_joined_and_not_repeated() {
        let disk = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let words = disk.to_string();
        let error = StoreError::because(Code::DiskFull, "cannot write row", disk);
        assert_eq!(Fault::from(error).message, format!("cannot write row: {words}"));
        let disk = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = StoreError::because(Code::DiskFull, format!("write row: {words}"), disk);
        assert_eq!(Fault::from(error).message, format!("write row: {words}"));
    }

    #[test]
    fn a_stop_is_no_failure() {
        assert!(matches!(Halt::from(EngineError::Stopped), Halt::Stopped(None)));
    }
}
