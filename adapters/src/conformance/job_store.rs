//! What a [`tgs_protocol::store::JobStore`] owes.

use std::slice;

use tgs_protocol::{
    code::Code,
    digest::Digest,
    job::{
        JobRow, JobState, Outcome,
        format::ROW_FORMAT,
        listing::{Listing, StateClass},
    },
    queue::Priority,
    residency::Ground,
    stage::Stage,
    store::Written,
    submission::{Inserted, Submission},
    unit::{Epoch, EventNo, Timestamp},
};

use crate::{
    conformance::sample::{all_rows, claim, code, insert, job, overtaken, row},
    ports::Ports,
};

/// The first row of a name stays.
pub async fn inserting_twice_changes_nothing(ports: &Ports) {
    let (first, mut second) = (row("a", 1), row("a", 2));
    second.failed_tries = 9;
    assert_eq!(ports.jobs.insert(&first).await.expect("insert"), Inserted::New);
    assert_eq!(ports.jobs.insert(&second).await.expect("insert again"), Inserted::NameTaken);
    assert_eq!(ports.jobs.read(&first.id).await.expect("read"), Some(first));
}

/// Every field survives.
pub async fn what_is_saved_is_read_back(ports: &Ports) {
    let mut saved = row("a", 1);
    assert_eq!(ports.jobs.read(&saved.id).await.expect("read"), None);
    insert(ports, &saved).await;
    let lease = claim(ports, &saved.id, "me").await;
    for tries in 0..20 {
        saved.failed_tries = tries;
        saved.request.gates.ks_mean.threshold = 0.1 + f64::from(tries) / 3.0;
        saved.timeline.push(saved.timeline[0].clone());
        saved.state = JobState::Ended(Outcome::Withheld { reasons: vec!["ks".to_owned()] });
        assert_eq!(ports.jobs.save(&lease, &saved).await.expect("save"), Written::Done);
        assert_eq!(ports.jobs.read(&saved.id).await.expect("read").as_ref(), Some(&saved));
    }
}

/// A write that its holder gave up arrives after later ones of the same holder: it changes nothing,
/// and tells nothing. The newest one may be sent once more.
pub async fn a_late_write_of_the_same_holder_changes_nothing(ports: &Ports) {
    let mut early = row("a", 1);
    insert(ports, &early).await;
    let lease = claim(ports, &early.id, "me").await;
    early.writes = 1;
    early.timeline.push(early.timeline[0].clone());
    let mut later = JobRow { writes: 2, failed_tries: 1, ..early.clone() };
    later.timeline.push(early.timeline[0].clone());
    assert_eq!(ports.jobs.save(&lease, &later).await.expect("save"), Written::Done);
    let newest = ports.events.newest_event().await.expect("look");
    for _ in 0..2 {
        let by = lease.epoch;
        let late = ports.jobs.save(&lease, &early).await.expect("save late");
        assert_eq!(late, Written::Overtaken { by });
        assert_eq!(ports.jobs.save(&lease, &later).await.expect("save again"), Written::Done);
    }
    assert_eq!(ports.jobs.read(&later.id).await.expect("read"), Some(later));
    assert_eq!(ports.events.newest_event().await.expect("look"), newest);
}

/// By acceptance; the name decides among equals.
pub async fn rows_are_listed_newest_first(ports: &Ports) {
    assert_eq!(listed(ports, None).await, [""; 0]);
    for (name, at) in [("b", 5), ("d", 9), ("a", 5), ("c", 7)] {
        insert(ports, &row(name, at)).await;
    }
    assert_eq!(listed(ports, None).await, ["d", "c", "b", "a"]);
    assert_eq!(all_rows(ports).await.expect("list")[0], row("d", 9));
}

/// Each row once, whatever the size of the pages.
pub async fn pages_go_through_the_whole_list(ports: &Ports) {
    for no in 0..7 {
        insert(ports, &row(&format!("j{no}"), no / 2)).await;
    }
    for limit in [0, 1, 2, 3, 6, 7, 8, usize::MAX] {
        let mut listing = Listing { class: None, after: None, limit };
        let mut names = Vec::new();
        loop {
            let page = ports.jobs.list(&listing).await.expect("list");
            assert!((1..=limit.max(1)).contains(&page.rows.len()), "pages of {limit}");
            names.extend(page.rows.into_iter().map(|row| row.id.to_string()));
            let Some(next) = page.next else { break };
            listing.after = Some(next);
        }
        assert_eq!(names, ["j6", "j5", "j4", "j3", "j2", "j1", "j0"], "pages of {limit}");
    }
}

