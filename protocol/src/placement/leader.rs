//! What a leader knows of a cluster, and what it says: a view is made, `place` decides, and each
//! node is told its assignments.
//!
//! What it knows comes late: nodes say every few seconds what they do, and a job that was taken up
//! stands in line for another moment. So a job that left the line counts at the node that it was
//! assigned to until that node says so itself, and one that any node works at waits no more.
//!
//! Of waiting jobs almost none has a holder. A lease is looked at only where a job was assigned and
//! not taken up: somebody may hold it who is gone. Of a job that has begun and that no node works
//! at it is always looked at: until it is known to be free, somebody may.

mod in_line;
mod known;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

pub use self::in_line::InLine;
use self::known::{Flight, Known, LastSaid, age};
use super::{
    Unplaced,
    board::{Assigned, Assignments, Notice, Word},
    place,
    view::{ClusterNode, ClusterView, Devices, Last, Share, WaitingJob},
};
use crate::{
    id::{Incarnation, JobId, TenantId},
    lease::{Lease, LeaseCell, rule::Sighting},
    limits::{FIND_PERIOD_MS, FIND_RESTED, FLIGHT_MS, LEADER_SAY_MS, WAITS_TOLD_MAX},
    presence::{Presence, Standing},
    queue::{DeviceClass, Use, Waiting},
    unit::{ByteCount, Millis},
};

/// A cluster as its leader sees it at one moment.
#[derive(Debug)]
pub struct Seen<'a> {
    /// By the leader's clock, after the last answer came.
    pub now: Millis,
    /// Who is there.
    pub nodes: &'a [&'a Presence],
    /// Who waits, and who has begun.
    pub line: &'a [&'a InLine],
    /// Leases that were [asked](Leader::asks) for, and whether their holders are known to be gone.
    pub cells: Vec<(JobId, LeaseCell, bool)>,
    /// What jobs need that run, by whose they are.
    pub running: BTreeMap<TenantId, u32>,
    /// Shares of tenants; one that is missing has the default.
    pub shares: &'a BTreeMap<TenantId, Share>,
}

/// What a leader says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What nodes are told, where that is due.
    pub rows: Vec<(Incarnation, Assignments)>,
    /// Jobs were assigned that were not before.
    pub new: u64,
    /// What all are told.
    pub notice: Notice,
    /// How many wait, by tenant.
    pub waiting: BTreeMap<TenantId, u64>,
}

/// What one leader remembers.
#[derive(Debug, Clone, Default)]
pub struct Leader {
    known: BTreeMap<JobId, Known>,
    flights: BTreeMap<JobId, Flight>,
    told: BTreeMap<Incarnation, (Assignments, Millis)>,
    beat: u64,
}

impl Leader {
    /// Takes over what an earlier leader told a node.
    pub fn adopt(&mut self, node: &Incarnation, told: &Assignments, line: &[&InLine], now: Millis) {
        for Assigned { job, .. } in &told.jobs {
            let Some(it) = line.iter().find(|it| it.job == *job) else { continue };
            let known = Known::of(it, now);
            let said = LastSaid::Assigned(node.clone(), now);
            self.known.insert(job.clone(), Known { said, ..known });
        }
    }

    /// Jobs whose leases and rows are to be looked at again.
    pub fn asks(&self, now: Millis) -> BTreeSet<JobId> {
        let is_asked = |known: &Known| match known.has_begun {
            true => !known.is_at_work,
            false => {
                known.sighting.is_some()
                    || known.is_suspended
                    || matches!(&known.said, LastSaid::Assigned(_, since)
                        if age(*since, now) >= 2 * FIND_PERIOD_MS)
            }
        };
        let asked = self.known.iter().filter(|(_, known)| is_asked(known));
        asked.map(|(job, _)| job.clone()).collect()
    }

    /// What was told this node did not reach the board.
    pub fn was_not_told(&mut self, node: &Incarnation) {
        self.told.remove(node);
    }

