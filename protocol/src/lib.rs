//! Words, rules and ports of TabGraphSyn. Pure: no I/O, no clock, no dice, no async runtime.
//!
//! A value is handed to the right, only facts come back:
//!
//! ```text
//! request ─▶ job ─▶ stage ─▶ chunk ─▶ artifact
//! ```
//!
//! | to find | open |
//! |---|---|
//! | what a user may ask for, what is refused | [`request`], [`refusal`] |
//! | the job's state machine | [`job`]: `state`, `event`, `action`, `step` |
//! | what the outside hears of jobs | [`event`] |
//! | tables that were handed in | [`dataset`] |
//! | names of files that every node has | [`kept`] |
//! | who is told of it, by webhook or mail | [`notification`] |
//! | orders that are published, events that are told | [`bus`] |
//! | the same order sent twice | [`submission`] |
//! | leases and fencing | [`lease`] |
//! | what a newer version wrote into a store | [`stored`] |
//! | who is there in a cluster | [`presence`] |
//! | what nodes say to each other, and show for it | [`peer`]: `table`, `keys` |
//! | machines that will be taken away | [`interruption`] |
//! | chunks of rows, exactly once | [`chunk`] |
//! | checkpoints and which to resume from | [`checkpoint`] |
//! | what fronts are sent and answer | [`wire`] |
//! | which waiting job begins next, and when | [`queue`] |
//! | when work is taken to hang, a disk to be full | [`watchdog`], [`space`] |
//! | which node takes which waiting job | [`placement`] |
//! | regions that data may not leave | [`residency`] |
//! | where a job runs on a spot market | [`spot`] |
//! | thresholds on the report | [`gate`], [`report`] |
//! | how numbers are written for people | [`figure`] |
//! | programs of the user's as jobs | [`program`] |
//! | kinds of columns, metadata files | [`column`], [`metadata`] |
//! | what the engine owes | [`engine`] |
//! | every error users see | [`code`] |
//! | every limit | [`limits`] |
//! | names of what is measured | [`metric_definitions`] |
//! | every promise with a name | [`invariant`] |
//!
//! **Absent on purpose:** sockets, files, threads, clocks, random numbers. They come in by the
//! door.

pub mod artifact;
pub mod bus;
pub mod cause;
pub mod checkpoint;
pub mod chunk;
pub mod clock;
pub mod code;
pub mod column;
pub mod dataset;
pub mod desk;
pub mod digest;
pub mod engine;
pub mod event;
pub mod figure;
pub mod gate;
pub mod given;
pub mod id;
pub mod interruption;
pub mod invariant;
pub mod job;
pub mod kept;
pub mod lease;
pub mod limits;
pub mod metadata;
pub mod metric_definitions;
pub mod model;
pub mod notification;
pub mod panic;
pub mod peer;
pub mod placement;
pub mod presence;
pub mod profile;
pub mod program;
pub mod progress;
pub mod queue;
pub mod refusal;
pub mod report;
pub mod request;
pub mod residency;
pub mod space;
pub mod spot;
pub mod stage;
pub mod store;
pub mod stored;
pub mod submission;
pub mod unit;
pub mod watchdog;
pub mod wire;
