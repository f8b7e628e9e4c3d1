//! Small answers of a front: refusals, passes for sockets, health.

use serde::{Deserialize, Serialize};

use crate::code::{Code, Retry};

/// Why a request was not done (RFC 9457, `application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// Page of the code.
    #[serde(rename = "type")]
    pub page: String,
    /// What the code means.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable code; each has a page under `docs/errors`.
    pub code: Code,
    /// What happened here, and what to do.
    pub detail: String,
    /// Whether the same again, later or once something is mended, can help.
    pub retry: bool,
}

impl Problem {
    /// With the status that this code has everywhere.
    pub fn of(code: Code, detail: impl Into<String>) -> Self {
        Self::new(code.http_status(), code, detail)
    }

    /// With the words that this code has everywhere.
    pub fn new(status: u16, code: Code, detail: impl Into<String>) -> Self {
        Self {
            page: format!("/docs/errors/{}", code.page()),
            title: code.meaning().to_owned(),
            status,
            code,
            detail: detail.into(),
            retry: !matches!(code.retry(), Retry::Never),
        }
    }
}

/// A pass for one WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TicketView {
    /// Goes into the address of the socket, and works once.
    pub ticket: String,
    /// How long it works.
    pub expires_in_seconds: u64,
}

/// How the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthView {
    /// In a word.
    pub status: Health,
}

/// How the server is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It answers.
    Alive,
    /// Its store answers as well.
    Started,
    /// Work can be begun.
    Ready,
}
