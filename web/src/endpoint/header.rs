//! Every header that the document names, with its words: read or answered.

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub name: &'static str,
    pub what: &'static str,
    pub form: Form,
    /// A request without it is refused, or an answer always has it.
    pub is_always: bool,
}

/// What stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    /// A whole number that is not negative.
    Number,
    /// A whole number from 1 on.
    Count,
    /// A text of this pattern.
    Like(&'static str),
}

const fn header(name: &'static str, form: Form, what: &'static str) -> Header {
    Header { name, what, form, is_always: true }
}

impl Header {
    /// It may be left out.
    pub const fn optional(self) -> Self {
        Self { is_always: false, ..self }
    }
}

pub const ACCEPT_RANGES: Header =
    header("Accept-Ranges", Form::Like("^bytes$"), "Parts may be asked for.");
pub const CONTENT_RANGE: Header =
    header("Content-Range", Form::Like("^bytes "), "Which bytes these are, of how many.");
pub const DATASET_VERSION: Header = header(
    "Dataset-Version",
    Form::Text,
    "The version that the upload became, with its last byte: `trial@3`.",
)
.optional();
pub const ETAG: Header = header(
    "ETag",
    Form::Like("^\"[^\"]+\"$"),
    "Names these very bytes; for If-None-Match and such.",
);
pub const IDEMPOTENCY_KEY: Header = header(
    "Idempotency-Key",
    Form::Like("^[!-~]{1,255}$"),
    "A name of the sender's own for this order, such as a UUID: sent again, it gives the same job.",
)
.optional();
pub const IF_MATCH: Header = header(
    "If-Match",
    Form::Text,
    "Only if the job still is what it was with this ETag; else 412.",
)
.optional();
pub const IF_NONE_MATCH: Header =
    header("If-None-Match", Form::Text, "Only if it is not what has this ETag; else 304.")
        .optional();
pub const IF_RANGE: Header = header(
    "If-Range",
    Form::Text,
    "The part only if the file still has this ETag; else the whole.",
)
.optional();
pub const LAST_EVENT_ID: Header = header(
    "Last-Event-ID",
    Form::Like("^[0-9]{1,19}$"),
    "Goes on after this event; stands over `after`.",
)
.optional();
pub const LOCATION: Header = header("Location", Form::Text, "Where it is.");
pub const RANGE: Header =
    header("Range", Form::Text, "One part of the file: `bytes=0-99`, `bytes=100-`, `bytes=-50`.")
        .optional();
pub const RETRY_AFTER: Header =
    header("Retry-After", Form::Number, "Seconds after which the same again may help.");
pub const TUS_EXTENSION: Header =
    header("Tus-Extension", Form::Text, "What of the protocol tus is spoken.");
pub const TUS_MAX_SIZE: Header =
    header("Tus-Max-Size", Form::Number, "Bytes of the largest table that is taken.");
pub const TUS_RESUMABLE: Header =
    header("Tus-Resumable", Form::Like("^1\\.0\\.0$"), "Version of the protocol tus.");
pub const TUS_VERSION: Header =
    header("Tus-Version", Form::Text, "Versions of the protocol tus that are spoken.");
pub const UPLOAD_LENGTH: Header = header("Upload-Length", Form::Count, "Bytes of the table.");
pub const UPLOAD_OFFSET: Header =
    header("Upload-Offset", Form::Number, "How many bytes of the table are durable.");
pub const WWW_AUTHENTICATE: Header =
    header("WWW-Authenticate", Form::Like("^Bearer$"), "How to come in.");
