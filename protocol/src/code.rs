//! Every error users see: a code, an exit status, whether to try again, and a page.
//!
//! The command line, the pages under `docs/errors` and (later) the REST API are made from this
//! table. A published code is never reused for another meaning.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Whether doing the same again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Not before something was changed.
    Never,
    /// Later, as it is.
    Later,
    /// Once a person mended it (made room, gave the right): the job waits and resume goes on.
    Mended,
}

macro_rules! codes {
    ($($code:literal => $name:ident, $exit:literal, $retry:ident, $meaning:literal;)*) => {
        /// One kind of failure that a user can meet.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Code {
            $(#[doc = $meaning] #[serde(rename = $code)] $name,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// `DATA-0001`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
            /// Exit status of the command line.
            pub const fn exit_status(self) -> u8 {
                match self { $(Self::$name => $exit,)* }
            }
            /// Whether trying again can help.
            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)* }
            }
            /// What it means, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

/// Every exit status of the command line, with its meaning. Programs may rely on it.
pub const EXIT_STATUSES: [(u8, &str); 8] = [
    (0, "everything asked for was done"),
    (1, "a fault of ours: please report it"),
    (2, "the command line, the request or a file it names asks for something impossible"),
    (3, "the report was written, the table was withheld by a blocking gate"),
    (4, "the source data cannot be used as it is"),
    (5, "the data folder, the disk or a file to write failed"),
    (6, "the compute device failed"),
    (130, "stopped before the end: interrupted (resume goes on) or cancelled"),
];

codes! {
    "USE-0001" => BadRequest, 2, Never, "The request asks for something impossible.";
    "USE-0002" => RowsOutOfRange, 2, Never, "The number of rows asked for is outside the limits.";
    "USE-0003" => BadMetadata, 2, Never, "The metadata file does not fit the table.";
    "USE-0004" => UnknownConstant, 2, Never, "A model constant is unknown or out of range.";
    "USE-0005" => BadOutputName, 2, Never,
        "The output name tells no known format or cannot be written.";
    "USE-0006" => KeyTaken, 2, Never, "The idempotency key was used for another order.";
    "USE-0007" => NoSuchThing, 2, Never,
        "No dataset, upload, model or subscription of this name is there.";
    "USE-0008" => Unauthorised, 2, Never,
        "The request may not come in: its token is missing or wrong.";
    "USE-0009" => TooLarge, 2, Never, "What was sent is larger than this server takes.";
    "USE-0010" => CannotListen, 2, Never, "The server cannot listen on that address.";
    "USE-0011" => ServerLost, 2, Later, "The server does not answer.";
    "USE-0012" => Busy, 2, Later, "The server has too much to do at this moment.";
    "USE-0013" => ProgramNotAllowed, 2, Never, "This server may not run that program.";
    "USE-0014" => OutsideRegion, 2, Mended,
        "The data may not leave its regions, and this node stands in none of them.";
    "USE-0015" => NoSuchRows, 2, Never,
        "No rows can be drawn under the conditions that were given.";
    "JOB-0001" => JobNotFound, 2, Never, "No such job is in this data folder.";
    "JOB-0002" => NothingToResume, 2, Never, "No interrupted job is in this data folder.";
    "JOB-0003" => JobCancelled, 130, Never, "The job was cancelled.";
    "JOB-0004" => Interrupted, 130, Later, "The job was interrupted and can be resumed.";
    "JOB-0005" => Changed, 2, Never, "The job is not what it was any more.";
    "JOB-0006" => ProgramFailed, 2, Never, "The program that the job ran failed.";
    "GATE-0001" => Withheld, 3, Never, "A blocking gate failed, so the table was not released.";
    "DATA-0001" => SourceUnreadable, 4, Never, "The source file cannot be opened or read.";
    "DATA-0002" => EmptySource, 4, Never, "The source holds no header or no rows.";
    "DATA-0003" => RaggedRow, 4, Never, "A row has more or fewer cells than the header.";
    "DATA-0004" => BadHeader, 4, Never, "A column name is missing or stands twice.";
    "DATA-0005" => BadEncoding, 4, Never, "The bytes are not text in the expected encoding.";
    "DATA-0006" => NotThatFormat, 4, Never,
        "The content is not of the format that the name promises.";
    "DATA-0007" => CorruptSource, 4, Never, "The source ends early or is damaged.";
    "DATA-0008" => BadCell, 4, Never,
        "A cell cannot be read as the kind that the metadata asks for.";
    "DATA-0009" => TooFewRows, 4, Never, "There are too few rows to learn from.";
    "DATA-0010" => TablesDiffer, 4, Never, "Two tables that must share columns do not.";
    "DATA-0011" => SourceChanged, 4, Mended,
        "A file that the job reads changed since the job was asked for.";
    "DATA-0012" => ModelUnreadable, 4, Never, "The file is not a model, or it is damaged.";
    "STORE-0001" => DataFolderInUse, 5, Later, "Another process works in this data folder.";
    "STORE-0002" => StoreCorrupt, 5, Mended, "The store of the data folder is damaged.";
    "STORE-0003" => DiskFull, 5, Mended, "The disk is full.";
    "STORE-0004" => CannotWrite, 5, Mended,
        "A file cannot be written, or one of ours not read.";
    "STORE-0005" => CheckpointCorrupt, 5, Mended, "A checkpoint cannot be used.";
    "STORE-0006" => StoreTooNew, 5, Mended,
        "What stands in the store was written by a newer version.";
    "STORE-0007" => Overtaken, 5, Later, "Another owner holds the job now.";
    "STORE-0008" => StoreSilent, 5, Later, "The store did not answer in time.";
    "DEV-0001" => DeviceFailed, 6, Later, "The compute device failed.";
    "DEV-0002" => OutOfMemory, 6, Later, "The device or the machine ran out of memory.";
    "DEV-0003" => DeviceLost, 6, Mended, "No compute device is left.";
    "DEV-0004" => DeviceMemory, 6, Later, "The memory of a graphics processor is too small.";
    "DEV-0005" => WorkHangs, 6, Never, "The work of the job hung again and again.";
    "TGS-0001" => Internal, 1, Never, "A fault of ours: please report it.";
}

