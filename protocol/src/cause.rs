//! An error in one line, with all that lies beneath it.

use std::error::Error;

/// The error and every deeper cause, joined by `: `; a cause that only repeats is left out.
pub fn with_causes(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let words = deeper.to_string();
        // Some libraries repeat their cause in their own text.
        if !said.contains(&words) {
            said.push_str(": ");
            said.push_str(&words);
        }
        cause = deeper.source();
    }
    said
}
