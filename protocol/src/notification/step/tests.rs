//! What a courier does with what it hears, one case each.

use super::{
    samples::{ended, noted, subscription},
    *,
};
use crate::{
    invariant::{Invariant, caught},
    limits::{NOTICE_ATTEMPTS_KEPT, NOTICE_PAUSES_MS},
    notification::delivery::DeliveryState,
    unit::Millis,
};

fn courier() -> Courier {
    Courier::new(subscription("s"), Vec::new(), Patience::USUAL)
}

fn read(events: impl IntoIterator<Item = Event>) -> CourierEvent {
    CourierEvent::Read(events.into_iter().collect())
}

fn answered(event: u64, what: Result<Receipt, Undelivered>) -> CourierEvent {
    CourierEvent::Answered { event: EventNo(event), what }
}

fn arrived() -> Result<Receipt, Undelivered> {
    Ok(Receipt { status: Some(204) })
}

fn refused(again: Again) -> Result<Receipt, Undelivered> {
    Err(Undelivered { status: Some(500), why: "status 500".to_owned(), again })
}

/// What is written, and the numbers of what is sent.
fn parts(actions: &[CourierAction]) -> (Option<&Change>, Vec<u64>) {
    let sent = |action: &CourierAction| match action {
        CourierAction::Send(delivery) => Some(delivery.event.no.get()),
        CourierAction::Save(_) => None,
    };
    let save = actions.iter().enumerate().find_map(|(at, action)| match action {
        CourierAction::Save(change) => {
            assert_eq!(at, 0, "a write comes first");
            Some(&**change)
        }
        CourierAction::Send(_) => None,
    });
    (save, actions.iter().filter_map(sent).collect())
}

/// Row and deliveries are two questions: another write may come in between.
#[test]
fn a_row_that_is_older_than_the_deliveries_beside_it_breaks_nothing() {
    let row = subscription("s");
    let mut other = courier();
    let told = other.step(Timestamp(0), read([ended(1, "a")]));
    let (Some(change), _) = parts(&told) else { panic!("it is written") };
    let open = change.made.clone();
    for mut late in [Courier::new(row.clone(), open.clone(), Patience::USUAL), {
        let courier = courier();
        courier.put_back(row.clone(), open.clone())
    }] {
        let mut actions = Vec::new();
        let again = read([ended(1, "a"), ended(2, "b")]);
        let broken = caught(|| actions = late.step(Timestamp(1), again));
        assert_eq!(broken, []);
        // Its write has seen the version before the other one, so no store takes it.
        let (Some(refused), _) = parts(&actions) else { panic!("it is written") };
        assert_eq!(refused.row.version, change.row.version);
    }
}

#[test]
fn what_is_wanted_gets_a_delivery_with_the_cursor_and_is_sent_at_once() {
    let mut courier = courier();
    let actions = courier.step(Timestamp(10), read([noted(1), ended(2, "a"), noted(3)]));
    let (save, sent) = parts(&actions);
    let save = save.expect("one write");
    assert_eq!((save.row.after, save.row.version), (EventNo(3), 2));
    let made: Vec<_> = save.made.iter().map(|it| (it.event.no.get(), it.state)).collect();
    assert_eq!(made, [(2, DeliveryState::Due { at: Timestamp(10) })]);
    assert_eq!(sent, [2]);
    assert_eq!(courier.step(Timestamp(11), CourierEvent::Looked), [], "it is under way");
}

#[test]
fn events_that_nobody_wants_are_written_rarely() {
    let mut courier = courier();
    assert_eq!(courier.step(Timestamp(1), read((1..500).map(noted))), []);
    assert_eq!(courier.reads_after(), Some(EventNo(499)));
    let actions = courier.step(Timestamp(1), read((500..=CURSOR_BEHIND_MAX).map(noted)));
    let (save, sent) = parts(&actions);
    assert_eq!(save.expect("a write").row.after, EventNo(CURSOR_BEHIND_MAX));
    assert_eq!(sent, [0_u64; 0]);
}

#[test]
fn events_that_were_read_before_change_nothing() {
    let mut courier = courier();
    let _ = courier.step(Timestamp(1), read([ended(1, "a")]));
    assert_eq!(courier.step(Timestamp(2), read([ended(1, "a")])), []);
}

#[test]
fn what_arrived_is_over() {
    let mut courier = courier();
    let _ = courier.step(Timestamp(1), read([ended(1, "a")]));
    let actions = courier.step(Timestamp(5), answered(1, arrived()));
    let (save, sent) = parts(&actions);
    let changed = &save.expect("a write").changed[0];
    assert_eq!(changed.state, DeliveryState::Delivered { at: Timestamp(5) });
    assert_eq!((changed.attempts[0].status, changed.tries), (Some(204), 1));
    assert_eq!(sent, [0_u64; 0]);
    assert_eq!(courier.next_due(Timestamp(5)), None);
    assert_eq!(courier.step(Timestamp(6), answered(1, arrived())), [], "nobody waits for it");
    assert_eq!(courier.step(Timestamp(u64::MAX / 2), CourierEvent::Looked), []);
}

