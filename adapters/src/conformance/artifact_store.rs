//! What a [`tgs_protocol::store::ArtifactStore`] owes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tgs_protocol::{
    code::Code,
    digest::Digest,
    kept::Kept,
    lease::Lease,
    store::{ArtifactName, Delivered, Sealed, Written},
    unit::{ByteCount, Epoch, Steps},
};

use crate::{
    conformance::sample::{chunk, claim, code, job, overtaken},
    ports::Ports,
};

/// Not even a staged one.
pub async fn nothing_is_open_before_it_is_sealed(ports: &Ports) {
    let lease = claim(ports, &job("a"), "me").await;
    assert_eq!(open(ports, ArtifactName::Model).await, None);
    let staged = ports.artifacts.stage(&lease, ArtifactName::Model).await.expect("stage");
    fs::write(staged.join("half"), b"done").expect("write");
    assert_eq!(open(ports, ArtifactName::Model).await, None);
}

/// With every file in it, also in folders below.
pub async fn what_is_sealed_is_open(ports: &Ports) {
    let lease = claim(ports, &job("a"), "me").await;
    seal(ports, &lease, ArtifactName::Dataset, &[("rows", b"1"), ("below/more", b"22")]).await;
    let folder = open(ports, ArtifactName::Dataset).await.expect("sealed");
    assert_eq!(fs::read(folder.join("rows")).expect("read"), b"1");
    assert_eq!(fs::read(folder.join("below/more")).expect("read"), b"22");
    assert_eq!(open(ports, ArtifactName::Model).await, None);
    let sizes = |name| async move { ports.artifacts.sizes(&job("a"), name).await.expect("sizes") };
    let sealed = [("below/more", 2), ("rows", 1)].map(|(it, size)| (it.into(), ByteCount(size)));
    assert_eq!(sizes(ArtifactName::Dataset).await, Some(sealed.into()));
    assert_eq!(sizes(ArtifactName::Model).await, None);
}

/// Nothing of the earlier version is left.
pub async fn sealing_replaces(ports: &Ports) {
    for round in 0_u8..4 {
        let lease = claim(ports, &job("a"), "me").await;
        let only = format!("only-{round}");
        seal(ports, &lease, ArtifactName::Model, &[("model", &[round]), (&only, b"")]).await;
        let folder = open(ports, ArtifactName::Model).await.expect("sealed");
        assert_eq!(fs::read(folder.join("model")).expect("read"), [round]);
        assert!(folder.join(only).exists());
        assert!(!folder.join(format!("only-{}", round.wrapping_sub(1))).exists());
    }
}

/// A second attempt sees nothing of the first.
pub async fn staging_again_begins_anew(ports: &Ports) {
    let lease = claim(ports, &job("a"), "me").await;
    let first = ports.artifacts.stage(&lease, ArtifactName::Model).await.expect("stage");
    fs::write(first.join("first"), b"1").expect("write");
    let second = ports.artifacts.stage(&lease, ArtifactName::Model).await.expect("stage");
    assert_eq!(fs::read_dir(&second).expect("list").count(), 0);
    fs::write(second.join("second"), b"2").expect("write");
    let sealed = ports.artifacts.seal(&lease, ArtifactName::Model).await.expect("seal");
    assert!(matches!(sealed, Sealed::Done(_)));
    let folder = open(ports, ArtifactName::Model).await.expect("sealed");
    assert!(folder.join("second").exists() && !folder.join("first").exists());
}

/// LEASE-2, also for what was staged before the later claim.
pub async fn a_stale_holder_can_neither_stage_nor_seal(ports: &Ports) {
    let stale = claim(ports, &job("a"), "first").await;
    seal(ports, &stale, ArtifactName::Model, &[("model", b"kept")]).await;
    let staged = ports.artifacts.stage(&stale, ArtifactName::Model).await.expect("stage");
    fs::write(staged.join("model"), b"lost").expect("write");
    let newest = claim(ports, &job("a"), "second").await;
    let refused = Sealed::Overtaken { by: Epoch(2) };
    let sealed = ports.artifacts.seal(&stale, ArtifactName::Model).await.expect("seal");
    assert_eq!(sealed, refused);
    let staged = ports.artifacts.stage(&stale, ArtifactName::Model).await;
    assert_eq!(code(staged), Code::Overtaken);
    let folder = open(ports, ArtifactName::Model).await.expect("sealed");
    assert_eq!(fs::read(folder.join("model")).expect("read"), b"kept");
    seal(ports, &newest, ArtifactName::Model, &[("model", b"new")]).await;
    let folder = open(ports, ArtifactName::Model).await.expect("sealed");
    assert_eq!(fs::read(folder.join("model")).expect("read"), b"new");
}

