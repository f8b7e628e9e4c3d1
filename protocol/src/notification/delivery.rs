//! One notice on its way to one subscriber. Its key (subscription, event) is given once and goes
//! with every attempt, so that whoever hears it twice can tell.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    event::Event,
    id::SubscriptionId,
    limits::{NOTICE_ATTEMPTS_KEPT, NOTICE_PAUSES_MS},
    notification::{
        channel::{Again, Receipt, Undelivered},
        patience::Patience,
    },
    unit::{EventNo, Timestamp},
};

/// Names a delivery; the name that its receiver sees is `msg_<subscription>_<event>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryKey {
    /// To whom.
    pub subscription: SubscriptionId,
    /// Of what.
    pub event: EventNo,
}

impl fmt::Display for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg_{}_{}", self.subscription, self.event)
    }
}

/// One delivery as it stands in the store. It holds its event: the job may be forgotten before a
/// receiver that was away is back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// To whom.
    pub subscription: SubscriptionId,
    /// What is told.
    pub event: Event,
    /// When it was made.
    pub made_at: Timestamp,
    /// Where it is.
    pub state: DeliveryState,
    /// Attempts since it was made or was last asked for again.
    pub tries: u32,
    /// How often somebody asked for it again.
    #[serde(default)]
    pub asks: u32,
    /// The newest attempts, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
}

/// Where a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeliveryState {
    /// The next attempt is made then.
    Due {
        /// By the wall clock: it must outlive the process.
        at: Timestamp,
    },
    /// It arrived.
    Delivered {
        /// When that was known.
        at: Timestamp,
    },
    /// Nothing more is tried, unless somebody asks.
    GivenUp {
        /// Since when.
        at: Timestamp,
    },
}

/// One attempt that was answered, or was not in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attempt {
    /// When its end was known.
    pub at: Timestamp,
    /// What the receiver answered: a status of HTTP or SMTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it failed; none if it arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Delivery {
    /// A delivery that was just made: due at once.
    pub fn new(subscription: SubscriptionId, event: Event, now: Timestamp) -> Self {
        let state = DeliveryState::Due { at: now };
        let (tries, asks, attempts) = (0, 0, Vec::new());
        Self { subscription, event, made_at: now, state, tries, asks, attempts }
    }

    /// Its name.
    pub fn key(&self) -> DeliveryKey {
        DeliveryKey { subscription: self.subscription.clone(), event: self.event.no }
    }

    /// Whether more is to be tried.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, DeliveryState::Due { .. })
    }

    /// When the next attempt is to be made; none if none is. A clock that was set back must not
    /// put it off for longer than the longest pause.
    pub fn due_at(&self, now: Timestamp) -> Option<Timestamp> {
        let DeliveryState::Due { at } = self.state else { return None };
        let longest = NOTICE_PAUSES_MS[NOTICE_PAUSES_MS.len() - 1];
        let is_sane = at.get() <= now.get().saturating_add(longest * 2);
        Some(if is_sane { at } else { now })
    }

    /// Sent again from the first attempt on, because somebody asked; as it is if it is due anyway.
    #[must_use]
    pub fn asked_again(mut self, now: Timestamp) -> Self {
        if !self.is_open() {
            self.state = DeliveryState::Due { at: now };
            self.tries = 0;
            self.asks += 1;
        }
        self
    }

    /// Takes in how an attempt ended.
    pub(super) fn answered(
        &mut self,
        now: Timestamp,
        what: &Result<Receipt, Undelivered>,
        patience: Patience,
    ) {
        self.tries += 1;
        let (status, error) = match what {
            Ok(receipt) => (receipt.status, None),
            Err(undelivered) => (undelivered.status, Some(undelivered.why.clone())),
        };
        self.attempts.push(Attempt { at: now, status, error });
        let extra = self.attempts.len().saturating_sub(NOTICE_ATTEMPTS_KEPT);
        self.attempts.drain(..extra);
        self.state = match what {
            Ok(_) => DeliveryState::Delivered { at: now },
            Err(Undelivered { again: Again::Never | Again::Gone, .. }) => {
                DeliveryState::GivenUp { at: now }
            }
            Err(Undelivered { again: Again::Later(asked), .. }) => {
                match patience.pause(&self.key(), self.tries, *asked) {
                    Some(pause) => DeliveryState::Due { at: Timestamp(now.get() + pause.get()) },
                    None => DeliveryState::GivenUp { at: now },
                }
            }
        };
    }
}
