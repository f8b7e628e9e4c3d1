//! Who looks for jobs that nobody works at, in each process of the world: as
//! `actors/src/job_finder.rs` does, around the very rule of `lease/finder.rs`. It does one thing
//! after the other, and rests after each look.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};

use tgs_protocol::{
    id::JobId,
    invariant::Invariant,
    job::{JobRow, JobState},
    lease::{
        LeaseCell,
        finder::{Finder, Found},
        rule::Sighting,
    },
    limits::FIND_PERIOD_MS,
    placement::board::{Assigned, Assignments, Hearing},
    presence::Standing,
    queue::{DeviceClass, Turn, Use},
    unit::Millis,
};

use super::{
    World,
    board::{BoardOp, BoardReply},
    event::{Asker, CallNo, Event},
    fault::{Kind, Site},
    flaw::Flaw,
    node::Node,
    store::{JobNo, Op, Reply},
    things::FINDERS_FROM,
};

/// One node's finder.
#[derive(Debug, Default)]
pub struct Finding {
    rule: Finder,
    /// Leases of jobs that wait here, as they were when the jobs were taken up.
    taken: Vec<(JobNo, LeaseCell)>,
    awaits: Option<(CallNo, Awaits)>,
    /// As they were when the present look began.
    pub(super) hands: Hands,
    candidates: Vec<Candidate>,
    /// What is heard of a leader, and what it says; none if none is heard.
    hearing: Hearing,
    pub(super) told: Option<Assignments>,
    /// Jobs that nobody works at and that are still to be taken up in this look.
    free: VecDeque<(JobNo, Sighting)>,
}

impl Finding {
    /// A leader is heard.
    pub fn is_led(&self) -> bool {
        self.told.is_some()
    }
}

/// What is in a node's hands.
#[derive(Debug, Default)]
pub(super) struct Hands {
    pub(super) waiting: Vec<JobNo>,
    running: Vec<JobNo>,
    /// Jobs that run and whose end was ordered when they were looked at.
    ordered_before: Vec<JobNo>,
    free: BTreeMap<DeviceClass, usize>,
    classes: BTreeSet<DeviceClass>,
    standing: Standing,
}

/// A job that has not ended.
#[derive(Debug)]
struct Candidate {
    job: JobNo,
    row: Rc<JobRow>,
    /// This node could begin with it, or have it wait.
    has_room: bool,
    /// What the leader says of it, if it assigned it to this node.
    assigned: Option<Assigned>,
}

/// What a finder waits for.
#[derive(Debug)]
enum Awaits {
    Orders,
    Told,
    List,
    Leases,
    Glance(JobNo, Sighting),
}

/// Leases that one look at waiting jobs reads for each device that is free, and at least.
const CANDIDATES: usize = 4;

