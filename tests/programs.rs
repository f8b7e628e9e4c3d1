//! Programs of the user's as jobs of a real server: their progress, files and end, and that
//! none of them outlives the server, whatever it dies of.

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tgs_tests::server::{Answer, Server};

/// Longer than anything takes that a test waits for.
const LONG: Duration = Duration::from_secs(60);
const SHELL: &str = "/bin/sh";

/// A server that may run a shell. Nobody should list one; a test wants scripts.
struct Desk {
    home: TempDir,
    server: Server,
}

impl Desk {
    fn new() -> Self {
        let home = TempDir::new().expect("a temporary folder");
        let listed = [("TGS_EXTERNAL_PROGRAMS", "/bin/sh,/bin/nothing-here")];
        let server = Server::start_with(home.path(), &listed);
        Self { home, server }
    }

    /// Orders a script; more fields over the usual ones.
    fn order(&self, script: &str, more: &Value) -> Answer {
        let mut order = json!({"kind": "external", "program": SHELL, "arguments": ["-c", script]});
        for (name, value) in more.as_object().expect("fields") {
            order[name] = value.clone();
        }
        self.server.post("/v1/jobs", &order)
    }

    fn submit(&self, script: &str, more: &Value) -> String {
        let taken = self.order(script, more);
        assert_eq!(taken.status, 201, "{taken:?}");
        taken.body["id"].as_str().expect("a name").to_owned()
    }

    fn ended(&self, job: &str) -> Value {
        self.server.ended(job)
    }

    fn file(&self, job: &str, name: &str) -> String {
        let found = self.server.get(&format!("/v1/jobs/{job}/files/{name}"));
        assert_eq!(found.status, 200, "{found:?}");
        found.body.as_str().map_or_else(|| found.body.to_string(), str::to_owned)
    }

    /// A file beside the data folder, for scripts that tell a test something.
    fn beside(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }
}

fn names(view: &Value) -> Vec<&str> {
    let files = view["files"].as_array().expect("files");
    files.iter().map(|file| file["name"].as_str().expect("a name")).collect()
}

