//! The jobs in this node's hands: started, cancelled, restarted when their supervisor fails.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ractor::{Actor, ActorRef, RpcReplyPort, SpawnErr};
use tgs_protocol::{
    id::JobId,
    job::action::Tidings,
    lease::rule::Sighting,
    peer::{PeerLink, PeerRequest},
    queue::{Demand, Seat, Start, Turn, Use},
    unit::Millis,
};
use tokio::sync::watch;

use super::{
    Floor,
    message::{Hands, Led},
};
use crate::{
    job_supervisor::{Intent, JobSupervisor, Post, message::JobSupervisorMessage},
    notifier::message::NotifierMessage,
    restart_window::RestartWindow,
    work_watch::ProgressSender,
};

/// One job in this node's hands.
pub(super) struct JobHere {
    pub(super) actor: ActorRef<JobSupervisorMessage>,
    /// What a replacement of its supervisor is there for.
    intent: Intent,
    /// When it came into this node's hands.
    since: Millis,
    restarts: RestartWindow,
    awaiting_end: Vec<RpcReplyPort<()>>,
    /// It leaves to wait again, for another device or for room.
    pub(super) moves: bool,
}

/// How a job's supervisor came to be gone.
pub(super) enum GoneBy {
    /// The job has ended.
    End,
    /// The job has not ended, and the supervisor left; what the job needs now, as far as it knew.
    Interruption(Option<Demand>),
    /// The supervisor failed.
    Failure(String),
}

impl Floor {
    pub(super) async fn start_job(&mut self, job: JobId, turn: Turn) -> Result<(), String> {
        // Where a leader places it, it waits in the store, unless it may begin at once.
        let is_placed = match self.led {
            Led::ByNobody => false,
            Led::Loosely => !self.queue.has_room(turn.demand),
            Led::Strictly => true,
        };
        if is_placed || !self.may_line_up(&job) {
            self.ports.links.all_look();
            return Ok(());
        }
        self.line_up(job, turn).await
    }

    /// On a node that takes up none or never computes it waits in the store for another one.
    fn may_line_up(&self, job: &JobId) -> bool {
        !self.is_closed() && !self.config.devices.is_empty() && !self.jobs.contains_key(job)
    }

    /// A job waits for its turn here, and begins when that has come.
    async fn line_up(&mut self, job: JobId, turn: Turn) -> Result<(), String> {
        if !self.may_line_up(&job) {
            return Ok(());
        }
        self.progress_of(&job);
        let starts = self.queue.join(job.clone(), turn);
        let failed = self.begin(starts).await.remove(&job);
        if !self.jobs.contains_key(&job) {
            self.ports.links.tell_all(PeerRequest::Look);
        }
        match failed {
            Some(error) => Err(error.to_string()),
            None => Ok(()),
        }
    }

    /// A job that nobody works at waits for its turn here, or is ended at once.
    pub(super) async fn take_up(
        &mut self,
        job: JobId,
        turn: Turn,
        sighting: Sighting,
        is_to_end: bool,
    ) {
        if self.is_draining || self.progress.contains_key(&job) {
            return;
        }
        self.sightings.insert(job.clone(), sighting);
        if is_to_end {
            self.progress_of(&job);
            return self.end_here(&job).await;
        }
        if let Err(error) = self.line_up(job.clone(), turn).await {
            tracing::error!(%job, error, "a job that nobody works at cannot be begun with");
        }
        if !self.progress.contains_key(&job) {
            self.sightings.remove(&job);
        }
    }

    /// Another node works at a job that waits here.
    pub(super) async fn gone_elsewhere(&mut self, job: &JobId) {
        if self.progress.contains_key(job) && !self.jobs.contains_key(job) {
            let tidings = Tidings::Interrupted;
            let _ = self.crew().notifier.cast(NotifierMessage::Told { job: job.clone(), tidings });
            let starts = self.out_of_hand(job);
            self.begin(starts).await;
        }
    }

