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
        subscribers::Wish,
    },
    Watchman,
};

/// One process: a node and its boot.
type Process = (u32, u32);

/// Whose write it is.
#[derive(Debug, Clone, Copy)]
pub struct Hand {
    /// From which process.
    pub by: (u32, u32),
    /// What a person asked for there; none if it is of the sender of notices.
    pub wish: Option<Wish>,
}

/// The newest attempt of one process at one notice.
#[derive(Debug, Default)]
struct Attempt {
    /// The how-manieth of this subscription.
    no: u32,
    /// Its process knows its end.
    has_ended: bool,
    /// It reached its receiver, and nobody has asked for the notice since.
    has_arrived: bool,
    /// Somebody asked for the notice since it was begun.
    is_before: bool,
    /// Its receiver will never take it.
    is_refused: bool,
    /// Its receiver is gone for good.
    is_gone: bool,
    /// Its end stands in the store.
    is_noted: bool,
}

/// What is remembered of one subscription.
#[derive(Debug, Default)]
pub struct Notices {
    /// Events that have a delivery; those that are over with the version that said so.
    made: BTreeMap<EventNo, Option<u64>>,
    /// What each process did last for each notice.
    attempts: BTreeMap<(Process, EventNo), Attempt>,
    sent: u32,
    /// Attempts that were made and whose end stands in the store, since somebody asked last.
    tries: BTreeMap<EventNo, u32>,
    /// How often somebody has asked for a notice.
    asked: BTreeMap<EventNo, u32>,
    /// Who was told that a notice arrived.
    known: BTreeSet<(Process, EventNo)>,
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

    /// A process makes an attempt at a notice; gives its number.
    pub fn notice_sent(
        &mut self,
        of: SubscriptionNo,
        delivery: &Delivery,
        by: (u32, u32),
        version: u64,
    ) -> u32 {
        let found = self.notices[of.at()].sent(delivery, by, version);
        self.found(of, found);
        self.notices[of.at()].sent
    }

