//! The desk of a node: checks what is asked, makes it durable, and tells the supervisor.

mod ending;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use ractor::{ActorRef, RpcReplyPort, rpc::CallResult};
use tgs_protocol::{
    cause::with_causes,
    code::Code,
    desk::{DeskError, Health, JobDesk, Taken, Terms, Watching},
    id::{Incarnation, JobId, TenantId},
    job::{
        JobRow,
        listing::{Listing, Page, StateClass},
    },
    limits::{ORDER_TAKEN_MS, STANDSTILL_MS},
    placement::{Share, shares},
    progress::Progress,
    queue::{Turn, Waiting},
    request::{Goal, JobRequest, validate},
    residency::Ground,
    store::ArtifactName,
    submission::{Inserted, Submission},
    unit::{ByteCount, Millis},
    wire::JobOrder,
};
use tokio::runtime::Handle;

use crate::{
    experience::Learned,
    gpu_worker::{bench::MODEL_FILE, publish::deliveries},
    input,
    node::NodeConfig,
    node_supervisor::{care::NodeHealth, message::NodeSupervisorMessage},
    order::{self, Ordered},
    ports::Ports,
    store_call::{answer, transfer},
};

/// The door to a node's actors.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) ports: Ports,
    supervisor: ActorRef<NodeSupervisorMessage>,
    /// Where orders are carried out: whoever gave one may go away, and its own runtime need not
    /// wait for a disk.
    runtime: Handle,
    learned: Learned,
    health: NodeHealth,
    own: Incarnation,
    /// What this node stands on.
    ground: Ground,
    /// Compute threads of a job that does not say.
    pub(crate) threads: u32,
    /// What tenants are entitled to.
    shares: BTreeMap<TenantId, Share>,
}

impl Desk {
    /// Of the node whose runtime this is called in.
    pub(crate) fn new(
        ports: Ports,
        supervisor: ActorRef<NodeSupervisorMessage>,
        learned: Learned,
        health: NodeHealth,
        config: &NodeConfig,
    ) -> Self {
        let (runtime, own) = (Handle::current(), config.incarnation.clone());
        let ground = config.about.ground();
        let (threads, shares) = (config.threads, config.shares.clone());
        Self { ports, supervisor, runtime, learned, health, own, ground, threads, shares }
    }

    /// Carries an order out to its end, also if nobody waits for it any more: a job must not stand
    /// in the store without being in line.
    async fn to_its_end<T: Send + 'static>(
        &self,
        order: impl Future<Output = Result<T, DeskError>> + Send + 'static,
    ) -> Result<T, DeskError> {
        self.runtime.spawn(order).await.unwrap_or_else(|error| {
            let said = format!("carry out an order: {error}; ask again what became of it");
            Err(DeskError::new(Code::Internal, said))
        })
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
            Ok(CallResult::Timeout | CallResult::SenderError) | Err(_) => Err(DeskError::new(
                Code::Internal,
                "the node did not answer; resume goes on with the job",
            )),
        }
    }

    async fn start(&self, row: &JobRow) -> Result<(), DeskError> {
        if !row.may_be_on(&self.ground) {
            self.ports.links.all_look();
            return Ok(()); // It waits in the store for a node where it may be.
        }
        let (job, turn) = (row.id.clone(), Turn::of(row));
        let order = |reply| NodeSupervisorMessage::StartJob { job, turn, reply };
        self.ask(ORDER_TAKEN_MS, order)
            .await?
            .map_err(|error| DeskError::new(Code::Internal, format!("start the job: {error}")))
    }

    /// With what its files are now, unless whoever asks has looked already, and with constants that
    /// its model has.
    async fn looked_at(&self, request: JobRequest) -> Result<JobRequest, DeskError> {
        let mut request = request;
        if let Goal::External { command, .. } = &request.goal {
            self.ports.programs.check(command)?;
        }
        let checked = self.ports.engine.check_constants(request.model, &request.overrides);
        checked.map_err(|error| {
            DeskError::new(error.code().unwrap_or(Code::Internal), with_causes(&error))
        })?;
        if request.inputs.is_empty() {
            let mut inputs = Vec::new();
            for (path, what) in request.files_read() {
                inputs.push(input::look_at(&self.ports, path, what).await?);
            }
            request.inputs = inputs;
        }
        Ok(request)
    }

    pub(crate) async fn row(&self, job: &JobId) -> Result<JobRow, DeskError> {
        let read = answer("read job", self.ports.jobs.read(job)).await?;
        read.ok_or_else(|| {
            let said = format!(
                "no job {job} is in this data folder; `tgs resume --list` lists what is unfinished"
            );
            DeskError::new(Code::JobNotFound, said)
        })
    }
}

#[async_trait]
impl JobDesk for Desk {
    async fn submit(&self, request: JobRequest, terms: Terms) -> Result<Taken, DeskError> {
        let desk = self.clone();
        self.to_its_end(async move { desk.take_in(request, terms).await }).await
    }

