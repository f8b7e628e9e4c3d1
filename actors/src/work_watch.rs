//! How running work hears that it must stop, and tells how far it is.
//!
//! Stop is one atomic that only grows; progress is a channel of which only the newest value counts.
//! Neither ever blocks the thread that works. The engine has no clock, so rows per second of
//! training are put in here.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
};

use tgs_protocol::{
    clock::Clock,
    limits::PROGRESS_PERIOD_MS,
    progress::{Progress, ProgressUnit, Watch},
    unit::{Millis, Rows},
    watchdog::{Pace, Signs},
};
use tokio::sync::watch;

use crate::row_rate::RowRate;

/// Where the newest progress of a job stands.
pub(crate) type ProgressSender = Arc<watch::Sender<Option<Progress>>>;

/// How work must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// Keep what was reached: someone goes on from it.
    Keep,
    /// Nobody needs it any more.
    Abandon,
}

/// The watch over one piece of work.
pub(crate) struct WorkWatch {
    stop: AtomicU8,
    /// Rows of a training step; 0 where steps have none.
    rows_per_step: AtomicU64,
    told: Mutex<Told>,
    /// Something came too soon after what was told last, and waits.
    is_behind: AtomicBool,
    life: Life,
    progress: ProgressSender,
    clock: Arc<dyn Clock>,
}

/// Signs of life.
#[derive(Default)]
struct Life {
    /// Training, which passes by after every step.
    has_steps: AtomicBool,
    signs: AtomicU64,
    last_ms: AtomicU64,
    longest_ms: AtomicU64,
}

impl Life {
    fn sign(&self, now: Millis) {
        let last = self.last_ms.swap(now.get(), Ordering::Relaxed);
        self.signs.fetch_add(1, Ordering::Relaxed);
        if self.has_steps.load(Ordering::Relaxed) {
            self.longest_ms.fetch_max(now.get().saturating_sub(last), Ordering::Relaxed);
        }
    }
}

/// What was told last.
#[derive(Default)]
struct Told {
    at: Option<Millis>,
    /// The newest since, which came too soon.
    waits: Option<Progress>,
    rate: RowRate,
}

impl Told {
    fn is_soon(&self, now: Millis) -> bool {
        self.at.is_some_and(|at| now.get().saturating_sub(at.get()) < PROGRESS_PERIOD_MS)
    }
}

impl WorkWatch {
    /// Work that goes on until [`WorkWatch::stop`].
    pub(crate) fn new(progress: ProgressSender, clock: Arc<dyn Clock>) -> Self {
        let (stop, rows_per_step) = (AtomicU8::new(0), AtomicU64::new(0));
        let life = Life::default();
        let (told, is_behind) = (Mutex::default(), AtomicBool::new(false));
        Self { stop, rows_per_step, told, is_behind, life, progress, clock }
    }

    /// From now on steps go through so many rows each.
    pub(crate) fn count_rows(&self, rows_per_step: Rows) {
        self.rows_per_step.store(rows_per_step.get(), Ordering::Relaxed);
    }

    /// From now on the work passes by after every step, or does so no more.
    pub(crate) fn has_steps(&self, has_steps: bool) {
        self.live();
        self.life.has_steps.store(has_steps, Ordering::SeqCst);
    }

    /// What is to be seen of its life.
    pub(crate) fn signs(&self) -> Signs {
        let has_steps = self.life.has_steps.load(Ordering::SeqCst);
        Signs {
            pace: if has_steps { Pace::Steps } else { Pace::Free },
            count: self.life.signs.load(Ordering::Relaxed),
            longest: Millis(self.life.longest_ms.load(Ordering::Relaxed)),
        }
    }

    fn live(&self) {
        self.life.sign(self.clock.monotonic());
    }

    /// Asks the work to end; `Abandon` outranks `Keep` and is never taken back.
    pub(crate) fn stop(&self, how: Stop) {
        let rank = match how {
            Stop::Keep => 1,
            Stop::Abandon => 2,
        };
        self.stop.fetch_max(rank, Ordering::SeqCst);
    }

    /// Whether and how the work must end.
    pub(crate) fn asked(&self) -> Option<Stop> {
        match self.stop.load(Ordering::SeqCst) {
            0 => None,
            1 => Some(Stop::Keep),
            _ => Some(Stop::Abandon),
        }
    }
}

impl WorkWatch {
    fn publish(&self, told: &mut Told, now: Millis, mut progress: Progress) {
        (told.at, told.waits) = (Some(now), None);
        self.is_behind.store(false, Ordering::Relaxed);
        let rows_per_step = self.rows_per_step.load(Ordering::Relaxed);
        // A note says that something else than steps is under way: there is no rate of that.
        let is_stepping = progress.unit == ProgressUnit::Steps && progress.note.is_none();
        if is_stepping && rows_per_step > 0 {
            let rows = progress.done.saturating_mul(rows_per_step);
            progress.rows_per_second = told.rate.at(now, rows);
        }
        self.progress.send_replace(Some(progress));
    }

