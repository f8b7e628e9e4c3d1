//! Telling others what happened, by webhook or mail: at least once, and de-duplicated by a key.
//!
//! ```text
//! event log ─▶ subscription ─▶ delivery ─▶ attempt, attempt, … ─▶ delivered or given up
//! ```
//!
//! | to find | open |
//! |---|---|
//! | who wants to hear of what, and where | [`subscription`], [`target`] |
//! | one notice on its way to one subscriber | [`delivery`] |
//! | when it is tried again | [`patience`] |
//! | the machine: events in, deliveries and attempts out | [`step`], watched by [`audit`] |
//! | what is sent, and what came of it | [`channel`] |
//! | where it is kept | [`store`] |
//! | the door for fronts | [`desk`] |
//!
//! Invariants kept here: NOTE-1, NOTE-2. The scheme is that of Standard Webhooks
//! (standardwebhooks.com, specification 1.0): a stable id for each message, retries over days.

pub mod audit;
pub mod channel;
pub mod delivery;
pub mod desk;
pub mod patience;
pub mod step;
pub mod store;
pub mod subscription;
pub mod target;

pub use self::{
    channel::{Channel, Envelope, Notice, Receipt, Undelivered},
    delivery::{Delivery, DeliveryKey},
    desk::NoticeDesk,
    store::NotificationStore,
    subscription::{EventKind, Standing, Subscription},
    target::{MailAddress, SigningSecret, Target, WebhookUrl},
};
