//! What a newcomer types on the first day, right and wrong, through the real program: words that
//! must not promise more than was measured, names that must not be ignored, objects for programs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;
use tgs_protocol::code::Code;
use tgs_tests::program::{Finished, in_repository, run, tgs};

/// A folder with a table in it, and what a run there says.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder") }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn put(&self, name: &str, content: &str) -> String {
        fs::write(self.path(name), content).expect("our own folder");
        self.at(name)
    }
    fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
    fn run(&self, words: &[&str]) -> Finished {
        run(&self.path("home"), words)
    }
    /// The last object that a run with `--json` says.
    fn result(&self, words: &[&str], status: i32) -> Value {
        let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        let found = self.run(&words).expect_status(status);
        let objects: Vec<Value> = found
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).expect("one object per line"))
            .collect();
        assert!(objects.iter().all(|object| object["event"].is_string()), "{}", found.stdout);
        objects.last().cloned().expect("a result is said")
    }
}

/// `row` of so many rows below a header.
fn table(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!("{header}\n{}\n", rows.join("\n"))
}

/// Too few rows for any attack on membership.
fn small() -> String {
    let spread = |at: usize, by: usize| (at * by % 1009) as f64 + at as f64 / 64.0;
    table("a,b,c", 60, |at| format!("{},{},{}", spread(at, 37), spread(at, 101), spread(at, 211)))
}

/// What the manifest beside a table says of the bits it was computed with; for portable kernels,
/// asked from outside or by our setting.
fn numerics_class(desk: &Desk, name: &str, variables: &[(&str, &str)]) -> String {
    let source = desk.put("source.csv", &small());
    let out = desk.at(&format!("{name}.csv"));
    let words = ["synth", &source, "-o", &out, "--steps", "1", "--gates", "warn", "--quiet"];
    let mut command = tgs(&desk.path(name), &words);
    let output = command.envs(variables.iter().copied()).output().expect("it starts");
    let _ended = Finished::from(output).expect_status(0);
    let manifest = fs::read(desk.path(&format!("{name}.report/manifest.json"))).expect("is there");
    let manifest: Value = serde_json::from_slice(&manifest).expect("a manifest");
    manifest["numerics_class"].as_str().expect("a class").to_owned()
}

#[test]
fn portable_numerics_are_those_of_processors_without_newer_instructions() {
    let desk = Desk::new();
    let older =
        [("MKL_CBWR", "AVX2"), ("ONEDNN_MAX_CPU_ISA", "AVX2"), ("ATEN_CPU_CAPABILITY", "avx2")];
    let portable = numerics_class(&desk, "portable", &[("TGS_NUMERICS", "portable")]);
    assert_eq!(portable, numerics_class(&desk, "older", &older));
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // An older processor computes so anyway.
    if processor.contains("avx512f") {
        assert_ne!(portable, numerics_class(&desk, "native", &[]));
    }
}

/// Rows that all differ, so that a copy of one is a rare copy.
fn distinct(rows: usize) -> String {
    table("a,b,c", rows, |at| format!("{},x{},{}.5", at, at % 3, at * 37 % 1009))
}

#[test]
fn unmeasured_privacy_is_never_a_plain_pass() {
    let desk = Desk::new();
    let source = desk.put("t.csv", &small());
    for gates in ["enforce", "warn"] {
        let out = desk.at(&format!("{gates}.csv"));
        let words = ["synth", &source, "-o", &out, "--model", "seqtree", "--gates", gates];
        let said = desk.run(&words).expect_status(0).stdout;
        assert!(!said.contains("every gate holds"), "{gates}: {said}");
        assert!(said.contains("could not be measured"), "{gates}: {said}");
        assert!(said.contains("membership_advantage: Not measured"), "{gates}: {said}");
        let result = desk.result(&words, 0);
        assert_eq!(result["verdict"], "warn", "{gates}");
        assert_eq!(result["outcome"], "published", "{gates}");
        let open = result["open_gates"].as_array().expect("a list");
        assert!(open.iter().any(|gate| gate == "membership_advantage"), "{gates}");
        let reasons = result["reasons"].to_string();
        assert!(reasons.contains("membership_advantage"), "{gates}: {reasons}");
    }
}

