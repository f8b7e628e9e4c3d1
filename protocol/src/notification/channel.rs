//! What is sent and what came of it: the port behind which the web and the mail are.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    event::{Event, Happening},
    id::SubscriptionId,
    job::Outcome,
    notification::{
        delivery::Delivery,
        target::{SigningSecret, Target},
    },
    unit::{EventNo, Millis, Timestamp},
};

/// Sends one notice, once. Implementors owe an answer in bounded time, and try nothing again.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Returns when the receiver has taken it, or with what kept it from that.
    async fn send(&self, notice: &Notice) -> Result<Receipt, Undelivered>;
}

/// One attempt of one delivery: all that a channel needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The same for every attempt: whoever gets it twice knows by it.
    pub id: String,
    /// Whose it is.
    pub subscription: SubscriptionId,
    /// Where it goes.
    pub target: Target,
    /// When this attempt is made.
    pub at: Timestamp,
    /// What it says.
    pub envelope: Envelope,
    /// How the job ended, for people; none if that is not what it tells.
    pub outcome: Option<Outcome>,
    /// `synthesize`, `train`, `generate`; none if the job is forgotten.
    pub job_kind: Option<String>,
}

/// What a receiver reads, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Number of the event; zero for a trial.
    pub id: EventNo,
    /// `job.ended`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened (RFC 3339).
    pub time: String,
    /// To what: `jobs/<job>`.
    pub subject: String,
    /// What, as the event log says it.
    pub data: Value,
}

impl Envelope {
    /// Of an event.
    pub fn of(event: &Event) -> Self {
        let what = serde_json::to_value(&event.what).unwrap_or_default();
        Self {
            id: event.no,
            kind: event.what.name().to_owned(),
            time: event.at.rfc3339(),
            subject: format!("jobs/{}", event.job),
            data: what.get("data").cloned().unwrap_or(Value::Null),
        }
    }
}

impl Notice {
    /// The next attempt of a delivery.
    pub fn of(target: &Target, delivery: &Delivery, now: Timestamp) -> Self {
        let outcome = match &delivery.event.what {
            Happening::Ended(outcome) => Some(outcome.clone()),
            _ => None,
        };
        Self {
            id: delivery.key().to_string(),
            subscription: delivery.subscription.clone(),
            target: target.clone(),
            at: now,
            envelope: Envelope::of(&delivery.event),
            outcome,
            job_kind: None,
        }
    }

    /// A trial that tells of nothing, under a name of its own.
    pub fn trial(to: &SubscriptionId, target: &Target, name: &str, now: Timestamp) -> Self {
        let envelope = Envelope {
            id: EventNo(0),
            kind: "notice.test".to_owned(),
            time: now.rfc3339(),
            subject: format!("subscriptions/{to}"),
            data: serde_json::json!({}),
        };
        Self {
            id: format!("msg_{to}_test_{name}"),
            subscription: to.clone(),
            target: target.clone(),
            at: now,
            envelope,
            outcome: None,
            job_kind: None,
        }
    }

    /// Secrets that sign this attempt, the newest first.
    pub fn secrets(&self) -> Vec<&SigningSecret> {
        self.target.secrets(self.at)
    }
}

/// It arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt {
    /// With this status.
    pub status: Option<u16>,
}

/// It did not arrive, or nobody said that it did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Undelivered {
    /// What the receiver answered, if it did.
    pub status: Option<u16>,
    /// Act, place, reason; for the owner of the subscription.
    pub why: String,
    /// What to do about it.
    pub again: Again,
}

/// Whether an attempt is worth repeating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Later; not before so long, if the receiver said so.
    Later(Option<Millis>),
    /// Never: the receiver will not take this one.
    Never,
    /// Never, and nothing else either: the receiver said that it is gone.
    Gone,
}

impl Undelivered {
    /// Without an answer: the network or the receiver was silent.
    pub fn unanswered(why: impl Into<String>) -> Self {
        Self { status: None, why: why.into(), again: Again::Later(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::step::samples::{ended, subscription};

    #[test]
    fn an_envelope_says_what_the_log_says() {
        let event = Event { at: Timestamp(1_796_000_000_123), ..ended(7, "j") };
        let envelope = Envelope::of(&event);
        let json = serde_json::json!({
            "id": 7, "type": "job.ended", "time": "2026-11-30T00:53:20.123Z",
            "subject": "jobs/j", "data": {"outcome": "cancelled"},
        });
        assert_eq!(serde_json::to_value(&envelope).expect("is written"), json);
    }

    #[test]
    fn the_name_of_a_notice_is_that_of_its_delivery() {
        let row = subscription("s");
        let delivery = Delivery::new(row.id.clone(), ended(7, "j"), Timestamp(5));
        for now in [5, 900] {
            let notice = Notice::of(&row.target, &delivery, Timestamp(now));
            assert_eq!((notice.id.as_str(), notice.at), ("msg_s_7", Timestamp(now)));
            assert_eq!(notice.secrets().len(), 1);
        }
        let trial = Notice::trial(&row.id, &row.target, "x", Timestamp(5));
        assert_eq!(trial.id, "msg_s_test_x");
    }
}
