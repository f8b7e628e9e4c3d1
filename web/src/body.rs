//! Bodies of requests that are read as a whole.

use actix_web::web::{Bytes, Payload};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tgs_protocol::code::Code;

use crate::problem::Problem;

/// Doubles tell whole numbers apart below this.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A body, refused as soon as it is too long.
pub async fn whole(what: &str, body: Payload, limit: usize) -> Result<Bytes, Problem> {
    let told = |message: String| Problem::new(Code::BadRequest, message);
    match body.to_bytes_limited(limit).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(told(format!("cannot read {what}: {error}"))),
        Err(_) => {
            let message = format!("cannot take {what}: it has more than {limit} bytes");
            Err(Problem::new(Code::TooLarge, message))
        }
    }
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
