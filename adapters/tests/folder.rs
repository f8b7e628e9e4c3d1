//! A data folder: who may look into it, who may open it, what opening puts right.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::{ReadableDatabase, TableDefinition};
use tgs_adapters::{
    Embedded,
    conformance::sample::{all_rows, chunk, claim, code, insert, job, row},
    disk::stepped::{Failure, Stepped},
    embedded::SCHEMA_VERSION,
    ports::Ports,
};
use tgs_protocol::{
    code::Code,
    digest::Digest,
    job::{JobRow, JobState, Outcome},
    lease::Lease,
    store::{ArtifactName, Delivered, Sealed, Written},
    unit::{EventNo, Rows, Steps},
};
use tgs_tests::small_disk::SmallDisk;

/// A job with one of everything.
async fn fill(ports: &Ports, name: &str) -> Lease {
    insert(ports, &row(name, 1)).await;
    let lease = claim(ports, &job(name), "me").await;
    for artifact in [ArtifactName::Dataset, ArtifactName::Model, ArtifactName::Output] {
        let staged = ports.artifacts.stage(&lease, artifact).await.expect("stage");
        fs::create_dir(staged.join("below")).expect("make folder");
        fs::write(staged.join("below/file"), b"private").expect("write");
        fs::set_permissions(staged.join("below/file"), fs::Permissions::from_mode(0o644)).unwrap();
        let sealed = ports.artifacts.seal(&lease, artifact).await.expect("seal");
        assert!(matches!(sealed, Sealed::Done(_)));
    }
    let sealed = ports.chunks.seal(&lease, &chunk(0, b"rows"), b"rows").await.expect("seal");
    assert_eq!(sealed, Written::Done);
    ports.checkpoints.put(&lease, Steps(1), b"weights").await.expect("put");
    let staged = ports.artifacts.stage(&lease, ArtifactName::Report).await.expect("stage");
    fs::write(staged.join("half"), b"private").expect("write");
    lease
}

fn all_below(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![folder.to_owned()];
    let mut next = 0;
    while let Some(path) = all.get(next).cloned() {
        next += 1;
        if path.is_dir() {
            all.extend(fs::read_dir(path).expect("list").map(|entry| entry.expect("entry").path()));
        }
    }
    all
}

#[tokio::test]
async fn everything_in_it_is_for_its_owner_only() {
    let root = tempfile::tempdir().expect("folder");
    let home = root.path().join("deep/home");
    let store = Embedded::open(&home).expect("open");
    fill(&Ports::of(store.clone()), "a").await;
    assert_eq!(store.home(), home);
    let all = all_below(&home);
    assert!(all.len() > 15, "{all:?}");
    for path in all {
        // What a holder is just writing lies in a folder that keeps others out.
        let is_staged = path.ancestors().any(|above| above.ends_with("staging"));
        let mode = fs::metadata(&path).expect("look").permissions().mode() & 0o777;
        assert!(mode & 0o077 == 0 || is_staged, "{} has mode {mode:o}", path.display());
    }
}

#[tokio::test]
async fn opening_sweeps_what_ended_unswept_and_leaves_the_rest() {
    let home = tempfile::tempdir().expect("folder");
    let ports = Ports::of(Embedded::open(home.path()).expect("open"));
    for name in ["ended", "cancelled", "running"] {
        let lease = fill(&ports, name).await;
        let mut next = row(name, 1);
        match name {
            "ended" => next.state = JobState::Ended(Outcome::Published { verdict: None }),
            "cancelled" => next.state = JobState::Ended(Outcome::Cancelled),
            _ => {}
        }
        assert_eq!(ports.jobs.save(&lease, &next).await.expect("save"), Written::Done);
    }
    drop(ports);
    let ports = Ports::of(Embedded::open(home.path()).expect("open again"));
    let files_of = |name: &str| -> Vec<PathBuf> {
        let below = all_below(&home.path().join("jobs").join(name));
        below.into_iter().filter(|path| path.is_file()).collect()
    };
    assert_eq!(files_of("cancelled"), Vec::<PathBuf>::new());
    for (name, is_there) in [("ended", false), ("running", true)] {
        for artifact in [ArtifactName::Dataset, ArtifactName::Output] {
            let open = ports.artifacts.open(&job(name), artifact).await.expect("open");
            assert_eq!(open.is_some(), is_there, "{name} {artifact:?}");
        }
        let model = ports.artifacts.open(&job(name), ArtifactName::Model).await.expect("open");
        assert!(model.is_some(), "{name}");
        let whole = ports.checkpoints.whole(&job(name)).await.expect("whole");
        assert_eq!(whole.len(), usize::from(is_there));
        let sealed = ports.chunks.sealed(&job(name)).await.expect("sealed");
        assert_eq!(sealed.len(), usize::from(is_there));
    }
    let left = files_of("ended");
    assert_eq!(left.len(), 2, "only the model's file and its record: {left:?}");
}