impl World<'_> {
    /// A look begins: first at orders to end what is here. Of jobs that wait those are looked at
    /// that nobody can end but whoever takes them over.
    pub(super) fn find(&mut self, node: u32) {
        let it = &self.nodes[node as usize];
        let mut hands = Hands::of(it, &self.turns, self.flaw == Some(Flaw::CountsAside));
        hands.ordered_before = hands.running.clone();
        hands.ordered_before.retain(|job| self.store.jobs[job.at()].is_to_end);
        let finding = &mut self.nodes[node as usize].finding;
        finding.taken.retain(|(job, _)| hands.waiting.contains(job));
        let orphans = finding.taken.iter().map(|(job, _)| *job);
        let jobs: Rc<[JobNo]> = hands.running.iter().copied().chain(orphans).collect();
        finding.hands = hands;
        match jobs.is_empty() || self.flaw == Some(Flaw::IgnoresOrders) {
            true => self.heeded(node),
            false => self.ask_for_finder(node, None, Op::Orders(jobs), Awaits::Orders),
        }
    }

    /// The store answers a finder, or it gives the call up: what cannot be read ends the look.
    pub(super) fn finder_answered(&mut self, node: u32, call: CallNo, reply: Reply) {
        let awaits = &mut self.nodes[node as usize].finding.awaits;
        let Some((_, awaits)) = awaits.take_if(|(no, _)| *no == call) else { return };
        match (awaits, reply) {
            (Awaits::Orders, Reply::Ordered(jobs)) => {
                jobs.into_iter().for_each(|job| self.end_here(node, job));
                self.heeded(node);
            }
            (Awaits::Told, Reply::Board(BoardReply::Told(told))) => {
                let now = self.nodes[node as usize].clock(self.now_ms);
                let finding = &mut self.nodes[node as usize].finding;
                finding.told = finding.hearing.hear(told, now);
                self.ask_for_finder(node, None, Op::Unfinished, Awaits::List);
            }
            (Awaits::List, Reply::Unfinished(rows)) => self.listed(node, rows),
            (Awaits::Leases, Reply::Cells(cells)) => self.leases_read(node, cells),
            (Awaits::Glance(job, sighting), Reply::Glanced(row, is_to_end)) => {
                let is_to_end = is_to_end && self.flaw != Some(Flaw::ClaimsBlindly);
                self.glanced(node, job, (sighting, &row), is_to_end);
                self.take_next(node);
            }
            (Awaits::Glance(..), _) => {
                self.nodes[node as usize].finding.free.clear();
                self.look_ends(node);
            }
            _ => self.look_ends(node),
        }
    }

    fn ask_for_finder(&mut self, node: u32, job: Option<JobNo>, op: Op, awaits: Awaits) {
        let call = self.call(node, job, FINDERS_FROM + node, op, Asker::Finder);
        self.nodes[node as usize].finding.awaits = Some((call, awaits));
    }

    fn look_ends(&mut self, node: u32) {
        let it = &self.nodes[node as usize];
        let boot = it.boot;
        self.plan(it.lasts_ms(FIND_PERIOD_MS), Event::Find { node, boot });
    }

    /// Orders to end were looked for: what had been ordered before ends now.
    fn heeded(&mut self, node: u32) {
        let it = &self.nodes[node as usize];
        for job in &it.finding.hands.ordered_before {
            let shell = it.shell_of(*job).and_then(|no| self.shells[no.at()].as_deref());
            if shell.is_some_and(|shell| shell.machine.is_some() && !shell.is_to_cancel) {
                let facts = format!("node {node} goes on with {job:?}, whose end was ordered");
                self.watchman.broken(Invariant::Job5, facts);
            }
        }
        match self.nodes[node as usize].finding.hands.standing {
            Standing::Working if self.is_led() => {
                let own = self.nodes[node as usize].incarnation.clone();
                self.ask_for_finder(node, None, Op::Board(BoardOp::Told(own)), Awaits::Told);
            }
            Standing::Working => self.ask_for_finder(node, None, Op::Unfinished, Awaits::List),
            _ => self.look_ends(node), // Others take them up.
        }
    }

    /// All that run, and those that wait, in order of their turns; of the latter no more have room
    /// than could begin here.
    fn listed(&mut self, node: u32, mut rows: Vec<(JobNo, Rc<JobRow>)>) {
        self.spoil_list(node, &mut rows);
        self.leave_to_leader(node, &rows);
        let is_led = self.nodes[node as usize].finding.is_led();
        if is_led || self.flaw != Some(Flaw::RunsAnywhere) {
            let ground = self.nodes[node as usize].ground();
            let waits = |row: &JobRow| !matches!(row.state, JobState::Running { .. });
            rows.retain(|(_, row)| !waits(row) || row.may_be_on(&ground));
        }
        let assigned = self.assigned_to(node);
        let said = |job: JobNo| assigned.iter().find(|(it, _)| *it == job).map(|it| it.1.clone());
        let hands = &mut self.nodes[node as usize].finding.hands;
        let (mut waiting, mut candidates) = (Vec::new(), Vec::with_capacity(rows.len()));
        for (job, row) in rows {
            match row.state {
                JobState::Running { .. } => {
                    let assigned = said(job);
                    candidates.push(Candidate { job, row, has_room: true, assigned });
                }
                _ if hands.holds(job) => {}
                _ => waiting.push((self.turns[job.at()].rank_ms(), job, row)),
            }
        }
        waiting.sort_by_key(|(rank, job, _)| (*rank, *job));
        let seats: usize = hands.free.values().sum();
        let looked_at = CANDIDATES.max(seats * CANDIDATES);
        let before = candidates.len();
        for (_, job, row) in waiting {
            let assigned = said(job);
            if is_led && assigned.is_none() {
                continue;
            }
            if !is_led && candidates.len() >= before + looked_at {
                break;
            }
            let has_room = hands.take_seat(self.turns[job.at()].demand.class);
            candidates.push(Candidate { job, row, has_room, assigned });
        }
        let jobs: Rc<[JobNo]> = candidates.iter().map(|it| it.job).collect();
        self.nodes[node as usize].finding.candidates = candidates;
        match jobs.is_empty() {
            true => self.leases_read(node, Vec::new()),
            false => self.ask_for_finder(node, None, Op::Leases(jobs), Awaits::Leases),
        }
    }

    /// Lists follow what they list: some lack a job, or have one that has ended.
    fn spoil_list(&mut self, node: u32, rows: &mut Vec<(JobNo, Rc<JobRow>)>) {
        let moment = self.faults.moment(FINDERS_FROM + node, Kind::LIST);
        let Some(mut dice) = self.faults.strikes(Site::StaleList, moment) else { return };
        let job = JobNo(dice.below(self.store.jobs.len() as u64) as u32);
        let Some(standing) = self.store.jobs.get(job.at()) else { return };
        match rows.iter().position(|(it, _)| *it == job) {
            Some(at) => drop(rows.remove(at)),
            None if standing.row.state.is_final() => rows.push((job, standing.before.clone())),
            None => {}
        }
        self.say(true, |it| format!("the list is an old one about {}", it.name(job)));
    }

    fn leases_read(&mut self, node: u32, mut cells: Vec<Option<LeaseCell>>) {
        let moment = self.faults.moment(FINDERS_FROM + node, Kind::CELLS);
        if let Some(mut dice) = self.faults.strikes(Site::LeasesUnread, moment) {
            cells.iter_mut().filter(|_| dice.below(2) == 0).for_each(|cell| *cell = None);
        }
        let candidates = std::mem::take(&mut self.nodes[node as usize].finding.candidates);
        let mut found = Vec::with_capacity(candidates.len());
        for (Candidate { job, row, has_room, assigned }, cell) in candidates.iter().zip(cells) {
            let Some(cell) = cell else { continue };
            self.leave_to_others(node, *job, row, &cell);
            let is_here = self.nodes[node as usize].finding.hands.holds(*job);
            let (job, is_suspended, has_room) = (row.id.clone(), row.suspended, *has_room);
            let is_orphan = self.is_orphan(&cell);
            found.push(Found {
                job,
                is_suspended,
                is_here,
                has_room,
                is_orphan,
                is_assigned: assigned.is_some(),
                is_vouched: assigned.as_ref().is_some_and(|it| it.seen.as_ref() == Some(&cell)),
                leaves_class: false, // All are of one class.
                cell,
            });
        }
        let now = self.clock_of_claims(node);
        let others = self.taken_at_once(node, now, &found);
        let finding = &mut self.nodes[node as usize].finding;
        let mut free = finding.rule.look(now, found);
        if self.flaw == Some(Flaw::FindsNothing) {
            free.retain(|(_, sighting)| sighting.cell.owner.is_none());
        }
        let job_of = |name| candidates.iter().find(|it| it.row.id == name).map(|it| it.job);
        let free = free.into_iter().chain(others);
        finding.free = free.filter_map(|(name, seen)| Some((job_of(name)?, seen))).collect();
        finding.candidates = candidates;
        self.take_next(node);
    }

    /// Whether nodes know that whoever holds this is gone. In every other world they have links to
    /// each other, which tell that; which are cut in their time is of no account.
    pub(super) fn is_orphan(&self, cell: &LeaseCell) -> bool {
        let Some(owner) = cell.owner.as_ref().filter(|_| self.seed.is_multiple_of(2)) else {
            return false;
        };
        // `node-7.2`: the second boot of node 7.
        let no = owner.as_str().strip_prefix("node-").and_then(|name| name.split('.').next());
        let node = no.and_then(|no| self.nodes.get(no.parse::<usize>().ok()?));
        node.is_some_and(|node| !node.is_up || *node.incarnation != *owner)
    }

    /// The clock by which a node says how long it saw a lease stand still.
    pub(super) fn clock_of_claims(&self, node: u32) -> Millis {
        let now = self.nodes[node as usize].clock(self.now_ms);
        let is_flawed = self.flaw == Some(Flaw::ClaimsEarly);
        if is_flawed { Millis(2 * now.get()) } else { now }
    }

    /// Jobs of others that a node takes whose rule is broken.
    fn taken_at_once(&self, node: u32, now: Millis, found: &[Found]) -> Vec<(JobId, Sighting)> {
        if self.flaw != Some(Flaw::ClaimsAtOnce) {
            return Vec::new();
        }
        let own = &*self.nodes[node as usize].incarnation;
        let is_others = |it: &&Found| it.cell.owner.as_ref().is_some_and(|owner| owner != own);
        let others = found.iter().filter(|it| it.has_room && !it.is_here).filter(is_others);
        others.map(|it| (it.job.clone(), Sighting::first(it.cell.clone(), now))).collect()
    }

    /// A job that waits here and that another node works at need not wait here. One whose holder is
    /// gone is taken up with the lease as it is: it stays until that changes.
    fn leave_to_others(&mut self, node: u32, job: JobNo, row: &JobRow, cell: &LeaseCell) {
        let it = &self.nodes[node as usize];
        let is_others = cell.owner.as_ref().is_some_and(|owner| *owner != *it.incarnation);
        let runs = matches!(row.state, JobState::Running { .. });
        let is_alive = !it.finding.taken.iter().any(|(of, seen)| *of == job && seen == cell);
        if is_others && runs && is_alive && it.finding.hands.waiting.contains(&job) {
            self.gone_elsewhere(node, job);
        }
    }

    /// Rows were read before leases: whoever has just ended or was suspended has none either.
    fn take_next(&mut self, node: u32) {
        match self.nodes[node as usize].finding.free.pop_front() {
            Some((job, seen)) => {
                self.ask_for_finder(node, Some(job), Op::Glance, Awaits::Glance(job, seen));
            }
            None => self.look_ends(node),
        }
    }

    fn glanced(
        &mut self,
        node: u32,
        job: JobNo,
        (sighting, row): (Sighting, &JobRow),
        is_to_end: bool,
    ) {
        let finding = &mut self.nodes[node as usize].finding;
        let seen = finding.candidates.iter().find(|it| it.job == job);
        let was_suspended = seen.is_some_and(|it| it.row.suspended);
        if row.state.is_final() || row.suspended != was_suspended {
            return;
        }
        if !self.may_be_at(job, node) && !is_to_end && self.flaw != Some(Flaw::RunsAnywhere) {
            return; // To end it nothing of it is read.
        }
        let finding = &mut self.nodes[node as usize].finding;
        finding.taken.retain(|(of, _)| *of != job);
        finding.taken.push((job, sighting.cell.clone()));
        self.take_up(node, job, sighting, is_to_end);
    }
}

