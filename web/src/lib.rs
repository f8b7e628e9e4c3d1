//! The front of a node: REST, live events and a start page over the desk of its actors.
//!
//! | to find | open |
//! |---|---|
//! | what a front can reach | [`house`] |
//! | every address | `route.rs`, described by `endpoint.rs` |
//! | the document of the API | `openapi.rs` |
//! | how a refusal is answered | `problem.rs` |
//! | who may come in | `guard.rs` |
//! | bodies, and clients that send them slowly | `body.rs` |
//! | events as they happen | `live` |
//!
//! Handlers read, ask the desk and answer; they decide nothing about jobs.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tgs_protocol::metric_definitions::{
    CHECKPOINT_SECONDS, CHECKPOINT_SECONDS_BUCKETS, JOB_RAN_TO_ESTIMATE,
    JOB_RAN_TO_ESTIMATE_BUCKETS,
};

mod body;
mod cursor;
mod discretion;
mod endpoint;
mod etag;
mod file;
#[cfg(test)]
mod fuzz;
mod guard;
pub mod house;
mod live;
mod number;
mod openapi;
mod problem;
mod range;
mod route;
pub mod server;

pub use self::{
    guard::TokenHash,
    house::House,
    server::{ServeError, Server, Settings, serve},
};

/// Begins to measure, once per process.
///
/// # Errors
/// If something else measures already.
pub fn measure() -> Result<PrometheusHandle, BuildError> {
    let ratio = Matcher::Full(JOB_RAN_TO_ESTIMATE.to_owned());
    let cost = Matcher::Full(CHECKPOINT_SECONDS.to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(ratio, &JOB_RAN_TO_ESTIMATE_BUCKETS)?
        .set_buckets_for_metric(cost, &CHECKPOINT_SECONDS_BUCKETS)?
        .install_recorder()
}
