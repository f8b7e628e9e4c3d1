//! Time budgets as people write them: `300`, `90s`, `5m`, `1h30m`.

use crate::{code::Code, limits::BUDGET_SECONDS_MAX, refusal::Refusal};

/// Reads a budget into seconds. Parts go from hours to seconds, each at most once; a bare number is
/// seconds. Zero and more than [`BUDGET_SECONDS_MAX`] are refused.
pub fn parse_budget(text: &str) -> Result<u64, Refusal> {
    match seconds(text.trim()) {
        None => Err(refuse(text, "is not a length of time; write it like 90s, 5m or 1h30m")),
        Some(0) => Err(refuse(text, "leaves no time to train; give at least 1s")),
        Some(seconds) if seconds > BUDGET_SECONDS_MAX => {
            let days = BUDGET_SECONDS_MAX / 86_400;
            Err(refuse(text, &format!("is longer than the limit of {days} days; give less")))
        }
        Some(seconds) => Ok(seconds),
    }
}

/// The sum of the parts; none if this is not a length of time. Saturates instead of overflowing.
fn seconds(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return number(text);
    }
    let mut rest = text;
    let mut sum = 0_u64;
    for (unit, worth) in [('h', 3_600), ('m', 60), ('s', 1)] {
        if let Some((amount, after)) = rest.split_once(unit) {
            sum = sum.saturating_add(number(amount)?.saturating_mul(worth));
            rest = after;
        }
    }
    rest.is_empty().then_some(sum)
}

/// Digits only; a number too large to hold is as good as the largest.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn refuse(text: &str, why: &str) -> Refusal {
    Refusal::new(Code::BadRequest, format!("cannot read the budget: `{text}` {why}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn budgets_that_people_write() {
        let cases = [
            ("300", 300),
            ("90s", 90),
            ("5m", 300),
            ("2h", 7_200),
            ("1h30m", 5_400),
            ("1h30s", 3_630),
            ("1h0m5s", 3_605),
            (" 10m ", 600),
            ("007s", 7),
            ("604800", 604_800),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_budget(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_budget_is_refused() {
        let cases = [
            ("", "not a length"),
            ("m", "not a length"),
            ("5 m", "not a length"),
            ("5min", "not a length"),
            ("30m1h", "not a length"),
            ("5m5m", "not a length"),
            ("1.5h", "not a length"),
            ("-5m", "not a length"),
            ("+5", "not a length"),
            ("5m30", "not a length"),
            ("٣m", "not a length"),
            ("0", "no time"),
            ("0h0m0s", "no time"),
            ("604801", "7 days"),
            ("99999999999999999999999999h", "7 days"),
        ];
        for (text, why) in cases {
            let refusal = parse_budget(text).expect_err(text);
            assert_eq!(refusal.code, Code::BadRequest, "{text}");
            assert!(refusal.message.contains(why), "{text}: {refusal}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(h in 0_u64..100, m in 0_u64..500, s in 1_u64..500) {
            let text = format!("{h}h{m}m{s}s");
            prop_assert_eq!(parse_budget(&text), Ok(h * 3_600 + m * 60 + s));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,12}|[0-9hms]{0,30}") {
            if let Ok(seconds) = parse_budget(&text) {
                prop_assert!((1..=BUDGET_SECONDS_MAX).contains(&seconds));
            }
        }
    }
}
