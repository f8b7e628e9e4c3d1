//! Refusals as `application/problem+json` (RFC 9457): a stable code, a sentence with the remedy.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header::RETRY_AFTER},
};
use serde_json::json;
use tgs_protocol::{
    code::{Code, Retry},
    desk::DeskError,
    refusal::Refusal,
    store::StoreError,
};

/// Seconds after which doing the same again may help.
const RETRY_AFTER_SECONDS: u64 = 5;

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: Code,
    message: String,
}

impl Problem {
    /// With the status that this code has everywhere.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { status: status_of(code), code, message: message.into() }
    }

    /// With a status of its own.
    pub fn with_status(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// Nothing of this name is there.
    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(Code::NoSuchThing, format!("no {what} {name:?} is here; list them to find it"))
    }
}

/// The status of a code.
fn status_of(code: Code) -> StatusCode {
    match code {
        Code::JobNotFound | Code::NoSuchThing => StatusCode::NOT_FOUND,
        Code::KeyTaken => StatusCode::UNPROCESSABLE_ENTITY,
        Code::Unauthorised => StatusCode::UNAUTHORIZED,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::NothingToResume | Code::JobCancelled | Code::Overtaken => StatusCode::CONFLICT,
        Code::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        Code::StoreSilent | Code::DataFolderInUse | Code::Interrupted => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ if code.exit_status() == 2 || code.exit_status() == 4 => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
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
        let mut response = HttpResponse::build(self.status);
        response.content_type("application/problem+json");
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header(("WWW-Authenticate", "Bearer"));
        }
        let body = json!({
            "type": format!("/docs/errors/{}", self.code.page()),
            "title": self.code.meaning(),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.message,
            "retry": !matches!(self.code.retry(), Retry::Never),
        });
        response.body(body.to_string())
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
        Self::new(error.code, tgs_protocol::cause::with_causes(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_that_tells_whose_fault_it_is() {
        for code in Code::ALL {
            let status = status_of(*code);
            let is_ours = matches!(code.exit_status(), 1 | 5 | 6 | 130 | 3);
            assert!(is_ours || status.is_client_error(), "{code}: {status}");
        }
        assert_eq!(status_of(Code::JobNotFound), StatusCode::NOT_FOUND);
        assert_eq!(status_of(Code::Internal), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
