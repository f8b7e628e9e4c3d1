//! One job leased here: the shell around `Job::step`. Facts go in, actions are performed.
//!
//! It claims the lease first; until then it decides nothing. What it is told by work that is not
//! the present one is dropped, except for facts that stand in the store whoever tells them.

mod claim;
pub(crate) mod message;
mod shell;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tgs_protocol::{job::JobEvent, stage::Stage};

use self::message::{JobSupervisorMessage, Lost};
pub(crate) use self::{
    claim::Intent,
    shell::{Post, Shell, WorkBy, WorkUnderWay},
};
use crate::{
    checkpoint_writer::message::{CheckpointWriterMessage, WriteOrder},
    chunk_sampler::message::ChunkEnd,
    failure::Fault,
    gpu_worker::message::{Snapshot, WorkEnd, WorkNo},
};

/// The actor.
pub(crate) struct JobSupervisor;

impl Actor for JobSupervisor {
    type Msg = JobSupervisorMessage;
    type State = Shell;
    type Arguments = Post;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        post: Post,
    ) -> Result<Shell, ActorProcessingErr> {
        Ok(Shell::new(post, myself))
    }

    async fn post_start(
        &self,
        myself: ActorRef<Self::Msg>,
        _shell: &mut Shell,
    ) -> Result<(), ActorProcessingErr> {
        myself.cast(JobSupervisorMessage::Claim)?;
        Ok(())
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        shell: &mut Shell,
    ) -> Result<(), ActorProcessingErr> {
        if !shell.has_left() {
            shell.hear(message).await;
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        _event: SupervisionEvent,
        _shell: &mut Shell,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // It has no children: workers belong to the node.
    }
}

impl Shell {
    async fn hear(&mut self, message: JobSupervisorMessage) {
        match message {
            JobSupervisorMessage::Claim => self.claim().await,
            JobSupervisorMessage::Cancel if !self.is_claimed() => self.intent = Intent::Cancel,
            JobSupervisorMessage::Cancel => self.happen(JobEvent::CancelAsked).await,
            JobSupervisorMessage::Drain if !self.is_claimed() => self.leave_before_work().await,
            JobSupervisorMessage::Drain => self.happen(JobEvent::DrainAsked).await,
            // Claimed first if it can be: the lease may be this node's from an earlier supervisor.
            JobSupervisorMessage::Move(why) if !self.is_claimed() => match &self.lease {
                Some(_) => self.leave_before_work().await,
                None => self.moves = Some(why),
            },
            JobSupervisorMessage::Move(why) => {
                self.happen(JobEvent::Noticed(why)).await;
                self.happen(JobEvent::DrainAsked).await;
            }
            JobSupervisorMessage::WorkLost(fault) if self.work.is_some() => {
                self.fail_work(fault).await;
            }
            JobSupervisorMessage::WorkLost(_) => {}
            JobSupervisorMessage::Look => self.look_at_samplers().await,
            JobSupervisorMessage::Occurred(event) => self.happen(event).await,
            JobSupervisorMessage::SaveAgain => self.save_again().await,
            JobSupervisorMessage::SnapshotTaken { work_no, snapshot } => {
                self.write_snapshot(work_no, snapshot);
            }
            JobSupervisorMessage::SnapshotWritten { work_no, result, cost } => {
                self.saving.took(cost);
                self.snapshot_written(work_no, result).await;
            }
            JobSupervisorMessage::WorkEnded { work_no, end } => self.work_ended(work_no, end).await,
            JobSupervisorMessage::ChunkEnded { work_no, sampler, end } => {
                self.chunk_ended(work_no, sampler, end).await;
            }
            JobSupervisorMessage::CrewChanged { crew, lost } => {
                self.crew = crew;
                self.crew_lost(lost).await;
            }
        }
    }

    fn write_snapshot(&mut self, work_no: WorkNo, snapshot: Snapshot) {
        let Some(lease) = self.lease.clone() else { return };
        let report_to = self.myself.clone();
        let order = WriteOrder { lease, work_no, snapshot, report_to };
        let _ = self.crew.checkpoint_writer.cast(CheckpointWriterMessage::Write(order));
    }

    async fn snapshot_written(
        &mut self,
        work_no: WorkNo,
        result: Result<tgs_protocol::checkpoint::CheckpointFacts, Fault>,
    ) {
        match result {
            Ok(facts) => {
                let step = facts.step;
                self.happen(JobEvent::CheckpointWritten(facts)).await;
                if self.last_snapshot == Some((work_no, step)) {
                    self.last_snapshot = None;
                    self.happen(JobEvent::WorkStopped).await;
                }
            }
            Err(fault) if self.is_at_work(work_no) => self.fail_work(fault).await,
            Err(fault) if self.last_snapshot.is_some_and(|(no, _)| no == work_no) => {
                self.last_snapshot = None;
                self.happen(JobEvent::StageFailed(fault.at(Stage::Train))).await;
            }
            Err(_) => {}
        }
    }

    async fn work_ended(&mut self, work_no: WorkNo, end: WorkEnd) {
        if !self.is_at_work(work_no) {
            return;
        }
        self.work = None;
        match end {
            WorkEnd::Event(event) => self.happen(event).await,
            WorkEnd::Stopped(None) => self.happen(JobEvent::WorkStopped).await,
            WorkEnd::Stopped(Some(snapshot)) => {
                self.last_snapshot = Some((work_no, snapshot.step));
                self.write_snapshot(work_no, snapshot);
            }
        }
    }

    async fn chunk_ended(&mut self, work_no: WorkNo, sampler: usize, end: ChunkEnd) {
        let is_present = self.is_at_work(work_no);
        if is_present {
            self.sampler_freed(sampler, &end);
        }
        match end {
            // Sealed is sealed, whichever try of the stage asked for it.
            ChunkEnd::Sealed(chunk) => {
                self.happen(JobEvent::ChunkSealed(chunk)).await;
            }
            ChunkEnd::Overtaken => self.happen(JobEvent::Overtaken).await,
            ChunkEnd::Failed(fault) if is_present => self.fail_work(fault).await,
            ChunkEnd::Failed(_) | ChunkEnd::Dropped | ChunkEnd::Returned(..) => {}
        }
        self.offer_chunks();
        if self.sampling_stands_still() {
            self.work = None;
            self.happen(JobEvent::WorkStopped).await;
        }
    }

    async fn crew_lost(&mut self, lost: Lost) {
        if lost == Lost::LeaseKeeper {
            self.renew_with_new_keeper().await;
        }
        let was_last_snapshot = self.last_snapshot.is_some();
        if lost == Lost::CheckpointWriter && was_last_snapshot {
            self.last_snapshot = None;
            self.happen(JobEvent::WorkStopped).await;
        }
        if self.works_with(lost) {
            self.fail_work(lost.fault()).await;
        }
    }
}
