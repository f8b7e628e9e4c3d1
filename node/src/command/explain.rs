//! `tgs explain CODE`: the page of an error, which the binary carries with it.

use serde_json::json;
use tgs_protocol::code::Code;

use crate::{
    command_line::{ExplainArguments, Voice},
    failure::Failure,
    leaving::ExitCode,
    voice::say,
};

pub fn run(asked: &ExplainArguments, voice: Voice) -> Result<ExitCode, Failure> {
    let codes: Vec<Code> = match &asked.code {
        Some(typed) => vec![typed.to_uppercase().parse().map_err(|_| {
            let message =
                format!("explain {typed}: no error has this code; `tgs explain` lists them");
            Failure::new(Code::BadRequest, message)
        })?],
        None => Code::ALL.to_vec(),
    };
    for code in &codes {
        match (voice, &asked.code) {
            (Voice::Json, _) => say!(
                "{}",
                json!({
                    "event": "explanation", "code": code, "meaning": code.meaning(),
                    "exit_status": code.exit_status(), "page": page(*code),
                })
            ),
            (_, Some(_)) => say!("{}", page(*code).trim_end()),
            (_, None) => say!("{:<10}  {}", code.as_str(), code.meaning()),
        }
    }
    Ok(ExitCode::SUCCESS)
}

macro_rules! pages {
    ($code:expr; $($name:ident => $file:literal,)*) => {
        match $code {
            $(Code::$name => include_str!(concat!("../../../docs/errors/", $file, ".md")),)*
        }
    };
}

/// The page under `docs/errors`; a code without one does not compile.
fn page(code: Code) -> &'static str {
    pages! { code;
        BadRequest => "use-0001",
        RowsOutOfRange => "use-0002",
        BadMetadata => "use-0003",
        UnknownConstant => "use-0004",
        BadOutputName => "use-0005",
        KeyTaken => "use-0006",
        NoSuchThing => "use-0007",
        Unauthorised => "use-0008",
        TooLarge => "use-0009",
        CannotListen => "use-0010",
        ServerLost => "use-0011",
        Busy => "use-0012",
        ProgramNotAllowed => "use-0013",
        OutsideRegion => "use-0014",
        NoSuchRows => "use-0015",
        JobNotFound => "job-0001",
        NothingToResume => "job-0002",
        JobCancelled => "job-0003",
        Interrupted => "job-0004",
        Changed => "job-0005",
        ProgramFailed => "job-0006",
        Withheld => "gate-0001",
        SourceUnreadable => "data-0001",
        EmptySource => "data-0002",
        RaggedRow => "data-0003",
        BadHeader => "data-0004",
        BadEncoding => "data-0005",
        NotThatFormat => "data-0006",
        CorruptSource => "data-0007",
        BadCell => "data-0008",
        TooFewRows => "data-0009",
        TablesDiffer => "data-0010",
        SourceChanged => "data-0011",
        ModelUnreadable => "data-0012",
        DataFolderInUse => "store-0001",
        StoreCorrupt => "store-0002",
        DiskFull => "store-0003",
        CannotWrite => "store-0004",
        CheckpointCorrupt => "store-0005",
        StoreTooNew => "store-0006",
        Overtaken => "store-0007",
        StoreSilent => "store-0008",
        DeviceFailed => "dev-0001",
        OutOfMemory => "dev-0002",
        DeviceLost => "dev-0003",
        DeviceMemory => "dev-0004",
        WorkHangs => "dev-0005",
        Internal => "tgs-0001",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_page() {
        for code in Code::ALL {
            let title = format!("# {code}: ");
            assert!(page(*code).starts_with(&title), "{code}: {:.40}", page(*code));
        }
    }
}
