//! What a [`tgs_protocol::store::JobStore`] owes.

use tgs_protocol::{
    code::Code,
    job::{JobState, Outcome},
    store::Written,
    unit::{Epoch, Timestamp},
};

use crate::{
    conformance::sample::{claim, code, job, overtaken, row},
    ports::Ports,
};

/// The first row of a name stays.
pub async fn inserting_twice_changes_nothing(ports: &Ports) {
    let (first, mut second) = (row("a", 1), row("a", 2));
    second.failed_tries = 9;
    assert!(ports.jobs.insert(&first).await.expect("insert"));
    assert!(!ports.jobs.insert(&second).await.expect("insert again"));
    assert_eq!(ports.jobs.read(&first.id).await.expect("read"), Some(first));
}

/// Every field survives.
pub async fn what_is_saved_is_read_back(ports: &Ports) {
    let mut saved = row("a", 1);
    assert_eq!(ports.jobs.read(&saved.id).await.expect("read"), None);
    assert!(ports.jobs.insert(&saved).await.expect("insert"));
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

/// By acceptance; the name decides among equals.
pub async fn rows_are_listed_newest_first(ports: &Ports) {
    assert_eq!(ports.jobs.list().await.expect("list"), []);
    for (name, at) in [("b", 5), ("d", 9), ("a", 5), ("c", 7)] {
        assert!(ports.jobs.insert(&row(name, at)).await.expect("insert"));
    }
    let listed = ports.jobs.list().await.expect("list");
    let names: Vec<_> = listed.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(names, ["d", "c", "b", "a"]);
    assert_eq!(listed[0], row("d", 9));
}

/// LEASE-2.
pub async fn a_stale_save_is_refused(ports: &Ports) {
    let kept = row("a", 1);
    assert!(ports.jobs.insert(&kept).await.expect("insert"));
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
    assert!(ports.jobs.insert(&row("b", 1)).await.expect("insert"));
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
    assert_eq!(ports.jobs.list().await.expect("list"), []);
}
