//! What a [`tgs_protocol::store::EventLog`] owes.

use std::time::Duration;

use tgs_protocol::{
    event::{Event, Happening},
    id::JobId,
    job::{JobRow, JobState, Outcome},
    lease::Lease,
    stage::Stage,
    store::Written,
    submission::Inserted,
    unit::{EventNo, Timestamp},
};

use crate::{
    conformance::sample::{claim, insert, job, overtaken, row},
    ports::Ports,
};

/// Longer than any store takes to wake a waiter.
const LONG: Duration = Duration::from_secs(20);

/// Numbers without gaps over all jobs, each job's events in order.
pub async fn every_change_is_told_once_and_in_order(ports: &Ports) {
    let (mut a, b) = (row("a", 1), row("b", 2));
    assert_eq!(ports.events.newest_event().await.expect("newest"), EventNo(0));
    insert(ports, &a).await;
    let lease = claim(ports, &a.id, "me").await;
    begin(&mut a, Timestamp(7));
    save(ports, &lease, &a).await;
    save(ports, &lease, &a).await; // An answer was lost, so it is written again.
    insert(ports, &b).await;
    a.state = JobState::Ended(Outcome::Cancelled);
    save(ports, &lease, &a).await;
    let told = read(ports, EventNo(0), None, 99).await;
    let numbers: Vec<_> = told.iter().map(|event| event.no.get()).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let names: Vec<_> = told.iter().map(|it| (it.job.as_str(), it.what.name())).collect();
    let all = [
        ("a", "job.accepted"),
        ("a", "job.stage_began"),
        ("b", "job.accepted"),
        ("a", "job.ended"),
    ];
    assert_eq!(names, all);
    assert_eq!(told[1].at, Timestamp(7));
    assert_eq!(told[3].what, Happening::Ended(Outcome::Cancelled));
    assert_eq!(ports.events.newest_event().await.expect("newest"), EventNo(4));
}

/// From any number on, of one job or of all, so many as are asked for.
pub async fn events_are_read_from_anywhere(ports: &Ports) {
    for no in 1..=6 {
        insert(ports, &row(&format!("j{no}"), 1)).await;
    }
    let all = read(ports, EventNo(0), None, 99).await;
    assert_eq!(read(ports, EventNo(2), None, 3).await, all[2..5]);
    assert_eq!(read(ports, EventNo(6), None, 3).await, []);
    assert_eq!(read(ports, EventNo(u64::MAX), None, 3).await, []);
    let one = job("j5");
    assert_eq!(read(ports, EventNo(0), Some(&one), 9).await, all[4..5]);
    assert_eq!(read(ports, EventNo(5), Some(&one), 9).await, []);
    assert_eq!(read(ports, EventNo(u64::MAX), Some(&one), 9).await, []);
    assert_eq!(read(ports, EventNo(0), Some(&job("nobody")), 9).await, []);
}

/// LEASE-2: what was not written is not told.
pub async fn a_refused_write_tells_nothing(ports: &Ports) {
    let mut lost = row("a", 1);
    insert(ports, &lost).await;
    let (stale, _) = overtaken(ports, &lost.id).await;
    begin(&mut lost, Timestamp(9));
    assert!(matches!(ports.jobs.save(&stale, &lost).await, Ok(Written::Overtaken { .. })));
    assert_eq!(ports.jobs.insert(&lost).await.expect("insert"), Inserted::NameTaken);
    assert_eq!(ports.events.newest_event().await.expect("newest"), EventNo(1));
}

/// A waiter is woken by what comes, and does not wait for what is there.
pub async fn a_waiter_is_woken(ports: &Ports) {
    let log = ports.events.clone();
    let waiter = tokio::spawn(async move { log.wait_for_event(EventNo(1)).await });
    insert(ports, &row("a", 1)).await;
    tokio::time::timeout(LONG, ports.events.wait_for_event(EventNo(0))).await.expect("is there");
    assert!(!waiter.is_finished(), "the second event is not there");
    insert(ports, &row("b", 1)).await;
    tokio::time::timeout(LONG, waiter).await.expect("woken").expect("no panic");
}

fn begin(row: &mut JobRow, now: Timestamp) {
    row.state = JobState::Running { stage: Stage::Ingest };
    row.changed_at = now;
}

async fn save(ports: &Ports, lease: &Lease, row: &JobRow) {
    assert_eq!(ports.jobs.save(lease, row).await.expect("save"), Written::Done);
}

async fn read(ports: &Ports, after: EventNo, job: Option<&JobId>, limit: usize) -> Vec<Event> {
    ports.events.events(after, job, limit).await.expect("events")
}
