//! Rows under conditions, through the real program and over REST: from a model file to a table
//! whose every row fits, or one reason.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_tests::{
    program::{in_repository, run},
    server::{Asked, Server},
};

/// A model of the example of each kind, trained once: one draws under conditions, the other throws
/// away.
fn model(name: &str) -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = TempDir::new().expect("a temporary folder");
        for (name, steps) in [("autoregressive", "150"), ("seqtree", "1")] {
            let table = in_repository("examples/actg175.csv").display().to_string();
            let file = folder.path().join(name).display().to_string();
            let words = ["train", &table, "--model", name, "--steps", steps, "-o", &file];
            let _ = run(&folder.path().join("home"), &words).expect_status(0);
        }
        folder
    });
    folder.path().join(name)
}

/// Rows of a table as CSV, by the names of their columns.
fn rows(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = csv.lines().map(|line| line.split(',').map(str::to_owned));
    let header: Vec<String> = lines.next().expect("a header").collect();
    lines.map(|line| header.iter().cloned().zip(line).collect()).collect()
}

/// `tgs generate` with these words; the exit status, all that is said, and the table.
fn generated(folder: &Path, model_file: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let (file, out) = (model_file.display().to_string(), folder.join("out.csv"));
    let at = out.display().to_string();
    let all = [&["generate", &file, "-o", &at, "--seed", "3"], words].concat();
    let ended = run(&folder.join("home"), &all);
    let table = fs::read_to_string(&out).unwrap_or_default();
    (ended.status, ended.stdout + &ended.stderr, table)
}

#[test]
fn every_row_fits_and_names_stay_apart() {
    let folder = TempDir::new().expect("a temporary folder");
    let conditions = ["-n", "1500", "--where", "age>=30", "--where", "age<35", "--where", "cd496="];
    let balanced = [&conditions[..], &["--share", "gender=0:0.4", "--share", "gender=1:0.6"]];
    for name in ["autoregressive", "seqtree"] {
        let (status, said, table) = generated(folder.path(), &model(name), &balanced.concat());
        assert_eq!(status, Some(0), "{name}: {said}");
        let found = rows(&table);
        assert_eq!(found.len(), 1_500);
        for row in &found {
            let age: u32 = row["age"].parse().expect("a number");
            assert!((30..35).contains(&age) && row["cd496"].is_empty(), "{name}: {row:?}");
        }
        let women = found.iter().filter(|row| row["gender"] == "0").count();
        assert_eq!(women, 600, "{name}");
        let mut names: Vec<&String> = found.iter().map(|row| &row["pidnum"]).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 1_500, "{name}");
        let again = generated(
            folder.path(),
            &model(name),
            &[&balanced.concat()[..], &["--samplers", "1"]].concat(),
        );
        assert!(again.2 == table, "{name}: other bytes of one sampler");
    }
}

#[test]
fn what_is_impossible_or_rare_is_said() {
    let folder = TempDir::new().expect("a temporary folder");
    for (words, told) in [
        (&["--where", "ages>3"][..], "no column \"ages\""),
        (&["--where", "pidnum=10056"], "\"pidnum\" is made anew"),
        (&["--where", "age>200"], "\"age\": it goes from "),
        (&["--where", "age"], "`age` says nothing of a column"),
        (&["--where", "gender=2"], "\"gender\" is never \"2\"; it is one of \"0\", \"1\""),
        (&["--share", "gender=0:0.4", "--where", "gender=1"], "which the conditions rule out"),
    ] {
        let words = [&["-n", "10"], words].concat();
        let (status, said, table) = generated(folder.path(), &model("autoregressive"), &words);
        assert_eq!(status, Some(2), "{words:?}: {said}");
        assert!(said.contains("error[USE-0015]") && said.contains(told), "{words:?}: {said}");
        assert!(table.is_empty());
    }
    let words = ["-n", "10", "--where", "age>200", "--tries", "7"];
    let (status, said, table) = generated(folder.path(), &model("seqtree"), &words);
    assert_eq!((status, table.as_str()), (Some(2), ""), "{said}");
    assert!(said.contains("of 70 rows drawn, 0 fit, where 10 are wanted"), "{said}");
    let rare = ["-n", "10", "--where", "age>=65", "--where", "gender=0", "--where", "drugs=1"];
    let (status, said, table) = generated(folder.path(), &model("autoregressive"), &rare);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("rare rows: rows under these conditions are one in "), "{said}");
    assert_eq!(rows(&table).len(), 10);
}

