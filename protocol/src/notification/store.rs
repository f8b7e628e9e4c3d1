//! The port of everything durable about notices.
//!
//! Every change of a subscription or its deliveries is one write that carries the version which it
//! saw. So an event's delivery and the cursor that passed the event appear together or not at all,
//! and of two who change the same, one begins again.

use async_trait::async_trait;

use crate::{
    event::Event,
    id::SubscriptionId,
    limits::SUBSCRIPTIONS_MAX,
    notification::{delivery::Delivery, subscription::Subscription},
    store::StoreError,
    unit::{EventNo, Timestamp},
};

/// What one step changed of one subscription.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The row as it shall be; its version is one more than the one that was seen.
    pub row: Subscription,
    /// Deliveries that are new.
    pub made: Vec<Delivery>,
    /// Deliveries that were there and are others now.
    pub changed: Vec<Delivery>,
}

impl Change {
    /// Of the row alone, seen as it was with the version that it has.
    pub fn of(row: Subscription) -> Self {
        let row = Subscription { version: row.version + 1, ..row };
        Self { row, made: Vec::new(), changed: Vec::new() }
    }
}

/// What came of a new subscription.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Subscribed {
    /// It is durable.
    New,
    /// The same order was taken before, as this one.
    Known(Box<Subscription>),
    /// The key of the order came with another order before.
    KeyTaken(SubscriptionId),
    /// There are as many as there may be.
    TooMany,
}

impl Subscribed {
    /// What keeps this row from being added to the others; nothing, if none.
    pub fn before<'row>(
        others: impl Iterator<Item = &'row Subscription>,
        row: &Subscription,
    ) -> Option<Self> {
        let mut count = 0;
        for other in others {
            count += 1;
            let (Some(theirs), Some(ours)) = (&other.submission, &row.submission) else { continue };
            if theirs.key == ours.key {
                let is_same = theirs.body == ours.body;
                let known = || Self::Known(Box::new(other.clone()));
                return Some(if is_same { known() } else { Self::KeyTaken(other.id.clone()) });
            }
        }
        (count >= SUBSCRIPTIONS_MAX).then_some(Self::TooMany)
    }
}

/// Whether a change took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Changed {
    /// It is durable.
    Done,
    /// Another one came before; nothing was written.
    Stale,
    /// There is no such subscription; nothing was written.
    Gone,
}

/// Durable subscriptions and deliveries.
#[async_trait]
pub trait NotificationStore: Send + Sync {
    /// Adds a subscription.
    async fn subscribe(&self, row: &Subscription) -> Result<Subscribed, StoreError>;
    /// Every subscription, in order of their names.
    async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError>;
    /// One of them.
    async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError>;
    /// Makes a change, if the row has the version that it saw. A delivery that is new and there
    /// already is an error: NOTE-1.
    async fn change(&self, change: &Change) -> Result<Changed, StoreError>;
    /// Removes a subscription with its deliveries; false if there is none.
    async fn unsubscribe(&self, id: &SubscriptionId) -> Result<bool, StoreError>;
    /// Its deliveries that are not over, oldest first.
    async fn open_deliveries(&self, id: &SubscriptionId) -> Result<Vec<Delivery>, StoreError>;
    /// Its deliveries of events before this one (of all, if none), newest first; at most `limit`.
    async fn deliveries(
        &self,
        id: &SubscriptionId,
        before: Option<EventNo>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError>;
    /// One delivery.
    async fn delivery(
        &self,
        id: &SubscriptionId,
        event: EventNo,
    ) -> Result<Option<Delivery>, StoreError>;
    /// Removes deliveries of a subscription that are over: those made before `before`, and all but
    /// the newest `keep` of the others. Gives how many.
    async fn prune_deliveries(
        &self,
        id: &SubscriptionId,
        before: Timestamp,
        keep: usize,
    ) -> Result<usize, StoreError>;
    /// Events that tell of an end, newest first: those before `before` (all, if none) and after
    /// `after`; at most `limit`.
    async fn endings(
        &self,
        before: Option<EventNo>,
        after: EventNo,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError>;
    /// The event up to which somebody has read the notices; zero at first.
    async fn read_mark(&self) -> Result<EventNo, StoreError>;
    /// Moves it; it never goes back. Gives where it is now.
    async fn mark_read(&self, through: EventNo) -> Result<EventNo, StoreError>;
}
