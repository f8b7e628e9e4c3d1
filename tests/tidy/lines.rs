//! Rules that the lines of a file tell: sizes, openings, names, words.

use super::tree::{File, Finding, Tree};

/// Lines of one file that are not for tests.
const FILE_LINES_MAX: usize = 400;
/// Columns of one line.
const LINE_COLUMNS_MAX: usize = 100;
/// Names that say nothing of what is inside.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"];
/// Words that let the world into `protocol`.
const WORLDLY: &[&str] = &[
    "SystemTime",
    "Instant::now",
    "std::fs",
    "std::net",
    "std::thread",
    "rand::",
    "tokio",
    "Uuid::new",
];

/// A file has few lines.
pub fn file_is_short(tree: &Tree) -> Vec<Finding> {
    let files = tree.rust().filter(|file| !tree.is_test(file));
    let long = files.filter_map(|file| {
        let lines = file.text.lines().count() - file.test_lines().len();
        (lines > FILE_LINES_MAX).then(|| file.finding(0, format!("{lines} non-test lines")))
    });
    long.collect()
}

/// A line is short.
pub fn line_is_short(tree: &Tree) -> Vec<Finding> {
    let lines = tree.rust().flat_map(|file| numbered(file).map(move |(no, line)| (file, no, line)));
    let wide = lines.filter_map(|(file, no, line)| {
        let columns = line.chars().count();
        (columns > LINE_COLUMNS_MAX).then(|| file.finding(no, format!("{columns} columns")))
    });
    wide.collect()
}

/// A file opens by saying why it exists.
pub fn file_says_why(tree: &Tree) -> Vec<Finding> {
    let silent = tree.rust().filter(|file| {
        let first = file.text.lines().next().and_then(|line| line.strip_prefix("//! "));
        first.is_none_or(|words| words.trim().len() <= 3)
    });
    silent.map(|file| file.finding(1, "does not open with `//! …`")).collect()
}

/// A name says what is inside.
pub fn names_say_something(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        if file.stem() == "mod" {
            findings.push(file.finding(0, "is a mod.rs"));
        }
        let folders = file.path.split('/').chain([file.stem()]);
        let empty = folders.filter(|name| EMPTY_NAMES.contains(name));
        findings.extend(empty.map(|name| file.finding(0, format!("is called `{name}`"))));
        for (no, line) in numbered(file) {
            let words: Vec<_> = line.split([' ', ';', '{']).filter(|word| *word != "pub").collect();
            if words.first() == Some(&"mod") && EMPTY_NAMES.contains(&words[1]) {
                findings.push(file.finding(no, format!("has a module `{}`", words[1])));
            }
        }
    }
    findings
}

/// `protocol` has no I/O, no clock, no dice, and `simulations` makes up its own.
pub fn rules_are_pure(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let pure = ["protocol/src", "simulations/src"];
    let files = tree.rust().filter(|file| pure.iter().any(|it| file.path.starts_with(it)));
    for file in files.filter(|file| !tree.is_test(file)) {
        let for_tests = file.test_lines();
        for (no, line) in numbered(file).filter(|(no, _)| !for_tests.contains(no)) {
            let code = line.split("//").next().unwrap_or_default();
            let found = WORLDLY.iter().filter(|word| has_word(code, word));
            findings.extend(found.map(|word| file.finding(no, format!("names `{word}`"))));
        }
    }
    findings
}

/// In the node, only the wiring knows which adapters there are.
pub fn only_wiring_names_adapters(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let files = tree.rust().filter(|file| file.path.starts_with("node/src"));
    for file in files.filter(|file| !file.path.starts_with("node/src/wiring")) {
        let naming = numbered(file).filter(|(_, line)| has_word(line, "tgs_adapters"));
        findings.extend(naming.map(|(no, _)| file.finding(no, "names a concrete adapter")));
    }
    findings
}

/// What is to be done later stands in an issue.
pub fn later_work_has_an_issue(tree: &Tree) -> Vec<Finding> {
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat());
    let mut findings = Vec::new();
    for file in &tree.files {
        for (no, line) in numbered(file) {
            for mark in marks.iter().filter(|mark| has_word(line, mark)) {
                let after = line.split_once(mark.as_str()).map(|(_, after)| after);
                let number = after.and_then(|after| after.strip_prefix("(#"));
                if !number.is_some_and(|it| it.starts_with(|digit: char| digit.is_ascii_digit())) {
                    findings.push(file.finding(no, format!("{mark} without an issue number")));
                }
            }
        }
    }
    findings
}

/// No host of a package registry is written down: the ordinary clients know them.
pub fn no_registry_is_named(tree: &Tree) -> Vec<Finding> {
    let hosts = [
        ["crates", "io"],
        ["pypi", "org"],
        ["pythonhosted", "org"],
        ["npmjs", "org"],
        ["npmjs", "com"],
        ["proxy.golang", "org"],
        ["rubygems", "org"],
        ["repo1.maven", "org"],
        ["anaconda", "org"],
        ["deb.debian", "org"],
    ];
    let hosts = hosts.map(|parts| parts.join("."));
    let mut findings = Vec::new();
    // Lock files are written by those clients.
    let ours =
        |file: &&File| !file.path.ends_with("Cargo.lock") && !file.path.ends_with("-lock.json");
    for file in tree.files.iter().filter(ours) {
        for (no, line) in numbered(file) {
            let named = hosts.iter().filter(|host| line.contains(host.as_str()));
            findings.extend(named.map(|host| file.finding(no, format!("names {host}"))));
        }
    }
    findings
}

/// Pages of the API hold pictures made of letters at most: an example would have to be tested, and
/// `./dev test` leaves the time out that looking for them takes.
pub fn pages_hold_no_code(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let mut is_open = false;
        for (no, line) in numbered(file) {
            let line = line.trim_start();
            let text = ["///", "//!"].iter().find_map(|mark| line.strip_prefix(mark));
            let Some(kind) = text.and_then(|text| text.trim().strip_prefix("```")) else {
                continue;
            };
            is_open = !is_open;
            if is_open && kind != "text" {
                findings.push(file.finding(no, "opens an example"));
            }
        }
    }
    findings
}

fn numbered(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

/// Whether `word` stands in `line` and is not the end of a longer word.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(at, _)| {
        let after = &line[at + word.len()..];
        let is_longer = word.ends_with(is_part) && after.starts_with(is_part);
        !(is_longer || line[..at].ends_with(is_part))
    })
}