/// The example without some cells and one column; every cell that is left stays as it is written.
fn with_gaps() -> String {
    let table = fs::read_to_string(in_repository("examples/actg175.csv")).expect("the example");
    let lines = table.lines().take(400).enumerate().map(|(no, line)| {
        let cells = line.split(',').take(26).enumerate();
        let cells = cells.map(|(at, cell)| match (no + at) % 7 == 0 && no > 0 && at > 0 {
            true => "",
            false => cell,
        });
        cells.collect::<Vec<&str>>().join(",")
    });
    lines.map(|line| line + "\n").collect()
}

fn assert_completed(given: &str, whole: &str) {
    let (given, whole) = (rows(given), rows(whole));
    assert_eq!(given.len(), whole.len());
    for (given, whole) in given.iter().zip(&whole) {
        for (name, cell) in given {
            // The only column of the example that has missing cells of its own is one as well.
            assert!(!whole[name].is_empty(), "{name}: {whole:?}");
            let same = |one: &str, other: &str| {
                one == other || one.parse::<f64>().ok().is_some_and(|it| Ok(it) == other.parse())
            };
            assert!(cell.is_empty() || same(cell, &whole[name]), "{name}: {given:?} {whole:?}");
        }
        assert!(["0", "1", "2", "3"].contains(&&*whole["arms"]), "{whole:?}");
    }
}

#[test]
fn what_a_table_lacks_is_filled_in() {
    let folder = TempDir::new().expect("a temporary folder");
    let (table, out) = (folder.path().join("gaps.csv"), folder.path().join("whole.csv"));
    fs::write(&table, with_gaps()).expect("our own folder");
    let text = |path: &Path| path.display().to_string();
    let complete = |model: &Path, table: &Path| {
        let words = ["complete", &text(model), &text(table), "-o", &text(&out)];
        run(&folder.path().join("home"), &words)
    };
    let _ = complete(&model("autoregressive"), &table).expect_status(0);
    assert_completed(&with_gaps(), &fs::read_to_string(&out).expect("it was written"));
    // No copy of the table outlives the job.
    let jobs = fs::read_dir(folder.path().join("home/jobs")).expect("one job").flatten();
    let kept: Vec<_> = jobs.flat_map(|job| fs::read_dir(job.path()).expect("it stays")).collect();
    assert!(kept.is_empty(), "{kept:?}");
    let said = complete(&model("seqtree"), &table).expect_status(2).stderr;
    assert!(said.contains("error[USE-0015]") && said.contains("train one of kind"), "{said}");
    fs::write(&table, "age,of\n3,4\n").expect("our own folder");
    let said = complete(&model("autoregressive"), &table).expect_status(4).stderr;
    assert!(said.contains("no column \"of\""), "{said}");
}