#[test]
fn what_did_not_arrive_is_tried_again_when_it_is_due() {
    let mut courier = courier();
    let _ = courier.step(Timestamp(0), read([ended(1, "a")]));
    let actions = courier.step(Timestamp(1_000), answered(1, refused(Again::Later(None))));
    let save = parts(&actions).0.expect("a write");
    assert_eq!(save.row.state, Standing::Failing);
    assert_eq!(save.row.trouble.as_deref(), Some("status 500"));
    let due = courier.next_due(Timestamp(1_000)).expect("once more");
    assert!((6_000..=6_500).contains(&due.get()), "{due}");
    assert_eq!(courier.step(Timestamp(due.get() - 1), CourierEvent::Looked), []);
    let actions = courier.step(due, CourierEvent::Looked);
    assert_eq!(parts(&actions).1, [1]);
    let actions = courier.step(due, answered(1, arrived()));
    let save = parts(&actions).0.expect("a write");
    assert_eq!((save.row.state, &save.row.trouble), (Standing::Active, &None));
}

#[test]
fn a_receiver_that_asks_for_time_gets_it() {
    let mut courier = courier();
    let _ = courier.step(Timestamp(0), read([ended(1, "a")]));
    let asked = Again::Later(Some(Millis(90_000)));
    let _ = courier.step(Timestamp(0), answered(1, refused(asked)));
    assert_eq!(courier.next_due(Timestamp(0)), Some(Timestamp(90_000)));
}

#[test]
fn after_the_last_attempt_it_is_given_up_and_can_be_asked_for() {
    let mut courier = courier();
    let mut now = Timestamp(0);
    let mut actions = courier.step(now, read([ended(1, "a")]));
    for tries in 1..=NOTICE_PAUSES_MS.len() {
        assert_eq!(parts(&actions).1, [1], "attempt {tries}");
        let _ = courier.step(now, answered(1, refused(Again::Later(None))));
        now = courier.next_due(now).unwrap_or(now);
        actions = courier.step(now, CourierEvent::Looked);
    }
    assert_eq!(actions, []);
    assert_eq!(courier.next_due(now), None);
    assert!(courier.open().is_empty());
    assert!(now > Timestamp(3 * 86_400_000), "it was tried for three days: {now}");
}

#[test]
fn asked_again_it_has_all_its_attempts_and_a_bounded_history() {
    let mut courier = courier();
    let _ = courier.step(Timestamp(0), read([ended(1, "a")]));
    let actions = courier.step(Timestamp(0), answered(1, arrived()));
    let mut delivery = parts(&actions).0.expect("a write").changed[0].clone();
    for round in 1..50 {
        delivery = delivery.asked_again(Timestamp(round));
        assert_eq!(
            (delivery.tries, delivery.due_at(Timestamp(round))),
            (0, Some(Timestamp(round)))
        );
        assert_eq!(delivery.clone().asked_again(Timestamp(99)), delivery, "it is due anyway");
        let row = courier.row().clone();
        courier = courier.put_back(row, vec![delivery.clone()]);
        assert_eq!(parts(&courier.step(Timestamp(round), CourierEvent::Looked)).1, [1]);
        let actions = courier.step(Timestamp(round), answered(1, arrived()));
        delivery = parts(&actions).0.expect("a write").changed[0].clone();
    }
    assert_eq!(delivery.attempts.len(), NOTICE_ATTEMPTS_KEPT);
}

/// A write that took place and whose answer was lost is made again, by the courier before it.
#[test]
fn a_failure_counts_once_however_often_it_is_written() {
    let mut before = courier();
    let _ = before.step(Timestamp(0), read([ended(1, "a")]));
    let fails = || answered(1, refused(Again::Later(None)));
    let actions = before.clone().step(Timestamp(1), fails());
    let save = parts(&actions).0.expect("a write");
    assert_eq!(save.changed[0].tries, 1);
    let mut again = before.put_back(save.row.clone(), save.changed.clone());
    assert_eq!(again.step(Timestamp(2), fails()), []);
    assert_eq!(again.open()[&EventNo(1)].tries, 1);
}

/// Another sender ended it, and somebody asked: the attempt before that does not count.
#[test]
fn what_arrived_before_it_was_asked_for_is_sent_again() {
    let mut courier = courier();
    let _ = courier.step(Timestamp(0), read([ended(1, "a")]));
    let actions = courier.clone().step(Timestamp(1), answered(1, arrived()));
    let save = parts(&actions).0.expect("a write");
    let asked = save.changed[0].clone().asked_again(Timestamp(2));
    let row = Change::of(save.row.clone()).row;
    courier = courier.put_back(row, vec![asked]);
    let actions = courier.step(Timestamp(3), answered(1, arrived()));
    let (save, sent) = parts(&actions);
    assert!(save.is_none() && sent == [1], "{actions:?}");
}

