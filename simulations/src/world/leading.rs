//! Who places waiting jobs, in each process of a world that is led: as `actors/src/scheduler.rs`
//! does, around the very rules of `placement/leadership.rs` and `placement/leader.rs`.
//!
//! Every second world is led. In the others nodes take up what they find, as they do in a cluster
//! of an earlier version.

use std::{collections::BTreeMap, rc::Rc};

use tgs_protocol::{
    id::Incarnation,
    job::{JobRow, JobState},
    lease::Lease,
    limits::{FIND_PERIOD_MS, LEADER_LOOK_MS, LEASE_TTL_MS, PRESENCE_PERIOD_MS},
    placement::{
        Share,
        board::{Assigned, Assignments},
        leader::{InLine, Leader, Said, Seen},
        leadership::{Leadership, Office},
    },
    presence::{DeviceAt, Presence, Standing},
    queue::DeviceClass,
    unit::Millis,
};

use super::{
    World,
    board::{BoardOp, BoardReply, Muster},
    bytes,
    event::{Asker, CallNo, Event},
    fault::{Kind, Site},
    flaw::Flaw,
    node::Node,
    scheduler::{TENANTS, share, tenant, tenant_of},
    store::{JobNo, Op, Reply},
    things::FINDERS_FROM,
};
use crate::dice::Dice;

/// One process's part in leading.
#[derive(Debug, Default)]
pub struct Leading {
    leadership: Leadership,
    leader: Leader,
    awaits: Option<(CallNo, Awaits)>,
    /// What was told last, where that is never given up.
    told: BTreeMap<Incarnation, Assignments>,
    /// What it has decided and not said yet.
    unsaid: Vec<(Incarnation, Assignments)>,
}

/// What it waits for.
#[derive(Debug)]
enum Awaits {
    Look,
    /// Sent at this time of its own clock.
    Claim(Millis),
    Renewal(Lease, Millis),
    Muster(Lease),
    Telling(Vec<Incarnation>),
}

