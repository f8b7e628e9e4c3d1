//! The unit of systemd.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use tempfile::TempDir;
use tgs_tests::{
    deployment::text,
    program::{Finished, binary},
    skipping::skipped,
};

#[test]
fn the_unit_is_locked() {
    let folder = TempDir::new().expect("a temporary folder");
    let text = text("systemd/tgs.service");
    let words = "ExecStart=/usr/local/bin/tgs node --config /etc/tgs/node.toml";
    assert!(text.contains(words), "{text}");
    // Its program is looked for where the unit says.
    let here = text.replace("/usr/local/bin/tgs", &binary().display().to_string());
    let unit = folder.path().join("tgs.service");
    fs::write(&unit, here).expect("our own folder");
    fs::set_permissions(&unit, fs::Permissions::from_mode(0o644)).expect("our own file");
    let analyse = |words: &[&str]| Command::new("systemd-analyze").args(words).arg(&unit).output();
    let verified = match analyse(&["verify", "--man=no"]) {
        Ok(output) => Finished::from(output),
        Err(error) => return skipped("the unit of systemd", &format!("systemd-analyze: {error}")),
    };
    assert_eq!((verified.status, verified.stderr.as_str()), (Some(0), ""));
    // From 0 (locked) to 10.
    let exposed = analyse(&["security", "--offline=yes", "--threshold=20", "--no-pager"]);
    let _ = Finished::from(exposed.expect("it was there")).expect_status(0);
}
