//! Every command that a page shows is run as it stands there.
//!
//! Each page is one session in a folder of its own. What a reader has to put in stands in the page
//! as a shell variable, so that nothing is left out here. Only three things are changed, by a `tgs`
//! in front of the real one: trainings are short, the server gets a free port (and a node of a
//! cluster a database), and it goes into the background once it listens, as another window would
//! have it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;
use tgs_tests::{
    program::{binary, in_repository},
    server::free_address,
    services::{Database, Nats},
};

/// The `tgs` in front of the real one.
const IN_FRONT: &str = r#"#!/usr/bin/env bash
set -u
words=() ; has_length=0 ; is_broken=0
while [ $# -gt 0 ]; do
  case "$1" in
    --budget) words+=(--steps 20); has_length=1; shift 2 ;;
    --seeds) words+=(--seeds 300); shift 2 ;;
    --nodes) words+=(--nodes 10); shift 2 ;;
    --flaw | --replay) is_broken=1; words+=("$1" "$2"); shift 2 ;;
    --steps | --epochs) words+=("$1" "$2"); has_length=1; shift 2 ;;
    --model) [ "$2" = seqtree ] && has_length=1; words+=("$1" "$2"); shift 2 ;;
    *) words+=("$1"); shift ;;
  esac
done
case "${words[0]} ${words[1]:-}" in
  "node list" | "node show" | "node cordon" | "node drain" | "node uncordon") ;;
  "up "* | "node "*)
    [ "${words[0]}" = up ] || export TGS_STORE="$STORE"
    "$REAL_TGS" "${words[@]}" --listen "127.0.0.1:$PORT" > up.log 2>&1 &
    echo $! > up.pid
    for _ in $(seq 600); do grep -q listening up.log && exit 0; sleep .1; done
    cat up.log >&2; exit 1 ;;
  "synth "* | "train "*) [ $has_length = 1 ] || words+=(--steps 20) ;;
esac
"$REAL_TGS" "${words[@]}"
status=$?
# A table that is withheld after so short a training is an answer, too, and so is that nothing was
# interrupted, and that a rule which was broken on purpose was caught.
case "$status ${words[0]} $is_broken" in 3\ * | "2 resume 0" | "1 sim 1") exit 0 ;; esac
exit $status
"#;

/// A `curl` that fails where the server refuses.
const CURL: &str = "#!/bin/sh\nPATH=$REAL_PATH exec curl --fail-with-body \"$@\"\n";

/// The Python that `./dev` gave the client of NATS to.
const PYTHON: &str = "#!/bin/sh\nexec \"$TGS_NATS_PYTHON\" \"$@\"\n";

/// There is no engine for containers here: compose reads its files, and a server with the same
/// token is there instead of the cluster, which `deployed.rs` starts.
const DOCKER: &str = r#"#!/usr/bin/env bash
set -euo pipefail
tools="$TGS_DEPLOYMENT_TOOLS"
case "$*" in
  "build --file deploy/Dockerfile --tag tabgraphsyn:local .") exec "$tools/hadolint" "$3" ;;
  "compose --file deploy/compose.yaml up --wait")
    "$tools/docker-compose" --file "$3" config --quiet
    TGS_TOKEN_FILE=deploy/secrets/token exec tgs up ;;
  "compose --file deploy/compose.yaml down")
    exec "$tools/docker-compose" --file "$3" config --quiet ;;
esac
echo "docker: no such words: $*" >&2; exit 2
"#;

/// Nor is there a Kubernetes: the chart is rendered with what is set, and files of secrets are
/// there.
const HELM: &str = r#"#!/usr/bin/env bash
set -euo pipefail
tools="$TGS_DEPLOYMENT_TOOLS"
CHART=deploy/helm/tabgraphsyn
[ "$1 $2 $3 $4 $5 $6 $7" = "upgrade --install tabgraphsyn $CHART --namespace science --values" ]
"$tools/python" "$REPOSITORY/tests/peers/deployment.py" render "$4" "$8" > rendered.json
grep -q '"refused": \[\]' rendered.json
"#;
const KUBECTL: &str = r#"#!/usr/bin/env bash
set -euo pipefail
for word in "$@"; do
  case "$word" in --from-file=*) file="${word#--from-file=}"; [ -e "${file#*=}" ] ;; esac
