//! The same order sent twice: a key of the sender's, so that an order whose answer was lost can be
//! sent again without a second job.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{code::Code, digest::Digest, id::JobId, limits::KEY_BYTES_MAX, refusal::Refusal};

/// The order that a job came with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Which order.
    pub key: IdempotencyKey,
    /// Digest of what it asked for, as it was sent.
    pub body: Digest,
}

/// A name that a sender gives one order (IETF draft "The Idempotency-Key HTTP Header Field").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = Refusal;

    /// Takes 1 to [`KEY_BYTES_MAX`] visible ASCII characters; quotes around them do not count.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        let unquoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let key = unquoted.unwrap_or(text);
        let is_visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if is_visible && (1..=KEY_BYTES_MAX).contains(&key.len()) {
            return Ok(Self(key.to_owned()));
        }
        let message = format!(
            "cannot take the idempotency key: it must be 1 to {KEY_BYTES_MAX} visible ASCII \
             characters, such as a UUID"
        );
        Err(Refusal::new(Code::BadRequest, message))
    }
}

/// What came of the insertion of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Inserted {
    /// It is durable.
    New,
    /// This order was taken before, for this job; nothing is changed.
    Known(JobId),
    /// The key was used for another order, of this job; nothing is changed.
    KeyTaken(JobId),
    /// Another job has this name; nothing is changed.
    NameTaken,
}

impl Inserted {
    /// What an order comes to whose key was used before: by this row's order, which `known` is.
    pub fn again(job: &JobId, known: Option<&Submission>, sent: &Submission) -> Self {
        match known {
            Some(known) if known == sent => Self::Known(job.clone()),
            _ => Self::KeyTaken(job.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_and_visible() {
        let long = "x".repeat(KEY_BYTES_MAX);
        for (text, key) in [("a", "a"), (" \"a-b\" ", "a-b"), ("\"", "\""), (&long, &long)] {
            assert_eq!(text.parse::<IdempotencyKey>().expect(text).as_str(), key);
        }
        let longer = long.clone() + "x";
        for text in ["", "  ", "\"\"", "a b", "ä", "a\n b", &longer] {
            let refused = text.parse::<IdempotencyKey>().expect_err(text);
            assert_eq!(refused.code, Code::BadRequest, "{text:?}");
        }
    }

    #[test]
    fn the_same_order_is_known_and_another_one_is_not() {
        let key: IdempotencyKey = "k".parse().expect("a key");
        let sent = Submission { key: key.clone(), body: Digest::of(b"one") };
        let other = Submission { key, body: Digest::of(b"two") };
        let job = JobId::new("j");
        assert_eq!(Inserted::again(&job, Some(&sent), &sent), Inserted::Known(job.clone()));
        assert_eq!(Inserted::again(&job, Some(&other), &sent), Inserted::KeyTaken(job.clone()));
        assert_eq!(Inserted::again(&job, None, &sent), Inserted::KeyTaken(job));
    }
}
