//! Ends a job for good, in whichever node's hands it is.

use std::time::Duration;

use tgs_protocol::{
    code::Code,
    desk::{DeskError, JobDesk, News},
    id::JobId,
    job::{action::Tidings, outcome::Failure},
    limits::{END_LOOK_MS, STANDSTILL_MS},
    peer::{PeerLink, PeerRequest},
};

use super::Desk;
use crate::{node_supervisor::message::NodeSupervisorMessage, store_call::answer};

impl Desk {
    pub(super) async fn end(&self, job: &JobId) -> Result<(), DeskError> {
        if self.row(job).await?.state.is_final() {
            return Ok(());
        }
        if self.is_held_elsewhere(job).await? {
            return self.end_elsewhere(job).await;
        }
        let order = |reply| NodeSupervisorMessage::CancelJob { job: job.clone(), reply };
        self.ask(STANDSTILL_MS, order).await?;
        if self.row(job).await?.state.is_final() {
            return Ok(());
        }
        Err(match self.why_not_ended(job).await {
            Some(Failure { code, message, .. }) => {
                DeskError::new(code, format!("cancel job {job}: {message}"))
            }
            None if self.ports.end_orders.is_some() => return self.end_elsewhere(job).await,
            None => {
                DeskError::new(Code::Overtaken, format!("cancel job {job}: it is not in our hands"))
            }
        })
    }

    /// Leaves an order for whoever holds the job, now or next, and waits until it has ended.
    async fn end_elsewhere(&self, job: &JobId) -> Result<(), DeskError> {
        let Some(orders) = &self.ports.end_orders else { return Ok(()) };
        answer("order a job to end", orders.order_end(job)).await?;
        self.ports.links.tell_all(PeerRequest::Look);
        let looks = STANDSTILL_MS / END_LOOK_MS;
        for _ in 0..looks {
            if self.row(job).await?.state.is_final() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(END_LOOK_MS)).await;
        }
        let message = format!(
            "cancel job {job}: the node that works at it does not answer; the order stands, and \
             whoever takes the job over ends it"
        );
        Err(DeskError::new(Code::Overtaken, message))
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
}
