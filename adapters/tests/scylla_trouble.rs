//! What is kept when writers stop anywhere, and when the database does.

use std::{sync::Arc, time::Duration};

use tgs_adapters::{Scylla, conformance::sample::row, scylla::Contact};
use tgs_protocol::{
    digest::Digest,
    event::happenings,
    id::Incarnation,
    job::{JobRow, JobState, Outcome, listing::Listing},
    stage::Stage,
    store::{EventLog, JobStore, LeaseStore, StoreError, Written},
    submission::{Inserted, Submission},
    unit::EventNo,
};
use tgs_tests::services::{Cassandra, Database};

const JOBS: u64 = 60;

fn contact(database: Database) -> Contact {
    let keyspace = format!("trouble_{}", std::process::id());
    Contact::of(database.contact_points, database.data_centres, keyspace)
}

async fn opened(contact: &Contact) -> (Scylla, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("folder");
    (Scylla::open(contact, folder.path()).await.expect("opens"), folder)
}

/// A job's life, write by write.
fn life(no: u64) -> Vec<JobRow> {
    let key = format!("order-{no}");
    let submission =
        Submission { key: key.parse().expect("a key"), body: Digest::of(key.as_bytes()) };
    let mut rows = vec![JobRow { submission: Some(submission), ..row(&format!("j{no}"), no) }];
    let states = [
        JobState::Running { stage: Stage::Ingest },
        JobState::Running { stage: Stage::Profile },
        JobState::Running { stage: Stage::Train },
        JobState::Ended(Outcome::Cancelled),
    ];
    for (writes, state) in (1..).zip(states) {
        let before = rows.last().expect("one is there").clone();
        rows.push(JobRow { state, writes, ..before });
    }
    rows
}

async fn live(store: Scylla, rows: Vec<JobRow>) -> Result<(), StoreError> {
    assert_eq!(store.insert(&rows[0]).await?, Inserted::New);
    let seen = store.look(&rows[0].id).await?;
    let claimed = store.claim(&rows[0].id, &Incarnation::new("writer"), &seen).await?;
    let lease = claimed.expect("nobody else claims");
    for row in &rows[1..] {
        assert_eq!(store.save(&lease, row).await?, Written::Done);
    }
    Ok(())
}

