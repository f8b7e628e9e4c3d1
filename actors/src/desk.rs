//! The desk of a node: checks what is asked, makes it durable, and tells the supervisor.

use std::time::Duration;

use async_trait::async_trait;
use ractor::{ActorRef, RpcReplyPort, rpc::CallResult};
use tgs_protocol::{
    code::Code,
    desk::{DeskError, JobDesk, News, Watching},
    id::JobId,
    job::{JobRow, action::Tidings, outcome::Failure},
    limits::{ORDER_TAKEN_MS, STANDSTILL_MS},
    request::{JobRequest, validate},
    store::StoreError,
};

use crate::{
    failure::Fault, node_supervisor::message::NodeSupervisorMessage, ports::Ports,
    store_call::answer,
};

/// The door to a node's actors.
pub(crate) struct Desk {
    ports: Ports,
    supervisor: ActorRef<NodeSupervisorMessage>,
}

impl Desk {
    pub(crate) fn new(ports: Ports, supervisor: ActorRef<NodeSupervisorMessage>) -> Self {
        Self { ports, supervisor }
    }

    async fn ask<T: Send + 'static>(
        &self,
        limit_ms: u64,
        message: impl FnOnce(RpcReplyPort<T>) -> NodeSupervisorMessage,
    ) -> Result<T, DeskError> {
        let limit = Some(Duration::from_millis(limit_ms));
        match self.supervisor.call(message, limit).await {
            Ok(CallResult::Success(reply)) => Ok(reply),
            // Both mean that nobody will answer.
            Ok(CallResult::Timeout | CallResult::SenderError) | Err(_) => {
                Err(refusal(Code::Internal, "the node did not answer; resume goes on with the job"))
            }
        }
    }

    async fn start(&self, job: JobId) -> Result<(), DeskError> {
        let order = |reply| NodeSupervisorMessage::StartJob { job, reply };
        self.ask(ORDER_TAKEN_MS, order)
            .await?
            .map_err(|error| refusal(Code::Internal, format!("start the job: {error}")))
    }

    /// What kept a job from being ended, if anything was told of it.
    async fn why_not_ended(&self, job: &JobId) -> Option<Failure> {
        let mut watching = self.watch(job).await.ok()?;
        let mut why = None;
        while let Some(news) = watching.next().await {
            if let News::Tidings(Tidings::Suspended(failure)) = news {
                why = Some(failure);
            }
        }
        why
    }

    async fn row(&self, job: &JobId) -> Result<JobRow, DeskError> {
        let read = answer("read job", self.ports.jobs.read(job)).await.map_err(as_refusal)?;
        read.ok_or_else(|| {
            let said = format!(
                "no job {job} is in this data folder; `tgs resume --list` lists what is unfinished"
            );
            refusal(Code::JobNotFound, said)
        })
    }
}

#[async_trait]
impl JobDesk for Desk {
    async fn submit(&self, request: JobRequest) -> Result<JobId, DeskError> {
        validate(&request)?;
        let job = self.ports.ids.job();
        let row = JobRow::accepted(job.clone(), request, self.ports.clock.now());
        let inserted = answer("insert job", self.ports.jobs.insert(&row)).await;
        if !inserted.map_err(as_refusal)? {
            let said = format!("insert job {job}: another job has this name; submit it again");
            return Err(refusal(Code::Internal, said));
        }
        self.start(job.clone()).await?;
        Ok(job)
    }

    async fn resume(&self, job: &JobId) -> Result<(), DeskError> {
        if self.row(job).await?.state.is_final() {
            let said = format!("job {job} has ended; there is nothing to go on with");
            return Err(refusal(Code::NothingToResume, said));
        }
        self.start(job.clone()).await
    }

    async fn cancel(&self, job: &JobId) -> Result<(), DeskError> {
        if self.row(job).await?.state.is_final() {
            return Ok(());
        }
        let order = |reply| NodeSupervisorMessage::CancelJob { job: job.clone(), reply };
        self.ask(STANDSTILL_MS, order).await?;
        if self.row(job).await?.state.is_final() {
            return Ok(());
        }
        Err(match self.why_not_ended(job).await {
            Some(Failure { code, message, .. }) => {
                refusal(code, format!("cancel job {job}: {message}"))
            }
            None => refusal(Code::Overtaken, format!("cancel job {job}: it is not in our hands")),
        })
    }

    async fn show(&self, job: &JobId) -> Result<JobRow, DeskError> {
        self.row(job).await
    }

    async fn list(&self) -> Result<Vec<JobRow>, DeskError> {
        answer("list jobs", self.ports.jobs.list()).await.map_err(as_refusal)
    }

    async fn watch(&self, job: &JobId) -> Result<Box<dyn Watching>, DeskError> {
        let question = |reply| NodeSupervisorMessage::WatchJob { job: job.clone(), reply };
        if let Some(watching) = self.ask(ORDER_TAKEN_MS, question).await? {
            return Ok(watching);
        }
        self.row(job).await?;
        Ok(Box::new(NothingToHear))
    }

    async fn drain(&self) {
        let order = |reply| NodeSupervisorMessage::Drain { reply };
        if let Err(error) = self.ask::<()>(STANDSTILL_MS, order).await {
            tracing::warn!(%error, "not everything came to a standstill");
        }
    }
}

/// The news of a job that is not here.
struct NothingToHear;

#[async_trait]
impl Watching for NothingToHear {
    async fn next(&mut self) -> Option<tgs_protocol::desk::News> {
        None
    }
}

fn refusal(code: Code, message: impl Into<String>) -> DeskError {
    DeskError { code, message: message.into() }
}

fn as_refusal(error: StoreError) -> DeskError {
    let Fault { code, message, .. } = error.into();
    refusal(code, message)
}
