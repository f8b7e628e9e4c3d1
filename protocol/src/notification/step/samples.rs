//! Subscriptions and events for the tests of the courier.

use crate::{
    event::{Event, Happening},
    id::{JobId, SubscriptionId},
    job::Outcome,
    notification::{
        subscription::{EventKind, Standing, Subscription},
        target::{SigningKey, SigningSecret, Target},
    },
    unit::{EventNo, Timestamp},
};

/// A webhook that wants to hear of ends, from the first event on.
pub fn subscription(id: &str) -> Subscription {
    let secret = SigningSecret::of_key(&[1; 32]).expect("a secret");
    let keys = vec![SigningKey { secret, until: None }];
    let url = "https://example.org/hook".parse().expect("an address");
    Subscription {
        id: SubscriptionId::new(id),
        target: Target::Webhook { url, keys },
        kinds: EventKind::usual(),
        state: Standing::Active,
        trouble: None,
        after: EventNo(0),
        made_at: Timestamp(0),
        submission: None,
        version: 1,
    }
}

/// A job that was cancelled.
pub fn ended(no: u64, job: &str) -> Event {
    let what = Happening::Ended(Outcome::Cancelled);
    Event { no: EventNo(no), at: Timestamp(no), job: JobId::new(job), what }
}

/// Something that nobody subscribed to.
pub fn noted(no: u64) -> Event {
    let what = Happening::Noted { what: "claimed".to_owned() };
    Event { what, ..ended(no, "j") }
}
