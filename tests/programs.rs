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

    /// A file in the data folder that is none of its own, for scripts that tell a test something.
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
        let is_known = known.contains(name) || *name == "OMP_NUM_THREADS";
        assert!(is_known || name.starts_with("TGS_"), "{name} was passed on");
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
    assert_eq!(names(&view), ["output.log"], "the log is delivered either way");
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
    let job = desk.submit(&script, &json!({"time_limit": "5s"}));
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

/// The process that keeps this one.
fn keeper_of(program: u32) -> String {
    let facts = fs::read_to_string(Path::new("/proc").join(program.to_string()).join("stat"));
    let facts = facts.expect("it lives");
    let parent = facts.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
    parent.expect("it has a parent").to_owned()
}

fn signal(name: &str, process: &str) {
    let sent = Command::new("kill").args(["-s", name, process]).status().expect("kill runs");
    assert!(sent.success());
}

/// The next attempt begins where the old one can do nothing any more: the server that starts at
/// once waits for the program's end.
#[test]
fn two_attempts_never_run_at_the_same_time() {
    let desk = Desk::new();
    let (lock, overlap) = (desk.beside("held"), desk.beside("overlap"));
    let own = desk.beside("own");
    // It does not hear that it should end, and holds a folder for as long as it lives.
    let script = format!(
        "trap '' TERM; mkdir {lock} || echo $TGS_ATTEMPT >> {overlap}; echo $$ > {own}; \
         test $TGS_ATTEMPT = 1 && (while :; do touch {lock}/alive; sleep 0.1; done); true"
    );
    let job = desk.submit(&script, &json!({}));
    let program = number_in(&own);
    desk.server.kill();
    desk.server.start_again();
    all_gone(&[program]);
    assert_eq!(desk.ended(&job)["state"], "published");
    // The folder is the first one's; the second finds it there, but nobody touches it any more.
    let alive = fs::metadata(format!("{lock}/alive")).and_then(|facts| facts.modified());
    let second = fs::metadata(&overlap).and_then(|facts| facts.modified()).expect("it came");
    assert!(alive.expect("it lived") < second, "the first one lived beside the second");
}

/// Killed or stopped, by a program or by anybody else: nothing outlives it, and the device is free.
#[test]
fn a_keeper_that_is_killed_or_stopped_takes_everything_with_it() {
    let desk = Desk::new();
    let (endless, told) = family(&desk, "orphans");
    let script = format!("test $TGS_ATTEMPT != 1 || {{ {endless}; }}");
    let job = desk.submit(&script, &json!({}));
    let processes = told.map(|path| number_in(&path));
    let keeper = keeper_of(processes[0]);
    signal("TERM", &keeper);
    thread::sleep(Duration::from_millis(200));
    assert_eq!(keeper_of(processes[0]), keeper, "a polite signal is not for it");
    signal("KILL", &keeper);
    all_gone(&processes);
    // That is no fault of the program: it is run again.
    assert_eq!(desk.ended(&job)["state"], "published");
    // A program that stops its keeper and leaves one that writes without end.
    let stray = desk.beside("stray");
    let script = format!(
        "setsid sh -c 'echo $$ > {stray}; exec yes' & \
         until test -s {stray}; do sleep 0.1; done; kill -STOP $PPID; sleep 600"
    );
    // Long enough to begin in, beside other tests.
    let job = desk.submit(&script, &json!({"time_limit": "5s"}));
    let stray = number_in(&stray);
    let message = desk.ended(&job)["failure"]["message"].to_string();
    assert!(message.contains("time limit"), "{message}");
    all_gone(&[stray]);
}

/// What stands in the way of taking and removing: folders that are closed or deeper than a path may
/// be, names that mean something here, pipes and files beside the program's folder.
#[test]
fn whatever_a_program_leaves_is_dealt_with() {
    let desk = Desk::new();
    let deep = "n=0; while [ $n -lt 150 ]; do mkdir -p a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p; \
        cd a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p; n=$((n+1)); done";
    let closed = "mkdir -p $HOME/go/pkg; touch $HOME/go/pkg/file; chmod 500 $HOME/go/pkg $HOME/go";
    let beside = "mkfifo ../output.log; ln -s /etc/passwd ../other; mkdir ../folder";
    for script in [deep, closed, beside] {
        let job = desk.submit(&format!("touch $TGS_OUT/fine; {script}"), &json!({}));
        let view = desk.ended(&job);
        assert_eq!((&view["state"], names(&view)), (&json!("published"), vec![LOG, "fine"]));
        assert_eq!(kept(&desk, &job), [""; 0], "{script}");
    }
    let named = "touch $TGS_OUT/status.json $TGS_OUT/work";
    let view = desk.ended(&desk.submit(named, &json!({})));
    assert_eq!(names(&view), [LOG, "status.json", "work"]);
    let view = desk.ended(&desk.submit("touch $TGS_OUT/sealed.json", &json!({})));
    let message = view["failure"]["message"].as_str().expect("a message");
    assert!(message.contains("out/sealed.json has a name that is not taken"), "{message}");
    let own = desk.beside("own");
    let endless = format!("touch $TGS_OUT/x; echo $$ > {own}; {deep}; sleep 600");
    let job = desk.submit(&endless, &json!({}));
    number_in(&own);
    desk.server.post(&format!("/v1/jobs/{job}:cancel"), &json!({}));
    let view = desk.ended(&job);
    assert_eq!((&view["state"], &view["files"]), (&json!("cancelled"), &Value::Null), "{view}");
    assert_eq!(kept(&desk, &job), [""; 0]);
}

const LOG: &str = "output.log";

/// What is left in the job's own folder, a little after its end.
fn kept(desk: &Desk, job: &str) -> Vec<String> {
    let folder = desk.home.path().join("jobs").join(job);
    let list = || -> Vec<String> {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let began = Instant::now();
    while !list().is_empty() && began.elapsed() < Duration::from_secs(5) {
        thread::sleep(Duration::from_millis(20));
    }
    list()
}

/// One that kills its keeper each time is not begun for ever.
#[test]
fn a_program_that_kills_its_keeper_is_given_up_after_some_attempts() {
    let desk = Desk::new();
    let job = desk.submit("kill -9 $PPID", &json!({}));
    let view = desk.ended(&job);
    assert_eq!(view["state"], "failed", "{view}");
}
