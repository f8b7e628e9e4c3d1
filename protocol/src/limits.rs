//! Every limit, with its reason. Relations between limits are checked when this file compiles.

/// Rows of one chunk: the unit of sampling, retry and exactly-once.
pub const CHUNK_ROWS: u64 = 10_000;
/// Rows one request may ask for. Bounds the chunks of a job and so the size of its manifest.
pub const ROWS_PER_REQUEST_MAX: u64 = 100_000_000;
/// Columns of one table. Bounds the width of a model and the pairs of a report.
pub const COLUMNS_MAX: usize = 4_096;
/// Rows below which nothing is learned but memorised.
pub const TRAIN_ROWS_MIN: u64 = 8;
/// What fewer rows share, be it a number or the look of a text, is somebody's own: no model keeps
/// it as it stands.
pub const SHARED_ROWS_MIN: u64 = 5;
/// Conditions of one order.
pub const CONDITIONS_MAX: usize = 100;
/// Values that they name together.
pub const CONDITION_VALUES_MAX: usize = 10_000;
/// Rows drawn for one that fits, if not said, where the others are thrown away.
pub const GIVEN_TRIES: u32 = 100;
/// As many as may be asked for.
pub const GIVEN_TRIES_MAX: u32 = 100_000;
/// Compute threads of one job.
pub const THREADS_MAX: u32 = 64;
/// Devices of one node that one job may share.
pub const DEVICES_PER_JOB_MAX: u32 = 16;

/// A lease outlives two missed renewals, never three.
pub const LEASE_TTL_MS: u64 = 15_000;
/// How often an owner renews.
pub const LEASE_RENEW_MS: u64 = 5_000;
/// When an owner that could not renew stops itself, counted from before its last successful send.
pub const LEASE_STAND_DOWN_MS: u64 = 12_000;
const _: () = assert!(LEASE_TTL_MS > 2 * LEASE_RENEW_MS && LEASE_TTL_MS <= 3 * LEASE_RENEW_MS);
const _: () =
    assert!(LEASE_STAND_DOWN_MS > 2 * LEASE_RENEW_MS && LEASE_STAND_DOWN_MS < LEASE_TTL_MS);

/// Most points of priority.
pub const PRIORITY_MAX: u8 = 10;
/// Waiting that outweighs one point of priority: a job of priority 0 is passed by jobs of priority
/// 10 that come at most an hour and forty minutes later.
pub const AGEING_MS: u64 = 600_000;

/// Memory that a job needs beside its table: model, optimiser, buffers.
pub const MEMORY_PER_JOB_BYTES: u64 = 300 << 20;
/// Memory that a job needs for each byte of a table that it reads.
pub const MEMORY_PER_INPUT_BYTE: u64 = 4;

