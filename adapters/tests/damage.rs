//! Damaged files are told by a code and a remedy: no panic, and never other data than was written.

use std::{fs, path::Path};

use tgs_adapters::{
    Embedded,
    conformance::sample::{all_rows, chunk, claim, insert, job, row},
    ports::Ports,
};
use tgs_protocol::{
    chunk::{ChunkNo, SealedChunk},
    code::Code,
    job::JobRow,
    lease::LeaseCell,
    store::{ArtifactName, Sealed, StoreError, Written},
    unit::Steps,
};

/// What the store of these tests holds.
type Held = (Vec<JobRow>, LeaseCell, Vec<SealedChunk>);

async fn fill(home: &Path) -> Held {
    let ports = Ports::of(Embedded::open(home).expect("open"));
    for no in 0..12 {
        insert(&ports, &row(&format!("job-{no}"), no)).await;
    }
    let lease = claim(&ports, &job("job-3"), "me").await;
    for no in 0..40 {
        let bytes = [u8::try_from(no).expect("small"); 9];
        let written = ports.chunks.seal(&lease, &chunk(no, &bytes), &bytes).await.expect("seal");
        assert_eq!(written, Written::Done);
    }
    let mut last = row("job-3", 3);
    last.failed_tries = 77;
    assert_eq!(ports.jobs.save(&lease, &last).await.expect("save"), Written::Done);
    look(&ports).await.expect("whole")
}

async fn look(ports: &Ports) -> Result<Held, StoreError> {
    let rows = all_rows(ports).await?;
    let cell = ports.leases.look(&job("job-3")).await?;
    Ok((rows, cell, ports.chunks.sealed(&job("job-3")).await?))
}

/// Opens, reads and writes a store whose file is these bytes: all of it works as if nothing had
/// happened, or it is told that the store is damaged. True if it was told.
async fn is_told(home: &Path, damaged: &[u8], held: &Held, what: &str) -> bool {
    fs::write(home.join("store.redb"), damaged).expect("write");
    let found = match Embedded::open(home) {
        Err(error) => Err(error),
        Ok(store) => {
            let ports = Ports::of(store);
            match look(&ports).await {
                Ok(found) => ports.jobs.insert(&row("new", 99)).await.map(|_| found),
                Err(error) => Err(error),
            }
        }
    };
    match found {
        Ok(found) => {
            assert_eq!(&found, held, "{what}: other data, and nobody was told");
            false
        }
        Err(error) => {
            assert_eq!(error.code, Code::StoreCorrupt, "{what}: {error}");
            assert!(error.to_string().contains("store.redb"), "{what}: {error}");
            true
        }
    }
}

#[tokio::test]
async fn a_damaged_store_is_told_and_never_believed() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("folder");
    let home = folder.path();
    let held = fill(home).await;
    let whole = fs::read(home.join("store.redb")).expect("read");
    assert!(!is_told(home, &whole, &held, "undamaged").await);
    let (mut tried, mut told) = (0, 0);
    for at in (0..400).chain((400..whole.len()).step_by(97)) {
        for mask in [0x01, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= mask;
            let what = format!("byte {at} of {} ^ {mask:#x}", whole.len());
            told += u32::from(is_told(home, &damaged, &held, &what).await);
            tried += 1;
        }
    }
    assert!(told * 20 > tried, "{told} of {tried} told: the damage does not reach anything");
    for len in [0, 1, 100, 511, 4_096, 5_000, whole.len() / 2, whole.len() - 1] {
        assert!(is_told(home, &whole[..len], &held, &format!("cut to {len}")).await, "{len}");
    }
    for page in (0..whole.len()).step_by(4_096) {
        let mut damaged = whole.clone();
        let end = whole.len().min(page + 4_096);
        damaged[page..end].fill(0);
        is_told(home, &damaged, &held, &format!("page at {page} zeroed")).await;
    }
    assert!(is_told(home, &vec![b'x'; whole.len()], &held, "other content").await);
}

