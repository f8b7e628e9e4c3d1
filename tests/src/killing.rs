//! SIGKILL, or a polite signal, at a chosen moment: after an event of the run was seen, and a
//! little later.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    program::{Finished, tgs},
    starting,
};

/// When a run is killed.
#[derive(Debug, Clone)]
pub struct KillPoint {
    /// Stage whose beginning is waited for (`ingest`, `train`, …).
    pub stage: String,
    /// Progress reports of that stage to let pass; the end of the stage is waited for at most.
    pub reports: usize,
    /// And then this long.
    pub delay: Duration,
}

/// What became of a run that was to be killed.
#[derive(Debug)]
pub enum Fate {
    /// It was killed in time, in this stage; none before the first.
    Killed {
        /// The last stage that it said had begun.
        stage: Option<String>,
    },
    /// It ended before the moment came.
    Ended(Finished),
}

/// Runs `tgs … --json` and kills it at a moment.
///
/// # Panics
/// When the process cannot be started or reaped.
pub fn run_and_kill(home: &Path, words: &[String], moment: &KillPoint) -> Fate {
    run_and(home, words, moment, Child::kill, true)
}

/// Runs `tgs … --json`, asks it to stop by a signal (`TERM`, `INT`) at a moment, and waits for its
/// end.
///
/// # Panics
/// When the process cannot be started or reaped.
pub fn run_and_ask_to_stop(
    home: &Path,
    words: &[String],
    moment: &KillPoint,
    signal: &str,
) -> Finished {
    let ask = |child: &mut Child| {
        let id = child.id().to_string();
        Command::new("kill").args(["-s", signal, &id]).status().map(|_| ())
    };
    run_and_ask(home, words, moment, ask)
}

/// Runs `tgs … --json`, asks it to stop in some way at a moment, and waits for its end.
///
/// # Panics
/// When the process cannot be started or reaped.
pub fn run_and_ask(
    home: &Path,
    words: &[String],
    moment: &KillPoint,
    ask: impl FnOnce(&mut Child) -> io::Result<()>,
) -> Finished {
    match run_and(home, words, moment, ask, false) {
        Fate::Ended(finished) => finished,
        Fate::Killed { .. } => unreachable!("its end was waited for"),
    }
}

/// Runs `tgs … --json` to its end; tells how long each of its stages took.
///
/// # Panics
/// When the process cannot be started or reaped.
pub fn run_and_time(home: &Path, words: &[String]) -> (Finished, BTreeMap<String, Duration>) {
    let mut child = started(home, words);
    let lines = lines_of(child.stdout.take().expect("stdout is piped"));
    let stderr = text_of(child.stderr.take().expect("stderr is piped"));
    let (mut said, mut lengths) = (String::new(), BTreeMap::new());
    let mut present: Option<(String, Instant)> = None;
    for line in lines.iter() {
        let event: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        if matches!(event["event"].as_str(), Some("stage" | "ended")) {
            if let Some((stage, began)) = present.take() {
                lengths.insert(stage, began.elapsed());
            }
            present = event["stage"].as_str().map(|stage| (stage.to_owned(), Instant::now()));
        }
        said.push_str(&line);
        said.push('\n');
    }
    let status = child.wait().expect("our own child").code();
    let stderr = stderr.join().unwrap_or_default();
    (Finished { status, stdout: said, stderr }, lengths)
}

fn started(home: &Path, words: &[String]) -> Child {
    let mut command = tgs(home, words);
    command.arg("--json");
    starting::start(command).expect("the binary can be started")
}

fn run_and(
    home: &Path,
    words: &[String],
    moment: &KillPoint,
    act: impl FnOnce(&mut Child) -> io::Result<()>,
    kills: bool,
) -> Fate {
    let mut child = started(home, words);
    let lines = lines_of(child.stdout.take().expect("stdout is piped"));
    let stderr = text_of(child.stderr.take().expect("stderr is piped"));
    let mut said = String::new();
    let mut reports_left = None;
    let mut has_come = false;
    for line in lines.iter() {
        let event: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        let is_there = event["stage"] == moment.stage.as_str();
        match event["event"].as_str() {
            Some("stage") if is_there => reports_left = Some(moment.reports),
            // The stage had fewer reports than were to be let pass: its end is the moment.
            Some("stage") if reports_left.is_some() => reports_left = Some(0),
            Some("progress") if is_there => {
                reports_left = reports_left.map(|left: usize| left.saturating_sub(1));
            }
            _ => {}
        }
        said.push_str(&line);
        said.push('\n');
        if reports_left == Some(0) {
            has_come = true;
            break;
        }
    }
    if has_come {
        thread::sleep(moment.delay);
        if child.try_wait().expect("our own child").is_none() {
            act(&mut child).expect("our own child");
            if kills {
                child.wait().expect("our own child");
                lines.iter().for_each(|line| said.push_str(&format!("{line}\n")));
                return Fate::Killed { stage: last_stage(&said) };
            }
        }
    }
    lines.iter().for_each(|line| said.push_str(&format!("{line}\n")));
    let status = child.wait().expect("our own child").code();
    let stderr = stderr.join().unwrap_or_default();
    Fate::Ended(Finished { status, stdout: said, stderr })
}

/// The last stage that a run said had begun.
fn last_stage(said: &str) -> Option<String> {
    let events = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut stages = events.filter(|event| event["event"] == "stage");
    stages.next_back().and_then(|event| event["stage"].as_str().map(str::to_owned))
}

fn lines_of(stream: ChildStdout) -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn text_of(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text
    })
}