    async fn order(
        &self,
        order: JobOrder,
        submission: Option<Submission>,
    ) -> Result<Taken, DeskError> {
        let desk = self.clone();
        let (priority, tenant) = (order.priority(), order.tenant().cloned());
        let stays_off_spot = !order.spot();
        let taken = async move {
            // First: what the order names may be gone when it comes again.
            if let Some(sent) = &submission {
                let known = desk.ports.jobs.ordered(&sent.key);
                if let Some(row) = answer("look for an order", known).await? {
                    let again = Inserted::again(&row.id, row.submission.as_ref(), sent);
                    return desk.inserted(again, row).await;
                }
            }
            let Ordered { request, origin, regions } = order::request(&desk, order).await?;
            let terms = Terms { priority, regions, tenant, stays_off_spot, submission, origin };
            desk.take_in(request, terms).await
        };
        self.to_its_end(taken).await
    }

    async fn resume(&self, job: &JobId) -> Result<(), DeskError> {
        let (desk, job) = (self.clone(), job.clone());
        self.to_its_end(async move { desk.go_on_with(&job).await }).await
    }

    async fn cancel(&self, job: &JobId) -> Result<(), DeskError> {
        let (desk, job) = (self.clone(), job.clone());
        self.to_its_end(async move { desk.end(&job).await }).await
    }

    async fn forget(&self, job: &JobId) -> Result<(), DeskError> {
        let (desk, job) = (self.clone(), job.clone());
        self.to_its_end(async move { desk.remove(&job).await }).await
    }

    async fn show(&self, job: &JobId) -> Result<JobRow, DeskError> {
        self.row(job).await
    }

    async fn list(&self, listing: &Listing) -> Result<Page, DeskError> {
        Ok(answer("list jobs", self.ports.jobs.list(listing)).await?)
    }

    async fn count(&self) -> Result<BTreeMap<StateClass, u64>, DeskError> {
        Ok(answer("count jobs", self.ports.jobs.count()).await?)
    }

    async fn progress(&self) -> Vec<(JobId, Progress)> {
        let question = |reply| NodeSupervisorMessage::Progress { reply };
        self.ask(ORDER_TAKEN_MS, question).await.unwrap_or_default()
    }

    async fn model_file(&self, job: &JobId) -> Result<Option<PathBuf>, DeskError> {
        let open = self.ports.artifacts.open(job, ArtifactName::Model);
        let folder = transfer("open folder", open).await?;
        Ok(folder.map(|folder| folder.join(MODEL_FILE)))
    }

    async fn delivered(
        &self,
        job: &JobId,
        files: &[PathBuf],
    ) -> Result<Vec<Option<ByteCount>>, DeskError> {
        Ok(answer("look at results", self.ports.artifacts.delivered(job, files)).await?)
    }

    async fn fetch(&self, job: &JobId, file: &Path) -> Result<Option<PathBuf>, DeskError> {
        // Large files are read and written on the way.
        let (artifacts, job, file) = (self.ports.artifacts.clone(), job.clone(), file.to_owned());
        let fetch = async move { transfer("fetch a result", artifacts.fetch(&job, &file)).await };
        self.to_its_end(async { fetch.await.map_err(DeskError::from) }).await
    }

    async fn wait(&self, job: &JobId) -> Result<Option<Millis>, DeskError> {
        let question = |reply| NodeSupervisorMessage::HowLongWaiting { job: job.clone(), reply };
        self.ask(ORDER_TAKEN_MS, question).await
    }

    async fn why(&self, job: &JobId) -> Result<Option<Waiting>, DeskError> {
        let question = |reply| NodeSupervisorMessage::WhyWaiting { job: job.clone(), reply };
        if let Some(why) = self.ask(ORDER_TAKEN_MS, question).await? {
            return Ok(Some(why));
        }
        let Some(board) = &self.ports.assignments else { return Ok(None) };
        let notice = answer("look why it waits", board.notice()).await?;
        let Some(why) = notice.and_then(|notice| notice.why(job)) else { return Ok(None) };
        // What a leader said may be a moment old, and somebody work at it since.
        let waits = match StateClass::of(&self.row(job).await?.state) {
            StateClass::Waiting => true,
            StateClass::Running => !self.is_in_hand(job).await?,
            _ => false,
        };
        Ok(Some(why).filter(|_| waits))
    }

    async fn watch(&self, job: &JobId) -> Result<Box<dyn Watching>, DeskError> {
        let question = |reply| NodeSupervisorMessage::WatchJob { job: job.clone(), reply };
        if let Some(watching) = self.ask(ORDER_TAKEN_MS, question).await? {
            return Ok(watching);
        }
        self.row(job).await?;
        Ok(Box::new(NothingToHear))
    }

    fn health(&self) -> Health {
        self.health.now()
    }

    async fn drain(&self) {
        let order = |reply| NodeSupervisorMessage::Drain { reply };
        if let Err(error) = self.ask::<()>(STANDSTILL_MS, order).await {
            tracing::warn!(%error, "not everything came to a standstill");
        }
    }
}

