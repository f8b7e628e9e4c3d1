//! Promises with names, shared by code, simulator, metrics and docs.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! invariants {
    ($($name:ident = $id:literal : $promise:literal;)*) => {
        /// One promise.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    Chunk1 = "CHUNK-1": "a chunk is sealed once, and sealing it again gives the same digest";
    Ckpt1 = "CKPT-1": "a committed checkpoint is whole and its pointer never moves back";
    Lease1 = "LEASE-1": "the epoch of a lease only grows";
    Lease2 = "LEASE-2": "no write of an earlier epoch is accepted after a later claim";
    Gate1 = "GATE-1": "a table whose report blocks is never released";
}

/// How many violations this process saw; zero unless there is a fault of ours.
static VIOLATIONS: AtomicU64 = AtomicU64::new(0);

/// Violations seen since the process began.
pub fn violations() -> u64 {
    VIOLATIONS.load(Ordering::Relaxed)
}

/// Counts a violation; with debug assertions it panics. Called by [`holds!`].
pub fn violated(invariant: Invariant, facts: std::fmt::Arguments<'_>) {
    VIOLATIONS.fetch_add(1, Ordering::Relaxed);
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
