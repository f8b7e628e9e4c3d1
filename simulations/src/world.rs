//! A made-up world: nodes, a store, people and weather, by seed. The rules are those of
//! `tgs-protocol`: jobs, leases, checkpoints, chunks, the queue, events, keys of orders.
//!
//! Whatever happens is an event; events happen one after the other, so a seed repeats a world to
//! the last event. After each the watchman looks whether a promise was broken.

mod board;
mod bytes;
mod calendar;
mod call;
mod care;
mod chronicle;
mod claim;
mod dispatcher;
mod event;
mod fault;
mod finder;
mod flaw;
mod jobs_here;
mod labour;
mod leading;
mod leaving;
mod node;
mod notifications;
mod op;
mod people;
mod place;
mod receivers;
mod scheduler;
mod shell;
mod slab;
mod store;
mod subscribers;
mod survey;
mod things;
mod trouble;
mod watchman;
mod weather;
mod words;

use std::{collections::BTreeMap, rc::Rc};

use tgs_protocol::{invariant::Invariant, job::JobRow, placement::leader::InLine, queue::Turn};

use self::{
    calendar::Calendar,
    chronicle::Chronicle,
    event::{Call, Event, Letter},
    fault::Faults,
    node::Node,
    notifications::Held,
    people::People,
    receivers::Attempt,
    scheduler::Scheduler,
    shell::Shell,
    slab::Slab,
    store::{Standing, Store},
    things::{Paces, Things},
    watchman::Watchman,
};
pub use self::{
    chronicle::{Entry, Listener},
    fault::{Fault, NoFault, Rate, Site},
    flaw::{Flaw, NoFlaw},
    things::NODES_MAX,
    watchman::Violation,
    weather::Weather,
};
use crate::{dice::Dice, scenario::Scenario};

/// How a world went.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Events that happened.
    pub events: u64,
    /// How long it lasted, by its own time.
    pub lasted_ms: u64,
    /// When the last job had ended, by its own time.
    pub worked_ms: u64,
    /// A digest of all events, in order: the same seed gives the same.
    pub log: u64,
    /// How each job ended.
    pub ends: BTreeMap<String, String>,
    /// The promise that was broken first.
    pub violation: Option<Violation>,
    /// What went wrong, in order.
    pub faults: Vec<Fault>,
}

/// Everything there is.
pub(crate) struct World<'a> {
    seed: u64,
    weather: Weather,
    flaw: Option<Flaw>,
    now_ms: u64,
    calendar: Calendar<Event>,
    faults: Faults,
    paces: Paces,
    store: Store,
    /// The disk is full until then.
    full_until_ms: u64,
    /// Of which order each job is.
    orders: Vec<u32>,
    /// What decides when each job's turn comes.
    turns: Vec<Turn>,
    /// What a leader read last of each job, and of which row.
    lines: Vec<Option<(Rc<JobRow>, Rc<InLine>)>>,
    /// When each job came in.
    came_at_ms: Vec<u64>,
    nodes: Vec<Node>,
    shells: Vec<Option<Box<Shell>>>,
    shells_alive: usize,
    letters: Slab<Letter>,
    calls: Slab<Call>,
    attempts: Slab<Attempt>,
    people: People,
    watchman: Watchman,
    scheduler: Scheduler,
    chronicle: Chronicle<'a>,
    events: u64,
    worked_ms: u64,
    log: u64,
}

/// Lives through a world.
pub fn simulate(scenario: &Scenario) -> Course {
    World::new(scenario, None).live()
}

/// Lives through a world and tells every event.
pub fn narrate(scenario: &Scenario, listener: Listener<'_>) -> Course {
    World::new(scenario, Some(listener)).live()
}

impl<'a> World<'a> {
    fn new(scenario: &Scenario, listener: Option<Listener<'a>>) -> Self {
        let Scenario { seed, weather, flaw, overlooks, .. } = scenario.clone();
        let node = |no| Node::new(no, seed, weather.drift, scenario.nodes.contains(&no));
        let nodes: Vec<Node> = (0..weather.nodes).map(node).collect();
        let lines = nodes.iter().map(|node| watchman::Line::new(node.premises())).collect();
        let mut world = Self {
            seed,
            flaw,
            now_ms: 0,
            calendar: Calendar::default(),
            paces: Paces::new(seed, Things::of(&weather)),
            faults: Faults::new(seed, &weather, scenario.faults.as_ref()),
            store: Store::new(flaw),
            full_until_ms: 0,
            orders: Vec::new(),
            turns: Vec::new(),
            lines: Vec::new(),
            came_at_ms: Vec::new(),
            nodes,
            shells: Vec::new(),
            shells_alive: 0,
            letters: Slab::default(),
            calls: Slab::default(),
            attempts: Slab::default(),
            people: People::new(seed, &scenario.watchers, &scenario.subscribers),
            watchman: Watchman::new(overlooks, lines),
            scheduler: Scheduler::default(),
            chronicle: Chronicle::new(listener),
            events: 0,
            worked_ms: 0,
            log: seed,
            weather,
        };
        for node in &scenario.nodes {
            world.plan(0, Event::Boot(*node));
        }
        world.plan_troubles();
        world.plan_people(&scenario.orders);
        world.plan_subscribers();
        world
    }

