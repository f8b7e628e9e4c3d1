//! One placement while it is worked out: who has been given what.
//!
//! What stands comes first: assignments, then kept nodes. Then every tenant's jobs are offered
//! what is free, in the order of the line. Within one pass nothing is set free, so what was not
//! found is not looked for again. A job for which a node was kept and that found room sets it free
//! at the end of the pass; then there is another one.
//!
//! Invariants kept here: PLACE-1 (only where it may be), PLACE-3 (whole, within the quota).

mod keep;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    Assignment, Placement, Unplaced, Waits,
    kind::Kinds,
    line::{Line, Next, Place},
    room::{Need, Room},
    view::{ClusterView, Share, WaitingJob},
};
use crate::{
    engine::NumericsClass,
    id::{Incarnation, TenantId},
    invariant::{Invariant, holds},
    presence::Standing,
    unit::Millis,
};

/// What is known so far.
#[derive(Debug)]
pub(super) struct Placer<'a> {
    room: Room<'a>,
    kinds: Kinds<'a>,
    tenants: Vec<Tenant<'a>>,
    /// Each tenant's together, in the order of their turns.
    jobs: Vec<Job<'a>>,
    /// Numbers of nodes.
    names: BTreeMap<&'a Incarnation, usize>,
    assignments: Vec<Assignment<'a>>,
    unplaced: Vec<Waits<'a>>,
    /// Nodes that are to be found again once this pass is over.
    released: Vec<usize>,
    /// A node that was kept for one job is kept for another now.
    has_passed_on: bool,
}

#[derive(Debug)]
struct Tenant<'a> {
    name: &'a TenantId,
    share: Share,
    /// Devices that it has, with those that were assigned or are kept.
    used: u64,
    /// Its jobs.
    jobs: Range<usize>,
    /// Those of them for which a node is kept.
    keeping: Vec<usize>,
}

#[derive(Debug)]
struct Job<'a> {
    it: &'a WaitingJob,
    place: Place<'a>,
    tenant: usize,
    kind: usize,
    /// What it needs, in bytes.
    memory: u64,
    /// It is left alone.
    is_resting: bool,
    /// The node that was told and did not take it up in time.
    late: Option<usize>,
    is_placed: bool,
    /// The node that is kept for it.
    kept: Option<usize>,
}

impl<'a> Placer<'a> {
    /// Nothing is placed yet.
    pub(super) fn of(view: &'a ClusterView) -> Self {
        let room = Room::of(view);
        let names = room.nodes.iter().enumerate().map(|(at, node)| (&node.it.incarnation, at));
        let names: BTreeMap<_, _> = names.collect();
        let mut kinds = Kinds::default();
        let mut tenants = Tenant::all_of(view);
        let numbers: BTreeMap<_, _> = (0..).zip(&tenants).map(|(at, it)| (it.name, at)).collect();
        let jobs = view.jobs.iter().map(|it| {
            let late = it.late_at().and_then(|node| names.get(node).copied());
            Job::of(it, numbers[&it.tenant], kinds.of(it, &room), late)
        });
        let mut jobs: Vec<_> = jobs.collect();
        jobs.sort_unstable_by_key(|job| (job.tenant, job.place));
        let mut first = 0;
        for (at, its) in jobs.chunk_by(|a, b| a.tenant == b.tenant).enumerate() {
            tenants[at].jobs = first..first + its.len();
            first += its.len();
        }
        Self {
            room,
            kinds,
            tenants,
            jobs,
            names,
            assignments: Vec::new(),
            unplaced: Vec::new(),
            released: Vec::new(),
            has_passed_on: false,
        }
    }

    /// Assignments that stand take their room: the node works and has what it takes, the job and
    /// its tenant still may, and it is not long that the node was told. That another node would
    /// suit better now moves nobody.
    pub(super) fn keep_assignments(&mut self) {
        for (job, node) in self.said_last(WaitingJob::stands_at) {
            let Job { it, tenant, memory, is_resting, .. } = self.jobs[job];
            let there = self.room.nodes[node].it;
            let memory = memory.min(there.memory.get());
            let need = Need { class: it.turn.demand.class, devices: it.gang.get(), memory };
            let may =
                !is_resting && it.may_be_at(there) && self.tenants[tenant].may_have(need.devices);
            if may && self.room.fits(node, need) {
                self.assign(job, node, need, false);
            }
        }
    }

    /// Offers what is free, once to each job. True if something was set free by it.
    pub(super) fn pass(&mut self) -> bool {
        self.kinds.forget();
        self.unplaced.clear();
        self.has_passed_on = false;
        let mut line = Line::default();
        for tenant in 0..self.tenants.len() {
            self.come_with(&mut line, tenant, self.tenants[tenant].jobs.start);
        }
        while let Some(Next { job, .. }) = line.next() {
            if let Err(why) = self.offer(job) {
                self.unplaced.push(Waits { job: &self.jobs[job].it.job, why });
            }
            self.come_with(&mut line, self.jobs[job].tenant, job + 1);
        }
        let released = std::mem::take(&mut self.released);
        for node in &released {
            self.room.open(*node);
        }
        self.has_passed_on || !released.is_empty()
    }

