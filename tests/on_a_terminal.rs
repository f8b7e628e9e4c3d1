//! What stands on a terminal when a run on it is over: `script` (util-linux) makes the terminal.

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
};

use tempfile::TempDir;
use tgs_tests::program::{binary, in_repository};

/// What redraws a line: back to its begin, and away with what stands there.
const CLEARED: &str = "\r\u{1b}[2K";

/// Lines as they stand there at last: of each only what was written since it was cleared.
fn standing(written: &str) -> Vec<String> {
    let last = |line: &str| line.rsplit(CLEARED).next().unwrap_or_default().to_owned();
    written.split("\r\n").map(last).collect()
}

#[test]
fn ctrl_c_beside_the_bar_leaves_whole_lines() {
    let folder = TempDir::new().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (program, table) = (binary(), in_repository("examples/actg175.csv"));
    let (program, table) = (program.display(), table.display());
    let (out, home) = (at("out.csv"), at("home"));
    let typed = format!(
        "stty cols 80 rows 24; \
         exec '{program}' synth '{table}' -o '{out}' --home '{home}' --steps 100000"
    );
    let mut terminal = Command::new("script")
        .args(["--quiet", "--flush", "--return", "--command", &typed, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`script` can be started; it belongs to util-linux");
    let mut keys = terminal.stdin.take().expect("it is piped");
    let mut screen = terminal.stdout.take().expect("it is piped");
    let (mut bytes, mut part, mut has_asked) = (Vec::new(), [0; 4_096], false);
    loop {
        let read = screen.read(&mut part).expect("a terminal's output");
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&part[..read]);
        if !has_asked && String::from_utf8_lossy(&bytes).contains("% step ") {
            keys.write_all(b"\x03").expect("it listens");
            has_asked = true;
        }
    }
    let status = terminal.wait().expect("our own child");
    let lines = standing(&String::from_utf8_lossy(&bytes));
    assert_eq!(status.code(), Some(130), "{lines:#?}");
    let line = |begin: &str| lines.iter().position(|line| line.trim_start().starts_with(begin));
    let (asked, ended) = (line("stopping at the next step"), line("… train"));
    assert!(asked.is_some() && asked < ended && ended < line("error[JOB-0004]"), "{lines:#?}");
    // Nothing is left of the bar, and nothing was written into it.
    assert!(lines.iter().all(|line| !line.contains('%') && !line.contains("^C")), "{lines:#?}");
    let of_bar = lines.iter().filter(|line| !line.contains("error[") && !line.contains("`tgs"));
    assert!(of_bar.into_iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
}