#[test]
fn a_target_that_is_gone_is_switched_off_and_what_is_open_waits() {
    let mut courier = courier();
    let _ = courier.step(Timestamp(0), read([ended(1, "a"), ended(2, "b")]));
    let actions = courier.step(Timestamp(1), answered(1, refused(Again::Gone)));
    let save = parts(&actions).0.expect("a write");
    assert_eq!(save.row.state, Standing::Disabled);
    assert_eq!(save.changed[0].state, DeliveryState::GivenUp { at: Timestamp(1) });
    assert_eq!(courier.reads_after(), None);
    assert_eq!(courier.step(Timestamp(2), read([ended(3, "c")])), []);
    let actions = courier.step(Timestamp(3), answered(2, refused(Again::Later(None))));
    assert_eq!(parts(&actions).0.expect("a write").row.state, Standing::Disabled);
    assert_eq!(courier.next_due(Timestamp(u64::MAX / 2)), None);
    let row = courier.row().clone().turned(true, EventNo(3));
    let open = courier.open().values().cloned().collect();
    courier = courier.put_back(row, open);
    assert_eq!(courier.reads_after(), Some(EventNo(3)));
    assert_eq!(parts(&courier.step(Timestamp(99_999), CourierEvent::Looked)).1, [2]);
}

#[test]
fn one_target_has_few_attempts_at_a_time_and_one_that_fails_has_one() {
    let mut courier = courier();
    let actions = courier.step(Timestamp(0), read((1..=9).map(|no| ended(no, "a"))));
    assert_eq!(parts(&actions).1.len(), NOTICES_UNDER_WAY_MAX);
    assert_eq!(courier.next_due(Timestamp(0)), None, "an answer comes first");
    let _ = courier.step(Timestamp(0), answered(1, refused(Again::Later(None))));
    for no in 2..NOTICES_UNDER_WAY_MAX as u64 {
        let actions = courier.step(Timestamp(0), answered(no, refused(Again::Later(None))));
        assert_eq!(parts(&actions).1, [0_u64; 0], "one of the first is under way");
    }
    let last = NOTICES_UNDER_WAY_MAX as u64;
    let actions = courier.step(Timestamp(0), answered(last, refused(Again::Later(None))));
    assert_eq!(parts(&actions).1.len(), NOTICES_UNDER_WAY_WHILE_FAILING);
}

#[test]
fn whoever_has_too_much_to_do_reads_no_more() {
    let mut courier = courier();
    let events = (1..=DELIVERIES_OPEN_MAX as u64).map(|no| ended(no, "a"));
    let _ = courier.step(Timestamp(0), read(events));
    assert_eq!(courier.reads_after(), None);
    let _ = courier.step(Timestamp(0), answered(1, arrived()));
    assert_eq!(courier.reads_after(), Some(EventNo(DELIVERIES_OPEN_MAX as u64)));
}

#[test]
fn a_clock_that_was_set_back_puts_nothing_off_for_ever() {
    let mut courier = courier();
    let later = Timestamp(1_000 * 86_400_000);
    let _ = courier.step(later, read([ended(1, "a")]));
    let _ = courier.step(later, answered(1, refused(Again::Later(None))));
    let now = Timestamp(86_400_000);
    assert_eq!(parts(&courier.step(now, CourierEvent::Looked)).1, [1]);
}

/// Breaks each promise on purpose and sees it caught.
#[test]
fn broken_promises_are_seen() {
    let before = courier();
    let mut after = courier();
    let heard = read([ended(1, "a")]);
    let actions = after.step(Timestamp(0), heard.clone());
    let audit = |before: &Courier, heard: &CourierEvent, after: &Courier, actions: &[_]| {
        caught(|| audit::audit(before, heard, after, actions))
    };
    assert_eq!(audit(&before, &heard, &after, &actions), []);
    assert_eq!(audit(&before, &heard, &after, &[]), [Invariant::Note1], "passed over");
    assert_eq!(audit(&after, &heard, &before, &[]), [Invariant::Note1], "the cursor went back");
    let CourierAction::Save(change) = &actions[0] else { panic!("a write comes first") };
    let made = vec![change.made[0].clone(), change.made[0].clone()];
    let twice = [CourierAction::Save(Box::new(Change { made, ..(**change).clone() }))];
    assert_eq!(audit(&before, &heard, &after, &twice), [Invariant::Note1], "made twice");
    let looked = CourierEvent::Looked;
    let again = [CourierAction::Save(change.clone())];
    assert_eq!(audit(&after, &looked, &after, &again), [Invariant::Note1], "made again");
    let send = &actions[1..];
    assert_eq!(audit(&after, &looked, &after, send), [Invariant::Note2], "twice at one time");
    let CourierAction::Send(sent) = &actions[1] else { panic!("then it is sent") };
    let over =
        Delivery { state: DeliveryState::Delivered { at: Timestamp(1) }, ..(**sent).clone() };
    let sent = [CourierAction::Send(Box::new(over))];
    assert_eq!(audit(&before, &looked, &before, &sent), [Invariant::Note2], "it is over");
}
