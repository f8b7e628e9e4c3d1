//! Whole nodes on stores in memory, with an engine whose bytes are easy to foretell.
//!
//! Nothing here waits by sleeping: a test waits for news of a job, or for a point of its script.

mod bench;
mod engine;
pub(crate) mod nothing;
mod script;
mod stores;
mod world;

mod care;
mod contention;
mod crew;
mod duty;
mod every_call;
mod failures;
mod interruptions;
mod notices;
mod placing;
mod published_orders;
mod rows_at_once;
mod whole_run;
