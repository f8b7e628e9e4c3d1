//! Who sends notices, in each process of the world: as `actors/src/dispatcher.rs` does, without an
//! actor. It does one thing after the other; while it waits for the store its messages wait.

use std::{collections::VecDeque, rc::Rc};

use tgs_protocol::{
    limits::LOOK_PERIOD_MS,
    notification::{
        channel::{Receipt, Undelivered},
        delivery::{Delivery, DeliveryState},
        step::{Courier, CourierAction, CourierEvent},
        store::{Change, Changed},
        subscription::{Standing, Subscription},
    },
    unit::{EventNo, Timestamp},
};

use super::{
    World,
    event::{Asker, CallNo, Event},
    fault::{Kind, Site},
    flaw::Flaw,
    notifications::{NoticeOp, NoticeReply, SubscriptionNo},
    store::{Op, Reply},
    things::{SENDERS_FROM, SUBSCRIBERS_FROM},
};

/// The sender of one process.
#[derive(Debug, Default)]
pub struct Dispatcher {
    rounds: Vec<Round>,
    letters: VecDeque<Letter>,
    /// Subscriptions that are still to be worked at in this look.
    to_work: VecDeque<SubscriptionNo>,
    at_work: Option<SubscriptionNo>,
    awaits: Option<(CallNo, Awaits)>,
    /// Something was done since the alarm was set.
    is_busy: bool,
    /// A look is planned.
    is_woken: bool,
    /// The alarm that counts.
    alarm: u32,
}

/// A subscription and what is not yet done for it.
#[derive(Debug, Default)]
struct Round {
    courier: Option<Courier>,
    /// Ends of attempts whose step was not written yet.
    heard: VecDeque<CourierEvent>,
    is_fresh: bool,
    rests_until: Option<Timestamp>,
}

/// What a dispatcher is told.
#[derive(Debug)]
enum Letter {
    Look,
    Answered { of: SubscriptionNo, event: EventNo, what: Result<Receipt, Undelivered> },
}

/// What it waits for.
#[derive(Debug)]
enum Awaits {
    List,
    Row,
    Open(Rc<Subscription>),
    Written(Box<Step>),
    Events,
}

/// A step of a courier that counts once its write took place.
#[derive(Debug)]
struct Step {
    next: Courier,
    sends: Vec<Delivery>,
    follows: Follows,
}

/// What comes after a step.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Follows {
    /// It was about the end of an attempt; the next one, or the log.
    Answers,
    /// It was the last one of this look; another look, if there are more events.
    Look(bool),
}

/// How long a dispatcher leaves a store alone that failed.
const REST_MS: u64 = 5_000;
/// How long it waits for what else comes with an event.
const GATHERING_MS: u64 = 20;

