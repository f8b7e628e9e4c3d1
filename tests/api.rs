//! The API as strangers see it, against a real server: addresses are those of the document, models
//! draw the rows that jobs deliver and none that a gate keeps back, files come in parts.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_tests::{
    program::tgs,
    server::{Asked, Server},
};

fn served() -> (TempDir, Server) {
    let home = TempDir::new().expect("a temporary folder");
    let server = Server::start(home.path());
    (home, server)
}

/// Rows of a small table that no gate has anything against.
fn table() -> Vec<u8> {
    let spread = |at: usize, by: usize| at * by % 1_009;
    let words = ["red", "green", "dark \"blue\"", "a, b"];
    let row = |at: usize| {
        let word = words[at % 4].replace('"', "\"\"");
        format!("{},{}.5,\"{word}\",2024-01-{:02}\n", spread(at, 37), spread(at, 101), at % 28 + 1)
    };
    format!("a,b,word,day\n{}", (0..80).map(row).collect::<String>()).into_bytes()
}

/// Orders a job and waits for its end.
fn done(server: &Server, order: &Value) -> Value {
    let taken = server.post("/v1/jobs", order);
    assert_eq!(taken.status, 201, "{taken:?}");
    server.ended(taken.body["id"].as_str().expect("a name"))
}

fn synthesize(gates: Value) -> Value {
    let learn = json!({"model": "seqtree", "threads": 1});
    json!({"kind": "synthesize", "dataset": "small", "learn": learn, "gates": gates})
}

/// No table is as near as that.
fn impossible() -> Value {
    json!({"ks_mean": {"threshold": 0.0, "level": "block"}})
}

/// Nothing is kept back.
fn lenient() -> Value {
    let warn = |threshold: f64| json!({"threshold": threshold, "level": "warn"});
    json!({
        "ks_mean": warn(1.0), "correlation_difference": warn(1.0), "utility_ratio": warn(0.0),
        "membership_advantage": warn(1.0), "rare_copies": warn(1e9), "personal_data": warn(1e9),
    })
}

#[test]
fn what_answers_stands_in_the_document_and_what_stands_there_answers() {
    let (_home, server) = served();
    let document = server.ask(&Asked::get("/v1/openapi.json").stranger());
    assert_eq!(document.status, 200);
    let frozen = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let frozen = std::fs::read(frozen).expect("the frozen document");
    let frozen: Value = serde_json::from_slice(&frozen).expect("JSON");
    let bless = "TGS_BLESS=1 cargo test --release -p tgs-web openapi";
    assert!(document.json() == frozen, "docs/openapi.json is not what is served: {bless}");
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    for (path, told) in frozen["paths"].as_object().expect("paths") {
        let known: BTreeSet<_> = told.as_object().expect("operations").keys().collect();
        let filled = path.replace("{version}", "1").replace(['{', '}'], "");
        for method in methods {
            let answer = server.ask(&Asked::of(method, &filled));
            let is_known = known.contains(&method.to_ascii_lowercase());
            assert_eq!(answer.status != 405, is_known, "{method} {filled}: {answer:?}");
            if !is_known {
                let allowed = answer.header("allow").unwrap_or_default().to_ascii_lowercase();
                let allowed: BTreeSet<String> = allowed.split(", ").map(str::to_owned).collect();
                assert_eq!(allowed.iter().collect::<BTreeSet<_>>(), known, "{method} {filled}");
                continue;
            }
            let operation = &told[method.to_ascii_lowercase()];
            let status = answer.status.to_string();
            let response = &operation["responses"][&status];
            assert!(response.is_object(), "{method} {filled} answers {status}: {answer:?}");
            let kind = answer.header("content-type").unwrap_or_default();
            let content = response["content"].as_object();
            let is_told = content.is_none_or(|content| content.contains_key(&kind));
            assert!(is_told, "{method} {filled}: {kind}");
            let stranger = server.ask(&Asked::of(method, &filled).stranger());
            let is_closed = operation["security"].is_null();
            let is_out = stranger.status == 401;
            assert_eq!(is_out, is_closed || path == "/events/socket" && is_out, "{method} {path}");
        }
    }
}

