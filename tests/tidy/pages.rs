//! Pages that must agree with the code: errors, the state diagram, constants, changes, decisions,
//! commands.

use std::collections::BTreeSet;

use tgs_protocol::{
    code::{Code, EXIT_STATUSES, Retry},
    invariant::Invariant,
    job::state,
};
use tgs_simulations::world::{Flaw, Rate, Site};

use super::{
    constants,
    tree::{File, Finding, Tree},
};

/// Marks around what a test writes into a page.
const BEGIN: &str = "<!-- generated: begin -->";
const END: &str = "<!-- generated: end -->";
/// Files that every repository of ours has.
const MUST_EXIST: &[&str] = &["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "dev"];
/// Sections of an error page.
const SECTIONS: &[&str] = &["## What happened", "## Why", "## What to do", "## Example"];

/// The sentence on the page of a code that says whether the same again can help.
const fn sentence(retry: Retry) -> &'static str {
    match retry {
        Retry::Never => {
            "Doing the same again gives the same error: something has to be changed first."
        }
        Retry::Later => "Doing the same again later can help, with nothing changed.",
        Retry::Mended => {
            "A job that meets this error is interrupted, not lost: once the cause is mended, \
             `tgs resume` goes on."
        }
    }
}

/// Every code has its page with every section, and every page has its code.
pub fn every_error_has_a_page(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for code in Code::ALL {
        let path = format!("docs/errors/{}", code.page());
        let Some(text) = tree.text(&path) else {
            findings.push(Finding { path, line: 0, what: format!("is missing for {code}") });
            continue;
        };
        let title = format!("# {code}: {}", code.meaning().trim_end_matches('.'));
        let wanted = [title.as_str()].into_iter().chain(SECTIONS.iter().copied());
        for line in wanted.filter(|line| !text.lines().any(|it| it == *line)) {
            let what = format!("has no line `{line}`");
            findings.push(Finding { path: path.clone(), line: 0, what });
        }
        let status = format!("exit status {}", code.exit_status());
        let again = sentence(code.retry());
        for words in [status.as_str(), again].into_iter().filter(|it| !text.contains(it)) {
            let what = format!("does not say `{words}`");
            findings.push(Finding { path: path.clone(), line: 0, what });
        }
        let others = [Retry::Never, Retry::Later, Retry::Mended].map(sentence);
        for other in others.into_iter().filter(|it| *it != again && text.contains(it)) {
            findings.push(Finding { path: path.clone(), line: 0, what: format!("says `{other}`") });
        }
    }
    let pages: BTreeSet<_> = Code::ALL.iter().map(|code| code.page()).collect();
    for file in tree.files.iter().filter(|file| file.path.starts_with("docs/errors/")) {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        if name != "README.md" && !pages.contains(name) {
            findings.push(file.finding(0, "is the page of no code"));
        }
    }
    findings
}

/// The generated part of a page is what the code says. Set `TGS_BLESS=1` to write it anew.
pub fn generated_parts_are_fresh(tree: &Tree) -> Vec<Finding> {
    let parts = [
        ("docs/errors/README.md", index_of_errors()),
        ("docs/semantics.md", exit_statuses()),
        ("docs/architecture.md", format!("```mermaid\n{}```\n", diagram())),
        ("docs/guide/constants.md", constants::tables(tree)),
        ("docs/guide/simulator.md", troubles() + "\n" + &promises()),
    ];
    let stale = parts.into_iter().filter_map(|(path, wanted)| {
        let text = tree.text(path).unwrap_or_default();
        let fresh = with_generated(text, &wanted);
        if fresh.as_deref() == Some(text) {
            return None;
        }
        if let Some(fresh) = fresh.filter(|_| std::env::var_os("TGS_BLESS").is_some()) {
            std::fs::write(super::tree::root().join(path), fresh).expect("the page is writable");
            return None;
        }
        let what = "its generated part is not what the code says".to_owned();
        Some(Finding { path: path.to_owned(), line: 0, what })
    });
    stale.collect()
}

/// A change that users notice is told to them.
pub fn changes_are_told(tree: &Tree) -> Vec<Finding> {
    let path = "CHANGELOG.md";
    let text = tree.text(path).unwrap_or_default();
    let mut sections = text.split("\n## ").skip(1);
    let newest = sections.find(|section| section.starts_with("[Unreleased]"));
    if newest.is_some_and(|section| section.lines().any(|line| line.starts_with("- "))) {
        return Vec::new();
    }
    let what = "has no entry under `## [Unreleased]`".to_owned();
    vec![Finding { path: path.to_owned(), line: 0, what }]
}

