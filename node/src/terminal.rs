//! What a run looks like while it goes on: a bar on a terminal, plain lines elsewhere, JSON for
//! programs.

mod above;
mod bar;
mod json;
mod lines;
mod narrow;
mod shown;
mod words;

use std::{fmt, io::IsTerminal};

use serde_json::json;
use tgs_protocol::{
    id::JobId,
    job::{Outcome, action::Tidings},
    progress::Progress,
    unit::Steps,
};

use crate::{
    command_line::Voice,
    voice::{say, say_aside},
};

use self::narrow::Narrow;
pub use self::{above::AboveBar, json::event, shown::Shown};

/// Shows the course of one job.
pub trait Display: Send {
    /// The job has a name now.
    fn began(&mut self, job: &JobId);
    /// How far the present stage is.
    fn progress(&mut self, progress: &Progress);
    /// Something happened.
    fn tidings(&mut self, tidings: &Tidings);
    /// Ctrl-C was heard.
    fn stopping(&mut self);
    /// It stands still, unfinished.
    fn interrupted(&mut self);
    /// It is over.
    fn ended(&mut self, outcome: &Outcome);
}

/// A result in words below its name, `verdict  pass: …`: broken between words where stdout is a
/// terminal, in one line for whoever reads on.
pub fn paragraph(name: &str, text: &str) -> String {
    let columns = match std::io::stdout().is_terminal() {
        true => Narrow::stdout().columns(),
        false => usize::MAX,
    };
    set_in(name, text, columns)
}

fn set_in(name: &str, text: &str, columns: usize) -> String {
    const INDENT: &str = "         ";
    let lines = words::wrapped(text, columns, INDENT);
    format!("{name:<9}{}", lines.trim_start())
}

/// The display for this voice and this terminal. A terminal that cannot move its cursor
/// (TERM=dumb) gets plain lines.
pub fn display(voice: Voice) -> Box<dyn Display> {
    let bar = || std::io::stderr().is_terminal().then(bar::BarDisplay::new).flatten();
    match voice {
        Voice::Json => Box::new(json::JsonDisplay),
        Voice::Words => match bar() {
            Some(bar) => Box::new(bar),
            None => Box::new(lines::LineDisplay::new()),
        },
        Voice::Quiet => Box::new(lines::LineDisplay::silent()),
    }
}

/// Says what a user should know of files that were read.
pub fn tell_notices(notices: &[String], voice: Voice) {
    for notice in notices {
        match voice {
            Voice::Json => say!("{}", json!({"event": "notice", "text": notice})),
            Voice::Words => say_aside!("note: {notice}"),
            Voice::Quiet => {}
        }
    }
}

/// How to go on after an interruption.
pub struct Interrupted<'a> {
    pub job: &'a JobId,
    pub step: Option<Steps>,
}

impl fmt::Display for Interrupted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(f, "interrupted with a checkpoint at step {step}")?,
            None => write!(f, "interrupted")?,
        }
        write!(f, "; go on with `tgs resume {}`, to the same bytes", self.job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_broken_between_words_where_the_terminal_ends() {
        let text = "pass with warnings: 9 of 10 gates hold";
        assert_eq!(set_in("verdict", text, usize::MAX), format!("verdict  {text}"));
        let broken = "verdict  pass with warnings:\n           9 of 10 gates hold";
        assert_eq!(set_in("verdict", text, 29), broken);
        assert_eq!(set_in("", "a b", 30), "         a b");
    }
}
