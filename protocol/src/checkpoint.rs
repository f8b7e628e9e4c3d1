//! Checkpoints: everything needed to continue a training run bit for bit.

pub mod cadence;
pub mod keep;
pub mod resolve;

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    unit::{ByteCount, Epoch, Steps},
};

/// A checkpoint whose bytes are durable. Its name carries the epoch that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointFacts {
    /// Written under this lease epoch.
    pub epoch: Epoch,
    /// Steps done.
    pub step: Steps,
    /// Digest of the bytes.
    pub digest: Digest,
    /// Size of the bytes.
    pub size: ByteCount,
}
