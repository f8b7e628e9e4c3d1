//! How what was sent is read, whatever brought it.

use serde::de::DeserializeOwned;
use serde_json::{Error, Value};

/// Doubles tell whole numbers apart below this.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// What JSON says. In JSON `7.0` is a whole number like `7`.
///
/// # Errors
/// What the first reading found: it names the place.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let told = match serde_json::from_slice(body) {
        Ok(read) => return Ok(read),
        Err(told) => told,
    };
    let again = serde_json::from_slice(body).map(|mut value| {
        make_whole(&mut value);
        serde_json::from_value(value)
    });
    again.ok().and_then(Result::ok).ok_or(told)
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
        let order_of = |text: &str| read::<Order>(text.as_bytes()).ok();
        let order = |rows, share| Order { rows, share };
        assert_eq!(order_of(r#"{"rows": 7, "share": 1}"#), Some(order(7, 1.0)));
        assert_eq!(order_of(r#"{"rows": 7.0, "share": 1.0}"#), Some(order(7, 1.0)));
        assert_eq!(order_of(r#"{"rows": 1e3, "share": -0.5}"#), Some(order(1_000, -0.5)));
        for refused in ["7.5", "-7.0", "1e300", "\"7\"", "null"] {
            let text = format!("{{\"rows\": {refused}, \"share\": 1}}");
            assert!(order_of(&text).is_none(), "{text}");
        }
    }
}
