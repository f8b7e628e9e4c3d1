//! Bad input and bad days of a server: each gets one clear answer, nothing is lost, nothing is
//! there twice.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use redb::{ReadableTable, TableDefinition};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tgs_adapters::{conformance::sample, embedded::Embedded};
use tgs_protocol::{
    job::{JobRow, JobState, Outcome},
    store::JobStore,
};
use tgs_tests::{
    outputs::digests,
    program::tgs,
    server::{Answer, Server},
    tables::numbers,
};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(300);

fn order(seed: usize) -> Value {
    let learn = json!({"model": "seqtree", "seed": seed, "threads": 1});
    json!({"kind": "train", "dataset": "small", "learn": learn})
}

fn home() -> TempDir {
    TempDir::new().expect("a temporary folder")
}

/// A server with one small dataset.
fn server(home: &TempDir) -> Server {
    let server = Server::start(home.path());
    assert_eq!(server.upload("small", "small.csv", &numbers(40), 1 << 20), "small@1");
    server
}

/// Sends bytes as they are, and reads what comes until the other end closes.
fn raw(server: &Server, bytes: &[u8], and_close: bool) -> String {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("a limit");
    stream.write_all(bytes).expect("it takes it");
    if and_close {
        stream.shutdown(std::net::Shutdown::Write).expect("it can be closed");
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn head(server: &Server, line: &str, headers: &str) -> Vec<u8> {
    let token = server.token();
    let text = format!(
        "{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         {headers}\r\n"
    );
    text.into_bytes()
}

fn refused(answer: &Answer, status: u16, code: &str, said: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.body["code"], code, "{answer:?}");
    assert_eq!(answer.body["status"], status, "{answer:?}");
    let detail = answer.body["detail"].as_str().expect("a sentence");
    assert!(detail.contains(said), "{detail}");
}

#[test]
fn bad_orders_get_one_clear_answer() {
    let home = home();
    let server = server(&home);
    for (order, status, code, said) in [
        (json!({"kind": "paint"}), 400, "USE-0001", "unknown variant `paint`"),
        (json!({"kind": "train", "dataset": "small", "x": 1}), 400, "USE-0001", "field `x`"),
        (json!({"kind": "train", "dataset": "nobody"}), 404, "USE-0007", "nobody"),
        (json!({"kind": "train", "dataset": "../x"}), 400, "USE-0001", "cannot call a dataset"),
        (json!([]), 400, "USE-0001", "cannot read the order"),
        (json!({"kind": "generate", "model": "none", "rows": 5}), 404, "JOB-0001", "none"),
    ] {
        refused(&server.post("/v1/jobs", &order), status, code, said);
    }
    let unknown = server.get("/v1/jobs?page_sise=3");
    refused(&unknown, 400, "USE-0001", "page_sise");
    refused(&server.get("/v1/jobs?page_token=x"), 400, "USE-0001", "page_token");
    refused(&server.get("/v1/jobs/nobody"), 404, "JOB-0001", "nobody");
    refused(&server.get("/v1/nothing"), 404, "USE-0007", "/v1/nothing");
    let keyed = |order: &Value| server.try_post("/v1/jobs", order, Some("k")).expect("it runs");
    let first = keyed(&order(1));
    assert_eq!(first.status, 201, "{first:?}");
    let again = keyed(&order(1));
    assert_eq!((again.status, &again.body["id"]), (200, &first.body["id"]));
    refused(&keyed(&order(2)), 422, "USE-0006", "another order");
    let listed = server.get("/v1/jobs").body["items"].as_array().expect("items").len();
    assert_eq!(listed, 1, "what was refused left nothing");
}

#[test]
fn bad_uploads_get_one_clear_answer() {
    let home = home();
    let server = server(&home);
    let place = server.begin("t", "t.csv", 10);
    let too_long = server.append(&place, 0, b"12345678901").expect("it runs");
    assert_eq!(too_long.status(), 413);
    let elsewhere = server.append(&place, 3, b"1").expect("it runs");
    assert_eq!(elsewhere.status(), 409);
    assert_eq!(server.offset(&place), Some(0), "nothing was written");
    let typed = raw(
        &server,
        &[
            &head(&server, &format!("PATCH {place}"), "Content-Length: 1\r\nUpload-Offset: 0\r\n")
                as &[u8],
            b"x",
        ]
        .concat(),
        false,
    );
    assert!(typed.starts_with("HTTP/1.1 415"), "{typed}");
    for (query, length, status) in [
        ("dataset=t&file=t.exe", "5", "400"),
        ("dataset=../t&file=t.csv", "5", "400"),
        ("dataset=t&file=t.csv&more=1", "5", "400"),
        ("dataset=t&file=t.csv", "many", "400"),
        ("dataset=t&file=t.csv", "0", "400"),
        ("dataset=t&file=t.csv", "99999999999999", "413"),
    ] {
        let line = format!("POST /v1/uploads?{query}");
        let headers = format!("Upload-Length: {length}\r\nContent-Length: 0\r\n");
        let answer = raw(&server, &head(&server, &line, &headers), false);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{query} {length}: {answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
    assert_eq!(server.get("/v1/datasets/t").status, 404);
}

/// What came before a connection broke is kept, and the upload goes on from there.
#[test]
fn a_truncated_upload_goes_on_where_it_broke() {
    let home = home();
    let server = server(&home);
    let bytes = numbers(4_000);
    let place = server.begin("t", "t.csv", bytes.len());
    let half = bytes.len() / 2;
    let headers = format!(
        "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\n\
         Content-Length: {}\r\n",
        bytes.len()
    );
    let request = [&head(&server, &format!("PATCH {place}"), &headers) as &[u8], &bytes[..half]];
    let _ = raw(&server, &request.concat(), true);
    let began = Instant::now();
    let reached = loop {
        let reached = server.offset(&place).expect("it runs");
        if reached > 0 || began.elapsed() > Duration::from_secs(20) {
            break usize::try_from(reached).expect("small");
        }
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(reached, half, "every byte that came is kept");
    let rest = server.append(&place, reached as u64, &bytes[reached..]).expect("it runs");
    assert_eq!(rest.headers()["Dataset-Version"], "t@1");
    let versions = server.get("/v1/datasets/t");
    assert_eq!(versions.body["items"][0]["digest"], sha256(&bytes));
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ten thousand orders from many clients at once: each is one job, also after a kill.
#[test]
fn ten_thousand_orders_at_once_are_ten_thousand_jobs() {
    const ORDERS: usize = 10_000;
    const CLIENTS: usize = 100;
    let home = home();
    let server = Arc::new(server(&home));
    let (next, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (server, next, taken) = (server.clone(), next.clone(), taken.clone());
            thread::spawn(move || {
                loop {
                    let no = next.fetch_add(1, Ordering::SeqCst);
                    if no >= ORDERS {
                        return;
                    }
                    let key = format!("order-{no}");
                    let answer = server.try_post("/v1/jobs", &order(no), Some(&key));
                    let answer = answer.expect("it runs");
                    assert_eq!(answer.status, 201, "{answer:?}");
                    taken.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for client in clients {
        client.join().expect("every order is taken");
    }
    println!("{ORDERS} orders in {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(taken.load(Ordering::SeqCst), ORDERS);
    server.kill();
    server.start_again();
    let mut names = BTreeSet::new();
    let mut token = String::new();
    loop {
        let page = server.get(&format!("/v1/jobs?page_size=1000{token}"));
        let items = page.body["items"].as_array().expect("items");
        names.extend(items.iter().filter_map(|it| it["id"].as_str().map(str::to_owned)));
        let Some(next) = page.body["next_page_token"].as_str() else { break };
        token = format!("&page_token={next}");
    }
    assert_eq!(names.len(), ORDERS);
}

/// Many sockets that are opened and never read or written hold up nobody else, and cost little.
#[test]
fn two_thousand_silent_sockets_hold_up_nobody() {
    const SOCKETS: usize = 2_000;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("it may be raised");
    let room = maximum.unwrap_or(u64::MAX);
    assert!(room > 2 * SOCKETS as u64, "this user may open only {room} files");
    let home = home();
    let server = server(&home);
    let before = resident_mib(&server);
    let job = server.post("/v1/jobs", &order(1));
    let job = job.body["id"].as_str().expect("a job").to_owned();
    let mut silent = Vec::new();
    for no in 0..SOCKETS {
        let mut stream = TcpStream::connect(server.address()).expect("it listens");
        match no % 3 {
            // Follows all events and reads none, says half a request, says nothing.
            0 => stream.write_all(&head(&server, "GET /v1/events", "Last-Event-ID: 0\r\n")),
            1 => stream.write_all(b"GET /v1/jobs HTTP/1.1\r\nHos"),
            _ => Ok(()),
        }
        .expect("the kernel takes it");
        silent.push(stream);
    }
    // Whoever says nothing is sent away after ten seconds; until then there may be no seat.
    let began = Instant::now();
    let state = loop {
        if let Some(answer) = server.try_get(&format!("/v1/jobs/{job}"))
            && answer.status == 200
            && answer.body["state"] == "published"
        {
            break answer.body["state"].clone();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it answers nobody any more");
        thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(state, "published");
    for _ in 0..50 {
        assert_eq!(server.get("/v1/jobs").status, 200);
    }
    let grown = resident_mib(&server).saturating_sub(before);
    assert!(grown < 200, "{grown} MiB for sockets that nobody reads");
    drop(silent);
}

fn resident_mib(server: &Server) -> u64 {
    let id = server.id().expect("it runs");
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is told");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").trim().parse().expect("a number");
    kibibytes >> 10
}

/// A second server on the same port or the same folder says so, and harms nothing.
/// A start that is refused: with which status, and what is said.
fn refused_start(home: &TempDir, listen: &str) -> (Option<i32>, Value) {
    let mut child = tgs(home.path(), &["up", "--listen", listen, "--json"]);
    let output = child.output().expect("the binary can be started");
    let told: Value = String::from_utf8_lossy(&output.stdout)
        .lines()
        .last()
        .and_then(|line| serde_json::from_str(line).ok())
        .expect("one object");
    (output.status.code(), told)
}

/// An older program changes nothing of what a newer one wrote; the newer one finds it as it was.
#[test]
fn a_data_folder_of_a_newer_version_is_left_alone() {
    let home = home();
    let server = server(&home);
    let job = server.post("/v1/jobs", &order(1)).body["id"].as_str().expect("a job").to_owned();
    assert_eq!(server.ended(&job)["state"], "published");
    assert_eq!(server.stop(), Some(0));
    let set_version = |to: &dyn Fn(u64) -> u64| {
        let meta: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
        let store = redb::Database::open(home.path().join("store.redb")).expect("a store");
        let write = store.begin_write().expect("begins");
        {
            let mut table = write.open_table(meta).expect("it is there");
            let version = table.get("schema_version").expect("reads").expect("a number").value();
            table.insert("schema_version", to(version)).expect("writes");
        }
        write.commit().expect("commits");
    };
    set_version(&|version| version + 1);
    // But for the number of the process that looked, and the store's own notes of having been open;
    // what stands in it is read below.
    let files = || {
        let all = digests(home.path()).into_iter();
        let is_ours = |path: &Path| path != "lock" && path != "store.redb";
        all.filter(|(path, _)| is_ours(path)).collect::<Vec<_>>()
    };
    let before = files();
    let (status, told) = refused_start(&home, "127.0.0.1:0");
    assert_eq!((status, &told["code"]), (Some(5), &json!("STORE-0006")), "{told}");
    assert!(told["message"].as_str().is_some_and(|it| it.contains("newer version")), "{told}");
    assert_eq!(files(), before, "it was touched");
    set_version(&|version| version - 1);
    server.start_again();
    assert_eq!(server.get(&format!("/v1/jobs/{job}")).body["state"], "published");
}

#[test]
fn a_taken_port_and_a_taken_folder_are_told() {
    let (here, there) = (home(), home());
    let server = server(&here);
    let address = server.address();
    let (status, told) = refused_start(&there, &address);
    assert_eq!((status, &told["code"]), (Some(2), &json!("USE-0010")), "{told}");
    assert!(told["message"].as_str().is_some_and(|it| it.contains("--listen")), "{told}");
    let (status, told) = refused_start(&here, "127.0.0.1:0");
    assert_eq!((status, &told["code"]), (Some(5), &json!("STORE-0001")), "{told}");
    assert_eq!(server.get("/v1/jobs").status, 200, "the first one goes on");
}

/// SIGTERM: what runs is saved, the port is free, and the next start goes on.
#[test]
fn a_stop_saves_and_the_next_start_goes_on() {
    let home = home();
    let server = server(&home);
    assert_eq!(server.upload("larger", "larger.csv", &numbers(4_000), 1 << 20), "larger@1");
    let learn = json!({"model": "tabgraph", "steps": 1500, "threads": 1});
    let long = json!({"kind": "train", "dataset": "larger", "learn": learn});
    let job = server.post("/v1/jobs", &long).body["id"].as_str().expect("a job").to_owned();
    server.wait_for(&job, |view| view["stage"] == "train");
    let following = server.events(&format!("/v1/jobs/{job}/events"), 0).expect("it runs");
    assert_eq!(server.stop(), Some(0));
    let mut rest = String::new();
    let _ = { following }.read_to_string(&mut rest); // The stream ends with the server.
    assert!(!rest.contains("job.ended"), "{rest}");
    server.start_again();
    server.wait_for(&job, |view| view["state"] == "published");
}

/// Kills the server again and again at odd moments until it is told to cease.
fn kill_until(server: &Arc<Server>, is_over: &Arc<AtomicBool>) -> thread::JoinHandle<usize> {
    let (server, is_over) = (server.clone(), is_over.clone());
    thread::spawn(move || {
        let mut kills = 0;
        while !is_over.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(40 + 61 * (kills as u64 * 7 % 5)));
            server.kill();
            server.start_again();
            kills += 1;
        }
        kills
    })
}

#[test]
fn a_table_is_handed_in_and_fetched_through_kills() {
    let home = home();
    let server = Arc::new(server(&home));
    let bytes = numbers(120_000);
    let place = server.begin("large", "large.csv", bytes.len());
    let is_over = Arc::new(AtomicBool::new(false));
    let killer = kill_until(&server, &is_over);
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < LONG, "the upload does not end");
        let Some(at) = server.offset(&place) else {
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        let at = usize::try_from(at).expect("small");
        if at == bytes.len() && is_over.load(Ordering::SeqCst) {
            break;
        }
        if at == bytes.len() {
            is_over.store(true, Ordering::SeqCst);
            continue;
        }
        let end = bytes.len().min(at + 100_000);
        let _ = server.append(&place, at as u64, &bytes[at..end]);
    }
    assert!(killer.join().expect("it kills") > 0, "nothing was killed meanwhile");
    assert_eq!(server.get(&place).body["digest"], sha256(&bytes));
    // Jobs that generate much, so that there is something to fetch.
    let learn = json!({"model": "seqtree", "threads": 1});
    let train = json!({"kind": "train", "dataset": "small", "learn": learn});
    let model = server.post("/v1/jobs", &train).body["id"].as_str().expect("a job").to_owned();
    server.wait_for(&model, |view| view["state"] == "published");
    let generate = json!({"kind": "generate", "model": model, "rows": 300_000});
    let job = server.post("/v1/jobs", &generate).body["id"].as_str().expect("a job").to_owned();
    let view = server.wait_for(&job, |view| view["state"] == "published");
    let files = view["files"].as_array().expect("files");
    let file = files.iter().find(|file| file["name"] == "table.csv").expect("a table");
    let size = usize::try_from(file["size"].as_u64().expect("a size")).expect("small");
    let path = format!("/v1/jobs/{job}/files/table.csv");
    let is_over = Arc::new(AtomicBool::new(false));
    let killer = kill_until(&server, &is_over);
    let mut fetched = Vec::new();
    while fetched.len() < size {
        assert!(began.elapsed() < LONG, "the file does not come");
        let Some((status, part)) = server.bytes(&path, fetched.len()) else { continue };
        assert_eq!(status, 206);
        // Never so much that it is over before a kill.
        fetched.extend(part.iter().take(size / 5));
    }
    is_over.store(true, Ordering::SeqCst);
    killer.join().expect("it kills");
    assert_eq!(file["digest"], sha256(&fetched));
}

#[test]
fn a_cancel_is_kept_through_kills() {
    let home = home();
    let server = Arc::new(server(&home));
    for round in 0..4 {
        let learn = json!({"model": "tabgraph", "steps": 100_000, "threads": 1, "seed": round});
        let long = json!({"kind": "synthesize", "dataset": "small", "learn": learn});
        let job = server.post("/v1/jobs", &long).body["id"].as_str().expect("a job").to_owned();
        server.wait_for(&job, |view| view["stage"] == "train");
        let asker = {
            let (server, job) = (server.clone(), job.clone());
            thread::spawn(move || {
                server.try_post(&format!("/v1/jobs/{job}:cancel"), &json!({}), None)
            })
        };
        thread::sleep(Duration::from_millis([0, 15, 60, 200][round % 4]));
        server.kill();
        let answered = asker.join().expect("no panic").map(|answer| answer.status);
        server.start_again();
        // Unless it was answered nobody knows whether it was heard: so it is asked again.
        if answered != Some(200) {
            let again = server.post(&format!("/v1/jobs/{job}:cancel"), &json!({}));
            assert_eq!(again.status, 200, "{again:?}");
        }
        let view = server.get(&format!("/v1/jobs/{job}")).body;
        assert_eq!(view["state"], "cancelled", "round {round}: {view}");
        let left = home.path().join("jobs").join(&job);
        let files = walk(&left);
        assert_eq!(files, Vec::<String>::new(), "round {round}: a cancelled job leaves nothing");
    }
}

fn walk(folder: &Path) -> Vec<String> {
    let output = Command::new("find").arg(folder).args(["-type", "f"]).output().expect("find runs");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// What is beyond the history is forgotten, unless it ended within a day: whoever lost an answer
/// may still send its order again.
#[test]
fn the_history_keeps_its_number_and_the_last_day() {
    let home = home();
    let day = Duration::from_secs(86_400);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("a runtime");
    runtime.block_on(async {
        let store = Embedded::open(home.path()).expect("a new folder");
        for no in 0..30_u64 {
            // Ten of the day before yesterday, ten of yesterday, ten of today.
            let age = day * u32::try_from(2 - no / 10).expect("small");
            let at = (now - age).as_millis() as u64 + no;
            let row = sample::row(&format!("job-{no}"), at);
            let row = JobRow { state: JobState::Ended(Outcome::Cancelled), ..row };
            let _ = store.insert(&row).await.expect("it is inserted");
        }
    });
    let server = Server::start_with(home.path(), &[("TGS_HISTORY", "15")]);
    let began = Instant::now();
    let names: Vec<String> = loop {
        let page = server.get("/v1/jobs?page_size=100");
        let items = page.body["items"].as_array().expect("items").clone();
        if items.len() <= 15 || began.elapsed() > Duration::from_secs(20) {
            break items.iter().map(|it| it["id"].as_str().unwrap_or("").to_owned()).collect();
        }
        thread::sleep(Duration::from_millis(50));
    };
    let kept: Vec<String> = (15..30).rev().map(|no| format!("job-{no}")).collect();
    assert_eq!(names, kept, "the newest fifteen, newest first");
    let server = server.start_anew(&[("TGS_HISTORY", "1")]);
    let began = Instant::now();
    while server.get("/v1/jobs?page_size=100").body["items"].as_array().map(Vec::len) != Some(10) {
        assert!(began.elapsed() < Duration::from_secs(20), "those of today stay");
        thread::sleep(Duration::from_millis(50));
    }
}

/// `tgs synth --server`: the same bytes as here; ended and run again, it is the same job.
#[test]
fn the_main_job_on_a_server_gives_the_bytes_that_it_gives_here() {
    let (served, own, out) = (home(), home(), home());
    let server = Server::start(served.path());
    let source = out.path().join("my table.csv");
    fs::write(&source, numbers(600)).expect("it can be written");
    let source = source.to_str().expect("Unicode");
    let run = |home: &TempDir, to: &str, server: Option<&Server>| {
        let to = out.path().join(to);
        let to = to.to_str().expect("Unicode");
        let mut words =
            vec!["synth", source, "-n", "500", "-o", to, "--model", "seqtree", "--json"];
        let url = server.map(|server| server.url(""));
        words.extend(url.iter().flat_map(|url| ["--server", url.as_str()]));
        let mut command = tgs(home.path(), &words);
        command.envs(server.map(|server| ("TGS_TOKEN", server.token().to_owned())));
        let output = command.output().expect("the binary can be started");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let last = told.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
        (output.status.code(), last.expect(&told))
    };
    let here = run(&own, "here.csv", None);
    let there = run(&own, "there.csv", Some(&server));
    let again = run(&own, "again.csv", Some(&server));
    assert_eq!(here.0, there.0, "{} {}", here.1, there.1);
    for field in ["outcome", "rows", "verdict", "reasons", "planned_steps", "steps"] {
        assert_eq!(here.1[field], there.1[field], "{field}");
    }
    assert_eq!(there.1["job"], again.1["job"], "the same command is the same job");
    assert_eq!(server.get("/v1/datasets/my-table").body["items"].as_array().map(Vec::len), Some(1));
    let read = |name: &str| fs::read(out.path().join(name)).expect(name);
    for (mine, theirs) in [("here.csv", "there.csv"), ("here.csv", "again.csv")] {
        assert!(read(mine) == read(theirs), "{mine} and {theirs}");
    }
    for name in ["report.html", "report.json", "manifest.json"] {
        let (mine, theirs) = (format!("here.report/{name}"), format!("there.report/{name}"));
        assert!(read(&mine) == read(&theirs), "{name}");
    }
}

/// The file says what the token is, so none can be made.
#[test]
fn a_new_token_is_not_made_where_a_file_names_it() {
    let home = home();
    let mut command = tgs(home.path(), &["up", "--new-token", "--json"]);
    let output =
        command.env("TGS_TOKEN_FILE", "named").output().expect("the binary can be started");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("in named; write another one into that file"), "{told}");
}