/// A seal uses up what was staged.
pub async fn sealing_needs_staging(ports: &Ports) {
    let lease = claim(ports, &job("a"), "me").await;
    let nothing = ports.artifacts.seal(&lease, ArtifactName::Model).await;
    assert_eq!(code(nothing), Code::Internal);
    seal(ports, &lease, ArtifactName::Model, &[("model", b"1")]).await;
    let again = ports.artifacts.seal(&lease, ArtifactName::Model).await;
    assert_eq!(code(again), Code::Internal);
    assert!(open(ports, ArtifactName::Model).await.is_some());
}

/// What a failed attempt leaves goes at once: it may be private, and the disk may be full.
pub async fn an_attempt_is_removed_and_what_is_sealed_stays(ports: &Ports) {
    let lease = claim(ports, &job("a"), "me").await;
    let name = ArtifactName::Dataset;
    ports.artifacts.unstage(&lease, name).await.expect("nothing is there");
    let staged = ports.artifacts.stage(&lease, name).await.expect("stage");
    fs::write(staged.join("half"), b"private").expect("write");
    ports.artifacts.unstage(&lease, name).await.expect("unstage");
    assert!(!staged.exists());
    let error = ports.artifacts.seal(&lease, name).await;
    assert!(error.is_err(), "nothing is staged any more");
    seal(ports, &lease, name, &[("file", b"1")]).await;
    ports.artifacts.unstage(&lease, name).await.expect("it is sealed");
    assert!(open(ports, name).await.is_some_and(|folder| folder.join("file").exists()));
    let next = claim(ports, &job("a"), "next").await;
    let theirs = ports.artifacts.stage(&next, name).await.expect("stage");
    ports.artifacts.unstage(&lease, name).await.expect("not its own");
    assert!(theirs.exists(), "another holder's attempt");
}

/// And over nothing else: not the job, the epoch, the order of writing.
pub async fn the_digest_is_over_names_and_bytes(ports: &Ports) {
    let contents: [&[(&str, &[u8])]; 6] = [
        &[("a", b"1"), ("b", b"2")],
        &[("a", b"2"), ("b", b"1")],
        &[("a", b"12"), ("b", b"")],
        &[("ab", b"12")],
        &[("c/a", b"1"), ("b", b"2")],
        &[],
    ];
    let mut digests = Vec::new();
    for files in contents {
        let lease = claim(ports, &job("a"), "me").await;
        let digest = seal(ports, &lease, ArtifactName::Profile, files).await;
        let backwards: Vec<_> = files.iter().rev().copied().collect();
        let other = claim(ports, &job("b"), "other").await;
        assert_eq!(digest, seal(ports, &other, ArtifactName::Model, &backwards).await);
        digests.push(digest);
    }
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), contents.len());
}

/// Everything else is gone, and twice is fine; leases and rows stay.
pub async fn a_sweep_keeps_what_is_named(ports: &Ports) {
    ports.artifacts.sweep(&job("a"), &[]).await.expect("sweep nothing");
    let (_, lease) = overtaken(ports, &job("a")).await;
    for name in ArtifactName::ALL {
        seal(ports, &lease, name, &[("file", b"1")]).await;
    }
    let staged = ports.artifacts.stage(&lease, ArtifactName::Dataset).await.expect("stage");
    let dataset = open(ports, ArtifactName::Dataset).await.expect("sealed");
    let sealed = ports.chunks.seal(&lease, &chunk(0, b"rows"), b"rows").await.expect("seal");
    assert_eq!(sealed, Written::Done);
    let rows = ports.chunks.open(&job("a"), chunk(0, b"").chunk).await.expect("open");
    let put = ports.checkpoints.put(&lease, Steps(1), b"weights").await.expect("put");
    for _ in 0..2 {
        ports.artifacts.sweep(&job("a"), &[ArtifactName::Model]).await.expect("sweep");
        assert!(open(ports, ArtifactName::Model).await.is_some());
        for name in ArtifactName::ALL.into_iter().filter(|name| *name != ArtifactName::Model) {
            assert_eq!(open(ports, name).await, None);
        }
        assert!(!staged.exists() && !dataset.exists() && !rows.exists());
        assert_eq!(ports.chunks.sealed(&job("a")).await.expect("sealed"), []);
        assert_eq!(ports.checkpoints.whole(&job("a")).await.expect("whole"), []);
        assert!(ports.checkpoints.get(&job("a"), &put).await.is_err());
        assert_eq!(ports.leases.renew(&lease).await.expect("renew"), Written::Done);
    }
}

