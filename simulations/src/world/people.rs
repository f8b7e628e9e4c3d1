//! People: who sends orders, sends them again, cancels, and follows events.

use std::rc::Rc;

use tgs_protocol::{
    id::JobId,
    invariant::Invariant,
    job::JobRow,
    submission::{Inserted, Submission},
    unit::EventNo,
};

use super::{
    World, bytes,
    event::{Asker, Event},
    fault::{Kind, Site},
    flaw::Flaw,
    store::{JobNo, Op, Reply},
    subscribers::Subscriber,
    things::WATCHERS_FROM,
};
use crate::dice::Dice;

/// Everybody outside.
#[derive(Debug)]
pub struct People {
    senders: Vec<Sender>,
    watchers: Vec<Watcher>,
    pub(super) subscribers: Vec<Subscriber>,
    /// Whose each subscription is.
    pub(super) subscriptions: Vec<u32>,
    /// How much of the usual pauses between attempts at a notice is made.
    pub(super) patience_share: f64,
    /// Orders whose jobs break every device.
    hard_on_devices: Vec<u32>,
    /// Names given to jobs.
    named: u32,
}

/// Somebody who sends an order until he has an answer.
#[derive(Debug)]
struct Sender {
    order: u32,
    body: u32,
    tries: u32,
    is_answered: bool,
}

/// Somebody who follows events.
#[derive(Debug)]
struct Watcher {
    no: u32,
    /// The last event that he has.
    last: EventNo,
    connection: u32,
}

impl People {
    pub(super) fn new(seed: u64, watchers: &[u32], subscribers: &[u32]) -> Self {
        let watcher = |no: &u32| Watcher { no: *no, last: EventNo(0), connection: 0 };
        let watchers = watchers.iter().map(watcher).collect();
        let subscribers = subscribers.iter().map(|no| Subscriber::new(*no)).collect();
        let mut dice = Dice::of_seed(seed).apart(PEOPLE).apart(PATIENCE);
        let patience_share = *dice.pick(&[0.001, 0.003]).unwrap_or(&0.001);
        Self {
            senders: Vec::new(),
            watchers,
            subscribers,
            subscriptions: Vec::new(),
            patience_share,
            hard_on_devices: Vec::new(),
            named: 0,
        }
    }

    pub(super) fn is_hard_on_devices(&self, order: u32) -> bool {
        self.hard_on_devices.contains(&order)
    }

    pub(super) fn sender_in_words(&self, sender: u32) -> String {
        let Sender { order, body, tries, .. } = &self.senders[sender as usize];
        format!("order {order} is sent with body {body}, try {}", tries + 1)
    }
}

/// How long somebody waits before he sends an order again.
pub(super) const AGAIN_MS: u64 = 12_000;
/// How long the network may bring an order once more: until then its key must be known. The program
/// keeps what has ended for a day, unless a person removes it.
const REPEATS_MS: u64 = 150_000;
/// The stream of dice that people are made of.
const PEOPLE: u64 = 6;
/// Among them, the one that says how long pauses are.
const PATIENCE: u64 = 1 << 32;

