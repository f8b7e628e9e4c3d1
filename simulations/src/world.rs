//! A made-up world: nodes, a store, people and weather, by seed. The rules are those of
//! `tgs-protocol`: jobs, leases, checkpoints, chunks, the queue.
//!
//! Whatever happens is an event; events happen one after the other, so a seed repeats a world to
//! the last event. After each the watchman looks whether a promise was broken.

mod bytes;
mod calendar;
mod event;
mod labour;
mod node;
mod shell;
mod store;
mod watchman;
mod weather;

use std::collections::BTreeMap;

use tgs_protocol::{
    code::Code,
    id::JobId,
    job::JobRow,
    lease::rule::Duty,
    limits::LEASE_TICK_MS,
    queue::{Demand, DeviceClass, Priority, Turn},
    unit::{ByteCount, Timestamp},
};

use self::{
    calendar::Calendar,
    event::{Asker, Call, CallNo, Event, Letter, ShellNo},
    node::Node,
    shell::Shell,
    store::{Op, Reply, Store},
    watchman::Watchman,
};
pub use self::{store::Flaw, watchman::Violation, weather::Weather};
use crate::dice::Dice;

/// Rules that the world's own actors break, beside those of its store.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flaws {
    /// Of the store.
    pub store: Option<Flaw>,
    /// A lease is claimed without waiting for its holder.
    pub claims_at_once: bool,
}

/// How a world went.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Events that happened.
    pub events: u64,
    /// A digest of them all, in order: the same seed gives the same.
    pub log: u64,
    /// How each job ended.
    pub ends: BTreeMap<String, String>,
    /// Promises that were broken.
    pub violations: Vec<Violation>,
}

/// Everything there is.
pub(crate) struct World {
    seed: u64,
    now_ms: u64,
    calendar: Calendar<Event>,
    dice: Dice,
    weather: Weather,
    flaws: Flaws,
    store: Store,
    nodes: Vec<Node>,
    shells: BTreeMap<ShellNo, Shell>,
    calls: BTreeMap<CallNo, Call>,
    watchman: Watchman,
    numbers: u64,
    events: u64,
    log: u64,
}

/// Lives through the world of a seed.
pub fn simulate(seed: u64, weather: &Weather, flaws: Flaws) -> Course {
    let mut world = World::new(seed, weather.clone(), flaws);
    world.begin_all();
    world.live();
    let ends = world.store.jobs.values();
    let ends = ends.map(|it| (it.row.id.to_string(), it.row.state.to_string())).collect();
    let World { events, log, watchman, .. } = world;
    Course { events, log, ends, violations: watchman.violations }
}

impl World {
    fn new(seed: u64, weather: Weather, flaws: Flaws) -> Self {
        let mut dice = Dice::of_seed(seed);
        let drift = i64::from(weather.drift);
        let mut node = |no| {
            let ahead = dice.below(2 * weather.drift as u64 + 1) as i64 - drift;
            Node::new(no, weather.devices, ahead)
        };
        let nodes = (0..weather.nodes).map(&mut node).collect();
        Self {
            seed,
            now_ms: 0,
            calendar: Calendar::default(),
            dice,
            flaws,
            store: Store::new(flaws.store),
            nodes,
            shells: BTreeMap::new(),
            calls: BTreeMap::new(),
            watchman: Watchman::default(),
            numbers: 0,
            events: 0,
            log: seed,
            weather,
        }
    }

    fn begin_all(&mut self) {
        for no in 0..self.nodes.len() {
            self.plan(0, Event::Boot(no));
            self.plan_trouble(no);
        }
        for no in 0..self.weather.jobs {
            let at_ms = self.dice.below(self.weather.calm_at_ms / 2 + 1);
            self.plan(at_ms, Event::Submit(no));
            if self.dice.happens(self.weather.submitted_twice) {
                let again = at_ms + self.dice.below(60_000);
                self.plan(again, Event::Submit(no));
            }
            if self.dice.happens(self.weather.cancelled) {
                let later = at_ms + self.dice.below(120_000);
                self.plan(later, Event::Cancel(name(no)));
            }
        }
    }

    fn plan_trouble(&mut self, node: usize) {
        let (crash, freeze) = (self.weather.crash_every_ms, self.weather.freeze_every_ms);
        for (every_ms, event) in [(crash, Event::Crash(node)), (freeze, Event::Freeze(node))] {
            if every_ms > 0 {
                let after = self.dice.below(2 * every_ms);
                self.plan(after, event);
            }
        }
    }

    fn live(&mut self) {
        let end_ms = self.weather.calm_at_ms + self.weather.patience_ms;
        while let Some((at_ms, event)) = self.calendar.next() {
            self.now_ms = at_ms;
            if at_ms > end_ms || !self.watchman.violations.is_empty() {
                break;
            }
            self.happen(event);
            if self.is_calm() && self.all_have_ended() {
                break;
            }
        }
        if self.watchman.violations.is_empty() {
            self.watchman.at_the_end(self.now_ms, &self.store);
        }
    }

