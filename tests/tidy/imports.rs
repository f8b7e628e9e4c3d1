//! Who may import whom: the table of the house, against what cargo really resolves.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Finding, root};

/// One row of the table of `docs/architecture.md`.
pub struct Row {
    /// Our package.
    pub package: &'static str,
    /// Packages of ours that it may import.
    pub ours: &'static [&'static str],
    /// Packages that it must not reach, not even through another one.
    pub never: &'static [&'static str],
}

/// The table.
pub const TABLE: &[Row] = &[
    Row {
        package: "tgs-protocol",
        ours: &[],
        never: &[
            "tokio",
            "ractor",
            "actix",
            "actix-web",
            "tch",
            "scylla",
            "async-nats",
            "rand",
            "redb",
            "arrow",
            "uuid",
            "ulid",
            "getrandom",
        ],
    },
    Row {
        package: "tgs-engine",
        ours: &["tgs-protocol"],
        never: &["ractor", "actix", "actix-web", "scylla", "async-nats", "tokio", "redb"],
    },
    Row {
        package: "tgs-adapters",
        ours: &["tgs-protocol"],
        never: &["ractor", "actix", "actix-web", "tch", "torch-sys"],
    },
    Row {
        package: "tgs-actors",
        ours: &["tgs-protocol"],
        never: &["actix", "actix-web", "tch", "torch-sys", "scylla", "async-nats", "redb"],
    },
    Row {
        package: "tgs-web",
        ours: &["tgs-protocol"],
        never: &["ractor", "tch", "torch-sys", "scylla", "async-nats", "redb"],
    },
    Row {
        package: "tgs-simulations",
        ours: &["tgs-protocol"],
        never: &["tokio", "ractor", "actix", "actix-web", "tch", "torch-sys", "rand", "getrandom"],
    },
    Row {
        package: "tgs",
        ours: &[
            "tgs-protocol",
            "tgs-engine",
            "tgs-adapters",
            "tgs-actors",
            "tgs-web",
            "tgs-simulations",
        ],
        never: &[],
    },
    Row { package: "tgs-tests", ours: ANY, never: &[] },
    Row { package: "tgs-benches", ours: ANY, never: &[] },
];

const ANY: &[&str] = &[
    "tgs-protocol",
    "tgs-engine",
    "tgs-adapters",
    "tgs-actors",
    "tgs-web",
    "tgs-simulations",
    "tgs",
    "tgs-tests",
];

/// What each package imports outside its tests, by name.
pub type Imports = BTreeMap<String, BTreeSet<String>>;

/// Packages of the workspace, and what every package imports, as cargo resolves it for this
/// machine.
pub fn resolved() -> (BTreeSet<String>, Imports) {
    let mut command = cargo_metadata::MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml"));
    command.other_options(["--locked".to_owned(), format!("--filter-platform={}", host())]);
    let metadata = command.exec().expect("cargo knows this workspace");
    let resolve = metadata.resolve.as_ref().expect("cargo resolves");
    let name = |id: &cargo_metadata::PackageId| metadata[id].name.to_string();
    let mut imports = Imports::new();
    for node in &resolve.nodes {
        let used = node.deps.iter().filter(|dependency| {
            dependency.dep_kinds.iter().any(|it| it.kind == cargo_metadata::DependencyKind::Normal)
        });
        imports.entry(name(&node.id)).or_default().extend(used.map(|it| name(&it.pkg)));
    }
    (metadata.workspace_members.iter().map(name).collect(), imports)
}

/// The table is kept, and has a row for every package.
pub fn table_is_kept(table: &[Row], members: &BTreeSet<String>, imports: &Imports) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |package: &str, what: String| {
        findings.push(Finding { path: format!("{package}/Cargo.toml"), line: 0, what });
    };
    for package in members.iter().filter(|it| table.iter().all(|row| row.package != **it)) {
        found(package, "has no row in the table of imports".to_owned());
    }
    for row in table {
        let Some(direct) = imports.get(row.package) else {
            found(row.package, "is in the table of imports, but not in the workspace".to_owned());
            continue;
        };
        for other in direct.intersection(members).filter(|it| !row.ours.contains(&it.as_str())) {
            found(row.package, format!("imports {other}"));
        }
        for package in row.never {
            if let Some(way) = way_to(package, row.package, imports) {
                found(row.package, format!("imports {}", way.join(" → ")));
            }
        }
    }
    findings
}

/// How one package reaches another; none if it does not.
fn way_to(wanted: &str, from: &str, imports: &Imports) -> Option<Vec<String>> {
    let mut seen = BTreeSet::from([from.to_owned()]);
    let mut ways = vec![vec![from.to_owned()]];
    while let Some(way) = ways.pop() {
        for next in imports.get(way.last()?).into_iter().flatten() {
            let mut longer = way.clone();
            longer.push(next.clone());
            if next == wanted {
                longer.remove(0);
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                ways.push(longer);
            }
        }
    }
    None
}

fn host() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let said = std::process::Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}
