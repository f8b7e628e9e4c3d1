//! Makes snapshots durable while training goes on: at most one in flight per job, and of those
//! that wait only the newest.
//!
//! Writing and pruning of one job never overlap; what pruning spares is a rule of
//! `protocol/src/checkpoint/keep.rs`. Invariants kept here: CKPT-1, GC-1.

pub(crate) mod message;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tgs_protocol::{
    checkpoint::{CheckpointFacts, keep::kept},
    clock::Clock,
    code::Code,
    id::JobId,
    lease::Lease,
    metric_definitions::{CHECKPOINT_BYTES, CHECKPOINT_SECONDS},
    store::{CheckpointStore, StoreError},
};

use self::message::{CheckpointWriterMessage, WriteOrder};
use crate::{
    failure::Fault, job_supervisor::message::JobSupervisorMessage, ports::Ports,
    store_call::transfer,
};

/// The actor.
pub(crate) struct CheckpointWriter;

/// What is being written, and what waits.
pub(crate) struct Writing {
    store: Arc<dyn CheckpointStore>,
    clock: Arc<dyn Clock>,
    jobs: BTreeMap<JobId, Desk>,
}

/// The writing of one job.
#[derive(Default)]
struct Desk {
    is_busy: bool,
    waiting: Option<WriteOrder>,
    to_prune: Option<(Lease, CheckpointFacts, Option<CheckpointFacts>)>,
    /// Those beyond the committed one: their pointers may be on their way.
    written: Vec<CheckpointFacts>,
    is_forgotten: bool,
}

impl Actor for CheckpointWriter {
    type Msg = CheckpointWriterMessage;
    type State = Writing;
    type Arguments = Ports;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        ports: Ports,
    ) -> Result<Writing, ActorProcessingErr> {
        Ok(Writing { store: ports.checkpoints, clock: ports.clock, jobs: BTreeMap::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        writing: &mut Writing,
    ) -> Result<(), ActorProcessingErr> {
        let job = match message {
            CheckpointWriterMessage::Write(order) => {
                let job = order.lease.job.clone();
                let desk = writing.jobs.entry(job.clone()).or_default();
                (desk.waiting, desk.is_forgotten) = (Some(order), false);
                job
            }
            CheckpointWriterMessage::Committed { lease, facts, before } => {
                let job = lease.job.clone();
                let desk = writing.jobs.entry(job.clone()).or_default();
                desk.to_prune = Some((lease, facts, before));
                job
            }
            CheckpointWriterMessage::Idle { job, written } => {
                if let Some(desk) = writing.jobs.get_mut(&job) {
                    desk.is_busy = false;
                    desk.written.extend(written);
                }
                job
            }
            CheckpointWriterMessage::Forget { job } => {
                if let Some(desk) = writing.jobs.get_mut(&job) {
                    (desk.waiting, desk.to_prune, desk.is_forgotten) = (None, None, true);
                }
                job
            }
        };
        writing.go_on(&job, &myself);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        _event: SupervisionEvent,
        _writing: &mut Writing,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // It has no children.
    }
}

impl Writing {
    /// Begins the next thing that waits for this job, unless something is under way.
    fn go_on(&mut self, job: &JobId, myself: &ActorRef<CheckpointWriterMessage>) {
        let Some(desk) = self.jobs.get_mut(job).filter(|desk| !desk.is_busy) else { return };
        let (store, myself) = (self.store.clone(), myself.clone());
        if let Some(order) = desk.waiting.take() {
            desk.is_busy = true;
            tokio::spawn(write(store, self.clock.clone(), order, myself));
        } else if let Some((lease, committed, before)) = desk.to_prune.take() {
            desk.is_busy = true;
            let keep = kept(committed, before, &desk.written);
            desk.written.retain(|written| keep.contains(written));
            tokio::spawn(prune(store, lease, keep, myself));
        } else if desk.is_forgotten {
            self.jobs.remove(job);
        }
    }
}

async fn write(
    store: Arc<dyn CheckpointStore>,
    clock: Arc<dyn Clock>,
    order: WriteOrder,
    myself: ActorRef<CheckpointWriterMessage>,
) {
    let WriteOrder { lease, work_no, snapshot, report_to } = order;
    let begun = clock.monotonic();
    let (fence, step, bytes) = (lease.clone(), snapshot.step, snapshot.bytes);
    let size = bytes.len() as u64;
    // A task of its own: a panic inside the store is this snapshot's failure, not the writer's.
    let put =
        tokio::spawn(
            async move { transfer("write checkpoint", store.put(&fence, step, &bytes)).await },
        );
    let result = put.await.unwrap_or_else(|panic| {
        Err(StoreError::because(Code::DeviceFailed, "write checkpoint", panic))
    });
    let cost = snapshot.cost.get() + clock.monotonic().get().saturating_sub(begun.get());
    let written = result.as_ref().ok().copied();
    if written.is_some() {
        metrics::counter!(CHECKPOINT_BYTES).increment(size);
        let cost = Duration::from_millis(cost);
        metrics::histogram!(CHECKPOINT_SECONDS).record(cost.as_secs_f64());
    }
    let result = result.map_err(Fault::from);
    let cost = tgs_protocol::unit::Millis(cost);
    let _ = report_to.cast(JobSupervisorMessage::SnapshotWritten { work_no, result, cost });
    let _ = myself.cast(CheckpointWriterMessage::Idle { job: lease.job, written });
}

async fn prune(
    store: Arc<dyn CheckpointStore>,
    lease: Lease,
    keep: Vec<CheckpointFacts>,
    myself: ActorRef<CheckpointWriterMessage>,
) {
    let fence = lease.clone();
    let pruning =
        tokio::spawn(
            async move { transfer("prune checkpoints", store.prune(&fence, &keep)).await },
        );
    match pruning.await {
        // The job was given back meanwhile: whoever goes on with it removes them.
        Ok(Err(error)) if error.code == Code::Overtaken => {}
        Ok(Err(error)) => tracing::warn!(job = %lease.job, %error, "old checkpoints stay for now"),
        _ => {}
    }
    let _ = myself.cast(CheckpointWriterMessage::Idle { job: lease.job, written: None });
}
