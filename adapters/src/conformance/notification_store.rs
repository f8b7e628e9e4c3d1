//! What a [`tgs_protocol::notification::NotificationStore`] owes: NOTE-1, and one write a step.

use tgs_protocol::{
    code::Code,
    digest::Digest,
    event::{Event, Happening},
    id::SubscriptionId,
    job::{JobState, Outcome},
    limits::SUBSCRIPTIONS_MAX,
    notification::{
        EventKind, Standing, Subscription, Target,
        channel::{Receipt, Undelivered},
        delivery::{Delivery, DeliveryState},
        patience::Patience,
        step::{Courier, CourierAction, CourierEvent},
        store::{Change, Changed, Subscribed},
    },
    store::Written,
    submission::Submission,
    unit::{EventNo, Timestamp},
};

use crate::{
    conformance::sample::{claim, code, insert, job, row},
    ports::Ports,
};

fn subscription(id: &str) -> Subscription {
    Subscription {
        id: SubscriptionId::new(id),
        target: Target::Mail { to: "ada@example.org".parse().expect("a mailbox") },
        kinds: EventKind::usual(),
        state: Standing::Active,
        trouble: None,
        after: EventNo(0),
        made_at: Timestamp(1),
        submission: None,
        version: 1,
    }
}

fn delivery(of: &Subscription, no: u64) -> Delivery {
    let what = Happening::Ended(Outcome::Cancelled);
    let event = Event { no: EventNo(no), at: Timestamp(no), job: job("a"), what };
    Delivery::new(of.id.clone(), event, Timestamp(no))
}

fn over(delivery: &Delivery) -> Delivery {
    let state = DeliveryState::Delivered { at: Timestamp(99) };
    Delivery { state, ..delivery.clone() }
}

async fn subscribed(ports: &Ports, row: &Subscription) {
    assert_eq!(ports.notifications.subscribe(row).await.expect("subscribe"), Subscribed::New);
}

async fn change(ports: &Ports, change: &Change) -> Changed {
    ports.notifications.change(change).await.expect("change")
}

async fn numbers(ports: &Ports, id: &SubscriptionId) -> (Vec<u64>, Vec<u64>) {
    let of = |all: Vec<Delivery>| all.iter().map(|it| it.event.no.get()).collect();
    let all = ports.notifications.deliveries(id, None, 99).await.expect("deliveries");
    let open = ports.notifications.open_deliveries(id).await.expect("open deliveries");
    (of(all), of(open))
}

/// In order of names, until it is removed; its deliveries go with it and no others.
pub async fn what_is_subscribed_is_read_back(ports: &Ports) {
    let (first, second) = (subscription("a"), subscription("b"));
    subscribed(ports, &second).await;
    subscribed(ports, &first).await;
    let all = ports.notifications.subscriptions().await.expect("list");
    assert_eq!(all, [first.clone(), second.clone()]);
    for row in [&first, &second] {
        let made = vec![delivery(row, 1)];
        let write = Change { made, ..Change::of(row.clone()) };
        assert_eq!(change(ports, &write).await, Changed::Done);
    }
    assert!(ports.notifications.unsubscribe(&first.id).await.expect("unsubscribe"));
    assert!(!ports.notifications.unsubscribe(&first.id).await.expect("unsubscribe again"));
    assert_eq!(ports.notifications.subscription(&first.id).await.expect("read"), None);
    assert_eq!(numbers(ports, &first.id).await, (vec![], vec![]));
    assert_eq!(numbers(ports, &second.id).await, (vec![1], vec![1]));
    assert_eq!(change(ports, &Change::of(first)).await, Changed::Gone);
}

/// An order is taken once; its key serves no other one.
pub async fn a_subscription_is_taken_once(ports: &Ports) {
    let ordered = |id: &str, body: &[u8]| {
        let submission = Submission { key: "k".parse().expect("a key"), body: Digest::of(body) };
        Subscription { submission: Some(submission), ..subscription(id) }
    };
    let first = ordered("a", b"one");
    subscribed(ports, &first).await;
    let again = ports.notifications.subscribe(&ordered("b", b"one")).await.expect("again");
    assert_eq!(again, Subscribed::Known(Box::new(first.clone())));
    let other = ports.notifications.subscribe(&ordered("c", b"two")).await.expect("another");
    assert_eq!(other, Subscribed::KeyTaken(first.id));
}

