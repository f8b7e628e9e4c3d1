//! The job: its row, its states, what happens to it and what it makes happen.
//!
//! `step` is the only entrance: an event goes in, the row changes, actions come out.

pub mod action;
pub mod audit;
pub mod event;
pub mod format;
pub mod listing;
pub mod origin;
pub mod outcome;
pub mod retry;
pub mod row;
pub mod state;
pub mod step;

pub use self::{
    action::{JobAction, Work},
    event::JobEvent,
    outcome::Outcome,
    row::{JobRow, TimelineEntry},
    state::JobState,
    step::{Claimant, Job},
};
