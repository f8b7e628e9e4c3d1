//! Bodies of requests: in pieces, or read as a whole. Whoever sends nothing for a while is sent
//! away, so that nobody holds a connection for ever.

use std::time::Duration;

use actix_web::web::{Bytes, Payload};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tgs_protocol::{code::Code, wire};
use tokio::time::timeout;

use crate::problem::Problem;

/// How long a client may send nothing in the middle of a body.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long a body that is read as a whole may take.
const WHOLE_MAX_WAIT: Duration = Duration::from_secs(30);

/// The next bytes of a body; none at its end; else why there are no more.
pub async fn next(body: &mut Payload) -> Result<Option<Bytes>, String> {
    match timeout(SILENCE_MAX, body.next()).await {
        Ok(next) => next.transpose().map_err(|error| error.to_string()),
        Err(_) => Err(format!("nothing came for {} seconds", SILENCE_MAX.as_secs())),
    }
}

/// A body, refused as soon as it is too long or too slow.
pub async fn whole(what: &str, body: Payload, limit: usize) -> Result<Bytes, Problem> {
    let told = |message: String| Problem::new(Code::BadRequest, message);
    match timeout(WHOLE_MAX_WAIT, body.to_bytes_limited(limit)).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes),
        Ok(Ok(Err(error))) => Err(told(format!("cannot read {what}: {error}"))),
        Ok(Err(_)) => {
            let message = format!("cannot take {what}: it has more than {limit} bytes");
            Err(Problem::new(Code::TooLarge, message))
        }
        Err(_) => {
            let seconds = WHOLE_MAX_WAIT.as_secs();
            Err(Problem::too_slow(format!(
                "cannot read {what}: it did not come within {seconds} s"
            )))
        }
    }
}

/// A body that is JSON, as a whole.
pub async fn order<T: DeserializeOwned>(
    what: &str,
    body: Payload,
    limit: usize,
) -> Result<T, Problem> {
    json(what, &whole(what, body, limit).await?)
}

/// What the JSON of a body says.
pub fn json<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Problem> {
    wire::read(body)
        .map_err(|error| Problem::new(Code::BadRequest, format!("cannot read {what}: {error}")))
}