#[test]
fn one_opening_at_a_time_also_within_a_process() {
    let home = tempfile::tempdir().expect("folder");
    let store = Embedded::open(home.path()).expect("open");
    let clone = store.clone();
    drop(store);
    let refused = Embedded::open(home.path()).expect_err("a clone holds it");
    assert_eq!(refused.code, Code::DataFolderInUse);
    drop(clone);
    Embedded::open(home.path()).expect("nobody holds it");
}

#[test]
fn a_newer_store_is_refused_and_left_as_it_is() {
    let home = tempfile::tempdir().expect("folder");
    drop(Embedded::open(home.path()).expect("open"));
    let file = home.path().join("store.redb");
    let meta = TableDefinition::<&str, u64>::new("meta");
    for (version, expected) in [
        (SCHEMA_VERSION + 1, Some(Code::StoreTooNew)),
        (u64::MAX, Some(Code::StoreTooNew)),
        (0, Some(Code::StoreCorrupt)),
        (SCHEMA_VERSION, None),
    ] {
        let database = redb::Database::open(&file).expect("open");
        let transaction = database.begin_write().expect("begin");
        transaction
            .open_table(meta)
            .expect("table")
            .insert("schema_version", version)
            .expect("set");
        transaction.commit().expect("commit");
        drop(database);
        let opened = Embedded::open(home.path());
        assert_eq!(opened.err().map(|error| error.code), expected, "{version}");
    }
}

/// Tables are as they were, and a row says more: the job is neither listed nor written, and the
/// others are.
#[tokio::test]
async fn a_row_of_a_newer_version_is_left_as_it_is() {
    let home = tempfile::tempdir().expect("folder");
    let ports = Ports::of(Embedded::open(home.path()).expect("open"));
    let (newer, other) = (row("a", 1), row("b", 2));
    for row in [&newer, &other] {
        insert(&ports, row).await;
    }
    drop(ports);
    let jobs = TableDefinition::<&str, &[u8]>::new("jobs");
    let stands = || {
        let database = redb::Database::open(home.path().join("store.redb")).expect("open");
        let view = database.begin_read().expect("begin");
        let table = view.open_table(jobs).expect("table");
        let bytes = table.get("a").expect("read").expect("a row").value().to_owned();
        (bytes, database)
    };
    let (bytes, database) = stands();
    let mut said: serde_json::Value = serde_json::from_slice(&bytes).expect("a row");
    said["done"]["walls"] = serde_json::json!(["eu"]);
    let said = said.to_string().into_bytes();
    let transaction = database.begin_write().expect("begin");
    { transaction.open_table(jobs).expect("table") }.insert("a", &*said).expect("set");
    transaction.commit().expect("commit");
    drop(database);

    let ports = Ports::of(Embedded::open(home.path()).expect("open again"));
    assert_eq!(all_rows(&ports).await.expect("list"), std::slice::from_ref(&other));
    let lease = claim(&ports, &newer.id, "me").await;
    let refused = ports.jobs.save(&lease, &JobRow { writes: 9, ..newer.clone() }).await;
    let refused = refused.expect_err("a newer version wrote it");
    assert_eq!(refused.code, Code::StoreTooNew);
    assert!(refused.message.contains("job a") && refused.message.contains("`done.walls`"));
    assert_eq!(code(ports.jobs.read(&newer.id).await), Code::StoreTooNew);
    drop(ports);
    assert_eq!(stands().0, said);
}

#[tokio::test]
async fn an_older_store_is_brought_up_to_date() {
    let home = tempfile::tempdir().expect("folder");
    let ports = Ports::of(Embedded::open(home.path()).expect("open"));
    let lease = fill(&ports, "a").await;
    insert(&ports, &row("b", 2)).await;
    drop(ports);
    make_older(&home.path().join("store.redb"));
    let ports = Ports::of(Embedded::open(home.path()).expect("open the older one"));
    assert_eq!(all_rows(&ports).await.expect("list"), [row("b", 2), row("a", 1)]);
    assert_eq!(ports.events.newest_event().await.expect("newest"), EventNo(0));
    let ended = JobState::Ended(Outcome::Cancelled);
    let ended = JobRow { state: ended, ..row("a", 1) };
    assert_eq!(ports.jobs.save(&lease, &ended).await.expect("save"), Written::Done);
    assert_eq!(all_rows(&ports).await.expect("list"), [row("b", 2), ended]);
    let told = ports.events.events(EventNo(0), None, 9).await.expect("events");
    assert_eq!(told.iter().map(|it| it.what.name()).collect::<Vec<_>>(), ["job.ended"]);
}