impl World<'_> {
    /// Whether nodes of this world have leaders.
    pub(super) fn is_led(&self) -> bool {
        Dice::of_seed(self.seed).apart(LED).below(2) == 0
    }

    /// A node says that it is there, and what it does.
    pub(super) fn say_presence(&mut self, node: u32) {
        let it = &self.nodes[node as usize];
        let (boot, period_ms) = (it.boot, it.lasts_ms(PRESENCE_PERIOD_MS));
        let running = it.shells.iter().map(|(job, _)| self.store.jobs[job.at()].row.id.clone());
        let seats = it.queue.seats();
        let said = Presence {
            node: format!("node-{node}"),
            region: it.region.to_string(),
            standing: it.standing(),
            devices: seats.each().map(|(class, used)| DeviceAt { class, used }).collect(),
            running: running.collect(),
            waiting: it.waiting.len() as u64,
            is_led: true,
            memory: it.premises().memory,
            free_memory: seats.free_memory(),
            is_spot: it.is_spot,
            numerics: DeviceClass::ALL.map(|class| (class, [bytes::numerics()].into())).into(),
            ..Presence::of(it.incarnation.as_ref().clone())
        };
        let op = Op::Board(BoardOp::Say(Rc::new(said)));
        self.call(node, None, FINDERS_FROM + node, op, Asker::Nobody);
        self.plan(period_ms, Event::Say { node, boot });
    }

    /// A look at who leads begins, and at the cluster if it is this node.
    pub(super) fn lead(&mut self, node: u32) {
        let now = self.nodes[node as usize].clock(self.now_ms);
        let it = &mut self.nodes[node as usize];
        if it.standing() != Standing::Working {
            if let Some(lease) = it.leading.leadership.is_lost() {
                let op = Op::Board(BoardOp::Release(Rc::new(lease)));
                self.call(node, None, FINDERS_FROM + node, op, Asker::Nobody);
            }
            return self.lead_later(node);
        }
        match it.leading.leadership.duty(now) {
            Office::Lead(lease) => self.muster(node, lease),
            Office::Renew(lease) => {
                let op = BoardOp::Renew(Rc::new(lease.clone()));
                self.ask_for_leader(node, op, Awaits::Renewal(lease, now));
            }
            Office::Look => {
                it.leading.leader = Leader::default();
                it.leading.told.clear();
                self.ask_for_leader(node, BoardOp::Look, Awaits::Look);
            }
        }
    }

    /// The store answers whoever leads, or would; or he gives the call up.
    pub(super) fn leader_answered(&mut self, node: u32, call: CallNo, reply: Reply) {
        let awaits = &mut self.nodes[node as usize].leading.awaits;
        let Some((_, awaits)) = awaits.take_if(|(no, _)| *no == call) else { return };
        let now = self.clock_of_claims(node);
        match (awaits, reply) {
            (Awaits::Look, Reply::Board(BoardReply::Cell(cell))) => {
                let is_orphan = self.is_orphan(&cell);
                let it = &mut self.nodes[node as usize];
                let is_gone = is_orphan || cell.owner.as_ref() == Some(&*it.incarnation);
                match it.leading.leadership.looked(cell, now, is_gone) {
                    Some(seen) => {
                        let sent = it.clock(self.now_ms);
                        let op = BoardOp::Claim(it.incarnation.clone(), seen);
                        self.ask_for_leader(node, op, Awaits::Claim(sent));
                    }
                    None => self.lead_later(node),
                }
            }
            (Awaits::Claim(sent), Reply::Board(BoardReply::Claimed(Some(lease)))) => {
                self.say(true, |_| format!("node {node} leads in epoch {}", lease.epoch));
                let it = &mut self.nodes[node as usize];
                it.leading.leadership.is_held(lease.clone(), sent);
                self.muster(node, lease);
            }
            (Awaits::Renewal(lease, sent), Reply::Board(BoardReply::Done)) => {
                let it = &mut self.nodes[node as usize];
                it.leading.leadership.is_held(lease.clone(), sent);
                self.muster(node, lease);
            }
            (Awaits::Renewal(..), Reply::Board(_)) => {
                self.nodes[node as usize].leading.leadership.is_lost();
                self.lead_later(node);
            }
            (Awaits::Muster(lease), Reply::Board(BoardReply::Mustered(muster))) => {
                self.place_jobs(node, &lease, muster);
            }
            (Awaits::Telling(nodes), reply) => {
                if !matches!(reply, Reply::Board(BoardReply::Done)) {
                    let leader = &mut self.nodes[node as usize].leading.leader;
                    nodes.iter().for_each(|node| leader.was_not_told(node));
                }
                self.lead_later(node);
            }
            _ => self.lead_later(node),
        }
    }

    fn ask_for_leader(&mut self, node: u32, op: BoardOp, awaits: Awaits) {
        let op = Op::Board(op);
        let call = self.call(node, None, FINDERS_FROM + node, op, Asker::Leader);
        self.nodes[node as usize].leading.awaits = Some((call, awaits));
    }

    fn lead_later(&mut self, node: u32) {
        let it = &self.nodes[node as usize];
        let rest = if it.leading.leadership.leads() { LEADER_LOOK_MS } else { FIND_PERIOD_MS };
        let boot = it.boot;
        self.plan(it.lasts_ms(rest), Event::Lead { node, boot });
    }

    fn muster(&mut self, node: u32, lease: Lease) {
        let it = &self.nodes[node as usize];
        let asks = it.leading.leader.asks(it.clock(self.now_ms));
        let asked = asks.iter().filter_map(|job| self.store.named(job)).collect();
        self.ask_for_leader(node, BoardOp::Muster(asked), Awaits::Muster(lease));
    }

    fn place_jobs(&mut self, node: u32, lease: &Lease, muster: Muster) {
        let Muster { mut nodes, line, cells } = muster;
        let line: Vec<_> = line.into_iter().map(|(job, row)| self.in_line(job, row)).collect();
        let line: Vec<_> = line.iter().map(Rc::as_ref).collect();
        let is_rash = self.flaw == Some(Flaw::VouchesEarly);
        let cells = cells.into_iter().map(|(job, cell)| {
            let is_gone = self.is_orphan(&cell) || is_rash;
            (self.store.jobs[job.at()].row.id.clone(), cell, is_gone)
        });
        let cells = cells.collect();
        let mut running = BTreeMap::new();
        for job in nodes.iter().flat_map(|it| &it.running) {
            let order = self.store.ever_named(job).map_or(0, |job| self.orders[job.at()]);
            *running.entry(tenant_of(self.seed, order)).or_default() += 1;
        }
        let shares: BTreeMap<_, Share> = (0..TENANTS)
            .map(|no| (tenant(no), share(self.seed, no, self.weather.times())))
            .collect();
        if is_rash {
            nodes.iter_mut().for_each(|it| Rc::make_mut(it).running.clear());
        }
        let now = self.clock_of_claims(node);
        let mut leader = std::mem::take(&mut self.nodes[node as usize].leading.leader);
        if self.flaw == Some(Flaw::AssignsForEver) {
            let told = &self.nodes[node as usize].leading.told;
            told.iter().for_each(|(node, told)| leader.adopt(node, told, &line, now));
        }
        let nodes: Vec<_> = nodes.iter().map(Rc::as_ref).collect();
        let seen = Seen { now, nodes: &nodes, line: &line, cells, running, shares: &shares };
        let Said { rows, .. } = self.watchman.watching(|| leader.look(seen, lease));
        let leading = &mut self.nodes[node as usize].leading;
        leading.leader = leader;
        leading.told.extend(rows.iter().cloned());
        if rows.is_empty() {
            return self.lead_later(node);
        }
        leading.unsaid = rows;
        let moment = self.faults.moment(FINDERS_FROM + node, Kind::SPEAK);
        match self.faults.strikes(Site::LeaderStill, moment) {
            Some(dice) => self.stand_still(node, dice),
            None => self.speak(node),
        }
    }

    /// Whoever has decided stands still before he says so, until another one leads.
    fn stand_still(&mut self, node: u32, mut dice: Dice) {
        let ms = dice.within(LEASE_TTL_MS, 4 * LEASE_TTL_MS);
        self.say(true, |_| format!("node {node} leads, and stands still for {ms} ms"));
        let it = &mut self.nodes[node as usize];
        it.still_until_ms = self.now_ms + ms;
        let boot = it.boot;
        self.plan(ms, Event::Speak { node, boot });
    }

    /// What was decided is said.
    pub(super) fn speak(&mut self, node: u32) {
        let rows = std::mem::take(&mut self.nodes[node as usize].leading.unsaid);
        let nodes = rows.iter().map(|(node, _)| node.clone()).collect();
        self.ask_for_leader(node, BoardOp::Assign(rows.into()), Awaits::Telling(nodes));
    }

    /// What a leader reads of a row; made anew only when that is another one.
    fn in_line(&mut self, job: JobNo, row: Rc<JobRow>) -> Rc<InLine> {
        self.lines.resize(self.store.jobs.len(), None);
        if let Some((of, it)) = &self.lines[job.at()]
            && Rc::ptr_eq(of, &row)
        {
            return it.clone();
        }
        let tenant = tenant_of(self.seed, self.orders[job.at()]);
        let it = Rc::new(InLine { tenant, turn: self.turns[job.at()], ..InLine::of(&row) });
        self.lines[job.at()] = Some((row, it.clone()));
        it
    }

    /// What waits here, and was not begun anywhere nor assigned to this node, waits in the store.
    pub(super) fn leave_to_leader(&mut self, node: u32, rows: &[(JobNo, Rc<JobRow>)]) {
        if !self.nodes[node as usize].finding.is_led() {
            return;
        }
        let assigned = self.assigned_to(node);
        let runs = |job: JobNo| {
            let mut all = rows.iter();
            all.any(|(it, row)| *it == job && matches!(row.state, JobState::Running { .. }))
        };
        for job in self.nodes[node as usize].finding.hands.waiting.clone() {
            if !runs(job) && !assigned.iter().any(|(it, _)| *it == job) {
                self.gone_elsewhere(node, job);
            }
        }
    }

    /// Jobs that a leader assigned to a node.
    pub(super) fn assigned_to(&self, node: u32) -> Vec<(JobNo, Assigned)> {
        let told = self.nodes[node as usize].finding.told.iter().flat_map(|told| &told.jobs);
        told.filter_map(|it| Some((self.store.named(&it.job)?, it.clone()))).collect()
    }

    /// Regions that an order is bound to, every third one to one that has a node; and whether it
    /// stays off spot machines, every third one of those for which another machine is there.
    pub(super) fn bounds_of(&self, order: u32) -> (Vec<String>, bool) {
        if !self.is_led() {
            return (Vec::new(), false);
        }
        let dice = |of: u64| Dice::of_seed(self.seed).apart(of).apart(u64::from(order));
        let present: Vec<_> = self.nodes.iter().filter(|node| node.is_present).collect();
        let mut bound = dice(BOUND);
        let is_bound = bound.below(3) == 0;
        let region = bound.pick(&present).filter(|_| is_bound).map(|node| node.region);
        let stays = |node: &&Node| !node.is_spot && region.is_none_or(|it| it == node.region);
        let stays_off = dice(OFF_SPOT).below(3) == 0 && present.iter().any(stays);
        (region.iter().map(u32::to_string).collect(), stays_off)
    }

    /// Whether a job may run on a node.
    pub(super) fn may_be_at(&self, job: JobNo, node: u32) -> bool {
        self.store.jobs[job.at()].row.may_be_on(&self.nodes[node as usize].ground())
    }
}

/// The stream of dice that say whether a world is led, and those that bind orders: to regions, and
/// to machines that stay.
const LED: u64 = 0x1ead;
const BOUND: u64 = 0xb0d5;
const OFF_SPOT: u64 = 0x0ff5;