#[test]
fn a_withheld_run_says_what_stands_at_its_place() {
    let desk = Desk::new();
    let source = desk.put("t.csv", &small());
    let out = desk.at("o.csv");
    let words = ["synth", &source, "-o", &out, "--model", "seqtree", "--gate", "ks_mean=0.0001"];
    let result = desk.result(&words, 3);
    assert_eq!(result["outcome"], "withheld");
    assert_eq!(result["code"], "GATE-0001");
    assert_eq!(result["earlier_table"], Value::Null);
    desk.put("o.csv", "an earlier table\n");
    assert_eq!(desk.result(&words, 3)["earlier_table"], out.as_str());
    let said = desk.run(&words).expect_status(3).stdout;
    assert!(
        said.contains("an earlier file stands at") && said.contains("not of this run"),
        "{said}"
    );
    assert_eq!(said.matches("ks_mean:").count(), 1, "a reason is said once: {said}");
    assert!(said.contains("--gates warn"), "no privacy gate failed: {said}");
    assert_eq!(fs::read_to_string(&out).expect("it is still there"), "an earlier table\n");
}

#[test]
fn a_privacy_gate_is_not_got_round_in_passing() {
    let desk = Desk::new();
    let real = desk.put("real.csv", &distinct(400));
    let report = desk.at("report");
    let compare = ["report", &real, &real, "-o", &report];
    let said = desk.run(&compare).expect_status(3).stdout;
    assert!(said.contains("rare_copies:") && !said.contains("--gates warn"), "{said}");
    let page = fs::read_to_string(desk.path("report/report.html")).expect("it was written");
    assert!(!page.contains("withheld") && !page.contains("the model learned from them"));
    let only_said = [&compare[..], &["--gate", "rare_copies=:warn"]].concat();
    let result = desk.result(&only_said, 0);
    assert_eq!((&result["event"], &result["verdict"]), (&"report".into(), &"warn".into()));
    let page = fs::read_to_string(desk.path("report/report.html")).expect("it was written");
    assert!(page.contains("A privacy gate failed.") && !page.contains("with care"));
}

#[test]
fn two_tables_have_two_reports() {
    let desk = Desk::new();
    let source = desk.put("t.csv", &small());
    for name in ["study.v1.csv", "study.v2.csv"] {
        let out = desk.at(name);
        let _ = desk.run(&["synth", &source, "-o", &out, "--model", "seqtree"]).expect_status(0);
    }
    for name in ["study.v1.report", "study.v2.report"] {
        assert!(desk.path(name).join("report.html").is_file(), "{name}");
    }
    let of_csv = fs::read(desk.path("study.v1.report/report.json")).expect("was written");
    let words = ["synth", &source, "-o", &desk.at("study.v1.parquet"), "--model", "seqtree"];
    let found = desk.run(&words).expect_status(2);
    assert!(found.stderr.contains("that of a .csv table stands there"), "{}", found.stderr);
    assert_eq!(fs::read(desk.path("study.v1.report/report.json")).ok(), Some(of_csv));
    let folder = desk.at("parquet.report");
    let apart = [&words[..], &["--report", &folder]].concat();
    let _ = desk.run(&apart).expect_status(0);
    let again = ["synth", &source, "-o", &desk.at("study.v1.csv"), "--model", "seqtree"];
    let _ = desk.run(&again).expect_status(0);
}

