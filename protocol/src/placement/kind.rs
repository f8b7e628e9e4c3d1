//! Kinds of jobs: those that the same walls keep from the same nodes.
//!
//! What one job of a kind learned holds for all of them until something is set free: where none of
//! it found room, none that needs as much memory is looked for again.

use std::collections::BTreeMap;

use super::{
    Unplaced,
    room::{Need, Room, Traits},
    view::{Site, WaitingJob},
};
use crate::{
    engine::NumericsClass, limits::CLASS_WAIT_MAX_MS, queue::DeviceClass, residency::Residency,
};

/// All kinds that wait.
#[derive(Debug, Default)]
pub(super) struct Kinds<'a> {
    pub all: Vec<Kind<'a>>,
    numbers: BTreeMap<Walls<'a>, usize>,
    /// Pools in order of preference, those that are equal to a job together.
    tastes: BTreeMap<Taste<'a>, Vec<Vec<usize>>>,
}

/// What keeps a job from a pool, however much is free there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Walls<'a> {
    class: DeviceClass,
    devices: u32,
    may_use_spot: bool,
    /// It stays in this numerics class.
    stays_in: Option<&'a NumericsClass>,
    residency: &'a Residency,
}

/// One kind.
#[derive(Debug)]
pub(super) struct Kind<'a> {
    walls: Walls<'a>,
    /// Those that no wall keeps it from, in order.
    pools: Vec<usize>,
    /// The memory of the largest node that has enough devices, or why there is none.
    largest: Result<u64, Unplaced<'a>>,
    /// The one of them for which a node is kept.
    pub keeper: Option<usize>,
    /// So much memory was not found.
    pub unfound: u64,
    /// So much memory was not found to be kept.
    pub unkept: u64,
}

/// What makes a job prefer some pools to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Taste<'a> {
    kind: usize,
    near: Option<&'a Site>,
    began_in: Option<&'a NumericsClass>,
}

impl<'a> Kinds<'a> {
    /// The kind of this job. One that began in a numerics class stays there while a node of it is
    /// there that could ever take it, for a bounded time.
    pub(super) fn of(&mut self, job: &'a WaitingJob, room: &Room<'a>) -> usize {
        let began_in = job.began_in.as_ref();
        let walls = Walls {
            class: job.turn.demand.class,
            devices: job.gang.get(),
            may_use_spot: job.may_use_spot,
            residency: &job.residency,
            stays_in: began_in.filter(|_| job.waited_for_class.get() < CLASS_WAIT_MAX_MS),
        };
        let kind = self.number(walls, room);
        if walls.stays_in.is_some() && self.all[kind].largest.is_err() {
            return self.number(Walls { stays_in: None, ..walls }, room);
        }
        kind
    }

    fn number(&mut self, walls: Walls<'a>, room: &Room<'a>) -> usize {
        if let Some(number) = self.numbers.get(&walls) {
            return *number;
        }
        self.all.push(Kind::of(walls, room));
        self.numbers.insert(walls, self.all.len() - 1);
        self.all.len() - 1
    }

    /// Something was set free: whoever found nothing looks again.
    pub(super) fn forget(&mut self) {
        for kind in &mut self.all {
            (kind.unfound, kind.unkept) = (u64::MAX, u64::MAX);
        }
    }

    /// Pools that a job of this kind may use, in order of its preference.
    pub(super) fn preferred(
        &mut self,
        kind: usize,
        job: &'a WaitingJob,
        room: &Room<'a>,
    ) -> &[Vec<usize>] {
        let taste = Taste { kind, near: job.near.as_ref(), began_in: job.began_in.as_ref() };
        let Self { all, tastes, .. } = self;
        tastes.entry(taste).or_insert_with(|| all[kind].in_order(taste, room))
    }
}

