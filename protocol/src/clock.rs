//! Time and identity come in by the door.

use crate::{
    id::JobId,
    unit::{Millis, Timestamp},
};

/// Where time comes from. Real in production, made up in the simulator.
pub trait Clock: Send + Sync {
    /// Wall time, for people and timelines only.
    fn now(&self) -> Timestamp;
    /// Time since this process began; never goes back. The only time that rules may compare.
    fn monotonic(&self) -> Millis;
}

/// Where fresh names come from.
pub trait IdSource: Send + Sync {
    /// A job name that was never used.
    fn job(&self) -> JobId;
    /// A name for anything else: letters and digits, never used before.
    fn name(&self) -> String;
    /// Letters and digits that nobody can guess: 256 bits of chance.
    fn secret(&self) -> String;
}
