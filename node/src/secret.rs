//! Secrets: in a variable or in a file, never among the settings, which `tgs config` shows.

use std::{env, fs, path::Path};

use tgs_protocol::code::Code;

use crate::failure::Failure;

/// What a variable holds, or else the first line of a file; none where neither is set.
pub fn of(whose: &str, variable: &str, file: &str) -> Result<Option<String>, Failure> {
    if let Ok(secret) = env::var(variable) {
        return Ok(Some(secret));
    }
    if file.is_empty() { Ok(None) } else { in_file(whose, Path::new(file)).map(Some) }
}

/// The first line of a file.
pub fn in_file(whose: &str, file: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        let message = format!(
            "read the secret of {whose} from {}: {error}; check the setting that names it",
            file.display()
        );
        Failure::new(Code::BadRequest, message)
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
