//! SIGKILL, or a polite signal, at a chosen moment: after an event of the run was seen, and a
//! little later.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::program::{Finished, tgs};

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
    /// It was killed in time.
    Killed,
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
    match run_and(home, words, moment, ask, false) {
        Fate::Ended(finished) => finished,
        Fate::Killed => unreachable!("its end was waited for"),
    }
}

fn run_and(
    home: &Path,
    words: &[String],
    moment: &KillPoint,
    act: impl FnOnce(&mut Child) -> io::Result<()>,
    kills: bool,
) -> Fate {
    let mut command = tgs(home, words);
    let mut child = command.arg("--json").spawn().expect("the binary can be started");
    let lines = lines_of(&mut child);
    let stderr = thread::spawn({
        let mut stream = child.stderr.take().expect("stderr is piped");
        move || {
            let mut text = String::new();
            let _ = stream.read_to_string(&mut text);
            text
        }
    });
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
                return Fate::Killed;
            }
        }
    }
    lines.iter().for_each(|line| said.push_str(&format!("{line}\n")));
    let status = child.wait().expect("our own child").code();
    let stderr = stderr.join().unwrap_or_default();
    Fate::Ended(Finished { status, stdout: said, stderr })
}

fn lines_of(child: &mut Child) -> mpsc::Receiver<String> {
    let stream = child.stdout.take().expect("stdout is piped");
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