/// Into folders that are made, in place of an earlier file, with no part left.
pub async fn delivery_copies_and_replaces(ports: &Ports) {
    let Delivery { lease, from, target } = delivery(ports).await;
    for (name, bytes) in [("x/y/out.csv", vec![1; 1_000_000]), ("x/y/out.csv", b"2".to_vec())] {
        fs::write(&from, &bytes).expect("write");
        let to = target.join(name);
        let delivered = ports.artifacts.deliver(&lease, &from, &to).await.expect("deliver");
        assert_eq!(delivered, Delivered::Done(Digest::of(&bytes)));
        assert_eq!(fs::read(&to).expect("read"), bytes);
        let folder = to.parent().expect("it has one");
        assert_eq!(fs::read_dir(folder).expect("list").count(), 1);
    }
}

/// What was delivered is removed, with the folders made for it, but nothing that was put there
/// since, be it the same bytes.
pub async fn what_was_delivered_is_taken_back(ports: &Ports) {
    let Delivery { lease, from, target } = delivery(ports).await;
    let to = target.join("made/for it/out.csv");
    let take_back = async || take_back(ports, &lease, &to).await;
    take_back().await;
    assert_eq!(fs::read_dir(&target).expect("list").count(), 0, "nothing was delivered");
    fs::write(&from, b"whole").expect("write");
    for _ in 0..2 {
        deliver(ports, &lease, &from, &to).await;
    }
    for others in [&b"other"[..], b"longer", b"whole"] {
        fs::remove_file(&to).expect("remove");
        fs::write(&to, others).expect("write");
        take_back().await;
        assert_eq!(fs::read(&to).expect("read"), others);
    }
    deliver(ports, &lease, &from, &to).await;
    for _ in 0..2 {
        take_back().await;
        assert_eq!(fs::read_dir(&target).expect("list").count(), 0);
    }
    fs::create_dir_all(target.join("made/beside")).expect("make folder");
    deliver(ports, &lease, &from, &to).await;
    take_back().await;
    let left: Vec<_> = fs::read_dir(target.join("made")).expect("list").collect();
    assert_eq!(left.len(), 1, "what others put beside it stays");
}

/// Another job's table stays, though it has the same bytes and stands where ours stood.
pub async fn anothers_delivery_is_not_taken_back(ports: &Ports) {
    let Delivery { lease, from, target } = delivery(ports).await;
    let theirs = claim(ports, &job("b"), "me").await;
    let to = target.join("out.csv");
    for (first, last) in [(&lease, &theirs), (&theirs, &lease)] {
        deliver(ports, first, &from, &to).await;
        deliver(ports, last, &from, &to).await;
        take_back(ports, first, &to).await;
        assert_eq!(fs::read(&to).expect("read"), b"table", "it is of {}", last.job);
        take_back(ports, last, &to).await;
        assert_eq!(fs::read_dir(&target).expect("list").count(), 0);
    }
}

/// It is replaced, survives a sweep, and goes when it is taken back or dropped; a stale holder's is
/// refused. Nothing of it is seen by another job or under another name.
pub async fn what_the_house_keeps_outlives_the_job(ports: &Ports) {
    let Delivery { lease, from, .. } = delivery(ports).await;
    let of = |name: &str| Kept::Result(Path::new("01J").join(name)).path();
    let (to, other) = (of("table.csv"), of("report/table.csv"));
    let found = async |to: &Path| {
        let sizes = ports.artifacts.delivered(&lease.job, &[to.to_owned()]).await.expect("look");
        let file = ports.artifacts.fetch(&lease.job, to).await.expect("fetch");
        let bytes = file.map(|file| fs::read(file).expect("read"));
        let size = bytes.as_ref().map(|bytes| ByteCount(bytes.len() as u64));
        assert_eq!(sizes, [size]);
        bytes
    };
    let sweep = async || ports.artifacts.sweep(&lease.job, &[]).await.expect("sweep");
    assert_eq!(found(&to).await, None);
    for bytes in [&b"longer than what comes"[..], b"table", b"TABLE"] {
        fs::write(&from, bytes).expect("write");
        deliver(ports, &lease, &from, &to).await;
        assert_eq!(found(&to).await.as_deref(), Some(bytes));
    }
    fs::write(&from, b"other").expect("write");
    deliver(ports, &lease, &from, &other).await;
    take_back(ports, &lease, &other).await;
    assert_eq!(found(&other).await, None);
    deliver(ports, &lease, &from, &other).await;
    sweep().await;
    assert_eq!(found(&to).await.as_deref(), Some(&b"TABLE"[..]));
    assert_eq!(found(&other).await.as_deref(), Some(&b"other"[..]));
    for _ in 0..2 {
        ports.artifacts.drop_result(&lease.job, &to).await.expect("drop");
        assert_eq!(found(&to).await, None);
        assert_eq!(found(&other).await.as_deref(), Some(&b"other"[..]));
    }
    fs::create_dir_all(from.parent().expect("it has one")).expect("make folder");
    fs::write(&from, b"late").expect("write");
    claim(ports, &lease.job, "another").await;
    let refused = ports.artifacts.deliver(&lease, &from, &to).await.expect("deliver");
    assert_eq!(refused, Delivered::Overtaken { by: lease.epoch.next() });
    assert_eq!(found(&to).await, None);
    let refused = ports.artifacts.take_back(&lease, &other).await.expect("take back");
    assert_eq!(refused, Written::Overtaken { by: lease.epoch.next() });
    assert_eq!(found(&other).await.as_deref(), Some(&b"other"[..]), "another one's result stays");
}