    pub(super) fn hands(&self) -> Hands {
        let running: BTreeSet<JobId> = self.jobs.keys().cloned().collect();
        let all = self.progress.keys();
        let waiting: BTreeSet<JobId> = all.filter(|job| !running.contains(*job)).cloned().collect();
        // Where all devices of a class are set aside, another device serves: as the queue has it.
        let seats = self.queue.seats().each().filter(|(_, used)| *used != Use::Aside);
        let classes = seats.map(|(class, _)| class).collect();
        let mut free = BTreeMap::new();
        if !self.is_closed() && !self.room.is_low {
            for (class, _) in self.queue.seats().each().filter(|(_, used)| *used == Use::Free) {
                *free.entry(class).or_insert(0) += 1;
            }
        }
        // Whoever waits here for a device of a class comes first.
        for demand in waiting.iter().filter_map(|job| self.queue.demand(job)) {
            free.remove(&demand.class);
        }
        let (seats, is_full) = (self.queue.seats(), self.room.is_low);
        let (memory, free_memory) = (seats.memory(), seats.free_memory());
        let standing = self.standing();
        Hands { waiting, running, free, classes, standing, is_full, memory, free_memory }
    }

    /// Begins with jobs whose turn has come, but with none on a node that takes up none; gives
    /// those that could not be begun with.
    pub(super) async fn begin(&mut self, starts: Vec<Start>) -> BTreeMap<JobId, SpawnErr> {
        let mut failed = BTreeMap::new();
        if self.is_closed() {
            return failed;
        }
        let mut starts = VecDeque::from(starts);
        while let Some(Start { job, seats }) = starts.pop_front() {
            let seat = seats.first().copied();
            if let Err(error) = self.take_in(job.clone(), Intent::Run, seat).await {
                tracing::error!(%job, %error, "no supervisor for a job whose turn has come");
                starts.extend(self.out_of_hand(&job));
                failed.insert(job, error);
            }
        }
        failed
    }

    /// How long a job will still wait for its turn.
    pub(super) fn wait_of(&self, job: &JobId) -> Option<Millis> {
        let now = self.ports.clock.monotonic();
        let worked = |job: &JobId| self.jobs.get(job).map_or(now, |here| here.since);
        self.queue.wait_of(job, |job| Millis(now.get().saturating_sub(worked(job).get())))
    }

    pub(super) async fn cancel(&mut self, job: JobId, reply: RpcReplyPort<()>) {
        self.end(&job).await;
        if let Some(here) = self.jobs.get_mut(&job) {
            here.awaiting_end.push(reply);
        }
    }

    /// Another node was asked to end a job that runs or waits here.
    pub(super) async fn end_here(&mut self, job: &JobId) {
        let is_told = self.jobs.get(job).is_some_and(|here| here.intent != Intent::Run);
        if self.progress.contains_key(job) && !is_told {
            self.end(job).await;
        }
    }

    async fn end(&mut self, job: &JobId) {
        if !self.jobs.contains_key(job) {
            // Ending it needs no device; whoever stands behind it moves up.
            let starts = self.queue.leave(job);
            self.begin(starts).await;
            if let Err(error) = self.take_in(job.clone(), Intent::Cancel, None).await {
                tracing::error!(%job, %error, "no supervisor for a job to cancel");
            }
        }
        if let Some(here) = self.jobs.get_mut(job) {
            here.intent = Intent::Cancel;
            let _ = here.actor.cast(JobSupervisorMessage::Cancel);
        }
    }

    /// A job's supervisor is gone: it left, or it failed and is replaced.
    pub(super) async fn job_gone(&mut self, job: JobId, end: GoneBy) {
        let Some(mut here) = self.jobs.remove(&job) else { return };
        let why = match end {
            GoneBy::End => return self.job_left(job, here).await,
            GoneBy::Interruption(demand) => {
                return self.job_interrupted(job, here, demand).await;
            }
            GoneBy::Failure(why) => why,
        };
        if self.is_draining {
            // It is interrupted like the others: whoever starts next goes on with it.
            tracing::warn!(%job, why, "a job's supervisor failed while the node stops");
            return self.job_left(job, here).await;
        }
        if matches!(here.intent, Intent::Condemn(_)) {
            tracing::error!(%job, why, "a job could not even be ended; it is left as it is");
            return self.job_left(job, here).await;
        }
        if !here.restarts.permits(self.ports.clock.monotonic()) {
            here.intent =
                Intent::Condemn(format!("the job's supervisor failed again and again: {why}"));
        }
        match self.supervise(job.clone(), here.intent.clone(), self.queue.seat(&job)).await {
            Ok(actor) => {
                if here.moves {
                    let why = "its supervisor failed on the way".to_owned();
                    let _ = actor.cast(JobSupervisorMessage::Move(why));
                }
                self.jobs.insert(job, JobHere { actor, ..here });
            }
            Err(error) => {
                tracing::error!(%job, %error, "a job's supervisor could not be replaced");
                self.job_left(job, here).await;
            }
        }
    }

