//! The keeper: a process that starts a program, waits for it, and ends it with all that it started
//! when its standard input closes.
//!
//! The input is the read end of a pipe whose other end the node holds, and nothing else does: it
//! closes when the node lets go of it, and when the node dies, however it dies. Processes of the
//! program that leave its group come back to the keeper when their parents end, and are ended as
//! well. Should the keeper itself be killed, the kernel kills the program.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process, kill_process_group,
    set_child_subreaper, set_parent_process_death_signal, wait,
};
use serde::{Deserialize, Serialize};
use tgs_protocol::limits::PROGRAM_GRACE_MS;

/// Where the keeper says how the program ended, beside its folder.
pub const STATUS_FILE: &str = "status.json";

/// How a program ended, as its keeper says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// With this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// It never began.
    NotStarted(String),
}

/// How often the program is looked at.
const PERIOD: Duration = Duration::from_millis(10);
/// How long processes that left the group may take to die once they are killed.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Keeps one program: `STATUS PROGRAM ARGUMENTS…`. Gives the exit status of this process; how the
/// program ended stands in the file STATUS.
pub fn keep(mut words: impl Iterator<Item = OsString>) -> u8 {
    let (Some(status), Some(program)) = (words.next(), words.next()) else { return 2 };
    let end = match start(&program, words) {
        Ok(child) => wait_for(child, &lifeline()),
        Err(error) => End::NotStarted(error.to_string()),
    };
    u8::from(say(&PathBuf::from(status), &end).is_err())
}

/// Starts the program in a group of its own.
fn start(program: &OsString, arguments: impl Iterator<Item = OsString>) -> io::Result<Child> {
    set_child_subreaper(Some(getpid()))?;
    let keeper = getpid();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).process_group(0);
    let with_the_keeper = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have died before it could be said.
        match getppid() == Some(keeper) {
            true => Ok(()),
            false => Err(io::ErrorKind::Interrupted.into()),
        }
    };
    #[expect(unsafe_code, reason = "only here can the child say that it dies with its parent")]
    // SAFETY: between fork and exec it makes two system calls, and allocates nothing.
    unsafe {
        command.pre_exec(with_the_keeper);
    }
    command.spawn()
}

/// Turns true once the node is gone or has let go.
fn lifeline() -> Arc<AtomicBool> {
    let is_cut = Arc::new(AtomicBool::new(false));
    let cut = is_cut.clone();
    thread::spawn(move || {
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Ok(1)) {}
        cut.store(true, Ordering::SeqCst);
    });
    is_cut
}

fn wait_for(mut child: Child, is_cut: &AtomicBool) -> End {
    let group = Pid::from_child(&child);
    let grace = Duration::from_millis(PROGRAM_GRACE_MS);
    let mut asked: Option<Instant> = None;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(error) => return End::NotStarted(error.to_string()),
        }
        match asked {
            None if is_cut.load(Ordering::SeqCst) => {
                let _ = kill_process_group(group, Signal::TERM);
                asked = Some(Instant::now());
            }
            Some(when) if when.elapsed() > grace => {
                let _ = kill_process_group(group, Signal::KILL);
            }
            _ => {}
        }
        thread::sleep(PERIOD);
    };
    // What the program started ends with it, whether it was told to or not.
    let _ = kill_process_group(group, Signal::KILL);
    end_the_rest();
    match (status.code(), status.signal()) {
        (Some(status), _) => End::Status(status),
        (None, signal) => End::Signal(signal.unwrap_or_default()),
    }
}

/// Ends processes that left the group: their parents are gone, so they are the keeper's now.
fn end_the_rest() {
    let began = Instant::now();
    while began.elapsed() < LAST_WAIT {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => continue,
            Ok(None) => {}
            Err(_) => return, // There is none.
        }
        for child in own_children() {
            let _ = kill_process(child, Signal::KILL);
        }
        thread::sleep(PERIOD);
    }
}

/// Processes whose parent is this one, as the kernel tells.
fn own_children() -> Vec<Pid> {
    let own = getpid().as_raw_nonzero().get().to_string();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let child = |entry: fs::DirEntry| {
        let number: i32 = entry.file_name().to_str()?.parse().ok()?;
        let facts = fs::read_to_string(entry.path().join("stat")).ok()?;
        // `7 (a name) S 1 …`: the name may hold anything, so what follows it is counted.
        let (_, rest) = facts.rsplit_once(')')?;
        let parent = rest.split_whitespace().nth(1)?;
        (parent == own).then(|| Pid::from_raw(number)).flatten()
    };
    entries.flatten().filter_map(child).collect()
}

/// Whole or not at all: a keeper that dies while it writes has said nothing.
fn say(path: &Path, end: &End) -> io::Result<()> {
    let beside = path.with_extension("part");
    fs::write(&beside, serde_json::to_vec(end)?)?;
    fs::rename(beside, path)
}
