//! Each promise is broken on purpose, and only its name is caught.

use super::*;
use crate::{
    checkpoint::CheckpointFacts,
    digest::Digest,
    engine::ReportFacts,
    invariant::caught,
    job::step::samples,
    stage::Stage,
    unit::{ByteCount, Rows},
};

/// Changes a row in the middle of training, seals chunks, adds actions; says what is caught.
fn broken(
    prepare: impl Fn(&mut JobRow),
    change: impl Fn(&mut JobRow),
    sealed: &[(u32, u64)],
    actions: &[JobAction],
) -> Vec<Invariant> {
    let mut row = samples::row(samples::synthesize(25_000));
    row.state = JobState::Running { stage: Stage::Train };
    row.done.dataset = Some(samples::dataset(100));
    row.done.checkpoint = Some(checkpoint(40, 2));
    prepare(&mut row);
    let before = Standing::of(&row);
    change(&mut row);
    let sealed = sealed.iter().map(|(no, rows)| {
        let chunk = ChunkNo(*no);
        (chunk, SealedChunk { chunk, rows: Rows(*rows), digest: Digest::of(b"chunk") })
    });
    caught(|| audit(&before, &row, &sealed.collect(), actions))
}

fn checkpoint(step: u64, epoch: u64) -> CheckpointFacts {
    let (step, epoch) = (Steps(step), Epoch(epoch));
    CheckpointFacts { epoch, step, digest: Digest::of(b"checkpoint"), size: ByteCount(1) }
}

fn block(row: &mut JobRow) {
    row.done.report = Some(ReportFacts { verdict: Verdict::Block, reasons: Vec::new() });
    row.state = JobState::Running { stage: Stage::Publish };
}

const WHOLE: &[(u32, u64)] = &[(0, 10_000), (1, 10_000), (2, 5_000)];

#[test]
fn a_sound_step_breaks_nothing() {
    let keep = |_: &mut JobRow| {};
    assert_eq!(broken(keep, keep, &[], &[]), []);
    assert_eq!(broken(keep, |row| row.done.checkpoint = Some(checkpoint(41, 2)), &[], &[]), []);
    assert_eq!(broken(keep, |row| row.done.checkpoint = Some(checkpoint(40, 3)), &[], &[]), []);
    assert_eq!(broken(keep, |row| row.done.sampled = true, WHOLE, &[]), []);
    let withheld = [JobAction::Begin(Work::Publish { withhold: true })];
    assert_eq!(broken(block, keep, &[], &withheld), []);
}

#[test]
fn chunks_that_are_not_the_partition_break_job_1() {
    let cases: [&[(u32, u64)]; 5] = [
        &[],
        &[(0, 10_000), (2, 5_000)],
        &[(0, 10_000), (1, 10_000), (2, 10_000)],
        &[(0, 10_000), (1, 10_000), (2, 5_000), (3, 1)],
        &[(0, 10_000), (1, 10_000), (3, 5_000)],
    ];
    for sealed in cases {
        let caught = broken(|_| {}, |row| row.done.sampled = true, sealed, &[]);
        assert_eq!(caught, [Invariant::Job1], "{sealed:?}");
    }
}

#[test]
fn a_move_that_is_not_in_the_table_breaks_job_2() {
    let back = |row: &mut JobRow| row.state = JobState::Running { stage: Stage::Ingest };
    assert_eq!(broken(|_| {}, back, &[], &[]), [Invariant::Job2]);
    let skip = |row: &mut JobRow| row.state = JobState::Running { stage: Stage::Evaluate };
    assert_eq!(broken(|_| {}, skip, &[], &[]), [Invariant::Job2]);
}

#[test]
fn work_after_the_end_breaks_job_3() {
    let ended = |row: &mut JobRow| row.state = JobState::Ended(Outcome::Cancelled);
    let stray = [JobAction::Release, JobAction::Begin(Work::Ingest)];
    assert_eq!(broken(ended, |_| {}, &[], &stray), [Invariant::Job3]);
    let cleaning = [JobAction::Sweep, JobAction::Release, JobAction::Leave];
    assert_eq!(broken(ended, |_| {}, &[], &cleaning), []);
}

#[test]
fn a_result_that_changes_breaks_job_4() {
    let other = |row: &mut JobRow| row.done.dataset = Some(samples::dataset(101));
    assert_eq!(broken(|_| {}, other, &[], &[]), [Invariant::Job4]);
    let lost = |row: &mut JobRow| row.done.dataset = None;
    assert_eq!(broken(|_| {}, lost, &[], &[]), [Invariant::Job4]);
}

#[test]
fn a_checkpoint_that_moves_back_breaks_ckpt_1() {
    for older in [Some(checkpoint(39, 9)), Some(checkpoint(40, 1)), None] {
        let back = |row: &mut JobRow| row.done.checkpoint = older;
        assert_eq!(broken(|_| {}, back, &[], &[]), [Invariant::Ckpt1], "{older:?}");
    }
}

#[test]
fn a_blocked_table_that_is_released_breaks_gate_1() {
    let release = [JobAction::Begin(Work::Publish { withhold: false })];
    assert_eq!(broken(block, |_| {}, &[], &release), [Invariant::Gate1]);
    let published = |row: &mut JobRow| {
        row.state = JobState::Ended(Outcome::Published { verdict: Some(Verdict::Block) });
    };
    assert_eq!(broken(block, published, &[], &[]), [Invariant::Gate1]);
}