    /// Places the jobs in line.
    pub fn look(&mut self, seen: Seen<'_>, lease: &Lease) -> Said {
        let now = seen.now;
        let at_work = seen.nodes.iter().flat_map(|node| &node.running).collect();
        self.see_line(&seen, &at_work);
        self.see_leases(&seen.cells, now);
        let view = self.view(&seen, &at_work);
        let placement = place(&view);
        let (mut new, mut waits, mut rows) = (0, Vec::new(), BTreeMap::<_, Assignments>::new());
        let name_of: BTreeMap<_, _> =
            seen.nodes.iter().map(|node| (&node.incarnation, &node.node)).collect();
        let named = |node: &Incarnation| name_of.get(node).map_or("", |it| it.as_str()).to_owned();
        for it in &placement.assignments {
            let Some(known) = self.known.get_mut(it.job) else { continue };
            if it.is_new {
                (new, known.said) = (new + 1, LastSaid::Assigned(it.node.clone(), now));
            }
            let assigned = Assigned { job: it.job.clone(), seen: known.vouched() };
            rows.entry(it.node.clone()).or_default().jobs.push(assigned);
            waits.push((it.job.clone(), Waiting::Assigned { node: named(it.node) }));
        }
        for it in &placement.unplaced {
            let Some(known) = self.known.get_mut(it.job) else { continue };
            known.said = match it.why {
                Unplaced::Kept { node } => LastSaid::Kept(node.clone()),
                _ => LastSaid::Nothing,
            };
            if let Unplaced::Kept { node } = it.why {
                rows.entry(node.clone()).or_default().is_kept = true;
            }
            waits.push((it.job.clone(), waiting(it.why, named)));
        }
        waits.truncate(WAITS_TOLD_MAX);
        let mut by_tenant = BTreeMap::new();
        for job in &view.jobs {
            *by_tenant.entry(job.tenant.clone()).or_default() += 1;
        }
        self.beat += 1;
        let word = Word { epoch: lease.epoch, beat: self.beat };
        let notice = Notice { word, leader: lease.owner.clone(), waits };
        let rows = self.due(&seen, rows, word);
        Said { rows, new, notice, waiting: by_tenant }
    }

    /// Those who came, and those who went: where to, if they were assigned.
    fn see_line(&mut self, seen: &Seen<'_>, at_work: &BTreeSet<&JobId>) {
        let now = seen.now;
        let (mut earlier, mut begun) = (std::mem::take(&mut self.known), Vec::new());
        for it in seen.line {
            let mut known = Known::of(it, now);
            match earlier.remove(&it.job) {
                Some(before) if before.has_begun == it.has_begun => known = before,
                Some(before) => begun.push((it.job.clone(), before)),
                None => {}
            }
            if known.is_suspended != it.is_suspended {
                (known.is_suspended, known.since) = (it.is_suspended, now);
            }
            known.is_at_work = at_work.contains(&it.job);
            if known.is_at_work {
                (known.said, known.is_seen) = (LastSaid::Nothing, false);
            }
            self.known.insert(it.job.clone(), known);
        }
        for (job, known) in earlier.into_iter().chain(begun) {
            if let LastSaid::Assigned(node, _) = known.said {
                let Known { demand, tenant, .. } = known;
                self.flights.insert(job, Flight { node, demand, tenant, since: now });
            }
        }
        let is_there = |node: &Incarnation| seen.nodes.iter().any(|it| it.incarnation == *node);
        self.flights.retain(|job, it| {
            age(it.since, now) < FLIGHT_MS && is_there(&it.node) && !at_work.contains(job)
        });
    }

    fn see_leases(&mut self, cells: &[(JobId, LeaseCell, bool)], now: Millis) {
        for (job, cell, is_orphan) in cells {
            let Some(known) = self.known.get_mut(job) else { continue };
            let before = known.sighting.take();
            let has_grown = before.as_ref().is_some_and(|it| it.cell.epoch < cell.epoch);
            let is_held = cell.owner.is_some() || known.has_begun;
            known.taken = match is_held && cell.renewals >= FIND_RESTED {
                true => 0,
                false => known.taken.saturating_add(u32::from(has_grown)),
            };
            let sighting = match before {
                Some(before) => before.look(cell.clone(), now),
                None => Sighting::first(cell.clone(), now),
            };
            if sighting.since == now {
                known.since = now;
            }
            (known.sighting, known.is_orphan, known.is_seen) = (Some(sighting), *is_orphan, true);
            // Whoever holds it took it up; it waits on until its row or its node says so.
            if known.is_free(now) {
                self.flights.remove(job);
            } else if let LastSaid::Assigned(node, _) =
                std::mem::replace(&mut known.said, LastSaid::Nothing)
            {
                let (demand, tenant) = (known.demand, known.tenant.clone());
                self.flights.insert(job.clone(), Flight { node, demand, tenant, since: now });
            }
        }
    }

    /// The cluster, with what was said.
    fn view(&self, seen: &Seen<'_>, at_work: &BTreeSet<&JobId>) -> ClusterView {
        let now = seen.now;
        let is_free = |it: &&&InLine| {
            !at_work.contains(&it.job)
                && self.known.get(&it.job).is_some_and(|known| known.is_free(now))
        };
        let mut tenants = seen.shares.clone();
        for (tenant, used) in &seen.running {
            tenants.entry(tenant.clone()).or_default().used += used;
        }
        for flight in self.flights.values() {
            tenants.entry(flight.tenant.clone()).or_default().used += flight.demand.devices;
        }
        let nodes = seen.nodes.iter().filter(|node| node.is_led);
        let nodes: Vec<_> = nodes.map(|node| self.as_node(node)).collect();
        let jobs = seen.line.iter().filter(is_free);
        let jobs = jobs.filter_map(|it| self.as_waiting(it, now)).map(|it| as_parted(it, &nodes));
        ClusterView { jobs: jobs.collect(), nodes, tenants }
    }

