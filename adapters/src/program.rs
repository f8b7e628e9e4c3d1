//! Programs of the user's as processes: started by a keeper, listened to, ended with all that
//! they started.
//!
//! Between this process and the program stands a keeper ([`keeper`]), a process that holds the read
//! end of a pipe. Whatever closes the pipe, an order to stop or the death of this process, tells the
//! keeper to end the program's whole group. So nothing needs to be tidied up after a kill.
//!
//! The program runs with the rights of this process and can read what it can: the list of programs
//! that may run is the border, and it is empty unless somebody fills it.

mod collect;
pub mod keeper;
mod output;

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, PipeReader, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command as Process, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread,
    time::Duration,
};

use tgs_protocol::{
    clock::Clock,
    code::Code,
    engine::EngineError,
    program::{Command, LOG_FILE, ProgramEnd, Programs, RunFacts, RunOrder, not_allowed},
    progress::Watch,
    refusal::Refusal,
};

use self::{
    keeper::{End, STATUS_FILE},
    output::{Log, Meter},
};

/// Variables that a program gets as they are here; all others are its own or none.
const PASSED_ON: [&str; 5] = ["PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT"];
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
    clock: Arc<dyn Clock>,
}

impl LocalPrograms {
    /// These programs, each under a keeper that this command line starts.
    pub fn new(allowed: Vec<PathBuf>, keeper: Vec<OsString>, clock: Arc<dyn Clock>) -> Self {
        Self { allowed, keeper, clock }
    }

    /// The keeper, and what it and the program write to either of their outputs, in that order.
    fn start(&self, order: &RunOrder, work: &Path) -> io::Result<(Child, PipeReader)> {
        let (out, scratch) = (work.join("out"), work.join("tmp"));
        fs::create_dir_all(&out)?;
        fs::create_dir_all(&scratch)?;
        let (first, rest) = self.keeper.split_first().ok_or(io::ErrorKind::NotFound)?;
        let (written, output) = io::pipe()?;
        let passed_on = PASSED_ON.iter().filter_map(|name| Some((name, env::var_os(name)?)));
        let keeper = Process::new(first)
            .args(rest)
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
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            // A Ctrl-C at the terminal is for this process, which ends the program in its time.
            .process_group(0)
            .spawn()?;
        Ok((keeper, written))
    }
}

impl Programs for LocalPrograms {
    fn check(&self, command: &Command) -> Result<(), Refusal> {
        if !self.allowed.contains(&command.program) {
            return Err(not_allowed(command));
        }
        Meter::of(command.progress.as_deref()).map(drop)
    }

    fn run(&self, order: &RunOrder, watch: &dyn Watch) -> Result<RunFacts, EngineError> {
        let refused = |refusal: Refusal| EngineError::new(refusal.code, refusal.message);
        self.check(&order.command).map_err(refused)?;
        let meter = Meter::of(order.command.progress.as_deref()).map_err(refused)?;
        let work = order.into.join("work");
        let name = order.command.program.display();
        let started =
            self.start(order, &work).map_err(|error| cannot("start the keeper", error))?;
        let mut listening = Listening { log: Log::default(), meter, watch, is_over: None };
        let lasted = self.listen(started, order, &mut listening);
        lasted.map_err(|error| cannot("wait for the keeper", error))?;
        let (log, is_over) = (listening.log, listening.is_over);
        let status = fs::read(order.into.join(STATUS_FILE));
        if is_over == Some(Over::Stopped) {
            return Err(EngineError::Stopped);
        }
        let end = match status.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            _ if is_over == Some(Over::TimeLimit) => ProgramEnd::TimeLimit,
            Some(End::Status(status)) => ProgramEnd::Status(status),
            Some(End::Signal(signal)) => ProgramEnd::Signal(signal),
            Some(End::NotStarted(why)) => {
                let message = format!("start {name}: {why}; check that it is an executable file");
                return Err(EngineError::new(Code::ProgramFailed, message));
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
}

struct Listening<'a> {
    log: Log,
    meter: Meter,
    watch: &'a dyn Watch,
    is_over: Option<Over>,
}

impl LocalPrograms {
    /// Takes in all that the program writes, until the last process that could write is gone.
    fn listen(
        &self,
        (mut keeper, written): (Child, PipeReader),
        order: &RunOrder,
        listening: &mut Listening<'_>,
    ) -> io::Result<()> {
        let mut lifeline = keeper.stdin.take();
        let pieces = pieces_of(written)?;
        let began = self.clock.monotonic().get();
        loop {
            let is_silent = match pieces.recv_timeout(LOOK_PERIOD) {
                Ok(piece) => {
                    listening.hear(&piece);
                    false
                }
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let lasted = self.clock.monotonic().get().saturating_sub(began);
            listening.look(lasted > order.command.limit.get(), &mut lifeline);
            // A stranger may hold the pipes of a keeper that is gone.
            if is_silent && keeper.try_wait()?.is_some() {
                break;
            }
        }
        while keeper.try_wait()?.is_none() {
            let lasted = self.clock.monotonic().get().saturating_sub(began);
            listening.look(lasted > order.command.limit.get(), &mut lifeline);
            thread::sleep(LOOK_PERIOD / 5);
        }
        Ok(())
    }
}

impl Listening<'_> {
    fn hear(&mut self, piece: &[u8]) {
        self.log.push(piece);
        if let Some(progress) = self.meter.read(piece) {
            self.watch.tell(progress);
        }
    }

    /// Cuts the lifeline once the program must end.
    fn look(&mut self, is_late: bool, lifeline: &mut Option<ChildStdin>) {
        if self.is_over.is_some() {
            return;
        }
        self.is_over = match (self.watch.stopped(), is_late) {
            (true, _) => Some(Over::Stopped),
            (false, true) => Some(Over::TimeLimit),
            (false, false) => return,
        };
        lifeline.take();
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
    let written = fs::write(into.join(LOG_FILE), log.bytes());
    written.map_err(|error| cannot("write the log of the program", error))?;
    let mut files = vec![LOG_FILE.to_owned()];
    if end == ProgramEnd::Status(0) {
        files.extend(collect::collect(&work.join("out"), into)?);
    }
    let removed = fs::remove_file(into.join(STATUS_FILE)).and_then(|()| fs::remove_dir_all(work));
    removed.map_err(|error| cannot("remove the program's folder", error))?;
    Ok(RunFacts { end, files, last_lines: log.last_lines() })
}

fn cannot(act: &str, error: io::Error) -> EngineError {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::DiskFull,
        _ => Code::CannotWrite,
    };
    EngineError::because(code, format!("{act}: {error}; check the data folder"), error)
}
