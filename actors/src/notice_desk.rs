//! The desk of notices: makes durable what is asked, and rings for the dispatcher.

use std::sync::Arc;

use async_trait::async_trait;
use tgs_protocol::{
    code::Code,
    desk::DeskError,
    digest::Digest,
    id::SubscriptionId,
    limits::{SIGNING_KEY_OVERLAP_MS, SUBSCRIPTIONS_MAX, UNREAD_COUNTED_MAX},
    notification::{
        channel::{Notice, Receipt, Undelivered},
        delivery::Delivery,
        desk::{NoticeDesk, Notices, Part, Wish},
        store::{Change, Changed, Subscribed},
        subscription::{Standing, Subscription},
        target::{SigningKey, SigningSecret, Target},
    },
    unit::{EventNo, Timestamp},
};
use tokio::sync::Notify;

use crate::{
    dispatcher::send,
    ports::{NoticePorts, Ports},
    store_call::answer,
};

/// A change that others keep overtaking is given up after so many tries.
const CHANGES_TRIED_MAX: usize = 10;

/// The door to a node's notices.
pub(crate) struct NoticeCounter {
    ports: Ports,
    notices: NoticePorts,
    bell: Arc<Notify>,
}

impl NoticeCounter {
    pub(crate) const fn new(ports: Ports, notices: NoticePorts, bell: Arc<Notify>) -> Self {
        Self { ports, notices, bell }
    }

    fn secret(&self) -> Result<SigningSecret, DeskError> {
        let chance = self.ports.ids.secret();
        Ok(SigningSecret::of_key(Digest::of(chance.as_bytes()).as_bytes())?)
    }

    /// Changes a row as it is when it is written.
    async fn change(
        &self,
        id: &SubscriptionId,
        with: impl Fn(Subscription) -> Change + Send + Sync,
    ) -> Result<Subscription, DeskError> {
        for _ in 0..CHANGES_TRIED_MAX {
            let change = with(self.show(id).await?);
            let writing = self.notices.notifications.change(&change);
            match answer("change subscription", writing).await? {
                Changed::Done => {
                    self.bell.notify_one();
                    return Ok(change.row);
                }
                Changed::Stale => {}
                Changed::Gone => return Err(no_such(id)),
            }
        }
        let said = format!("change subscription {id}: others change it all the time; try again");
        Err(DeskError::new(Code::Overtaken, said))
    }

    /// A target that can be sent to: a webhook has a key to sign with.
    fn made_ready(&self, target: Target) -> Result<Target, DeskError> {
        match target {
            Target::Mail { .. } if self.notices.channels.mail.is_none() => {
                let said = "subscribe by mail: this server sends none; set smtp_url and mail_from \
                            and start it again";
                Err(DeskError::new(Code::BadRequest, said))
            }
            Target::Webhook { url, keys } if keys.is_empty() => {
                let keys = vec![SigningKey { secret: self.secret()?, until: None }];
                Ok(Target::Webhook { url, keys })
            }
            target => Ok(target),
        }
    }

    fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }
}

#[async_trait]
impl NoticeDesk for NoticeCounter {
    async fn subscribe(&self, wish: Wish) -> Result<(Subscription, bool), DeskError> {
        let newest = answer("find newest event", self.notices.events.newest_event()).await;
        let row = Subscription {
            id: SubscriptionId::new(self.ports.ids.name()),
            target: self.made_ready(wish.target)?,
            kinds: wish.kinds,
            state: Standing::Active,
            trouble: None,
            after: newest?,
            made_at: self.now(),
            submission: wish.submission,
            version: 1,
        };
        let adding = self.notices.notifications.subscribe(&row);
        match answer("add subscription", adding).await? {
            Subscribed::New => {
                self.bell.notify_one();
                Ok((row, false))
            }
            Subscribed::Known(known) => Ok((*known, true)),
            Subscribed::KeyTaken(id) => {
                let said = format!(
                    "subscribe: the idempotency key came with another order before \
                     (subscription {id}); send a key of its own"
                );
                Err(DeskError::new(Code::KeyTaken, said))
            }
            Subscribed::TooMany => {
                let said = format!(
                    "subscribe: there are {SUBSCRIPTIONS_MAX} subscriptions already, and no more \
                     are kept; remove one first"
                );
                Err(DeskError::new(Code::BadRequest, said))
            }
        }
    }

    async fn list(&self) -> Result<Vec<Subscription>, DeskError> {
        let listing = self.notices.notifications.subscriptions();
        Ok(answer("list subscriptions", listing).await?)
    }

