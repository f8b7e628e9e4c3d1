//! Whatever is done in whatever order, the embedded store answers as the memory store does.

use std::fs;

use proptest::{collection::vec, prelude::*};
use tgs_adapters::{
    Embedded, Memory,
    conformance::sample::{all_rows, chunk, job, row},
    ports::Ports,
};
use tgs_protocol::{
    id::Incarnation,
    job::{JobState, Outcome},
    lease::{Lease, LeaseCell},
    store::{ArtifactName, StoreError},
    unit::{Epoch, EventNo, Steps},
};

/// One call; small numbers, so that calls meet each other.
#[derive(Debug, Clone)]
enum Call {
    Insert { job: u8, at: u64 },
    List,
    Save { job: u8, lease: u64, tries: u32 },
    End { job: u8, lease: u64 },
    Claim { job: u8, owner: u8, behind: bool },
    Renew { job: u8, lease: u64 },
    Release { job: u8, lease: u64 },
    SealChunk { job: u8, lease: u64, no: u32, byte: u8 },
    OpenChunk { job: u8, no: u32 },
    Put { job: u8, lease: u64, step: u64, byte: u8 },
    Prune { job: u8, lease: u64, keep: usize },
    Stage { job: u8, lease: u64, name: u8, byte: u8 },
    Seal { job: u8, lease: u64, name: u8 },
    Open { job: u8, name: u8 },
    Sweep { job: u8, keep: Vec<u8> },
    Reopen,
}

fn calls() -> impl Strategy<Value = Call> {
    let (job, lease, byte) = (0..2_u8, 0..4_u64, 0..2_u8);
    let to = (job.clone(), lease);
    let claim = (job.clone(), 0..2_u8, prop::bool::weighted(0.2))
        .prop_map(|(job, owner, behind)| Call::Claim { job, owner, behind });
    prop_oneof![
        (job.clone(), 0..3_u64).prop_map(|(job, at)| Call::Insert { job, at }),
        Just(Call::List),
        (to.clone(), 0..9_u32).prop_map(|((job, lease), tries)| Call::Save { job, lease, tries }),
        to.clone().prop_map(|(job, lease)| Call::End { job, lease }),
        claim.clone(),
        claim.clone(),
        claim,
        to.clone().prop_map(|(job, lease)| Call::Renew { job, lease }),
        to.clone().prop_map(|(job, lease)| Call::Release { job, lease }),
        (to.clone(), 0..3_u32, byte.clone()).prop_map(|((job, lease), no, byte)| Call::SealChunk {
            job,
            lease,
            no,
            byte
        }),
        (job.clone(), 0..3_u32).prop_map(|(job, no)| Call::OpenChunk { job, no }),
        (to.clone(), 0..3_u64, byte.clone()).prop_map(|((job, lease), step, byte)| Call::Put {
            job,
            lease,
            step,
            byte
        }),
        (to.clone(), 0..3_usize).prop_map(|((job, lease), keep)| Call::Prune { job, lease, keep }),
        (to.clone(), 0..2_u8, byte).prop_map(|((job, lease), name, byte)| Call::Stage {
            job,
            lease,
            name,
            byte
        }),
        (to, 0..2_u8).prop_map(|((job, lease), name)| Call::Seal { job, lease, name }),
        (job.clone(), 0..2_u8).prop_map(|(job, name)| Call::Open { job, name }),
        (job, vec(0..2_u8, 0..2)).prop_map(|(job, keep)| Call::Sweep { job, keep }),
        Just(Call::Reopen),
    ]
}

fn name(no: u8) -> ArtifactName {
    if no == 0 { ArtifactName::Dataset } else { ArtifactName::Model }
}

/// A lease of this epoch, by whoever holds that epoch if it is the present one.
async fn lease(ports: &Ports, of: u8, epoch: u64) -> Lease {
    let job = job(&format!("job-{of}"));
    let cell = ports.leases.look(&job).await.expect("look");
    let owner = cell.owner.filter(|_| cell.epoch == Epoch(epoch));
    Lease { job, owner: owner.unwrap_or(Incarnation::new("owner-0")), epoch: Epoch(epoch) }
}

/// The answer, in words; of errors the code.
fn said<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => error.code.to_string(),
    }
}

