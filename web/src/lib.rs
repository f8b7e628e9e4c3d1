//! The front of a node: REST, live events and a start page over the desk of its actors.
//!
//! | to find | open |
//! |---|---|
//! | what a front can reach | [`house`] |
//! | every address | `route.rs`, described by `endpoint.rs` |
//! | the document of the API | `openapi.rs` |
//! | how a refusal is answered | `problem.rs` |
//! | who may come in | `guard.rs` |
//! | what is measured | `measure.rs`, `pace.rs`, `route/metric.rs` |
//! | bodies, and clients that send them slowly | `body.rs` |
//! | events as they happen | `live` |
//!
//! Handlers read, ask the desk and answer; they decide nothing about jobs.

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
mod measure;
mod number;
mod openapi;
mod pace;
mod problem;
mod range;
mod route;
pub mod server;

pub use self::{
    guard::TokenHash,
    house::House,
    measure::measure,
    server::{ServeError, Server, Settings, serve},
};
