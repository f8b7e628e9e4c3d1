//! Training state: flat parameters, AdamW, snapshots, numerics class.
//!
//! A model that learns by gradients gives a [`learner::Learner`]: its parameters, its loss at a
//! step, its validation loss. [`run::Run`] does the rest: steps, moving averages, early stopping,
//! snapshots. Nothing here draws from libtorch's own generator and nothing reads the clock.

pub(crate) mod adamw;
pub(crate) mod batches;
pub(crate) mod crew;
pub(crate) mod dropout;
pub(crate) mod flat;
pub(crate) mod kept;
pub(crate) mod layers;
pub(crate) mod learner;
pub(crate) mod numerics;
pub(crate) mod pace;
pub(crate) mod plain;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod stopping;
pub(crate) mod torch;
pub(crate) mod validation;

pub use numerics::{PORTABLE, numerics_class};