    fn as_waiting(&self, it: &InLine, now: Millis) -> Option<WaitingJob> {
        let known = self.known.get(&it.job)?;
        let last = match &known.said {
            LastSaid::Nothing => Last::Nothing,
            LastSaid::Assigned(node, since) => {
                Last::Assigned { node: node.clone(), ago: Millis(age(*since, now)) }
            }
            LastSaid::Kept(node) => Last::Kept { node: node.clone() },
        };
        Some(WaitingJob {
            job: it.job.clone(),
            tenant: it.tenant.clone(),
            turn: it.turn,
            gang: NonZeroU32::new(it.turn.demand.devices).unwrap_or(NonZeroU32::MIN),
            residency: it.regions.clone(),
            may_use_spot: it.may_use_spot,
            began_in: it.stays_in.clone(),
            waited_for_class: Millis(age(known.since, now)),
            near: None,
            rests: known.rests(now),
            last,
        })
    }

    fn as_node(&self, node: &Presence) -> ClusterNode {
        let count = |class, is: &dyn Fn(Use) -> bool| {
            let all = node.devices.iter().filter(|it| it.class == class && is(it.used));
            u32::try_from(all.count()).unwrap_or(u32::MAX)
        };
        let devices = |class| Devices {
            usable: count(class, &|used| used != Use::Aside),
            free: count(class, &|used| used == Use::Free),
            numerics: node.numerics.get(&class).cloned().unwrap_or_default(),
        };
        let standing = match node.is_full {
            true => Standing::Cordoned,
            false => node.standing,
        };
        let mut it = ClusterNode {
            incarnation: node.incarnation.clone(),
            name: node.node.clone(),
            region: node.region.clone(),
            zone: node.zone.clone(),
            is_spot: node.is_spot,
            standing,
            cpus: devices(DeviceClass::Cpu),
            gpus: devices(DeviceClass::Gpu),
            memory: node.memory,
            free_memory: node.free_memory,
        };
        for flight in self.flights.values().filter(|it| it.node == node.incarnation) {
            let devices = match it.serves_by(flight.demand.class) {
                Some(DeviceClass::Gpu) => &mut it.gpus,
                _ => &mut it.cpus,
            };
            devices.free = devices.free.saturating_sub(flight.demand.devices);
            let left = it.free_memory.get().saturating_sub(flight.demand.memory.get());
            it.free_memory = ByteCount(left);
        }
        it
    }

    /// Rows that are not as they were written last, or were long ago.
    fn due(
        &mut self,
        seen: &Seen<'_>,
        mut rows: BTreeMap<Incarnation, Assignments>,
        word: Word,
    ) -> Vec<(Incarnation, Assignments)> {
        let mut due = Vec::new();
        let mut earlier = std::mem::take(&mut self.told);
        for node in seen.nodes.iter().filter(|node| node.is_led) {
            let told = Assignments { word, ..rows.remove(&node.incarnation).unwrap_or_default() };
            let before = earlier.remove(&node.incarnation);
            let stands = before.filter(|(before, at)| {
                let is_same = (&before.jobs, before.is_kept) == (&told.jobs, told.is_kept);
                is_same && age(*at, seen.now) < LEADER_SAY_MS
            });
            let told = stands.unwrap_or_else(|| {
                due.push((node.incarnation.clone(), told.clone()));
                (told, seen.now)
            });
            self.told.insert(node.incarnation.clone(), told);
        }
        due
    }
}

fn waiting(why: Unplaced<'_>, named: impl Fn(&Incarnation) -> String) -> Waiting {
    match why {
        Unplaced::NoNode => Waiting::NoNode,
        Unplaced::Region => Waiting::Region,
        Unplaced::OnlySpot => Waiting::OnlySpot,
        Unplaced::Gang => Waiting::Gang,
        Unplaced::Rests => Waiting::Rest,
        Unplaced::Quota => Waiting::Quota,
        Unplaced::Class => Waiting::NumericsClass,
        Unplaced::Kept { node } => Waiting::Kept { node: named(node) },
        Unplaced::Room => Waiting::Room,
    }
}

/// A job that needs more devices than any node has where it may be takes all of the largest, as in
/// the queue of that node.
fn as_parted(job: WaitingJob, nodes: &[ClusterNode]) -> WaitingJob {
    let usable = |node: &ClusterNode| {
        let class = node.serves_by(job.turn.demand.class)?;
        NonZeroU32::new(node.devices(class).usable)
    };
    let most = nodes.iter().filter(|node| job.may_be_at(node)).filter_map(usable).max();
    WaitingJob { gang: job.gang.min(most.unwrap_or(NonZeroU32::MIN)), ..job }
}

#[cfg(test)]
mod tests;
