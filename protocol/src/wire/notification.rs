//! Subscriptions, deliveries and notices as fronts are sent and answer them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    event::Event,
    id::{JobId, SubscriptionId},
    notification::{
        delivery::{Attempt, Delivery, DeliveryState},
        subscription::{EventKind, Standing, Subscription},
        target::{MailAddress, SigningSecret, Target, WebhookUrl},
    },
    unit::{EventNo, Timestamp},
};

/// A webhook that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WebhookOrder {
    /// Where notices are posted.
    pub url: WebhookUrl,
    /// Of what; that jobs ended, if not said.
    #[serde(default = "EventKind::usual")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<EventKind>", length(min = 1)))]
    pub kinds: BTreeSet<EventKind>,
    /// Signs them; made, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SigningSecret>,
}

/// Mail that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MailOrder {
    /// Whose mailbox.
    pub to: MailAddress,
    /// Of what; that jobs ended, if not said.
    #[serde(default = "EventKind::usual")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<EventKind>", length(min = 1)))]
    pub kinds: BTreeSet<EventKind>,
}

/// A subscription switched on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TurnOrder {
    /// `active` or `disabled`.
    pub state: Turned,
}

/// What a subscription can be set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Turned {
    /// Told of what happens from now on.
    Active,
    /// Told of nothing.
    Disabled,
}

/// Notices that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReadOrder {
    /// Up to this event.
    pub through: EventNo,
}

/// Where the mark of what was read is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReadView {
    /// Up to this event.
    pub through: EventNo,
}

/// One subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SubscriptionView {
    /// Its name.
    pub id: SubscriptionId,
    /// Where notices are posted, of a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<WebhookUrl>,
    /// Whose mailbox, of mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<MailAddress>,
    /// Of what it is told.
    pub kinds: BTreeSet<EventKind>,
    /// Whether it is.
    pub state: Standing,
    /// What the last attempt that failed said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Events up to this one have their deliveries, or need none.
    pub after: EventNo,
    /// Milliseconds since 1970.
    pub made_at: Timestamp,
    /// What signs; shown when it was made and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SigningSecret>,
}

impl SubscriptionView {
    /// Without its secret.
    pub fn of(row: &Subscription) -> Self {
        let (url, to) = match &row.target {
            Target::Webhook { url, .. } => (Some(url.clone()), None),
            Target::Mail { to } => (None, Some(to.clone())),
        };
        Self {
            id: row.id.clone(),
            url,
            to,
            kinds: row.kinds.clone(),
            state: row.state,
            trouble: row.trouble.clone(),
            after: row.after,
            made_at: row.made_at,
            secret: None,
        }
    }

    /// With the newest secret, for the one moment in which it is shown.
    pub fn with_secret(row: &Subscription) -> Self {
        let secret = match &row.target {
            Target::Webhook { keys, .. } => keys.first().map(|key| key.secret.clone()),
            Target::Mail { .. } => None,
        };
        Self { secret, ..Self::of(row) }
    }
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeliveryView {
    /// Of which event.
    pub event: EventNo,
    /// `webhook-id`, or what stands before the `@` of a mail's Message-ID.
    pub message_id: String,
    /// `job.ended`.
    #[serde(rename = "type")]
    pub kind: String,
    /// To which job.
    pub job: JobId,
    /// Where it is, and since or until when.
    #[serde(flatten)]
    pub state: DeliveryState,
    /// Attempts since it was made or was last asked for again.
    pub tries: u32,
    /// Milliseconds since 1970.
    pub made_at: Timestamp,
    /// The newest attempts, oldest first.
    pub attempts: Vec<Attempt>,
}

impl DeliveryView {
    /// Of a delivery.
    pub fn of(delivery: &Delivery) -> Self {
        Self {
            event: delivery.event.no,
            message_id: delivery.key().to_string(),
            kind: delivery.event.what.name().to_owned(),
            job: delivery.event.job.clone(),
            state: delivery.state,
            tries: delivery.tries,
            made_at: delivery.made_at,
            attempts: delivery.attempts.clone(),
        }
    }
}

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrialView {
    /// Whether it arrived.
    pub delivered: bool,
    /// What the receiver answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it did not arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Jobs that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NoticesView {
    /// Newest first, as the event log says it.
    pub items: Vec<Event>,
    /// How many were not read; counted up to a hundred.
    pub unread: usize,
    /// Up to this event they were read.
    pub read_through: EventNo,
    /// Gives the next page; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::step::samples::{ended, subscription};

    #[test]
    fn a_secret_is_shown_only_where_it_is_asked_for() {
        let row = subscription("s");
        let secret = row.target.secrets(Timestamp(0))[0].as_str().to_owned();
        let shown = serde_json::to_string(&SubscriptionView::of(&row)).expect("is written");
        assert!(!shown.contains("whsec") && !shown.contains("keys"), "{shown}");
        let shown = serde_json::to_value(SubscriptionView::with_secret(&row)).expect("is written");
        assert_eq!(shown["secret"], secret);
    }

    #[test]
    fn a_delivery_is_one_flat_object() {
        let delivery = Delivery::new(SubscriptionId::new("s"), ended(7, "j"), Timestamp(5));
        let json = serde_json::json!({
            "event": 7, "message_id": "msg_s_7", "type": "job.ended", "job": "j",
            "state": "due", "at": 5, "tries": 0, "made_at": 5, "attempts": [],
        });
        assert_eq!(serde_json::to_value(DeliveryView::of(&delivery)).expect("is written"), json);
    }

    #[test]
    fn orders_have_usual_kinds_and_no_unknown_field() {
        let order: WebhookOrder =
            serde_json::from_str(r#"{"url": "https://example.org"}"#).expect("an order");
        assert_eq!((order.kinds, order.secret), (EventKind::usual(), None));
        for text in [
            r#"{"url": "https://example.org", "uri": 1}"#,
            r#"{"url": "ftp://example.org"}"#,
            r#"{"url": "https://example.org", "kinds": ["job.lost"]}"#,
            r#"{"url": "https://example.org", "secret": "short"}"#,
        ] {
            assert!(serde_json::from_str::<WebhookOrder>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<TurnOrder>(r#"{"state": "failing"}"#).is_err());
    }
}
