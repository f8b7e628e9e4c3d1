//! Whole numbers in headers: digits and nothing else, where Rust would take a sign as well.

/// The number that a text says; none if it says none, or one that cannot be held.
pub fn read(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
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
