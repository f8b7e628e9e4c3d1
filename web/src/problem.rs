//! Refusals as `application/problem+json` (RFC 9457): a stable code, a sentence with the remedy.

use std::{fmt, path::Path};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, CONTENT_RANGE, HeaderName, RETRY_AFTER},
    },
};
use tgs_protocol::{
    cause::without_folder, code::Code, desk::DeskError, refusal::Refusal, store::StoreError, wire,
};

/// Seconds after which doing the same again may help.
const RETRY_AFTER_SECONDS: u64 = 5;

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: Code,
    message: String,
    /// A header that says what would be answered.
    header: Option<(HeaderName, String)>,
}

impl Problem {
    /// With the status that this code has everywhere.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self::with_status(status_of(code), code, message)
    }

    /// With a status of its own.
    pub fn with_status(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), header: None }
    }

    /// The address answers other methods.
    pub fn other_method(allowed: &str) -> Self {
        let message = format!("this address does not answer that method; it answers {allowed}");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let header = Some((ALLOW, allowed.to_owned()));
        Self { header, ..Self::with_status(status, Code::BadRequest, message) }
    }

    /// The file has none of the bytes that were asked for.
    pub fn no_such_range(name: &str, size: u64) -> Self {
        let message = format!("cannot send that part of {name}: it has {size} bytes");
        let header = Some((CONTENT_RANGE, format!("bytes */{size}")));
        let status = StatusCode::RANGE_NOT_SATISFIABLE;
        Self { header, ..Self::with_status(status, Code::BadRequest, message) }
    }

    /// The client sent its request too slowly.
    pub fn too_slow(message: impl Into<String>) -> Self {
        Self::with_status(StatusCode::REQUEST_TIMEOUT, Code::BadRequest, message)
    }

    /// The same without this folder before the names of files; none if it names none in it.
    pub(crate) fn without_folder(&self, folder: &Path) -> Option<Self> {
        let message = without_folder(&self.message, folder);
        (message != self.message).then(|| Self { message, ..self.clone() })
    }

    /// Nothing of this name is there.
    pub fn not_found(what: &str, name: &str) -> Self {
        DeskError::not_found(what, name).into()
    }
}

/// The status of a code.
pub fn status_of(code: Code) -> StatusCode {
    StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        if self.status.is_server_error() {
            tracing::warn!(code = %self.code, message = self.message, "a request failed");
        }
        self.answer()
    }
}

impl Problem {
    /// What is sent.
    pub(crate) fn answer(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.content_type("application/problem+json");
        if let Some((name, value)) = &self.header {
            response.insert_header((name.clone(), value.as_str()));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header(("WWW-Authenticate", "Bearer"));
        }
        let body = wire::Problem::new(self.status.as_u16(), self.code, self.message.as_str());
        response.body(serde_json::to_string(&body).unwrap_or_default())
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        Self::new(error.code, error.message)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.message)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        DeskError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_that_tells_whose_fault_it_is() {
        for code in Code::ALL {
            let status = status_of(*code);
            // A server that has too much to do is no fault of whoever asks.
            let is_ours = matches!(code.exit_status(), 1 | 5 | 6 | 130 | 3) || *code == Code::Busy;
            assert!(is_ours || status.is_client_error(), "{code}: {status}");
        }
        assert_eq!(status_of(Code::JobNotFound), StatusCode::NOT_FOUND);
        assert_eq!(status_of(Code::Internal), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
