//! Programs of the user's as processes: started by a keeper, listened to, ended with all that
//! they started.
//!
//! Between this process and the program stands a keeper ([`keeper`]), a process that holds the
//! read end of a pipe. Whatever closes the pipe, an order to stop or the death of this process,
//! tells the keeper to end the program with all that it started. So nothing needs to be tidied up
//! after a kill; and should the keeper be killed, this process ends what is left ([`family`]).
//!
//! The program runs with the rights of this process and can read what it can: the list of programs
//! that may run is the border, and it is empty unless somebody fills it.

mod collect;
mod family;
pub mod keeper;
mod output;
mod usage;

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    fs,
    io::{self, PipeReader, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command as Process, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tgs_protocol::{
    clock::Clock,
    code::Code,
    engine::EngineError,
    limits::PROGRAM_GRACE_MS,
    program::{Command, LOG_FILE, ProgramEnd, Programs, RunFacts, RunOrder, not_allowed},
    progress::Watch,
    refusal::Refusal,
};

use self::{
    keeper::{End, STATUS_FILE},
    output::{Log, Meter},
    usage::Usage,
};
use crate::{disk::remove_wild_tree, embedded::layout::Layout};

/// Variables that a program gets as they are here; all others are its own or none. The last one is
/// for the keeper alone.
const PASSED_ON: [&str; 5] = ["PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH"];
/// The program's folder, in that of the results.
const WORK_FOLDER: &str = ".work";
/// How long a keeper may take that was told to end its program.
const KEEPER_GRACE_MS: u64 = 2 * PROGRAM_GRACE_MS;
/// How long what is still in the pipe is read once the keeper is gone.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often stops and time limits are looked for while a program is silent.
const LOOK_PERIOD: Duration = Duration::from_millis(50);
/// Pieces of output on their way; more make the program wait.
const PIECES_MAX: usize = 16;
const PIECE_BYTES: usize = 32 << 10;

/// Runs listed programs on this machine.
pub struct LocalPrograms {
    allowed: Vec<PathBuf>,
    /// The command that becomes a keeper, before the words of one run.
    keeper: Vec<OsString>,
    /// What keepers hold while they live.
    lock: PathBuf,
    /// Processes that are keepers now.
    keepers: Mutex<BTreeSet<i32>>,
    clock: Arc<dyn Clock>,
}

impl LocalPrograms {
    /// These programs, each under a keeper that this command line starts and that holds a lock of
    /// the data folder at `home`.
    pub fn new(
        allowed: Vec<PathBuf>,
        keeper: Vec<OsString>,
        home: &Path,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (lock, keepers) = (Layout::of(home).keepers_lock(), Mutex::default());
        Self { allowed, keeper, lock, keepers, clock }
    }

    /// The keeper, and what it and the program write to either of their outputs, in that order.
    fn start(&self, order: &RunOrder, work: &Path) -> io::Result<(Child, Receiver<Vec<u8>>)> {
        let (out, scratch) = (work.join("out"), work.join("tmp"));
        fs::create_dir_all(&out)?;
        fs::create_dir_all(&scratch)?;
        family::adopt()?;
        let (first, rest) = self.keeper.split_first().ok_or(io::ErrorKind::NotFound)?;
        let (written, output) = io::pipe()?;
        let pieces = pieces_of(written)?;
        let passed_on = PASSED_ON.iter().filter_map(|name| Some((name, env::var_os(name)?)));
        let threads = order.threads.to_string();
        let mut command = Process::new(first);
        command
            .args(rest)
            .arg(&self.lock)
            .arg(order.into.join(STATUS_FILE))
            .arg(&order.command.program)
            .args(&order.command.arguments)
            .current_dir(work)
            .env_clear()
            .envs(passed_on)
            .envs(&order.command.datasets)
            .env("HOME", work)
            .env("TMPDIR", scratch)
            .env("TGS_OUT", out)
            .env("TGS_JOB", order.job.as_str())
            .env("TGS_ATTEMPT", order.attempt.to_string())
            .env("TGS_THREADS", &threads)
            .env("OMP_NUM_THREADS", &threads)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            // A Ctrl-C at the terminal is for this process, which ends the program in its time.
            .process_group(0);
        // Held until its number is known: whoever ends strays meanwhile would take it for one.
        let mut keepers = self.keepers();
        let keeper = command.spawn()?;
        keepers.extend(i32::try_from(keeper.id()));
        Ok((keeper, pieces))
    }

    /// The meter of a program that may run.
    fn allow(&self, command: &Command) -> Result<Meter, Refusal> {
        match self.allowed.contains(&command.program) {
            true => Meter::of(command.progress.as_deref()),
            false => Err(not_allowed(command)),
        }
    }

    fn keepers(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Programs for LocalPrograms {
    fn check(&self, command: &Command) -> Result<(), Refusal> {
        self.allow(command).map(drop)
    }

    fn run(&self, order: &RunOrder, watch: &dyn Watch) -> Result<RunFacts, EngineError> {
        let refused = |refusal: Refusal| EngineError::new(refusal.code, refusal.message);
        let meter = self.allow(&order.command).map_err(refused)?;
        let work = order.into.join(WORK_FOLDER);
        let name = order.command.program.display();
        let started =
            self.start(order, &work).map_err(|error| cannot("start the keeper", error))?;
        let mut listening = Listening { log: Log::default(), meter, watch, is_over: None };
        let left = self.listen(started, order, &mut listening);
        let left = left.map_err(|error| cannot("wait for the keeper", error))?;
        let (log, is_over) = (listening.log, listening.is_over);
        let status = fs::read(order.into.join(STATUS_FILE));
        if is_over == Some(Over::Stopped) {
            return Err(EngineError::Stopped);
        }
        let end = match status.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            _ if is_over == Some(Over::TimeLimit) => ProgramEnd::TimeLimit,
            _ if is_over == Some(Over::TooMuch) => ProgramEnd::TooMuch,
            Some(End::Status(status)) => ProgramEnd::Status(status),
            Some(End::Signal(signal)) => ProgramEnd::Signal(signal),
            Some(End::NotStarted(why)) => {
                let message = format!("start {name}: {why}; check that it is an executable file");
                return Err(EngineError::new(Code::ProgramFailed, message));
            }
            None if left.code() == Some(keeper::CANNOT_SAY) => {
                let message = format!("run {name}: how it ended cannot be written; make room");
                return Err(EngineError::new(Code::DiskFull, message));
            }
            None => {
                let message = format!("run {name}: its keeper died; it is run again");
                return Err(EngineError::new(Code::Interrupted, message));
            }
        };
        take_what_is_left(order, &work, &log, end)
    }
}

/// Why a program is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Stopped,
    TimeLimit,
    TooMuch,
}

struct Listening<'a> {
    log: Log,
    meter: Meter,
    watch: &'a dyn Watch,
    is_over: Option<Over>,
}