impl World<'_> {
    /// Something is in the log: whoever sends notices is woken, or is not and looks later.
    pub(super) fn wake_dispatchers(&mut self) {
        if !self.people.has_subscribers() {
            return;
        }
        for node in 0..self.nodes.len() as u32 {
            let it = &self.nodes[node as usize];
            if !it.is_up || it.dispatcher.is_woken {
                continue;
            }
            let moment = self.faults.moment(SENDERS_FROM + node, Kind::OTHER);
            if self.faults.strikes(Site::WakeLost, moment).is_none() {
                self.wake_dispatcher(node);
            }
        }
    }

    /// One of them is woken: somebody changed a subscription by way of its process.
    pub(super) fn wake_dispatcher(&mut self, node: u32) {
        let it = &mut self.nodes[node as usize];
        let boot = it.boot;
        if self.people.has_subscribers() && !it.dispatcher.is_woken {
            it.dispatcher.is_woken = true;
            self.plan(GATHERING_MS, Event::Look { node, boot });
        }
    }

    /// It was woken.
    pub(super) fn look(&mut self, node: u32) {
        self.dispatch(node, |_, it| {
            it.is_woken = false;
            it.letters.push_back(Letter::Look);
        });
    }

    /// Its alarm went off, unless it was set anew.
    pub(super) fn alarm(&mut self, node: u32, no: u32) {
        self.dispatch(node, |_, it| {
            if it.alarm == no {
                it.letters.push_back(Letter::Look);
            }
        });
    }

    /// An attempt ended.
    pub(super) fn attempt_answered(
        &mut self,
        node: u32,
        of: SubscriptionNo,
        event: EventNo,
        what: Result<Receipt, Undelivered>,
    ) {
        let delivery = self.store.notices.all[of.at()].deliveries.get(&event);
        let is_asked = delivery.is_some_and(|delivery| delivery.asks > 0);
        let takes_silence = match self.flaw {
            Some(Flaw::TakesFirstArrivals) => is_asked,
            flaw => flaw == Some(Flaw::TakesSilence),
        };
        let what = match what {
            Err(Undelivered { status: None, .. }) if takes_silence => Ok(Receipt::default()),
            what => what,
        };
        let letter = Letter::Answered { of, event, what };
        self.dispatch(node, |_, it| it.letters.push_back(letter));
    }

    /// The store answers it, or it gives the call up.
    pub(super) fn dispatcher_answered(&mut self, node: u32, call: CallNo, reply: Reply) {
        self.dispatch(node, |world, it| match it.awaits.take() {
            Some((no, awaits)) if no == call => world.notice_answered(node, it, awaits, reply),
            other => it.awaits = other,
        });
    }

    /// Lets it hear something, and go on until it waits.
    fn dispatch(&mut self, node: u32, act: impl FnOnce(&mut Self, &mut Dispatcher)) {
        let mut it = std::mem::take(&mut self.nodes[node as usize].dispatcher);
        act(self, &mut it);
        while it.awaits.is_none() {
            if let Some(of) = it.at_work {
                self.work_at(node, &mut it, of);
            } else if let Some(of) = it.to_work.pop_front() {
                it.at_work = Some(of);
            } else if let Some(letter) = it.letters.pop_front() {
                it.is_busy = true;
                self.heard_of(node, &mut it, letter);
            } else {
                self.set_alarm(node, &mut it);
                break;
            }
        }
        self.nodes[node as usize].dispatcher = it;
    }

    fn heard_of(&mut self, node: u32, it: &mut Dispatcher, letter: Letter) {
        match letter {
            Letter::Look => self.ask_notice(node, it, NoticeOp::List, Awaits::List),
            Letter::Answered { of, event, what } => {
                if let Some(round) = it.rounds.get_mut(of.at()) {
                    round.heard.push_back(CourierEvent::Answered { event, what });
                    it.to_work.push_back(of);
                }
            }
        }
    }

    fn ask_notice(&mut self, node: u32, it: &mut Dispatcher, op: NoticeOp, awaits: Awaits) {
        let of = match &op {
            NoticeOp::Row(no) | NoticeOp::Open(no) | NoticeOp::Change(no, _) => {
                SUBSCRIBERS_FROM + self.people.subscriber_of(*no)
            }
            _ => SENDERS_FROM + node,
        };
        let call = self.call(node, None, of, Op::Notice(op), Asker::Dispatcher);
        it.awaits = Some((call, awaits));
    }

    /// Goes on with one subscription.
    fn work_at(&mut self, node: u32, it: &mut Dispatcher, of: SubscriptionNo) {
        let now = self.nodes[node as usize].wall(self.now_ms);
        let round = &mut it.rounds[of.at()];
        let longest = Timestamp(now.get() + REST_MS);
        if round.rests_until.is_some_and(|until| until > now && until <= longest) {
            it.at_work = None;
            return;
        }
        round.rests_until = None;
        let courier = round.courier.as_ref().filter(|_| round.is_fresh);
        let Some(courier) = courier else {
            return self.ask_notice(node, it, NoticeOp::Row(of), Awaits::Row);
        };
        if let Some(event) = round.heard.front().cloned() {
            return self.step_of(node, it, of, event, Follows::Answers);
        }
        match courier.reads_after() {
            Some(after) => self.ask_notice(node, it, NoticeOp::Events(after), Awaits::Events),
            None => self.step_of(node, it, of, CourierEvent::Looked, Follows::Look(false)),
        }
    }

    /// One step of the very rule; its write first.
    fn step_of(
        &mut self,
        node: u32,
        it: &mut Dispatcher,
        of: SubscriptionNo,
        event: CourierEvent,
        follows: Follows,
    ) {
        let now = self.nodes[node as usize].wall(self.now_ms);
        let Some(mut next) = it.rounds[of.at()].courier.clone() else { return };
        let (mut save, mut sends) = (None, Vec::new());
        for action in self.watchman.watching(|| next.step(now, event)) {
            match action {
                CourierAction::Save(change) => save = Some(change),
                CourierAction::Send(delivery) => sends.push(*delivery),
            }
        }
        let step = Box::new(Step { next, sends, follows });
        match save {
            Some(mut change) => {
                self.spoil(&mut change);
                let op = NoticeOp::Change(of, Rc::from(change));
                self.ask_notice(node, it, op, Awaits::Written(step));
            }
            None => self.stepped(node, it, of, *step),
        }
    }

    /// What a rule that is broken on purpose makes of a failure.
    fn spoil(&self, change: &mut Change) {
        let is_failure = change.row.trouble.is_some();
        if is_failure && self.flaw == Some(Flaw::GivesReceiversUp) {
            change.row.state = Standing::Disabled;
        }
        if is_failure && self.flaw == Some(Flaw::GivesUpEarly) {
            for it in change.changed.iter_mut().filter(|it| it.is_open() && it.tries == 5) {
                (it.tries, it.state) = (10, DeliveryState::GivenUp { at: it.made_at });
            }
        }
    }

    /// A step took place.
    fn stepped(&mut self, node: u32, it: &mut Dispatcher, of: SubscriptionNo, step: Step) {
        let round = &mut it.rounds[of.at()];
        for delivery in step.sends {
            self.begin_attempt(node, of, &delivery, step.next.row().version);
        }
        round.courier = Some(step.next);
        match step.follows {
            Follows::Answers => drop(round.heard.pop_front()),
            Follows::Look(has_more) => {
                it.at_work = None;
                it.letters.extend(has_more.then_some(Letter::Look));
            }
        }
    }

    fn notice_answered(&mut self, node: u32, it: &mut Dispatcher, awaits: Awaits, reply: Reply) {
        let Reply::Notice(reply) = reply else { return self.store_failed(node, it, &awaits) };
        match (awaits, reply, it.at_work) {
            (Awaits::List, NoticeReply::List(versions), _) => it.take_in(&versions),
            (Awaits::Row, NoticeReply::Row(row), Some(of)) => {
                self.ask_notice(node, it, NoticeOp::Open(of), Awaits::Open(row));
            }
            (Awaits::Open(row), NoticeReply::Open(open), Some(of)) => {
                let (row, patience) = ((*row).clone(), self.people.patience());
                let round = &mut it.rounds[of.at()];
                round.courier = Some(match round.courier.take() {
                    Some(courier) => courier.put_back(row, open),
                    None => Courier::new(row, open, patience),
                });
                round.is_fresh = true;
            }
            (Awaits::Written(step), NoticeReply::Changed(Changed::Done), Some(of)) => {
                self.stepped(node, it, of, *step);
            }
            (Awaits::Written(_), NoticeReply::Changed(_), Some(of)) => {
                // Another write came before.
                it.rounds[of.at()].is_fresh = false;
                it.at_work = None;
                it.letters.push_back(Letter::Look);
            }
            (Awaits::Events, NoticeReply::Events(events, has_more), Some(of)) => {
                let event = match events.is_empty() {
                    true => CourierEvent::Looked,
                    false => CourierEvent::Read(events),
                };
                self.step_of(node, it, of, event, Follows::Look(has_more));
            }
            _ => it.at_work = None,
        }
    }

    /// Notices wait for the store. What is known to have arrived stays known.
    fn store_failed(&mut self, node: u32, it: &mut Dispatcher, awaits: &Awaits) {
        let longest = Timestamp(self.nodes[node as usize].wall(self.now_ms).get() + REST_MS);
        let Some(of) = it.at_work.take() else {
            it.rounds.iter_mut().for_each(|round| round.rests_until = Some(longest));
            return;
        };
        let round = &mut it.rounds[of.at()];
        (round.is_fresh, round.rests_until) = (false, Some(longest));
        if self.flaw == Some(Flaw::ForgetsArrivals) && matches!(awaits, Awaits::Written(_)) {
            round.heard.pop_front();
            round.courier = None;
        }
    }

    /// The next look, when something is due and at the latest after a minute.
    fn set_alarm(&mut self, node: u32, it: &mut Dispatcher) {
        if !std::mem::take(&mut it.is_busy) || self.flaw == Some(Flaw::SetsNoAlarm) {
            return;
        }
        let place = &self.nodes[node as usize];
        let now = place.wall(self.now_ms);
        let due = it.rounds.iter().filter_map(|round| {
            let due = round.courier.as_ref().and_then(|courier| courier.next_due(now));
            round.rests_until.or(due)
        });
        let wait = due.min().map_or(LOOK_PERIOD_MS, |at| at.get().saturating_sub(now.get()));
        it.alarm += 1;
        let event = Event::Alarm { node, boot: place.boot, no: it.alarm };
        self.plan(place.lasts_ms(wait.clamp(1, LOOK_PERIOD_MS)), event);
    }
}

impl Dispatcher {
    /// The rounds are those of the subscriptions that the store holds, as it holds them.
    fn take_in(&mut self, versions: &[u64]) {
        self.rounds.resize_with(versions.len().max(self.rounds.len()), Round::default);
        for (at, (round, version)) in self.rounds.iter_mut().zip(versions).enumerate() {
            let has = round.courier.as_ref().map(|courier| courier.row().version);
            round.is_fresh &= has == Some(*version);
            self.to_work.push_back(SubscriptionNo(at as u32));
        }
    }
}
