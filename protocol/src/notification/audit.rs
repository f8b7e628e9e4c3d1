//! Checks what a step of a courier did against the promises by name, whatever code did it.

use std::collections::BTreeSet;

use crate::{
    invariant::{Invariant, holds},
    notification::{
        delivery::{Delivery, DeliveryState},
        step::{Courier, CourierAction, CourierEvent},
        store::Change,
    },
    unit::EventNo,
};

/// Holds NOTE-1 and NOTE-2 against one step.
pub fn audit(before: &Courier, heard: &CourierEvent, after: &Courier, actions: &[CourierAction]) {
    let saved = match actions.first() {
        Some(CourierAction::Save(change)) => Some(&**change),
        _ => None,
    };
    nothing_is_passed_over(before, heard, after, saved);
    nothing_is_sent_that_is_over(before, heard, after, saved, actions);
}

/// NOTE-1: what was read and is wanted has its delivery in the very write that moves the cursor.
fn nothing_is_passed_over(
    before: &Courier,
    heard: &CourierEvent,
    after: &Courier,
    saved: Option<&Change>,
) {
    let id = &after.row().id;
    let (from, to) = (before.row().after, after.row().after);
    holds!(Invariant::Note1, from <= to, "subscription {id}: its cursor went from {from} to {to}");
    let made = saved.map_or(&[][..], |change| &change.made);
    let numbers: BTreeSet<EventNo> = made.iter().map(|delivery| delivery.event.no).collect();
    holds!(Invariant::Note1, numbers.len() == made.len(), "subscription {id}: one made twice");
    let again = numbers.iter().find(|no| **no <= from || before.open().contains_key(no));
    holds!(Invariant::Note1, again.is_none(), "subscription {id}: {again:?} was made before");
    if let CourierEvent::Read(events) = heard
        && after.read_to() > before.read_to()
    {
        let read = events.iter().filter(|it| it.no > before.read_to() && it.no <= after.read_to());
        let wanted = read.filter(|event| after.row().wants(&event.what)).map(|event| event.no);
        let missed = wanted.into_iter().find(|no| !numbers.contains(no));
        holds!(Invariant::Note1, missed.is_none(), "subscription {id}: {missed:?} has no delivery");
    }
}

/// NOTE-2: only what is due is sent, and nothing while an attempt at it is under way.
fn nothing_is_sent_that_is_over(
    before: &Courier,
    heard: &CourierEvent,
    after: &Courier,
    saved: Option<&Change>,
    actions: &[CourierAction],
) {
    let id = &after.row().id;
    let over = |delivery: &Delivery| !matches!(delivery.state, DeliveryState::Due { .. });
    let changed = saved.map_or(&[][..], |change| &change.changed);
    for action in actions {
        let CourierAction::Send(sent) = action else { continue };
        let no = sent.event.no;
        let is_over = over(sent) || changed.iter().any(|it| it.event.no == no && over(it));
        holds!(Invariant::Note2, !is_over, "subscription {id}: {no} is sent and is over");
        let has_ended = matches!(heard, CourierEvent::Answered { event, .. } if *event == no);
        let is_twice = before.under_way().contains_key(&no) && !has_ended;
        holds!(Invariant::Note2, !is_twice, "subscription {id}: {no} is sent twice at one time");
    }
}
