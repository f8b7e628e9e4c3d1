//! Large bytes in object storage: every promise of a store, with all bytes there, whichever
//! provider it is; and storage that stands still, loses what it was given, or is not there.

use std::{error::Error, os::unix::process::parent_id, process::Command, time::Instant};

use scylla::client::session::Session;
use tgs_adapters::{
    Ports, Scylla,
    conformance::{
        CHECKS, Check,
        sample::{claim, code, insert, job, row},
    },
    scylla::Contact,
};
use tgs_protocol::{
    code::Code,
    lease::Lease,
    unit::{ByteCount, Steps},
};
use tgs_tests::{
    services::{
        Database,
        objects::{Objects, Provider},
    },
    small_disk::SmallDisk,
};

/// What this process says to the one that it starts.
const ADDRESS: &str = "TGS_TEST_OBJECTS";

fn contact(keyspace: &str, from: u64) -> Contact {
    let objects = Some(std::env::var(ADDRESS).expect("whoever starts this says where"));
    let contact = super::contact(keyspace, Database::shared());
    // One for all providers, since tables are slow to make.
    let keyspace = format!("{keyspace}_{}", parent_id());
    Contact { keyspace, objects, objects_from: ByteCount(from), ..contact }
}

async fn open(contact: &Contact) -> (Ports, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("folder");
    (Scylla::open(contact, folder.path()).await.expect("opens").ports(), folder)
}

/// The stores, and a job in hand.
async fn at_work(contact: &Contact, name: &str) -> (Ports, tempfile::TempDir, Lease) {
    let (ports, folder) = open(contact).await;
    insert(&ports, &row(name, 1)).await;
    let lease = claim(&ports, &job(name), "me").await;
    (ports, folder, lease)
}

/// Runs one of the tests below with the variables of a provider, which are a process's own; over
/// the database of this one.
fn run_with(storage: &Objects, variables: &[(&str, String)], test: &str) {
    let path = std::env::current_exe().expect("a running program has a file");
    let mut command = Command::new(path);
    command.args(["--exact", &format!("objects::{test}"), "--ignored", "--nocapture"]);
    command.args(["--test-threads", "1"]);
    for (name, _) in storage.variables() {
        command.env_remove(name);
    }
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.env(ADDRESS, storage.address(test));
    command.env("TGS_CQL_URI", Database::shared().to_string());
    let ended = command.output().expect("it can be started");
    let said = [ended.stdout, ended.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    let is_well = ended.status.success() && said[0].contains("1 passed");
    assert!(is_well, "{:?}: {}", storage.provider(), said.join("\n"));
}

#[test]
fn every_promise_is_kept() {
    for provider in Provider::ALL {
        let storage = Objects::of(provider);
        run_with(&storage, &storage.variables(), "promises");
        assert!(storage.count("promises/") > 0, "{provider:?}: it is there that the bytes lie");
        assert_eq!(storage.count("promises/probe"), 0, "{provider:?}: what was tried is removed");
    }
}

#[test]
fn nothing_is_said_without_tls_unless_that_is_allowed() {
    for provider in [Provider::Moto, Provider::Azurite, Provider::Google] {
        let storage = Objects::of(provider);
        let is_allowed = |name: &str| name.ends_with("_ALLOW_HTTP");
        let variables = storage.variables().into_iter();
        let (allowed, mut variables): (Vec<_>, Vec<_>) =
            variables.partition(|(name, _)| is_allowed(name));
        assert_eq!(allowed.len(), 1, "{provider:?}");
        run_with(&storage, &variables, "unencrypted");
        variables.push((allowed[0].0, "false".to_owned()));
        run_with(&storage, &variables, "unencrypted");
    }
}

/// It is told before anything is sent, with the variable that would allow it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "nothing_is_said_without_tls_unless_that_is_allowed runs it"]
async fn unencrypted() {
    let contact = contact("unencrypted", 1);
    let folder = tempfile::tempdir().expect("folder");
    let refused = Scylla::open(&contact, folder.path()).await.expect_err("it is not allowed");
    assert_eq!(refused.code, Code::CannotWrite);
    assert!(refused.message.contains("_ALLOW_HTTP=true"), "{refused}");
    let mut causes = std::iter::successors(Error::source(&refused), |it| (*it).source());
    assert!(causes.any(|it| it.to_string().contains("scheme is not allowed")), "{refused:?}");
}

/// Of the ports that keep bytes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "every_promise_is_kept runs it, with the variables of a provider"]
async fn promises() {
    let contact = contact("objects", 1);
    let keeps_bytes = ["chunk_store", "checkpoint_store", "artifact_store", "dataset_store"];
    let keeps_bytes = |it: &&Check| keeps_bytes.iter().any(|port: &&str| it.name.starts_with(port));
    let checks: Vec<_> = CHECKS.iter().filter(keeps_bytes).collect();
    assert!(checks.len() > 20, "{}", checks.len());
    let are_elsewhere = async |session: &Session, check: &Check| {
        let pieces = format!("SELECT name FROM {}.piece LIMIT 1", contact.keyspace);
        let pieces = session.query_unpaged(pieces, ()).await.expect("a look");
        let pieces = pieces.into_rows_result().expect("rows").rows_num();
        assert_eq!(pieces, 0, "{}: all bytes lie in object storage", check.name);
    };
    let broken = super::broken(&contact, checks.into_iter(), are_elsewhere).await;
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn storage_that_fails_is_told() {
    let storage = Objects::start();
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| run_with(&storage, &storage.variables(), "troubles"));
        // It stands still as soon as the first checkpoint is there, and not what is tried before.
        let is_there = || storage.count("troubles/") > storage.count("troubles/probe");
        while !is_there() && !ended.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        storage.pause();
        std::thread::sleep(std::time::Duration::from_secs(45));
        storage.go_on();
    });
}

