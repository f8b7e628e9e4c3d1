//! Attempts under way: a task each, which tells its end whatever becomes of it.

use std::{sync::Arc, time::Duration};

use ractor::ActorRef;
use tgs_protocol::{
    id::SubscriptionId,
    limits::NOTICE_ANSWER_MS,
    notification::{
        channel::{Channel, Notice, Receipt, Undelivered},
        delivery::Delivery,
        target::Target,
    },
    unit::EventNo,
    wire::view,
};
use tokio::{task::JoinSet, time::timeout};

use super::{Office, message::DispatcherMessage};

/// Where attempts are begun.
pub(super) struct Attempts<'dispatcher> {
    pub(super) office: &'dispatcher Office,
    pub(super) myself: &'dispatcher ActorRef<DispatcherMessage>,
    pub(super) tasks: &'dispatcher mut JoinSet<()>,
}

impl Attempts<'_> {
    pub(super) fn begin(&mut self, target: &Target, delivery: &Delivery) {
        let Office { ports, notices, .. } = self.office;
        let ending = Ending {
            subscription: delivery.subscription.clone(),
            event: delivery.event.no,
            dispatcher: self.myself.clone(),
            what: Some(Err(Undelivered::unanswered("the attempt panicked: please report it"))),
        };
        let mut notice = Notice::of(target, delivery, ports.clock.now());
        let (jobs, job) = (ports.jobs.clone(), delivery.event.job.clone());
        let channel = notices.channels.of(target);
        self.tasks.spawn(async move {
            let mut ending = ending;
            if let (Target::Mail { .. }, Ok(Some(row))) = (&notice.target, jobs.read(&job).await) {
                notice.job_kind = Some(view::kind_of(&row.request.goal).to_owned());
            }
            ending.what = Some(send(channel, &notice).await);
        });
    }
}

/// One attempt, bounded whatever the channel does.
pub(crate) async fn send(
    channel: Option<Arc<dyn Channel>>,
    notice: &Notice,
) -> Result<Receipt, Undelivered> {
    let Some(channel) = channel else {
        let said = "this server sends no mail: its settings smtp_url and mail_from are empty";
        return Err(Undelivered::unanswered(said));
    };
    let limit = Duration::from_millis(NOTICE_ANSWER_MS);
    timeout(limit, channel.send(notice)).await.unwrap_or_else(|_| {
        let said = format!("no answer within {} s", NOTICE_ANSWER_MS / 1_000);
        Err(Undelivered::unanswered(said))
    })
}

/// Tells the end of an attempt when it is dropped: after a panic as well.
struct Ending {
    subscription: SubscriptionId,
    event: EventNo,
    dispatcher: ActorRef<DispatcherMessage>,
    what: Option<Result<Receipt, Undelivered>>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Some(what) = self.what.take() else { return };
        let (subscription, event) = (self.subscription.clone(), self.event);
        let _ = self.dispatcher.cast(DispatcherMessage::Answered { subscription, event, what });
    }
}
