//! The jobs in this node's hands: started, cancelled, restarted when their supervisor fails.

use ractor::{Actor, ActorRef, RpcReplyPort, SpawnErr};
use tgs_protocol::id::JobId;

use super::Floor;
use crate::{
    job_supervisor::{Intent, JobSupervisor, Post, message::JobSupervisorMessage},
    notifier::message::NotifierMessage,
    restart_window::RestartWindow,
};

/// One job in this node's hands.
pub(super) struct JobHere {
    pub(super) actor: ActorRef<JobSupervisorMessage>,
    /// What a replacement of its supervisor is there for.
    intent: Intent,
    restarts: RestartWindow,
    awaiting_end: Vec<RpcReplyPort<()>>,
}

impl Floor {
    pub(super) async fn start_job(&mut self, job: JobId) -> Result<(), String> {
        if self.is_draining || self.jobs.contains_key(&job) {
            return Ok(()); // While draining it waits in the store, for the next node.
        }
        self.take_in(job, Intent::Run).await.map_err(|error| error.to_string())
    }

    pub(super) async fn cancel(&mut self, job: JobId, reply: RpcReplyPort<()>) {
        if !self.jobs.contains_key(&job)
            && let Err(error) = self.take_in(job.clone(), Intent::Cancel).await
        {
            tracing::error!(%job, %error, "no supervisor for a job to cancel");
        }
        if let Some(here) = self.jobs.get_mut(&job) {
            here.intent = Intent::Cancel;
            here.awaiting_end.push(reply);
            let _ = here.actor.cast(JobSupervisorMessage::Cancel);
        }
    }

    /// A job's supervisor is gone: it left, or it failed and is replaced.
    pub(super) async fn job_gone(&mut self, job: JobId, failed: Option<String>) {
        let Some(mut here) = self.jobs.remove(&job) else { return };
        let Some(why) = failed else { return self.job_left(job, here) };
        if self.is_draining {
            // It is interrupted like the others: whoever starts next goes on with it.
            tracing::warn!(%job, why, "a job's supervisor failed while the node stops");
            return self.job_left(job, here);
        }
        if matches!(here.intent, Intent::Condemn(_)) {
            tracing::error!(%job, why, "a job could not even be ended; it is left as it is");
            return self.job_left(job, here);
        }
        if !here.restarts.permits(self.ports.clock.monotonic()) {
            here.intent =
                Intent::Condemn(format!("the job's supervisor failed again and again: {why}"));
        }
        match self.supervise(job.clone(), here.intent.clone()).await {
            Ok(actor) => {
                let JobHere { intent, restarts, awaiting_end, .. } = here;
                self.jobs.insert(job, JobHere { actor, intent, restarts, awaiting_end });
            }
            Err(error) => {
                tracing::error!(%job, %error, "a job's supervisor could not be replaced");
                self.job_left(job, here);
            }
        }
    }

    fn job_left(&mut self, job: JobId, here: JobHere) {
        let _ = self.crew().notifier.cast(NotifierMessage::Left { job });
        for reply in here.awaiting_end {
            let _ = reply.send(());
        }
    }

    async fn take_in(&mut self, job: JobId, intent: Intent) -> Result<(), SpawnErr> {
        let actor = self.supervise(job.clone(), intent.clone()).await?;
        let restarts = RestartWindow::default();
        let here = JobHere { actor, intent, restarts, awaiting_end: Vec::new() };
        self.jobs.insert(job, here);
        Ok(())
    }

    async fn supervise(
        &self,
        job: JobId,
        intent: Intent,
    ) -> Result<ActorRef<JobSupervisorMessage>, SpawnErr> {
        let (ports, config) = (self.ports.clone(), self.config.clone());
        let post = Post { job, ports, config, crew: self.crew().clone(), intent };
        let (actor, _) =
            Actor::spawn_linked(None, JobSupervisor, post, self.myself.get_cell()).await?;
        Ok(actor)
    }
}