impl World<'_> {
    pub(super) fn plan_people(&mut self, orders: &[u32]) {
        let end_ms = self.weather.orders_until_ms;
        for order in orders.iter().copied() {
            let mut dice = self.dice_of(order);
            let at_ms = dice.below(end_ms);
            self.plan_sender(order, 0, at_ms);
            let moment = self.faults.moment(order, Kind::OTHER);
            if let Some(mut dice) = self.faults.strikes(Site::SubmitAgain, moment) {
                self.plan_sender(order, 0, at_ms + dice.below(120_000));
            }
            if let Some(mut dice) = self.faults.strikes(Site::OtherBody, moment) {
                self.plan_sender(order, 1, at_ms + dice.below(2_000));
            }
            if self.faults.strikes(Site::BreaksDevices, moment).is_some() {
                self.people.hard_on_devices.push(order);
            }
            if let Some(mut dice) = self.faults.strikes(Site::Forgotten, moment) {
                let at_ms = at_ms + dice.below(600_000);
                self.plan(at_ms, Event::Forget { order, times: 0 });
            }
            if let Some(mut dice) = self.faults.strikes(Site::Cancel, moment) {
                let at_ms = at_ms + dice.below(300_000);
                self.plan(at_ms, Event::Cancel { order, times: 0 });
            }
        }
        for at in 0..self.people.watchers.len() as u32 {
            self.plan(0, Event::Poll { watcher: at, connection: 0 });
        }
    }

    fn plan_sender(&mut self, order: u32, body: u32, at_ms: u64) {
        let sender = self.people.senders.len() as u32;
        self.people.senders.push(Sender { order, body, tries: 0, is_answered: false });
        self.plan(at_ms, Event::Send { sender });
    }

    fn dice_of(&self, thing: u32) -> Dice {
        Dice::of_seed(self.seed).apart(PEOPLE).apart(u64::from(thing))
    }

    /// A node that answers people, if there is one.
    pub(super) fn somewhere(&self, thing: u32, times: u32) -> Option<u32> {
        let mut dice = self.dice_of(thing).apart(u64::from(times));
        let from = dice.below(self.nodes.len() as u64) as usize;
        let (before, after) = self.nodes.split_at(from);
        let is_there = |node: &&super::node::Node| node.is_awake(self.now_ms) && !node.is_draining;
        after.iter().chain(before).find(is_there).map(|node| node.no)
    }

    /// Somebody sends an order.
    pub(super) fn send(&mut self, sender: u32) {
        let Sender { order, body, tries, is_answered } = self.people.senders[sender as usize];
        if is_answered {
            return;
        }
        self.people.senders[sender as usize].tries += 1;
        self.plan(AGAIN_MS, Event::Send { sender });
        let Some(node) = self.somewhere(order, tries) else { return };
        self.people.named += 1;
        let name = JobId::new(format!("job-{order}.{}", self.people.named));
        let request = bytes::request(self.seed, order, body);
        let digest = bytes::mixed(&[request.seed]);
        let mut row = JobRow::accepted(name, request, self.nodes[node as usize].wall(self.now_ms));
        row.priority = bytes::needs(self.seed, order).0;
        let (regions, stays_off_spot) = self.bounds_of(order);
        row.regions.0.extend(regions);
        row.stays_off_spot = stays_off_spot;
        let key = format!("order-{order}").parse().expect("letters and digits are a key");
        row.submission = Some(Submission { key, body: digest });
        self.call(node, None, order, Op::Insert(Rc::new(row)), Asker::Front { sender });
    }

    /// The store answers a front that sent an order.
    pub(super) fn order_answered(&mut self, node: u32, sender: u32, op: &Op, reply: Reply) {
        let Op::Insert(row) = op else { return };
        let name = match &reply {
            Reply::Inserted(Inserted::New) => &row.id,
            Reply::Inserted(Inserted::Known(name) | Inserted::KeyTaken(name)) => name,
            _ => return, // He sends it again.
        };
        if let Some(job) = self.store.named(name) {
            match &reply {
                Reply::Inserted(Inserted::New) => self.come_in(node, job),
                // Whoever inserted it was perhaps killed before it was begun.
                Reply::Inserted(Inserted::Known(_)) => {
                    let of = self.orders[job.at()];
                    self.call(node, Some(job), of, Op::Look, Asker::Starter);
                }
                _ => {}
            }
        }
        let order = self.people.senders[sender as usize].order;
        let moment = self.faults.moment(order, Kind::RECEIPT);
        let is_lost = self.faults.strikes(Site::ReceiptLost, moment).is_some();
        self.people.senders[sender as usize].is_answered |= !is_lost;
        self.say(true, |_| match is_lost {
            true => format!("order {order}: the receipt is lost"),
            false => format!("order {order}: answered"),
        });
    }

    /// The lease of a job is known whose order came again: it is begun with, unless another node's
    /// lease stands in the way, be that node alive or not.
    pub(super) fn found_known(&mut self, node: u32, job: Option<JobNo>, reply: &Reply) {
        let (Some(job), Reply::Cell(cell)) = (job, reply) else { return };
        let own = &*self.nodes[node as usize].incarnation;
        let is_free = cell.owner.as_ref().is_none_or(|owner| owner == own);
        if is_free && !self.store.jobs[job.at()].row.state.is_final() {
            self.come_in(node, job);
        }
    }

    /// Somebody cancels an order's job, at whichever node is there, until it has ended.
    pub(super) fn cancel(&mut self, order: u32, times: u32) {
        let job = self.orders.iter().position(|it| *it == order).map(|at| JobNo(at as u32));
        let Some(job) = job else { return };
        if self.store.jobs[job.at()].row.state.is_final() || times > 20 {
            return;
        }
        self.plan(30_000, Event::Cancel { order, times: times + 1 });
        let Some(node) = self.somewhere(order, times + 100) else { return };
        self.say(true, |it| format!("node {node} is asked to cancel {}", it.name(job)));
        self.call(node, Some(job), order, Op::Look, Asker::Ender);
    }

    /// Who holds a job is known that is to be cancelled: it is ended here, or an order is left for
    /// whoever holds it, now or next.
    pub(super) fn found_holder(
        &mut self,
        node: u32,
        job: Option<JobNo>,
        order: u32,
        reply: &Reply,
    ) {
        let (Some(job), Reply::Cell(cell)) = (job, reply) else { return };
        let own = &*self.nodes[node as usize].incarnation;
        match cell.owner.as_ref().is_some_and(|owner| owner != own) {
            true => drop(self.call(node, Some(job), order, Op::End, Asker::Nobody)),
            false => self.cancel_here(node, job),
        }
    }

    /// Somebody removes an order's job, once it has ended: as a desk does, in three calls, the row
    /// last. Whoever is killed in between leaves a job that is there to be removed; somebody does.
    pub(super) fn forget_job(&mut self, order: u32, times: u32) {
        let job = self.orders.iter().position(|it| *it == order).map(|at| JobNo(at as u32));
        let is_gone = job.is_some_and(|job| self.store.jobs[job.at()].is_forgotten);
        let is_half = job.is_some_and(|job| self.store.jobs[job.at()].is_half_removed());
        if is_gone || (times > 20 && !is_half) {
            return;
        }
        self.plan(30_000, Event::Forget { order, times: times + 1 });
        let Some(job) = job else { return };
        let is_old = self.came_at_ms[job.at()] + REPEATS_MS < self.now_ms;
        let has_ended = self.store.jobs[job.at()].row.state.is_final();
        if (!is_old || !has_ended) && self.flaw != Some(Flaw::ForgetsRunning) {
            return;
        }
        if let Some(node) = self.somewhere(order, times + 200) {
            let is_row_first = self.flaw == Some(Flaw::RemovesRowsFirst);
            let first = if is_row_first { Op::Forget } else { Op::Empty };
            self.call(node, Some(job), order, first, Asker::Remover);
        }
    }

    /// A part of a job is removed, or is not: then it stays as it is.
    pub(super) fn go_on_removing(
        &mut self,
        node: u32,
        job: Option<JobNo>,
        order: u32,
        op: &Op,
        reply: &Reply,
    ) {
        let next = match (op, reply) {
            (Op::Empty, Reply::Done) => Op::DropResult,
            (Op::DropResult, Reply::Done) => Op::Forget,
            _ => return,
        };
        self.call(node, job, order, next, Asker::Remover);
    }

    /// A watcher connects and asks for what follows the last event that he has.
    pub(super) fn poll(&mut self, watcher: u32, connection: u32) {
        let it = &mut self.people.watchers[watcher as usize];
        if it.connection != connection {
            return;
        }
        it.connection += 1;
        let (last, connection, of) = (it.last, it.connection, WATCHERS_FROM + it.no);
        self.plan(AGAIN_MS, Event::Poll { watcher, connection });
        let Some(node) = self.somewhere(of, connection) else { return };
        // Where much happens, more is read at one time.
        let most = u64::from(self.weather.orders).max(20);
        let limit = self.dice_of(of).apart(u64::from(connection)).within(1, most) as usize;
        let op = Op::Events(last, self.followed(watcher), limit);
        self.call(node, None, of, op, Asker::Watcher { watcher, connection });
    }

    /// Events come to a watcher; a store that lags gives fewer, never others.
    pub(super) fn events_came(&mut self, watcher: u32, connection: u32, op: &Op, reply: Reply) {
        let it = &mut self.people.watchers[watcher as usize];
        let (Op::Events(_, followed, _), Reply::Events(mut numbers)) = (op, reply) else { return };
        if it.connection != connection {
            return;
        }
        it.connection += 1;
        let (last, of, next) = (it.last, WATCHERS_FROM + it.no, it.connection);
        let moment = self.faults.moment(of, Kind::EVENTS);
        if let Some(mut dice) = self.faults.strikes(Site::StaleEvents, moment) {
            numbers.truncate(dice.below(numbers.len() as u64 + 1) as usize);
        }
        let got: Vec<u64> = numbers.iter().map(|no| no.get()).collect();
        self.watchman.watched(last.get(), &got, *followed, &self.store);
        if let Some(newest) = numbers.last() {
            self.people.watchers[watcher as usize].last = *newest;
        }
        let after_ms = self.dice_of(of).apart(!u64::from(next)).within(500, 10_000);
        self.plan(after_ms, Event::Poll { watcher, connection: next });
    }

    /// Whose events a watcher wants: every other one wants those of the first job only, once there
    /// is one. Whoever followed all until then goes on from where he is.
    fn followed(&self, watcher: u32) -> Option<JobNo> {
        let is_picky = self.people.watchers[watcher as usize].no % 2 == 1;
        (is_picky && !self.store.jobs.is_empty()).then_some(JobNo(0))
    }

    /// Whether everybody outside has what he came for.
    pub(super) fn are_people_settled(&self) -> bool {
        self.people.senders.iter().all(|it| it.is_answered)
            && self.people.unanswered_subscriber().is_none()
            && (0..self.people.watchers.len() as u32).all(|it| self.has_all(it))
    }

    fn has_all(&self, watcher: u32) -> bool {
        let newest = match self.followed(watcher) {
            Some(job) if self.store.jobs[job.at()].is_forgotten => EventNo(0),
            Some(job) => self.store.jobs[job.at()].newest,
            None => self.store.newest_kept(),
        };
        self.people.watchers[watcher as usize].last >= newest
    }

    /// Somebody who waits though the world has been calm for long; whoever has no answer, or has
    /// two jobs for one order.
    pub(super) fn whoever_waits(&mut self) -> Option<String> {
        for Sender { order, is_answered, .. } in &self.people.senders {
            let jobs = self.orders.iter().zip(&self.store.jobs).filter(|(it, _)| *it == order);
            // A job that was forgotten may have another one after it, if its order is sent again.
            let (gone, kept): (Vec<_>, Vec<_>) = jobs.partition(|(_, job)| job.is_forgotten);
            let count = kept.len().max(usize::from(!gone.is_empty()));
            if *is_answered && count != 1 {
                let facts = format!("{count} jobs of order {order}, which was answered");
                self.watchman.broken(Invariant::Effect1, facts);
            }
        }
        let sender = self.people.senders.iter().find(|it| !it.is_answered);
        if let Some(sender) = sender {
            return Some(format!("order {} was never answered", sender.order));
        }
        if let Some(no) = self.people.unanswered_subscriber() {
            return Some(format!("subscriber {no} was never answered"));
        }
        let mut watchers = 0..self.people.watchers.len() as u32;
        let behind = watchers.find(|it| !self.has_all(*it))?;
        Some(format!("watcher {behind} never got all events"))
    }
}
