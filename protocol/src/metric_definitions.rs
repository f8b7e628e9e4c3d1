//! Names of what is measured. A published name never changes its meaning.

/// Histogram: how long a job took, over how long it was thought to take when it was accepted.
pub const JOB_RAN_TO_ESTIMATE: &str = "tgs_job_ran_to_estimate";
/// Upper ends of its buckets: right within a quarter, wrong by factors of two.
pub const JOB_RAN_TO_ESTIMATE_BUCKETS: [f64; 8] = [0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0, 8.0];
/// Counter: published orders by what became of them (`outcome`: taken, taken_before, put_back,
/// refused).
pub const ORDERS_PUBLISHED: &str = "tgs_orders_published";
/// Counter: leases of jobs that were claimed, by how they came to be free (`why`: new, given_back,
/// own, gone, silent): the last two are takeovers.
pub const LEASES_CLAIMED: &str = "tgs_leases_claimed";
/// Gauge: nodes with which something is wrong that they cannot know alone (names, clocks, versions).
pub const NODES_IN_TROUBLE: &str = "tgs_nodes_in_trouble";
/// Counter: warnings and errors in the log of this process, by the part of the program that they come
/// `from`.
pub const LOG_WARNINGS: &str = "tgs_log_warnings";
/// Counter: leases that were lost while they were held.
pub const LEASES_LOST: &str = "tgs_leases_lost";
/// Counter: chunks that this node sampled and sealed, by `whose` job it was (ours, anothers).
pub const CHUNKS_SAMPLED: &str = "tgs_chunks_sampled";
/// Counter: bytes of checkpoints that were made durable.
pub const CHECKPOINT_BYTES: &str = "tgs_checkpoint_bytes";
/// Histogram: how long that took, in seconds, with the pause of training before it.
pub const CHECKPOINT_SECONDS: &str = "tgs_checkpoint_seconds";
/// Upper ends of its buckets.
pub const CHECKPOINT_SECONDS_BUCKETS: [f64; 9] =
    [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];