/// Failures in a row after which a device is not used any more; as many as a job's stage is tried
/// again, so that the job moves before it ends.
pub const DEVICE_FAILURES_MAX: u32 = 3;
const _: () = assert!(DEVICE_FAILURES_MAX as usize <= RETRY_BACK_OFF_MS.len());
/// Silence of training, in longest times between two signs of life, before it is taken to hang.
pub const HANG_FACTOR: u64 = 10;
/// Silence that is always allowed: a slow disk or a busy machine is no hang.
pub const HANG_LEAST_MS: u64 = 60_000;
/// Silence of work that has no steps: hashing and copying a table of a hundred gigabytes is long.
pub const HANG_FREE_MS: u64 = 60 * 60_000;
/// How often a node of a cluster looks for jobs that nobody works at.
pub const FIND_PERIOD_MS: u64 = 1_000;
/// How long a new job must be free before another node takes it up: whoever took the order comes
/// first.
pub const FIND_FREE_MS: u64 = 1_000;
/// How often that time doubles for a job that comes back unfinished again and again.
pub const FIND_TIRED_MAX: u32 = 6;
/// Renewals of one holder, a minute's worth, after which a job counts as got on with.
pub const FIND_RESTED: u64 = 12;
/// How long a job that was suspended is left to a person, before it is seen whether it was mended.
pub const SUSPENDED_LOOK_MS: u64 = 300_000;
/// How often it is asked whether the machine will be taken away: of thirty seconds that some
/// providers give, none is to be lost.
pub const SPOT_LOOK_MS: u64 = 500;
/// How often a node of a cluster says that it is there.
pub const PRESENCE_PERIOD_MS: u64 = 2_000;
/// How long what it said stands: it bears four lost words.
pub const PRESENCE_TTL_MS: u64 = 10_000;
const _: () = assert!(PRESENCE_PERIOD_MS * 5 <= PRESENCE_TTL_MS);
/// The least between two looks for work, however often a node is told that there is some.
pub const LOOK_LEAST_MS: u64 = 100;
/// How often a node looks after its links to others.
pub const LINK_TICK_MS: u64 = 1_000;
/// How long another node may take to answer over a link.
pub const LINK_ANSWER_MS: u64 = 1_000;
/// A link over which so many questions in a row were not answered is ended.
pub const LINK_MISSES_MAX: u32 = 3;
/// How long a connection may take to become a link.
pub const LINK_OPEN_MS: u64 = 5_000;
/// How long it is waited for a machine to say that nobody listens there.
pub const LINK_PROBE_MS: u64 = 1_000;
/// A connection whose bytes are not acknowledged for so long is broken.
pub const LINK_SILENT_MS: u64 = 10_000;
/// After a node was dialled in vain; twice as long after each further time.
pub const LINK_REST_MS: u64 = 1_000;
/// The longest such rest.
pub const LINK_REST_MAX_MS: u64 = 30_000;
/// What one node may say to another at once, in bytes.
pub const LINK_FRAME_BYTES_MAX: u64 = 4 << 20;
const _: () = assert!(LINK_TICK_MS * LINK_MISSES_MAX as u64 * 2 < LEASE_TTL_MS);
/// How often a node looks whether its certificate was renewed.
pub const KEYS_LOOK_MS: u64 = 3_000;
/// So long before a certificate runs out its operators are told, ...
pub const CERTIFICATE_ENDS_SOON_MS: u64 = 14 * 86_400_000;
/// ... and again each time when so much time has gone by.
pub const CERTIFICATE_TOLD_AGAIN_MS: u64 = 86_400_000;
/// Clocks of nodes that are further apart are told of.
pub const CLOCKS_APART_MAX_MS: u64 = 30_000;
/// How long an assignment stands that its node does not take up: several looks of a node that is
/// there. Then the job may go elsewhere.
pub const ASSIGNMENT_STANDS_MS: u64 = 10_000;
const _: () = assert!(ASSIGNMENT_STANDS_MS >= 5 * FIND_PERIOD_MS);
/// How often a leader places waiting jobs: more often than nodes look what they are told.
pub const LEADER_LOOK_MS: u64 = 500;
/// A leader says to each node at least this often what it is to take up, also when that is nothing.
pub const LEADER_SAY_MS: u64 = 2_000;
/// A node that hears nothing new from a leader for this long takes up whatever it finds.
pub const LEADER_SILENT_MS: u64 = 5_000;
const _: () = assert!(LEADER_SILENT_MS > 2 * LEADER_SAY_MS && LEADER_SILENT_MS < LEASE_TTL_MS);
/// What a leader said is gone from its board after this.
pub const BOARD_TTL_MS: u64 = 15_000;
const _: () = assert!(BOARD_TTL_MS > LEADER_SILENT_MS);
/// Waiting jobs that a leader sees: the first in line. Bounds what it reads anew after it was
/// elected.
pub const LEADER_JOBS_MAX: usize = 20_000;
/// Jobs of which a leader says why they wait: the first in line. Bounds one row.
pub const WAITS_TOLD_MAX: usize = 1_000;
/// Jobs that a leader cannot read and names to all nodes: the first in line.
pub const LEFT_TOLD_MAX: usize = 16;
/// How long a job that a node took up counts there though the node does not say so: it says what it
/// does every [`PRESENCE_PERIOD_MS`].
pub const FLIGHT_MS: u64 = 3 * PRESENCE_PERIOD_MS;
/// How long a job that began in a numerics class waits for a node of it: other bytes are worse than
/// some minutes, and better than waiting for a machine that may not come back.
pub const CLASS_WAIT_MAX_MS: u64 = 300_000;
/// Letters of a node's name: what a host's name may have.
pub const NODE_NAME_BYTES_MAX: usize = 253;
/// Letters of a region's name: what a database's data centre may be called, with room.
pub const REGION_BYTES_MAX: usize = 48;
/// Letters of a tenant's name.
pub const TENANT_BYTES_MAX: usize = 64;
/// Regions that one job or dataset can name.
pub const REGIONS_MAX: usize = 8;
/// How often whoever asked to cancel a job of another node looks whether it has ended.
pub const END_LOOK_MS: u64 = 200;
/// How often devices and disk are looked at.
pub const WATCHDOG_PERIOD_MS: u64 = 1_000;
const _: () = assert!(WATCHDOG_PERIOD_MS * 10 <= HANG_LEAST_MS);

