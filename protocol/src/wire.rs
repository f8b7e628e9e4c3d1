//! Shapes that leave the process: what fronts are sent and what they answer, as JSON.
//!
//! A field that is not known is refused, so that a slip of the pen is not taken for a default.

pub mod dataset_ref;
pub mod format;
pub mod front;
pub mod model;
pub mod notification;
pub mod order;
pub mod reading;
#[cfg(feature = "schema")]
pub mod schema;
pub mod view;

pub use self::{
    dataset_ref::DatasetRef,
    format::TableFormat,
    front::{Health, HealthView, Problem, TicketView},
    model::{ModelView, SampleFormat, SampleOrder},
    order::{
        EvaluateOrder, ExternalOrder, GenerateOrder, JobOrder, LearnOrder, SynthesizeOrder,
        TrainOrder,
    },
    reading::read,
    view::{FileView, JobView, PageView},
};
