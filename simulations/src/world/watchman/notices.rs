//! Holds NOTE-1 and NOTE-2 against one subscription from outside: from what stands in the log
//! and in the store, what each process was answered, and what its receiver got.

use std::collections::{BTreeMap, BTreeSet};

use tgs_protocol::{
    invariant::Invariant,
    limits::NOTICE_PAUSES_MS,
    notification::{
        channel::{Again, Receipt, Undelivered},
        delivery::{Delivery, DeliveryState},
        store::Change,
        subscription::{Standing, Subscription},
    },
    unit::EventNo,
};

use super::{
    super::{
        notifications::{Held, SubscriptionNo},
        store::{Store, Told},
    },
    Watchman,
};

/// One process: a node and its boot.
type Process = (u32, u32);

/// What is remembered of one subscription.
#[derive(Debug, Default)]
pub struct Notices {
    /// Events that have a delivery; those that are over with the version that said so.
    made: BTreeMap<EventNo, Option<u64>>,
    /// Attempts that were begun and have not ended; whether somebody asked for the notice since.
    under_way: BTreeMap<(Process, EventNo), bool>,
    /// Who was told that a notice arrived.
    known: BTreeSet<(Process, EventNo)>,
    /// What a receiver will never take.
    refused: BTreeSet<EventNo>,
    /// Under which names a receiver got what, and the other way round.
    got: BTreeMap<String, EventNo>,
    names: BTreeMap<EventNo, String>,
}

/// What was broken, and how.
type Found = Result<(), (Invariant, String)>;

fn note_1(holds: bool, facts: impl FnOnce() -> String) -> Found {
    if holds { Ok(()) } else { Err((Invariant::Note1, facts())) }
}

fn note_2(holds: bool, facts: impl FnOnce() -> String) -> Found {
    if holds { Ok(()) } else { Err((Invariant::Note2, facts())) }
}

impl Watchman {
    /// A subscription came in.
    pub fn subscribed(&mut self) {
        self.notices.push(Notices::default());
    }

    /// A process makes an attempt at a notice.
    pub fn notice_sent(
        &mut self,
        of: SubscriptionNo,
        event: EventNo,
        by: (u32, u32),
        version: u64,
    ) {
        let found = self.notices[of.at()].sent(event, by, version);
        self.found(of, found);
    }

    /// It reached its receiver, under this name.
    pub fn notice_arrived(&mut self, of: SubscriptionNo, event: EventNo, name: &str) {
        let found = self.notices[of.at()].arrived(event, name);
        self.found(of, found);
    }

    /// A process was told what came of an attempt.
    pub fn notice_answered(
        &mut self,
        of: SubscriptionNo,
        event: EventNo,
        by: (u32, u32),
        what: &Result<Receipt, Undelivered>,
    ) {
        self.notices[of.at()].answered(event, by, what);
    }

    /// A subscription or its deliveries changed.
    pub fn notices_changed(
        &mut self,
        of: SubscriptionNo,
        before: &Subscription,
        change: &Change,
        is_asked: bool,
        store: &Store,
    ) {
        let after = &store.notices.all[of.at()];
        let found = self.notices[of.at()].changed(before, change, is_asked, after, &store.log);
        self.found(of, found);
    }

    fn found(&mut self, of: SubscriptionNo, found: Found) {
        if let Err((invariant, facts)) = found {
            self.broken(invariant, format!("subscription {}: {facts}", of.0));
        }
    }
}

impl Notices {
    /// A process makes an attempt, knowing the subscription in this version.
    ///
    /// # Errors
    /// It knows that the notice arrived, or is at it already.
    pub fn sent(&mut self, event: EventNo, by: Process, version: u64) -> Found {
        let over = self.made.get(&event).copied().flatten();
        let is_open = over.is_none_or(|over| over > version);
        note_2(is_open, || format!("{event} is sent and was over in version {over:?}"))?;
        let is_known = self.known.contains(&(by, event));
        note_2(!is_known, || format!("{event} is sent by {by:?}, which knows that it arrived"))?;
        let is_new = self.under_way.insert((by, event), false).is_none();
        note_2(is_new, || format!("{event} is sent by {by:?} twice at one time"))
    }

