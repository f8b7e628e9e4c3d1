//! The token that lets clients in: made at the first start, shown once, kept as a hash.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use tgs_protocol::{clock::IdSource, code::Code, digest::Digest};
use tgs_web::TokenHash;

use crate::{failure::Failure, secret};

const FILE: &str = "token.sha256";
/// Shorter ones can be guessed.
const TOKEN_BYTES_MIN: usize = 32;

/// The hash that is in force, and the token itself where it was made just now.
///
/// # Errors
/// `CannotWrite` if it cannot be kept, `StoreCorrupt` if what is kept is no hash.
pub fn of(
    home: &Path,
    wants_new: bool,
    ids: &dyn IdSource,
) -> Result<(TokenHash, Option<String>), Failure> {
    let path = home.join(FILE);
    let told = |act: &str, error: &io::Error| {
        let message = format!("{act} the token's hash {}: {error}", path.display());
        Failure::new(Code::CannotWrite, message)
    };
    match fs::read_to_string(&path) {
        Ok(text) if !wants_new => {
            let digest: Digest = text.trim().parse().map_err(|_| {
                let message = format!(
                    "read the token's hash {}: it is none; start with --new-token",
                    path.display()
                );
                Failure::new(Code::StoreCorrupt, message)
            })?;
            return Ok((TokenHash::from_bytes(*digest.as_bytes()), None));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(told("read", &error)),
        _ => {}
    }
    let token = format!("tgs_{}", ids.secret());
    let hash = TokenHash::of(&token);
    let text = Digest::from_bytes(*hash.as_bytes()).to_string();
    keep(&path, &text).map_err(|error| told("write", &error))?;
    Ok((hash, Some(token)))
}

/// The hash of a token that stands in a file.
///
/// # Errors
/// `BadRequest` if it cannot be read or holds none.
pub fn in_file(file: &Path) -> Result<TokenHash, Failure> {
    let token = secret::in_file("clients", file)?;
    if token.trim().len() < TOKEN_BYTES_MIN {
        let message = format!(
            "read the token from {}: its first line has less than {TOKEN_BYTES_MIN} letters; write \
             a long one of chance there, such as `openssl rand -hex 32` makes",
            file.display()
        );
        return Err(Failure::new(Code::BadRequest, message));
    }
    Ok(TokenHash::of(token.trim()))
}

/// Whole or not at all, for its owner only.
fn keep(path: &Path, text: &str) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&part, path)
}