impl LocalPrograms {
    /// Takes in all that the program writes, until its keeper is gone and nothing is left of what
    /// it started.
    fn listen(
        &self,
        (mut keeper, pieces): (Child, Receiver<Vec<u8>>),
        order: &RunOrder,
        listening: &mut Listening<'_>,
    ) -> io::Result<ExitStatus> {
        let mut lifeline = keeper.stdin.take();
        let mut cut_at = None;
        let began = self.clock.monotonic().get();
        let mut usage = Usage::of(&order.into);
        let left = loop {
            match pieces.recv_timeout(LOOK_PERIOD) {
                Ok(piece) => listening.hear(&piece),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => thread::sleep(LOOK_PERIOD / 5),
            }
            if let Some(left) = keeper.try_wait()? {
                break left;
            }
            let now = self.clock.monotonic().get();
            listening.look(now.saturating_sub(began) > order.command.limit.get());
            if listening.is_over.is_none() && usage.is_too_much() {
                listening.is_over = Some(Over::TooMuch);
            }
            if listening.is_over.is_some() {
                lifeline.take();
                let cut = *cut_at.get_or_insert(now);
                if now.saturating_sub(cut) > KEEPER_GRACE_MS {
                    keeper.kill()?; // It was stopped, or its program cannot be ended.
                }
            }
        };
        // A stranger may hold the pipe of a keeper that is gone, and write without end.
        let until = Instant::now() + LAST_WORDS;
        while let Ok(piece) = pieces.recv_timeout(LOOK_PERIOD)
            && Instant::now() < until
        {
            listening.hear(&piece);
        }
        self.keepers().retain(|pid| i32::try_from(keeper.id()) != Ok(*pid));
        if !left.success() {
            family::end_all(|| self.keepers());
        }
        Ok(left)
    }
}

impl Listening<'_> {
    fn hear(&mut self, piece: &[u8]) {
        self.log.push(piece);
        if let Some(progress) = self.meter.read(piece) {
            self.watch.tell(progress);
        }
    }

    /// Notes why the program must end, once it must. A look is a sign of life as well.
    fn look(&mut self, is_late: bool) {
        let over = match (self.watch.stopped(), is_late) {
            (true, _) => Some(Over::Stopped),
            (false, true) => Some(Over::TimeLimit),
            (false, false) => None,
        };
        self.is_over = self.is_over.or(over);
    }
}

/// What is written, as it comes.
fn pieces_of(mut from: PipeReader) -> io::Result<Receiver<Vec<u8>>> {
    let (sender, pieces) = sync_channel(PIECES_MAX);
    thread::Builder::new().name("tgs-program".to_owned()).spawn(move || {
        let mut buffer = vec![0; PIECE_BYTES];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            // Nobody listens any more only once the keeper is gone.
            if sender.send(buffer.get(..length).unwrap_or_default().to_vec()).is_err() {
                return;
            }
        }
    })?;
    Ok(pieces)
}

/// The log, and of a program that did its work the files of its folder `out`.
fn take_what_is_left(
    order: &RunOrder,
    work: &Path,
    log: &Log,
    end: ProgramEnd,
) -> Result<RunFacts, EngineError> {
    let into = &order.into;
    // It could write beside its own folder too; nothing of that is taken.
    remove_all_but(into, WORK_FOLDER).map_err(|error| cannot("clear the job's folder", error))?;
    let mut facts = RunFacts { end, files: vec![LOG_FILE.to_owned()], last_lines: String::new() };
    if end != ProgramEnd::Status(0) {
        facts.last_lines = log.last_lines();
    } else {
        match collect::collect(&work.join("out"), into)? {
            Ok(names) => facts.files.extend(names),
            Err(why) => (facts.end, facts.last_lines) = (ProgramEnd::Refused, why),
        }
    }
    let written = fs::write(into.join(LOG_FILE), log.bytes());
    written.map_err(|error| cannot("write the log of the program", error))?;
    let removed = remove_wild_tree(work);
    removed.map_err(|error| cannot("remove the program's folder", error))?;
    Ok(facts)
}

fn remove_all_but(folder: &Path, spared: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() != spared {
            remove_wild_tree(&entry.path())?;
        }
    }
    Ok(())
}

fn cannot(act: &str, error: io::Error) -> EngineError {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::DiskFull,
        _ => Code::CannotWrite,
    };
    EngineError::because(code, format!("{act}: {error}; check the data folder"), error)
}
