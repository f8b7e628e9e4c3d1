//! A check that cannot be made here is named in the summary of `./dev test`, not passed in silence.

use std::{env, fs::OpenOptions, io::Write};

/// Says that a check is left out, and why: to the file named by TGS_SKIPPED, which `./dev test`
/// prints at its end, and to whoever reads the test's own output.
pub fn skipped(what: &str, why: &str) {
    let line = format!("{what}: {why}");
    eprintln!("SKIPPED: {line}");
    let Some(path) = env::var_os("TGS_SKIPPED") else { return };
    let file = OpenOptions::new().create(true).append(true).open(path);
    // A line in one write, since tests of several processes append.
    let _ = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
}
