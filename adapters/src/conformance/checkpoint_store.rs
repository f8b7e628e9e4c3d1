//! What a [`tgs_protocol::store::CheckpointStore`] owes.

use tgs_protocol::{
    checkpoint::CheckpointFacts,
    code::Code,
    digest::Digest,
    unit::{ByteCount, Epoch, Steps},
};

use crate::{
    conformance::sample::{claim, code, job, overtaken},
    ports::Ports,
};

/// With facts that describe the bytes.
pub async fn what_is_put_is_got_back(ports: &Ports) {
    let lease = claim(ports, &job("a"), "me").await;
    for bytes in [Vec::new(), vec![0; 3], (0..=255).cycle().take(300_001).collect()] {
        let facts = ports.checkpoints.put(&lease, Steps(5), &bytes).await.expect("put");
        let (digest, size) = (Digest::of(&bytes), ByteCount(bytes.len() as u64));
        assert_eq!(facts, CheckpointFacts { epoch: Epoch(1), step: Steps(5), digest, size });
        assert_eq!(ports.checkpoints.get(&job("a"), &facts).await.expect("get"), bytes);
    }
}

/// Latest step first; putting the same again adds none.
pub async fn all_whole_ones_are_listed(ports: &Ports) {
    assert_eq!(ports.checkpoints.whole(&job("a")).await.expect("whole"), []);
    let first = claim(ports, &job("a"), "me").await;
    let one = ports.checkpoints.put(&first, Steps(900), b"one").await.expect("put");
    let two = ports.checkpoints.put(&first, Steps(1_000), b"two").await.expect("put");
    let again = ports.checkpoints.put(&first, Steps(1_000), b"two").await.expect("put");
    assert_eq!(two, again);
    let second = claim(ports, &job("a"), "next").await;
    let three = ports.checkpoints.put(&second, Steps(1_000), b"three").await.expect("put");
    let whole = ports.checkpoints.whole(&job("a")).await.expect("whole");
    assert_eq!(whole, [three, two, one]);
    assert_eq!(ports.checkpoints.whole(&job("aa")).await.expect("whole"), []);
}

/// LEASE-2.
pub async fn a_stale_put_is_refused(ports: &Ports) {
    let (stale, newest) = overtaken(ports, &job("a")).await;
    let kept = ports.checkpoints.put(&newest, Steps(1), b"kept").await.expect("put");
    let refused = ports.checkpoints.put(&stale, Steps(2), b"lost").await;
    assert_eq!(code(refused), Code::Overtaken);
    assert_eq!(code(ports.checkpoints.prune(&stale, &[]).await), Code::Overtaken);
    assert_eq!(ports.checkpoints.whole(&job("a")).await.expect("whole"), [kept]);
}

/// And removes all else; twice is fine.
pub async fn pruning_keeps_what_is_named(ports: &Ports) {
    let lease = claim(ports, &job("a"), "me").await;
    ports.checkpoints.prune(&lease, &[]).await.expect("prune nothing");
    let mut put = Vec::new();
    for step in 0..5 {
        let bytes = [u8::try_from(step).expect("small")];
        put.push(ports.checkpoints.put(&lease, Steps(step), &bytes).await.expect("put"));
    }
    let keep = [put[3], put[4]];
    for _ in 0..2 {
        ports.checkpoints.prune(&lease, &keep).await.expect("prune");
        let whole = ports.checkpoints.whole(&job("a")).await.expect("whole");
        assert_eq!(whole, [put[4], put[3]]);
    }
    assert_eq!(code(ports.checkpoints.get(&job("a"), &put[0]).await), Code::CheckpointCorrupt);
    assert_eq!(ports.checkpoints.get(&job("a"), &put[4]).await.expect("get"), [4]);
}

/// The code says that an older one may do.
pub async fn one_that_never_was_is_corrupt(ports: &Ports) {
    let (epoch, step, size) = (Epoch(1), Steps(1), ByteCount(1));
    let never = CheckpointFacts { epoch, step, digest: Digest::of(b"?"), size };
    assert_eq!(code(ports.checkpoints.get(&job("a"), &never).await), Code::CheckpointCorrupt);
}