/// They are bounded.
pub async fn there_are_no_more_subscriptions_than_may_be(ports: &Ports) {
    for no in 0..SUBSCRIPTIONS_MAX {
        subscribed(ports, &subscription(&format!("s{no}"))).await;
    }
    let more = ports.notifications.subscribe(&subscription("more")).await.expect("subscribe");
    assert_eq!(more, Subscribed::TooMany);
    assert!(ports.notifications.unsubscribe(&SubscriptionId::new("s7")).await.expect("remove"));
    subscribed(ports, &subscription("more")).await;
}

/// Of two who saw the same version, one wins; what the other wrote is nowhere.
pub async fn a_change_of_an_old_version_is_refused(ports: &Ports) {
    let row = subscription("a");
    subscribed(ports, &row).await;
    let write = Change { made: vec![delivery(&row, 1)], ..Change::of(row.clone()) };
    let writes = (0..8).map(|_| {
        let (store, write) = (ports.notifications.clone(), write.clone());
        tokio::spawn(async move { store.change(&write).await.expect("change") })
    });
    let mut done = 0;
    for writing in writes.collect::<Vec<_>>() {
        done += usize::from(writing.await.expect("a writer") == Changed::Done);
    }
    assert_eq!(done, 1);
    let late = Subscription { state: Standing::Disabled, ..row.clone() };
    let late = Change { made: vec![delivery(&row, 2)], ..Change::of(late) };
    assert_eq!(change(ports, &late).await, Changed::Stale);
    assert_eq!(numbers(ports, &row.id).await, (vec![1], vec![1]));
    let kept = ports.notifications.subscription(&row.id).await.expect("read").expect("is there");
    assert_eq!((kept.version, kept.state), (2, Standing::Active));
}

/// NOTE-1: a delivery is made once. The write that makes it again changes nothing at all.
pub async fn a_delivery_is_made_once(ports: &Ports) {
    let row = subscription("a");
    subscribed(ports, &row).await;
    let made = vec![delivery(&row, 1)];
    let write = Change { made: made.clone(), ..Change::of(row.clone()) };
    assert_eq!(change(ports, &write).await, Changed::Done);
    let arrived = Change { changed: vec![over(&made[0])], ..Change::of(write.row.clone()) };
    assert_eq!(change(ports, &arrived).await, Changed::Done);
    let moved = Subscription { after: EventNo(9), ..arrived.row.clone() };
    let both = vec![delivery(&row, 2), made[0].clone()];
    let again = Change { made: both, ..Change::of(moved) };
    assert_eq!(code(ports.notifications.change(&again).await), Code::Internal);
    assert_eq!(numbers(ports, &row.id).await, (vec![1], vec![]));
    let kept = ports.notifications.subscription(&row.id).await.expect("read");
    assert_eq!(kept, Some(arrived.row));
    let found = ports.notifications.delivery(&row.id, EventNo(1)).await.expect("read");
    assert_eq!(found, Some(over(&made[0])));
    assert_eq!(ports.notifications.delivery(&row.id, EventNo(2)).await.expect("read"), None);
}

/// Newest first, in parts; what is over leaves the open ones.
pub async fn deliveries_are_listed_in_parts(ports: &Ports) {
    let row = subscription("a");
    subscribed(ports, &row).await;
    subscribed(ports, &subscription("a2")).await;
    let made: Vec<_> = (1..=5).map(|no| delivery(&row, no)).collect();
    let write = Change { made: made.clone(), ..Change::of(row.clone()) };
    assert_eq!(change(ports, &write).await, Changed::Done);
    let changed = vec![over(&made[1]), over(&made[4])];
    let write = Change { changed, ..Change::of(write.row) };
    assert_eq!(change(ports, &write).await, Changed::Done);
    assert_eq!(numbers(ports, &row.id).await, (vec![5, 4, 3, 2, 1], vec![1, 3, 4]));
    let part = ports.notifications.deliveries(&row.id, Some(EventNo(4)), 2).await.expect("list");
    assert_eq!(part, [made[2].clone(), over(&made[1])]);
}