    /// What was worked out.
    pub(super) fn answer(self) -> Placement<'a> {
        Placement { assignments: self.assignments, unplaced: self.unplaced }
    }

    /// Jobs with the node that the last placement said, if it works, by their turns.
    fn said_last(
        &self,
        said: impl Fn(&'a WaitingJob) -> Option<&'a Incarnation>,
    ) -> Vec<(usize, usize)> {
        let jobs = self.jobs.iter().enumerate().filter(|(_, job)| !job.is_placed);
        let said = jobs.filter_map(|(at, job)| Some((at, *self.names.get(said(job.it)?)?)));
        let mut said: Vec<_> = said.collect();
        said.sort_unstable_by_key(|(job, _)| self.jobs[*job].place);
        said
    }

    /// A tenant joins the line with the first of its jobs from this one on that is not placed.
    fn come_with(&self, line: &mut Line<'a>, tenant: usize, from: usize) {
        let Tenant { share, used, jobs, .. } = &self.tenants[tenant];
        let next = (from..jobs.end).find(|job| !self.jobs[*job].is_placed);
        if let Some(job) = next {
            let place = self.jobs[job].place;
            line.join(Next { used: *used, weight: share.weight, place, job });
        }
    }

    /// Places a job, or says why it waits.
    fn offer(&mut self, job: usize) -> Result<(), Unplaced<'a>> {
        let Job { tenant, kind, memory, is_resting, kept, .. } = self.jobs[job];
        if is_resting {
            return Err(Unplaced::Rests);
        }
        let need = self.kinds.all[kind].need(memory)?;
        // What is kept for it counts already.
        if kept.is_none() && !self.tenants[tenant].may_have(need.devices) {
            return Err(Unplaced::Quota);
        }
        if let Some(node) = self.find(job, need) {
            self.assign(job, node, need, true);
            return Ok(());
        }
        match self.keep(job, need) {
            Some(node) => Err(Unplaced::Kept { node: &self.room.nodes[node].it.incarnation }),
            None => Err(self.kinds.all[kind].why()),
        }
    }

    /// The node where a job is best placed now: the one kept for it, or one that anybody finds, or
    /// one kept for a later job of the same tenant.
    fn find(&mut self, job: usize, need: Need) -> Option<usize> {
        let Job { kept, late, .. } = self.jobs[job];
        if let Some(kept) = kept.filter(|node| self.room.fits(*node, need)) {
            return Some(kept);
        }
        let open = self.find_open(job, need, late);
        // A node that was told and did not take it up comes last.
        let open = open.or_else(|| late.and_then(|_| self.find_open(job, need, None)));
        open.or_else(|| {
            let fits = self.kept_later(job).filter(|node| self.room.fits(*node, need));
            fits.min_by_key(|node| self.room.order(*node))
        })
    }

    fn find_open(&mut self, job: usize, need: Need, but: Option<usize>) -> Option<usize> {
        let Job { it, kind, .. } = self.jobs[job];
        if need.memory >= self.kinds.all[kind].unfound {
            return None;
        }
        let mut preferred = self.kinds.preferred(kind, it, &self.room).iter();
        let found = preferred.find_map(|pools| self.room.find(pools, need, but));
        if found.is_none() && but.is_none() {
            self.kinds.all[kind].unfound = need.memory;
        }
        found
    }

    /// Nodes that this job may use and that are kept for later ones of the same tenant.
    fn kept_later(&self, job: usize) -> impl Iterator<Item = usize> {
        let Job { tenant, kind, .. } = self.jobs[job];
        let later = self.tenants[tenant].keeping.iter().filter(move |it| **it > job);
        let nodes = later.filter_map(|it| self.jobs[*it].kept);
        nodes.filter(move |node| self.kinds.all[kind].may_use(self.room.nodes[*node].pool))
    }

    pub(super) fn assign(&mut self, job: usize, node: usize, need: Need, is_new: bool) {
        let Job { it, tenant, .. } = self.jobs[job];
        let there = self.room.nodes[node].it;
        let may = it.may_be_at(there) && there.standing == Standing::Working;
        holds!(Invariant::Place1, may, "{} on {}", it.job, there.incarnation);
        self.room.take(node, need);
        if let Some(kept) = self.give_up_kept(job) {
            self.released.push(kept);
        }
        let tenant = &mut self.tenants[tenant];
        holds!(Invariant::Place3, tenant.may_have(need.devices), "{} of {}", it.job, tenant.name);
        tenant.used += u64::from(need.devices);
        self.jobs[job].is_placed = true;
        let traits = &self.room.pools[self.room.nodes[node].pool].traits;
        let leaves = |numerics: &NumericsClass| !traits.computes_in(need.class, numerics);
        self.assignments.push(Assignment {
            job: &it.job,
            node: &there.incarnation,
            is_new,
            leaves_class: it.began_in.as_ref().is_some_and(leaves),
        });
    }
}

impl<'a> Job<'a> {
    fn of(it: &'a WaitingJob, tenant: usize, kind: usize, late: Option<usize>) -> Self {
        Self {
            it,
            place: (it.turn.rank_ms(), &it.job),
            tenant,
            kind,
            memory: it.turn.demand.memory.get(),
            is_resting: it.rests > Millis(0),
            late,
            is_placed: false,
            kept: None,
        }
    }
}

impl<'a> Tenant<'a> {
    /// All of whom a job waits, by name.
    fn all_of(view: &'a ClusterView) -> Vec<Self> {
        let names: BTreeSet<_> = view.jobs.iter().map(|job| &job.tenant).collect();
        let tenants = names.into_iter().map(|name| {
            let share = view.tenants.get(name).copied().unwrap_or_default();
            let used = u64::from(share.used);
            Self { name, share, used, jobs: 0..0, keeping: Vec::new() }
        });
        tenants.collect()
    }

    fn may_have(&self, devices: u32) -> bool {
        let with = self.used.saturating_add(u64::from(devices));
        self.share.quota.is_none_or(|quota| with <= u64::from(quota))
    }
}