/// Every job has the events of the writes that its row came through, each once, and all together
/// have numbers without gaps; lists and counts agree.
async fn assert_told(store: &Scylla, lives: &[Vec<JobRow>]) {
    let all = store.events(EventNo(0), None, usize::MAX).await.expect("events");
    let numbers: Vec<u64> = all.iter().map(|event| event.no.get()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let listed = store.list(&Listing::all(None)).await.expect("list").rows;
    let mut rows = 0;
    for life in lives {
        let stands = store.read(&life[0].id).await.expect("read");
        let told = store.events(EventNo(0), Some(&life[0].id), usize::MAX).await.expect("events");
        let of_job = all.iter().filter(|event| event.job == life[0].id);
        assert!(told.iter().eq(of_job), "{}: two logs", life[0].id);
        let Some(stands) = stands else {
            assert_eq!(told, [], "{}: it was never there", life[0].id);
            continue;
        };
        rows += 1;
        let at = life.iter().position(|row| *row == stands).expect("one of its rows");
        let mut expected = happenings(None, &life[0]);
        for pair in life[..=at].windows(2) {
            expected.extend(happenings(Some(&pair[0]), &pair[1]));
        }
        let told: Vec<_> = told.into_iter().map(|event| event.what).collect();
        assert_eq!(told, expected, "{}", life[0].id);
        assert!(listed.contains(&stands), "{} is not listed as it stands", life[0].id);
    }
    assert_eq!(listed.len(), rows);
    let counts = store.count().await.expect("count");
    assert_eq!(counts.values().sum::<u64>(), rows as u64);
}

/// Writers that are cut off at any point, two nodes at once: whoever comes next finds what they
/// wrote, whole, and tells of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_writer_that_stops_leaves_is_told_by_others() {
    let contact = contact(Database::shared());
    let (one, two) = (opened(&contact).await, opened(&contact).await);
    let lives: Vec<Vec<JobRow>> = (0..JOBS).map(life).collect();
    let mut writers = Vec::new();
    for (no, life) in lives.iter().enumerate() {
        let store = if no % 2 == 0 { &one.0 } else { &two.0 };
        writers.push(tokio::spawn(live(store.clone(), life.clone())));
        // From before the first statement to after the last one, whatever a statement takes here.
        tokio::time::sleep(Duration::from_millis(no as u64 * 7 % 60)).await;
        if no % 3 > 0 {
            writers[no.saturating_sub(no % 7)].abort();
        }
    }
    let mut cut = 0;
    for writer in writers {
        match writer.await {
            Ok(lived) => lived.expect("the database answers"),
            Err(error) => {
                assert!(error.is_cancelled(), "{error}");
                cut += 1;
            }
        }
    }
    assert!(cut > 5, "only {cut} were cut off");
    // What was sent before its writer was cut off is decided by now.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (other, _folder) = opened(&contact).await;
    other.catch_up().await.expect("catches up");
    assert_told(&other, &lives).await;
    // Whoever sent an order and heard nothing sends it again: one job comes of it.
    for (no, life) in lives.iter().enumerate() {
        let again = JobRow { id: row(&format!("again{no}"), 1).id, ..life[0].clone() };
        let was_there = other.read(&life[0].id).await.expect("read").is_some();
        match other.insert(&again).await.expect("insert") {
            Inserted::New => assert!(!was_there, "j{no} was there"),
            Inserted::Known(job) => assert_eq!(job, life[0].id),
            other => panic!("{other:?}"),
        }
    }
    for store in [&one.0, &two.0, &other] {
        assert_eq!(store.list(&Listing::all(None)).await.expect("list").rows.len(), lives.len());
    }
}

/// A database that stands still, and one that is killed and comes back: what was acknowledged
/// stands, what was not is there once or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_stops_loses_nothing_and_doubles_nothing() {
    let database = Arc::new(Cassandra::start());
    let contact = contact(database.database());
    let (store, _folder) = opened(&contact).await;
    let lives: Vec<Vec<JobRow>> = (0..JOBS).map(life).collect();
    let troubled = database.clone();
    let trouble = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(300));
        troubled.pause();
        std::thread::sleep(Duration::from_secs(3));
        troubled.go_on();
        std::thread::sleep(Duration::from_millis(300));
        troubled.kill();
        troubled.restart();
    });
    let mut writers = Vec::new();
    for life in &lives {
        let (store, life) = (store.clone(), life.clone());
        writers.push(tokio::spawn(async move { live_on(store, life).await }));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    trouble.await.expect("the database is back");
    for writer in writers {
        writer.await.expect("it lives to its end");
    }
    store.catch_up().await.expect("catches up");
    assert_told(&store, &lives).await;
    for life in &lives {
        let stands = store.read(&life[0].id).await.expect("read");
        assert_eq!(stands.as_ref(), life.last(), "every write was acknowledged in the end");
    }
}

/// Tries each write until the database says that it stands.
async fn live_on(store: Scylla, rows: Vec<JobRow>) {
    let job = &rows[0].id;
    loop {
        match store.insert(&rows[0]).await {
            Ok(Inserted::New | Inserted::Known(_)) => break,
            Ok(other) => panic!("{other:?}"),
            Err(_) => {}
        }
    }
    let owner = Incarnation::new("writer");
    let lease = loop {
        let Ok(seen) = store.look(job).await else { continue };
        if let Ok(Some(lease)) = store.claim(job, &owner, &seen).await {
            break lease;
        }
    };
    for row in &rows[1..] {
        loop {
            if let Ok(written) = store.save(&lease, row).await {
                assert_eq!(written, Written::Done);
                break;
            }
        }
    }
}
