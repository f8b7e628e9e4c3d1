//! Who wants to hear of what: one row each, changed only by whoever saw its newest version.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    code::Code,
    event::Happening,
    id::SubscriptionId,
    notification::target::Target,
    refusal::Refusal,
    submission::Submission,
    unit::{EventNo, Timestamp},
};

/// One subscription as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its name.
    pub id: SubscriptionId,
    /// Where its notices go.
    pub target: Target,
    /// What it is told of.
    pub kinds: BTreeSet<EventKind>,
    /// Whether it is told.
    pub state: Standing,
    /// What the last attempt that failed said; none after one that did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Events up to this one have their deliveries, or need none.
    pub after: EventNo,
    /// When it was made.
    pub made_at: Timestamp,
    /// The order that it came with, if it may be sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submission: Option<Submission>,
    /// Grows by one with each write; a write that saw another one is refused.
    pub version: u64,
}

impl Subscription {
    /// Whether it wants to hear of this.
    pub fn wants(&self, what: &Happening) -> bool {
        self.kinds.contains(&EventKind::of(what))
    }

    /// Turned on or off. What happens while it is off is not subscribed: on again, it begins with
    /// what comes after `newest`.
    #[must_use]
    pub fn turned(mut self, on: bool, newest: EventNo) -> Self {
        match (self.state, on) {
            (Standing::Disabled, true) => {
                self.state = Standing::Active;
                self.trouble = None;
                self.after = self.after.max(newest);
            }
            (_, true) => {}
            (_, false) => self.state = Standing::Disabled,
        }
        self
    }
}

/// Whether a subscription is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The last attempt arrived, or there was none.
    Active,
    /// The last attempt failed; it goes on, one at a time.
    Failing,
    /// Switched off, by its owner or because its target said that it is gone.
    Disabled,
}

macro_rules! kinds {
    ($($name:ident = $word:literal,)*) => {
        /// Of what a subscription can be told: the types of events.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum EventKind {
            $(#[doc = $word] #[serde(rename = $word)] $name,)*
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// As it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

kinds! {
    Accepted = "job.accepted",
    Noted = "job.noted",
    Planned = "job.planned",
    Checkpointed = "job.checkpointed",
    Judged = "job.judged",
    StageBegan = "job.stage_began",
    Ended = "job.ended",
}

impl EventKind {
    /// Of what happened.
    pub const fn of(what: &Happening) -> Self {
        match what {
            Happening::Accepted { .. } => Self::Accepted,
            Happening::Noted { .. } => Self::Noted,
            Happening::Planned { .. } => Self::Planned,
            Happening::Checkpointed { .. } => Self::Checkpointed,
            Happening::Judged { .. } => Self::Judged,
            Happening::StageBegan { .. } => Self::StageBegan,
            Happening::Ended(_) => Self::Ended,
        }
    }

    /// What whoever does not say is told of: that jobs ended.
    pub fn usual() -> BTreeSet<Self> {
        BTreeSet::from([Self::Ended])
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            let known = known.join(", ");
            let message = format!("cannot tell of {text:?}: the kinds of events are {known}");
            Refusal::new(Code::BadRequest, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::step::samples::subscription;

    #[test]
    fn kinds_are_the_types_of_events() {
        let what = Happening::Noted { what: String::new() };
        assert_eq!(EventKind::of(&what).as_str(), what.name());
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert_eq!(serde_json::json!(kind), kind.as_str());
        }
        assert!("job.lost".parse::<EventKind>().is_err());
    }

    #[test]
    fn what_happened_while_it_was_off_is_not_told() {
        let row = subscription("s");
        assert_eq!(row.clone().turned(true, EventNo(9)), row, "it was on");
        let off = row.turned(false, EventNo(9));
        assert_eq!((off.state, off.after), (Standing::Disabled, EventNo(0)));
        let on = off.turned(true, EventNo(9));
        assert_eq!((on.state, on.after), (Standing::Active, EventNo(9)));
    }
}
