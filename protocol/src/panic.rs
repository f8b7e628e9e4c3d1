//! What a caught panic said.

use std::any::Any;

/// The message of a panic's payload; none where it carries something else than a text.
pub fn message(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn texts_of_both_kinds_are_read() {
        assert_eq!(message(&"plain"), Some("plain"));
        assert_eq!(message(&String::from("formatted")), Some("formatted"));
        assert_eq!(message(&7), None);
    }
}