/// A decision is a numbered page; no two share a number.
pub fn decisions_are_numbered(tree: &Tree) -> Vec<Finding> {
    let mut numbers = BTreeSet::new();
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.starts_with("docs/decisions/")) {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let (number, title) = name.split_once('-').unwrap_or_default();
        let is_number = number.len() == 4 && number.bytes().all(|it| it.is_ascii_digit());
        let is_title = |text: &str| {
            let words = text.bytes();
            !text.is_empty() && words.into_iter().all(|it| it.is_ascii_lowercase() || it == b'-')
        };
        if !is_number || !title.strip_suffix(".md").is_some_and(is_title) {
            findings.push(file.finding(0, "is not called NNNN-title.md"));
        } else if !numbers.insert(number) {
            findings.push(file.finding(0, format!("shares its number {number}")));
        }
    }
    findings
}

/// What the pages tell people to type exists.
pub fn commands_exist(tree: &Tree) -> Vec<Finding> {
    let missing = MUST_EXIST.iter().filter(|path| tree.text(path).is_none());
    let mut findings: Vec<_> = missing
        .map(|path| Finding { path: (*path).to_owned(), line: 0, what: "is missing".to_owned() })
        .collect();
    let verbs = verbs_of(tree.text("dev").unwrap_or_default());
    let is_page = |file: &&File| file.path.ends_with(".md") && file.path != "CHANGELOG.md";
    for file in tree.files.iter().filter(is_page) {
        for (at, line) in file.text.lines().enumerate() {
            for after in line.split("./dev ").skip(1) {
                let is_part = |letter: char| letter.is_ascii_lowercase() || letter == '-';
                let verb = after.split(|letter| !is_part(letter)).next().unwrap_or_default();
                if !verb.is_empty() && !verbs.contains(verb) {
                    findings.push(file.finding(at + 1, format!("names `./dev {verb}`")));
                }
            }
        }
    }
    findings
}

/// The labels of the script's `case`: `  test) …` and `  fmt|doc) …`.
fn verbs_of(script: &str) -> BTreeSet<&str> {
    let labels = script.lines().filter_map(|line| line.trim_start().split_once(')'));
    let labels = labels.flat_map(|(label, _)| label.split('|')).map(str::trim);
    labels.filter(|it| it.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')).collect()
}

/// The table of `docs/errors/README.md`.
fn index_of_errors() -> String {
    let mut table =
        "| code | meaning | exit status | trying again |\n|---|---|---|---|\n".to_owned();
    for code in Code::ALL {
        let again = match code.retry() {
            Retry::Never => "helps only after something was changed",
            Retry::Later => "can help later, with nothing changed",
            Retry::Mended => "by `tgs resume`, once it is mended",
        };
        let (page, meaning, status) = (code.page(), code.meaning(), code.exit_status());
        table.push_str(&format!("| [{code}]({page}) | {meaning} | {status} | {again} |\n"));
    }
    table
}

/// The table of exit statuses in `docs/semantics.md`.
fn exit_statuses() -> String {
    let rows = EXIT_STATUSES.map(|(status, meaning)| format!("| {status} | {meaning} |\n"));
    format!("| exit status | meaning |\n|---|---|\n{}", rows.concat())
}

/// What goes wrong in made-up worlds.
fn troubles() -> String {
    let mut table = "| trouble | what | in a bad world |\n|---|---|---|\n".to_owned();
    for site in Site::ALL {
        let often = match site.often() {
            Rate::Chance(millionths) => format!("{} % of the times", millionths as f64 / 1e4),
            Rate::Every(ms) => format!("once in {} s", ms / 1_000),
        };
        table.push_str(&format!("| `{site}` | {} | {often} |\n", site.what()));
    }
    table
}

/// Promises, and the rules that are broken on purpose to see each of them caught.
fn promises() -> String {
    let mut table = "| promise | what | broken by |\n|---|---|---|\n".to_owned();
    for invariant in Invariant::ALL {
        let flaws = Flaw::ALL.iter().filter(|flaw| flaw.breaks() == *invariant);
        let flaws = flaws.map(|flaw| format!("`{flaw}`: {}", flaw.what())).collect::<Vec<_>>();
        let flaws = match flaws.is_empty() {
            true => "in another world: `protocol/src/notification/step/weather.rs`".to_owned(),
            false => flaws.join("; "),
        };
        let (id, promise) = (invariant.id(), invariant.promise());
        table.push_str(&format!("| {id} | {promise} | {flaws} |\n"));
    }
    table
}

fn diagram() -> String {
    state::diagram(&state::examples())
}

/// The page with its generated part replaced; none if it has no place for it.
fn with_generated(text: &str, wanted: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{wanted}{END}{after}"))
}