/// Only what is over goes: the old ones, and all but the newest.
pub async fn history_is_pruned(ports: &Ports) {
    let row = subscription("a");
    subscribed(ports, &row).await;
    let made: Vec<_> = (1..=8).map(|no| delivery(&row, no)).collect();
    let write = Change { made: made.clone(), ..Change::of(row.clone()) };
    assert_eq!(change(ports, &write).await, Changed::Done);
    let changed = made.iter().filter(|it| it.event.no != EventNo(2)).map(over).collect();
    let write = Change { changed, ..Change::of(write.row) };
    assert_eq!(change(ports, &write).await, Changed::Done);
    let prune = async |before, keep| {
        let pruned = ports.notifications.prune_deliveries(&row.id, Timestamp(before), keep).await;
        pruned.expect("prune")
    };
    assert_eq!(prune(4, 99).await, 2, "1 and 3 are old, 2 is not over");
    assert_eq!(prune(4, 99).await, 0);
    assert_eq!(numbers(ports, &row.id).await, (vec![8, 7, 6, 5, 4, 2], vec![2]));
    assert_eq!(prune(0, 2).await, 3);
    assert_eq!(numbers(ports, &row.id).await, (vec![8, 7, 2], vec![2]));
}

/// Ends of jobs, newest first, and a mark that never goes back.
pub async fn endings_are_told_and_marked(ports: &Ports) {
    for name in ["a", "b", "c"] {
        let mut ended = row(name, 1);
        insert(ports, &ended).await;
        let lease = claim(ports, &ended.id, "me").await;
        ended.state = JobState::Ended(Outcome::Cancelled);
        assert_eq!(ports.jobs.save(&lease, &ended).await.expect("save"), Written::Done);
    }
    let told = async |before, after, limit| {
        let found = ports.notifications.endings(before, after, limit).await.expect("endings");
        assert!(found.iter().all(|event| matches!(event.what, Happening::Ended(_))));
        found.iter().map(|event| event.job.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(told(None, EventNo(0), 9).await, ["c", "b", "a"]);
    assert_eq!(told(None, EventNo(0), 2).await, ["c", "b"]);
    let all = ports.notifications.endings(None, EventNo(0), 9).await.expect("endings");
    assert_eq!(told(Some(all[0].no), EventNo(0), 9).await, ["b", "a"]);
    assert_eq!(told(None, all[1].no, 9).await, ["c"]);
    assert_eq!(told(Some(EventNo(1)), EventNo(u64::MAX), 9).await, [""; 0]);
    assert!(ports.jobs.forget(&job("b")).await.expect("forget"));
    assert_eq!(told(None, EventNo(0), 9).await, ["c", "a"]);
    assert_eq!(ports.notifications.read_mark().await.expect("mark"), EventNo(0));
    for (through, mark) in [(5, 5), (3, 5), (7, 7)] {
        let moved = ports.notifications.mark_read(EventNo(through)).await.expect("mark");
        assert_eq!(moved, EventNo(mark));
    }
    assert_eq!(ports.notifications.read_mark().await.expect("mark"), EventNo(7));
}

/// A courier over this store, killed after every step: what it wrote is what it goes on from.
pub async fn a_courier_that_is_killed_goes_on(ports: &Ports) {
    let row = subscription("a");
    subscribed(ports, &row).await;
    let mut log: Vec<_> = (1..=6).map(|no| delivery(&row, no).event).collect();
    let mut sent = Vec::new();
    for now in 1..=12 {
        let found = ports.notifications.subscription(&row.id).await.expect("read");
        let open = ports.notifications.open_deliveries(&row.id).await.expect("open");
        let mut courier = Courier::new(found.expect("is there"), open, Patience::times(0.0));
        let after = courier.reads_after().expect("it is on");
        let later = log.iter().find(|event| event.no > after).cloned();
        let mut heard = vec![CourierEvent::Read(later.into_iter().collect())];
        while let Some(event) = heard.pop() {
            for action in courier.step(Timestamp(now), event) {
                match action {
                    CourierAction::Save(write) => {
                        assert_eq!(change(ports, &write).await, Changed::Done);
                    }
                    CourierAction::Send(delivery) => {
                        let event = delivery.event.no;
                        sent.push(event);
                        let what = match now % 2 {
                            0 => Ok(Receipt::default()),
                            _ => Err(Undelivered::unanswered("silence")),
                        };
                        heard.push(CourierEvent::Answered { event, what });
                    }
                }
                if heard.len() > 3 {
                    heard.clear(); // Killed.
                }
            }
            heard.truncate(usize::from(now % 2 == 0)); // One that fails would be tried for ever.
        }
    }
    log.retain(|event| !sent.contains(&event.no));
    assert!(log.is_empty(), "each was sent: {log:?} was not");
    let (all, _) = numbers(ports, &row.id).await;
    assert_eq!(all, [6, 5, 4, 3, 2, 1], "each has one delivery");
}