    /// Tells what came too soon, now that it does not: nothing newer may come for hours.
    fn catch_up(&self) {
        let Ok(mut told) = self.told.try_lock() else { return };
        let now = self.clock.monotonic();
        if told.is_soon(now) {
            return;
        }
        if let Some(waits) = told.waits.take() {
            self.publish(&mut told, now, waits);
        }
    }
}

impl Watch for WorkWatch {
    fn stopped(&self) -> bool {
        self.live();
        // Work with steps has something newer to tell after each of them.
        let has_steps = self.life.has_steps.load(Ordering::Relaxed);
        if !has_steps && self.is_behind.load(Ordering::Relaxed) {
            self.catch_up();
        }
        self.asked().is_some()
    }

    fn tell(&self, progress: Progress) {
        self.live();
        // Who finds another thread telling has nothing newer to say.
        let Ok(mut told) = self.told.try_lock() else { return };
        let now = self.clock.monotonic();
        if told.is_soon(now) {
            told.waits = Some(progress);
            self.is_behind.store(true, Ordering::Relaxed);
        } else {
            self.publish(&mut told, now, progress);
        }
    }
}

/// Stops the work when whoever wanted it is gone, however that came about.
pub(crate) struct StopOnDrop(pub(crate) Arc<WorkWatch>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop(Stop::Abandon);
    }
}

#[cfg(test)]
mod tests {
    use tgs_protocol::{
        progress::ProgressUnit,
        stage::Stage,
        unit::{Millis, Timestamp},
    };

    use super::*;

    /// Stands still until it is set.
    #[derive(Default)]
    struct SetClock(AtomicU64);

    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
        fn monotonic(&self) -> Millis {
            Millis(self.0.load(Ordering::SeqCst))
        }
    }

    fn steps(done: u64) -> Progress {
        Progress::of(Stage::Train, done, None, ProgressUnit::Steps)
    }

    #[test]
    fn progress_is_told_ten_times_a_second_and_only_the_newest_stays() {
        let (sender, newest) = watch::channel(None);
        let clock = Arc::new(SetClock::default());
        let watch = WorkWatch::new(Arc::new(sender), clock.clone());
        let cases = [(0, 1), (99, 1), (100, 3), (150, 3), (1_000, 5)];
        for (no, (at_ms, heard)) in (1..).zip(cases) {
            clock.0.store(at_ms, Ordering::SeqCst);
            watch.tell(steps(no));
            assert_eq!(newest.borrow().as_ref().map(|told| told.done), Some(heard), "{at_ms} ms");
        }
    }

    /// Seen as a program whose third step of four was never told: it then waited for an hour.
    #[test]
    fn what_came_too_soon_is_told_at_the_next_look_after_the_pause() {
        let (sender, newest) = watch::channel(None);
        let clock = Arc::new(SetClock::default());
        let watch = WorkWatch::new(Arc::new(sender), clock.clone());
        for no in 1..=3 {
            watch.tell(steps(no));
        }
        for (at_ms, heard) in [(0, 1), (99, 1), (100, 3), (1_000, 3)] {
            clock.0.store(at_ms, Ordering::SeqCst);
            assert!(!watch.stopped());
            assert_eq!(newest.borrow().as_ref().map(|told| told.done), Some(heard), "{at_ms} ms");
        }
        watch.tell(steps(4));
        assert!(!watch.stopped());
        assert_eq!(newest.borrow().as_ref().map(|told| told.done), Some(4), "nothing waits");
    }

    #[test]
    fn steps_become_rows_per_second() {
        let (sender, newest) = watch::channel(None);
        let clock = Arc::new(SetClock::default());
        let watch = WorkWatch::new(Arc::new(sender), clock.clone());
        let heard = |at_ms: u64, done: u64| {
            clock.0.store(at_ms, Ordering::SeqCst);
            watch.tell(steps(done));
            newest.borrow().as_ref().and_then(|told: &Progress| told.rows_per_second)
        };
        assert_eq!((heard(0, 1), heard(1_000, 5)), (None, None), "how many rows is not known yet");
        watch.count_rows(Rows(250));
        assert_eq!((heard(2_000, 6), heard(3_000, 10)), (None, Some(1_000.0)));
        assert_eq!(heard(4_000, 12), Some(750.0));
        clock.0.store(5_000, Ordering::SeqCst);
        watch.tell(Progress { note: Some("calibrating shares".to_owned()), ..steps(12) });
        let told = newest.borrow().clone().expect("was told");
        assert_eq!((told.note.is_some(), told.rows_per_second), (true, None));
    }

    #[test]
    fn abandon_outranks_keep_and_the_end_of_interest_abandons() {
        let (sender, _newest) = watch::channel(None);
        let watch = Arc::new(WorkWatch::new(Arc::new(sender), Arc::new(SetClock::default())));
        assert_eq!((watch.asked(), watch.stopped()), (None, false));
        watch.stop(Stop::Keep);
        assert_eq!((watch.asked(), watch.stopped()), (Some(Stop::Keep), true));
        drop(StopOnDrop(watch.clone()));
        watch.stop(Stop::Keep);
        assert_eq!(watch.asked(), Some(Stop::Abandon));
    }
}
