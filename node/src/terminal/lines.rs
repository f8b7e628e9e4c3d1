//! Plain lines for logs and pipes: stages as they begin, and how far they are every ten seconds.

use std::time::{Duration, Instant};

use tgs_protocol::{
    id::JobId,
    job::{Outcome, action::Tidings},
    progress::Progress,
    stage::Stage,
};

use super::{Display, words};
use crate::voice::say_aside;

/// How often a long stage says how far it is.
const PERIOD: Duration = Duration::from_secs(10);

/// Writes lines to stderr.
pub struct LineDisplay {
    is_silent: bool,
    last: Option<Instant>,
    stage: Option<Stage>,
}

impl LineDisplay {
    pub fn new() -> Self {
        Self { is_silent: false, last: None, stage: None }
    }
    /// Says nothing; errors and results are said by the command.
    pub fn silent() -> Self {
        Self { is_silent: true, ..Self::new() }
    }
    fn say(&self, line: &str) {
        if !self.is_silent {
            say_aside!("{line}");
        }
    }
}

impl Display for LineDisplay {
    fn began(&mut self, job: &JobId) {
        self.say(&format!("job {job}"));
    }
    fn progress(&mut self, progress: &Progress) {
        if self.last.is_some_and(|last| last.elapsed() < PERIOD) {
            return;
        }
        self.last = Some(Instant::now());
        let share = progress.total.map(|total| 100 * progress.done / total.max(1));
        let share = share.map_or(String::new(), |share| format!(" {share} %"));
        self.say(&format!(
            "{}{share} {}",
            progress.stage,
            words::parts(progress, None).join(" · ")
        ));
    }
    fn tidings(&mut self, tidings: &Tidings) {
        if let Some(line) = words::line_of(tidings) {
            self.say(&line);
        }
        if let Tidings::StageBegan { stage, .. } = tidings {
            self.stage = Some(*stage);
            self.last = None;
        }
    }
    fn stopping(&mut self) {
        self.say(words::stopping(self.stage));
    }
    fn interrupted(&mut self) {}
    fn ended(&mut self, _outcome: &Outcome) {}
}