impl Hands {
    fn of(node: &Node, turns: &[Turn], counts_aside: bool) -> Self {
        let running: Vec<JobNo> = node.shells.iter().map(|(job, _)| *job).collect();
        let seats = || node.queue.seats().each();
        let (waiting, standing) = (node.waiting.clone(), node.standing());
        let mut free = BTreeMap::new();
        if standing == Standing::Working {
            for (class, _) in seats().filter(|(_, used)| *used == Use::Free) {
                *free.entry(class).or_insert(0) += 1;
            }
        }
        // Whoever waits here for a device of a class comes first.
        for job in &waiting {
            free.remove(&turns[job.at()].demand.class);
        }
        // Where all devices of a class are set aside, another device serves: as the queue has it.
        let is_used = |(_, used): &(DeviceClass, Use)| *used != Use::Aside || counts_aside;
        let classes = seats().filter(is_used).map(|(class, _)| class).collect();
        Self { waiting, running, ordered_before: Vec::new(), free, classes, standing }
    }

    fn holds(&self, job: JobNo) -> bool {
        self.waiting.contains(&job) || self.running.contains(&job)
    }

    /// Takes a seat of this class, or of any where the node has none of it; false if none is free.
    fn take_seat(&mut self, class: DeviceClass) -> bool {
        let has_class = self.classes.contains(&class);
        let serves = |it: &DeviceClass| *it == class || !has_class;
        let mut free = self.free.iter_mut();
        let Some((_, free)) = free.find(|(it, free)| serves(it) && **free > 0) else {
            return false;
        };
        *free -= 1;
        true
    }
}
