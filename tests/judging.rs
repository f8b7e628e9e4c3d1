//! Jobs that judge two tables: the same bytes as `tgs report`, however often the server is killed;
//! and a server whose disk has too little room.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_tests::{
    program::{run, tgs},
    server::Server,
    small_disk::SmallDisk,
    tables::numbers,
};

/// Longer than a report takes on a slow machine.
const LONG: Duration = Duration::from_secs(300);

/// Rows with numbers, texts and missing cells; another shift gives other rows.
fn table(rows: usize, shift: usize) -> String {
    let row = |at: usize| {
        let at = at + shift;
        let city = ["Rome", "Oslo", "Kyiv"][at * 7 % 3];
        let age =
            if at.is_multiple_of(11) { String::new() } else { (20 + at * 37 % 60).to_string() };
        format!("{city},{age},{}.{}\n", at * 101 % 997, at % 10)
    };
    format!("city,age,income\n{}", (0..rows).map(row).collect::<String>())
}

struct Tables {
    folder: TempDir,
}

impl Tables {
    fn new() -> Self {
        let tables = Self { folder: TempDir::new().expect("a temporary folder") };
        let made = [("real", 900, 0), ("synthetic", 900, 5_000), ("aside", 300, 950)];
        for (name, rows, shift) in made {
            fs::write(tables.path(&format!("{name}.csv")), table(rows, shift)).expect("writes");
        }
        tables
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// What `tgs report` writes about them.
    fn report(&self) -> [String; 2] {
        let (real, synthetic) = (self.path("real.csv"), self.path("synthetic.csv"));
        let (aside, out) = (self.path("aside.csv"), self.path("report"));
        let words = [
            "report",
            &real,
            &synthetic,
            "--holdout",
            &aside,
            "--seed",
            "5",
            "--threads",
            "1",
            "-o",
            &out,
        ];
        let found = run(&self.folder.path().join("home-of-report"), &words);
        assert!(matches!(found.status, Some(0 | 3)), "{found:?}");
        ["report.json", "report.html"].map(|name| {
            fs::read_to_string(Path::new(&out).join(name)).expect("the report was written")
        })
    }
}

fn order() -> Value {
    json!({
        "kind": "evaluate", "dataset": "real", "synthetic": "synthetic", "holdout": "aside",
        "seed": 5, "threads": 1,
    })
}

/// The job once it has ended; the server may be killed while it is waited for.
fn ended(server: &Server, job: &str, mut meanwhile: impl FnMut(&Value)) -> Value {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < LONG, "the job does not end");
        if let Some(answer) = server.try_get(&format!("/v1/jobs/{job}")) {
            let state = answer.body["state"].as_str().unwrap_or_default();
            if !matches!(state, "waiting" | "running") {
                return answer.body;
            }
            meanwhile(&answer.body);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_judging_job_writes_what_the_command_writes_whatever_is_killed() {
    let tables = Tables::new();
    let expected = tables.report();
    let home = TempDir::new().expect("a temporary folder");
    let server = Server::start(home.path());
    for name in ["real", "synthetic", "aside"] {
        let bytes = fs::read(tables.path(&format!("{name}.csv"))).expect("our own file");
        server.upload(name, &format!("{name}.csv"), &bytes, 1 << 16);
    }
    let mut kills = 0;
    for kill_at in [None, Some("running"), Some("waiting")] {
        let taken = server.post("/v1/jobs", &order());
        assert_eq!(taken.status, 201, "{taken:?}");
        assert_eq!((&taken.body["kind"], &taken.body["model"]), (&json!("evaluate"), &json!(null)));
        assert!(taken.body["estimate_s"].as_f64().is_some_and(|it| it > 0.0), "{taken:?}");
        let job = taken.body["id"].as_str().expect("a name").to_owned();
        let mut left = usize::from(kill_at.is_some());
        if kill_at == Some("waiting") {
            server.kill();
            server.start_again();
            (left, kills) = (0, kills + 1);
        }
        let view = ended(&server, &job, |_| {
            if left > 0 {
                server.kill();
                server.start_again();
                (left, kills) = (0, kills + 1);
            }
        });
        let state = view["state"].as_str().expect("a state");
        assert!(matches!(state, "published" | "withheld"), "{view}");
        assert!(view["ran_s"].as_f64().is_some_and(|it| it > 0.0), "{view}");
        let files = view["files"].as_array().expect("files");
        let names: Vec<_> = files.iter().map(|file| file["name"].as_str()).collect();
        assert_eq!(names, [Some("report.html"), Some("report.json")], "{view}");
        let json = server.get(&format!("/v1/jobs/{job}/files/report.json")).body;
        assert_eq!(json, serde_json::from_str::<Value>(&expected[0]).expect("a report"));
        let page = server.get(&format!("/v1/jobs/{job}/files/report.html")).body;
        assert_eq!(page.as_str().expect("a page"), expected[1], "the same bytes");
    }
    assert_eq!(kills, 2, "it was killed while a job ran or waited");
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let home = TempDir::new().expect("a temporary folder");
    let server = Server::start(home.path());
    server.upload("real", "real.csv", table(50, 0).as_bytes(), 1 << 16);
    for (wrong, said) in [
        (json!({"kind": "evaluate", "dataset": "real"}), "missing field `synthetic`"),
        (json!({"kind": "evaluate", "dataset": "real", "synthetic": "gone"}), "no dataset"),
        (
            json!({"kind": "evaluate", "dataset": "real", "synthetic": "real", "learn": {}}),
            "unknown field `learn`",
        ),
    ] {
        let refused = server.post("/v1/jobs", &wrong);
        assert!(matches!(refused.status, 400 | 404), "{refused:?}");
        assert!(refused.body["detail"].as_str().is_some_and(|it| it.contains(said)), "{refused:?}");
    }
}

/// A real disk that somebody else fills: what runs is suspended, nothing is taken, and once there
/// is room all goes on to the same bytes.
#[test]
fn a_disk_that_fills_up_suspends_what_runs_until_there_is_room() {
    let Some(disk) = SmallDisk::of_kibibytes(100 << 10) else { return };
    let server = Server::start_with(&disk.path().join("home"), &[("TGS_DISK_FLOOR_MIB", "40")]);
    server.upload("small", "t.csv", &numbers(200), 1_000);
    let learn = json!({"model": "tabgraph", "steps": 3_000, "threads": 1});
    let order = json!({"kind": "train", "dataset": "small", "learn": learn});
    let ordered = server.post("/v1/jobs", &order).body;
    let job = ordered["id"].as_str().expect("a job");
    server.wait_for(job, |view| view["progress"]["stage"] == "train");
    let filler = disk.path().join("filler");
    fs::write(&filler, vec![0; 70 << 20]).expect("there is room for it");
    server.wait_for(job, |view| view["waiting"]["for"] == "disk");
    let ready = server.get("/health/ready");
    assert_eq!((ready.status, &ready.body["code"]), (503, &json!("STORE-0003")), "{ready:?}");
    assert_eq!(server.post("/v1/jobs", &order).status, 507);
    fs::remove_file(filler).expect("our own file");
    assert_eq!(server.ended(job)["state"], "published");
    let again = server.post("/v1/jobs", &order).body;
    let again = again["id"].as_str().expect("a job");
    assert_eq!(server.ended(again)["state"], "published");
    let model = |job: &str| {
        let path = format!("/v1/jobs/{job}/files/model.safetensors");
        let (status, bytes) = server.bytes(&path, 0).expect("the server runs");
        assert_eq!(status, 206, "a range from 0");
        bytes
    };
    assert!(model(job) == model(again), "room that was scarce changed the model");
}

/// A floor that no disk reaches: nothing is taken, and everybody is told why.
#[test]
fn a_server_without_room_refuses_work_and_says_so() {
    let home = TempDir::new().expect("a temporary folder");
    let server = Server::start_with(home.path(), &[("TGS_DISK_FLOOR_MIB", "1000000000000")]);
    let upload = server.post("/v1/uploads?dataset=a&file=a.csv", &json!({}));
    assert_eq!(upload.status, 400, "it has no length");
    let begun = server.begin_upload("a", "a.csv", 10);
    assert_eq!((begun.status, &begun.body["code"]), (507, &json!("STORE-0003")), "{begun:?}");
    let ready = server.get("/health/ready");
    assert_eq!((ready.status, &ready.body["code"]), (503, &json!("STORE-0003")), "{ready:?}");
    assert!(ready.body["detail"].as_str().is_some_and(|it| it.contains("`disk_floor_mib`")));
    assert_eq!(server.get("/health/live").status, 200);
    assert_eq!(server.get("/health/startup").status, 200);
    assert_eq!(server.get("/v1/jobs").status, 200, "what is there can be read");
    drop(server);
    let words = tgs(home.path(), &["resume", "--list"]).output().expect("it runs");
    assert!(words.status.success(), "the folder is as it was");
}
