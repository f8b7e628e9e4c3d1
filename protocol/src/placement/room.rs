//! Free devices and memory of nodes that work, looked up without going through all of them.
//!
//! Nodes that no rule tells apart but by what is free on them are a *pool*. In a pool they stand in
//! order of their free memory, once for each power of two up to the number of devices that are
//! free: so the node that fits best is found by one look, whatever the size of the gang.
//!
//! Invariant kept here: PLACE-2 (nothing is promised twice).

use std::collections::{BTreeMap, BTreeSet};

use super::view::{ClusterNode, ClusterView};
use crate::{
    engine::NumericsClass,
    invariant::{Invariant, holds},
    presence::Standing,
    queue::DeviceClass,
};

/// What a job needs of one node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    pub class: DeviceClass,
    pub devices: u32,
    /// In bytes.
    pub memory: u64,
}

/// What is free, by node.
#[derive(Debug)]
pub(super) struct Room<'a> {
    /// By name, then by incarnation.
    pub nodes: Vec<Node<'a>>,
    pub pools: Vec<Pool<'a>>,
}

/// A node that works.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub it: &'a ClusterNode,
    pub pool: usize,
    free: [u32; CLASSES],
    free_memory: u64,
    /// Nobody finds it.
    is_closed: bool,
}

/// Device classes, by number.
const CLASSES: usize = 2;

/// Nodes that are alike.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    pub traits: Traits<'a>,
    /// Devices of each class and memory of its nodes, whatever is free.
    sizes: BTreeSet<([u32; CLASSES], u64)>,
    /// For each class and power of two: free memory and number of those that have as many free.
    open: [Vec<BTreeSet<(u64, usize)>>; CLASSES],
}

/// What tells pools apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Traits<'a> {
    pub region: &'a str,
    pub zone: &'a str,
    pub is_spot: bool,
    has: [bool; CLASSES],
    numerics: [&'a BTreeSet<NumericsClass>; CLASSES],
}

impl<'a> Traits<'a> {
    fn of(node: &'a ClusterNode) -> Self {
        Self {
            region: &node.region,
            zone: &node.zone,
            is_spot: node.is_spot,
            has: DeviceClass::ALL.map(|class| node.devices(class).usable > 0),
            numerics: DeviceClass::ALL.map(|class| &node.devices(class).numerics),
        }
    }

    pub(super) fn has(&self, class: DeviceClass) -> bool {
        self.has[class as usize]
    }

    /// Whether a job of this class of device would compute in this numerics class.
    pub(super) fn computes_in(&self, class: DeviceClass, numerics: &NumericsClass) -> bool {
        self.numerics[self.serving(class)].contains(numerics)
    }

    /// The class of device that serves, by number. Every node that works has a device.
    fn serving(&self, class: DeviceClass) -> usize {
        if self.has(class) { class as usize } else { class.other() as usize }
    }
}

impl<'a> Room<'a> {
    /// Of the nodes that work and have a device.
    pub(super) fn of(view: &'a ClusterView) -> Self {
        let works = |node: &&ClusterNode| {
            node.standing == Standing::Working && node.serves_by(DeviceClass::Cpu).is_some()
        };
        let mut working: Vec<_> = view.nodes.iter().filter(works).collect();
        working.sort_unstable_by_key(|node| (&node.name, &node.incarnation));
        let mut numbers = BTreeMap::new();
        for node in &working {
            numbers.insert(Traits::of(node), 0);
        }
        let mut pools = Vec::new();
        for (no, (traits, number)) in numbers.iter_mut().enumerate() {
            *number = no;
            let (sizes, open) = Default::default();
            pools.push(Pool { traits: *traits, sizes, open });
        }
        let mut room = Self { nodes: Vec::with_capacity(working.len()), pools };
        for it in working {
            room.enter(it, numbers[&Traits::of(it)]);
        }
        room
    }

    fn enter(&mut self, it: &'a ClusterNode, pool: usize) {
        let free = |class| it.devices(class).free.min(it.devices(class).usable);
        let free_memory = it.free_memory.get().min(it.memory.get());
        let (free, usable) =
            (DeviceClass::ALL.map(free), DeviceClass::ALL.map(|class| it.devices(class).usable));
        self.pools[pool].sizes.insert((usable, it.memory.get()));
        self.nodes.push(Node { it, pool, free, free_memory, is_closed: true });
        self.open(self.nodes.len() - 1);
    }

    /// The memory of the largest node of this pool that has so many devices for it.
    pub(super) fn largest(&self, pool: usize, class: DeviceClass, devices: u32) -> Option<u64> {
        let Pool { traits, sizes, .. } = &self.pools[pool];
        let serving = traits.serving(class);
        let enough = sizes.iter().filter(|(usable, _)| usable[serving] >= devices);
        enough.map(|(_, memory)| *memory).max()
    }