/// Ended jobs of one kind from which the next one's time is guessed: enough for a steady median,
/// few enough to follow a machine that has become slower.
pub const ESTIMATE_JOBS: usize = 20;
/// Jobs in line of which it is worked out when they begin; whoever stands further back is told that
/// it stands there.
pub const FORECAST_JOBS_MAX: usize = 1_000;
/// Rows that a starting node looks through for ended jobs to learn from.
pub const EXPERIENCE_ROWS_MAX: usize = 200;

/// How long a program that is asked to end may take before it is killed.
pub const PROGRAM_GRACE_MS: u64 = 5_000;
const _: () = assert!(PROGRAM_GRACE_MS * 4 < STANDSTILL_MS);
/// Bytes that a program may have in its folder at one time, results included: it must not fill the
/// disk that everybody uses.
pub const PROGRAM_FOLDER_BYTES_MAX: u64 = 16 << 30;
/// Files and folders in it.
pub const PROGRAM_FOLDER_ENTRIES_MAX: usize = 200_000;
/// Arguments of a program: what every system takes.
pub const PROGRAM_ARGUMENTS_MAX: usize = 1_000;
/// Bytes of them all.
pub const PROGRAM_ARGUMENT_BYTES_MAX: usize = 64 << 10;
/// Datasets of one program.
pub const PROGRAM_DATASETS_MAX: usize = 64;
/// Bytes of a program's log that are kept.
pub const PROGRAM_LOG_BYTES_MAX: usize = 1 << 20;
/// Bytes of the pattern by which progress is read.
pub const PROGRAM_PATTERN_BYTES_MAX: usize = 1_000;
/// Files that a program may leave; more are a folder, and folders are packed.
pub const PROGRAM_FILES_MAX: usize = 100;
/// Bytes of them all: a job must not fill the disk.
pub const PROGRAM_FILES_BYTES_MAX: u64 = 4 << 30;
/// Bytes of the name of such a file.
pub const FILE_NAME_BYTES_MAX: usize = 100;

/// Bytes of a key that a sender gives its order; a UUID has 36.
pub const KEY_BYTES_MAX: usize = 255;
/// A job that has ended is kept at least so long: whoever lost an answer sends its order again.
pub const HISTORY_LEAST_MS: u64 = 86_400_000;
/// Bytes of a dataset's name.
pub const DATASET_NAME_BYTES_MAX: usize = 100;
/// Jobs on one page of a list.
pub const PAGE_ROWS_MAX: usize = 1_000;
/// Events read from the store at one time.
pub const EVENTS_READ_MAX: usize = 1_000;