/// The number in a file, once it is there.
fn number_in(path: &str) -> u32 {
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if let Some(number) = text.strip_suffix('\n').and_then(|text| text.parse().ok()) {
            return number;
        }
        assert!(began.elapsed() < LONG, "{path} holds no number");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until these processes are gone; a few seconds are allowed.
fn all_gone(processes: &[u32]) {
    let began = Instant::now();
    let lives = |id: &u32| {
        let state = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let state = state.rsplit_once(')').map_or("", |(_, rest)| rest.trim_start());
        // Dead and not yet waited for, by whoever in this container does that, is dead.
        !state.is_empty() && !state.starts_with('Z')
    };
    while processes.iter().any(lives) {
        assert!(began.elapsed() < Duration::from_secs(15), "one of {processes:?} lives on");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A script that starts a child in its group and one that leaves it, and says who they are; neither
/// it nor they end when they are asked to.
fn family(desk: &Desk, name: &str) -> (String, [String; 3]) {
    let told = ["self", "child", "stray"].map(|who| desk.beside(&format!("{name}-{who}")));
    let [own, child, stray] = &told;
    let script = format!(
        "trap '' TERM; (trap '' TERM; sleep 600) & echo $! > {child}; \
         setsid sh -c 'trap \"\" TERM; echo $$ > {stray}; sleep 600' & echo $$ > {own}; \
         while :; do sleep 1; done"
    );
    (script, told)
}

#[test]
fn a_program_is_run_followed_and_its_files_are_delivered() {
    let desk = Desk::new();
    desk.server.upload("trial-a", "trial.csv", b"a,b\n1,2\n", 100);
    let script = "echo \"step 1/4\"; echo \"step 3/4\"; echo oops >&2; \
        cat \"$TGS_DATASET_TRIAL_A\" > $TGS_OUT/copy.csv; env | sort > $TGS_OUT/env.txt; pwd; \
        while [ ! -e GO ]; do sleep 0.05; done; echo \"step 4/4\"";
    let gate = desk.beside("go");
    let script = script.replace("GO", &gate);
    let progress = r"step (?P<done>\d+)/(?P<total>\d+)";
    let job = desk.submit(&script, &json!({"datasets": ["trial-a"], "progress": progress}));
    let view = desk.server.wait_for(&job, |view| view["progress"]["done"] == 3);
    assert_eq!(view["progress"]["total"], 4);
    assert_eq!((&view["kind"], &view["stage"]), (&json!("external"), &json!("run")));
    fs::write(&gate, "").expect("our own folder");
    let view = desk.ended(&job);
    assert_eq!(view["state"], "published", "{view}");
    assert_eq!(names(&view), ["output.log", "copy.csv", "env.txt"]);
    assert_eq!(desk.file(&job, "copy.csv"), "a,b\n1,2\n");
    let log = desk.file(&job, "output.log");
    assert!(log.contains("step 4/4\n") && log.contains("oops\n"), "{log}");
    let environment = desk.file(&job, "env.txt");
    let variables: Vec<_> =
        environment.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    for name in &variables {
        let known =
            ["HOME", "LANG", "LC_ALL", "OLDPWD", "PATH", "PWD", "SHLVL", "TMPDIR", "TZ", "_"];
        assert!(known.contains(name) || name.starts_with("TGS_"), "{name} was passed on");
    }
    assert!(environment.contains(&format!("TGS_JOB={job}\n")), "{environment}");
    assert!(environment.contains("TGS_ATTEMPT=1\n"), "{environment}");
    assert!(!environment.contains("TGS_HOME") && !environment.contains("TGS_EXTERNAL"));
}

#[test]
fn what_fails_says_so_with_its_last_lines_and_its_log() {
    let desk = Desk::new();
    let job = desk.submit("echo reading; echo no such column >&2; exit 3", &json!({}));
    let view = desk.ended(&job);
    assert_eq!((&view["state"], &view["failure"]["code"]), (&json!("failed"), &json!("JOB-0006")));
    let message = view["failure"]["message"].as_str().expect("a message");
    assert!(message.contains("status 3") && message.contains("no such column"), "{message}");
    assert_eq!(names(&view), ["output.log"]);
    assert_eq!(desk.file(&job, "output.log"), "reading\nno such column\n");
    let job = desk.submit("ln -s /etc/passwd $TGS_OUT/link; touch $TGS_OUT/fine", &json!({}));
    let view = desk.ended(&job);
    let message = view["failure"]["message"].as_str().expect("a message");
    assert!(message.contains("out/link is no plain file"), "{message}");
    let job = desk.submit("kill -9 $$", &json!({}));
    let message = desk.ended(&job)["failure"]["message"].to_string();
    assert!(message.contains("signal 9"), "{message}");
    let nothing = json!({"program": "/bin/nothing-here", "arguments": []});
    let job = desk.submit("", &nothing);
    let message = desk.ended(&job)["failure"]["message"].to_string();
    assert!(message.contains("start /bin/nothing-here"), "{message}");
}

#[test]
fn what_is_not_listed_or_makes_no_sense_is_refused() {
    let desk = Desk::new();
    for (more, code) in [
        (json!({"program": "/bin/ls"}), "USE-0013"),
        (json!({"program": "sh"}), "USE-0013"),
        (json!({"program": "/bin/../bin/sh"}), "USE-0013"),
        (json!({"progress": "(?P<done>"}), "USE-0001"),
        (json!({"time_limit": "0s"}), "USE-0001"),
        (json!({"datasets": ["gone"]}), "USE-0007"),
    ] {
        let refused = desk.order("true", &more);
        assert_eq!(refused.body["code"], code, "{more}: {refused:?}");
    }
    let home = TempDir::new().expect("a temporary folder");
    let closed = Server::start(home.path());
    let order = json!({"kind": "external", "program": SHELL, "arguments": ["-c", "true"]});
    let refused = closed.post("/v1/jobs", &order);
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("USE-0013")), "{refused:?}");
}

#[test]
fn a_time_limit_and_a_cancel_end_the_whole_family() {
    let desk = Desk::new();
    let (script, told) = family(&desk, "late");
    let job = desk.submit(&script, &json!({"time_limit": "1s"}));
    let processes = told.map(|path| number_in(&path));
    let view = desk.ended(&job);
    let message = view["failure"]["message"].as_str().expect("a message");
    assert!(message.contains("its time limit was over"), "{message}");
    all_gone(&processes);
    let (script, told) = family(&desk, "cancelled");
    let job = desk.submit(&script, &json!({}));
    let processes = told.map(|path| number_in(&path));
    let cancelled = desk.server.post(&format!("/v1/jobs/{job}:cancel"), &json!({}));
    assert_eq!(cancelled.body["state"], "cancelled", "{cancelled:?}");
    all_gone(&processes);
}

#[test]
fn a_killed_server_leaves_no_process_and_runs_the_program_again() {
    let desk = Desk::new();
    let (endless, told) = family(&desk, "first");
    let attempts = desk.beside("attempts");
    let script =
        format!("echo $TGS_ATTEMPT >> {attempts}; test $TGS_ATTEMPT != 1 || {{ {endless}; }}");
    let job = desk.submit(&script, &json!({}));
    let processes = told.map(|path| number_in(&path));
    desk.server.kill();
    all_gone(&processes);
    desk.server.start_again();
    assert_eq!(desk.ended(&job)["state"], "published");
    assert_eq!(fs::read_to_string(attempts).expect("it was written"), "1\n2\n");
}

#[test]
fn a_server_that_is_asked_to_stop_ends_its_programs_first() {
    let desk = Desk::new();
    let (script, told) = family(&desk, "drained");
    desk.submit(&script, &json!({}));
    let processes = told.map(|path| number_in(&path));
    assert_eq!(desk.server.stop(), Some(0));
    all_gone(&processes);
}

#[test]
fn a_keeper_that_is_killed_takes_the_program_with_it() {
    let desk = Desk::new();
    let own = desk.beside("own");
    let script = format!("echo $$ > {own}; test $TGS_ATTEMPT != 1 || sleep 600");
    let job = desk.submit(&script, &json!({}));
    let program = number_in(&own);
    let keeper = fs::read_to_string(Path::new("/proc").join(program.to_string()).join("stat"));
    let keeper = keeper.expect("it lives");
    let keeper = keeper.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
    let keeper = keeper.expect("it has a parent").to_owned();
    Command::new("kill").args(["-s", "KILL", &keeper]).status().expect("kill runs");
    all_gone(&[program]);
    // That is no fault of the program: it is run again.
    assert_eq!(desk.ended(&job)["state"], "published");
}
