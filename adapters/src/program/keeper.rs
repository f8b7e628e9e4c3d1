//! The keeper: a process that starts a program, waits for it, and ends it with all that it started
//! when its standard input closes.
//!
//! The input is the read end of a pipe whose other end the node holds, and nothing else does: it
//! closes when the node lets go of it, and when the node dies, however it dies. While a keeper
//! lives it holds a lock, so that whoever takes the data folder over waits for its end: a program
//! never runs twice at the same time. Should the keeper itself be killed, the kernel kills the
//! program, and the node ends what the program started.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    io::{self, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{
        Pid, Resource, Rlimit, Signal, WaitOptions, getpid, getppid, kill_process_group,
        set_parent_process_death_signal, setrlimit, wait,
    },
    time::Timespec,
};
use serde::{Deserialize, Serialize};
use tgs_protocol::limits::{PROGRAM_FILES_BYTES_MAX, PROGRAM_GRACE_MS};

use super::family;

/// Where the keeper says how the program ended, beside its folder. No file that a program leaves
/// may have a name with a point at its beginning.
pub const STATUS_FILE: &str = ".status.json";
/// The keeper's own exit status when it could not say how the program ended.
pub const CANNOT_SAY: i32 = 3;

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

/// Keeps one program: `LOCK STATUS PROGRAM ARGUMENTS…`. Gives the exit status of this process; how
/// the program ended stands in the file STATUS.
pub fn keep(mut words: impl Iterator<Item = OsString>) -> u8 {
    let (Some(lock), Some(status), Some(program)) = (words.next(), words.next(), words.next())
    else {
        return 2;
    };
    be_deaf();
    let end = match begin(Path::new(&lock), &program, words) {
        Ok((_held, child)) => {
            let end = wait_for(child, &lifeline());
            // What the program started ends with it, whether it was told to or not.
            family::end_all(|| Box::new(BTreeSet::new()));
            say(&PathBuf::from(status), &end)
        }
        Err(error) => say(&PathBuf::from(status), &End::NotStarted(error.to_string())),
    };
    if end.is_ok() { 0 } else { CANNOT_SAY.try_into().unwrap_or(1) }
}

/// What is meant for the node, `killall` and the stop of a service among it, must not end the
/// keeper before the program. What it starts hears signals as usual: the standard library gives
/// every child an empty mask.
fn be_deaf() {
    let deaf_to = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];
    #[expect(unsafe_code, reason = "the standard library cannot block signals")]
    // SAFETY: the set is made by the first call and only read by the last one.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in deaf_to {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
}

/// Takes the lock and starts the program in a group of its own, unless the node is gone by then:
/// whoever took over may have found the lock free.
fn begin(
    lock: &Path,
    program: &OsString,
    arguments: impl Iterator<Item = OsString>,
) -> io::Result<(File, Pid)> {
    let held = File::options().read(true).write(true).create(true).truncate(false).open(lock)?;
    held.lock_shared()?;
    family::adopt()?;
    if is_cut() {
        return Err(io::Error::other("the node is gone"));
    }
    let keeper = getpid();
    let mut command = Command::new(program);
    // Where this program finds its own libraries is no business of that one.
    command.args(arguments).env_remove("LD_LIBRARY_PATH").stdin(Stdio::null()).process_group(0);
    let with_the_keeper = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        let at_most = |most| Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(Resource::Fsize, at_most(PROGRAM_FILES_BYTES_MAX))?;
        setrlimit(Resource::Core, at_most(0))?;
        // It may have died before it could be said.
        match getppid() == Some(keeper) {
            true => Ok(()),
            false => Err(io::ErrorKind::Interrupted.into()),
        }
    };
    #[expect(unsafe_code, reason = "only here can the child say that it dies with its parent")]
    // SAFETY: between fork and exec it makes four system calls, and allocates nothing.
    unsafe {
        command.pre_exec(with_the_keeper);
    }
    let child = Pid::from_child(&command.spawn()?);
    // When memory runs out, the program goes before the node.
    let _ = fs::write(format!("/proc/{}/oom_score_adj", child.as_raw_nonzero()), "1000");
    Ok((held, child))
}

/// Whether the node has let go already. It writes nothing, so the pipe can only be closed.
fn is_cut() -> bool {
    let stdin = io::stdin();
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut look = [PollFd::new(&stdin, PollFlags::IN)];
    poll(&mut look, Some(&at_once)).is_ok_and(|ready| ready > 0)
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

/// Waits for the program, and for all that became the keeper's children before.
fn wait_for(program: Pid, is_cut: &AtomicBool) -> End {
    let grace = Duration::from_millis(PROGRAM_GRACE_MS);
    let mut asked: Option<Instant> = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == program => {
                let _ = kill_process_group(program, Signal::KILL);
                return match (status.exit_status(), status.terminating_signal()) {
                    (Some(status), _) => End::Status(status),
                    (None, signal) => End::Signal(signal.unwrap_or_default()),
                };
            }
            Ok(Some(_)) => continue,
            Ok(None) => {}
            Err(error) => return End::NotStarted(error.to_string()),
        }
        match asked {
            None if is_cut.load(Ordering::SeqCst) => {
                let _ = kill_process_group(program, Signal::TERM);
                asked = Some(Instant::now());
            }
            Some(when) if when.elapsed() > grace => {
                let _ = kill_process_group(program, Signal::KILL);
            }
            _ => {}
        }
        thread::sleep(PERIOD);
    }
}

/// Whole or not at all: a keeper that dies while it writes has said nothing.
fn say(path: &Path, end: &End) -> io::Result<()> {
    let beside = path.with_extension("part");
    fs::write(&beside, serde_json::to_vec(end)?)?;
    fs::rename(beside, path)
}
