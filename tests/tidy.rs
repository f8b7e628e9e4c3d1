//! The house rules as a test. A failure lists every place with the rule and what to do about it;
//! beside each rule stands a test that breaks it, so that the check is known to see.

use std::fmt::Write as _;

#[path = "tidy/constants.rs"]
mod constants;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/lines.rs"]
mod lines;
#[path = "tidy/pages.rs"]
mod pages;
#[path = "tidy/self_test.rs"]
mod self_test;
#[path = "tidy/syntax.rs"]
mod syntax;
#[path = "tidy/tree.rs"]
mod tree;

use tree::{Finding, Tree};

/// A rule: what it says, what to do when it is broken, and how that is seen.
pub struct Rule {
    says: &'static str,
    remedy: &'static str,
    find: fn(&Tree) -> Vec<Finding>,
}

/// Every rule that text and syntax can tell. The table of imports is checked beside them.
const RULES: &[Rule] = &[
    Rule {
        says: "a file has at most 400 non-test lines",
        remedy: "split it by noun",
        find: lines::file_is_short,
    },
    Rule {
        says: "a line has at most 100 columns",
        remedy: "break it where the thought breaks",
        find: lines::line_is_short,
    },
    Rule {
        says: "a Rust file opens by saying why it exists",
        remedy: "write `//! …` as its first line",
        find: lines::file_says_why,
    },
    Rule {
        says: "a name says what is inside",
        remedy: "name the noun it is about; use foo.rs with foo/bar.rs",
        find: lines::names_say_something,
    },
    Rule {
        says: "protocol and simulations have no I/O, no clock, no dice and no async runtime",
        remedy: "take the value as an argument, or add a port",
        find: lines::rules_are_pure,
    },
    Rule {
        says: "in the node, wiring.rs alone names concrete adapters",
        remedy: "ask for the port",
        find: lines::only_wiring_names_adapters,
    },
    Rule {
        says: "work for later has an issue",
        remedy: "do it now, or write the issue's number in parentheses after the mark",
        find: lines::later_work_has_an_issue,
    },
    Rule {
        says: "no package registry's host is written down",
        remedy: "let the ordinary client find it",
        find: lines::no_registry_is_named,
    },
    Rule {
        says: "pages of the API hold no examples",
        remedy: "write a test, or open what is a picture with ```text",
        find: lines::pages_hold_no_code,
    },
    Rule {
        says: "a function has at most 70 lines",
        remedy: "give a part of it a name",
        find: syntax::function_is_short,
    },
    Rule {
        says: "production code does not unwrap",
        remedy: "return the error, or `expect` with the reason why it cannot happen",
        find: syntax::nothing_is_unwrapped,
    },
    Rule {
        says: "nothing is unfinished",
        remedy: "finish it or take it out",
        find: syntax::nothing_is_unfinished,
    },
    Rule {
        says: "unsafe code stands where the list in tests/tidy/syntax.rs says",
        remedy: "use the safe way, or add the file and the reason",
        find: syntax::unsafe_is_listed,
    },
    Rule {
        says: "every error code has its page, every page its code",
        remedy: "write docs/errors/CODE.md after the others, or delete the page",
        find: pages::every_error_has_a_page,
    },
    Rule {
        says: "generated parts of pages are fresh",
        remedy: "run this test with TGS_BLESS=1 and look at the difference",
        find: pages::generated_parts_are_fresh,
    },
    Rule {
        says: "changes are told to users",
        remedy: "add a line to CHANGELOG.md under Unreleased",
        find: pages::changes_are_told,
    },
    Rule {
        says: "decisions are pages NNNN-title.md",
        remedy: "rename it with the next free number",
        find: pages::decisions_are_numbered,
    },
    Rule {
        says: "what the pages tell people to use exists",
        remedy: "add the verb to ./dev, add the file, or correct the page",
        find: pages::commands_exist,
    },
];

#[test]
fn the_house_rules_are_kept() {
    let tree = Tree::read();
    let mut complaint = String::new();
    for rule in RULES {
        complain(&mut complaint, rule.says, rule.remedy, (rule.find)(&tree));
    }
    assert!(complaint.is_empty(), "\n{complaint}");
}

#[test]
fn the_table_of_imports_is_kept() {
    let (members, imports) = imports::resolved();
    let mut complaint = String::new();
    let says = "a package imports only what the table in tests/tidy/imports.rs allows";
    let remedy = "move the code to where the import belongs, or put a port between";
    let findings = imports::table_is_kept(imports::TABLE, &members, &imports);
    complain(&mut complaint, says, remedy, findings);
    assert!(complaint.is_empty(), "\n{complaint}");
}

fn complain(complaint: &mut String, says: &str, remedy: &str, mut findings: Vec<Finding>) {
    findings.sort();
    if !findings.is_empty() {
        writeln!(complaint, "rule: {says}\n  to do: {remedy}").expect("a string takes all");
    }
    for Finding { path, line, what } in findings {
        let place = if line == 0 { path } else { format!("{path}:{line}") };
        writeln!(complaint, "  {place}: {what}").expect("a string takes all");
    }
}