impl Desk {
    async fn take_in(&self, request: JobRequest, terms: Terms) -> Result<Taken, DeskError> {
        validate(&request)?;
        self.health.now().has_room("take the job")?;
        let request = self.looked_at(request).await?;
        let Terms { priority, regions, tenant, stays_off_spot, submission, origin } = terms;
        tenant.iter().try_for_each(shares::check_name)?;
        shares::check_devices(&self.shares, tenant.as_ref(), request.devices)?;
        regions.check_known(self.ports.datasets.regions(), &self.ground.region)?;
        let estimate = Some(self.learned.estimate(&request));
        let accepted = JobRow::accepted(self.ports.ids.job(), request, self.ports.clock.now());
        let row = JobRow { priority, regions, tenant, stays_off_spot, ..accepted };
        let row = JobRow { submission, origin, estimate, ..row };
        let inserted = answer("insert job", self.ports.jobs.insert(&row)).await?;
        self.inserted(inserted, row).await
    }

    /// What came of an order, and of its row.
    async fn inserted(&self, inserted: Inserted, row: JobRow) -> Result<Taken, DeskError> {
        match inserted {
            Inserted::New => {
                self.start(&row).await?;
                Ok(Taken { row, before: false })
            }
            // Whoever inserted it was perhaps killed before it was begun.
            Inserted::Known(job) => {
                let row = self.row(&job).await?;
                if !row.state.is_final() && !self.is_held_elsewhere(&job).await? {
                    self.start(&row).await?;
                }
                Ok(Taken { row, before: true })
            }
            Inserted::KeyTaken(job) => {
                let said = format!(
                    "take the order: its idempotency key came with another order before (job \
                     {job}); send a key of its own"
                );
                Err(DeskError::new(Code::KeyTaken, said))
            }
            Inserted::NameTaken => {
                let said = "insert the job: another one has its name; submit it again";
                Err(DeskError::new(Code::Internal, said))
            }
        }
    }

    async fn go_on_with(&self, job: &JobId) -> Result<(), DeskError> {
        let row = self.row(job).await?;
        if row.state.is_final() {
            let said = format!("job {job} has ended; there is nothing to go on with");
            return Err(DeskError::new(Code::NothingToResume, said));
        }
        if self.is_held_elsewhere(job).await? {
            return Ok(()); // It is gone on with there, or once its lease has run out.
        }
        if row.suspended && self.ports.end_orders.is_some() {
            self.wake(&row).await?;
        }
        self.start(&row).await
    }

    /// Whichever node has a device free may go on with a job that was suspended.
    async fn wake(&self, row: &JobRow) -> Result<(), DeskError> {
        let cell = answer("look at lease", self.ports.leases.look(&row.id)).await?;
        let claim = self.ports.leases.claim(&row.id, &self.own, &cell);
        let Some(lease) = answer("claim lease", claim).await? else { return Ok(()) };
        let read = answer("read job", self.ports.jobs.read(&row.id)).await?;
        if let Some(row) = read.filter(|row| row.suspended) {
            let row = JobRow { suspended: false, writes: row.writes + 1, ..row };
            let _ = answer("save job", self.ports.jobs.save(&lease, &row)).await?;
        }
        let _ = answer("release lease", self.ports.leases.release(&lease)).await?;
        Ok(())
    }

    /// Whether another node's lease stands in the way, be that node alive or not.
    async fn is_held_elsewhere(&self, job: &JobId) -> Result<bool, DeskError> {
        if self.ports.end_orders.is_none() {
            return Ok(false);
        }
        let cell = answer("look at lease", self.ports.leases.look(job)).await?;
        Ok(cell.owner.is_some_and(|owner| owner != self.own))
    }

    /// Whether whoever holds its lease is there, as far as that is known.
    async fn is_in_hand(&self, job: &JobId) -> Result<bool, DeskError> {
        let cell = answer("look at lease", self.ports.leases.look(job)).await?;
        let (Some(owner), Some(board)) = (cell.owner, &self.ports.board) else { return Ok(false) };
        let present = answer("look who is there", board.all()).await?;
        Ok(present.iter().any(|it| it.incarnation == owner))
    }

    async fn remove(&self, job: &JobId) -> Result<(), DeskError> {
        let row = self.row(job).await?;
        if !row.state.is_final() {
            let said = format!("forget job {job}: it has not ended; cancel it first");
            return Err(DeskError::new(Code::BadRequest, said));
        }
        // The row goes last: killed in between, the job is still there to be forgotten.
        let artifacts = &self.ports.artifacts;
        transfer("sweep", artifacts.sweep(job, &[])).await?;
        for delivery in deliveries(&row) {
            let dropped = artifacts.drop_result(&row.id, &delivery.to);
            transfer("drop result", dropped).await?;
        }
        answer("forget job", self.ports.jobs.forget(job)).await?;
        Ok(())
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
