//! What is told of an error: one line with all that lies beneath it, and to strangers without the
//! place of our files.

use std::{error::Error, path::Path};

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

/// The same words without this folder before the names of files in it.
pub fn without_folder(words: &str, folder: &Path) -> String {
    words.replace(&format!("{}/", folder.display()), "")
}
