//! Why a job waits, in words that code, messages and pages share.

use serde::{Deserialize, Serialize};

use crate::unit::ByteCount;

/// Why a job waits: on a node for its turn there, or in the store for a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "for")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Waiting {
    /// Others are before it.
    Turn {
        /// How many.
        ahead: u64,
    },
    /// Every device that serves it is taken.
    Device,
    /// Too little room is left on the disk.
    Disk,
    /// Memory is taken.
    Memory {
        /// What it needs.
        needs: ByteCount,
        /// What is free.
        free: ByteCount,
    },
    /// No node works.
    NoNode,
    /// No node that works stands where its data may be.
    Region,
    /// Only spot machines could take it, and it may not use them.
    OnlySpot,
    /// No node has as many devices as it needs at once.
    Gang,
    /// It is left alone for a while after a failed try.
    Rest,
    /// Its tenant has as many devices as it may have.
    Quota,
    /// Nodes that compute as it began have no room.
    NumericsClass,
    /// No node has room, and one is kept for it.
    Kept {
        /// What its operators call it.
        node: String,
    },
    /// No node that it may use has room.
    Room,
    /// A node is to take it up.
    Assigned {
        /// What its operators call it.
        node: String,
    },
}