    fn all_have_ended(&self) -> bool {
        let submitted = self.store.jobs.len() as u64 == self.weather.jobs;
        submitted && self.store.jobs.values().all(|it| it.row.state.is_final())
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.now_ms >= self.weather.calm_at_ms
    }

    pub(crate) fn plan(&mut self, after_ms: u64, event: Event) {
        self.calendar.plan(self.now_ms + after_ms, event);
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn happen(&mut self, event: Event) {
        if let Some(node) = self.place_of(&event)
            && !self.nodes[node].is_awake(self.now_ms)
        {
            let until = self.nodes[node].frozen_until_ms;
            if self.nodes[node].is_up {
                self.calendar.plan(until, event);
            }
            return;
        }
        self.note(&event);
        match event {
            Event::Reach(call) => self.reach(call),
            Event::Answer(call) => self.answer(call),
            Event::Letter(shell, letter) => self.with(shell, |_, it| it.letters.push_back(letter)),
            Event::Toil(shell, work_no) => self.with(shell, |world, it| world.toil(it, work_no)),
            Event::Tick { node, boot } => self.tick(node, boot),
            Event::Crash(node) => self.crash(node),
            Event::Boot(node) => self.boot(node),
            Event::Freeze(node) => self.freeze(node),
            Event::Submit(no) => self.submit(no),
            Event::Cancel(job) => self.cancel(&job),
        }
    }

    /// Where an event happens, if it happens inside a process.
    fn place_of(&self, event: &Event) -> Option<usize> {
        let of_shell = |shell: &ShellNo| self.shells.get(shell).map(|it| it.node);
        match event {
            Event::Answer(call) => self.calls.get(call).and_then(|call| of_shell(&call.shell)),
            Event::Letter(shell, _) | Event::Toil(shell, _) => of_shell(shell),
            Event::Tick { node, .. } => Some(*node),
            _ => None,
        }
    }

    /// One more line of the log, as a digest of all lines.
    fn note(&mut self, event: &Event) {
        self.events += 1;
        let (kind, number) = match event {
            Event::Reach(call) => (1, call.0),
            Event::Answer(call) => (2, call.0),
            Event::Letter(shell, _) => (3, shell.0),
            Event::Toil(shell, work_no) => (4, shell.0 << 20 | work_no),
            Event::Tick { node, boot } => (5, (*node as u64) << 20 | boot),
            Event::Crash(node) => (6, *node as u64),
            Event::Boot(node) => (7, *node as u64),
            Event::Freeze(node) => (8, *node as u64),
            Event::Submit(no) => (9, *no),
            Event::Cancel(_) => (10, 0),
        };
        self.log = Dice::of_seed(self.log ^ self.now_ms << 8 ^ number << 4 ^ kind).any();
    }

    /// Lets a supervisor do something, and go on until it waits.
    fn with(&mut self, shell: ShellNo, act: impl FnOnce(&mut Self, &mut Shell)) {
        let Some(mut it) = self.shells.remove(&shell) else { return };
        act(self, &mut it);
        self.pump(&mut it);
        if !it.has_left {
            self.shells.insert(shell, it);
            return;
        }
        let node = &mut self.nodes[it.node];
        node.shells.remove(&it.job);
        for start in node.queue.leave(&it.job) {
            self.supervise(it.node, start.job, false);
        }
    }

    /// A call on its way to the store.
    pub(crate) fn call(&mut self, shell: &Shell, op: Op, asker: Asker) -> CallNo {
        let no = CallNo(self.number());
        let call = Call { shell: shell.no, job: shell.job.clone(), op, asker, reply: None };
        self.calls.insert(no, call);
        let is_slow = !self.is_calm() && self.dice.happens(self.weather.call_slow);
        let after = if is_slow { self.dice.within(1, 30_000) } else { self.dice.within(0, 5) };
        self.plan(after, Event::Reach(no));
        no
    }

    fn reach(&mut self, no: CallNo) {
        let Some(mut call) = self.calls.remove(&no) else { return };
        let is_calm = self.is_calm();
        let mut falls = |rate| !is_calm && self.dice.happens(rate);
        let is_write = !matches!(call.op, Op::Look | Op::Read);
        let reply = if falls(self.weather.call_lost) {
            Reply::Failed(Code::StoreSilent)
        } else if is_write && falls(self.weather.disk_full) {
            Reply::Failed(Code::DiskFull)
        } else {
            let is_lost = falls(self.weather.answer_lost);
            let before = self.store.jobs.get(&call.job).cloned();
            let reply = self.store.perform(&call.job, &call.op);
            if let (Some(before), Some(after)) = (before, self.store.jobs.get(&call.job)) {
                self.watchman.saw(self.now_ms, &before, &call.op, &reply, after);
            }
            if is_lost { Reply::Failed(Code::StoreSilent) } else { reply }
        };
        call.reply = Some(reply);
        self.calls.insert(no, call);
        let after = self.dice.within(0, 5);
        self.plan(after, Event::Answer(no));
    }

    fn answer(&mut self, no: CallNo) {
        let Some(Call { shell, op, asker, reply: Some(reply), .. }) = self.calls.remove(&no) else {
            return;
        };
        self.with(shell, |world, it| match asker {
            Asker::Shell { sent } => {
                if it.waiting == Some(no) {
                    world.answered(it, &op, reply, sent);
                }
            }
            Asker::Work { work_no } => world.work_answered(it, work_no, &op, reply),
            Asker::Keeper { sent } => {
                it.is_renewing = false;
                match (reply, &mut it.holding) {
                    (Reply::Done, Some(holding)) => holding.sent = holding.sent.max(sent),
                    (Reply::Overtaken, Some(_)) => it.letters.push_back(Letter::StandDown),
                    _ => {}
                }
            }
        });
    }

    /// A node looks for jobs that nobody has here, and keeps its leases.
    fn tick(&mut self, node: usize, boot: u64) {
        if self.nodes[node].boot != boot {
            return;
        }
        self.plan(LEASE_TICK_MS, Event::Tick { node, boot });
        let clock = self.nodes[node].clock(self.now_ms);
        let held: Vec<ShellNo> = self.nodes[node].shells.values().copied().collect();
        for shell in held {
            self.with(shell, |world, it| {
                let (Some(holding), Some(lease)) = (it.holding, it.lease.clone()) else { return };
                match holding.duty(clock) {
                    Duty::WaitUntil(_) => {}
                    Duty::Renew if it.is_renewing => {}
                    Duty::Renew => {
                        it.is_renewing = true;
                        world.call(it, Op::Renew(lease), Asker::Keeper { sent: clock });
                    }
                    Duty::StandDown => it.letters.push_back(Letter::StandDown),
                }
            });
        }
        let open = self.store.jobs.values().filter(|it| !it.row.state.is_final());
        let open: Vec<_> = open.map(|it| (it.row.id.clone(), it.row.accepted_at)).collect();
        for (job, accepted_at) in open {
            let demand = Demand { class: DeviceClass::Cpu, memory: ByteCount(1) };
            let queue = &mut self.nodes[node].queue;
            for start in queue
                .join(job, Turn { priority: Priority::default(), accepted_at, demand, left: None })
            {
                self.supervise(node, start.job, false);
            }
        }
    }

    fn supervise(&mut self, node: usize, job: JobId, is_to_cancel: bool) {
        let no = ShellNo(self.number());
        self.nodes[node].shells.insert(job.clone(), no);
        self.shells.insert(no, Shell::new(no, job, node, is_to_cancel));
        self.plan(0, Event::Letter(no, Letter::Claim));
    }

    fn boot(&mut self, node: usize) {
        self.nodes[node].start(self.now_ms);
        let boot = self.nodes[node].boot;
        self.plan(0, Event::Tick { node, boot });
    }

    fn crash(&mut self, node: usize) {
        if self.is_calm() {
            return;
        }
        for shell in self.nodes[node].die() {
            self.shells.remove(&shell);
        }
        let (down_ms, every_ms) = (self.dice.within(1, 30_000), self.weather.crash_every_ms);
        self.plan(down_ms, Event::Boot(node));
        let next = down_ms + self.dice.below(2 * every_ms + 1);
        self.plan(next, Event::Crash(node));
    }

    fn freeze(&mut self, node: usize) {
        if self.is_calm() {
            return;
        }
        let ms = self.dice.within(1, self.weather.freeze_ms_max);
        self.nodes[node].frozen_until_ms = self.now_ms + ms;
        let next = ms + self.dice.below(2 * self.weather.freeze_every_ms + 1);
        self.plan(next, Event::Freeze(node));
    }

    fn submit(&mut self, no: u64) {
        let request = bytes::request(self.seed, no);
        self.store.insert(JobRow::accepted(name(no), request, Timestamp(self.now_ms)));
    }

    /// Someone asks whichever node is there.
    fn cancel(&mut self, job: &JobId) {
        let awake = self.nodes.iter().filter(|node| node.is_awake(self.now_ms));
        let here = awake.filter_map(|node| node.shells.get(job)).copied().next();
        if let Some(shell) = here {
            self.plan(0, Event::Letter(shell, Letter::Cancel));
        }
    }
}

fn name(no: u64) -> JobId {
    JobId::new(format!("job-{no}"))
}

#[cfg(test)]
mod tests;