/// The shape of version 2 had no subscriptions; its jobs and events stay as they were.
#[tokio::test]
async fn a_store_without_subscriptions_gets_room_for_them() {
    let home = tempfile::tempdir().expect("folder");
    let ports = Ports::of(Embedded::open(home.path()).expect("open"));
    insert(&ports, &row("a", 1)).await;
    drop(ports);
    let database = redb::Database::open(home.path().join("store.redb")).expect("open");
    let transaction = database.begin_write().expect("begin");
    let subscriptions = TableDefinition::<&str, &[u8]>::new("subscriptions");
    let deliveries = TableDefinition::<(&str, u64), &[u8]>::new("deliveries");
    let open = TableDefinition::<(&str, u64), ()>::new("deliveries_open");
    assert!(transaction.delete_table(subscriptions).expect("delete"));
    assert!(transaction.delete_table(deliveries).expect("delete"));
    assert!(transaction.delete_table(open).expect("delete"));
    let meta = TableDefinition::<&str, u64>::new("meta");
    { transaction.open_table(meta).expect("table") }.insert("schema_version", 2).expect("set");
    transaction.commit().expect("commit");
    drop(database);
    let ports = Ports::of(Embedded::open(home.path()).expect("open the older one"));
    assert_eq!(all_rows(&ports).await.expect("list"), [row("a", 1)]);
    assert_eq!(ports.events.newest_event().await.expect("newest"), EventNo(1));
    tgs_adapters::conformance::notification_store::a_delivery_is_made_once(&ports).await;
}

/// The shape of version 1: neither lists nor events.
fn make_older(file: &Path) {
    let database = redb::Database::open(file).expect("open");
    let transaction = database.begin_write().expect("begin");
    let places = TableDefinition::<(u64, &str), u8>::new("places");
    let events_of = TableDefinition::<(&str, u64), ()>::new("events_of");
    assert!(transaction.delete_table(places).expect("delete"));
    assert!(transaction.delete_table(events_of).expect("delete"));
    assert!(transaction.delete_table(TableDefinition::<&str, &str>::new("keys")).expect("delete"));
    let events = TableDefinition::<u64, &[u8]>::new("events");
    assert!(transaction.delete_table(events).expect("delete"));
    {
        let meta = TableDefinition::<&str, u64>::new("meta");
        let mut meta = transaction.open_table(meta).expect("table");
        meta.remove("newest_event").expect("remove");
        meta.insert("schema_version", 1).expect("set");
    }
    transaction.commit().expect("commit");
}

#[test]
fn a_home_that_cannot_be_is_told_with_its_name() {
    let root = tempfile::tempdir().expect("folder");
    fs::write(root.path().join("file"), b"").expect("write");
    for name in ["file", "file/below"] {
        let home = root.path().join(name);
        let error = Embedded::open(&home).expect_err("it is a file");
        assert_eq!(error.code, Code::CannotWrite, "{error}");
        assert!(error.to_string().contains("file"), "{error}");
    }
}

#[tokio::test]
async fn after_a_failed_write_of_the_store_every_use_tells_so() {
    let home = tempfile::tempdir().expect("folder");
    for step in 0..200 {
        let folder = home.path().join(step.to_string());
        let failing = Stepped::new(step, Failure::Once(std::io::ErrorKind::Other));
        let Ok(store) = Embedded::open_on(&folder, Arc::new(failing.without_syncing())) else {
            continue;
        };
        let ports = Ports::of(store);
        let Err(first) = ports.jobs.insert(&row("a", 1)).await else { continue };
        assert_eq!(first.code, Code::CannotWrite, "{first}");
        assert_eq!(code(all_rows(&ports).await), Code::CannotWrite);
        assert_eq!(code(ports.jobs.insert(&row("b", 1)).await), Code::CannotWrite);
        drop(ports);
        let ports = Ports::of(Embedded::open(&folder).expect("open again"));
        let listed = all_rows(&ports).await.expect("list");
        assert!(listed.is_empty() || listed == [row("a", 1)]);
        return;
    }
    panic!("no step failed the insert");
}

