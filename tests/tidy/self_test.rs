//! Each rule is broken by a made-up file and sees it; the same file mended passes.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Finding, imports,
    imports::{Row, table_is_kept},
    lines, pages, syntax,
    tree::{File, Tree},
};

type Find = fn(&Tree) -> Vec<Finding>;

/// Lines found in made-up files, as `path:line what`.
fn found(find: Find, files: &[(&str, &str)]) -> Vec<String> {
    let files = files.iter().map(|(path, text)| File::new(path, text)).collect();
    let findings = find(&Tree::of(files)).into_iter();
    findings.map(|it| format!("{}:{} {}", it.path, it.line, it.what)).collect()
}

#[track_caller]
fn check(find: Find, files: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(found(find, files), expected);
}

#[test]
fn long_files() {
    let long = "const A: u8 = 1;\n".repeat(401);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "const A: u8 = 1;\n".repeat(401));
    let find = lines::file_is_short;
    check(find, &[("a/src/b.rs", &long)], &["a/src/b.rs:0 401 non-test lines"]);
    check(find, &[("a/src/b.rs", &tests), ("a/src/b/tests.rs", &long)], &[]);
    let parent = ("a/src/b.rs", "#[cfg(test)]\nmod weather;\n");
    check(find, &[parent, ("a/src/b/weather.rs", &long)], &[]);
    check(find, &[parent, ("a/src/b/weather/rain.rs", &long)], &[]);
    let of_library = ("a/src/lib.rs", "#[cfg(test)]\nmod weather;\n");
    check(find, &[of_library, ("a/src/weather.rs", &long)], &[]);
    let plain = ("a/src/b.rs", "mod weather;\n");
    let expected = ["a/src/b/weather.rs:0 401 non-test lines"];
    check(find, &[plain, ("a/src/b/weather.rs", &long)], &expected);
}

#[test]
fn wide_lines() {
    let find = lines::line_is_short;
    let wide = format!("//! x\n// {}", "é".repeat(98));
    check(find, &[("a.rs", &wide)], &["a.rs:2 101 columns"]);
    check(find, &[("a.rs", &wide[..wide.len() - 2]), ("a.md", &wide)], &[]);
}

#[test]
fn pages_with_examples() {
    let find = lines::pages_hold_no_code;
    let page = "//! Why.\n/// ```KIND\n/// a();\n/// ```\nfn a() {}\n";
    for kind in ["", "rust", "ignore"] {
        check(find, &[("a.rs", &page.replace("KIND", kind))], &["a.rs:2 opens an example"]);
    }
    check(find, &[("a.rs", &page.replace("KIND", "text")), ("a.md", page)], &[]);
}

#[test]
fn silent_files() {
    let find = lines::file_says_why;
    let silent = "a.rs:1 does not open with `//! …`";
    for text in ["", "use x;\n//! Why.", "\n//! Why.", "//!\n", "// Why."] {
        check(find, &[("a.rs", text)], &[silent]);
    }
    check(find, &[("a.rs", "//! Why.\n")], &[]);
}

#[test]
fn empty_names() {
    let find = lines::names_say_something;
    check(find, &[("a/mod.rs", "")], &["a/mod.rs:0 is a mod.rs"]);
    check(find, &[("a/utils.rs", "")], &["a/utils.rs:0 is called `utils`"]);
    check(find, &[("a/common/b.rs", "")], &["a/common/b.rs:0 is called `common`"]);
    check(find, &[("a/b.rs", "pub mod helpers;")], &["a/b.rs:1 has a module `helpers`"]);
    check(find, &[("a/b.rs", "mod misc {}\n")], &["a/b.rs:1 has a module `misc`"]);
    check(find, &[("a/commons.rs", "mod model;\n// common sense")], &[]);
}

#[test]
fn worldly_protocol() {
    let find = lines::rules_are_pure;
    let path = "protocol/src/a.rs";
    let cases = [
        ("use std::fs;", "names `std::fs`"),
        ("let t = std::time::SystemTime::now();", "names `SystemTime`"),
        ("Instant::now()", "names `Instant::now`"),
        ("rand::random()", "names `rand::`"),
        ("use tokio::sync;", "names `tokio`"),
    ];
    for (text, what) in cases {
        check(find, &[(path, text)], &[&format!("{path}:1 {what}")]);
        check(find, &[("adapters/src/a.rs", text)], &[]);
        let for_tests = format!("#[cfg(test)]\nmod tests {{\n// below\nfn f() {{ {text} }}\n}}");
        check(find, &[(path, &for_tests.replace("use std::fs;", "std::fs::read();"))], &[]);
    }
    check(find, &[(path, "//! no tokio\nlet tokio_like = operand::x; // std::fs")], &[]);
}

