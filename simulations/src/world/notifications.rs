//! What the made-up store holds of notices, and what it is asked about them: as the port
//! `NotificationStore` of `protocol` has it, with the rules that every store calls.

use std::{collections::BTreeMap, rc::Rc};

use tgs_protocol::{
    event::Event,
    notification::{
        delivery::Delivery,
        store::{Change, Changed, Subscribed},
        subscription::{Standing, Subscription},
    },
    unit::EventNo,
};

use super::{
    flaw::Flaw,
    op::Reply,
    store::{Told, Trace},
};

/// A subscription by the order in which it came into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionNo(pub u32);

impl SubscriptionNo {
    /// As a place in a list.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// A call about notices.
#[derive(Debug, Clone)]
pub enum NoticeOp {
    /// Add a subscription, unless its key is known.
    Subscribe(Rc<Subscription>),
    /// Every subscription.
    List,
    /// One row.
    Row(SubscriptionNo),
    /// Its deliveries that are not over.
    Open(SubscriptionNo),
    /// Write what changed.
    Change(SubscriptionNo, Rc<Change>),
    /// Events of all jobs after this one.
    Events(EventNo),
}

impl NoticeOp {
    /// Whether it changes anything: a single small write, which the network may bring late or
    /// twice.
    pub fn is_write(&self) -> bool {
        matches!(self, Self::Subscribe(_) | Self::Change(..))
    }

    /// A number for each kind of call.
    pub fn number(&self) -> u8 {
        match self {
            Self::Subscribe(_) => 0,
            Self::List => 1,
            Self::Row(_) => 2,
            Self::Open(_) => 3,
            Self::Change(..) => 4,
            Self::Events(_) => 5,
        }
    }

    /// For the log.
    pub fn words(&self) -> String {
        match self {
            Self::Subscribe(row) => format!("subscribe {}", row.id),
            Self::List => "list subscriptions".to_owned(),
            Self::Row(no) => format!("read subscription {}", no.0),
            Self::Open(no) => format!("open deliveries of subscription {}", no.0),
            Self::Change(_, change) => {
                let Change { row, made, changed } = &**change;
                let counts = format!("{} made, {} changed", made.len(), changed.len());
                format!("write {} as version {}: {counts}", row.id, row.version)
            }
            Self::Events(after) => format!("events after {after}, for notices"),
        }
    }
}

/// What such a call came to.
#[derive(Debug, Clone)]
pub enum NoticeReply {
    /// It is taken, or was before.
    Subscribed(Subscribed),
    /// The version of each.
    List(Vec<u64>),
    /// The row.
    Row(Rc<Subscription>),
    /// The deliveries.
    Open(Vec<Delivery>),
    /// Whether it took place.
    Changed(Changed),
    /// The events, and whether there may be more.
    Events(Vec<Event>, bool),
}

impl NoticeReply {
    /// For the log.
    pub fn words(&self) -> String {
        match self {
            Self::Subscribed(Subscribed::New) => "taken".to_owned(),
            Self::Subscribed(_) => "known, or not taken".to_owned(),
            Self::List(versions) => format!("versions {versions:?}"),
            Self::Row(row) => format!("version {}, {:?}", row.version, row.state).to_lowercase(),
            Self::Open(open) => format!("{} are open", open.len()),
            Self::Changed(changed) => format!("{changed:?}").to_lowercase(),
            Self::Events(events, _) => format!("{} events", events.len()),
        }
    }
}

/// Subscriptions and deliveries.
#[derive(Debug, Default)]
pub struct Notifications {
    /// In the order in which they came.
    pub all: Vec<Held>,
    writes: u64,
}

/// One subscription as it stands.
#[derive(Debug)]
pub struct Held {
    /// Its row.
    pub row: Rc<Subscription>,
    /// Its deliveries.
    pub deliveries: BTreeMap<EventNo, Delivery>,
    /// How many of them are not over.
    open: usize,
    /// The newest event that it wants.
    newest: EventNo,
}

impl Held {
    /// Nothing is to be told that was not, or it is off.
    pub fn is_settled(&self) -> bool {
        let is_off = self.row.state == Standing::Disabled;
        is_off || (self.open == 0 && self.row.after >= self.newest)
    }