#[tokio::test]
async fn delivery_follows_links_and_spares_devices() {
    let root = tempfile::tempdir().expect("folder");
    let ports = Ports::of(Embedded::open(&root.path().join("home")).expect("open"));
    let (from, real) = (root.path().join("from"), root.path().join("real"));
    fs::write(&from, b"table").expect("write");
    fs::write(&real, b"earlier").expect("write");
    symlink(&real, root.path().join("link")).expect("link");
    symlink(root.path().join("nowhere"), root.path().join("dangling")).expect("link");
    let lease = claim(&ports, &job("a"), "me").await;
    let link = root.path().join("link");
    let delivered = ports.artifacts.deliver(&lease, &from, &link).await.expect("deliver");
    assert_eq!(delivered, Delivered::Done(Digest::of(b"table")));
    assert_eq!(fs::read(&real).expect("read"), b"table");
    assert!(fs::symlink_metadata(root.path().join("link")).expect("look").is_symlink());
    for refused in [root.path().join("dangling"), "/dev/null".into(), "/".into(), "".into()] {
        let error = code(ports.artifacts.deliver(&lease, &from, &refused).await);
        assert_eq!(error, Code::CannotWrite, "{}", refused.display());
    }
    let taken_back = ports.artifacts.take_back(&lease, &link).await.expect("take back");
    assert_eq!(taken_back, Written::Done);
    assert!(!real.exists(), "what stands behind the link was delivered");
}

/// Killed at any step of a delivery: nothing of it is left once it is taken back.
#[tokio::test]
async fn a_delivery_that_was_broken_off_is_taken_back() {
    for step in 0.. {
        let root = tempfile::tempdir().expect("folder");
        let (home, out) = (root.path().join("home"), root.path().join("out"));
        let ports = Ports::of(Embedded::open(&home).expect("open"));
        let lease = fill(&ports, "a").await;
        let model = ports.artifacts.open(&lease.job, ArtifactName::Model).await.expect("open");
        let from = model.expect("sealed").join("below/file");
        drop(ports);
        let dying = Arc::new(Stepped::new(step, Failure::Death).without_syncing());
        if let Ok(store) = Embedded::open_on(&home, dying.clone()) {
            let dies = Ports::of(store);
            let _ = dies.artifacts.deliver(&lease, &from, &out.join("below/table.csv")).await;
        }
        let ports = Ports::of(Embedded::open(&home).expect("open again"));
        let to = out.join("below/table.csv");
        let taken_back = ports.artifacts.take_back(&lease, &to).await.expect("take back");
        assert_eq!(taken_back, Written::Done);
        assert!(!out.exists(), "step {step}: {:?}", all_below(&out));
        if !dying.has_failed() {
            assert!(step > 20, "only {step} steps: the disk is not asked");
            return;
        }
    }
}

#[tokio::test]
async fn a_disk_that_really_is_full_is_told_and_gone_on_from() {
    let Some(disk) = SmallDisk::of_kibibytes(1_024) else { return };
    let root = disk.path();
    let ports = Ports::of(Embedded::open(&root.join("home")).expect("open"));
    let lease = fill(&ports, "a").await;
    let ballast = root.join("ballast");
    let mut ballast_bytes = 900 * 1_024;
    while fs::write(&ballast, vec![0; ballast_bytes]).is_err() {
        ballast_bytes -= 4_096;
    }
    let big = vec![1; 200_000];
    assert_eq!(code(ports.checkpoints.put(&lease, Steps(2), &big).await), Code::DiskFull);
    let sealed = ports.chunks.seal(&lease, &chunk(1, &big), &big).await;
    assert_eq!(code(sealed), Code::DiskFull);
    let from = tempfile::NamedTempFile::new().expect("file");
    fs::write(from.path(), &big).expect("write");
    let out = root.join("out/out.csv");
    assert_eq!(code(ports.artifacts.deliver(&lease, from.path(), &out).await), Code::DiskFull);
    let left = fs::read_dir(root.join("out")).into_iter().flatten().count();
    assert_eq!(left, 0, "neither the file nor a part of it");
    let mut full = None;
    for rows in 0..2_000 {
        let mut next = row(&format!("job-{rows}"), rows);
        next.request.overrides.insert("long".to_owned(), "x".repeat(2_000).into());
        next.done.dataset = None;
        if let Err(error) = ports.jobs.insert(&next).await {
            full = Some((rows, error.code));
            break;
        }
    }
    let (rows, error) = full.expect("the store's own file grows until the disk is full");
    assert_eq!(error, Code::DiskFull);
    fs::remove_file(&ballast).expect("make room");
    let listed = all_rows(&ports).await.expect("readable again").len();
    assert!(Rows(listed as u64) >= Rows(rows + 1), "{listed} of {rows} and the first");
    ports.checkpoints.put(&lease, Steps(2), &big).await.expect("room was made");
    let delivered = ports.artifacts.deliver(&lease, from.path(), &out).await;
    assert_eq!(delivered.expect("room was made"), Delivered::Done(Digest::of(&big)));
    insert(&ports, &row("last", 9)).await;
}
