//! Shapes that leave the process: what fronts are sent and what they answer, as JSON.
//!
//! A field that is not known is refused, so that a slip of the pen is not taken for a default.

pub mod order;
pub mod view;

pub use self::{
    order::{DatasetRef, GenerateOrder, JobOrder, LearnOrder, SynthesizeOrder, TrainOrder},
    view::{FileView, JobView, PageView},
};
