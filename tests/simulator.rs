//! `tgs sim` as a person and a program use it: worlds that hold, a broken rule that is caught, and
//! the commands that repeat what was seen.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;
use tgs_tests::program::{Finished, tgs};

fn sim(folder: &Path, words: &[&str]) -> Finished {
    let words: Vec<&str> = ["sim"].iter().chain(words).copied().collect();
    let mut command = tgs(folder, &words);
    Finished::from(command.current_dir(folder).output().expect("the binary can be started"))
}

fn objects(found: &Finished) -> Vec<Value> {
    let object = |line| serde_json::from_str(line).expect("one object per line");
    found.stdout.lines().map(object).collect()
}

#[test]
fn worlds_hold_and_their_number_is_told() {
    let folder = TempDir::new().expect("a temporary folder");
    let found = sim(folder.path(), &["--seeds", "100", "--first", "7"]).expect_status(0);
    assert!(found.stdout.starts_with("100 worlds, "), "{}", found.stdout);
    assert!(found.stdout.ends_with("no promise was broken\n"), "{}", found.stdout);
    let found = sim(folder.path(), &["--seeds", "3", "--nodes", "40"]).expect_status(0);
    assert!(found.stdout.starts_with("3 worlds, "), "{}", found.stdout);
    let found = sim(folder.path(), &["--seeds", "20", "--json"]).expect_status(0);
    let [told] = objects(&found).try_into().expect("one object");
    assert_eq!((&told["event"], &told["worlds"]), (&"simulated".into(), &20.into()));
    assert_eq!(fs::read_dir(folder.path()).expect("ours").count(), 0, "no data folder is made");
}

#[test]
fn a_log_has_the_same_bytes_each_time() {
    let folder = TempDir::new().expect("a temporary folder");
    let log = |name: &str| {
        let found = sim(folder.path(), &["--seed", "7", "--log", name]).expect_status(0);
        (found.stdout, fs::read_to_string(folder.path().join(name)).expect("it was written"))
    };
    let (told, log_of_it) = log("a.log");
    assert!(told.lines().count() > 20 && log_of_it.lines().count() > 500, "{told}");
    assert_eq!(log("b.log"), (told, log_of_it));
}

#[test]
fn a_broken_rule_is_caught_and_seen_again_in_a_small_world() {
    let folder = TempDir::new().expect("a temporary folder");
    let flaw = ["--flaw", "takes_late_writes"];
    let caught = |words: &[&str]| {
        let words = [words, &["--json"]].concat();
        let found = sim(folder.path(), &words).expect_status(1);
        let told = objects(&found);
        let broken = told.iter().find(|it| it["event"] == "broken").expect("a promise is named");
        assert_eq!(told.last().expect("an error")["code"], "TGS-0001");
        broken.clone()
    };
    let first = caught(&flaw);
    // Whichever thread finds it, the same world is told.
    assert_eq!(first, caught(&[&flaw[..], &["--jobs", "1"]].concat()));
    let again = first["again"].as_str().expect("a command").split(' ').skip(2);
    let again: Vec<&str> = again.collect();
    assert_eq!(caught(&again), first);
    let small = caught(&[&again[..], &["--shrink"]].concat());
    assert_eq!(small["invariant"], first["invariant"]);
    assert!(small["events"].as_u64() <= first["events"].as_u64(), "{small}");
    let replay: Vec<&str> =
        small["again"].as_str().expect("a command").split(' ').skip(2).collect();
    assert_eq!(caught(&replay), small);
}

#[test]
fn what_cannot_be_lived_is_refused_with_a_remedy() {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("no.json"), "{\"seed\": 1}").expect("our own folder");
    for (words, told) in [
        (&["--flaw", "nonsense"][..], "no flaw is called \"nonsense\": one of skips_chunks"),
        (&["--replay", "no.json"], "`calm_at_ms` is missing or wrong; take a file"),
        (&["--first", "18446744073709551615"], "the last seed is too large"),
    ] {
        let found = sim(folder.path(), words).expect_status(2);
        assert!(
            found.stderr.contains("USE-0001") && found.stderr.contains(told),
            "{}",
            found.stderr
        );
    }
    for words in [&["--replay", "absent.json"][..], &["--seed", "1", "--log", "no/such/folder"]] {
        let found = sim(folder.path(), words).expect_status(5);
        assert!(found.stderr.contains("STORE-0004"), "{}", found.stderr);
    }
}