    fn live(mut self) -> Course {
        let end_ms = self.weather.calm_at_ms + self.weather.patience_ms;
        while let Some((at_ms, event)) = self.calendar.next() {
            if at_ms > end_ms {
                break;
            }
            self.now_ms = at_ms;
            self.faults.are_over = self.is_calm();
            self.watchman.wake(at_ms);
            self.happen(event);
            self.see_progress();
            if self.watchman.violation.is_some() || (self.is_calm() && self.is_settled()) {
                break;
            }
        }
        self.close();
        let ends = self.store.jobs.iter();
        let ends = ends.map(|it| (it.row.id.to_string(), it.row.state.to_string())).collect();
        Course {
            events: self.events,
            lasted_ms: self.now_ms,
            worked_ms: self.worked_ms,
            log: self.log,
            ends,
            violation: self.watchman.violation,
            faults: self.faults.struck,
        }
    }

    /// Jobs end in bounded time once nothing goes wrong any more.
    fn see_progress(&mut self) {
        let Some(job) = self.store.open.first() else { return };
        self.worked_ms = self.now_ms;
        if self.now_ms > self.weather.calm_at_ms + self.weather.work_patience_ms {
            let row = &self.store.jobs[job.at()].row;
            let facts = format!("job {} is in {}", row.id, row.state);
            self.watchman.broken(Invariant::Live1, facts);
        }
    }

    /// Everybody has what he came for.
    fn is_settled(&self) -> bool {
        self.store.open.is_empty()
            && self.shells_alive == 0
            && self.are_people_settled()
            && self.store.notices.all.iter().all(Held::is_settled)
            && !self.store.jobs.iter().any(Standing::is_half_removed)
    }

    /// The last looks at a world that is over. Whoever opens the data folder next sweeps it.
    fn close(&mut self) {
        if self.watchman.violation.is_some() {
            return;
        }
        if let Some(waiting) = self.whoever_waits() {
            self.watchman.broken(Invariant::Live1, waiting);
        }
        for at in 0..self.store.jobs.len() {
            let job = store::JobNo(at as u32);
            if self.store.jobs[at].row.state.is_final() {
                self.store.perform(Some(job), &store::Op::Sweep);
            }
        }
        let labours = self.shells.iter().flatten().filter(|shell| shell.labour.is_some());
        let labours = labours.map(|shell| format!("work goes on at {:?}", shell.job));
        self.watchman.at_the_end(&self.store, labours.collect::<Vec<_>>().into_iter());
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.now_ms >= self.weather.calm_at_ms
    }

    pub(crate) fn plan(&mut self, after_ms: u64, event: Event) {
        self.calendar.plan(self.now_ms + after_ms, event);
    }

    /// Adds to the present line of the log, if anybody listens.
    pub(crate) fn say(&mut self, matters: bool, words: impl FnOnce(&Self) -> String) {
        if self.chronicle.is_heard() {
            let words = words(self);
            self.chronicle.say(matters, || words);
        }
    }

    fn happen(&mut self, event: Event) {
        if let Some((node, boot)) = self.place_of(event) {
            let node = &self.nodes[node as usize];
            if !node.is_up || node.boot != boot {
                return self.nobody_is_there(event);
            }
            if node.still_until_ms > self.now_ms {
                self.calendar.plan(node.still_until_ms, event);
                return;
            }
        }
        self.note(event);
        match event {
            Event::Reach(call) => self.reach(call),
            Event::Answer(call) => self.answer(call),
            Event::Letter(shell, letter) => {
                if let Some(letter) = self.letters.take(letter.0) {
                    self.with(shell, |_, it| it.letters.push_back(letter));
                }
            }
            Event::Toil(shell, work_no) => self.with(shell, |world, it| world.toil(it, work_no)),
            Event::Tick { node, boot } => self.tick(node, boot),
            Event::Find { node, .. } => self.find(node),
            Event::Lead { node, .. } => self.lead(node),
            Event::Speak { node, .. } => self.speak(node),
            Event::Say { node, .. } => self.say_presence(node),
            Event::Heed { node, .. } => self.heed(node),
            Event::Interrupt { node, stays, .. } => self.interrupt(node, stays),
            Event::Upgrade(node) => self.upgrade(node),
            Event::Boot(node) => self.boot(node),
            Event::Kill { node, boot } => self.kill(node, boot),
            Event::Trouble(fault) => self.trouble(fault),
            Event::Send { sender } => self.send(sender),
            Event::Cancel { order, times } => self.cancel(order, times),
            Event::Forget { order, times } => self.forget_job(order, times),
            Event::Poll { watcher, connection } => self.poll(watcher, connection),
            Event::Look { node, .. } => self.look(node),
            Event::Alarm { node, no, .. } => self.alarm(node, no),
            Event::Arrival(attempt) => self.arrival(attempt),
            Event::AttemptEnd(attempt) => self.attempt_end(attempt),
            Event::Wish { subscriber, wish } => self.wish(subscriber, wish),
        }
        if let Some(Violation { invariant, facts, .. }) = &self.watchman.violation {
            self.chronicle.say(true, || format!("{} is broken: {facts}", invariant.id()));
        }
        self.chronicle.end();
    }