#[test]
fn named_adapters() {
    let find = lines::only_wiring_names_adapters;
    let text = "use tgs_adapters::memory;";
    check(find, &[("node/src/a.rs", text)], &["node/src/a.rs:1 names a concrete adapter"]);
    check(find, &[("node/src/wiring.rs", text), ("actors/src/a.rs", "")], &[]);
}

#[test]
fn later_work() {
    let find = lines::later_work_has_an_issue;
    for mark in [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat()) {
        let expected = format!("a.md:1 {mark} without an issue number");
        check(find, &[("a.md", &format!("x {mark}: mend"))], &[&expected]);
        check(find, &[("a.md", &format!("x {mark}(#x)"))], &[&expected]);
        check(find, &[("a.md", &format!("x {mark}(#12): mend\n{mark}S"))], &[]);
    }
}

#[test]
fn named_registries() {
    let find = lines::no_registry_is_named;
    let host = ["crates", "io"].join(".");
    let text = format!("see https://{host}/x");
    check(find, &[("a.md", &text)], &[&format!("a.md:1 names {host}")]);
    check(find, &[("Cargo.lock", &text), ("a.md", "crates and io.")], &[]);
}

#[test]
fn long_functions() {
    let find = syntax::function_is_short;
    let body = "    let _ = 1;\n".repeat(69);
    let long = format!("/// x\n#[x]\nfn f() {{\n{body}}}\n");
    let short = long.replacen("    let _ = 1;\n", "", 1);
    check(find, &[("a.rs", &long)], &["a.rs:3 `f` has 71 lines"]);
    check(find, &[("a.rs", &short)], &[]);
    check(
        find,
        &[("a.rs", &format!("struct S;\nimpl S {{\n{long}}}"))],
        &["a.rs:5 `f` has 71 lines"],
    );
    check(find, &[("a.rs", &format!("trait T {{\n{long}}}"))], &["a.rs:4 `f` has 71 lines"]);
    check(find, &[("a.rs", &long.replace("#[x]", "#[test]"))], &[]);
    check(find, &[("a.rs", &format!("#[cfg(test)]\nmod tests {{\n{long}}}"))], &[]);
}

#[test]
fn unwraps() {
    let find = syntax::nothing_is_unwrapped;
    let path = "node/src/a.rs";
    let cases = [
        ("fn f() { x().unwrap(); }", "unwraps"),
        ("fn f() { x().unwrap_err(); }", "unwraps"),
        ("fn f() { g(|| x.unwrap()); }", "unwraps"),
        ("fn f() { print!(\"{}\", [x.unwrap()]); }", "unwraps"),
        ("fn f() { x.expect(\"\"); }", "expects without a reason"),
        ("fn f() { x.expect(\"oops\"); }", "expects without a reason"),
    ];
    for (text, what) in cases {
        check(find, &[(path, text)], &[&format!("{path}:1 {what}")]);
        check(find, &[(path, &format!("#[cfg(test)]\nmod tests {{ {text} }}"))], &[]);
        check(find, &[("benches/src/a.rs", text)], &[]);
    }
    check(
        find,
        &[(path, "fn f() { x.expect(\"checked above\").unwrap_or(1); p.expect(b'x'); }")],
        &[],
    );
}

#[test]
fn unfinished_code() {
    let find = syntax::nothing_is_unfinished;
    for name in ["todo", "unimplemented", "dbg"] {
        let expected = format!("a.rs:1 calls {name}!");
        check(find, &[("a.rs", &format!("fn f() {{ {name}!(); }}"))], &[&expected]);
        check(find, &[("a.rs", &format!("fn f() {{ vec![{name}!()]; }}"))], &[&expected]);
        check(find, &[("a.rs", &format!("// {name}!()\nfn {name}() {{ \"{name}!\" }}"))], &[]);
    }
}

#[test]
fn unsafe_code() {
    let find = syntax::unsafe_is_listed;
    let cases = [
        "fn f() { unsafe { g() } }",
        "unsafe fn f() {}",
        "unsafe impl Send for S {}",
        "impl S { unsafe fn f() {} }",
    ];
    for text in cases {
        check(find, &[("a.rs", text)], &["a.rs:1 is unsafe code"]);
    }
    check(find, &[("a.rs", "fn f() { \"unsafe\" }")], &[]);
}