async fn answer(ports: &Ports, call: &Call) -> String {
    match *call {
        Call::Insert { job, at } => said(ports.jobs.insert(&row(&format!("job-{job}"), at)).await),
        Call::List => said(all_rows(ports).await),
        Call::Save { job, lease: epoch, tries } => {
            let mut row = row(&format!("job-{job}"), 7);
            row.failed_tries = tries;
            said(ports.jobs.save(&lease(ports, job, epoch).await, &row).await)
        }
        Call::End { job, lease: epoch } => {
            let mut row = row(&format!("job-{job}"), 7);
            row.state = JobState::Ended(Outcome::Cancelled);
            said(ports.jobs.save(&lease(ports, job, epoch).await, &row).await)
        }
        Call::Claim { job: of, owner, behind } => {
            let job = job(&format!("job-{of}"));
            let mut seen: LeaseCell = ports.leases.look(&job).await.expect("look");
            seen.renewals += u64::from(behind);
            let owner = Incarnation::new(format!("owner-{owner}"));
            said(ports.leases.claim(&job, &owner, &seen).await)
        }
        Call::Renew { job, lease: epoch } => {
            said(ports.leases.renew(&lease(ports, job, epoch).await).await)
        }
        Call::Release { job, lease: epoch } => {
            said(ports.leases.release(&lease(ports, job, epoch).await).await)
        }
        Call::SealChunk { job, lease: epoch, no, byte } => {
            let bytes = [byte; 50];
            let lease = lease(ports, job, epoch).await;
            said(ports.chunks.seal(&lease, &chunk(no, &bytes), &bytes).await)
        }
        Call::OpenChunk { job: of, no } => {
            let opened = ports.chunks.open(&job(&format!("job-{of}")), chunk(no, b"").chunk).await;
            said(opened.map(|path| fs::read(path).expect("read")))
        }
        Call::Put { job, lease: epoch, step, byte } => {
            let lease = lease(ports, job, epoch).await;
            said(ports.checkpoints.put(&lease, Steps(step), &[byte; 60]).await)
        }
        Call::Prune { job, lease: epoch, keep } => {
            let lease = lease(ports, job, epoch).await;
            let whole = ports.checkpoints.whole(&lease.job).await.expect("whole");
            said(ports.checkpoints.prune(&lease, &whole[..keep.min(whole.len())]).await)
        }
        Call::Stage { job, lease: epoch, name: no, byte } => {
            let staged = ports.artifacts.stage(&lease(ports, job, epoch).await, name(no)).await;
            said(staged.map(|path| fs::write(path.join("file"), [byte; 70]).expect("write")))
        }
        Call::Seal { job, lease: epoch, name: no } => {
            said(ports.artifacts.seal(&lease(ports, job, epoch).await, name(no)).await)
        }
        Call::Open { job: of, name: no } => {
            let opened = ports.artifacts.open(&job(&format!("job-{of}")), name(no)).await;
            said(opened.map(|path| path.map(|path| fs::read(path.join("file")).ok())))
        }
        Call::Sweep { job: of, ref keep } => {
            let keep: Vec<_> = keep.iter().map(|no| name(*no)).collect();
            said(ports.artifacts.sweep(&job(&format!("job-{of}")), &keep).await)
        }
        Call::Reopen => String::new(),
    }
}

/// All that can be seen of both jobs.
async fn everything(ports: &Ports) -> String {
    let mut seen = said(all_rows(ports).await);
    seen += &said(ports.events.events(EventNo(0), None, usize::MAX).await);
    for of in 0..2 {
        let job = job(&format!("job-{of}"));
        seen += &said(ports.jobs.read(&job).await);
        seen += &said(ports.leases.look(&job).await);
        seen += &said(ports.chunks.sealed(&job).await);
        seen += &said(ports.checkpoints.whole(&job).await);
        for no in 0..2 {
            seen += &answer(ports, &Call::Open { job: of, name: no }).await;
        }
    }
    seen
}

async fn both_say_the_same(calls: Vec<Call>) {
    let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("folder");
    let (home, files) = (root.path().join("home"), root.path().join("files"));
    fs::create_dir(&files).expect("make folder");
    let memory = Memory::at(&files);
    let model = Ports::of(memory.clone());
    let mut embedded = Ports::of(Embedded::open(&home).expect("open"));
    for (no, call) in calls.iter().enumerate() {
        if matches!(call, Call::Reopen) {
            drop(embedded);
            embedded = Ports::of(Embedded::open(&home).expect("open again"));
            memory.restart().expect("restart");
        }
        let (ours, theirs) = (answer(&embedded, call).await, answer(&model, call).await);
        assert_eq!(ours, theirs, "call {no}: {call:?}");
        assert_eq!(everything(&embedded).await, everything(&model).await, "call {no}: {call:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn embedded_and_memory_agree(calls in vec(calls(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(both_say_the_same(calls));
    }
}
