//! Names of what is measured, with what each says. A published name never changes its meaning.
//!
//! All that can ever be told is told from the start, counters as 0: who sees a counter for the
//! first time at 1 cannot know that it grew.

/// Gauge: jobs by `state`, counted in the store.
pub const JOBS: &str = "tgs_jobs";
/// Gauge: number of the newest event in the store.
pub const NEWEST_EVENT: &str = "tgs_newest_event";
/// Gauge: devices of this node by `use`.
pub const DEVICES: &str = "tgs_devices";
/// Gauge: room on the disk of the data folder.
pub const DISK_FREE_BYTES: &str = "tgs_disk_free_bytes";
/// Gauge: nodes that are there, as this one sees them.
pub const NODES: &str = "tgs_nodes";
/// Gauge: nodes with which something is wrong that they cannot know alone (names, clocks,
/// versions); of a cluster.
pub const NODES_IN_TROUBLE: &str = "tgs_nodes_in_trouble";
/// Gauge: to how many of them this one has a link.
pub const LINKS: &str = "tgs_links";
/// Gauge: always 1, with the `version` that runs.
pub const BUILD_INFO: &str = "tgs_build_info";
/// Gauge: memory of this process, by the name that all programs use.
pub const RESIDENT_MEMORY: &str = "process_resident_memory_bytes";
/// Histogram: how long answers took up to their head, by class of `status`.
pub const HTTP_SECONDS: &str = "tgs_http_seconds";
/// Upper ends of its buckets.
pub const HTTP_SECONDS_BUCKETS: [f64; 11] =
    [0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// Histogram: how long a job took, over how long it was thought to take when it was accepted.
pub const JOB_RAN_TO_ESTIMATE: &str = "tgs_job_ran_to_estimate";
/// Upper ends of its buckets: right within a quarter, wrong by factors of two.
pub const JOB_RAN_TO_ESTIMATE_BUCKETS: [f64; 8] = [0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0, 8.0];
/// Counter: published orders by what became of them (`outcome`).
pub const ORDERS_PUBLISHED: &str = "tgs_orders_published_total";
/// Counter: leases of jobs that were claimed, by how they came to be free (`why`): the last two are
/// takeovers.
pub const LEASES_CLAIMED: &str = "tgs_leases_claimed_total";
/// Counter: leases that were lost while they were held.
pub const LEASES_LOST: &str = "tgs_leases_lost_total";
/// Counter: jobs that this node assigned to nodes while it led.
pub const PLACEMENTS: &str = "tgs_placements_total";
/// Gauge: jobs in the store that wait for a node, by `tenant`, as the node that leads sees them.
pub const JOBS_WAITING: &str = "tgs_jobs_waiting";
/// Counter: chunks that this node sampled and sealed, by `whose` job it was.
pub const CHUNKS_SAMPLED: &str = "tgs_chunks_sampled_total";
/// Counter: bytes of checkpoints that were made durable.
pub const CHECKPOINT_BYTES: &str = "tgs_checkpoint_bytes_total";
/// Histogram: how long that took, in seconds, with the pause of training before it.
pub const CHECKPOINT_SECONDS: &str = "tgs_checkpoint_seconds";
/// Upper ends of its buckets.
pub const CHECKPOINT_SECONDS_BUCKETS: [f64; 9] =
    [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];
/// Counter: warnings and errors in the log of this process, by the part of the program that they
/// come `from`.
pub const LOG_WARNINGS: &str = "tgs_log_warnings_total";
/// Counter: promises that were broken.
pub const INVARIANT_VIOLATIONS: &str = "tgs_invariant_violations_total";

/// How a number behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only grows, from 0 at the start of the process.
    Counter,
    /// How many were up to each of these.
    Histogram(&'static [f64]),
}

/// One name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What it says.
    pub says: &'static str,
    /// Its label with all values that it may have; none if it has no label, or one that others
    /// name.
    pub label: Option<(&'static str, &'static [&'static str])>,
}

const fn one(name: &'static str, kind: Kind, says: &'static str) -> Metric {
    Metric { name, kind, says, label: None }
}

const fn by(
    label: &'static str,
    values: &'static [&'static str],
    name: &'static str,
    kind: Kind,
    says: &'static str,
) -> Metric {
    Metric { name, kind, says, label: Some((label, values)) }
}

/// Every name.
pub const ALL: [Metric; 21] = [
    one(JOBS, Kind::Gauge, "Jobs by state, counted in the store."),
    one(NEWEST_EVENT, Kind::Gauge, "Number of the newest event in the store."),
    one(DEVICES, Kind::Gauge, "Devices of this node: free, busy, set aside."),
    one(DISK_FREE_BYTES, Kind::Gauge, "Room on the disk of the data folder."),
    one(NODES, Kind::Gauge, "Nodes that are there, as this one sees them."),
    one(
        NODES_IN_TROUBLE,
        Kind::Gauge,
        "Nodes with which something is wrong: two of one name, a clock that is off, versions.",
    ),
    one(LINKS, Kind::Gauge, "Nodes to which this one has a link."),
    one(BUILD_INFO, Kind::Gauge, "Always 1, with the version that runs."),
    one(RESIDENT_MEMORY, Kind::Gauge, "Memory of this process."),
    by(
        "status",
        &["1xx", "2xx", "3xx", "4xx", "5xx"],
        HTTP_SECONDS,
        Kind::Histogram(&HTTP_SECONDS_BUCKETS),
        "How long answers took up to their head.",
    ),
    one(
        JOB_RAN_TO_ESTIMATE,
        Kind::Histogram(&JOB_RAN_TO_ESTIMATE_BUCKETS),
        "How long jobs took, over what was expected.",
    ),
    by(
        "outcome",
        &["taken", "taken_before", "put_back", "refused"],
        ORDERS_PUBLISHED,
        Kind::Counter,
        "Published orders by what became of them.",
    ),
    by(
        "why",
        &["new", "given_back", "own", "gone", "silent"],
        LEASES_CLAIMED,
        Kind::Counter,
        "Leases of jobs that were claimed, by how they came to be free.",
    ),
    one(LEASES_LOST, Kind::Counter, "Leases that were lost while they were held."),
    one(PLACEMENTS, Kind::Counter, "Jobs that this node assigned to nodes while it led."),
    one(JOBS_WAITING, Kind::Gauge, "Jobs that wait for a node, by tenant, where the leader is."),
    by(
        "whose",
        &["ours", "anothers"],
        CHUNKS_SAMPLED,
        Kind::Counter,
        "Chunks that this node sampled and sealed.",
    ),
    one(CHECKPOINT_BYTES, Kind::Counter, "Bytes of checkpoints that were made durable."),
    one(
        CHECKPOINT_SECONDS,
        Kind::Histogram(&CHECKPOINT_SECONDS_BUCKETS),
        "How long a checkpoint took: the pause of training and the writing beside it.",
    ),
    by(
        "from",
        // And every other part, once it has warned of something.
        &["tgs"],
        LOG_WARNINGS,
        Kind::Counter,
        "Warnings and errors in the log, by the part of the program.",
    ),
    one(INVARIANT_VIOLATIONS, Kind::Counter, "Promises that were broken."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_prometheus_wants_them() {
        let mut names: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len(), "each stands there once");
        for Metric { name, kind, says, .. } in &ALL {
            assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert!(says.ends_with('.'), "{name}: {says}");
        }
    }
}
