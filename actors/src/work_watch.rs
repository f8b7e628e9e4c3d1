//! How running work hears that it must stop, and tells how far it is.
//!
//! Stop is one atomic that only grows; progress is a channel of which only the newest value counts.
//! Neither ever blocks the thread that works.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use tgs_protocol::{
    clock::Clock,
    limits::PROGRESS_PERIOD_MS,
    progress::{Progress, Watch},
};
use tokio::sync::watch;

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
    last_told_ms: AtomicU64,
    progress: ProgressSender,
    clock: Arc<dyn Clock>,
}

const NEVER: u64 = u64::MAX;

impl WorkWatch {
    /// Work that goes on until [`WorkWatch::stop`].
    pub(crate) fn new(progress: ProgressSender, clock: Arc<dyn Clock>) -> Self {
        Self { stop: AtomicU8::new(0), last_told_ms: AtomicU64::new(NEVER), progress, clock }
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

impl Watch for WorkWatch {
    fn stopped(&self) -> bool {
        self.asked().is_some()
    }

    fn tell(&self, progress: Progress) {
        let now = self.clock.monotonic().get();
        let last = self.last_told_ms.load(Ordering::Relaxed);
        if last != NEVER && now.saturating_sub(last) < PROGRESS_PERIOD_MS {
            return;
        }
        self.last_told_ms.store(now, Ordering::Relaxed);
        self.progress.send_replace(Some(progress));
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
        Progress {
            stage: Stage::Train,
            done,
            total: None,
            unit: ProgressUnit::Steps,
            epoch: None,
            loss: None,
            rows_per_second: None,
            note: None,
        }
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
