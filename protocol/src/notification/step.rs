//! The courier of one subscription: events in, deliveries and attempts out.
//!
//! A step's first action is what it changed, in one write: new deliveries appear with the cursor
//! that passed their events. Attempts come after it. Whoever is killed between an attempt and the
//! write of its end makes it again, under the same name. A step whose write did not take place
//! never was: the courier is put back to what the store holds.

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod weather;

use std::collections::BTreeMap;

use crate::{
    event::Event,
    limits::{
        CURSOR_BEHIND_MAX, DELIVERIES_OPEN_MAX, NOTICES_UNDER_WAY_MAX,
        NOTICES_UNDER_WAY_WHILE_FAILING,
    },
    notification::{
        audit,
        channel::{Again, Receipt, Undelivered},
        delivery::Delivery,
        patience::Patience,
        store::Change,
        subscription::{Standing, Subscription},
    },
    unit::{EventNo, Timestamp},
};

/// What a courier hears.
#[derive(Debug, Clone, PartialEq)]
pub enum CourierEvent {
    /// The log holds these after the place where it asked, without a gap, oldest first.
    Read(Vec<Event>),
    /// Time went on: something may be due.
    Looked,
    /// An attempt ended.
    Answered {
        /// The one of this event.
        event: EventNo,
        /// How.
        what: Result<Receipt, Undelivered>,
    },
}

/// What must be done, in order. What follows a write is left out if it did not take place.
#[derive(Debug, Clone, PartialEq)]
pub enum CourierAction {
    /// Write this; always the first.
    Save(Box<Change>),
    /// Make an attempt at this delivery.
    Send(Box<Delivery>),
}

/// How often a delivery had been asked for again and tried when an attempt at it was begun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sent {
    asks: u32,
    tries: u32,
}

/// One subscription at work.
#[derive(Debug, Clone, PartialEq)]
pub struct Courier {
    row: Subscription,
    open: BTreeMap<EventNo, Delivery>,
    /// Attempts that were begun and not answered. Nobody keeps them.
    under_way: BTreeMap<EventNo, Sent>,
    /// Events up to here were looked at; the row follows when it is written anyway.
    read_to: EventNo,
    patience: Patience,
}

impl Courier {
    /// Goes on from what the store holds. The deliveries may have been read later than the row: one
    /// of an event that the row has not passed came with a write that the row has not seen. It is
    /// left out; the next write is refused, and both are read once more.
    pub fn new(row: Subscription, open: Vec<Delivery>, patience: Patience) -> Self {
        let read_to = row.after;
        let seen = open.into_iter().filter(|delivery| delivery.event.no <= read_to);
        let open = seen.map(|delivery| (delivery.event.no, delivery)).collect();
        Self { row, open, under_way: BTreeMap::new(), read_to, patience }
    }

    /// Goes on from what the store holds now; what is under way stays so.
    #[must_use]
    pub fn put_back(self, row: Subscription, open: Vec<Delivery>) -> Self {
        Self { under_way: self.under_way, ..Self::new(row, open, self.patience) }
    }

    /// The row as it was last written or read.
    pub const fn row(&self) -> &Subscription {
        &self.row
    }

    /// After which event to read on; none while it is off, or has as much to do as it can hold:
    /// the log keeps the rest.
    pub fn reads_after(&self) -> Option<EventNo> {
        (self.is_on() && self.open.len() < DELIVERIES_OPEN_MAX).then_some(self.read_to)
    }