#[tokio::test]
async fn a_damaged_checkpoint_is_left_out_and_told() {
    let folder = tempfile::tempdir().expect("folder");
    let ports = Ports::of(Embedded::open(folder.path()).expect("open"));
    let lease = claim(&ports, &job("a"), "me").await;
    let old = ports.checkpoints.put(&lease, Steps(1), &[1; 5_000]).await.expect("put");
    let new = ports.checkpoints.put(&lease, Steps(2), &[2; 5_000]).await.expect("put");
    let name = format!("jobs/a/checkpoints/e1-s2.{}.ckpt", new.digest.short());
    let path = folder.path().join(name);
    let damages: [&dyn Fn(); 3] = [
        &|| fs::write(&path, [2; 4_999]).expect("cut"),
        &|| fs::write(&path, [&[2; 4_999][..], &[3]].concat()).expect("flip"),
        &|| fs::remove_file(&path).expect("remove"),
    ];
    for damage in damages {
        damage();
        assert_eq!(ports.checkpoints.whole(&job("a")).await.expect("whole"), [old]);
        let error = ports.checkpoints.get(&job("a"), &new).await.expect_err("damaged");
        assert_eq!(error.code, Code::CheckpointCorrupt);
    }
    let again = ports.checkpoints.put(&lease, Steps(2), &[2; 5_000]).await.expect("put");
    assert_eq!(ports.checkpoints.whole(&job("a")).await.expect("whole"), [again, old]);
}

#[tokio::test]
async fn a_damaged_chunk_is_told_and_sealing_again_mends_it() {
    let folder = tempfile::tempdir().expect("folder");
    let ports = Ports::of(Embedded::open(folder.path()).expect("open"));
    let lease = claim(&ports, &job("a"), "me").await;
    let sealed = chunk(0, b"rows");
    assert_eq!(ports.chunks.seal(&lease, &sealed, b"rows").await.expect("seal"), Written::Done);
    let path = ports.chunks.open(&job("a"), ChunkNo(0)).await.expect("open");
    for damaged in [&b"r0ws"[..], b"row", b""] {
        fs::write(&path, damaged).expect("damage");
        let error = ports.chunks.open(&job("a"), ChunkNo(0)).await.expect_err("damaged");
        assert_eq!(error.code, Code::StoreCorrupt);
        assert_eq!(ports.chunks.seal(&lease, &sealed, b"rows").await.expect("seal"), Written::Done);
        assert!(ports.chunks.open(&job("a"), ChunkNo(0)).await.is_ok());
    }
}

#[tokio::test]
async fn a_damaged_artifact_is_told_and_sealing_again_mends_it() {
    let folder = tempfile::tempdir().expect("folder");
    let ports = Ports::of(Embedded::open(folder.path()).expect("open"));
    let lease = claim(&ports, &job("a"), "me").await;
    for (damaged, bytes) in
        [("one", &b""[..]), ("below/two", b""), ("below/two", b"2x"), ("sealed.json", b"{}")]
    {
        let staged = ports.artifacts.stage(&lease, ArtifactName::Model).await.expect("stage");
        fs::create_dir(staged.join("below")).expect("make folder");
        fs::write(staged.join("one"), b"1").expect("write");
        fs::write(staged.join("below/two"), b"22").expect("write");
        let sealed = ports.artifacts.seal(&lease, ArtifactName::Model).await.expect("seal");
        assert!(matches!(sealed, Sealed::Done(_)));
        let open = ports.artifacts.open(&job("a"), ArtifactName::Model).await.expect("open");
        fs::write(open.expect("sealed").join(damaged), bytes).expect("damage");
        let error = ports.artifacts.open(&job("a"), ArtifactName::Model).await;
        let error = error.expect_err("damaged");
        assert_eq!(error.code, Code::StoreCorrupt, "{damaged}: {error}");
        assert!(error.message.contains(damaged), "{damaged}: {error}");
    }
}
