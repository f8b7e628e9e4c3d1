//! Carries out what `Job::step` says. The simulator has its own performer; nothing else differs.
//!
//! Actions are performed in order, and nothing after a `Save` happens unless the row was written: a
//! row that cannot be written keeps its place at the head, and what was learned stays in memory.
//! After a while the machine hears of it and gives up; the store then holds the job as it last was,
//! and resume goes on from there. A `TakeBack` that failed is tried again as well, since nobody
//! comes back to a job that ended. `StopWork` alone does not wait in line.

pub(crate) mod sampling;

use std::sync::Arc;

use tgs_protocol::{
    cause::without_folder,
    code::Retry,
    job::{
        Job, JobAction, JobEvent, JobRow, Work, action::Tidings, listing::StateClass,
        outcome::Failure,
    },
    limits::RETRY_BACK_OFF_MS,
    store::{ArtifactName, Written},
    unit::Millis,
};

use crate::{
    checkpoint_writer::message::CheckpointWriterMessage,
    failure::Fault,
    gpu_worker::{
        message::{GpuWorkerMessage, WorkNo, WorkOrder},
        publish::deliveries,
    },
    job_supervisor::{Shell, WorkBy, WorkUnderWay, message::JobSupervisorMessage},
    lease_keeper::message::LeaseKeeperMessage,
    store_call::{answer, transfer},
    work_watch::{Stop, StopOnDrop, WorkWatch},
};

impl Shell {
    /// Takes one event into the machine and performs what follows, until nothing follows.
    pub(crate) async fn happen(&mut self, event: JobEvent) {
        if self.left {
            return;
        }
        self.events.push_back(event);
        loop {
            self.perform().await;
            if self.left {
                return;
            }
            let Some(event) = self.events.pop_front() else { return };
            self.step(event);
        }
    }

    /// Fails the present work; what it still says is old news.
    pub(crate) async fn fail_work(&mut self, fault: Fault) {
        let failure = fault.at(self.stage());
        self.work = None;
        self.happen(JobEvent::StageFailed(failure)).await;
    }

    /// The back-off after a failed save is over.
    pub(crate) async fn save_again(&mut self) {
        self.is_blocked = false;
        self.perform().await;
        while let Some(event) = self.events.pop_front() {
            self.happen(event).await;
        }
    }

    /// One step of the machine; what follows waits in `actions`.
    pub(crate) fn step(&mut self, event: JobEvent) {
        let how = match event {
            JobEvent::DrainAsked => Stop::Keep,
            _ => Stop::Abandon,
        };
        if event == JobEvent::Overtaken {
            self.actions.clear(); // None of them may be carried out any more.
            self.is_blocked = false;
        }
        let event = self.without_folder(event);
        let Some(job) = &mut self.job else { return };
        for action in job.step(self.ports.clock.now(), event) {
            match action {
                JobAction::StopWork => self.stop_work(how),
                action => self.actions.push_back(action),
            }
        }
    }

    /// Whoever is far away is not told where this node keeps its files.
    fn without_folder(&self, event: JobEvent) -> JobEvent {
        match (event, &self.config.untold_folder) {
            (JobEvent::StageFailed(failure), Some(folder)) => {
                let message = without_folder(&failure.message, folder);
                JobEvent::StageFailed(Failure { message, ..failure })
            }
            (event, _) => event,
        }
    }

    async fn perform(&mut self) {
        while !self.is_blocked
            && let Some(action) = self.actions.pop_front()
        {
            match action {
                JobAction::Save(row) => self.save(row).await,
                JobAction::Begin(work) => self.begin(work),
                JobAction::StopWork => {} // `step` has carried it out.
                JobAction::RetryAfter(after) => {
                    let due = || JobSupervisorMessage::Occurred(JobEvent::RetryDue);
                    self.myself.send_after(self.config.back_off(after), due);
                }
                JobAction::Tell(tidings) => self.tell(tidings),
                JobAction::TakeBack => self.take_back().await,
                JobAction::Sweep => self.sweep().await,
                JobAction::Release => self.give_lease_back().await,
                JobAction::Leave => {
                    self.let_lease_go();
                    self.leave();
                }
            }
        }
    }

    async fn save(&mut self, row: Box<JobRow>) {
        let Some(lease) = self.lease.clone() else { return };
        match answer("save job", self.ports.jobs.save(&lease, &row)).await {
            Ok(Written::Done) => {
                self.head_tries = 0;
                self.prune_behind(&row);
                row.done.checkpoint.iter().for_each(|facts| self.saving.committed(facts.step));
                if row.state.is_final() {
                    self.learned.take_in(&row);
                }
                self.saved = Some(Arc::new(*row));
            }
            Ok(Written::Overtaken { .. }) => {
                self.actions.clear();
                self.events.push_front(JobEvent::Overtaken);
            }
            Err(error) => {
                let fault: Fault = error.into();
                if !self.will_try_again(JobAction::Save(row), &fault) {
                    self.actions.clear();
                    let failure = fault.at(self.stage());
                    self.events.push_front(JobEvent::SaveFailed(failure));
                }
            }
        }
    }

