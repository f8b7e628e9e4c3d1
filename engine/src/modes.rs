//! Mode-specific normalisation (Xu et al., "Modeling tabular data using conditional GAN", 2019): a
//! number is told by one of the modes of its column and its distance from that mode's mean.
//!
//! | to find | open |
//! |---|---|
//! | the modes of a column | `mixture` |
//! | rows as numbers and places, and back | `coder` |

mod coder;
mod mixture;

pub(crate) use self::{
    coder::{Answer, Coded, ModeCoder, Part},
    mixture::Modes,
};
