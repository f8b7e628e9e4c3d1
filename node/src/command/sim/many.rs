//! Many worlds on several threads. Whatever their order, the failing world with the smallest seed
//! is the one that is told.

use std::{
    io::IsTerminal,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use indicatif::{ProgressBar, ProgressStyle};
use tgs_protocol::code::Code;
use tgs_simulations::world::{Course, Flaw, simulate};

use super::world;
use crate::{
    command_line::{SimArguments, Voice},
    failure::Failure,
};

/// Worlds that a thread takes at one time, unless they are large.
const STRIDE: u64 = 16;

/// How they went.
pub struct Found {
    /// Worlds that were lived.
    pub worlds: u64,
    /// Events in all of them.
    pub events: u64,
    /// The first world in which a promise broke.
    pub failed: Option<(u64, Course)>,
}

/// Lives all worlds that were asked for, or those up to the first that fails.
pub fn live(asked: &SimArguments, flaw: Option<Flaw>, voice: Voice) -> Result<Found, Failure> {
    let end = asked.first.checked_add(asked.seeds).ok_or_else(|| {
        let message = "count the worlds: the last seed is too large; ask for fewer of them";
        Failure::new(Code::BadRequest, message)
    })?;
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let threads = asked.jobs.unwrap_or_else(cores).max(1);
    let search = Search {
        asked,
        flaw,
        stride: if asked.nodes.is_some() { 1 } else { STRIDE },
        next: AtomicU64::new(asked.first),
        end: AtomicU64::new(end),
        found: Mutex::new(Found { worlds: 0, events: 0, failed: None }),
        bar: bar(asked.seeds, voice),
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| search.go_on());
        }
    });
    search.bar.finish_and_clear();
    Ok(search.found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

struct Search<'a> {
    asked: &'a SimArguments,
    flaw: Option<Flaw>,
    stride: u64,
    /// The next seed that nobody has.
    next: AtomicU64,
    /// Seeds from here on need not be lived: the last one is done, or an earlier one failed.
    end: AtomicU64,
    found: Mutex<Found>,
    bar: ProgressBar,
}

impl Search<'_> {
    fn go_on(&self) {
        loop {
            let from = self.next.fetch_add(self.stride, Ordering::Relaxed);
            if from >= self.end.load(Ordering::Relaxed) {
                return;
            }
            let (mut worlds, mut events, mut failed) = (0, 0, None);
            for seed in from..from.saturating_add(self.stride) {
                if seed >= self.end.load(Ordering::Relaxed) || failed.is_some() {
                    break;
                }
                let course = simulate(&world(self.asked, seed, self.flaw));
                (worlds, events) = (worlds + 1, events + course.events);
                if course.violation.is_some() {
                    self.end.fetch_min(seed, Ordering::Relaxed);
                    failed = Some((seed, course));
                }
            }
            self.add(worlds, events, failed);
        }
    }

    fn add(&self, worlds: u64, events: u64, failed: Option<(u64, Course)>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.worlds += worlds;
        found.events += events;
        let first = found.failed.as_ref().map_or(u64::MAX, |(seed, _)| *seed);
        if failed.as_ref().is_some_and(|(seed, _)| *seed < first) {
            found.failed = failed;
        }
        self.bar.inc(worlds);
    }
}

fn bar(worlds: u64, voice: Voice) -> ProgressBar {
    if voice != Voice::Words || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let picture =
        ProgressStyle::with_template("  {bar:24} {human_pos} of {human_len} worlds {eta}");
    ProgressBar::new(worlds).with_style(picture.expect("the template is a constant"))
}
