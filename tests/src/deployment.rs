//! What `deploy/` holds, through the tools that exist for it, and with the addresses of real
//! servers in the place of those of containers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    program::{Finished, in_repository},
    services::{
        process::{Process, Program},
        set_up,
    },
};

/// A file of `deploy/`.
///
/// # Panics
/// When it is not there.
pub fn file(path: &str) -> PathBuf {
    let path = in_repository("deploy").join(path);
    path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text of a file of `deploy/`.
///
/// # Panics
/// When it is not there.
pub fn text(path: &str) -> String {
    fs::read_to_string(file(path)).expect("a file of the repository")
}

/// Runs a tool to its end.
fn run(command: &mut Command) -> Finished {
    let output = command.output().unwrap_or_else(|error| panic!("run {command:?}: {error}"));
    Finished::from(output)
}

/// Asks `tests/peers/deployment.py`.
///
/// # Panics
/// When it fails.
pub fn ask(words: &[&str]) -> Value {
    let mut command = Command::new(set_up("TGS_DEPLOYMENT_TOOLS").join("python"));
    command.arg(in_repository("tests/peers/deployment.py")).args(words);
    let said = run(&mut command).expect_status(0).stdout;
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{words:?}: {said}"))
}

/// Where promtool is.
pub fn promtool_at() -> PathBuf {
    set_up("TGS_PROMETHEUS").join("promtool")
}

/// Runs promtool.
pub fn promtool(words: &[&str]) -> Finished {
    run(Command::new(promtool_at()).args(words))
}

/// Runs hadolint on the Dockerfile.
pub fn hadolint() -> Finished {
    let tool = set_up("TGS_DEPLOYMENT_TOOLS").join("hadolint");
    run(Command::new(tool).arg(file("Dockerfile")))
}

/// What compose reads from these files of a copy of `deploy/` that has secrets.
///
/// # Panics
/// When it refuses them.
pub fn compose(copy: &Path, files: &[&str]) -> Value {
    let mut command = Command::new(set_up("TGS_DEPLOYMENT_TOOLS").join("docker-compose"));
    // Nothing of whoever tests: neither variables nor the address of a container engine.
    command.env_clear().env("HOME", copy).env("PATH", "/usr/bin:/bin").current_dir(copy);
    for name in files {
        command.args(["--file", name]);
    }
    let said = run(command.args(["config", "--format", "json"])).expect_status(0);
    assert_eq!(said.stderr, "", "it warns of nothing");
    serde_json::from_str(&said.stdout).expect("JSON")
}

/// Copies `deploy/` into a folder and makes its secrets, as `deploy/prepare` does; gives the copy.
///
/// # Panics
/// When that fails.
pub fn prepared(folder: &Path) -> PathBuf {
    let copy = folder.join("deploy");
    // The secrets of whoever works here stay where they are.
    let copied = Command::new("cp").arg("-a").arg(file(".")).arg(&copy).status();
    assert!(copied.expect("cp runs").success());
    let _ = fs::remove_dir_all(copy.join("secrets"));
    let _ = run(&mut Command::new(copy.join("prepare"))).expect_status(0);
    copy
}

/// A server of NATS with these words.
pub fn nats_server(name: &str, words: Vec<String>, folder: PathBuf) -> Process {
    let arguments = words.into_iter().map(Into::into).collect();
    let path = set_up("TGS_NATS_SERVER");
    Process::start(Program { name: name.to_owned(), path, arguments, folder })
}

/// The text with each of these words replaced: the names of containers by the addresses of servers.
/// A name is a whole word: `nats-1` is no part of `nats-10`.
pub fn with_places(text: &str, places: &[(String, String)]) -> String {
    let mut done = text.to_owned();
    for (name, place) in places {
        let mut after = String::new();
        let mut rest = done.as_str();
        while let Some(at) = rest.find(name.as_str()) {
            let (before, found) = rest.split_at(at);
            let (found, behind) = found.split_at(name.len());
            let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
            let is_word = !before.ends_with(is_part) && !behind.starts_with(is_part);
            after.push_str(before);
            after.push_str(if is_word { place } else { found });
            rest = behind;
        }
        after.push_str(rest);
        done = after;
    }
    done
}

/// Names of measures of ours in an expression of Prometheus, without what it makes of histograms.
pub fn measures(expression: &str) -> Vec<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = expression.split(|letter: char| !is_part(letter));
    let ours = words.filter(|it| it.starts_with("tgs_") || it.starts_with("process_"));
    ours.map(str::to_owned).collect()
}

#[test]
fn only_whole_names_are_replaced() {
    let places = [("db-1".to_owned(), "127.0.0.1:9042".to_owned())];
    assert_eq!(
        with_places("cql://db-1,db-10/x-db-1", &places),
        "cql://127.0.0.1:9042,db-10/x-db-1"
    );
    assert_eq!(measures("sum(rate(tgs_a_total{b=\"c\"}[5m])) > up"), ["tgs_a_total"]);
}
