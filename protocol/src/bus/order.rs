//! An order that was published: how it is read, and what becomes of it.

use crate::{
    code::{Code, Retry},
    desk::DeskError,
    digest::Digest,
    limits::{ORDER_BYTES_MAX, ORDER_DELIVERIES_MAX, ORDER_REST_MAX_MS, ORDER_REST_MS},
    refusal::Refusal,
    submission::{IdempotencyKey, Submission},
    unit::Millis,
    wire::{self, JobOrder},
};

/// The version of messages that this program writes and reads.
pub const VERSION: &str = "1";

/// A message with an order, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The key that its publisher gave it, if any.
    pub key: Option<String>,
    /// A name that no other message of the queue ever has, with visible ASCII characters only.
    pub name: String,
    /// The version of its form, if it says so.
    pub version: Option<String>,
    /// The order as JSON, as `POST /v1/jobs` takes it.
    pub body: Vec<u8>,
    /// How often it was handed out, this time included.
    pub deliveries: u64,
}

impl Published {
    /// The order, and the key under which it is made once, however often it is handed out.
    ///
    /// # Errors
    /// What can never be done: an unknown version, too many bytes, no order, a key that is none, or
    /// whatever took its nodes down with it again and again.
    pub fn read(&self) -> Result<(JobOrder, Submission), Refusal> {
        let refused = |code, why: String| {
            Err(Refusal::new(code, format!("take the published order {}: {why}", self.name)))
        };
        if let Some(version) = self.version.as_deref().filter(|version| *version != VERSION) {
            let why = format!("its version {version:?} is not known here; this is {VERSION}");
            return refused(Code::BadRequest, why);
        }
        if self.body.len() > ORDER_BYTES_MAX {
            let why = format!("it has {} bytes, and {ORDER_BYTES_MAX} are taken", self.body.len());
            return refused(Code::TooLarge, why);
        }
        if self.deliveries > ORDER_DELIVERIES_MAX {
            let why = format!(
                "it was handed out {} times, and nobody came to an end with it; see the logs of \
                 the nodes, and publish it again once that is mended",
                self.deliveries
            );
            return refused(Code::Internal, why);
        }
        let order = match wire::read(&self.body) {
            Ok(order) => order,
            Err(error) => {
                let why = format!("{error}; send what POST /v1/jobs takes");
                return refused(Code::BadRequest, why);
            }
        };
        let key: IdempotencyKey = match self.key.as_deref().unwrap_or(&self.name).parse() {
            Ok(key) => key,
            Err(Refusal { code, message }) => return refused(code, message),
        };
        Ok((order, Submission { key, body: Digest::of(&self.body) }))
    }
}

/// Whether an order that the desk did not take will be taken as it is, later or by another node:
/// what is wrong with the order itself never is, what is wrong with a node or its stores is.
pub fn may_be_taken_later(error: &DeskError) -> bool {
    let is_the_orders = matches!(error.code.exit_status(), 2..=4);
    !is_the_orders || error.code.retry() == Retry::Later
}

/// How long an order is left alone that could not be taken just now, by how often it was handed
/// out.
pub fn rest(deliveries: u64) -> Millis {
    let doubled = deliveries.saturating_sub(1).min(16);
    Millis((ORDER_REST_MS << doubled).min(ORDER_REST_MAX_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = r#"{"kind":"train","dataset":"trial"}"#;

    fn published(body: &str) -> Published {
        let (name, body) = ("published-1-2".to_owned(), body.as_bytes().to_vec());
        Published { key: Some("a".to_owned()), name, version: None, body, deliveries: 1 }
    }

    #[test]
    fn an_order_is_read_with_the_key_of_its_publisher_or_a_name_of_its_own() {
        let (order, submission) = published(ORDER).read().expect("an order");
        assert!(matches!(order, JobOrder::Train(_)));
        assert_eq!(submission.key.as_str(), "a");
        assert_eq!(submission.body, Digest::of(ORDER.as_bytes()), "as over HTTP");
        let unnamed = Published { key: None, ..published(ORDER) };
        assert_eq!(unnamed.read().expect("an order").1.key.as_str(), "published-1-2");
        let named = Published { version: Some("1".to_owned()), ..published(ORDER) };
        assert!(named.read().is_ok());
    }

    #[test]
    fn what_can_never_be_taken_is_refused_with_the_reason() {
        let large = format!("{ORDER}{}", " ".repeat(ORDER_BYTES_MAX));
        let with = |change: fn(&mut Published)| {
            let mut changed = published(ORDER);
            change(&mut changed);
            changed
        };
        for (published, code, why) in [
            (published("{"), Code::BadRequest, "POST /v1/jobs"),
            (published(r#"{"kind":"dance"}"#), Code::BadRequest, "dance"),
            (published(r#"{"kind":"train","dataset":"a","x":1}"#), Code::BadRequest, "`x`"),
            (published(&large), Code::TooLarge, "are taken"),
            (with(|it| it.version = Some("2".to_owned())), Code::BadRequest, "version \"2\""),
            (with(|it| it.key = Some("a b".to_owned())), Code::BadRequest, "idempotency key"),
            (with(|it| it.deliveries = 1_000_000), Code::Internal, "handed out 1000000 times"),
        ] {
            let refused = published.read().expect_err(why);
            assert_eq!(refused.code, code, "{}", refused.message);
            assert!(refused.message.contains(why), "{}", refused.message);
            assert!(refused.message.contains("published-1-2"), "{}", refused.message);
        }
    }

    #[test]
    fn an_order_rests_for_longer_each_time_and_never_for_long() {
        let rests: Vec<_> = (1..=ORDER_DELIVERIES_MAX).map(|no| rest(no).get()).collect();
        assert!(rests.is_sorted(), "{rests:?}");
        assert_eq!((rests[0], rests.last()), (ORDER_REST_MS, Some(&ORDER_REST_MAX_MS)));
        let six_days = 6 * 24 * 3_600_000;
        assert!(rests.iter().sum::<u64>() > six_days, "an outage ruins no order");
    }

    #[test]
    fn what_is_wrong_with_a_node_is_no_fault_of_the_order() {
        for (code, later) in [
            (Code::NoSuchThing, false),
            (Code::KeyTaken, false),
            (Code::Withheld, false),
            (Code::SourceUnreadable, false),
            (Code::Busy, true),
            (Code::StoreSilent, true),
            (Code::StoreTooNew, true),
            (Code::DiskFull, true),
            (Code::Internal, true),
            (Code::DeviceLost, true),
        ] {
            assert_eq!(may_be_taken_later(&DeskError::new(code, "")), later, "{code}");
        }
    }
}
