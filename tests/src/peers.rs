//! Judges that are not ours: packages of Python, where `./dev` has set them up.

use std::{
    env,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::{program::in_repository, receiver::Got, skipping::skipped};

/// The Python that has them; none (and said so) where it was not set up.
pub fn python(what: &str) -> Option<PathBuf> {
    let python = env::var_os("TGS_PEERS_PYTHON").map(PathBuf::from);
    if python.is_none() {
        skipped(what, "TGS_PEERS_PYTHON is not set; ./dev test sets it");
    }
    python
}

/// Lets the package `standardwebhooks` verify what came, and refuse it with a bit of it changed.
///
/// # Panics
/// When it finds a signature wrong, or a change unseen.
pub fn verify_webhooks(secret: &str, got: &[Got]) {
    let Some(python) = python("signatures of webhooks by another's library") else { return };
    let one = |it: &Got| {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let headers: serde_json::Map<_, _> =
            names.iter().map(|name| ((*name).to_owned(), it.header(name).into())).collect();
        json!({"headers": headers, "body": it.body})
    };
    let all: Vec<_> = got.iter().map(one).collect();
    let script = in_repository("tests/peers/verify_webhooks.py");
    let mut judge = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let asked = json!({"secret": secret, "got": all}).to_string();
    judge.stdin.take().expect("is piped").write_all(asked.as_bytes()).expect("it reads");
    let said = judge.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "the judge: {text}");
    assert_eq!(text.trim(), format!("verified {}", got.len()));
}
