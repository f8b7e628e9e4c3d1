//! One server as a process: started, paused, killed and started again, and never left behind.
//!
//! It runs in a session of its own, so that what a terminal sends to a test does not reach it. When
//! the process that started it dies, the kernel kills it.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Signal, setsid};

use super::identity::Identity;
use crate::starting;

/// How long a server may take to end when it is asked to. Cassandra needs two seconds of two cores.
const GRACE: Duration = Duration::from_secs(20);
/// How long it may take to be ready; seconds on an idle machine.
const READY_MAX: Duration = Duration::from_secs(240);
/// Between two looks at a server that is waited for.
pub(super) const PERIOD: Duration = Duration::from_millis(10);
/// Threads of Cassandra that wait for work sleep for ten microseconds at a time, ten thousand times
/// a second, in every node of it: on two cores that was half of what tests took. So their sleep is
/// longer; work waits for them by so much at most.
const TIMER_SLACK_NS: libc::c_ulong = 1_000_000;
/// What is shown of a log: lines from its end, and letters of each.
const SHOWN_LINES: usize = 30;
const SHOWN_LETTERS: usize = 300;

/// What is run.
#[derive(Debug)]
pub struct Program {
    /// What messages call it.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Its words.
    pub arguments: Vec<OsString>,
    /// Where it runs; its log is `log.txt` there.
    pub folder: PathBuf,
}

/// A server; ended when dropped.
#[derive(Debug)]
pub struct Process {
    program: Program,
    started: Mutex<Option<Started>>,
}

#[derive(Debug)]
struct Started {
    child: Child,
    identity: Identity,
}

impl Process {
    /// Starts one.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(program: Program) -> Self {
        let process = Self { program, started: Mutex::new(None) };
        process.start_again();
        process
    }

    /// Starts it again with the same words; kills it first if it runs.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_again(&self) {
        self.kill();
        let Program { name, path, .. } = &self.program;
        let child = starting::start(self.command());
        let child =
            child.unwrap_or_else(|why| panic!("start {name}: run {}: {why}", path.display()));
        let identity = Identity::of(child.id()).expect("a child that nobody has waited for");
        *self.started() = Some(Started { child, identity });
    }

    /// The process; none while it is killed.
    pub fn identity(&self) -> Option<Identity> {
        self.started().as_ref().map(|it| it.identity)
    }

    /// Whether it is there and not paused.
    pub fn runs(&self) -> bool {
        self.identity().and_then(|it| it.state()).is_some_and(|state| state != 'T')
    }

    /// SIGKILL; returns when it is dead.
    pub fn kill(&self) {
        if let Some(Started { mut child, .. }) = self.started().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGSTOP; returns when it stands still.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        let began = Instant::now();
        while self.identity().and_then(|it| it.state()) != Some('T') {
            assert!(began.elapsed() < GRACE, "pause {}: it does not stop", self.program.name);
            thread::sleep(PERIOD);
        }
    }

    /// SIGCONT.
    ///
    /// # Panics
    /// When it does not run.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM, for a stop in good order; it may be paused. Nothing if it does not run.
    pub fn ask_to_end(&self) {
        if let Some(process) = self.identity() {
            process.signal(Signal::TERM);
            process.signal(Signal::CONT);
        }
    }

    /// Asks it to end, waits for it, and kills it if it takes too long.
    pub fn end(&self) {
        self.ask_to_end();
        let began = Instant::now();
        while self.identity().is_some_and(|it| it.is_alive()) && began.elapsed() < GRACE {
            thread::sleep(PERIOD);
        }
        self.kill();
    }

    /// Waits until the server is ready, looking again and again.
    ///
    /// # Panics
    /// When it ends instead, or takes too long: with the end of its log.
    pub fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_so() {
            self.must_run(what);
            let (name, seconds) = (&self.program.name, READY_MAX.as_secs());
            assert!(
                began.elapsed() < READY_MAX,
                "start {name}: not {what} after {seconds} s; {}",
                self.last_words()
            );
            thread::sleep(PERIOD);
        }
    }

    /// While somebody waits until it is `what`.
    ///
    /// # Panics
    /// When it is killed or has ended: with the end of its log.
    pub fn must_run(&self, what: &str) {
        let name = &self.program.name;
        assert!(self.identity().is_some(), "wait for {name}, {what}: it is killed; restart it");
        if let Some(status) = self.ended() {
            panic!("start {name}: it ended ({status}) before {what}; {}", self.last_words());
        }
    }

    /// The end of its log, with a word on what to do.
    pub fn last_words(&self) -> String {
        let path = self.log();
        let text = fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES));
        let shown = last.map(|line| line.chars().take(SHOWN_LETTERS).chain("\n".chars()));
        let shown: String = shown.flatten().collect();
        format!(
            "look for the cause in the last lines of its log; where memory or disk ran short, run \
             fewer tests at the same time (`--test-threads 1`); where a file is missing, remove \
             the service's folder in the cache of ./dev and run `./dev test`\n{shown}"
        )
    }

    /// Where its log is.
    pub fn log(&self) -> PathBuf {
        self.program.folder.join("log.txt")
    }

    fn ended(&self) -> Option<ExitStatus> {
        let ended = |it: &mut Started| it.child.try_wait().expect("our own child");
        self.started().as_mut().and_then(ended)
    }

    fn signal(&self, signal: Signal) {
        let process = self.identity().filter(Identity::is_alive);
        let process = process.unwrap_or_else(|| {
            panic!("send {signal:?} to {}: it does not run; restart it first", self.program.name)
        });
        process.signal(signal);
    }

    fn started(&self) -> MutexGuard<'_, Option<Started>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self) -> Command {
        let Program { name, path, arguments, folder } = &self.program;
        let log = OpenOptions::new().create(true).append(true).open(self.log());
        let log: File =
            log.unwrap_or_else(|why| panic!("start {name}: open its log in its folder: {why}"));
        let mut command = Command::new(path);
        // None of the tester's settings: of Java, of Go, of cargo.
        command
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null());
        command.stderr(log.try_clone().expect("a file can be named twice")).stdout(log);
        #[expect(unsafe_code, reason = "only here can the child have what exec leaves to it")]
        // SAFETY: between fork and exec it makes two system calls, and allocates nothing.
        unsafe {
            command.pre_exec(|| {
                setsid()?;
                libc::prctl(libc::PR_SET_TIMERSLACK, TIMER_SLACK_NS);
                Ok(())
            });
        }
        command
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
