//! Which generator, with which constants. The same numbers on every node, or the bytes differ.

pub mod desk;
mod sampled;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::unit::Steps;

pub use self::sampled::{has_model, may_be_sampled};

/// The generators a job may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ModelName {
    /// Tokenizer and diffusion over tokens: the flagship.
    Tabgraph,
    /// Chain of histogram regression trees: seconds on a CPU.
    Seqtree,
    /// The published two-stage constants: VAE of transformers, then a wide denoiser.
    Original,
    /// Column after column, each given those before it: quick to learn and to draw.
    Autoregressive,
    /// A conditional generator that learns against a critic, for comparison.
    Ctgan,
    /// A variational auto-encoder of rows, for comparison.
    Tvae,
    /// The best of a few that are trained and judged in turn.
    Auto,
}

impl ModelName {
    /// Every generator.
    pub const ALL: [Self; 7] = [
        Self::Tabgraph,
        Self::Seqtree,
        Self::Original,
        Self::Autoregressive,
        Self::Ctgan,
        Self::Tvae,
        Self::Auto,
    ];

    /// Whether it is a neural net, which a graphics processor trains faster.
    pub const fn is_net(self) -> bool {
        !matches!(self, Self::Seqtree)
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tabgraph => "tabgraph",
            Self::Seqtree => "seqtree",
            Self::Original => "original",
            Self::Autoregressive => "autoregressive",
            Self::Ctgan => "ctgan",
            Self::Tvae => "tvae",
            Self::Auto => "auto",
        })
    }
}

/// How long to train. `Budget` is turned into `Steps` once, by measured speed, before the first
/// step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by", content = "amount")]
pub enum TrainingLength {
    /// The default of the model, sized to the table.
    Default,
    /// Wall-clock seconds of training on this machine.
    BudgetSeconds(u64),
    /// Passes over the training rows.
    Epochs(u64),
    /// Optimiser steps.
    Steps(u64),
}

/// What was decided about training before its first step; nothing later depends on the clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainPlan {
    /// Every constant of the model, resolved: the engine's own record, opaque to the rules.
    pub config: serde_json::Value,
    /// Steps that will be made (early stopping may end sooner, at a step that data decides).
    pub steps: Steps,
    /// One sentence for people: "5,312 steps of 1,024 rows, measured at 22.1 steps/s".
    pub because: String,
}