async fn take_back(ports: &Ports, lease: &Lease, to: &Path) {
    assert_eq!(ports.artifacts.take_back(lease, to).await.expect("take back"), Written::Done);
}

/// LEASE-2: nothing is delivered after the job went to another, or ended.
pub async fn a_stale_delivery_is_refused(ports: &Ports) {
    let Delivery { lease, from, target } = delivery(ports).await;
    let to = target.join("out.csv");
    fs::write(&to, b"earlier").expect("write");
    assert_eq!(ports.leases.release(&lease).await.expect("release"), Written::Done);
    for by in [lease.epoch, lease.epoch.next()] {
        let refused = ports.artifacts.deliver(&lease, &from, &to).await.expect("deliver");
        assert_eq!(refused, Delivered::Overtaken { by });
        assert_eq!(fs::read(&to).expect("read"), b"earlier");
        assert_eq!(fs::read_dir(&target).expect("list").count(), 1);
        claim(ports, &lease.job, "another").await;
    }
}

/// And leaves nothing behind when it fails.
pub async fn delivery_refuses_folders(ports: &Ports) {
    let Delivery { lease, from, target } = delivery(ports).await;
    fs::create_dir(target.join("folder")).expect("make folder");
    fs::write(target.join("file"), b"").expect("write");
    for name in ["folder", "folder/..", "file/below"] {
        let refused = ports.artifacts.deliver(&lease, &from, &target.join(name)).await;
        assert_eq!(code(refused), Code::CannotWrite, "{name}");
    }
    let gone = target.join("missing");
    let gone = ports.artifacts.deliver(&lease, &gone, &target.join("out")).await;
    assert_eq!(code(gone), Code::StoreCorrupt);
    assert_eq!(fs::read_dir(&target).expect("list").count(), 2);
    assert_eq!(fs::read_dir(target.join("folder")).expect("list").count(), 0);
}

/// A file to deliver and an empty folder to deliver into.
struct Delivery {
    lease: Lease,
    from: PathBuf,
    target: PathBuf,
}

async fn delivery(ports: &Ports) -> Delivery {
    let lease = claim(ports, &job("a"), "me").await;
    let staged = ports.artifacts.stage(&lease, ArtifactName::Output).await.expect("stage");
    fs::write(staged.join("from"), b"table").expect("write");
    fs::create_dir(staged.join("target")).expect("make folder");
    Delivery { lease, from: staged.join("from"), target: staged.join("target") }
}

async fn deliver(ports: &Ports, lease: &Lease, from: &Path, to: &Path) {
    let delivered = ports.artifacts.deliver(lease, from, to).await.expect("deliver");
    assert!(matches!(delivered, Delivered::Done(_)), "{delivered:?}");
}

async fn open(ports: &Ports, name: ArtifactName) -> Option<PathBuf> {
    ports.artifacts.open(&job("a"), name).await.expect("open")
}

async fn seal(ports: &Ports, lease: &Lease, name: ArtifactName, files: &[(&str, &[u8])]) -> Digest {
    let staged = ports.artifacts.stage(lease, name).await.expect("stage");
    for (name, bytes) in files {
        let path = staged.join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("make folder");
        fs::write(path, bytes).expect("write");
    }
    match ports.artifacts.seal(lease, name).await.expect("seal") {
        Sealed::Done(digest) => digest,
        Sealed::Overtaken { by } => panic!("overtaken by {by}"),
    }
}
