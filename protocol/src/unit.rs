//! Quantities with types, so that rows are never added to steps.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default,
            Serialize, Deserialize,
        )]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The bare number.
            pub const fn get(self) -> u64 {
                self.0
            }
            /// The next one up.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

quantity! {
    /// Rows of one table.
    Rows
}
quantity! {
    /// Optimiser steps of a training run.
    Steps
}
quantity! {
    /// Fencing epoch: grows by one with each claim of a job, never falls.
    Epoch
}
quantity! {
    /// Milliseconds since the Unix epoch, for people only; no rule compares two machines' clocks.
    Timestamp
}
quantity! {
    /// Number of an event; the first one is 1.
    EventNo
}
quantity! {
    /// A length of time in milliseconds.
    Millis
}
quantity! {
    /// A number of bytes.
    ByteCount
}

/// `10000` as `10,000`.
pub fn separated(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