    /// Puts an action that failed back to its place, for another try after a while; false if that
    /// would not help, or was done often enough.
    fn will_try_again(&mut self, action: JobAction, fault: &Fault) -> bool {
        let back_off = RETRY_BACK_OFF_MS.get(self.head_tries);
        let Some(after) = back_off.filter(|_| fault.code.retry() == Retry::Later) else {
            self.head_tries = 0;
            return false;
        };
        self.head_tries += 1;
        self.actions.push_front(action);
        self.is_blocked = true;
        let after = Millis(*after);
        self.tell(Tidings::TryingAgain { message: fault.message.clone(), after });
        let again = || JobSupervisorMessage::SaveAgain;
        self.myself.send_after(self.config.back_off(after), again);
        true
    }

    /// A checkpoint whose pointer is durable makes all but the one before it useless.
    fn prune_behind(&self, row: &JobRow) {
        let earlier = self.saved.as_ref().and_then(|saved| saved.done.checkpoint);
        let (Some(lease), Some(facts)) = (&self.lease, row.done.checkpoint) else { return };
        if earlier != Some(facts) {
            let lease = lease.clone();
            let committed = CheckpointWriterMessage::Committed { lease, facts, before: earlier };
            let _ = self.crew.checkpoint_writer.cast(committed);
        }
    }

    fn begin(&mut self, work: Work) {
        let (Some(lease), Some(row)) = (self.lease.clone(), self.saved.clone()) else { return };
        self.last_work_no = WorkNo(self.last_work_no.0 + 1);
        let (no, progress) = (self.last_work_no, self.progress.clone());
        let watch = Arc::new(WorkWatch::new(progress, self.ports.clock.clone()));
        let by = match work {
            Work::Sample { chunks } => WorkBy::Samplers(self.sampling_of(chunks)),
            work => {
                let loss_every = row.losses.mean_time_between(row.ran, self.config.loss_expected);
                let order = WorkOrder {
                    work_no: no,
                    lease,
                    row,
                    stage: self.stage(),
                    work,
                    watch: watch.clone(),
                    saving: self.saving.clone(),
                    devices: self.devices,
                    loss_every,
                    report_to: self.myself.clone(),
                };
                let _ = self.device().cast(GpuWorkerMessage::Run(Box::new(order)));
                WorkBy::Device
            }
        };
        self.work = Some(WorkUnderWay { no, watch: StopOnDrop(watch), by });
        self.offer_chunks();
    }

    /// Tells the present work to stop; if there is none, it has stopped already.
    fn stop_work(&mut self, how: Stop) {
        self.actions.retain(|action| !matches!(action, JobAction::Begin(_)));
        let Some(work) = &mut self.work else {
            if self.last_snapshot.is_none() {
                self.events.push_back(JobEvent::WorkStopped);
            }
            return;
        };
        work.watch.0.stop(how);
        match &mut work.by {
            WorkBy::Device => {
                let (job, work_no) = (self.id.clone(), work.no);
                let withdraw = GpuWorkerMessage::Withdraw { job, work_no };
                let _ = self.device().cast(withdraw);
            }
            WorkBy::Samplers(sampling) => {
                if sampling.stop() {
                    self.work = None;
                    self.events.push_back(JobEvent::WorkStopped);
                }
            }
        }
    }

    async fn take_back(&mut self) {
        let Some(deliveries) = self.row().map(deliveries) else { return };
        let Some(lease) = self.lease.clone() else { return };
        // The first one may have made folders for all: they are empty once it goes.
        for delivery in deliveries.into_iter().rev() {
            let taken_back = self.ports.artifacts.take_back(&lease, &delivery.to);
            let taken_back = transfer("take back", taken_back).await;
            if let Ok(Written::Overtaken { .. }) = taken_back {
                self.actions.clear();
                return self.events.push_front(JobEvent::Overtaken);
            }
            if let Err(error) = taken_back {
                let (said, fault) = (error.to_string(), Fault::from(error));
                // The job ends after this, and nobody would try again.
                if self.will_try_again(JobAction::TakeBack, &fault) {
                    return;
                }
                let to = delivery.to.display();
                let job = &self.id;
                tracing::warn!(%job, error = %said, %to, "a delivered file was not taken back");
                self.tell(Tidings::Notice(format!("{said}; remove {to} yourself")));
            }
        }
        self.head_tries = 0;
    }

    async fn sweep(&mut self) {
        let class = self.row().map(|row| StateClass::of(&row.state));
        let Some(class) = class.filter(|class| class.is_final()) else { return };
        let kept = ArtifactName::kept_after(class);
        if let Err(error) = transfer("sweep", self.ports.artifacts.sweep(&self.id, kept)).await {
            tracing::warn!(job = %self.id, %error, "private and half-done files were not removed");
            let remedy = "private and half-done files stay until the data folder is next opened";
            self.tell(Tidings::Notice(format!("{error}; {remedy}")));
        }
    }

    fn let_lease_go(&mut self) {
        if let Some(lease) = self.lease.take() {
            let _ = self.crew.lease_keeper.cast(LeaseKeeperMessage::LetGo { lease });
        }
    }

    /// The machine's row; before the claim there is none.
    pub(crate) fn row(&self) -> Option<&JobRow> {
        self.job.as_ref().map(Job::row)
    }
}