#[test]
fn a_server_completes_a_dataset() {
    let home = TempDir::new().expect("a temporary folder");
    let server = Server::start(home.path());
    let table = fs::read(in_repository("examples/actg175.csv")).expect("the example");
    server.upload("trial", "trial.csv", &table, 1 << 20);
    server.upload("gaps", "gaps.csv", with_gaps().as_bytes(), 1 << 20);
    let learn = json!({"model": "autoregressive", "steps": 20, "threads": 1});
    let done = |order: &Value| {
        let taken = server.post("/v1/jobs", order);
        assert_eq!(taken.status, 201, "{taken:?}");
        server.ended(taken.body["id"].as_str().expect("a name"))
    };
    let trained = done(&json!({"kind": "train", "dataset": "trial", "learn": learn}));
    let model = &trained["id"];
    let completed = done(&json!({"kind": "generate", "model": model, "complete": "gaps"}));
    assert_eq!(completed["state"], "published", "{completed}");
    assert_eq!((&completed["model_of"], &completed["dataset"]["name"]), (model, &json!("gaps")));
    let name = completed["id"].as_str().expect("a name");
    let file = server.ask(&Asked::get(&format!("/v1/jobs/{name}/files/table.csv")));
    assert_completed(&with_gaps(), &String::from_utf8(file.bytes).expect("text"));
    for (more, told) in [
        (json!({"complete": "gaps", "rows": 3}), "it has as many as it has"),
        (
            json!({"complete": "gaps", "given": {"conditions": [{"column": "age", "above": "3"}]}}),
            "under conditions: its rows are what they are",
        ),
        (json!({"complete": "holes"}), "holes"),
        (json!({}), "say how many"),
    ] {
        let mut order = json!({"kind": "generate", "model": model});
        order.as_object_mut().expect("a record").extend(more.as_object().expect("one").clone());
        let refused = server.post("/v1/jobs", &order);
        let said = refused.body["detail"].as_str().unwrap_or_default();
        assert!(refused.status / 100 == 4 && said.contains(told), "{order}: {refused:?}");
    }
}

#[test]
fn a_server_draws_the_same_rows() {
    let home = TempDir::new().expect("a temporary folder");
    let server = Server::start(home.path());
    let table = fs::read(in_repository("examples/actg175.csv")).expect("the example");
    server.upload("trial", "trial.csv", &table, 1 << 20);
    let learn = json!({"model": "seqtree", "threads": 1, "seed": 1});
    let order = json!({"kind": "train", "dataset": "trial", "learn": learn});
    let done = |order: &Value| {
        let taken = server.post("/v1/jobs", order);
        assert_eq!(taken.status, 201, "{taken:?}");
        server.ended(taken.body["id"].as_str().expect("a name"))
    };
    let trained = done(&order)["id"].clone();
    let given = json!({"conditions": [{"column": "age", "at_least": "40"},
                                      {"column": "gender", "one_of": ["1"]}]});
    let order =
        json!({"kind": "generate", "model": trained, "rows": 200, "seed": 3, "given": given});
    let delivered = done(&order);
    assert_eq!(delivered["state"], "published", "{delivered}");
    let name = delivered["id"].as_str().expect("a name");
    let file = server.ask(&Asked::get(&format!("/v1/jobs/{name}/files/table.csv")));
    let found = String::from_utf8(file.bytes).expect("text");
    for row in rows(&found) {
        assert!(row["age"].parse::<u32>().is_ok_and(|age| age >= 40) && row["gender"] == "1");
    }
    assert_eq!(rows(&found).len(), 200);
    for (given, told) in [
        (json!({"conditions": [{"column": "age"}]}), "\"age\" nothing is said"),
        (json!({"conditions": [{"column": "age", "over": "3"}]}), "over"),
        (json!({"tries": 0}), "0 tries"),
        (json!({"balance": {"column": "gender", "shares": {"0": 2.0}}}), "the share 2"),
    ] {
        let order = json!({"kind": "generate", "model": trained, "rows": 1, "given": given});
        let refused = server.post("/v1/jobs", &order);
        let said = refused.body["detail"].as_str().unwrap_or_default();
        assert!(refused.status == 400 && said.contains(told), "{given}: {refused:?}");
    }
    // It is a refusal that the document tells of.
    let document = server.get("/v1/openapi.json").body;
    let told = &document["paths"]["/v1/jobs"]["post"]["responses"]["400"];
    assert!(told.to_string().contains("USE-0015"), "{told}");
    // Of what only the model can tell, the job says why it ended.
    let given = json!({"conditions": [{"column": "ages", "above": "3"}]});
    let order = json!({"kind": "generate", "model": trained, "rows": 1, "given": given});
    let failed = done(&order);
    assert_eq!(failed["state"], "failed", "{failed}");
    assert!(failed.to_string().contains("USE-0015"), "{failed}");
}