done
"#;

/// What the pages call their tables.
const TABLES: [&str; 4] = ["patients.csv", "trial.csv", "real.csv", "unseen.csv"];

/// Lines of these are run by whoever builds and tests, or measure for hours.
const ELSEWHERE: [&str; 2] = ["./dev ", "benches/"];

/// Blocks of shell commands, in order.
fn blocks(page: &str) -> Vec<String> {
    let (mut blocks, mut block) = (Vec::new(), None::<String>);
    for line in page.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

/// All commands of a page as one script.
fn script(page: &str) -> String {
    let is_here = |line: &&str| !ELSEWHERE.iter().any(|other| line.starts_with(other));
    let blocks = blocks(page);
    let lines = blocks.iter().flat_map(|block| block.lines()).filter(is_here);
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    text.replace("tgs_…", "$(sed -n 's/^token *//p' up.log)")
        .replace("127.0.0.1:7400", "127.0.0.1:$PORT")
        .replace("nats://127.0.0.1:4222", "$BUS")
        .replace(r#""budget": "2m""#, r#""steps": 20"#)
        .replace(r#"region = "eu""#, r#"region = "dc1""#)
        .replace("--regions eu", "--regions dc1")
}

/// A table with two hundred rows of the example, from a row on; so small that all is quick.
fn part_of_example(from: usize) -> String {
    let whole = fs::read_to_string(in_repository("examples/actg175.csv")).expect("the example");
    let head = whole.lines().take(1);
    let rows = whole.lines().skip(1 + from).take(400);
    head.chain(rows).map(|line| format!("{line}\n")).collect()
}

fn prepare(folder: &Path) {
    let tools = folder.join("bin");
    fs::create_dir_all(&tools).expect("a folder");
    fs::create_dir_all(folder.join("examples")).expect("a folder");
    let in_front = [
        ("tgs", IN_FRONT),
        ("curl", CURL),
        ("python3", PYTHON),
        ("docker", DOCKER),
        ("helm", HELM),
        ("kubectl", KUBECTL),
    ];
    for (name, text) in in_front {
        let in_front = tools.join(name);
        fs::write(&in_front, text).expect("it can be written");
        fs::set_permissions(&in_front, fs::Permissions::from_mode(0o755)).expect("our own file");
    }
    for (no, name) in TABLES.iter().enumerate() {
        fs::write(folder.join(name), part_of_example(no * 400)).expect("it can be written");
    }
    for name in ["actg175.csv", "actg175.metadata.json", "publish_order.py"] {
        let from = in_repository("examples").join(name);
        fs::copy(from, folder.join("examples").join(name)).expect("the example");
    }
}

/// Runs the commands of a page, after others that the reader has run before; gives how many lines
/// there were.
fn run(page: &str, before: &str) -> usize {
    run_over(&[], page, before)
}

/// The same, with variables that say where a database or a bus is.
fn run_over(places: &[(&str, &str)], page: &str, before: &str) -> usize {
    let folder = TempDir::new().expect("a temporary folder");
    prepare(folder.path());
    let text = fs::read_to_string(in_repository(page)).expect(page);
    let script = script(&format!("```sh\n{before}\n```\n{text}"));
    let port = free_address().port().to_string();
    let tools = folder.path().join("bin");
    let real_path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{real_path}", tools.display());
    let at_the_end = "trap '[ ! -f up.pid ] || kill \"$(cat up.pid)\"' EXIT";
    let output = Command::new("bash")
        .arg("-c")
        .arg(format!("set -euo pipefail\nexec 2>&1\n{at_the_end}\nset -x\n{script}"))
        .current_dir(folder.path())
        .env("PATH", path)
        .env("REAL_PATH", real_path)
        .env("REAL_TGS", binary())
        .env("REPOSITORY", in_repository(".").canonicalize().expect("it is there"))
        .env("PORT", &port)
        .envs(places.iter().copied())
        .env("TGS_SERVER", format!("http://127.0.0.1:{port}"))
        .env("TGS_HOME", folder.path().join("home"))
        .env("XDG_CONFIG_HOME", folder.path().join("no-configuration"))
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{page}: {:?}\n{said}", output.status);
    script.lines().count()
}

#[test]
fn the_readme_does_what_it_shows() {
    assert!(run("README.md", "") >= 5, "it shows the main commands");
}

#[test]
fn the_examples_do_what_their_page_shows() {
    assert!(run("examples/README.md", "") >= 2, "it shows how to use the example");
}

#[test]
fn the_page_of_constants_does_what_it_shows() {
    assert!(run("docs/guide/constants.md", "") >= 2, "it shows how to set a constant");
}

#[test]
fn the_page_of_conditions_does_what_it_shows() {
    assert!(run("docs/guide/conditions.md", "") >= 3, "it shows conditions and shares");
}

#[test]
fn the_page_of_serving_does_what_it_shows() {
    assert!(run("docs/guide/serving.md", "") >= 10, "it shows the way of a table");
}

#[test]
fn the_page_of_notices_does_what_it_shows() {
    let before = "tgs up\nexport TGS_TOKEN=tgs_…";
    assert!(run("docs/guide/notices.md", before) >= 5, "it shows a webhook");
}

#[test]
fn the_page_of_the_simulator_does_what_it_shows() {
    assert!(run("docs/guide/simulator.md", "") >= 7, "it shows how worlds are lived");
}

#[test]
fn the_page_of_clusters_does_what_it_shows() {
    let database = Database::shared();
    let keyspace = format!("documented_{}", std::process::id());
    let store = format!("cql://{}/{keyspace}", database.contact_points.join(","));
    let places = [("STORE", store.as_str())];
    assert!(run_over(&places, "docs/guide/cluster.md", "") >= 5, "it shows how to start a node");
}

#[test]
fn the_page_of_messages_does_what_it_shows() {
    let (bus, page) = (Nats::start(), "docs/guide/messages.md");
    assert!(run_over(&[("BUS", &bus.url())], page, "") >= 5, "it shows how an order is published");
}

#[test]
fn the_page_of_deploying_does_what_it_shows() {
    let (page, copied) =
        ("docs/guide/deploying.md", "cp -a \"$REPOSITORY/deploy\" . && rm -rf deploy/secrets");
    assert!(run(page, copied) >= 10, "it shows an image, compose and the chart");
}

/// A page with commands that nobody runs is not overlooked.
#[test]
fn no_page_shows_commands_that_are_not_run() {
    let run_here = [
        "README.md",
        "examples/README.md",
        "docs/guide/cluster.md",
        "docs/guide/conditions.md",
        "docs/guide/constants.md",
        "docs/guide/deploying.md",
        "docs/guide/messages.md",
        "docs/guide/notices.md",
        "docs/guide/serving.md",
        "docs/guide/simulator.md",
    ];
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md"])
        .current_dir(in_repository("."))
        .output()
        .expect("git runs");
    for page in String::from_utf8_lossy(&listed.stdout).lines() {
        let Ok(text) = fs::read_to_string(in_repository(page)) else { continue };
        let is_shown = blocks(&text)
            .iter()
            .flat_map(|block| block.lines())
            .any(|line| !line.is_empty() && !ELSEWHERE.iter().any(|it| line.starts_with(it)));
        let is_elsewhere = page == "benches/lab/README.md";
        assert!(
            !is_shown || is_elsewhere || run_here.contains(&page),
            "{page} shows commands; run them here"
        );
    }
}