#[test]
fn rows_at_once_are_those_of_a_job_with_their_seed() {
    let (_home, server) = served();
    server.upload("small", "small.csv", &table(), 1_000);
    let trained = done(&server, &synthesize(lenient()));
    assert_eq!(trained["state"], "published", "{trained}");
    let (job, model) = (&trained["id"], trained["id"].as_str().expect("a name"));
    let sample = format!("/v1/models/{model}:sample");
    for (format, rows, seed) in [("csv", 7, 3), ("jsonl", 1, 9), ("csv", 1_000, 3)] {
        let order =
            json!({"kind": "generate", "model": job, "rows": rows, "seed": seed, "format": format});
        let delivered = done(&server, &order);
        let name = delivered["id"].as_str().expect("a name");
        let file = server.ask(&Asked::get(&format!("/v1/jobs/{name}/files/table.{format}")));
        let order = json!({"rows": rows, "seed": seed, "format": format});
        let drawn = server.ask(&Asked::of("POST", &sample).json(&order));
        assert_eq!((drawn.status, file.status), (200, 200), "{drawn:?}");
        assert!(drawn.bytes == file.bytes, "{format} of {rows}: other rows than of a job");
        assert_eq!(delivered["model_of"], *job);
    }
    let lines =
        server.ask(&Asked::of("POST", &sample).json(&json!({"rows": 5, "format": "jsonl"})));
    let array = server.ask(&Asked::of("POST", &sample).json(&json!({"rows": 5})));
    let lines = String::from_utf8(lines.bytes).expect("text");
    let lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    assert_eq!(array.json(), json!(lines));
    for (order, status, code) in [
        (json!({"rows": 0}), 400, "USE-0002"),
        (json!({"rows": 1_001}), 400, "USE-0002"),
        (json!({"rows": 1, "sed": 1}), 400, "USE-0001"),
        (json!({"rows": 1, "format": "parquet"}), 400, "USE-0001"),
    ] {
        let refused = server.post(&sample, &order);
        assert_eq!((refused.status, &refused.body["code"]), (status, &json!(code)), "{order}");
    }
}

/// What is damaged is told by its name in the data folder, and not by where that is.
#[test]
fn a_refusal_does_not_name_the_data_folder() {
    let (home, server) = served();
    server.upload("small", "small.csv", &table(), 1_000);
    let learn = json!({"model": "seqtree", "threads": 1});
    let trained = done(&server, &json!({"kind": "train", "dataset": "small", "learn": learn}));
    let model = trained["id"].as_str().expect("a name");
    let inside = format!("jobs/{model}/model");
    let file = home.path().join(&inside).join("model.safetensors");
    std::fs::remove_file(&file).expect("it was trained");
    std::fs::create_dir(&file).expect("our own folder");
    let refused = server.post(&format!("/v1/models/{model}:sample"), &json!({"rows": 1}));
    let said = refused.body["detail"].as_str().expect("a detail");
    assert!(said.contains(&inside), "{refused:?}");
    assert!(!said.contains(&home.path().display().to_string()), "{refused:?}");
}

#[test]
fn a_model_is_shown_with_what_it_was_made_from() {
    let (_home, server) = served();
    server.upload("small", "small.csv", &table(), 1_000);
    let learn = json!({"model": "seqtree", "threads": 1, "seed": 4});
    let order = json!({"kind": "train", "dataset": "small@1", "learn": learn});
    let jobs: Vec<_> = (0..3).map(|_| done(&server, &order)["id"].clone()).collect();
    let version = &server.get("/v1/datasets/small").body["items"][0];
    let (mut listed, mut token) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/v1/models?page_size=2{token}")).body;
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= 2);
        for model in items {
            let shown = server.get(&format!("/v1/models/{}", model["id"].as_str().unwrap_or("")));
            assert_eq!(shown.body, *model);
            assert_eq!(model["dataset"]["digest"], version["digest"]);
            assert_eq!((&model["columns"], &model["seed"]), (&json!(4), &json!(4)));
            assert_eq!((&model["may_be_sampled"], &model["verdict"]), (&json!(true), &json!(null)));
            assert!(model["numerics_class"].is_string() && model["content"].is_string());
            listed.push(model["id"].clone());
        }
        let Some(next) = page["next_page_token"].as_str() else { break };
        token = format!("&page_token={next}");
    }
    assert_eq!(listed.iter().rev().collect::<Vec<_>>(), jobs.iter().collect::<Vec<_>>());
    // A model goes with its job.
    let gone = jobs[0].as_str().expect("a name");
    assert_eq!(server.ask(&Asked::of("DELETE", &format!("/v1/jobs/{gone}"))).status, 204);
    let refused = server.post(&format!("/v1/models/{gone}:sample"), &json!({"rows": 1}));
    assert_eq!((refused.status, &refused.body["code"]), (404, &json!("USE-0007")));
}