/// A list of one class follows every change of state; so do the counts.
pub async fn lists_and_counts_follow_the_states(ports: &Ports) {
    use StateClass::{Cancelled, Failed, Running, Waiting};
    for (name, at) in [("a", 1), ("b", 2), ("c", 3)] {
        insert(ports, &row(name, at)).await;
    }
    assert_eq!(listed(ports, Some(Waiting)).await, ["c", "b", "a"]);
    let lease = claim(ports, &job("b"), "me").await;
    let mut moved = row("b", 2);
    for (state, class) in [
        (JobState::Running { stage: Stage::Ingest }, Running),
        (JobState::Running { stage: Stage::Profile }, Running),
        (JobState::Ended(Outcome::Cancelled), Cancelled),
    ] {
        moved.state = state;
        assert_eq!(ports.jobs.save(&lease, &moved).await.expect("save"), Written::Done);
        assert_eq!(listed(ports, Some(class)).await, ["b"]);
        assert_eq!(listed(ports, Some(Waiting)).await, ["c", "a"]);
        assert_eq!(listed(ports, Some(Failed)).await, [""; 0]);
        let counts = ports.jobs.count().await.expect("count");
        assert_eq!(counts, [(Waiting, 2), (class, 1)].into());
    }
    assert_eq!(listed(ports, None).await, ["c", "b", "a"]);
}