    /// When the next attempt is due, of those that are not under way; none if it waits for nothing
    /// but answers and events.
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.is_on() || self.under_way.len() >= self.room() {
            return None;
        }
        let waiting = self.open.iter().filter(|(no, _)| !self.under_way.contains_key(no));
        waiting.filter_map(|(_, delivery)| delivery.due_at(now)).min()
    }

    /// Takes in what happened; gives what must be done.
    pub fn step(&mut self, now: Timestamp, event: CourierEvent) -> Vec<CourierAction> {
        let (before, heard) = (self.clone(), event.clone());
        let change = match event {
            CourierEvent::Read(events) => self.read(now, events),
            CourierEvent::Looked => None,
            CourierEvent::Answered { event, what } => self.answered(now, event, &what),
        };
        let save = change.map(|change| CourierAction::Save(Box::new(change)));
        let sends = self.due(now);
        let actions: Vec<_> = save.into_iter().chain(sends).collect();
        audit::audit(&before, &heard, self, &actions);
        actions
    }

    const fn is_on(&self) -> bool {
        !matches!(self.row.state, Standing::Disabled)
    }

    /// Attempts at one time: a target that fails is not pressed.
    const fn room(&self) -> usize {
        match self.row.state {
            Standing::Failing => NOTICES_UNDER_WAY_WHILE_FAILING,
            _ => NOTICES_UNDER_WAY_MAX,
        }
    }

    fn read(&mut self, now: Timestamp, events: Vec<Event>) -> Option<Change> {
        if !self.is_on() {
            return None;
        }
        let mut made = Vec::new();
        for event in events {
            if event.no <= self.read_to {
                continue; // It was read before.
            }
            self.read_to = event.no;
            if self.row.wants(&event.what) {
                let delivery = Delivery::new(self.row.id.clone(), event, now);
                self.open.insert(delivery.event.no, delivery.clone());
                made.push(delivery);
            }
        }
        // Events that nobody wants cost no write each.
        let is_far_behind = self.read_to.get() - self.row.after.get() >= CURSOR_BEHIND_MAX;
        (!made.is_empty() || is_far_behind).then(|| Change { made, ..self.written() })
    }

    fn answered(
        &mut self,
        now: Timestamp,
        event: EventNo,
        what: &Result<Receipt, Undelivered>,
    ) -> Option<Change> {
        // An answer that nobody waits for changes nothing; neither does one about what was removed.
        let sent = self.under_way.remove(&event)?;
        let delivery = self.open.get_mut(&event)?;
        // Nor what came of an attempt before somebody asked for another one. A failure after which
        // it is tried again counts once: not again when a write that took place is made once more,
        // nor for each of several senders.
        let is_retried = matches!(what, Err(Undelivered { again: Again::Later(_), .. }));
        if delivery.asks != sent.asks || (is_retried && delivery.tries != sent.tries) {
            return None;
        }
        delivery.answered(now, what, self.patience);
        let delivery = delivery.clone();
        if !delivery.is_open() {
            self.open.remove(&event);
        }
        self.row.trouble = what.as_ref().err().map(|undelivered| undelivered.why.clone());
        self.row.state = match (self.row.state, what) {
            (Standing::Disabled, _) => Standing::Disabled,
            (_, Ok(_)) => Standing::Active,
            (_, Err(Undelivered { again: Again::Gone, .. })) => Standing::Disabled,
            (_, Err(_)) => Standing::Failing,
        };
        Some(Change { changed: vec![delivery], ..self.written() })
    }

    /// The row with its next version and the cursor where it is.
    fn written(&mut self) -> Change {
        self.row.after = self.row.after.max(self.read_to);
        let change = Change::of(self.row.clone());
        self.row.version = change.row.version;
        change
    }

    /// Begins the attempts that are due and for which there is room, the longest due first.
    fn due(&mut self, now: Timestamp) -> Vec<CourierAction> {
        if !self.is_on() {
            return Vec::new();
        }
        let room = self.room().saturating_sub(self.under_way.len());
        let waiting = self.open.iter().filter(|(no, _)| !self.under_way.contains_key(no));
        let due = waiting.filter_map(|(no, delivery)| Some((delivery.due_at(now)?, *no)));
        let mut due: Vec<_> = due.filter(|(at, _)| *at <= now).collect();
        due.sort_unstable();
        due.truncate(room);
        let sent = due.iter().filter_map(|(_, no)| self.open.get(no));
        let begin = |delivery: &Delivery| {
            let Delivery { asks, tries, .. } = *delivery;
            self.under_way.insert(delivery.event.no, Sent { asks, tries });
            CourierAction::Send(Box::new(delivery.clone()))
        };
        sent.map(begin).collect()
    }

    pub(super) const fn open(&self) -> &BTreeMap<EventNo, Delivery> {
        &self.open
    }

    pub(super) const fn under_way(&self) -> &BTreeMap<EventNo, Sent> {
        &self.under_way
    }

    pub(super) const fn read_to(&self) -> EventNo {
        self.read_to
    }
}
