//! Every limit, with its reason. Relations between limits are checked when this file compiles.

/// Rows of one chunk: the unit of sampling, retry and exactly-once.
pub const CHUNK_ROWS: u64 = 10_000;
/// Rows one request may ask for. Bounds the chunks of a job and so the size of its manifest.
pub const ROWS_PER_REQUEST_MAX: u64 = 100_000_000;
/// Columns of one table. Bounds the width of a model and the pairs of a report.
pub const COLUMNS_MAX: usize = 4_096;
/// Rows below which nothing is learned but memorised.
pub const TRAIN_ROWS_MIN: u64 = 8;
/// Compute threads of one job.
pub const THREADS_MAX: u32 = 64;

/// A lease outlives two missed renewals, never three.
pub const LEASE_TTL_MS: u64 = 15_000;
/// How often an owner renews.
pub const LEASE_RENEW_MS: u64 = 5_000;
/// When an owner that could not renew stops itself, counted from before its last successful send.
pub const LEASE_STAND_DOWN_MS: u64 = 12_000;
const _: () = assert!(LEASE_TTL_MS > 2 * LEASE_RENEW_MS && LEASE_TTL_MS <= 3 * LEASE_RENEW_MS);
const _: () =
    assert!(LEASE_STAND_DOWN_MS > 2 * LEASE_RENEW_MS && LEASE_STAND_DOWN_MS < LEASE_TTL_MS);

/// How often a stage that failed for a passing reason is tried again.
pub const RETRY_BACK_OFF_MS: [u64; 3] = [5_000, 10_000, 20_000];