/// By turn, not by age; each job in the part of the line that is of its class, until it ends.
pub async fn who_is_first_in_line_is_read_in_turn(ports: &Ports) {
    use StateClass::{Running, Waiting};
    let first = async |class, but: &[&str], limit| {
        let but = but.iter().map(|name| job(name)).collect();
        let rows = ports.jobs.first_in_line(class, None, &but, limit).await.expect("look");
        rows.into_iter().map(|row| row.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(first(Waiting, &[], 9).await, [""; 0]);
    let urgent = JobRow { priority: Priority::new(9).expect("is one"), ..row("urgent", 30) };
    for row in [row("b", 20), row("a", 20), row("old", 10), urgent.clone()] {
        insert(ports, &row).await;
    }
    assert_eq!(first(Waiting, &[], usize::MAX).await, ["urgent", "old", "a", "b"]);
    assert_eq!(first(Waiting, &[], 2).await, ["urgent", "old"]);
    assert_eq!(first(Waiting, &["old", "none"], 2).await, ["urgent", "a"]);
    assert_eq!(first(Waiting, &[], 0).await, [""; 0]);
    assert_eq!(first(Running, &[], 9).await, [""; 0]);
    let lease = claim(ports, &urgent.id, "me").await;
    let runs = JobRow { state: JobState::Running { stage: Stage::Ingest }, writes: 1, ..urgent };
    let goes_on =
        JobRow { state: JobState::Running { stage: Stage::Profile }, writes: 2, ..runs.clone() };
    for row in [&runs, &goes_on] {
        assert_eq!(ports.jobs.save(&lease, row).await.expect("save"), Written::Done);
        assert_eq!(first(Waiting, &[], 9).await, ["old", "a", "b"]);
        assert_eq!(first(Running, &[], 9).await, ["urgent"]);
    }
    let ended = JobRow { state: JobState::Ended(Outcome::Cancelled), writes: 3, ..runs };
    assert_eq!(ports.jobs.save(&lease, &ended).await.expect("save"), Written::Done);
    assert_eq!(first(Running, &[], 9).await, [""; 0]);
    assert_eq!(first(Waiting, &[], 9).await, ["old", "a", "b"]);
}

/// Whoever looks for work passes over what may not be in its region, or not on its machine.
pub async fn who_may_not_be_there_is_passed_over(ports: &Ports) {
    let pinned = |id, at, regions: &str| {
        let regions = regions.parse().expect("regions");
        JobRow { regions, ..row(id, at) }
    };
    let steady = JobRow { stays_off_spot: true, ..pinned("steady", 4, "eu") };
    let rows = [pinned("eu", 1, "eu"), pinned("both", 2, "eu,us"), row("any", 3), steady];
    for row in &rows {
        insert(ports, row).await;
        assert_eq!(ports.jobs.read(&row.id).await.expect("read").as_ref(), Some(row));
    }
    let ground = |region: &str, is_spot| Some(Ground { region: region.to_owned(), is_spot });
    for (ground, limit, first) in [
        (None, 9, &["eu", "both", "any", "steady"][..]),
        (ground("eu", true), 2, &["eu", "both"]),
        (ground("eu", true), 9, &["eu", "both", "any"]),
        (ground("eu", false), 9, &["eu", "both", "any", "steady"]),
        (ground("us", true), 1, &["both"]),
        (ground("us", false), 9, &["both", "any"]),
        (ground("asia", true), 1, &["any"]),
    ] {
        let (waiting, but) = (StateClass::Waiting, [].into());
        let found = ports.jobs.first_in_line(waiting, ground.as_ref(), &but, limit).await;
        let found: Vec<_> = found.expect("look").iter().map(|row| row.id.to_string()).collect();
        assert_eq!(found, first, "{ground:?} {limit}");
    }
}

/// Whoever knows some of them is given the rows of the others.
pub async fn a_line_is_read_without_the_rows_that_are_known(ports: &Ports) {
    for (id, at) in [("late", 9), ("early", 3), ("middle", 5)] {
        insert(ports, &row(id, at)).await;
    }
    let known = [job("early"), job("gone")].into();
    for (limit, names, rows) in [
        (9, &["early", "middle", "late"][..], &["middle", "late"][..]),
        (2, &["early", "middle"], &["middle"]),
        (1, &["early"], &[]),
    ] {
        let line = ports.jobs.line(StateClass::Waiting, &known, limit).await.expect("look");
        let named: Vec<_> = line.0.iter().map(|job| job.as_str()).collect();
        let read: Vec<_> = line.1.iter().map(|row| row.id.as_str()).collect();
        assert_eq!((&named[..], &read[..]), (names, rows), "{limit}");
    }
}

/// An order is taken once, however often it is sent; its key serves no other order.
pub async fn an_order_is_taken_once(ports: &Ports) {
    let (first, again) = (ordered("a", "k", b"one"), ordered("b", "k", b"one"));
    let (other, fresh) = (ordered("c", "k", b"two"), ordered("d", "l", b"one"));
    let key = |row: &JobRow| row.submission.as_ref().expect("an order").key.clone();
    assert_eq!(ports.jobs.ordered(&key(&first)).await.expect("a look"), None);
    insert(ports, &first).await;
    for _ in 0..2 {
        let known = Inserted::Known(job("a"));
        assert_eq!(ports.jobs.insert(&again).await.expect("insert again"), known);
        assert_eq!(ports.jobs.insert(&first).await.expect("insert again"), known);
        let taken = Inserted::KeyTaken(job("a"));
        assert_eq!(ports.jobs.insert(&other).await.expect("insert another"), taken);
    }
    insert(ports, &fresh).await;
    assert_eq!(listed(ports, None).await, ["d", "a"]);
    for row in [&first, &fresh] {
        assert_eq!(ports.jobs.ordered(&key(row)).await.expect("a look").as_ref(), Some(row));
    }
}

/// Of orders with one key that come at the same time, one is taken.
pub async fn one_of_concurrent_orders_is_taken(ports: &Ports) {
    let sendings = (0..8).map(|no| {
        let (jobs, sent) = (ports.jobs.clone(), ordered(&format!("j{no}"), "k", b"one"));
        tokio::spawn(async move { (jobs.insert(&sent).await.expect("insert"), sent.id) })
    });
    let (mut taken, mut known) = (Vec::new(), Vec::new());
    for sending in sendings.collect::<Vec<_>>() {
        match sending.await.expect("a sending") {
            (Inserted::New, job) => taken.push(job),
            (Inserted::Known(job), _) => known.push(job),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((taken.len(), known.len()), (1, 7));
    assert!(known.iter().all(|job| *job == taken[0]));
}

/// Only a job that ended is forgotten, with its events and its key.
pub async fn a_job_that_ended_can_be_forgotten(ports: &Ports) {
    let mut old = ordered("a", "k", b"one");
    insert(ports, &old).await;
    insert(ports, &row("b", 2)).await;
    assert!(!ports.jobs.forget(&old.id).await.expect("forget"), "it has not ended");
    let lease = claim(ports, &old.id, "me").await;
    old.state = JobState::Ended(Outcome::Cancelled);
    assert_eq!(ports.jobs.save(&lease, &old).await.expect("save"), Written::Done);
    assert!(ports.jobs.forget(&old.id).await.expect("forget"));
    assert!(!ports.jobs.forget(&old.id).await.expect("forget again"));
    assert_eq!(ports.jobs.read(&old.id).await.expect("read"), None);
    assert_eq!(listed(ports, None).await, ["b"]);
    let left = ports.events.events(EventNo(0), None, 9).await.expect("events");
    assert!(left.iter().all(|event| event.job == job("b")), "{left:?}");
    let newest = ports.events.newest_event().await.expect("newest");
    insert(ports, &ordered("c", "k", b"two")).await;
    let added = ports.events.events(newest, None, 9).await.expect("events");
    assert_eq!(added.iter().map(|event| event.no).collect::<Vec<_>>(), [newest.next()]);
}

async fn listed(ports: &Ports, class: Option<StateClass>) -> Vec<String> {
    let page = ports.jobs.list(&Listing::all(class)).await.expect("list");
    page.rows.into_iter().map(|row| row.id.to_string()).collect()
}

fn ordered(name: &str, key: &str, body: &[u8]) -> JobRow {
    let submission = Submission { key: key.parse().expect("a key"), body: Digest::of(body) };
    JobRow { submission: Some(submission), ..row(name, 1) }
}

/// LEASE-2.
pub async fn a_stale_save_is_refused(ports: &Ports) {
    let kept = row("a", 1);
    insert(ports, &kept).await;
    let (stale, newest) = overtaken(ports, &kept.id).await;
    let mut lost = kept.clone();
    lost.accepted_at = Timestamp(99);
    let refused = Written::Overtaken { by: Epoch(2) };
    assert_eq!(ports.jobs.save(&stale, &lost).await.expect("save"), refused);
    assert_eq!(ports.jobs.read(&kept.id).await.expect("read"), Some(kept));
    assert_eq!(ports.jobs.save(&newest, &lost).await.expect("save"), Written::Done);
}

/// A row cannot come into being, nor another job's row change, by a save.
pub async fn saving_needs_a_row_and_its_own_lease(ports: &Ports) {
    let lease = claim(ports, &job("a"), "me").await;
    assert_eq!(code(ports.jobs.save(&lease, &row("a", 1)).await), Code::JobNotFound);
    assert_eq!(ports.jobs.read(&job("a")).await.expect("read"), None);
    insert(ports, &row("b", 1)).await;
    assert_eq!(code(ports.jobs.save(&lease, &row("b", 2)).await), Code::Internal);
    assert_eq!(ports.jobs.read(&job("b")).await.expect("read"), Some(row("b", 1)));
}

/// A job's name is a folder's name.
pub async fn names_that_leave_the_folder_are_refused(ports: &Ports) {
    for name in ["", "..", "../a", "a/b", "/a", "a\0b"] {
        assert_eq!(code(ports.jobs.insert(&row(name, 1)).await), Code::JobNotFound, "{name:?}");
        assert_eq!(code(ports.artifacts.sweep(&job(name), &[]).await), Code::JobNotFound);
        assert_eq!(ports.jobs.read(&job(name)).await.expect("read"), None);
    }
}

/// One bad row must not make the list of all rows unreadable.
pub async fn a_row_that_cannot_be_read_back_is_refused(ports: &Ports) {
    let mut bad = row("a", 1);
    bad.request.gates.ks_mean.threshold = f64::NAN;
    assert_eq!(code(ports.jobs.insert(&bad).await), Code::BadRequest);
    assert_eq!(listed(ports, None).await, [""; 0]);
}

/// A row that this version does not understand is neither read nor written over, whoever holds its
/// lease; what stands beside it is as ever.
pub async fn what_a_newer_version_wrote_is_left_alone(ports: &Ports) {
    let (first, other) = (ordered("a", "k", b"one"), row("b", 2));
    for row in [&first, &other] {
        insert(ports, row).await;
    }
    let lease = claim(ports, &first.id, "me").await;
    let newer = JobRow { format: ROW_FORMAT + 1, writes: 1, ..first.clone() };
    assert_eq!(ports.jobs.save(&lease, &newer).await.expect("save"), Written::Done);

    let key = first.submission.clone().expect("an order").key;
    assert_eq!(code(ports.jobs.read(&first.id).await), Code::StoreTooNew);
    assert_eq!(code(ports.jobs.ordered(&key).await), Code::StoreTooNew);
    let known = JobRow { writes: 2, ..first.clone() };
    for row in [&known, &newer] {
        assert_eq!(code(ports.jobs.save(&lease, row).await), Code::StoreTooNew);
    }
    assert_eq!(code(ports.jobs.insert(&ordered("c", "k", b"one")).await), Code::StoreTooNew);
    assert_eq!(code(ports.jobs.forget(&first.id).await), Code::StoreTooNew);
    // A lease says nothing of its job: who held it may give it back.
    assert_eq!(ports.leases.release(&lease).await.expect("release"), Written::Done);

    assert_eq!(listed(ports, None).await, ["b"]);
    let waiting = StateClass::Waiting;
    let line = ports.jobs.first_in_line(waiting, None, &[].into(), 9).await.expect("look");
    assert_eq!(line, slice::from_ref(&other));
    let (_, rows) = ports.jobs.line(waiting, &[].into(), 9).await.expect("look");
    assert_eq!(rows, slice::from_ref(&other));
    let lease = claim(ports, &other.id, "me").await;
    let saved = JobRow { writes: 1, failed_tries: 1, ..other };
    assert_eq!(ports.jobs.save(&lease, &saved).await.expect("save"), Written::Done);
    assert_eq!(ports.jobs.read(&saved.id).await.expect("read"), Some(saved));
}
