//! Bodies of requests: in pieces, or read as a whole. Whoever sends nothing for a while is sent
//! away, so that nobody holds a connection for ever.

use std::time::Duration;

use actix_web::web::{Bytes, Payload};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tgs_protocol::code::Code;
use tokio::time::timeout;

use crate::problem::Problem;

/// Doubles tell whole numbers apart below this.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

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

/// What the JSON of a body says. In JSON `7.0` is a whole number like `7`.
pub fn json<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Problem> {
    let told = match serde_json::from_slice(body) {
        Ok(read) => return Ok(read),
        Err(told) => told,
    };
    let again = serde_json::from_slice(body).map(|mut value| {
        make_whole(&mut value);
        serde_json::from_value(value)
    });
    // What is told is what the first reading found: it names the place.
    again
        .ok()
        .and_then(Result::ok)
        .ok_or_else(|| Problem::new(Code::BadRequest, format!("cannot read {what}: {told}")))
}

fn make_whole(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole =
                number.as_f64().filter(|it| it.fract() == 0.0 && (0.0..WHOLE_MAX).contains(it));
            if let (false, Some(whole)) = (number.is_u64() || number.is_i64(), whole) {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked"
                )]
                let whole = whole as u64;
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(fields) => fields.values_mut().for_each(make_whole),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        rows: u64,
        share: f64,
    }

    #[test]
    fn a_whole_number_may_have_a_point() {
        let read = |text: &str| json::<Order>("it", text.as_bytes());
        let order = |rows, share| Order { rows, share };
        assert_eq!(read(r#"{"rows": 7, "share": 1}"#), Ok(order(7, 1.0)));
        assert_eq!(read(r#"{"rows": 7.0, "share": 1.0}"#), Ok(order(7, 1.0)));
        assert_eq!(read(r#"{"rows": 1e3, "share": -0.5}"#), Ok(order(1_000, -0.5)));
        for refused in ["7.5", "-7.0", "1e300", "\"7\"", "null"] {
            let text = format!("{{\"rows\": {refused}, \"share\": 1}}");
            assert!(read(&text).is_err(), "{text}");
        }
    }
}