impl Code {
    /// The status of an answer over HTTP with it (RFC 9110).
    pub const fn http_status(self) -> u16 {
        match self {
            Self::JobNotFound | Self::NoSuchThing => 404,
            Self::KeyTaken => 422,
            Self::Unauthorised => 401,
            Self::ProgramNotAllowed | Self::OutsideRegion => 403,
            Self::TooLarge => 413,
            Self::NothingToResume | Self::JobCancelled | Self::Overtaken | Self::Withheld => 409,
            Self::DiskFull => 507,
            Self::Changed => 412,
            Self::Busy
            | Self::StoreSilent
            | Self::StoreTooNew
            | Self::DataFolderInUse
            | Self::Interrupted
            | Self::DeviceLost => 503,
            _ if matches!(self.exit_status(), 2 | 4) => 400,
            _ => 500,
        }
    }

    /// The page under `docs/errors`.
    pub fn page(self) -> String {
        format!("{}.md", self.as_str().to_lowercase())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = NotACode;

    fn from_str(text: &str) -> Result<Self, NotACode> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(NotACode)
    }
}

/// The text is none of the codes of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an error code of this version")]
pub struct NotACode;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert_eq!(serde_json::json!(code), serde_json::json!(code.as_str()));
        }
        assert_eq!("NONE-0000".parse::<Code>(), Err(NotACode));
    }

    #[test]
    fn codes_are_an_area_and_four_digits() {
        for code in Code::ALL {
            let (area, number) = code.as_str().split_once('-').expect("area-number");
            assert!(area.bytes().all(|byte| byte.is_ascii_uppercase()), "{code}");
            assert!(number.len() == 4 && number.bytes().all(|it| it.is_ascii_digit()), "{code}");
            assert_eq!(code.page(), format!("{}.md", code.as_str().to_lowercase()));
        }
    }

    #[test]
    fn meanings_are_sentences() {
        for code in Code::ALL {
            let meaning = code.meaning();
            assert!(meaning.starts_with(char::is_uppercase) && meaning.ends_with('.'), "{code}");
        }
    }

    #[test]
    fn the_exit_status_of_an_area_is_the_documented_one() {
        for code in Code::ALL {
            let area = code.as_str().split_once('-').map(|(area, _)| area);
            let status = match area {
                Some("USE") => 2,
                Some("JOB") if matches!(code, Code::JobCancelled | Code::Interrupted) => 130,
                Some("JOB") => 2,
                Some("GATE") => 3,
                Some("DATA") => 4,
                Some("STORE") => 5,
                Some("DEV") => 6,
                Some("TGS") => 1,
                other => panic!("{code}: no exit status is agreed for the area {other:?}"),
            };
            assert_eq!(code.exit_status(), status, "{code}");
            assert!(EXIT_STATUSES.iter().any(|(known, _)| *known == status), "{code}: {status}");
        }
        let statuses: BTreeSet<_> = EXIT_STATUSES.iter().map(|(status, _)| status).collect();
        assert_eq!(statuses.len(), EXIT_STATUSES.len());
    }
}