    /// In which process an event happens, and in which boot of it; none if outside of all.
    fn place_of(&self, event: Event) -> Option<(u32, u32)> {
        match event {
            Event::Answer(call) => self.calls.get(call.0).map(|call| call.from),
            Event::Letter(shell, _) | Event::Toil(shell, _) => {
                let shell = self.shells[shell.at()].as_ref();
                Some(shell.map_or((0, u32::MAX), |it| (it.node, it.boot)))
            }
            Event::Tick { node, boot }
            | Event::Find { node, boot }
            | Event::Lead { node, boot }
            | Event::Speak { node, boot }
            | Event::Say { node, boot }
            | Event::Heed { node, boot }
            | Event::Interrupt { node, boot, .. }
            | Event::Look { node, boot }
            | Event::Alarm { node, boot, .. } => Some((node, boot)),
            Event::AttemptEnd(attempt) => self.attempts.get(attempt.0).map(|it| it.from),
            _ => None,
        }
    }

    /// What was meant for a process that is gone.
    fn nobody_is_there(&mut self, event: Event) {
        match event {
            Event::Letter(_, letter) => drop(self.letters.take(letter.0)),
            Event::Answer(call) => self.forget(call),
            Event::AttemptEnd(attempt) => self.let_go(attempt),
            _ => {}
        }
    }

    /// One more line of the log, as a digest of all lines.
    fn note(&mut self, event: Event) {
        self.events += 1;
        let (kind, number) = match event {
            Event::Reach(call) => (1, u64::from(call.0)),
            Event::Answer(call) => (2, u64::from(call.0)),
            Event::Letter(shell, _) => (3, u64::from(shell.0)),
            Event::Toil(shell, work_no) => (4, u64::from(shell.0) << 20 | u64::from(work_no)),
            Event::Tick { node, .. } => (5, u64::from(node)),
            Event::Boot(node) => (6, u64::from(node)),
            Event::Kill { node, .. } => (7, u64::from(node)),
            Event::Trouble(fault) => (8, (fault.site as u64) << 20 | u64::from(fault.of)),
            Event::Send { sender } => (9, u64::from(sender)),
            Event::Cancel { order, .. } => (10, u64::from(order)),
            Event::Poll { watcher, .. } => (11, u64::from(watcher)),
            Event::Forget { order, .. } => (17, u64::from(order)),
            Event::Look { node, .. } => (12, u64::from(node)),
            Event::Alarm { node, no, .. } => (13, u64::from(node) << 20 | u64::from(no)),
            Event::Arrival(attempt) => (14, u64::from(attempt.0)),
            Event::AttemptEnd(attempt) => (15, u64::from(attempt.0)),
            Event::Wish { subscriber, wish } => (16, u64::from(subscriber) << 8 | wish as u64),
            Event::Find { node, .. } => (18, u64::from(node)),
            Event::Heed { node, .. } => (19, u64::from(node)),
            Event::Interrupt { node, stays, .. } => (20, u64::from(node) << 1 | u64::from(stays)),
            Event::Upgrade(node) => (21, u64::from(node)),
            Event::Lead { node, .. } => (22, u64::from(node)),
            Event::Say { node, .. } => (23, u64::from(node)),
            Event::Speak { node, .. } => (24, u64::from(node)),
        };
        self.log = Dice::of_seed(self.log ^ self.now_ms << 8 ^ number << 5 ^ kind).any();
        if self.chronicle.is_heard() {
            let words = self.words_of(event);
            self.chronicle.begin(self.now_ms, self.events, words);
        }
    }
}

#[cfg(test)]
mod tests;
