//! Who looks at the whole cluster and says where jobs should run, with the very rule of
//! `placement.rs`. It only says so: in this world every node takes up whatever it sees.
//!
//! Regions, tenants, quotas, gangs and numerics classes of nodes and jobs are made up here, each by
//! dice of its own; what is free is what the nodes' queues say.

use std::num::NonZeroU32;

use tgs_protocol::{
    engine::NumericsClass,
    id::{JobId, TenantId},
    placement::{
        ClusterNode, ClusterView, Devices, Last, Placement, Share, Unplaced, WaitingJob, place,
    },
    presence::Standing,
    queue::{DeviceClass, Turn, Use},
    residency::Residency,
    unit::Millis,
};

use super::{World, bytes, flaw::Flaw, node::Node, store::JobNo};
use crate::dice::Dice;

/// What it remembers of its last answer.
#[derive(Debug, Default)]
pub(super) struct Scheduler {
    /// When it looks next.
    due_ms: u64,
    /// What was said of jobs, and since when.
    said: Vec<(JobNo, Last, u64)>,
}

impl World<'_> {
    /// Looks at the cluster, if it is time.
    pub(super) fn schedule(&mut self) {
        if self.now_ms < self.scheduler.due_ms {
            return;
        }
        self.scheduler.due_ms = self.now_ms + PERIOD_MS;
        let waiting = self.whoever_has_no_seat();
        if waiting.is_empty() {
            return self.scheduler.said.clear();
        }
        let view = self.as_it_is(&waiting);
        let seen = as_seen(view.clone(), self.flaw);
        let placement = self.watchman.watching(|| place(&seen));
        self.watchman.placed(&view, &placement);
        let said = said_of(&placement).into_iter();
        let said = said
            .filter_map(|(job, last, is_new)| Some((self.store.ever_named(job)?, last, is_new)));
        self.scheduler.heed(said.collect(), self.now_ms);
    }

    fn whoever_has_no_seat(&self) -> Vec<JobNo> {
        let open = self.store.open.iter().copied();
        let has_seat = |job: JobNo| {
            let name = &self.store.jobs[job.at()].row.id;
            self.nodes.iter().any(|node| node.queue.seat(name).is_some())
        };
        open.filter(|job| !has_seat(*job)).collect()
    }

    fn as_it_is(&self, waiting: &[JobNo]) -> ClusterView {
        let nodes = self.nodes.iter().filter(|node| node.is_up);
        let times = self.weather.times();
        let tenants = (0..TENANTS).map(|no| (tenant(no), share(self.seed, no, times)));
        ClusterView {
            nodes: nodes.map(|node| as_node(self.seed, node)).collect(),
            jobs: waiting.iter().map(|job| self.as_waiting(*job)).collect(),
            tenants: tenants.collect(),
        }
    }

    fn as_waiting(&self, job: JobNo) -> WaitingJob {
        let row = &self.store.jobs[job.at()].row;
        let order = self.orders[job.at()];
        let mut dice = stream(self.seed, ORDER + u64::from(order));
        let (_, demand) = bytes::needs(self.seed, order);
        let (priority, accepted_at) = (row.priority, row.accepted_at);
        let region = (dice.below(2) == 0).then(|| dice.below(REGIONS).to_string());
        let last = self.scheduler.said.iter().find(|(it, ..)| *it == job);
        let last = last.map(|(_, last, since_ms)| match last.clone() {
            Last::Assigned { node, .. } => {
                Last::Assigned { node, ago: Millis(self.now_ms - since_ms) }
            }
            last => last,
        });
        WaitingJob {
            job: row.id.clone(),
            tenant: tenant(dice.below(TENANTS)),
            turn: Turn { priority, accepted_at, demand, left: None },
            gang: NonZeroU32::MIN.saturating_add(u32::from(dice.below(4) == 0)),
            residency: Residency(region.into_iter().collect()),
            may_use_spot: dice.below(3) > 0,
            began_in: (dice.below(3) == 0).then(|| numerics(&mut dice)),
            waited_for_class: Millis(self.now_ms - self.came_at_ms[job.at()]),
            near: None,
            rests: Millis(0),
            last: last.unwrap_or_default(),
        }
    }
}

