//! Who may come in: whoever has the token. Of it only a hash is kept, and it is compared in a time
//! that tells nothing.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::AUTHORIZATION,
    middleware::Next,
    web::Data,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tgs_protocol::code::Code;

use crate::{house::House, problem::Problem};

/// SHA-256 of a token. Tokens are 32 random bytes, so a fast hash keeps them.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Of this token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// As it was kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// To keep.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn is_of(&self, token: &str) -> bool {
        Self::of(token).0.ct_eq(&self.0).into()
    }
}

/// Lets a request pass that carries the token, as `Authorization: Bearer …`.
pub(crate) async fn admit(
    house: Data<House>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    if !token.is_some_and(|token| house.token.is_of(token)) {
        let message = "come in: the token is missing or wrong; send Authorization: Bearer <token>";
        return Err(Problem::new(Code::Unauthorised, message).into());
    }
    next.call(request).await
}