    /// The node of these pools that has least memory left over, not this one.
    pub(super) fn find(&self, pools: &[usize], need: Need, but: Option<usize>) -> Option<usize> {
        let found = pools.iter().filter_map(|pool| self.find_in(*pool, need, but));
        found.min().map(|(_, node)| node)
    }

    fn find_in(&self, pool: usize, need: Need, but: Option<usize>) -> Option<(u64, usize)> {
        let Pool { traits, open, .. } = &self.pools[pool];
        let serving = traits.serving(need.class);
        let enough = open[serving].get(need.devices.ilog2() as usize)?;
        let fits =
            |node: usize| self.nodes[node].free[serving] >= need.devices && Some(node) != but;
        enough.range((need.memory, 0)..).find(|(_, node)| fits(*node)).copied()
    }

    /// Whether a node has room for this now.
    pub(super) fn fits(&self, node: usize, need: Need) -> bool {
        let it = &self.nodes[node];
        it.free[self.serving(node, need.class)] >= need.devices && it.free_memory >= need.memory
    }

    /// The free memory of a node, and its number: the order in which nodes fit.
    pub(super) fn order(&self, node: usize) -> (u64, usize) {
        (self.nodes[node].free_memory, node)
    }

    /// What a node that is large enough lacks, smallest first; none if it is too small, or if all
    /// its devices are taken, so that nobody could come before.
    pub(super) fn lacks(&self, node: usize, need: Need) -> Option<(u32, u64, usize)> {
        let it = &self.nodes[node];
        let free = it.free[self.serving(node, need.class)];
        if free == 0 || !self.holds_when_empty(node, need) {
            return None;
        }
        let memory = need.memory.saturating_sub(it.free_memory);
        Some((need.devices.saturating_sub(free), memory, node))
    }

    /// Whether a node has room for this when nothing runs there.
    pub(super) fn holds_when_empty(&self, node: usize, need: Need) -> bool {
        let it = &self.nodes[node].it;
        let usable = it.serves_by(need.class).map_or(0, |class| it.devices(class).usable);
        usable >= need.devices && it.memory.get() >= need.memory
    }

    /// Nodes of a pool that are found and have a device free for this class.
    pub(super) fn open_in(&self, pool: usize, class: DeviceClass) -> impl Iterator<Item = usize> {
        let Pool { traits, open, .. } = &self.pools[pool];
        let any = open[traits.serving(class)].first();
        any.into_iter().flatten().map(|(_, node)| *node)
    }

    /// Takes what a job needs.
    pub(super) fn take(&mut self, node: usize, need: Need) {
        let fits = self.fits(node, need);
        holds!(Invariant::Place2, fits, "{} for {need:?}", self.nodes[node].it.incarnation);
        let was_open = !self.nodes[node].is_closed;
        self.close(node);
        let serving = self.serving(node, need.class);
        let it = &mut self.nodes[node];
        it.free[serving] = it.free[serving].saturating_sub(need.devices);
        it.free_memory = it.free_memory.saturating_sub(need.memory);
        if was_open {
            self.open(node);
        }
    }

    /// From now on nobody finds it.
    pub(super) fn close(&mut self, node: usize) {
        if std::mem::replace(&mut self.nodes[node].is_closed, true) {
            return;
        }
        let Self { nodes, pools } = self;
        let it = &nodes[node];
        for (free, sets) in it.free.into_iter().zip(&mut pools[it.pool].open) {
            for set in sets.iter_mut().take(steps(free)) {
                set.remove(&(it.free_memory, node));
            }
        }
    }

    /// It is found again.
    pub(super) fn open(&mut self, node: usize) {
        self.nodes[node].is_closed = false;
        let Self { nodes, pools } = self;
        let it = &nodes[node];
        for (free, sets) in it.free.into_iter().zip(&mut pools[it.pool].open) {
            let steps = steps(free);
            sets.resize_with(sets.len().max(steps), BTreeSet::new);
            for set in sets.iter_mut().take(steps) {
                set.insert((it.free_memory, node));
            }
        }
    }

    pub(super) fn is_closed(&self, node: usize) -> bool {
        self.nodes[node].is_closed
    }

    fn serving(&self, node: usize, class: DeviceClass) -> usize {
        self.pools[self.nodes[node].pool].traits.serving(class)
    }
}

/// Powers of two up to this number.
fn steps(free: u32) -> usize {
    free.checked_ilog2().map_or(0, |step| step as usize + 1)
}
