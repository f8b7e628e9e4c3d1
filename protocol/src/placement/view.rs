//! What a placement is decided on: nodes, waiting jobs and shares of tenants, at one moment.
//!
//! A view tells lengths of time and no moments: whoever makes it holds them against one clock, its
//! own.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use crate::{
    engine::NumericsClass,
    id::{Incarnation, JobId, TenantId},
    limits::ASSIGNMENT_STANDS_MS,
    presence::Standing,
    queue::{DeviceClass, Turn},
    residency::Residency,
    unit::{ByteCount, Millis},
};

/// A cluster at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// Nodes that are there, each once, in any order.
    pub nodes: Vec<ClusterNode>,
    /// Jobs that wait and that nobody works at, each once, in any order.
    pub jobs: Vec<WaitingJob>,
    /// Shares of tenants; one that is missing has the default.
    pub tenants: BTreeMap<TenantId, Share>,
}

/// A node as the placement sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterNode {
    /// This run of it.
    pub incarnation: Incarnation,
    /// What its operators call it.
    pub name: String,
    /// Where it stands.
    pub region: String,
    /// Where in the region; empty if not said.
    pub zone: String,
    /// Its machine may be taken away.
    pub is_spot: bool,
    /// Whether it takes up jobs.
    pub standing: Standing,
    /// Its cores, as devices.
    pub cpus: Devices,
    /// Its graphics processors.
    pub gpus: Devices,
    /// Memory for jobs, in all.
    pub memory: ByteCount,
    /// Memory that no job has.
    pub free_memory: ByteCount,
}

impl ClusterNode {
    /// Its devices of this class.
    pub const fn devices(&self, class: DeviceClass) -> &Devices {
        match class {
            DeviceClass::Cpu => &self.cpus,
            DeviceClass::Gpu => &self.gpus,
        }
    }

    /// The class of device that serves such a demand here: its own, or any where there is none of
    /// it. None if the node has no device to use.
    pub fn serves_by(&self, class: DeviceClass) -> Option<DeviceClass> {
        let classes = [class, class.other()];
        classes.into_iter().find(|class| self.devices(*class).usable > 0)
    }
}

/// Devices of one class on one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    /// Those that are used at all: not set aside.
    pub usable: u32,
    /// Those of them that no job has.
    pub free: u32,
    /// Numerics classes that they compute in, as far as that is known: another number of threads
    /// may make another one.
    pub numerics: BTreeSet<NumericsClass>,
}

/// A job that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingJob {
    /// Which.
    pub job: JobId,
    /// Whose.
    pub tenant: TenantId,
    /// What decides when its turn comes, and what it needs.
    pub turn: Turn,
    /// Devices that it needs at once, on one node.
    pub gang: NonZeroU32,
    /// Where its data may be. Whoever claims it asks once more.
    pub residency: Residency,
    /// It may run on a machine that may be taken away.
    pub may_use_spot: bool,
    /// The numerics class that it is in, if it has begun.
    pub began_in: Option<NumericsClass>,
    /// How long it has waited for a node of that class.
    pub waited_for_class: Millis,
    /// Where its data or its last checkpoint lies; it is better placed there.
    pub near: Option<Site>,
    /// How long it must still be left alone after a failed try.
    pub rests: Millis,
    /// What the last placement said.
    pub last: Last,
}

impl WaitingJob {
    /// Whether it may ever be there, whatever is free: its data may, and the machine is of a kind
    /// that it may use.
    pub fn may_be_at(&self, node: &ClusterNode) -> bool {
        self.residency.allows(&node.region) && (self.may_use_spot || !node.is_spot)
    }

    /// The node that it is assigned to, if that still counts.
    pub(super) fn stands_at(&self) -> Option<&Incarnation> {
        match &self.last {
            Last::Assigned { node, ago } if !is_late(*ago) => Some(node),
            _ => None,
        }
    }

    /// The node that was told and did not take it up in time.
    pub(super) fn late_at(&self) -> Option<&Incarnation> {
        match &self.last {
            Last::Assigned { node, ago } if is_late(*ago) => Some(node),
            _ => None,
        }
    }

    /// The node that is kept for it.
    pub(super) fn kept_at(&self) -> Option<&Incarnation> {
        match &self.last {
            Last::Kept { node } => Some(node),
            _ => None,
        }
    }
}

const fn is_late(ago: Millis) -> bool {
    ago.get() >= ASSIGNMENT_STANDS_MS
}

/// A place where data lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// In which region.
    pub region: String,
    /// Where in the region; empty if not known.
    pub zone: String,
}

/// What the last placement said of a job, as far as it was heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Last {
    /// Nothing that counts.
    #[default]
    Nothing,
    /// To run on this node, which has not taken it up yet.
    Assigned {
        /// Which node.
        node: Incarnation,
        /// Since when.
        ago: Millis,
    },
    /// This node is kept for it.
    Kept {
        /// Which node.
        node: Incarnation,
    },
}

/// What a tenant is entitled to, and has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Its part of the cluster in relation to others; by its tier.
    pub weight: NonZeroU32,
    /// Devices that its jobs have now, with those of nodes that vanished and whose jobs nobody has
    /// taken over yet.
    pub used: u32,
    /// Most devices that its jobs may have at one time.
    pub quota: Option<u32>,
}

/// A tenant of whom nothing is known.
impl Default for Share {
    fn default() -> Self {
        Self { weight: NonZeroU32::MIN, used: 0, quota: None }
    }
}