#[test]
fn a_mistyped_target_is_refused() {
    let desk = Desk::new();
    let rows = table("id,age,sex,site", 60, |at| format!("P{at:04},{},{},k", at % 50, at % 2));
    let source = desk.put("t.csv", &rows);
    let (out, report) = (desk.at("o.csv"), desk.at("r"));
    for (target, says) in [
        ("agee", "the nearest name is \"age\""),
        ("id", "is of kind id"),
        ("site", "is of kind constant"),
    ] {
        let synth = ["synth", &source, "-o", &out, "--model", "seqtree", "--target", target];
        let compare = ["report", &source, &source, "-o", &report, "--target", target];
        for words in [&synth[..], &compare[..]] {
            let found = desk.run(words).expect_status(2);
            assert!(found.stderr.contains(Code::BadMetadata.as_str()), "{}", found.stderr);
            assert!(found.stderr.contains(says), "{target}: {}", found.stderr);
        }
        assert!(!desk.path("r").exists(), "a refused comparison leaves nothing behind");
    }
}

#[test]
fn a_holdout_must_hold_other_rows() {
    let desk = Desk::new();
    let source = desk.put("t.csv", &distinct(60));
    let copy = desk.put("copy.csv", &distinct(60));
    let (out, report) = (desk.at("o.csv"), desk.at("r"));
    for holdout in [&source, &copy] {
        let synth = ["synth", &source, "-o", &out, "--model", "seqtree", "--holdout", holdout];
        let compare = ["report", &source, &source, "-o", &report, "--holdout", holdout];
        for words in [&synth[..], &compare[..]] {
            let found = desk.run(words).expect_status(2);
            assert!(found.stderr.contains("aside"), "{}", found.stderr);
        }
    }
    let compare = ["report", &source, &copy, "-o", &report, "--threads", "0"];
    assert!(desk.run(&compare).expect_status(2).stderr.contains("0 threads"));
    let other = desk.put("other.csv", &distinct(90));
    let words = ["synth", &source, "-o", &out, "--model", "seqtree", "--holdout", &other];
    let all = [&words[..], &["--gates", "warn"]].concat();
    assert_eq!(
        desk.result(&all, 0)["rows"],
        60,
        "rows kept aside in a file of their own do not count"
    );
}

#[test]
fn results_have_what_the_next_program_needs() {
    let desk = Desk::new();
    let source = desk.put("t.csv", &small());
    let model = desk.at("m.safetensors");
    let trained = desk.result(&["train", &source, "-o", &model, "--model", "seqtree"], 0);
    assert_eq!(trained["model"], model.as_str());
    assert_eq!(trained["outcome"], "published");
    assert_eq!(desk.result(&["profile", &source], 0)["event"], "profile");
    assert_eq!(desk.result(&["config"], 0)["event"], "setting");
    let asked = ["synth", &source, "-o", &desk.at("o.csv"), "--dry-run"];
    assert_eq!(desk.result(&asked, 0)["event"], "request");
}

#[test]
fn errors_are_explained_without_a_checkout() {
    let desk = Desk::new();
    let found = desk.run(&["profile", &desk.at("nowhere.csv")]).expect_status(4);
    assert!(found.stderr.contains("`tgs explain DATA-0001`"), "{}", found.stderr);
    let page = desk.run(&["explain", "data-0001"]).expect_status(0).stdout;
    assert!(page.starts_with("# DATA-0001") && page.contains("## What to do"), "{page}");
    assert!(desk.run(&["explain"]).expect_status(0).stdout.contains("TGS-0001"));
    let _ = desk.run(&["explain", "DATA-9999"]).expect_status(2);
}