/// GATE-1, by every door: a report that blocks keeps back the table and every other row.
#[test]
fn no_row_leaves_of_a_model_whose_report_blocked() {
    let (_home, server) = served();
    server.upload("small", "small.csv", &table(), 1_000);
    let withheld = done(&server, &synthesize(impossible()));
    assert_eq!(withheld["state"], "withheld", "{withheld}");
    let model = withheld["id"].as_str().expect("a name");
    assert_eq!(server.get(&format!("/v1/models/{model}")).body["may_be_sampled"], false);
    let at_once = server.post(&format!("/v1/models/{model}:sample"), &json!({"rows": 1}));
    let order = json!({"kind": "generate", "model": model, "rows": 10});
    let by_job = server.post("/v1/jobs", &order);
    for refused in [at_once, by_job] {
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (409, &json!("GATE-0001")),
            "{refused:?}"
        );
    }
    let again = server.post(&format!("/v1/jobs/{model}:retry"), &json!(null));
    assert_eq!(again.status, 409, "{again:?}");
}

#[test]
fn a_job_that_was_cancelled_is_done_again_once_for_each_key() {
    let (home, server) = served();
    server.upload("small", "small.csv", &table(), 1_000);
    let learn = json!({"model": "tabgraph", "steps": 1_000_000, "threads": 1});
    let order = json!({"kind": "train", "dataset": "small", "priority": 9, "learn": learn});
    let job = server.post("/v1/jobs", &order).body["id"].as_str().expect("a name").to_owned();
    let early = server.post(&format!("/v1/jobs/{job}:retry"), &json!(null));
    assert_eq!(early.status, 409, "it has not ended: {early:?}");
    let kept = server.ask(&Asked::of("DELETE", &format!("/v1/jobs/{job}")));
    assert_eq!(kept.status, 409, "it has not ended: {kept:?}");
    server.post(&format!("/v1/jobs/{job}:cancel"), &json!(null));
    assert_eq!(server.ended(&job)["state"], "cancelled");
    let path = format!("/v1/jobs/{job}:retry");
    let again = || server.try_post(&path, &json!(null), Some("again")).expect("it runs");
    let (first, second) = (again(), again());
    assert_eq!((first.status, second.status), (201, 200), "{first:?}");
    assert_eq!(first.body["id"], second.body["id"]);
    assert_ne!(first.body["id"], json!(job));
    for (field, wanted) in [("retry_of", json!(job)), ("priority", json!(9))] {
        assert_eq!(first.body[field], wanted);
    }
    assert_eq!(first.body["dataset"]["name"], "small");
    let words = ["job", "retry", &job, "--key", "again", "--json", "--server", &server.url("")];
    let told = tgs(home.path(), &words).env("TGS_TOKEN", server.token()).output().expect("it runs");
    let told: Value = serde_json::from_slice(&told.stdout).expect("one line");
    assert_eq!((&told["id"], &told["event"]), (&first.body["id"], &json!("job")));
    let id = first.body["id"].as_str().expect("a name");
    server.post(&format!("/v1/jobs/{id}:cancel"), &json!(null));
}

