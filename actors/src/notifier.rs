//! News for whoever watches a job: tidings are never dropped, of progress only the newest counts.
//!
//! The feeds outlive the actor: its supervisor owns them and hands them to a replacement, so a
//! restart ends nobody's watching. Each of the tidings is also one line in the log.

pub(crate) mod feed;
pub(crate) mod message;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tgs_protocol::{desk::Watching, id::JobId, job::action::Tidings};

use self::{feed::Feeds, message::NotifierMessage};

/// The actor.
pub(crate) struct Notifier;

impl Actor for Notifier {
    type Msg = NotifierMessage;
    type State = Feeds;
    type Arguments = Feeds;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        feeds: Feeds,
    ) -> Result<Feeds, ActorProcessingErr> {
        Ok(feeds)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        feeds: &mut Feeds,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            NotifierMessage::Follow { job, progress } => feeds.follow(job, progress),
            NotifierMessage::Told { job, tidings } => {
                log(&job, &tidings);
                feeds.told(&job, tidings);
            }
            NotifierMessage::Left { job } => feeds.left(&job),
            NotifierMessage::Watch { job, reply } => {
                let watching = feeds.watch(&job).map(|feed| Box::new(feed) as Box<dyn Watching>);
                let _ = reply.send(watching);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        _event: SupervisionEvent,
        _feeds: &mut Feeds,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // It has no children.
    }
}

fn log(job: &JobId, tidings: &Tidings) {
    match tidings {
        Tidings::StageBegan { stage, again } => tracing::info!(%job, %stage, again, "stage began"),
        Tidings::PlanMade(because) => tracing::info!(%job, because, "plan made"),
        Tidings::Notice(notice) => tracing::info!(%job, notice, "notice"),
        Tidings::TryingAgain { message, after } => {
            tracing::warn!(%job, message, after_ms = after.get(), "trying again");
        }
        Tidings::Ended(outcome) => tracing::info!(%job, ?outcome, "ended"),
        Tidings::Suspended(failure) => {
            let (code, message) = (failure.code.as_str(), &failure.message);
            tracing::warn!(%job, stage = %failure.stage, code, message, "suspended");
        }
        Tidings::Interrupted => tracing::info!(%job, "interrupted"),
    }
}
