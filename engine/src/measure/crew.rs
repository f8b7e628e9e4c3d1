//! Independent pieces of work over a few threads. Results come back in the order of the pieces, so
//! they do not depend on how many threads there are or on which piece ends first.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use tgs_protocol::{
    engine::EngineError,
    progress::{Progress, ProgressUnit, Watch},
    stage::Stage,
};

use crate::measure::measured::PARTS;

/// The threads of one report and the ear that hears "stop".
#[derive(Clone, Copy)]
pub struct Crew<'a> {
    /// Threads that may work at once.
    pub threads: usize,
    /// Who is told and who may stop the work.
    pub watch: &'a dyn Watch,
    part: u64,
    note: &'static str,
}

impl<'a> Crew<'a> {
    /// A crew that has not begun.
    pub fn new(threads: usize, watch: &'a dyn Watch) -> Self {
        Self { threads, watch, part: 0, note: "" }
    }

    /// Does `piece(0) … piece(count − 1)`, each once, and returns what they gave, in order.
    ///
    /// # Errors
    /// `Stopped` when the watch says so between two pieces; else the first error in order.
    pub fn map<T: Send>(
        &self,
        count: usize,
        piece: impl Fn(usize) -> Result<T, EngineError> + Sync,
    ) -> Result<Vec<T>, EngineError> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return done;
                }
                let result = self.watch.go_on().and_then(|()| piece(index));
                let failed = result.is_err();
                self.tell();
                done.push((index, result));
                if failed {
                    next.store(count, Ordering::Relaxed);
                    return done;
                }
            }
        };
        let mut all = thread::scope(|scope| {
            let helpers: Vec<_> = (1..self.threads.min(count)).map(|_| scope.spawn(work)).collect();
            let mut all = work();
            for helper in helpers {
                match helper.join() {
                    Ok(done) => all.extend(done),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            all
        });
        all.sort_by_key(|(index, _)| *index);
        all.into_iter().map(|(_, result)| result).collect()
    }

    /// The same crew at another part of the report, and says so.
    ///
    /// # Errors
    /// `Stopped` when the watch says so.
    pub fn enter(self, part: u64, note: &'static str) -> Result<Self, EngineError> {
        let crew = Self { part, note, ..self };
        crew.watch.go_on()?;
        crew.tell();
        Ok(crew)
    }

    fn tell(&self) {
        let so_far = Progress::of(Stage::Evaluate, self.part, Some(PARTS), ProgressUnit::Parts);
        self.watch.tell(Progress { note: Some(self.note.to_owned()), ..so_far });
    }
}
