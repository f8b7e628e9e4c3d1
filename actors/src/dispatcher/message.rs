//! What the dispatcher of notices is told.

use tgs_protocol::{
    id::SubscriptionId,
    notification::channel::{Receipt, Undelivered},
    unit::EventNo,
};

/// Mailbox of the dispatcher.
#[derive(Debug, ractor_cluster::RactorMessage)]
pub(crate) enum DispatcherMessage {
    /// Order: look what is new and what is due.
    Look,
    /// Fact: an attempt ended.
    Answered { subscription: SubscriptionId, event: EventNo, what: Result<Receipt, Undelivered> },
}