#[test]
fn nothing_to_resume_makes_no_folder_and_is_told() {
    let desk = Desk::new();
    let found = desk.run(&["resume"]).expect_status(2);
    assert!(found.stderr.contains("there is no such folder"), "{}", found.stderr);
    let found = desk.run(&["resume", "--list"]).expect_status(0);
    assert!(found.stderr.contains("no interrupted job"), "{}", found.stderr);
    let nothing = "{\"event\":\"listed\",\"jobs\":0}\n";
    assert_eq!(desk.run(&["resume", "--list", "--json"]).expect_status(0).stdout, nothing);
    assert!(!desk.path("home").exists(), "a mistyped folder is not made");
    fs::create_dir(desk.path("home")).expect("our own folder");
    let found = desk.run(&["resume"]).expect_status(2);
    assert!(found.stderr.contains("it is no data folder"), "{}", found.stderr);
    let entries = fs::read_dir(desk.path("home")).expect("is there").count();
    assert_eq!(entries, 0, "a mistyped folder is left as it is");
    let source = desk.put("t.csv", &small());
    let words = ["synth", &source, "-o", &desk.at("o.csv"), "--model", "seqtree"];
    let ended = desk.result(&words, 0)["job"].as_str().expect("its name").to_owned();
    let kept = desk.path("home").join("jobs").join(&ended);
    assert!(kept.join("model").is_dir(), "what the message names is there");
    for words in [&["resume", &ended][..], &["resume", &ended, "--cancel"]] {
        let found = desk.run(words).expect_status(2);
        for said in ["it has ended (published)", &kept.display().to_string(), "by hand"] {
            assert!(found.stderr.contains(said), "{words:?}: {}", found.stderr);
        }
    }
    assert_eq!(desk.run(&["resume", "--list", "--json"]).expect_status(0).stdout, nothing);
}

#[test]
fn personal_data_is_told_before_it_is_learned() {
    let desk = Desk::new();
    let names = ["Ada Lovelace", "Alan Turing", "Grace Hopper"];
    let rows = table("patient_name,age", 60, |at| format!("{},{}", names[at % 3], at % 50));
    let source = desk.put("t.csv", &rows);
    let found = desk.run(&["synth", &source, "-o", &desk.at("o.csv"), "--model", "seqtree"]);
    assert!(found.stderr.contains("\"patient_name\" may be personal data"), "{}", found.stderr);
}

/// The example of the page works as the page says.
#[test]
fn the_metadata_of_the_guide_is_taken() {
    let page = fs::read_to_string(in_repository("docs/guide/metadata.md")).expect("a page of ours");
    let block = |language: &str| {
        let (_, rest) = page.split_once(&format!("```{language}\n")).expect("the page has a block");
        rest.split_once("```").expect("a block ends").0.to_owned()
    };
    let desk = Desk::new();
    let table = desk.put("visits.csv", &block("csv"));
    let metadata = desk.put("visits.json", &block("json"));
    let profile = desk.result(&["profile", &table, "--metadata", &metadata], 0);
    let columns = profile["columns"].as_array().expect("a list of columns");
    let asked: Value = serde_json::from_str(&block("json")).expect("the example is JSON");
    let asked = asked["columns"].as_object().expect("an object");
    assert!(!asked.is_empty() && asked.len() <= columns.len());
    for (name, hint) in asked {
        let kind = if hint.is_string() { hint } else { &hint["kind"] };
        let found = columns.iter().find(|column| column["spec"]["name"] == name.as_str());
        assert_eq!(&found.expect("the table has it")["spec"]["kind"], kind, "{name}");
    }
    for kind in tgs_protocol::column::ColumnKind::ALL {
        assert!(page.contains(&format!("| `{kind}` |")), "the page tells of {kind}");
    }
}

#[test]
fn settings_are_read_as_they_are_written() {
    let desk = Desk::new();
    let config = |variable: &str, value: &str| {
        let command = tgs_tests::program::tgs(Path::new("/unused"), &["config"]);
        let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let words = words.into_iter().filter(|word| word == "config");
        let mut bare = std::process::Command::new(command.get_program());
        bare.args(words).env(variable, value).current_dir(desk.folder.path());
        bare.env("XDG_CONFIG_HOME", desk.path("none"));
        Finished::from(bare.output().expect("the binary can be started"))
    };
    let said = config("TGS_HOME", "0123").expect_status(0).stdout;
    assert!(said.contains(" 0123 "), "{said}");
    assert!(config("TGS_SAMPLERS", "3").expect_status(0).stdout.contains("3"));
    assert!(config("TGS_LOG", "loud").expect_status(2).stderr.contains("`loud` is no level"));
    let file = desk.put("file", "");
    assert!(config("TGS_HOME", &file).expect_status(2).stderr.contains("it is a file"));
}