/// A write into storage that stands still fails in bounded time and succeeds later; small bytes lie
/// in the database and do not mind; what was lost is told, not taken for empty.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "storage_that_fails_is_told runs it"]
async fn troubles() {
    let contact = contact("troubles", 1 << 20);
    let (ports, _folder, lease) = at_work(&contact, "a").await;
    let (large, small) = (vec![7; 20 << 20], vec![1; 1000]);
    let first = ports.checkpoints.put(&lease, Steps(1), &large).await.expect("put");
    let began = Instant::now();
    let (mut step, mut failed) = (2, None);
    // Until it stands still, which it does soon.
    while failed.is_none() {
        assert!(began.elapsed().as_secs() < 60, "it never stood still");
        failed = ports.checkpoints.put(&lease, Steps(step), &large).await.err();
        step += 1;
    }
    assert_eq!(failed.map(|error| error.code), Some(Code::StoreSilent));
    println!("a put fails after {:?}", began.elapsed());
    let kept = ports.checkpoints.put(&lease, Steps(step), &small).await.expect("a small one");
    assert_eq!(ports.checkpoints.get(&lease.job, &kept).await.expect("get"), small);
    let last = loop {
        assert!(began.elapsed().as_secs() < 240, "it never went on");
        if let Ok(put) = ports.checkpoints.put(&lease, Steps(99), &large).await {
            break put;
        }
    };
    assert_eq!(ports.checkpoints.get(&lease.job, &last).await.expect("get"), large);
    assert_eq!(ports.checkpoints.get(&lease.job, &first).await.expect("get"), large);
    ports.checkpoints.prune(&lease, &[kept]).await.expect("prune");
    assert_eq!(code(ports.checkpoints.get(&lease.job, &first).await), Code::CheckpointCorrupt);
    // A node that was not told of the storage says what is missing.
    let late = ports.checkpoints.put(&lease, Steps(100), &large).await.expect("put");
    let (untold, _folder) = open(&Contact { objects: None, ..contact }).await;
    let refused = untold.checkpoints.get(&lease.job, &late).await.expect_err("it knows no storage");
    assert!(refused.message.contains("the same setting `objects`"), "{refused}");
    ports.artifacts.sweep(&lease.job, &[]).await.expect("sweep");
}

#[test]
fn full_storage_is_told_and_loses_nothing() {
    let Some(disk) = SmallDisk::of_kibibytes(48 << 10) else { return };
    let storage = Objects::on(&disk);
    run_with(&storage, &storage.variables(), "full");
    disk.grow_to_kibibytes(256 << 10);
    run_with(&storage, &storage.variables(), "roomy");
}

/// What does not fit is told, and what was there stays whole.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "full_storage_is_told_and_loses_nothing runs it"]
async fn full() {
    let contact = contact("full", 1 << 20);
    let (ports, _folder, lease) = at_work(&contact, "a").await;
    let (some, more) = (vec![7; 20 << 20], vec![8; 40 << 20]);
    let first = ports.checkpoints.put(&lease, Steps(1), &some).await.expect("put");
    let began = Instant::now();
    let refused = ports.checkpoints.put(&lease, Steps(2), &more).await.expect_err("no room");
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    assert_eq!(refused.code, Code::StoreSilent);
    assert!(refused.message.contains("has room"), "{refused}");
    assert_eq!(ports.checkpoints.get(&lease.job, &first).await.expect("get"), some);
    let small = ports.checkpoints.put(&lease, Steps(3), b"small").await.expect("by the database");
    assert_eq!(ports.checkpoints.get(&lease.job, &small).await.expect("get"), b"small");
}

/// Whoever made room need not start anything again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "full_storage_is_told_and_loses_nothing runs it"]
async fn roomy() {
    let contact = contact("full", 1 << 20);
    let (ports, _folder, lease) = at_work(&contact, "b").await;
    let more = vec![8; 40 << 20];
    let put = ports.checkpoints.put(&lease, Steps(1), &more).await.expect("there is room now");
    assert_eq!(ports.checkpoints.get(&lease.job, &put).await.expect("get"), more);
}