impl<'a> Kind<'a> {
    fn of(walls: Walls<'a>, room: &Room<'a>) -> Self {
        let all = room.pools.iter().enumerate();
        let pools = all.filter(|(_, pool)| walls.let_by(&pool.traits)).map(|(number, _)| number);
        let pools: Vec<_> = pools.collect();
        let largest = pools
            .iter()
            .filter_map(|pool| room.largest(*pool, walls.class, walls.devices))
            .max()
            .ok_or_else(|| walls.why_nobody(room, !pools.is_empty()));
        Self { walls, pools, largest, keeper: None, unfound: u64::MAX, unkept: u64::MAX }
    }

    /// What a job of this kind needs of a node. One that needs more memory than any node has needs
    /// all of the largest: an estimate may be wrong.
    pub(super) fn need(&self, memory: u64) -> Result<Need, Unplaced<'a>> {
        let Walls { class, devices, .. } = self.walls;
        let memory = memory.min(self.largest?);
        Ok(Need { class, devices, memory })
    }

    /// Whether no wall keeps it from this pool.
    pub(super) fn may_use(&self, pool: usize) -> bool {
        self.pools.binary_search(&pool).is_ok()
    }

    /// The open node that lacks least of what a job of this kind needs.
    pub(super) fn soonest(&self, need: Need, room: &Room<'a>) -> Option<(u32, u64, usize)> {
        let nodes = self.pools.iter().flat_map(|pool| room.open_in(*pool, need.class));
        nodes.filter_map(|node| room.lacks(node, need)).min()
    }

    /// Why a job of this kind waits that found no room.
    pub(super) const fn why(&self) -> Unplaced<'a> {
        match self.walls.stays_in {
            Some(_) => Unplaced::Class,
            None => Unplaced::Room,
        }
    }

    fn in_order(&self, taste: Taste<'a>, room: &Room<'a>) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<Distance, Vec<usize>> = BTreeMap::new();
        for pool in &self.pools {
            let distance = self.walls.distance(&room.pools[*pool].traits, taste);
            groups.entry(distance).or_default().push(*pool);
        }
        groups.into_values().collect()
    }
}

/// How far a pool is from what a job would have; less is better, the first that differs decides.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Distance {
    /// It would leave the numerics class that it began in: its bytes may become others.
    leaves_class: bool,
    /// There is no device of its class: it would take many times as long.
    is_stand_in: bool,
    /// Its data lies in another zone (1), or region (2): moving it costs time and money.
    from_data: u8,
    /// A machine that stays, though it may use one that may not. The former are dearer, and wanted
    /// by those that may use nothing else; the latter cost a checkpoint's worth of work at most.
    stays: bool,
    /// There are graphics processors that it does not need: their memory is for those that do.
    wastes_gpu: bool,
}

impl<'a> Walls<'a> {
    fn let_by(&self, pool: &Traits<'a>) -> bool {
        self.residency.allows(pool.region)
            && (self.may_use_spot || !pool.is_spot)
            && self.stays_in.is_none_or(|numerics| pool.computes_in(self.class, numerics))
    }

    fn why_nobody(&self, room: &Room<'a>, is_let_by: bool) -> Unplaced<'a> {
        match is_let_by {
            _ if room.pools.is_empty() => Unplaced::NoNode,
            true => Unplaced::Gang,
            false if room.pools.iter().any(|it| self.residency.allows(it.traits.region)) => {
                Unplaced::OnlySpot
            }
            false => Unplaced::Region,
        }
    }

    fn distance(&self, pool: &Traits<'a>, taste: Taste<'a>) -> Distance {
        let from_data = match taste.near {
            Some(site) if site.region != pool.region => 2,
            Some(site) if site.zone != pool.zone => 1,
            _ => 0,
        };
        let needs_gpu = self.class == DeviceClass::Gpu;
        let leaves = |numerics: &NumericsClass| !pool.computes_in(self.class, numerics);
        Distance {
            leaves_class: taste.began_in.is_some_and(leaves),
            is_stand_in: !pool.has(self.class),
            from_data,
            stays: self.may_use_spot && !pool.is_spot,
            wastes_gpu: !needs_gpu && pool.has(DeviceClass::Gpu),
        }
    }
}