#[test]
fn a_change_is_refused_to_who_saw_something_else() {
    let (_home, server) = served();
    server.upload("small", "small.csv", &table(), 1_000);
    let learn = json!({"model": "seqtree", "threads": 1});
    let order = json!({"kind": "train", "dataset": "small", "learn": learn});
    let first = server.ask(&Asked::of("POST", "/v1/jobs").json(&order));
    let early = first.header("etag").expect("a tag");
    let job = first.json()["id"].as_str().expect("a name").to_owned();
    server.ended(&job);
    let path = format!("/v1/jobs/{job}");
    let seen = server.ask(&Asked::get(&path));
    let tag = seen.header("etag").expect("a tag");
    let known = server.ask(&Asked::get(&path).header("If-None-Match", &tag));
    assert_eq!((known.status, known.bytes.len()), (304, 0));
    assert_eq!(server.ask(&Asked::get(&path).header("If-None-Match", &early)).status, 200);
    let verbs = [("POST", ":cancel"), ("POST", ":retry"), ("POST", ":resume"), ("DELETE", "")];
    for (method, verb) in verbs {
        let asked = Asked::of(method, &format!("{path}{verb}")).header("If-Match", &early);
        let refused = server.ask(&asked);
        assert_eq!((refused.status, &refused.json()["code"]), (412, &json!("JOB-0005")), "{verb}");
    }
    let removed = server.ask(&Asked::of("DELETE", &path).header("If-Match", &tag));
    assert_eq!(removed.status, 204);
}

#[test]
fn files_come_whole_or_in_the_parts_that_are_asked_for() {
    let (_home, server) = served();
    server.upload("small", "small.csv", &table(), 1_000);
    let done = done(&server, &synthesize(lenient()));
    let job = done["id"].as_str().expect("a name");
    let files = done["files"].as_array().expect("files");
    assert_eq!(files.len(), 4);
    for told in files {
        let path = format!("/v1/jobs/{job}/files/{}", told["name"].as_str().expect("a name"));
        let whole = server.ask(&Asked::get(&path));
        let (size, tag) = (whole.bytes.len(), whole.header("etag").expect("a tag"));
        assert_eq!((whole.status, told["size"].as_u64()), (200, Some(size as u64)));
        assert_eq!(tag, format!("\"{}\"", sha256(&whole.bytes)), "the tag is the digest");
        assert_eq!(told["digest"], json!(sha256(&whole.bytes)));
        let head = server.ask(&Asked::of("HEAD", &path));
        assert_eq!((head.status, head.bytes.len()), (200, 0));
        assert_eq!(head.header("content-length"), Some(size.to_string()));
        check_parts(&server, &path, &whole.bytes, &tag);
        let known = server.ask(&Asked::get(&path).header("If-None-Match", &tag));
        assert_eq!((known.status, known.bytes.len()), (304, 0));
    }
    let page = server.ask(&Asked::get(&format!("/v1/jobs/{job}/report")));
    let html = server.ask(&Asked::get(&format!("/v1/jobs/{job}/files/report.html")));
    assert!(page.bytes == html.bytes && page.bytes.starts_with(b"<!"));
    let policy = page.header("content-security-policy").expect("a policy");
    for part in ["default-src 'none'", "form-action 'none'", "sandbox allow-scripts"] {
        assert!(policy.contains(part), "{policy}");
    }
}

fn check_parts(server: &Server, path: &str, whole: &[u8], tag: &str) {
    let size = whole.len();
    let part = |range: &str| server.ask(&Asked::get(path).header("Range", range));
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=10-", 10, size - 1),
        ("bytes=-5", size - 5, size - 1),
        ("bytes=0-999999999999", 0, size - 1),
    ] {
        let answer = part(range);
        assert_eq!(answer.status, 206, "{range}");
        assert!(answer.bytes == whole[first..=last], "{range}");
        let told = format!("bytes {first}-{last}/{size}");
        assert_eq!(answer.header("content-range"), Some(told));
    }
    let beyond = part(&format!("bytes={size}-"));
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, Some(format!("bytes */{size}")))
    );
    assert_eq!(part("bytes=5-2").status, 200, "no range at all");
    let begun = |of: &str| {
        let asked = Asked::get(path).header("Range", "bytes=1-2").header("If-Range", of);
        server.ask(&asked).status
    };
    assert_eq!((begun(tag), begun("\"another\"")), (206, 200));
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