    /// It may want to hear of these.
    pub fn see(&mut self, told: &[Told]) {
        let mut kept = told.iter().rev().filter(|it| !it.is_forgotten);
        let wanted = kept.find(|it| self.row.wants(&it.event.what));
        self.newest = wanted.map_or(self.newest, |it| it.event.no);
    }

    /// Some events were forgotten.
    pub fn see_again(&mut self, log: &[Told]) {
        self.newest = self.row.after;
        self.see(log);
    }
}

/// Events that are read at one time: few, so that there are more.
const PAGE: usize = 20;

impl Notifications {
    /// Carries a call out.
    pub fn perform(
        &mut self,
        op: &NoticeOp,
        log: &[Told],
        flaw: Option<Flaw>,
    ) -> (NoticeReply, Trace) {
        let reply = match op {
            NoticeOp::Subscribe(row) => return self.subscribe(row, log),
            NoticeOp::Change(no, change) => return self.change(*no, change, flaw),
            NoticeOp::List => NoticeReply::List(self.all.iter().map(|it| it.row.version).collect()),
            NoticeOp::Row(no) => NoticeReply::Row(self.all[no.at()].row.clone()),
            NoticeOp::Open(no) => {
                let all = self.all[no.at()].deliveries.values();
                NoticeReply::Open(all.filter(|it| it.is_open()).cloned().collect())
            }
            NoticeOp::Events(after) => {
                let later = log.iter().skip(after.get() as usize);
                let later = later.filter(|told| !told.is_forgotten).take(PAGE);
                let events: Vec<Event> = later.map(|it| (*it.event).clone()).collect();
                let has_more = events.len() == PAGE;
                NoticeReply::Events(events, has_more)
            }
        };
        (reply, Trace::Nothing)
    }

    fn subscribe(&mut self, row: &Rc<Subscription>, log: &[Told]) -> (NoticeReply, Trace) {
        if let Some(known) = Subscribed::before(self.all.iter().map(|it| &*it.row), row) {
            return (NoticeReply::Subscribed(known), Trace::Nothing);
        }
        let mut held =
            Held { row: row.clone(), deliveries: BTreeMap::new(), open: 0, newest: row.after };
        held.see(log.get(row.after.get() as usize..).unwrap_or_default());
        self.all.push(held);
        (NoticeReply::Subscribed(Subscribed::New), Trace::Subscribed)
    }

    fn change(
        &mut self,
        no: SubscriptionNo,
        change: &Change,
        flaw: Option<Flaw>,
    ) -> (NoticeReply, Trace) {
        let held = &mut self.all[no.at()];
        let is_next = change.row.version == held.row.version + 1;
        if !is_next && flaw != Some(Flaw::ChangesBlindly) {
            return (NoticeReply::Changed(Changed::Stale), Trace::Nothing);
        }
        self.writes += 1;
        let before = std::mem::replace(&mut held.row, Rc::new(change.row.clone()));
        let is_apart = flaw == Some(Flaw::WritesNoticesApart) && self.writes.is_multiple_of(3);
        let made = if is_apart { &[][..] } else { &change.made };
        for delivery in made.iter().chain(&change.changed) {
            held.deliveries.insert(delivery.event.no, delivery.clone());
        }
        held.open = held.deliveries.values().filter(|it| it.is_open()).count();
        (NoticeReply::Changed(Changed::Done), Trace::Noticed(before))
    }
}

impl From<NoticeReply> for Reply {
    fn from(reply: NoticeReply) -> Self {
        Self::Notice(reply)
    }
}
