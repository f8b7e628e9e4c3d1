//! What a [`tgs_protocol::store::ChunkStore`] owes: CHUNK-1.

use std::fs;

use tgs_protocol::{chunk::ChunkNo, code::Code, store::Written, unit::Epoch};
use tokio::task::JoinSet;

use crate::{
    conformance::sample::{chunk, claim, code, job, overtaken},
    ports::Ports,
};

/// However the chunks came.
pub async fn the_manifest_is_in_order(ports: &Ports) {
    assert_eq!(ports.chunks.sealed(&job("a")).await.expect("sealed"), []);
    let lease = claim(ports, &job("a"), "me").await;
    for no in [300, 2, 70_000, 0, 1, u32::MAX] {
        let bytes = format!("chunk {no}");
        let sealed = chunk(no, bytes.as_bytes());
        let written = ports.chunks.seal(&lease, &sealed, bytes.as_bytes()).await.expect("seal");
        assert_eq!(written, Written::Done);
        let path = ports.chunks.open(&job("a"), ChunkNo(no)).await.expect("open");
        assert_eq!(fs::read(path).expect("read"), bytes.as_bytes());
    }
    let manifest = ports.chunks.sealed(&job("a")).await.expect("sealed");
    let numbers: Vec<_> = manifest.iter().map(|sealed| sealed.chunk.0).collect();
    assert_eq!(numbers, [0, 1, 2, 300, 70_000, u32::MAX]);
    assert_eq!(manifest[2], chunk(2, b"chunk 2"));
    assert_eq!(code(ports.chunks.open(&job("a"), ChunkNo(3)).await), Code::Internal);
}

/// At least once by the caller is exactly once in the store.
pub async fn sealing_again_changes_nothing(ports: &Ports) {
    let lease = claim(ports, &job("a"), "me").await;
    let sealed = chunk(0, b"bytes");
    for _ in 0..3 {
        let written = ports.chunks.seal(&lease, &sealed, b"bytes").await.expect("seal");
        assert_eq!(written, Written::Done);
        assert_eq!(ports.chunks.sealed(&job("a")).await.expect("sealed"), [sealed]);
    }
    let next = claim(ports, &job("a"), "next").await;
    assert_eq!(ports.chunks.seal(&next, &sealed, b"bytes").await.expect("seal"), Written::Done);
    assert_eq!(ports.chunks.sealed(&job("a")).await.expect("sealed"), [sealed]);
}

/// A sealed chunk never changes.
pub async fn another_digest_is_refused(ports: &Ports) {
    let lease = claim(ports, &job("a"), "me").await;
    let sealed = chunk(0, b"bytes");
    assert_eq!(ports.chunks.seal(&lease, &sealed, b"bytes").await.expect("seal"), Written::Done);
    let other = ports.chunks.seal(&lease, &chunk(0, b"other"), b"other").await;
    assert_eq!(code(other), Code::Internal);
    assert_eq!(ports.chunks.sealed(&job("a")).await.expect("sealed"), [sealed]);
    let path = ports.chunks.open(&job("a"), ChunkNo(0)).await.expect("open");
    assert_eq!(fs::read(path).expect("read"), b"bytes");
}

/// The store does not take the caller's word for a digest.
pub async fn wrong_bytes_are_refused(ports: &Ports) {
    let lease = claim(ports, &job("a"), "me").await;
    let wrong = ports.chunks.seal(&lease, &chunk(0, b"bytes"), b"others").await;
    assert_eq!(code(wrong), Code::Internal);
    assert_eq!(ports.chunks.sealed(&job("a")).await.expect("sealed"), []);
}

/// LEASE-2; nor can a stale holder replace the bytes of a sealed chunk.
pub async fn a_stale_seal_is_refused(ports: &Ports) {
    let (stale, newest) = overtaken(ports, &job("a")).await;
    let sealed = chunk(0, b"bytes");
    assert_eq!(ports.chunks.seal(&newest, &sealed, b"bytes").await.expect("seal"), Written::Done);
    for (no, bytes) in [(0, b"bytes"), (0, b"other"), (1, b"other")] {
        let written = ports.chunks.seal(&stale, &chunk(no, bytes), bytes).await.expect("seal");
        assert_eq!(written, Written::Overtaken { by: Epoch(2) });
    }
    assert_eq!(ports.chunks.sealed(&job("a")).await.expect("sealed"), [sealed]);
    let path = ports.chunks.open(&job("a"), ChunkNo(0)).await.expect("open");
    assert_eq!(fs::read(path).expect("read"), b"bytes");
}

/// Names that begin alike are not the same.
pub async fn jobs_do_not_see_each_other(ports: &Ports) {
    for name in ["a", "aa", "b"] {
        let lease = claim(ports, &job(name), "me").await;
        let sealed = chunk(0, name.as_bytes());
        let written = ports.chunks.seal(&lease, &sealed, name.as_bytes()).await.expect("seal");
        assert_eq!(written, Written::Done);
    }
    ports.artifacts.sweep(&job("a"), &[]).await.expect("sweep");
    assert_eq!(ports.chunks.sealed(&job("a")).await.expect("sealed"), []);
    for name in ["aa", "b"] {
        let sealed = ports.chunks.sealed(&job(name)).await.expect("sealed");
        assert_eq!(sealed, [chunk(0, name.as_bytes())]);
        assert!(ports.chunks.open(&job(name), ChunkNo(0)).await.is_ok());
    }
}

/// Two samplers with the same chunk end with one sealed chunk.
pub async fn concurrent_seals_of_one_chunk_agree(ports: &Ports) {
    let lease = claim(ports, &job("a"), "me").await;
    let mut seals = JoinSet::new();
    for _ in 0..8 {
        let (chunks, lease) = (ports.chunks.clone(), lease.clone());
        seals.spawn(async move {
            let bytes = vec![7; 100_000];
            chunks.seal(&lease, &chunk(0, &bytes), &bytes).await.expect("seal")
        });
    }
    assert!(seals.join_all().await.iter().all(|written| *written == Written::Done));
    let path = ports.chunks.open(&job("a"), ChunkNo(0)).await.expect("open");
    assert_eq!(fs::read(path).expect("read"), vec![7; 100_000]);
    assert_eq!(ports.chunks.sealed(&job("a")).await.expect("sealed").len(), 1);
}
