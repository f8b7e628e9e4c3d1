//! Work of this very process that is no job, shown as the stages of a job are.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tgs_protocol::{
    job::{Outcome, action::Tidings},
    limits::PROGRESS_PERIOD_MS,
    progress::{Progress, Watch},
    stage::Stage,
};

use super::{Display, display};
use crate::command_line::Voice;

/// A watch that shows what it is told. Nothing stops the work but the end of the process.
pub struct Shown(Mutex<State>);

struct State {
    display: Box<dyn Display>,
    stage: Option<Stage>,
    last: Option<Instant>,
}

impl Shown {
    /// Shows on the terminal, or to whoever listens to this voice.
    pub fn on(voice: Voice) -> Self {
        Self(Mutex::new(State { display: display(voice), stage: None, last: None }))
    }

    /// The work is over: what was shown is left whole.
    pub fn end(&self, is_good: bool) {
        let display = &mut self.state().display;
        match is_good {
            true => display.ended(&Outcome::Published { verdict: None }),
            false => display.ended(&Outcome::Cancelled),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for Shown {
    fn stopped(&self) -> bool {
        false
    }

    fn tell(&self, progress: Progress) {
        // Who finds another thread telling has nothing newer to say.
        let Ok(mut state) = self.0.try_lock() else { return };
        let stage = progress.stage;
        if state.stage.replace(stage) != Some(stage) {
            state.display.tidings(&Tidings::StageBegan { stage, again: false });
            state.last = None;
        }
        let period = Duration::from_millis(PROGRESS_PERIOD_MS);
        if state.last.is_some_and(|last| last.elapsed() < period) {
            return;
        }
        state.last = Some(Instant::now());
        state.display.progress(&progress);
    }
}
