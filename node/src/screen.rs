//! The display's own thread: whoever reads slowly, or not at all, slows nothing down.
//!
//! News wait in line; of progress only the newest is shown.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use tgs_protocol::{
    code::Code,
    id::JobId,
    job::{Outcome, action::Tidings},
    progress::Progress,
};
use tokio::sync::oneshot;

use crate::{failure::Failure, terminal::Display};

/// One job's display, from outside its thread.
pub struct Screen {
    shown: mpsc::Sender<Shown>,
    newest: Arc<Mutex<Option<Progress>>>,
    is_closed: oneshot::Receiver<()>,
}

/// What there is to show.
enum Shown {
    Began(JobId),
    /// The newest progress, unless it was shown already.
    Progress,
    Tidings(Tidings),
    Stopping,
    Interrupted,
    Ended(Outcome),
}

impl Screen {
    /// Shows on this display from now on.
    ///
    /// # Errors
    /// `Internal` when the system gives no thread.
    pub fn open(mut display: Box<dyn Display>) -> Result<Self, Failure> {
        let (shown, inbox) = mpsc::channel();
        let newest = Arc::new(Mutex::new(None));
        let (close, is_closed) = oneshot::channel();
        let of_thread = newest.clone();
        let show = move || {
            for shown in inbox {
                show(display.as_mut(), shown, &of_thread);
            }
            let _ = close.send(());
        };
        thread::Builder::new().name("tgs-display".to_owned()).spawn(show).map_err(|error| {
            Failure::new(Code::Internal, format!("start the display's thread: {error}"))
        })?;
        Ok(Self { shown, newest, is_closed })
    }

    /// The job has a name now.
    pub fn began(&self, job: &JobId) {
        self.say(Shown::Began(job.clone()));
    }
    /// How far the present stage is.
    pub fn progress(&self, progress: Progress) {
        if lock(&self.newest).replace(progress).is_none() {
            self.say(Shown::Progress);
        }
    }
    /// Something happened.
    pub fn tidings(&self, tidings: Tidings) {
        self.say(Shown::Tidings(tidings));
    }
    /// Someone asked to stop.
    pub fn stopping(&self) {
        self.say(Shown::Stopping);
    }
    /// It stands still, unfinished.
    pub fn interrupted(&self) {
        self.say(Shown::Interrupted);
    }
    /// It is over.
    pub fn ended(&self, outcome: &Outcome) {
        self.say(Shown::Ended(outcome.clone()));
    }
    /// Returns when all was shown.
    pub async fn close(self) {
        drop(self.shown);
        let _ = self.is_closed.await;
    }

    fn say(&self, shown: Shown) {
        // The thread ends only after this sender.
        let _ = self.shown.send(shown);
    }
}

fn show(display: &mut dyn Display, shown: Shown, newest: &Mutex<Option<Progress>>) {
    match shown {
        Shown::Began(job) => display.began(&job),
        Shown::Progress => {
            let progress = lock(newest).take();
            progress.iter().for_each(|progress| display.progress(progress));
        }
        Shown::Tidings(tidings) => display.tidings(&tidings),
        Shown::Stopping => display.stopping(),
        Shown::Interrupted => display.interrupted(),
        Shown::Ended(outcome) => display.ended(&outcome),
    }
}

fn lock(newest: &Mutex<Option<Progress>>) -> MutexGuard<'_, Option<Progress>> {
    newest.lock().unwrap_or_else(PoisonError::into_inner)
}