impl Scheduler {
    /// Remembers what was said, and since when it stands.
    fn heed(&mut self, said: Vec<(JobNo, Last, bool)>, now_ms: u64) {
        let earlier = std::mem::take(&mut self.said);
        let since_ms = |job| earlier.iter().find(|(it, ..)| *it == job).map(|it| it.2);
        let said = said.into_iter().map(|(job, last, is_new)| {
            (job, last, since_ms(job).filter(|_| !is_new).unwrap_or(now_ms))
        });
        self.said = said.collect();
    }
}

/// What the scheduler takes the cluster for.
fn as_seen(mut view: ClusterView, flaw: Option<Flaw>) -> ClusterView {
    match flaw {
        Some(Flaw::PlacesAnywhere) => {
            view.jobs.iter_mut().for_each(|job| job.residency = Residency::default());
        }
        Some(Flaw::PromisesTwice) => {
            for node in &mut view.nodes {
                (node.cpus.free, node.gpus.free) = (node.cpus.usable, node.gpus.usable);
                node.free_memory = node.memory;
            }
        }
        Some(Flaw::ForgetsQuotas) => view.tenants.clear(),
        _ => {}
    }
    view
}

/// What jobs are told, and whether it is new.
fn said_of<'a>(placement: &Placement<'a>) -> Vec<(&'a JobId, Last, bool)> {
    let assigned = placement.assignments.iter().map(|it| {
        let last = Last::Assigned { node: it.node.clone(), ago: Millis(0) };
        (it.job, last, it.is_new)
    });
    let kept = placement.unplaced.iter().filter_map(|it| match it.why {
        Unplaced::Kept { node } => Some((it.job, Last::Kept { node: node.clone() }, true)),
        _ => None,
    });
    assigned.chain(kept).collect()
}

fn as_node(seed: u64, node: &Node) -> ClusterNode {
    let mut dice = stream(seed, NODE + u64::from(node.no));
    let seats = node.queue.seats();
    let mut devices = |class| {
        let uses = seats.each().filter(|(its, _)| *its == class).map(|(_, used)| used);
        let uses: Vec<Use> = uses.collect();
        let count = |is: &dyn Fn(&&Use) -> bool| uses.iter().filter(is).count() as u32;
        Devices {
            usable: count(&|it| **it != Use::Aside),
            free: count(&|it| **it == Use::Free),
            numerics: [numerics(&mut dice)].into(),
        }
    };
    let (cpus, gpus) = (devices(DeviceClass::Cpu), devices(DeviceClass::Gpu));
    ClusterNode {
        incarnation: node.incarnation.as_ref().clone(),
        name: format!("node-{}", node.no),
        region: dice.below(REGIONS).to_string(),
        zone: String::new(),
        is_spot: dice.below(2) == 0,
        standing: if node.is_draining { Standing::Leaving } else { Standing::Working },
        cpus,
        gpus,
        memory: node.premises().memory,
        free_memory: seats.free_memory(),
    }
}

pub(super) fn share(seed: u64, tenant: u64, times: u32) -> Share {
    let mut dice = stream(seed, TENANT + tenant);
    let weight = NonZeroU32::MIN.saturating_add(dice.below(3) as u32);
    Share { weight, used: 0, quota: Some(dice.within(1, 3) as u32 * times) }
}

pub(super) fn tenant(no: u64) -> TenantId {
    TenantId::new(format!("tenant-{no}"))
}

/// Most devices that the tenant of an order may have, in a world that is led.
pub(super) fn quota_of(seed: u64, order: u32, times: u32) -> u32 {
    share(seed, whose(seed, order), times).quota.unwrap_or(u32::MAX)
}

/// Whose an order is, in a world that is led.
pub(super) fn tenant_of(seed: u64, order: u32) -> TenantId {
    tenant(whose(seed, order))
}

fn whose(seed: u64, order: u32) -> u64 {
    stream(seed, WHOSE + u64::from(order)).below(TENANTS)
}

fn numerics(dice: &mut Dice) -> NumericsClass {
    NumericsClass(dice.below(2).to_string())
}

fn stream(seed: u64, of: u64) -> Dice {
    Dice::of_seed(seed).apart(SCHEDULER).apart(of)
}

/// How often it looks.
const PERIOD_MS: u64 = 5_000;
const REGIONS: u64 = 2;
pub(super) const TENANTS: u64 = 2;
/// The stream of dice that make up what it sees, and within it those of nodes, tenants and orders.
const SCHEDULER: u64 = 0x5c4e_d01e;
const NODE: u64 = 1 << 32;
const TENANT: u64 = 2 << 32;
const ORDER: u64 = 3 << 32;
const WHOSE: u64 = 4 << 32;