    async fn show(&self, id: &SubscriptionId) -> Result<Subscription, DeskError> {
        let reading = self.notices.notifications.subscription(id);
        let found = answer("read subscription", reading).await?;
        found.ok_or_else(|| no_such(id))
    }

    async fn turn(&self, id: &SubscriptionId, on: bool) -> Result<Subscription, DeskError> {
        let newest = answer("find newest event", self.notices.events.newest_event()).await;
        let newest = newest?;
        self.change(id, |row| Change::of(row.turned(on, newest))).await
    }

    async fn rotate(&self, id: &SubscriptionId) -> Result<Subscription, DeskError> {
        if matches!(self.show(id).await?.target, Target::Mail { .. }) {
            let said = format!("give subscription {id} a new secret: mail is not signed by one");
            return Err(DeskError::new(Code::BadRequest, said));
        }
        let (secret, until) = (self.secret()?, self.now().get() + SIGNING_KEY_OVERLAP_MS);
        let with = |mut row: Subscription| {
            row.target.sign_with(secret.clone(), Timestamp(until));
            Change::of(row)
        };
        self.change(id, with).await
    }

    async fn unsubscribe(&self, id: &SubscriptionId) -> Result<(), DeskError> {
        let removing = self.notices.notifications.unsubscribe(id);
        let is_removed = answer("remove subscription", removing).await?;
        self.bell.notify_one();
        if is_removed { Ok(()) } else { Err(no_such(id)) }
    }

    async fn try_out(
        &self,
        id: &SubscriptionId,
    ) -> Result<Result<Receipt, Undelivered>, DeskError> {
        let row = self.show(id).await?;
        let name = self.ports.ids.name();
        let notice = Notice::trial(&row.id, &row.target, &name, self.now());
        Ok(send(self.notices.channels.of(&row.target), &notice).await)
    }

    async fn deliveries(
        &self,
        id: &SubscriptionId,
        before: Option<EventNo>,
        limit: usize,
    ) -> Result<Part<Delivery>, DeskError> {
        self.show(id).await?;
        let listing = self.notices.notifications.deliveries(id, before, limit + 1);
        let mut items = answer("list deliveries", listing).await?;
        let next = part_of(&mut items, limit, |delivery| delivery.event.no);
        Ok(Part { items, next })
    }

    async fn resend(&self, id: &SubscriptionId, event: EventNo) -> Result<Delivery, DeskError> {
        if self.show(id).await?.state == Standing::Disabled {
            let said = format!("send {event} again: subscription {id} is off; set it active first");
            return Err(DeskError::new(Code::BadRequest, said));
        }
        let reading = self.notices.notifications.delivery(id, event);
        let found = answer("read delivery", reading).await?;
        let Some(delivery) = found else {
            let said = format!("subscription {id} has no delivery of event {event}; list them");
            return Err(DeskError::new(Code::NoSuchThing, said));
        };
        let again = delivery.clone().asked_again(self.now());
        if again != delivery {
            let with = |row| Change { changed: vec![again.clone()], ..Change::of(row) };
            self.change(id, with).await?;
        }
        Ok(again)
    }

    async fn notices(&self, before: Option<EventNo>, limit: usize) -> Result<Notices, DeskError> {
        let store = &self.notices.notifications;
        let read_through = answer("read mark", store.read_mark()).await?;
        let listing = store.endings(before, EventNo(0), limit + 1);
        let mut items = answer("list notices", listing).await?;
        let next = part_of(&mut items, limit, |event| event.no);
        let counting = store.endings(None, read_through, UNREAD_COUNTED_MAX);
        let unread = answer("count notices", counting).await?.len();
        Ok(Notices { part: Part { items, next }, read_through, unread })
    }

    async fn mark_read(&self, through: EventNo) -> Result<EventNo, DeskError> {
        let newest = answer("find newest event", self.notices.events.newest_event()).await;
        // What is still to come is not read by a slip of the pen.
        let through = through.min(newest?);
        let marking = self.notices.notifications.mark_read(through);
        Ok(answer("mark notices", marking).await?)
    }
}

/// Cuts a list that has one more than was asked for; gives where the rest begins.
fn part_of<T>(items: &mut Vec<T>, limit: usize, no: impl Fn(&T) -> EventNo) -> Option<EventNo> {
    let has_more = items.len() > limit;
    items.truncate(limit);
    items.last().filter(|_| has_more).map(no)
}

fn no_such(id: &SubscriptionId) -> DeskError {
    let said = format!("no subscription {id} is here; list them to find it");
    DeskError::new(Code::NoSuchThing, said)
}