    /// Number so many reached its receiver, under this name.
    pub fn notice_arrived(
        &mut self,
        of: SubscriptionNo,
        event: EventNo,
        (by, no): ((u32, u32), u32),
        name: &str,
    ) {
        let found = self.notices[of.at()].arrived(event, (by, no), name);
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
        hand: Hand,
        store: &Store,
    ) {
        let after = &store.notices.all[of.at()];
        let found = self.notices[of.at()].changed(before, change, hand, after, &store.log);
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
    pub fn sent(&mut self, delivery: &Delivery, by: Process, version: u64) -> Found {
        let (event, asks) = (delivery.event.no, delivery.asks);
        let over = self.made.get(&event).copied().flatten();
        let is_open = over.is_none_or(|over| over > version);
        note_2(is_open, || format!("{event} is sent and was over in version {over:?}"))?;
        let is_known = self.known.contains(&(by, event));
        note_2(!is_known, || format!("{event} is sent by {by:?}, which knows that it arrived"))?;
        self.sent += 1;
        // Whoever has not read yet that it was asked for does not answer that.
        let is_before = self.asked.get(&event).is_some_and(|asked| asks < *asked);
        let attempt = Attempt { no: self.sent, is_before, ..Attempt::default() };
        let last = self.attempts.insert((by, event), attempt);
        let is_new = last.is_none_or(|last| last.has_ended);
        note_2(is_new, || format!("{event} is sent by {by:?} twice at one time"))
    }

    /// An attempt reached its receiver.
    ///
    /// # Errors
    /// It has another name than an earlier one, or that of another notice.
    pub fn arrived(&mut self, event: EventNo, (by, no): (Process, u32), name: &str) -> Found {
        let attempt = self.attempts.get_mut(&(by, event)).filter(|it| it.no == no);
        if let Some(attempt) = attempt {
            attempt.has_arrived = true;
        }
        let of = *self.got.entry(name.to_owned()).or_insert(event);
        note_1(of == event, || format!("{name} is {event} and was {of}"))?;
        let first = self.names.entry(event).or_insert_with(|| name.to_owned());
        note_1(first == name, || format!("{event} is called {name} and was called {first}"))
    }

    /// A process was told the end of an attempt.
    pub fn answered(&mut self, event: EventNo, by: Process, what: &Result<Receipt, Undelivered>) {
        let Some(attempt) = self.attempts.get_mut(&(by, event)) else { return };
        attempt.has_ended = true;
        match what {
            // What arrived before somebody asked for it once more is sent once more.
            Ok(_) if attempt.is_before => {}
            Ok(_) => drop(self.known.insert((by, event))),
            Err(Undelivered { again, .. }) => {
                attempt.is_gone = matches!(again, Again::Gone);
                attempt.is_refused = matches!(again, Again::Never | Again::Gone);
            }
        }
    }

    /// A write took place.
    ///
    /// # Errors
    /// An event was passed over or has two deliveries; what is over changed; what did not arrive is
    /// called delivered; something was given up too early, or all of it was.
    pub fn changed(
        &mut self,
        before: &Subscription,
        change: &Change,
        hand: Hand,
        after: &Held,
        log: &[Told],
    ) -> Found {
        self.nothing_is_passed_over(before, change, after, log)?;
        self.is_turned_justly(before, change, hand)?;
        for delivery in &change.changed {
            self.delivery_changed(delivery, change.row.version, hand)?;
            let is_given_up = matches!(delivery.state, DeliveryState::GivenUp { .. });
            let is_in_trouble =
                change.row.state != Standing::Active && change.row.trouble.is_some();
            let facts = || format!("{} is given up, and nobody can see it", delivery.event.no);
            note_1(!is_given_up || is_in_trouble, facts)?;
        }
        Ok(())
    }

    /// It is turned off by a person, or because its receiver said that it is gone, and on again by
    /// a person.
    fn is_turned_justly(&self, before: &Subscription, change: &Change, hand: Hand) -> Found {
        let is_off = |row: &Subscription| row.state == Standing::Disabled;
        let is_gone = |it: &Delivery| {
            let attempt = self.attempts.get(&(hand.by, it.event.no));
            attempt.is_some_and(|attempt| attempt.is_gone)
        };
        let is_right = match (is_off(before), is_off(&change.row), hand.wish) {
            (false, true, None) => change.changed.iter().any(is_gone),
            (false, true, wish) => wish == Some(Wish::TurnOff),
            (true, false, wish) => wish == Some(Wish::TurnOn),
            _ => true,
        };
        let facts = || format!("it is {:?} and was {:?}", change.row.state, before.state);
        note_1(is_right, || format!("{}, at {:?}", facts().to_lowercase(), hand.wish))
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

    fn delivery_changed(&mut self, delivery: &Delivery, version: u64, hand: Hand) -> Found {
        let no = delivery.event.no;
        let Some(over) = self.made.get_mut(&no) else {
            return note_1(false, || format!("{no} changed and was never made"));
        };
        let was_open = over.is_none();
        *over = (!delivery.is_open()).then_some(version);
        if hand.wish.is_some() {
            self.known.retain(|(_, event)| *event != no);
            self.tries.remove(&no);
            self.asked.insert(no, delivery.asks);
            for (_, attempt) in self.attempts.iter_mut().filter(|((_, of), _)| *of == no) {
                (attempt.is_before, attempt.has_arrived) = (true, false);
            }
            return Ok(());
        }
        note_2(was_open, || format!("{no} was over and is {:?}", delivery.state))?;
        let Some(attempt) = self.attempts.get_mut(&(hand.by, no)) else {
            return note_1(false, || format!("{no} changed, and {:?} never sent it", hand.by));
        };
        let is_new = !std::mem::replace(&mut attempt.is_noted, true) && !attempt.is_before;
        let tries = self.tries.entry(no).or_default();
        *tries += u32::from(is_new);
        match delivery.state {
            DeliveryState::Due { .. } => Ok(()),
            DeliveryState::Delivered { .. } => note_1(attempt.has_arrived, || {
                format!("{no} is called delivered and never arrived, or before it was asked for")
            }),
            DeliveryState::GivenUp { .. } => {
                let is_tried = *tries as usize >= NOTICE_PAUSES_MS.len();
                let is_right = is_tried || attempt.is_refused;
                note_1(is_right, || format!("{no} is given up after {tries} tries"))
            }
        }
    }
}