    /// An attempt reached its receiver.
    ///
    /// # Errors
    /// It has another name than an earlier one, or that of another notice.
    pub fn arrived(&mut self, event: EventNo, name: &str) -> Found {
        let of = *self.got.entry(name.to_owned()).or_insert(event);
        note_1(of == event, || format!("{name} is {event} and was {of}"))?;
        let first = self.names.entry(event).or_insert_with(|| name.to_owned());
        note_1(first == name, || format!("{event} is called {name} and was called {first}"))
    }

    /// A process was told the end of an attempt.
    pub fn answered(&mut self, event: EventNo, by: Process, what: &Result<Receipt, Undelivered>) {
        let is_before = self.under_way.remove(&(by, event)).unwrap_or_default();
        match what {
            // What arrived before somebody asked for it once more is sent once more.
            Ok(_) if is_before => {}
            Ok(_) => drop(self.known.insert((by, event))),
            Err(Undelivered { again: Again::Never | Again::Gone, .. }) => {
                self.refused.insert(event);
            }
            Err(_) => {}
        }
    }

    /// A write took place; `is_asked`: a person asked for it.
    ///
    /// # Errors
    /// An event was passed over or has two deliveries; what is over changed; what did not arrive is
    /// called delivered; something was given up too early.
    pub fn changed(
        &mut self,
        before: &Subscription,
        change: &Change,
        is_asked: bool,
        after: &Held,
        log: &[Told],
    ) -> Found {
        self.nothing_is_passed_over(before, change, after, log)?;
        for delivery in &change.changed {
            self.delivery_changed(delivery, change.row.version, is_asked)?;
            let is_given_up = matches!(delivery.state, DeliveryState::GivenUp { .. });
            let is_in_trouble =
                change.row.state != Standing::Active && change.row.trouble.is_some();
            let facts = || format!("{} is given up, and nobody can see it", delivery.event.no);
            note_1(!is_given_up || is_in_trouble, facts)?;
        }
        Ok(())
    }

    fn nothing_is_passed_over(
        &mut self,
        before: &Subscription,
        change: &Change,
        after: &Held,
        log: &[Told],
    ) -> Found {
        let (from, to) = (before.after, change.row.after);
        note_1(from <= to, || format!("the cursor went from {from} to {to}"))?;
        for delivery in &change.made {
            let no = delivery.event.no;
            let is_new = no > from && no <= to && self.made.insert(no, None).is_none();
            note_1(is_new, || format!("{no} has two deliveries"))?;
        }
        // What happens while it is off is not subscribed.
        if before.state == Standing::Disabled {
            return Ok(());
        }
        let passed = log.iter().take(to.get() as usize).skip(from.get() as usize);
        let kept = passed.filter(|told| !told.is_forgotten);
        for told in kept.filter(|told| before.wants(&told.event.what)) {
            let held = after.deliveries.get(&told.event.no);
            let is_told = held.is_some_and(|delivery| delivery.event == *told.event);
            note_1(is_told, || format!("{} was passed over", told.event.no))?;
        }
        Ok(())
    }

    fn delivery_changed(&mut self, delivery: &Delivery, version: u64, is_asked: bool) -> Found {
        let no = delivery.event.no;
        let Some(over) = self.made.get_mut(&no) else {
            return note_1(false, || format!("{no} changed and was never made"));
        };
        let was_open = over.is_none();
        *over = (!delivery.is_open()).then_some(version);
        if is_asked {
            self.known.retain(|(_, event)| *event != no);
            let its = self.under_way.iter_mut().filter(|((_, event), _)| *event == no);
            its.for_each(|(_, is_before)| *is_before = true);
            return Ok(());
        }
        note_2(was_open, || format!("{no} was over and is {:?}", delivery.state))?;
        match delivery.state {
            DeliveryState::Due { .. } => Ok(()),
            DeliveryState::Delivered { .. } => {
                let has_arrived = self.names.contains_key(&no);
                note_1(has_arrived, || format!("{no} is called delivered and never arrived"))
            }
            DeliveryState::GivenUp { .. } => {
                let is_tried = delivery.tries as usize >= NOTICE_PAUSES_MS.len();
                let is_right = is_tried || self.refused.contains(&no);
                note_1(is_right, || format!("{no} is given up after {} tries", delivery.tries))
            }
        }
    }
}
