//! Names of what is measured, with what each says. A published name never changes its meaning.
//!
//! All that can ever be told is told from the start, counters as 0: who sees a counter for the
//! first time at 1 cannot know that it grew.

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

macro_rules! metrics {
    ($(
        $metric:ident: $kind:expr, $name:literal $(by $label:literal $values:expr)?, $says:literal;
    )*) => {
        $(#[doc = $says] pub const $metric: &str = $name;)*

        /// Every name.
        pub const ALL: &[Metric] = &[$(Metric {
            name: $metric,
            kind: $kind,
            says: $says,
            label: metrics!(@label $($label $values)?),
        },)*];
    };
    (@label) => { None };
    (@label $label:literal $values:expr) => { Some(($label, $values)) };
}

metrics! {
    JOBS: Kind::Gauge, "tgs_jobs", "Jobs by state, counted in the store.";
    NEWEST_EVENT: Kind::Gauge, "tgs_newest_event", "Number of the newest event in the store.";
    DEVICES: Kind::Gauge, "tgs_devices", "Devices of this node: free, busy, set aside.";
    DISK_FREE_BYTES: Kind::Gauge, "tgs_disk_free_bytes", "Room on the disk of the data folder.";
    NODES: Kind::Gauge, "tgs_nodes", "Nodes that are there, as this one sees them.";
    NODES_IN_TROUBLE: Kind::Gauge, "tgs_nodes_in_trouble",
        "Nodes with which something is wrong: two of one name, a clock that is off, versions.";
    LINKS: Kind::Gauge, "tgs_links", "Nodes to which this one has a link.";
    CERTIFICATE_EXPIRATION: Kind::Gauge, "tgs_certificate_expiration_timestamp_seconds",
        "When the certificate of this node's links runs out, in Unix time.";
    BUILD_INFO: Kind::Gauge, "tgs_build_info", "Always 1, with the version that runs.";
    // The name that all programs use.
    RESIDENT_MEMORY: Kind::Gauge, "process_resident_memory_bytes", "Memory of this process.";
    HTTP_SECONDS: Kind::Histogram(&HTTP_SECONDS_BUCKETS), "tgs_http_seconds"
        by "status" &["1xx", "2xx", "3xx", "4xx", "5xx"],
        "How long answers took up to their head.";
    JOB_RAN_TO_ESTIMATE: Kind::Histogram(&JOB_RAN_TO_ESTIMATE_BUCKETS), "tgs_job_ran_to_estimate",
        "How long jobs took, over what was expected.";
    ORDERS_PUBLISHED: Kind::Counter, "tgs_orders_published_total"
        by "outcome" &["taken", "taken_before", "put_back", "refused"],
        "Published orders by what became of them.";
    // The last two are takeovers.
    LEASES_CLAIMED: Kind::Counter, "tgs_leases_claimed_total"
        by "why" &["new", "given_back", "own", "gone", "silent"],
        "Leases of jobs that were claimed, by how they came to be free.";
    LEASES_LOST: Kind::Counter, "tgs_leases_lost_total",
        "Leases that were lost while they were held.";
    PLACEMENTS: Kind::Counter, "tgs_placements_total",
        "Jobs that this node assigned to nodes while it led.";
    JOBS_WAITING: Kind::Gauge, "tgs_jobs_waiting",
        "Jobs that wait for a node, by tenant, where the leader is.";
    CHUNKS_SAMPLED: Kind::Counter, "tgs_chunks_sampled_total"
        by "whose" &["ours", "anothers"],
        "Chunks that this node sampled and sealed.";
    CHUNKS_LENT: Kind::Counter, "tgs_chunks_lent_total"
        by "outcome" &["sealed", "returned"],
        "Chunks of its own jobs that this node asked other nodes for, by what came of it.";
    CHECKPOINT_BYTES: Kind::Counter, "tgs_checkpoint_bytes_total",
        "Bytes of checkpoints that were made durable.";
    CHECKPOINT_SECONDS: Kind::Histogram(&CHECKPOINT_SECONDS_BUCKETS), "tgs_checkpoint_seconds",
        "How long a checkpoint took: the pause of training and the writing beside it.";
    // And every other part, once it has warned of something.
    LOG_WARNINGS: Kind::Counter, "tgs_log_warnings_total"
        by "from" &["tgs"],
        "Warnings and errors in the log, by the part of the program.";
    INVARIANT_VIOLATIONS: Kind::Counter, "tgs_invariant_violations_total",
        "Promises that were broken.";
}

const HTTP_SECONDS_BUCKETS: [f64; 11] =
    [0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// Right within a quarter, wrong by factors of two.
const JOB_RAN_TO_ESTIMATE_BUCKETS: [f64; 8] = [0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0, 8.0];
const CHECKPOINT_SECONDS_BUCKETS: [f64; 9] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_prometheus_wants_them() {
        let mut names: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len(), "each stands there once");
        for Metric { name, kind, says, .. } in ALL {
            assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert!(says.ends_with('.'), "{name}: {says}");
        }
    }
}
