//! Names of what is measured. A published name never changes its meaning.

/// Histogram: how long a job took, over how long it was thought to take when it was accepted.
pub const JOB_RAN_TO_ESTIMATE: &str = "tgs_job_ran_to_estimate";
/// Upper ends of its buckets: right within a quarter, wrong by factors of two.
pub const JOB_RAN_TO_ESTIMATE_BUCKETS: [f64; 8] = [0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0, 8.0];
/// Counter: published orders by what became of them (`outcome`: taken, taken_before, put_back,
/// refused).
pub const ORDERS_PUBLISHED: &str = "tgs_orders_published";
