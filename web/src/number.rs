//! Whole numbers in headers: digits and nothing else, where Rust would take a sign as well.

/// The number that a text says; none if it says none, or one that cannot be held.
pub fn read(text: &str) -> Option<u64> {
    digits(text.trim())?.parse().ok()
}

/// The number that a text says; one that cannot be held is as good as the largest.
pub fn read_at_most(text: &str) -> Option<u64> {
    digits(text).map(|digits| digits.parse().unwrap_or(u64::MAX))
}

fn digits(text: &str) -> Option<&str> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_numbers_and_nothing_else_is() {
        for (text, number) in [("0", Some(0)), (" 7 ", Some(7)), ("007", Some(7))] {
            assert_eq!(read(text), number);
        }
        for text in ["", "+1", "-1", "1.0", "1e3", "ten", "99999999999999999999"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
