//! The desk of notices: how a front subscribes, looks at what was sent, and asks for it again.

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::{
    desk::DeskError,
    event::Event,
    id::SubscriptionId,
    notification::{
        channel::{Receipt, Undelivered},
        delivery::Delivery,
        subscription::{EventKind, Subscription},
        target::Target,
    },
    submission::Submission,
    unit::EventNo,
};

/// What is asked of a new subscription.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// Where its notices go. A webhook without a key gets one.
    pub target: Target,
    /// Of what it is told.
    pub kinds: BTreeSet<EventKind>,
    /// The order that it comes with, if it may be sent again.
    pub submission: Option<Submission>,
}

/// A list's part, and whether there is more of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// What follows is before this event; none if nothing follows.
    pub next: Option<EventNo>,
}

/// Jobs that ended, for whoever looks.
#[derive(Debug, Clone, PartialEq)]
pub struct Notices {
    /// Newest first.
    pub part: Part<Event>,
    /// Up to here they were read.
    pub read_through: EventNo,
    /// How many were not; counted up to a limit.
    pub unread: usize,
}

/// Subscribes, shows, sends again.
#[async_trait]
pub trait NoticeDesk: Send + Sync {
    /// Makes a subscription; told is what happens from now on. True if it was there already.
    async fn subscribe(&self, wish: Wish) -> Result<(Subscription, bool), DeskError>;
    /// Every subscription, in order of their names.
    async fn list(&self) -> Result<Vec<Subscription>, DeskError>;
    /// One.
    async fn show(&self, id: &SubscriptionId) -> Result<Subscription, DeskError>;
    /// Switches one on or off.
    async fn turn(&self, id: &SubscriptionId, on: bool) -> Result<Subscription, DeskError>;
    /// Gives a webhook a fresh secret; the one before signs as well for a day.
    async fn rotate(&self, id: &SubscriptionId) -> Result<Subscription, DeskError>;
    /// Removes one with its deliveries.
    async fn unsubscribe(&self, id: &SubscriptionId) -> Result<(), DeskError>;
    /// Sends a trial at once, once, and tells what came of it.
    async fn try_out(&self, id: &SubscriptionId)
    -> Result<Result<Receipt, Undelivered>, DeskError>;
    /// What was and will be sent.
    async fn deliveries(
        &self,
        id: &SubscriptionId,
        before: Option<EventNo>,
        limit: usize,
    ) -> Result<Part<Delivery>, DeskError>;
    /// Sends one again that arrived or was given up.
    async fn resend(&self, id: &SubscriptionId, event: EventNo) -> Result<Delivery, DeskError>;
    /// Jobs that ended.
    async fn notices(&self, before: Option<EventNo>, limit: usize) -> Result<Notices, DeskError>;
    /// Says that those up to this event were read; gives up to where they are now.
    async fn mark_read(&self, through: EventNo) -> Result<EventNo, DeskError>;
}