    /// A job that moves waits again; so do one that needs another device than it did, and one that
    /// left because the disk is full, whoever noticed first. Others wait in the store for a person
    /// or the next node.
    async fn job_interrupted(&mut self, job: JobId, here: JobHere, demand: Option<Demand>) {
        self.look_at_disk().await;
        let Some(before) = self.queue.demand(&job) else { return self.job_left(job, here).await };
        let demand = demand.unwrap_or(before);
        let moves = here.moves || demand.class != before.class;
        let waits = (moves || self.room.is_low) && here.intent == Intent::Run;
        if self.is_closed() || !waits {
            return self.job_left(job, here).await;
        }
        let starts = self.queue.give_back(&job, demand);
        self.begin(starts).await;
    }

    async fn job_left(&mut self, job: JobId, here: JobHere) {
        self.trust.left(&job);
        if self.is_closed() {
            self.ports.links.tell_all(PeerRequest::Look); // It may be for them to go on.
        }
        let starts = self.out_of_hand(&job);
        self.ports.links.hands_changed();
        for reply in here.awaiting_end {
            let _ = reply.send(());
        }
        self.begin(starts).await;
    }

    /// Those who wait stay in the store, for the next node.
    pub(super) fn send_waiting_away(&mut self) {
        let is_waiting = |job: &JobId| !self.jobs.contains_key(job);
        let waiting: Vec<_> = self.progress.keys().filter(|job| is_waiting(job)).cloned().collect();
        for job in waiting {
            let tidings = Tidings::Interrupted;
            let _ = self.crew().notifier.cast(NotifierMessage::Told { job: job.clone(), tidings });
            self.out_of_hand(&job);
        }
    }

    /// The end of its feed and of its place in the queue; gives those who move up.
    fn out_of_hand(&mut self, job: &JobId) -> Vec<Start> {
        self.progress.remove(job);
        self.sightings.remove(job);
        let _ = self.crew().notifier.cast(NotifierMessage::Left { job: job.clone() });
        self.queue.leave(job)
    }

    /// Where a job in this node's hands tells its progress: one channel while it waits and runs, so
    /// that nobody who watches must look for another.
    fn progress_of(&mut self, job: &JobId) -> ProgressSender {
        if let Some(known) = self.progress.get(job) {
            return known.clone();
        }
        let (sender, progress) = watch::channel(None);
        let follow = NotifierMessage::Follow { job: job.clone(), progress };
        let _ = self.crew().notifier.cast(follow);
        let sender = ProgressSender::new(sender);
        self.progress.insert(job.clone(), sender.clone());
        sender
    }

    async fn take_in(
        &mut self,
        job: JobId,
        intent: Intent,
        seat: Option<Seat>,
    ) -> Result<(), SpawnErr> {
        let actor = self.supervise(job.clone(), intent.clone(), seat).await?;
        let restarts = RestartWindow::default();
        let since = self.ports.clock.monotonic();
        let here =
            JobHere { actor, intent, since, restarts, awaiting_end: Vec::new(), moves: false };
        self.jobs.insert(job, here);
        self.ports.links.hands_changed();
        Ok(())
    }

    async fn supervise(
        &mut self,
        job: JobId,
        intent: Intent,
        seat: Option<Seat>,
    ) -> Result<ActorRef<JobSupervisorMessage>, SpawnErr> {
        let (ports, config) = (self.ports.clone(), self.config.clone());
        let (crew, progress) = (self.crew().clone(), self.progress_of(&job));
        let learned = self.learned.clone();
        let sighting = self.sightings.remove(&job);
        let devices = self.queue.devices(&job).max(1);
        let post =
            Post { job, ports, config, crew, learned, intent, seat, devices, progress, sighting };
        let (actor, _) =
            Actor::spawn_linked(None, JobSupervisor, post, self.myself.get_cell()).await?;
        Ok(actor)
    }
}