/// Subscriptions of one node: each is a row that the courier keeps at hand.
pub const SUBSCRIPTIONS_MAX: usize = 100;
/// Pauses before each attempt at a notice, the first one being made at once: the schedule that
/// Standard Webhooks 1.0 recommends, ten attempts over a little more than three days.
pub const NOTICE_PAUSES_MS: [u64; 10] = [
    0, 5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000,
    86_400_000,
];
/// A pause is longer by at most one part in so many, so that notices spread.
pub const NOTICE_JITTER_INVERSE: u64 = 10;
/// The longest pause that a receiver may ask for.
pub const NOTICE_PAUSE_ASKED_MAX_MS: u64 = 86_400_000;
/// Attempts that a delivery remembers: two rounds of them.
pub const NOTICE_ATTEMPTS_KEPT: usize = 20;
const _: () = assert!(NOTICE_ATTEMPTS_KEPT >= NOTICE_PAUSES_MS.len());
/// Attempts at one target at one time.
pub const NOTICES_UNDER_WAY_MAX: usize = 4;
/// The same, of a target whose last attempt failed.
pub const NOTICES_UNDER_WAY_WHILE_FAILING: usize = 1;
/// Deliveries of one subscription that are not over. Bounds what a courier holds in memory; what
/// happens meanwhile waits in the log.
pub const DELIVERIES_OPEN_MAX: usize = 2_000;
/// Deliveries of one subscription that are over and are kept.
pub const DELIVERIES_KEPT: usize = 1_000;
/// How long one that is over is kept: thirty days.
pub const DELIVERIES_KEPT_MS: u64 = 2_592_000_000;
/// Events that a cursor may be behind without a write, where nobody wants them.
pub const CURSOR_BEHIND_MAX: u64 = 1_000;
/// How long one attempt at a notice may take, from looking up the name to the answer.
pub const NOTICE_ANSWER_MS: u64 = 15_000;
/// Bytes of an answer that are read; only its status counts.
pub const NOTICE_ANSWER_BYTES_MAX: usize = 1_024;
/// Bytes of the address of a webhook.
pub const NOTICE_URL_BYTES_MAX: usize = 2_048;
/// Bytes of a mailbox's address (RFC 5321, 4.5.3.1.3).
pub const MAIL_ADDRESS_BYTES_MAX: usize = 254;
/// Bytes of a secret that signs webhooks (Standard Webhooks 1.0).
pub const SIGNING_KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Secrets of one webhook: the newest, and those that it replaced lately.
pub const SIGNING_KEYS_MAX: usize = 3;
/// How long a secret that was replaced still signs: a day to hand out the new one.
pub const SIGNING_KEY_OVERLAP_MS: u64 = 86_400_000;
/// The longest time between two looks at what is new and due, whatever was not heard meanwhile.
pub const LOOK_PERIOD_MS: u64 = 60_000;
/// How often old deliveries are removed.
pub const PRUNE_PERIOD_MS: u64 = 3_600_000;
/// How long a store that failed, or a dispatcher that failed again and again, is left alone.
pub const DISPATCHER_REST_MS: u64 = 5_000;
/// Unread notices are counted up to so many.
pub const UNREAD_COUNTED_MAX: usize = 100;

/// How often a stage that failed for a passing reason is tried again.
pub const RETRY_BACK_OFF_MS: [u64; 3] = [5_000, 10_000, 20_000];
/// Entries of a job's timeline. Bounds the row of a job that is interrupted again and again.
pub const TIMELINE_ENTRIES_MAX: usize = 500;
const _: () = assert!(TIMELINE_ENTRIES_MAX >= 2);