#[test]
fn error_pages() {
    let missing = found(pages::every_error_has_a_page, &[("docs/errors/none-0000.md", "")]);
    assert!(missing.contains(&"docs/errors/use-0002.md:0 is missing for USE-0002".to_owned()));
    assert!(missing.contains(&"docs/errors/none-0000.md:0 is the page of no code".to_owned()));
    let thin = found(pages::every_error_has_a_page, &[("docs/errors/use-0002.md", "# USE-0002")]);
    assert!(thin.contains(&"docs/errors/use-0002.md:0 has no line `## What to do`".to_owned()));
    assert!(thin.contains(&"docs/errors/use-0002.md:0 does not say `exit status 2`".to_owned()));
    let path = "docs/errors/use-0002.md";
    let [never, later] = [
        "Doing the same again gives the same error: something has to be changed first.",
        "Doing the same again later can help, with nothing changed.",
    ];
    let lacks = |text: &str| {
        let found = found(pages::every_error_has_a_page, &[(path, text)]);
        [format!("does not say `{never}`"), format!("says `{later}`")]
            .map(|what| found.contains(&format!("{path}:0 {what}")))
    };
    assert_eq!(lacks(later), [true, true]);
    assert_eq!(lacks(&format!("{never}\n{later}")), [false, true]);
    assert_eq!(lacks(never), [false, false]);
}

#[test]
fn stale_pages() {
    let stale = found(pages::generated_parts_are_fresh, &[]);
    assert_eq!(stale.len(), 5, "{stale:?}");
}

#[test]
fn untold_changes() {
    let find = pages::changes_are_told;
    let untold = "CHANGELOG.md:0 has no entry under `## [Unreleased]`";
    check(find, &[], &[untold]);
    check(find, &[("CHANGELOG.md", "# C\n\n## [Unreleased]\n\n## [0.1.0]\n- x\n")], &[untold]);
    check(find, &[("CHANGELOG.md", "# C\n\n## [Unreleased]\n### Added\n- x\n")], &[]);
}

#[test]
fn misnamed_decisions() {
    let find = pages::decisions_are_numbered;
    let text = "";
    for name in ["house.md", "1-house.md", "0001_house.md", "0001-House.md", "0001-house.txt"] {
        let path = format!("docs/decisions/{name}");
        check(find, &[(&path, text)], &[&format!("{path}:0 is not called NNNN-title.md")]);
    }
    let (first, second) = ("docs/decisions/0001-one.md", "docs/decisions/0001-two.md");
    let twice = "docs/decisions/0001-two.md:0 shares its number 0001";
    check(find, &[(first, text), (second, text)], &[twice]);
    check(find, &[(first, text), ("docs/decisions/0002-two.md", text)], &[]);
}

#[test]
fn commands_of_no_use() {
    let script = ("dev", "case $1 in\n  demo) demo ;;\n  fmt|doc) x ;;\n  *) exit 2 ;;\nesac\n");
    let others = ["CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"].map(|path| (path, ""));
    let page = ("README.md", "`./dev demo`, ./dev fmt.\n./dev fly");
    let files = [vec![script, page], others.to_vec()].concat();
    check(pages::commands_exist, &files, &["README.md:2 names `./dev fly`"]);
    assert!(found(pages::commands_exist, &[]).contains(&"LICENSE:0 is missing".to_owned()));
}

#[test]
fn forbidden_imports() {
    let table = [
        Row { package: "inner", ours: &[], never: &["clock"] },
        Row { package: "outer", ours: &["inner"], never: &[] },
    ];
    let members: BTreeSet<_> = ["inner", "outer"].map(str::to_owned).into();
    let imports = |pairs: &[(&str, &[&str])]| -> imports::Imports {
        let sets = pairs.iter().map(|(from, to)| {
            let to = to.iter().map(|it| (*it).to_owned()).collect();
            ((*from).to_owned(), to)
        });
        sets.collect::<BTreeMap<_, _>>()
    };
    let found = |pairs: &[(&str, &[&str])]| -> Vec<String> {
        let findings = table_is_kept(&table, &members, &imports(pairs));
        findings.into_iter().map(|it| format!("{} {}", it.path, it.what)).collect()
    };
    let sound: &[(&str, &[&str])] = &[("inner", &["serde"]), ("outer", &["inner", "clock"])];
    assert!(found(sound).is_empty());
    let upward = found(&[("inner", &["outer"]), ("outer", &["inner"])]);
    assert_eq!(upward, ["inner/Cargo.toml imports outer"]);
    let hidden = found(&[("inner", &["serde"]), ("serde", &["clock"]), ("outer", &[])]);
    assert_eq!(hidden, ["inner/Cargo.toml imports serde → clock"]);
    let gone = found(&[("inner", &[])]);
    let expected = "outer/Cargo.toml is in the table of imports, but not in the workspace";
    assert_eq!(gone, [expected]);
    let with_new: BTreeSet<_> = ["inner", "outer", "new"].map(str::to_owned).into();
    let unlisted = table_is_kept(&table, &with_new, &imports(sound));
    assert_eq!(unlisted[0].what, "has no row in the table of imports");
}
