//! Promises with names, shared by code, simulator, metrics and docs.

use std::{
    cell::RefCell,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

macro_rules! invariants {
    ($($name:ident = $id:literal : $promise:literal;)*) => {
        /// One promise.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Invariant {
            $(#[doc = concat!($id, ": ", $promise)] $name,)*
        }

        impl Invariant {
            /// Every promise.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// `JOB-1`.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }
            /// The promise, as a sentence.
            pub const fn promise(self) -> &'static str {
                match self { $(Self::$name => $promise,)* }
            }
        }
    };
}

invariants! {
    Job1 = "JOB-1": "a job's chunks are exactly the partition of its rows, no gap, no overlap";
    Job2 = "JOB-2": "a job's states follow the table of legal moves";
    Job3 = "JOB-3": "a job that ended does nothing more";
    Job4 = "JOB-4": "the result of a finished stage never changes";
    Job5 = "JOB-5": "a job that failed or was cancelled leaves nothing at work and no table";
    Same1 = "SAME-1": "a released table has the bytes of an undisturbed run";
    Chunk1 = "CHUNK-1": "a chunk is sealed once, and sealing it again gives the same digest";
    Ckpt1 = "CKPT-1": "a committed checkpoint is whole and its pointer never moves back";
    Lease1 = "LEASE-1": "the epoch of a lease only grows";
    Lease2 = "LEASE-2": "no write of an earlier epoch is accepted after a later claim";
    Lease3 = "LEASE-3": "a lease passes on only after its holder had to stand down by its clock";
    Queue1 = "QUEUE-1": "a device is given to one job at a time, and no memory twice";
    Queue2 = "QUEUE-2": "nobody is passed by a later job of no more priority that needs the same";
    Queue3 = "QUEUE-3": "a device set aside is given to nobody; who fails everywhere costs none";
    Place1 = "PLACE-1": "a job is placed only where its data and it may be, on a node that works";
    Place2 = "PLACE-2": "no device and no memory of a node is promised twice";
    Place3 = "PLACE-3": "a gang is placed whole on one node, and no tenant beyond its quota";
    Note1 = "NOTE-1": "an event that is subscribed has one delivery, and none is passed over";
    Note2 = "NOTE-2": "what is known to have arrived is sent no more, unless somebody asks";
    Gate1 = "GATE-1": "a table whose report blocks is never released";
    Retry1 = "RETRY-1": "a failed stage is tried three times more, after 5, 10 and 20 seconds";
    Effect1 = "EFFECT-1": "an order that is sent again has one effect";
    Forget1 = "FORGET-1": "of a forgotten job nothing is left, and none is that has not ended";
    Event1 = "EVENT-1": "what happens to a job is told once and in order, and nothing else is";
    Event2 = "EVENT-2": "whoever follows events gets each once, wherever the connection broke";
    Gc1 = "GC-1": "what nothing points to is removed, what something points to is not";
    Live1 = "LIVE-1": "once nothing goes wrong any more, everything ends in bounded time";
}

/// Violations of each promise in this process, in the order of [`Invariant::ALL`].
static VIOLATIONS: [AtomicU64; Invariant::ALL.len()] =
    [const { AtomicU64::new(0) }; Invariant::ALL.len()];

thread_local! {
    static CAUGHT: RefCell<Option<Vec<Broken>>> = const { RefCell::new(None) };
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub invariant: Invariant,
    /// Where, and by what.
    pub facts: String,
}

/// `GATE-1 is broken (a table …): job j1; please report it`.
impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, facts } = self;
        let (id, promise) = (invariant.id(), invariant.promise());
        write!(f, "{id} is broken ({promise}): {facts}; please report it")
    }
}

/// Violations seen since the process began, of any promise; zero unless there is a fault of ours.
pub fn violations() -> u64 {
    Invariant::ALL.iter().map(|invariant| violations_of(*invariant)).sum()
}

/// Violations of one promise since the process began.
pub fn violations_of(invariant: Invariant) -> u64 {
    VIOLATIONS[invariant as usize].load(Ordering::Relaxed)
}

/// Runs something and returns the promises that it broke on this thread, instead of panicking or
/// counting: the same with and without debug assertions. For tests and the simulator.
pub fn caught(run: impl FnOnce()) -> Vec<Invariant> {
    caught_with_facts(run).into_iter().map(|broken| broken.invariant).collect()
}

/// As [`caught`], with what broke them. For whoever must stop when a promise is broken.
pub fn caught_with_facts(run: impl FnOnce()) -> Vec<Broken> {
    /// Puts back who catches outside, also when a panic leaves: else this thread would collect for
    /// ever, and nobody would hear.
    struct Outer(Option<Vec<Broken>>);
    impl Drop for Outer {
        fn drop(&mut self) {
            CAUGHT.replace(self.0.take());
        }
    }
    let _outer = Outer(CAUGHT.replace(Some(Vec::new())));
    run();
    CAUGHT.take().unwrap_or_default()
}

/// Counts a violation; with debug assertions it panics. Called by [`holds!`].
pub fn violated(invariant: Invariant, facts: fmt::Arguments<'_>) {
    let is_caught = CAUGHT.with_borrow_mut(|caught| match caught {
        Some(list) => {
            list.push(Broken { invariant, facts: facts.to_string() });
            true
        }
        None => false,
    });
    if is_caught {
        return;
    }
    VIOLATIONS[invariant as usize].fetch_add(1, Ordering::Relaxed);
    if cfg!(debug_assertions) {
        panic!("{} violated ({}): {facts}", invariant.id(), invariant.promise());
    }
}

/// Asserts a named promise: panics with debug assertions, counts without.
#[macro_export]
macro_rules! holds {
    ($invariant:expr, $condition:expr, $($facts:tt)+) => {
        if !$condition {
            $crate::invariant::violated($invariant, format_args!($($facts)+));
        }
    };
}
pub use crate::holds;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique() {
        let ids: BTreeSet<_> = Invariant::ALL.iter().map(|invariant| invariant.id()).collect();
        assert_eq!(ids.len(), Invariant::ALL.len());
    }

    #[test]
    fn what_is_broken_inside_is_caught_in_order_and_not_counted() {
        let before = violations_of(Invariant::Lease2);
        let broken = caught(|| {
            holds!(Invariant::Lease2, 1 > 2, "one is not above two");
            holds!(Invariant::Job1, 2 > 1, "two is above one");
            let inner = caught(|| violated(Invariant::Gate1, format_args!("inside")));
            assert_eq!(inner, [Invariant::Gate1]);
            violated(Invariant::Job3, format_args!("outside"));
        });
        assert_eq!(broken, [Invariant::Lease2, Invariant::Job3]);
        assert_eq!(violations_of(Invariant::Lease2), before);
    }

    #[test]
    fn a_panic_inside_ends_the_catching() {
        let panicked = std::panic::catch_unwind(|| caught(|| panic!("on purpose")));
        assert!(panicked.is_err() && CAUGHT.with_borrow(Option::is_none));
    }

    /// No other test breaks CHUNK-1 outside `caught`, so its count is this test's own.
    #[test]
    fn what_is_broken_outside_panics_or_is_counted() {
        let broken = std::panic::catch_unwind(|| {
            violated(Invariant::Chunk1, format_args!("on purpose"));
        });
        assert_eq!(broken.is_err(), cfg!(debug_assertions));
        assert_eq!(violations_of(Invariant::Chunk1), 1);
        assert!(violations() >= 1);
    }
}