/// Training time per unit of time spent on saving: saving costs at most one part in fifty.
pub const CHECKPOINT_COST_SHARE_INVERSE: u64 = 50;
/// How often a machine that the provider may take back is thought to be lost, before anything is
/// known: a bad hour of a market. Saving more often than need be costs a percent at most.
pub const LOSS_EXPECTED_SPOT_MS: u64 = 3_600_000;
/// The same of any other machine or process: people stop them, and power goes.
pub const LOSS_EXPECTED_MS: u64 = 4 * 3_600_000;
/// What is thought counts as so much of a loss that happened.
pub const LOSS_PRIOR_WEIGHT: f64 = 0.1;
/// Never save more often than this.
pub const CHECKPOINT_PERIOD_MIN_MS: u64 = 2_000;
/// Never lose more than this to a killed process.
pub const CHECKPOINT_PERIOD_MAX_MS: u64 = 600_000;
const _: () = assert!(CHECKPOINT_PERIOD_MIN_MS < CHECKPOINT_PERIOD_MAX_MS);

/// Chunks in the hands of samplers at one time, per sampler: one at work and one waiting.
pub const CHUNKS_OFFERED_PER_SAMPLER: usize = 2;

/// Chunks of one job that another node samples at one time.
pub const CHUNKS_OFFERED_PER_PEER: usize = 2;
/// How long another node may take for a chunk before somebody else is asked for it.
pub const CHUNK_ELSEWHERE_MS: u64 = 60_000;
/// How long a node that did not sample a chunk is not asked for another one.
pub const PEER_REST_MS: u64 = 5_000;

/// Seconds of training one job may ask for: a week. More is a slip of the unit, not a wish.
pub const BUDGET_SECONDS_MAX: u64 = 604_800;
/// Passes over the data one job may ask for.
pub const EPOCHS_MAX: u64 = 1_000_000;
/// Optimiser steps one job may ask for.
pub const STEPS_MAX: u64 = 1_000_000_000;
/// Bytes of a path as a request may name it; what file systems take.
pub const PATH_BYTES_MAX: usize = 4_096;
/// Bytes of a file's name: what file systems take, less what it is called while it is written.
pub const NAME_BYTES_MAX: usize = 240;
/// Texts that a metadata file may declare to mean "missing".
pub const MISSING_TOKENS_MAX: usize = 64;
/// How long a store may take to answer a small question before it counts as silent.
pub const STORE_ANSWER_MS: u64 = 10_000;
/// How long a store may take to make one stage's result durable or to hand it out.
pub const STORE_TRANSFER_MS: u64 = 600_000;
/// How often the lease keeper looks which leases are due.
pub const LEASE_TICK_MS: u64 = 500;
/// How long one renewal may take; a lost one leaves time for another before the holder stands down.
pub const LEASE_RENEW_ANSWER_MS: u64 = 2_000;
const _: () = assert!(LEASE_STAND_DOWN_MS + LEASE_TICK_MS < LEASE_TTL_MS);
const _: () = assert!(LEASE_RENEW_MS + LEASE_TICK_MS + LEASE_RENEW_ANSWER_MS < LEASE_STAND_DOWN_MS);

/// Restarts of one actor within [`RESTART_WINDOW_MS`] before its failure is escalated.
pub const RESTARTS_MAX: usize = 3;
/// The window in which restarts are counted.
pub const RESTART_WINDOW_MS: u64 = 60_000;
/// Bytes of one order: a metadata file of thousands of columns fits.
pub const ORDER_BYTES_MAX: usize = 4 << 20;
/// Warnings of a node that are shown to operators, ...
pub const WARNINGS_SHOWN_MAX: usize = 8;
/// ... for so long after the last of their kind, ...
pub const WARNING_SHOWN_MS: u64 = 600_000;
/// ... and as many bytes of each.
pub const WARNING_BYTES_MAX: usize = 400;
/// Questions of other nodes that a node has in hand over the bus at one time.
pub const PEER_QUESTIONS_IN_HAND: usize = 64;
/// Published orders that a node has in hand at one time.
pub const ORDERS_IN_HAND: usize = 64;
/// How long an order stays in a node's hands without a word from it, before another one gets it.
pub const ORDER_HELD_MS: u64 = 30_000;
/// How often a node says that it still has an order in hand.
pub const ORDER_HOLD_PERIOD_MS: u64 = 8_000;
const _: () = assert!(ORDER_HOLD_PERIOD_MS * 3 < ORDER_HELD_MS);
/// How often an order is handed out before it is taken to be the ruin of whoever tries it: more
/// often than in six days of a database that is gone.
pub const ORDER_DELIVERIES_MAX: u64 = 10_000;
/// How long an order is left alone at first that could not be taken just now; twice as long each
/// time.
pub const ORDER_REST_MS: u64 = 1_000;
/// How long at most.
pub const ORDER_REST_MAX_MS: u64 = 60_000;
/// Events that are told at once.
pub const EVENTS_TOLD_AT_ONCE: usize = 256;
/// How long whoever speaks to the bus rests after it failed.
pub const BUS_REST_MS: u64 = 1_000;
/// How long at most, after failing again and again.
pub const BUS_REST_MAX_MS: u64 = 15_000;
/// How long a front waits for an actor to take an order.
pub const ORDER_TAKEN_MS: u64 = 10_000;
/// How long a drain or a cancel may take until work has stopped and stands in the store.
pub const STANDSTILL_MS: u64 = 120_000;

/// Aimed length of one training segment: the pace of progress, of cancels and of checkpoints.
pub const SEGMENT_TARGET_MS: u64 = 300;
/// Steps of one segment, however fast they are.
pub const SEGMENT_STEPS_MAX: u64 = 1 << 20;
/// Progress is told at most this often.
pub const PROGRESS_PERIOD_MS: u64 = 100;
/// Rows per second are those of so long a time.
pub const RATE_WINDOW_MS: u64 = 3_000;
/// They are told once they were counted for so long.
pub const RATE_FIRST_MS: u64 = 500;
/// Tidings of one job kept for watchers that come late.
pub const TIDINGS_KEPT_PER_JOB: usize = 256;
/// Jobs that left whose tidings are kept for watchers that come late.
pub const FEEDS_KEPT: usize = 64;
/// Rows of one request that is answered at once: they are held in memory, and more are a job.
pub const SAMPLE_ROWS_MAX: u64 = 1_000;
const _: () = assert!(SAMPLE_ROWS_MAX <= CHUNK_ROWS, "they are a part of one chunk");
/// Threads that draw the rows of such requests. Jobs have samplers of their own, so that neither
/// waits for the other.
pub const ROW_SAMPLERS: usize = 2;
/// Requests for rows that may wait for such a thread. What comes then is sent away at once: an
/// answer that comes late is of no use to whoever asked for one at once.
pub const SAMPLES_WAITING_MAX: usize = 64;
/// How long such a request may take, with waiting and with opening the model.
pub const SAMPLE_ANSWER_MS: u64 = 30_000;
/// Models that are kept open for such requests.
pub const MODELS_WARM_MAX: usize = 8;
/// Bytes of the files of those models together; open they take a small multiple.
pub const MODELS_WARM_BYTES_MAX: u64 = 256 << 20;
/// A model that nobody asked for rows for so long is closed.
pub const MODEL_WARM_IDLE_MS: u64 = 600_000;
/// How often is looked for those.
pub const MODEL_WARM_LOOK_MS: u64 = 30_000;
/// Rows of jobs that one page of models looks through: models may lie far apart.
pub const MODELS_LOOKED_THROUGH_MAX: usize = 2_000;

/// Opened models kept by the samplers of one node.
pub const MODELS_OPEN_MAX: usize = 2;
/// A model that no sampler was asked for so long is closed.
pub const MODEL_IDLE_MS: u64 = 1_000;
